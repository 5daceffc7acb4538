//! Downloads one file, resuming interrupted transfers.
//!
//! Bytes go to `NAME.SUM.incomplete`, which the next attempt resumes, in this process or another. The file gets its
//! final name only when size and checksum are right and it is synced to disk. Without a checksum from the hub two
//! contents cannot be distinguished, so such a file is always downloaded from the start. No link in the folder is
//! followed.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE};

use super::api::RemoteFile;
use super::checksum::{Checksum, Hasher, Sums};
use super::error::{Error, printable};
use super::http::{Client, Method, Response, Retries};
use super::progress::{Event, Reporter};
use super::status::{Failure, Target};
use super::wire::Incoming;
use crate::files;

/// Bytes between two reports of progress.
const CHUNK: usize = 1 << 18;
/// Digits of the checksum in the name of an incomplete file.
const SUM_DIGITS: usize = 16;
/// Maximum number of responses that end early without an error.
const MAX_EARLY_ENDS: u32 = 3;
/// Suffix of incomplete files.
pub(super) const INCOMPLETE: &str = ".incomplete";

/// A file to download.
pub(super) struct Download<'a> {
    pub(super) client: &'a Client,
    pub(super) file: &'a RemoteFile,
    pub(super) folder: &'a Path,
}

/// A downloaded file and its SHA-256.
pub(super) struct Downloaded {
    pub(super) path: PathBuf,
    pub(super) sha256: String,
}

impl Download<'_> {
    fn path(&self) -> PathBuf {
        self.folder.join(&self.file.name)
    }

    /// Path of the incomplete file.
    fn incomplete(&self) -> PathBuf {
        let sum = self.file.checksum.as_ref().map_or("", |sum| sum.digits());
        let sum = sum.get(..SUM_DIGITS).unwrap_or_default();
        let dot = if sum.is_empty() { "" } else { "." };
        self.folder.join(format!("{}{dot}{sum}{INCOMPLETE}", self.file.name))
    }

    /// Bytes left to download.
    pub(super) fn missing(&self) -> u64 {
        // Nothing is downloaded to where a link leads.
        let len = |path: &Path| path.symlink_metadata().map_or(0, |data| if data.is_file() { data.len() } else { 0 });
        if len(&self.path()) == self.file.size {
            return 0;
        }
        let existing = if self.file.checksum.is_some() { len(&self.incomplete()) } else { 0 };
        self.file.size.saturating_sub(existing)
    }

    /// Downloads the missing bytes.
    pub(super) fn run(&self, retries: &mut Retries, reporter: &mut Reporter<'_>) -> Result<Downloaded, Error> {
        if let Some(downloaded) = self.existing(reporter)? {
            return Ok(downloaded);
        }
        self.remove_outdated();
        let path = self.incomplete();
        // An incomplete file from an earlier attempt may be damaged.
        let mut fresh = path.symlink_metadata().is_err();
        loop {
            let transferred = Transfer::open(self, &path, fresh, reporter)?.run(retries, reporter);
            let (file, sums) = transferred.inspect_err(|error| {
                if matches!(error, Error::Mismatch { .. }) {
                    let _ = fs::remove_file(&path);
                }
            })?;
            let len = file.metadata().map_err(Error::file("read", &path))?.len();
            match self.check(len, &sums) {
                Ok(()) => {
                    file.sync_all().map_err(Error::file("write", &path))?;
                    drop(file);
                    let target = self.path();
                    fs::rename(&path, &target).map_err(Error::file("rename to", &target))?;
                    // The file is complete in any case.
                    let _ = files::sync_folder(self.folder);
                    return Ok(Downloaded { path: target, sha256: sums.sha256 });
                }
                Err(mismatch) => {
                    drop(file);
                    fs::remove_file(&path).map_err(Error::file("remove", &path))?;
                    if fresh {
                        return Err(mismatch);
                    }
                    tracing::warn!("{} of an earlier download is damaged; it is downloaded again", self.file.name);
                    fresh = true;
                }
            }
        }
    }

    /// The complete file of an earlier download, if its checksum is right.
    fn existing(&self, reporter: &mut Reporter<'_>) -> Result<Option<Downloaded>, Error> {
        let (path, Some(expected)) = (self.path(), self.file.checksum.as_ref()) else { return Ok(None) };
        let Ok(file) = files::open_unlinked(&path) else { return Ok(None) };
        if !file.metadata().is_ok_and(|data| data.len() == self.file.size) {
            return Ok(None);
        }
        let sums = sums(file, &path, Some(expected), self.file.size, reporter)?;
        Ok(sums.differs(expected).is_none().then_some(Downloaded { path, sha256: sums.sha256 }))
    }

    /// Removes incomplete files of other contents of this name.
    fn remove_outdated(&self) {
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

    fn check(&self, len: u64, sums: &Sums) -> Result<(), Error> {
        let mismatch = |what, expected: String, found: String| {
            Err(Error::Mismatch { file: self.file.name.clone(), what, expected, found })
        };
        if len != self.file.size {
            return mismatch("a size of", self.file.size.to_string(), len.to_string());
        }
        match &self.file.checksum {
            Some(expected) => match sums.differs(expected) {
                Some(found) => mismatch(expected.kind(), expected.digits().to_owned(), found.to_owned()),
                None => Ok(()),
            },
            None => {
                tracing::warn!("the hub states no checksum of {}; only its size was checked", self.file.name);
                Ok(())
            }
        }
    }
}

