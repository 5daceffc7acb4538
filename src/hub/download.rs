//! One file from the hub to the disk, in as many pieces as the network makes of it.
//!
//! Bytes go to `NAME.SUM.incomplete`, which the next try goes on with, in this process or another. The file appears
//! under its name only when size and checksum are right and it is on the disk. Where the hub gives no checksum nothing
//! would tell two contents apart, so such a file is begun anew each time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE};

use super::api::RemoteFile;
use super::checksum::{Checksum, Hasher, Sums};
use super::error::{Error, printable};
use super::http::{Answer, Client, Method, Patience, broken};
use super::progress::{Event, Teller};
use super::refusal::{Asked, Setback};

/// Bytes between two reports of progress.
const CHUNK: usize = 1 << 18;
/// Digits of the checksum in the name of what is incomplete.
const SUM_DIGITS: usize = 16;
/// Answers that may end early without an error.
const MAX_EARLY_ENDS: u32 = 3;
/// Ending of what is incomplete.
pub(super) const INCOMPLETE: &str = ".incomplete";

/// A file that is to be had.
pub(super) struct Download<'a> {
    pub(super) client: &'a Client,
    pub(super) repository: &'a str,
    pub(super) revision: &'a str,
    pub(super) file: &'a RemoteFile,
    pub(super) folder: &'a Path,
}

/// A file that is here, and its SHA-256.
pub(super) struct Fetched {
    pub(super) path: PathBuf,
    pub(super) sha256: String,
}

impl Download<'_> {
    fn path(&self) -> PathBuf {
        self.folder.join(&self.file.name)
    }

    /// Where the bytes go until all are here.
    fn incomplete(&self) -> PathBuf {
        let sum = self.file.checksum.as_ref().map_or("", |sum| sum.digits());
        let sum = sum.get(..SUM_DIGITS).unwrap_or_default();
        let dot = if sum.is_empty() { "" } else { "." };
        self.folder.join(format!("{}{dot}{sum}{INCOMPLETE}", self.file.name))
    }

    /// Bytes that are still to come.
    pub(super) fn missing(&self) -> u64 {
        let len = |path: &Path| fs::metadata(path).map_or(0, |data| data.len());
        if len(&self.path()) == self.file.size {
            return 0;
        }
        let here = if self.file.checksum.is_some() { len(&self.incomplete()) } else { 0 };
        self.file.size.saturating_sub(here)
    }

    /// Fetches what is missing.
    pub(super) fn run(&self, patience: &mut Patience, teller: &mut Teller<'_>) -> Result<Fetched, Error> {
        if let Some(fetched) = self.kept(teller)? {
            return Ok(fetched);
        }
        self.drop_outdated();
        let path = self.incomplete();
        // What was begun may be damaged; what was begun here and now cannot be.
        let mut fresh = !path.exists();
        loop {
            let transferred = Transfer::open(self, &path, fresh, teller)?.run(patience, teller);
            let (file, sums) = transferred.inspect_err(|error| {
                if matches!(error, Error::Mismatch { .. }) {
                    let _ = fs::remove_file(&path);
                }
            })?;
            match self.judge(&path, &sums) {
                Ok(()) => {
                    file.sync_all().map_err(Error::file("write", &path))?;
                    drop(file);
                    let target = self.path();
                    fs::rename(&path, &target).map_err(Error::file("rename to", &target))?;
                    sync_folder(self.folder);
                    return Ok(Fetched { path: target, sha256: sums.sha256 });
                }
                Err(mismatch) => {
                    drop(file);
                    fs::remove_file(&path).map_err(Error::file("remove", &path))?;
                    if fresh {
                        return Err(mismatch);
                    }
                    tracing::warn!(%mismatch, "what was downloaded before is damaged; starting anew");
                    fresh = true;
                }
            }
        }
    }

    /// The file of an earlier download, if it is whole.
    fn kept(&self, teller: &mut Teller<'_>) -> Result<Option<Fetched>, Error> {
        let (path, Some(expected)) = (self.path(), self.file.checksum.as_ref()) else { return Ok(None) };
        if !fs::metadata(&path).is_ok_and(|data| data.is_file() && data.len() == self.file.size) {
            return Ok(None);
        }
        let sums = sums(&path, Some(expected), self.file.size, teller)?;
        Ok(sums.differs(expected).is_none().then_some(Fetched { path, sha256: sums.sha256 }))
    }

    /// Removes what is left of other contents of this name.
    fn drop_outdated(&self) {
        let own = self.incomplete();
        for entry in fs::read_dir(self.folder).into_iter().flatten().flatten() {
            let (name, path) = (entry.file_name(), entry.path());
            let name = name.to_string_lossy();
            let is_of_file = name.strip_prefix(&self.file.name).is_some_and(|rest| rest.starts_with('.'));
            if is_of_file && name.ends_with(INCOMPLETE) && path != own {
                let _ = fs::remove_file(path);
            }
        }
    }

    fn judge(&self, path: &Path, sums: &Sums) -> Result<(), Error> {
        let mismatch = |what, expected: String, found: String| {
            Err(Error::Mismatch { file: self.file.name.clone(), what, expected, found })
        };
        let len = fs::metadata(path).map_err(Error::file("read", path))?.len();
        if len != self.file.size {
            return mismatch("a size of", self.file.size.to_string(), len.to_string());
        }
        match &self.file.checksum {
            Some(expected) => match sums.differs(expected) {
                Some(found) => mismatch(expected.kind(), expected.digits().to_owned(), found.to_owned()),
                None => Ok(()),
            },
            None => {
                tracing::warn!(file = self.file.name, "the hub gives no checksum; only the size was checked");
                Ok(())
            }
        }
    }
}

