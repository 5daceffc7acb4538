//! Paths that come on standard input, encoded as they come: for a program that waits for the row of each path before it
//! gives the next.
//!
//! A thread reads them and lists folders and archives, so that the thread that encodes never waits for a path while
//! others are to be encoded.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::lists::{CHUNK, NOT_UTF16, PATHS, is_utf16, too_long};
use super::{Found, Photo};
use crate::cli::messages::{Failure, Messages};
use crate::cli::photos::{Broken, Photos, Replaced};
use crate::cli::streams;
use crate::files;
use crate::walk::{PassedOver, Walk};

/// Most photos that are known and not yet encoded. Reading goes on when there is room.
const MOST_WAITING: usize = 1024;

/// The photos of standard input.
pub(in crate::cli) struct Live {
    items: Receiver<Item>,
    /// Number of items that were sent and not received, except warnings.
    waiting: Arc<AtomicUsize>,
    /// Whether all were sent.
    ended: Arc<AtomicBool>,
    passed_over: Arc<Mutex<PassedOver>>,
}

enum Item {
    Photo(Photo),
    /// A warning of a folder or an archive without photos.
    Empty(String),
    /// Why reading ended.
    Failed(String),
}

impl Live {
    /// Starts reading. Folders are searched as `walk` does.
    pub fn start(walk: &Walk) -> io::Result<Live> {
        let (send, items) = sync_channel(MOST_WAITING);
        let live = Live { items, waiting: Arc::default(), ended: Arc::default(), passed_over: Arc::default() };
        let mut lister = Lister {
            send,
            waiting: Arc::clone(&live.waiting),
            ended: Ended(Arc::clone(&live.ended)),
            passed_over: Arc::clone(&live.passed_over),
            walk: walk.clone(),
        };
        thread::Builder::new().name("clippie-paths".into()).spawn(move || {
            let read = streams::stdin().map_err(failed).and_then(|stdin| entries(stdin, |entry| lister.list(entry)));
            if let Err(reason) = read {
                lister.send(Item::Failed(reason));
            }
        })?;
        Ok(live)
    }

    /// What folders and archives had beside photos; complete when all photos were taken.
    pub fn passed_over(&self) -> PassedOver {
        self.passed_over.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The photos as they come.
    pub fn photos<'a>(&'a self, messages: &'a Messages, replaced: &'a Replaced, broken: &Broken) -> Photos<'a> {
        let (waiting, ended) = (Arc::clone(&self.waiting), Arc::clone(&self.ended));
        let end = broken.clone();
        let photos = std::iter::from_fn(move || {
            loop {
                match self.items.recv().ok()? {
                    Item::Empty(warning) => messages.warning(&warning),
                    Item::Photo(photo) => {
                        self.waiting.fetch_sub(1, Ordering::SeqCst);
                        return Some(photo);
                    }
                    Item::Failed(reason) => {
                        end.set(Failure::Error(reason));
                        return None;
                    }
                }
            }
        });
        let at_hand = move || waiting.load(Ordering::SeqCst) > 0 || ended.load(Ordering::SeqCst);
        Photos::to_come(photos, at_hand, replaced, broken)
    }
}