/// An incomplete file and its checksums so far.
struct Transfer<'a> {
    download: &'a Download<'a>,
    path: &'a Path,
    file: File,
    hasher: Hasher,
    /// Bytes in the file and in the hasher.
    done: u64,
}

impl<'a> Transfer<'a> {
    /// Opens the incomplete file, or creates it.
    fn open(
        download: &'a Download<'a>,
        path: &'a Path,
        fresh: bool,
        reporter: &mut Reporter<'_>,
    ) -> Result<Self, Error> {
        let RemoteFile { size, checksum, .. } = download.file;
        let write = |error| Error::file("write", path)(error);
        let file = files::resume_or_create(path).map_err(write)?;
        let existing = file.metadata().map_err(write)?.len();
        let mut transfer = {
            let hasher = Hasher::new(checksum.as_ref(), *size);
            if fresh || checksum.is_none() || existing > *size {
                file.set_len(0).map_err(write)?;
            }
            Transfer { download, path, file, hasher, done: 0 }
        };
        transfer.hash_existing(reporter)?;
        Ok(transfer)
    }

    /// Hashes the bytes that are already in the file.
    fn hash_existing(&mut self, reporter: &mut Reporter<'_>) -> Result<(), Error> {
        let mut buffer = vec![0; CHUNK];
        loop {
            match self.file.read(&mut buffer).map_err(Error::file("read", self.path))? {
                0 => return Ok(()),
                read => {
                    self.hasher.update(buffer.get(..read).unwrap_or_default());
                    self.done += read as u64;
                    reporter.report(Event::Idle)?;
                }
            }
        }
    }

    /// Downloads until the file has its full size, or retries are exhausted.
    fn run(mut self, retries: &mut Retries, reporter: &mut Reporter<'_>) -> Result<(File, Sums), Error> {
        let Download { client, file, .. } = self.download;
        let target = Target { repository: &file.repository, revision: &file.commit, file: Some(&file.name) };
        let mut early_ends = 0;
        while self.done < file.size {
            let response = client.request(Method::Get { from: self.done }, &file.url, &target, retries, reporter)?;
            match self.append(response, retries, reporter) {
                Ok(()) if self.done == file.size => {}
                // The response ended early without an error. Request the rest by range, a limited number of times.
                Ok(()) if early_ends < MAX_EARLY_ENDS => early_ends += 1,
                Ok(()) => return Err(self.wrong_size(self.done.to_string())),
                Err(failure) => retries.wait(failure, reporter)?,
            }
        }
        Ok((self.file, self.hasher.finish()))
    }

    /// Appends the body of a response.
    fn append(
        &mut self,
        response: Response,
        retries: &mut Retries,
        reporter: &mut Reporter<'_>,
    ) -> Result<(), Failure> {
        if !self.resumes(&response)? {
            self.restart()?;
        }
        let RemoteFile { name, size, .. } = self.download.file;
        let Response { url, body, .. } = response;
        let pace = self.download.client.pace();
        let (mut body, mut received) = (Incoming::new(body, pace), 0);
        loop {
            let bytes = body.next(reporter).map_err(|stop| self.download.client.stopped(&url, stop))?;
            if bytes.is_empty() {
                return Ok(());
            }
            if self.done + bytes.len() as u64 > *size {
                return Err(self.wrong_size(format!("more than {size}")).into());
            }
            self.file.write_all(&bytes).map_err(Error::file("write", self.path))?;
            self.hasher.update(&bytes);
            self.done += bytes.len() as u64;
            received += bytes.len() as u64;
            retries.reset(received);
            reporter.report(Event::Download { file: name, done: self.done, total: *size })?;
        }
    }