/// A file that grows.
struct Transfer<'a> {
    of: &'a Download<'a>,
    path: &'a Path,
    file: File,
    hasher: Hasher,
    /// Bytes in the file and in the hasher.
    done: u64,
}

impl<'a> Transfer<'a> {
    /// Opens what is there, or starts anew.
    fn open(of: &'a Download<'a>, path: &'a Path, fresh: bool, teller: &mut Teller<'_>) -> Result<Self, Error> {
        let RemoteFile { size, checksum, .. } = of.file;
        let write = |error| Error::file("write", path)(error);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(write)?;
        let here = file.metadata().map_err(write)?.len();
        let mut transfer = {
            let hasher = Hasher::new(checksum.as_ref(), *size);
            if fresh || checksum.is_none() || here > *size {
                file.set_len(0).map_err(write)?;
            }
            Transfer { of, path, file, hasher, done: 0 }
        };
        transfer.take_in(teller)?;
        Ok(transfer)
    }

    /// Hashes what is there already.
    fn take_in(&mut self, teller: &mut Teller<'_>) -> Result<(), Error> {
        let mut buffer = vec![0; CHUNK];
        loop {
            match self.file.read(&mut buffer).map_err(Error::file("read", self.path))? {
                0 => return Ok(()),
                read => {
                    self.hasher.update(buffer.get(..read).unwrap_or_default());
                    self.done += read as u64;
                    teller.tell(Event::Idle)?;
                }
            }
        }
    }

    /// Fetches until the file has its size or there is no hope.
    fn run(mut self, patience: &mut Patience, teller: &mut Teller<'_>) -> Result<(File, Sums), Error> {
        let Download { client, repository, revision, file, .. } = self.of;
        let asked = Asked { repository, revision, file: Some(&file.name) };
        let mut early_ends = 0;
        while self.done < file.size {
            let answer = client.ask(Method::Get { from: self.done }, &file.url, &asked, patience, teller)?;
            match self.pour(answer, patience, teller) {
                Ok(()) if self.done == file.size => {}
                // An end without a broken connection: the rest may be had by a range, but not for ever.
                Ok(()) if early_ends < MAX_EARLY_ENDS => early_ends += 1,
                Ok(()) => return Err(self.wrong_size(self.done.to_string())),
                Err(setback) => patience.bear(setback, teller)?,
            }
        }
        Ok((self.file, self.hasher.finish()))
    }

