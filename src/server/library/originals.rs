//! The files of photos: opened once, checked, and sent from that handle.
//!
//! What is sent are the bytes that were indexed, in a file of an indexed folder, and nothing else: not what a link leads to
//! outside of these folders, not what is under the name of a photo now, and no mix of two contents.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::task::{JoinHandle, spawn_blocking};

use super::super::refusal::Refusal;
use super::Shelf;
use super::answers::hexadecimal;
use super::of_library;
use super::page::kept;
use super::parameters::Parameters;
use super::photos::{Id, number};
use super::ranges::{Part, part};
use super::thumbnails::gone;
use crate::files::open_regular;
use crate::library::LibraryPhoto;

/// Nothing larger is indexed; a library from elsewhere may say otherwise.
const MOST_BYTES: u64 = 512 << 20;

/// Bytes that are read at a time.
const CHUNK: usize = 256 << 10;

/// What RFC 8187 lets stand in the name of a file.
const NAME: AsciiSet = NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_').remove(b'~');

/// A file that holds a photo of the library.
pub(super) struct Original {
    pub file: Checked,
    pub bytes: u64,
    name: String,
}

/// A file that had the content of a photo when it had this length and time of change. That another file took its name, which
/// a system notes at both, changes neither.
pub(super) struct Checked {
    handle: File,
    state: (u64, Option<SystemTime>),
}

/// Length and time of change. Systems set the time before the bytes, so whoever reads another byte finds another time after.
fn state(handle: &File) -> io::Result<(u64, Option<SystemTime>)> {
    handle.metadata().map(|data| (data.len(), data.modified().ok()))
}

impl Checked {
    /// Reads so many bytes from where the handle is.
    ///
    /// # Errors
    /// The file was cut or changed since its content was checked.
    pub fn read(&mut self, bytes: u64) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        let len = usize::try_from(bytes).map_err(|_| io::ErrorKind::OutOfMemory)?;
        read.try_reserve_exact(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        (&mut self.handle).take(bytes).read_to_end(&mut read)?;
        match read.len() == len && state(&self.handle)? == self.state {
            true => Ok(read),
            false => Err(io::Error::other("the file of a photo changed while it was read")),
        }
    }
}

pub(super) async fn original(
    State(shelf): State<Arc<Shelf>>,
    id: Id,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    Parameters::parse(query.as_deref(), &[])?;
    let id = number(id)?;
    shelf
        .work(move |shelf| {
            let photo = shelf.photo(id)?;
            // Before the tag is compared: a photo whose file is gone is missing, whoever still has a copy.
            let Original { mut file, bytes, name } = open(shelf, &photo)?;
            let tag = match kept(&headers, &hexadecimal(&photo.hash)[..32]) {
                Ok(answer) => return Ok(answer),
                Err(tag) => tag,
            };
            // A range of a HEAD means nothing.
            let part = if method == Method::GET { part(&headers, &tag, bytes) } else { Part::Whole };
            let (status, sent, range) = match part {
                Part::Whole => (StatusCode::OK, 0..bytes, None),
                Part::Range(sent) => {
                    let range = format!("bytes {}-{}/{bytes}", sent.start, sent.end - 1);
                    (StatusCode::PARTIAL_CONTENT, sent, Some(range))
                }
                Part::Beyond => return Ok(beyond(bytes)),
            };
            file.handle.seek(SeekFrom::Start(sent.start)).map_err(Refusal::internal)?;
            let disposition = disposition(&name);
            let headers = [
                ("content-type", media_type(photo.format.as_deref())),
                ("cache-control", "private, no-cache"),
                ("content-disposition", &disposition),
                ("accept-ranges", "bytes"),
                ("etag", &tag),
            ];
            let body = Body::new(Stream { state: Reading::Idle(file), left: sent.end - sent.start });
            Ok((status, headers, range.map(|range| [("content-range", range)]), body).into_response())
        })
        .await
}

/// The answer to a range that begins behind the end.
fn beyond(bytes: u64) -> Response {
    let message = format!("the range begins behind the end of the file, which has {bytes} bytes");
    let refusal = Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, message);
    ([("content-range", format!("bytes */{bytes}"))], refusal).into_response()
}