    /// Whether the response starts at the next missing byte; if not, it starts at the beginning of the file.
    fn resumes(&self, response: &Response) -> Result<bool, Failure> {
        let size = self.download.file.size;
        let header = |name| response.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let range = header(CONTENT_RANGE);
        match response.status {
            206 => match content_range(range) {
                Some((first, whole)) if (first, whole) == (self.done, size) => Ok(true),
                Some((_, whole)) if whole != size => Err(self.wrong_size(whole.to_string()).into()),
                _ => {
                    let range = printable(range);
                    let reason = format!("sends the range `{range}` where byte {} of {size} is due", self.done);
                    Err(Error::Protocol { url: response.url.clone(), reason }.into())
                }
            },
            // The requested range starts inside the size stated by the hub, so the store's file is shorter.
            416 => {
                let whole = range.trim().strip_prefix("bytes */").unwrap_or("less");
                Err(self.wrong_size(printable(whole)).into())
            }
            // The server does not support ranges.
            _ => match header(CONTENT_LENGTH).trim().parse::<u64>() {
                Ok(length) if length != size => Err(self.wrong_size(length.to_string()).into()),
                _ => Ok(self.done == 0),
            },
        }
    }

    fn wrong_size(&self, found: String) -> Error {
        let RemoteFile { name, size, .. } = self.download.file;
        Error::Mismatch { file: name.clone(), what: "a size of", expected: size.to_string(), found }
    }

    /// Discards the bytes received so far.
    fn restart(&mut self) -> Result<(), Error> {
        let mut empty = || -> io::Result<()> {
            self.file.set_len(0)?;
            self.file.seek(SeekFrom::Start(0))?;
            Ok(())
        };
        empty().map_err(Error::file("write", self.path))?;
        self.hasher = Hasher::new(self.download.file.checksum.as_ref(), self.download.file.size);
        self.done = 0;
        Ok(())
    }
}

/// Parses first byte and total length of `bytes 5-9/10`. The end is not needed; the body shows it.
pub(super) fn content_range(range: &str) -> Option<(u64, u64)> {
    let (part, whole) = range.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = part.split_once('-')?;
    Some((first.trim().parse().ok()?, whole.trim().parse().ok()?))
}

/// Computes the checksums of the open file `path` of `len` bytes.
pub(super) fn sums(
    file: File,
    path: &Path,
    expected: Option<&Checksum>,
    len: u64,
    reporter: &mut Reporter<'_>,
) -> Result<Sums, Error> {
    let mut hasher = Hasher::new(expected, len);
    hash(file, path, &mut hasher, reporter)?;
    Ok(hasher.finish())
}

/// Hashes what is left of the open file `path`.
fn hash(mut file: File, path: &Path, hasher: &mut Hasher, reporter: &mut Reporter<'_>) -> Result<(), Error> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer).map_err(Error::file("read", path))? {
            0 => return Ok(()),
            read => {
                hasher.update(buffer.get(..read).unwrap_or_default());
                reporter.report(Event::Idle)?;
            }
        }
    }
}

/// Computes the SHA-256 of files one after the other, as that of a checkpoint in several.
pub(super) fn sha256_of_all(paths: &[PathBuf], reporter: &mut Reporter<'_>) -> Result<String, Error> {
    let mut hasher = Hasher::new(None, 0);
    for path in paths {
        hash(files::open_regular(path).map_err(Error::file("read", path))?, path, &mut hasher, reporter)?;
    }
    Ok(hasher.finish().sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_parsed() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, 10)));
        for bad in ["", "bytes */10", "bytes 5-9/*", "bytes=5-9/10", "5-9/10", "bytes -5-9/10", "bytes 5-9"] {
            assert_eq!(content_range(bad), None, "{bad:?}");
        }
    }
}