    /// Takes the bytes of an answer.
    fn pour(&mut self, mut answer: Answer, patience: &mut Patience, teller: &mut Teller<'_>) -> Result<(), Setback> {
        if !self.continues(&answer)? {
            self.restart()?;
        }
        let RemoteFile { name, size, .. } = self.of.file;
        let mut body = answer.body.with_config().limit(u64::MAX).reader();
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken(answer.url, &error)),
            };
            let bytes = buffer.get(..read).unwrap_or_default();
            if self.done + read as u64 > *size {
                return Err(self.wrong_size(format!("more than {size}")).into());
            }
            self.file.write_all(bytes).map_err(Error::file("write", self.path))?;
            self.hasher.update(bytes);
            self.done += read as u64;
            patience.renew();
            teller.tell(Event::Download { file: name, done: self.done, total: *size })?;
        }
    }

    /// Whether the answer's first byte is the one that is due; if not, it is the file's first.
    fn continues(&self, answer: &Answer) -> Result<bool, Setback> {
        let size = self.of.file.size;
        let header = |name| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let range = header(CONTENT_RANGE);
        match answer.status {
            206 => match content_range(range) {
                Some((first, whole)) if (first, whole) == (self.done, size) => Ok(true),
                Some((_, whole)) if whole != size => Err(self.wrong_size(whole.to_string()).into()),
                _ => {
                    let range = printable(range);
                    let reason = format!("sends the range `{range}` where byte {} of {size} is due", self.done);
                    Err(Error::Protocol { url: answer.url.clone(), reason }.into())
                }
            },
            // We have no more than the hub says there is, but the store has no more than that.
            416 => {
                let whole = range.trim().strip_prefix("bytes */").unwrap_or("less");
                Err(self.wrong_size(printable(whole)).into())
            }
            // No ranges here.
            _ => match header(CONTENT_LENGTH).trim().parse::<u64>() {
                Ok(length) if length != size => Err(self.wrong_size(length.to_string()).into()),
                _ => Ok(self.done == 0),
            },
        }
    }

    fn wrong_size(&self, found: String) -> Error {
        let RemoteFile { name, size, .. } = self.of.file;
        Error::Mismatch { file: name.clone(), what: "a size of", expected: size.to_string(), found }
    }

    /// Forgets what came.
    fn restart(&mut self) -> Result<(), Error> {
        let mut empty = || -> io::Result<()> {
            self.file.set_len(0)?;
            self.file.seek(SeekFrom::Start(0))?;
            Ok(())
        };
        empty().map_err(Error::file("write", self.path))?;
        self.hasher = Hasher::new(self.of.file.checksum.as_ref(), self.of.file.size);
        self.done = 0;
        Ok(())
    }
}

/// First byte and length of the whole, of `bytes 5-9/10`. The end does not matter: the body tells.
fn content_range(range: &str) -> Option<(u64, u64)> {
    let (part, whole) = range.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = part.split_once('-')?;
    Some((first.trim().parse().ok()?, whole.trim().parse().ok()?))
}

/// Checksums of a file of `len` bytes.
pub(super) fn sums(path: &Path, expected: Option<&Checksum>, len: u64, teller: &mut Teller<'_>) -> Result<Sums, Error> {
    let mut file = File::open(path).map_err(Error::file("read", path))?;
    let mut hasher = Hasher::new(expected, len);
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer).map_err(Error::file("read", path))? {
            0 => return Ok(hasher.finish()),
            read => {
                hasher.update(buffer.get(..read).unwrap_or_default());
                teller.tell(Event::Idle)?;
            }
        }
    }
}

/// Makes a new name survive a loss of power, where folders can be synced. The file is whole even so.
pub(super) fn sync_folder(folder: &Path) {
    if cfg!(unix) {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, 10)));
        for bad in ["", "bytes */10", "bytes 5-9/*", "bytes=5-9/10", "5-9/10", "bytes -5-9/10", "bytes 5-9"] {
            assert_eq!(content_range(bad), None, "{bad:?}");
        }
    }
}