/// Opens the first file of a photo that is in an indexed folder and still has its content.
pub(super) fn open(shelf: &Shelf, photo: &LibraryPhoto) -> Result<Original, Refusal> {
    let roots = shelf.library.folders().map_err(|error| of_library(&error))?;
    let roots: Vec<PathBuf> = roots.into_iter().filter_map(|root| root.canonicalize().ok()).collect();
    let mut reason = "the file of the photo is not there; `clippie-rs index` brings the library up to date";
    for file in &photo.files {
        let Ok(real) = file.path.canonicalize() else { continue };
        if !roots.iter().any(|root| real.starts_with(root)) {
            tracing::warn!("{} leads out of the folders of the library and is not shown", file.path.display());
            continue;
        }
        // Whatever is there by now, only the bytes that were indexed get through.
        match open_regular(&real).and_then(|handle| unchanged(handle, photo)) {
            Ok(Some(checked)) => {
                let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                return Ok(Original { file: checked, bytes: photo.bytes, name });
            }
            Ok(None) => reason = "the file of the photo changed since it was indexed; run `clippie-rs index`",
            Err(error) => tracing::warn!("cannot read {}: {error}", real.display()),
        }
    }
    Err(gone(reason.to_owned()))
}

/// The handle, at its begin, if it has the content of the photo.
fn unchanged(mut handle: File, photo: &LibraryPhoto) -> io::Result<Option<Checked>> {
    let state = state(&handle)?;
    if state.0 != photo.bytes || photo.bytes > MOST_BYTES {
        return Ok(None);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader((&mut handle).take(photo.bytes))?;
    handle.rewind()?;
    Ok((*hasher.finalize().as_bytes() == photo.hash).then_some(Checked { handle, state }))
}

fn media_type(format: Option<&str>) -> &'static str {
    match format {
        Some("jpeg") => "image/jpeg",
        Some("png") => "image/png",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("bmp") => "image/bmp",
        Some("tiff") => "image/tiff",
        _ => "application/octet-stream",
    }
}

/// The name under which a browser keeps the file (RFC 6266).
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ') { c } else { '_' })
        .collect();
    format!("inline; filename=\"{plain}\"; filename*=UTF-8''{}", utf8_percent_encode(name, &NAME))
}

/// The content of a file, read on a thread for it while it is sent.
struct Stream {
    state: Reading,
    left: u64,
}

enum Reading {
    Idle(Checked),
    Busy(JoinHandle<io::Result<(Checked, Vec<u8>)>>),
    Done,
}

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            match std::mem::replace(&mut self.state, Reading::Done) {
                Reading::Idle(mut file) if self.left > 0 => {
                    let next = self.left.min(CHUNK as u64);
                    // A file that was cut or changed meanwhile ends the connection, so that nobody takes what came for the
                    // whole, or a mix of two contents for one.
                    self.state = Reading::Busy(spawn_blocking(move || file.read(next).map(|bytes| (file, bytes))));
                }
                Reading::Busy(mut reading) => {
                    let Poll::Ready(read) = Pin::new(&mut reading).poll(context) else {
                        self.state = Reading::Busy(reading);
                        return Poll::Pending;
                    };
                    let (file, bytes) = read.map_err(io::Error::other)??;
                    self.left -= bytes.len() as u64;
                    self.state = Reading::Idle(file);
                    return Poll::Ready(Some(Ok(Frame::data(bytes.into()))));
                }
                Reading::Idle(_) | Reading::Done => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_names() {
        assert_eq!(disposition("a.jpg"), "inline; filename=\"a.jpg\"; filename*=UTF-8''a.jpg");
        let name = "a\"\r\nX: 1; é.jpg";
        assert_eq!(
            disposition(name),
            "inline; filename=\"a___X_ 1_ _.jpg\"; filename*=UTF-8''a%22%0D%0AX%3A%201%3B%20%C3%A9.jpg"
        );
    }
}