/// Sets a flag at the end of a thread, however it ends.
struct Ended(Arc<AtomicBool>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What the reading thread has.
struct Lister {
    send: SyncSender<Item>,
    waiting: Arc<AtomicUsize>,
    #[allow(dead_code, reason = "dropped, not read; after `send`")]
    ended: Ended,
    passed_over: Arc<Mutex<PassedOver>>,
    walk: Walk,
}

impl Lister {
    /// Sends the photos of an entry; says whether anyone takes them.
    fn list(&mut self, entry: &[u8]) -> Result<bool, String> {
        let Some(path) = files::path_of(entry) else {
            let entry = String::from_utf8_lossy(entry);
            return Err(format!("standard input: {entry:?} is not UTF-8, so it names no file here"));
        };
        let mut found = Found::default();
        found.add(path, &self.walk);
        self.passed_over.lock().unwrap_or_else(PoisonError::into_inner).add(&found.passed_over);
        let empty = found.empty.into_iter().map(Item::Empty);
        Ok(found.photos.into_iter().map(Item::Photo).chain(empty).all(|item| self.send(item)))
    }

    fn send(&self, item: Item) -> bool {
        if !matches!(item, Item::Empty(_)) {
            self.waiting.fetch_add(1, Ordering::SeqCst);
        }
        self.send.send(item).is_ok()
    }
}

fn failed(error: io::Error) -> String {
    format!("cannot read standard input: {error}")
}

/// Reads the entries of a list as they come, up to where `each` says no. They are separated by NUL bytes if one comes with
/// the first of them, else by lines, and read as those of a file are.
fn entries(mut input: impl Read, mut each: impl FnMut(&[u8]) -> Result<bool, String>) -> Result<(), String> {
    let mut chunk = vec![0; CHUNK];
    // What was read of the entries that are not complete; how they are separated; the number of the first, from 1.
    let (mut rest, mut separator, mut number) = (Vec::new(), None, 1);
    let mut at_start = true;
    loop {
        let read = match input.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(failed)?,
        };
        rest.extend_from_slice(chunk.get(..read).unwrap_or_default());
        separator = separator.or(if rest.contains(&0) { Some(0) } else { rest.contains(&b'\n').then_some(b'\n') });
        let by = separator;
        if at_start && (by.is_some() || read == 0) {
            at_start = false;
            if is_utf16(&rest) {
                return Err(format!("standard input {NOT_UTF16}"));
            }
            if rest.starts_with(b"\xef\xbb\xbf") {
                rest.drain(..3);
            }
        }
        if by == Some(b'\n') && rest.contains(&0) {
            return Err(format!(
                "standard input: line {number} has a NUL byte; separate all paths by lines, or all by NUL bytes"
            ));
        }
        let complete = match by {
            _ if read == 0 => rest.len(),
            Some(by) => rest.iter().rposition(|&byte| byte == by).map_or(0, |last| last + 1),
            None => 0,
        };
        let entries = rest.get(..complete).unwrap_or_default();
        for entry in entries.strip_suffix(by.as_slice()).unwrap_or(entries).split(|byte| Some(*byte) == by) {
            if entry.len() > PATHS.most {
                return Err(too_long("standard input", number, &PATHS));
            }
            let entry = if by == Some(0) { entry } else { entry.strip_suffix(b"\r").unwrap_or(entry) };
            if !entry.is_empty() && !each(entry)? {
                return Ok(());
            }
            number += usize::from(complete > 0);
        }
        rest.drain(..complete);
        if rest.len() > PATHS.most {
            return Err(too_long("standard input", number, &PATHS));
        }
        if read == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives these pieces, one at a time.
    struct Pieces<'a>(Vec<&'a [u8]>);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(piece) = (!self.0.is_empty()).then(|| self.0.remove(0)) else { return Ok(0) };
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    /// The entries, each with the number of pieces that were still to come.
    fn read(pieces: &[&[u8]]) -> (Vec<String>, Result<(), String>) {
        let mut found = Vec::new();
        let result = entries(Pieces(pieces.to_vec()), |entry| {
            found.push(String::from_utf8_lossy(entry).into_owned());
            Ok(true)
        });
        (found, result)
    }

    #[test]
    fn entries_are_those_of_a_list() {
        let lists: [&[u8]; 9] = [
            b"",
            b"\n",
            b"a.jpg",
            b"a.jpg\nb.jpg\r\n\nc d.jpg",
            b"\xef\xbb\xbfa.jpg\nb\n",
            b"a\nb\0c\r\0",
            b"./a\0./b\0\0",
            b"\r\n\r\n",
            b"\xef\xbb\xbf",
        ];
        for list in lists {
            let expected: Vec<String> =
                super::super::lists::paths(list).map(|path| String::from_utf8_lossy(path).into_owned()).collect();
            assert_eq!(read(&[list]), (expected.clone(), Ok(())), "{list:?}");
            if !list.contains(&0) {
                let bytes: Vec<&[u8]> = list.chunks(1).collect();
                assert_eq!(read(&bytes), (expected, Ok(())), "{list:?}");
            }
        }
        assert_eq!(read(&[b"a/b\0", b"c", b"\nd\0"]).0, ["a/b", "c\nd"]);
    }

    #[test]
    fn what_cannot_be_a_list_ends_it() {
        let (found, error) = read(&[b"a.jpg\n", b"b\0c"]);
        assert_eq!(found, ["a.jpg"]);
        assert!(error.unwrap_err().contains("line 2 has a NUL byte"));
        assert!(read(&[b"\xff\xfea\0", b"/\0"]).1.unwrap_err().contains("UTF-16"));
        let long = vec![b'x'; CHUNK];
        let (found, error) = read(&[b"a.jpg\nb.jpg\n", &long, &long]);
        assert_eq!(found, ["a.jpg", "b.jpg"]);
        assert!(error.unwrap_err().contains("line 3 goes on after 64 KiB"));
        let mut taken = 0;
        let each = |_: &[u8]| {
            taken += 1;
            Ok(taken < 2)
        };
        assert_eq!(entries(&b"a\nb\nc\nd\n"[..], each), Ok(()));
        assert_eq!(taken, 2);
    }
}
