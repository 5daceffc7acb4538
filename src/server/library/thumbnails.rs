//! Thumbnails: made once, kept in memory.

use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::super::refusal::Refusal;
use super::super::work::blocking;
use super::answers::hexadecimal;
use super::page::kept;
use super::parameters::Parameters;
use super::photos::{Id, number};
use super::recent::Recent;
use super::{Shelf, originals};
use crate::library::LibraryPhoto;
use crate::library::sheet::{THUMBNAIL_SIDE, Thumbnail};

/// The hash of a content and the longer side of its thumbnail.
pub(super) type Key = ([u8; 32], usize);

/// The sizes that can be asked for: few, so that they are kept.
const SIDES: [usize; 4] = [160, THUMBNAIL_SIDE, 640, 1024];

pub(super) async fn thumbnail(
    State(shelf): State<Arc<Shelf>>,
    id: Id,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let side = Parameters::parse(query.as_deref(), &["size"])?.whole("size", (1, 1024))?.unwrap_or(THUMBNAIL_SIDE);
    if !SIDES.contains(&side) {
        return Err(Refusal::bad(format!("there are no thumbnails of size {side}; sizes are 160, 320, 640 and 1024")));
    }
    let id = number(id)?;
    let _admitted = shelf.server.admission.enter().await?;
    let known = {
        let shelf = Arc::clone(&shelf);
        blocking(move || shelf.known(id, side, &headers)).await??
    };
    let (photo, tag) = match known {
        Known::Answer(answer) => return Ok(answer),
        Known::Missing(photo, tag) => (photo, tag),
    };
    // One per core, as all photos that are decoded.
    let turn = Arc::clone(&shelf.server.decoders).acquire_owned().await.map_err(Refusal::internal)?;
    blocking(move || {
        let _turn = turn;
        let jpeg = make(&shelf, &photo, side)?;
        shelf.thumbnails().put((photo.hash, side), jpeg.clone());
        Ok(answer(&tag, jpeg))
    })
    .await?
}

/// What is known before anything is decoded.
enum Known {
    Answer(Response),
    /// The photo, and the header of the answer.
    Missing(LibraryPhoto, String),
}

impl Shelf {
    fn thumbnails(&self) -> MutexGuard<'_, Recent<Key>> {
        self.thumbnails.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, id: i64, side: usize, headers: &HeaderMap) -> Result<Known, Refusal> {
        let photo = self.photo(id)?;
        let tag = match kept(headers, &format!("{}-{side}", &hexadecimal(&photo.hash)[..32])) {
            Ok(answer) => return Ok(Known::Answer(answer)),
            Err(tag) => tag,
        };
        let jpeg = self.thumbnails().get(&(photo.hash, side));
        Ok(match jpeg {
            Some(jpeg) => Known::Answer(answer(&tag, jpeg)),
            None => Known::Missing(photo, tag),
        })
    }
}

fn answer(tag: &str, jpeg: Bytes) -> Response {
    let headers = [("content-type", "image/jpeg"), ("cache-control", "private, no-cache"), ("etag", tag)];
    (headers, jpeg).into_response()
}

/// Makes the thumbnail of a photo.
fn make(shelf: &Shelf, photo: &LibraryPhoto, side: usize) -> Result<Bytes, Refusal> {
    let mut original = originals::open(shelf, photo)?;
    let bytes = original.file.read(original.bytes).map_err(|error| match error.kind() {
        io::ErrorKind::OutOfMemory => Refusal::busy("it has no memory left"),
        _ => gone(format!("the photo cannot be read: {error}")),
    })?;
    let made = Thumbnail::of(&bytes, side).map_err(|error| gone(format!("the photo cannot be shown: {error}")))?;
    Ok(made.jpeg.into())
}

pub(super) fn gone(message: String) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, message)
}
