//! Output destinations: standard output, or a file that is renamed into place when it is complete.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Seek, Stdout, Write};
use std::path::{Path, PathBuf};

#[cfg(all(feature = "library", feature = "parquet"))]
use super::clip_retrieval::NewFolder;
use super::target::Target;
use crate::cli::streams;
use crate::files::Partial;

/// Paths of standard output.
const STDOUT_NAMES: [&str; 3] = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// Whether `path` is a name of standard output.
pub(in crate::cli) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-" || STDOUT_NAMES.iter().any(|name| path == Path::new(name))
}

/// An output. It is complete once [`Destination::commit`] returns.
pub(in crate::cli) enum Destination {
    Stdout(BufWriter<Stdout>),
    File(BufWriter<TempFile>),
    /// A device or pipe, written directly.
    Device(BufWriter<File>),
    /// A folder, which takes no bytes itself.
    #[cfg(all(feature = "library", feature = "parquet"))]
    Folder(NewFolder),
}

impl Destination {
    /// Opens `path`, or standard output without. The folder of a file must be writable.
    pub fn open(path: Option<&Path>) -> io::Result<Destination> {
        let Some(path) = path.filter(|path| path.as_os_str() != "-") else {
            return Ok(Destination::Stdout(BufWriter::with_capacity(1 << 16, streams::stdout()?)));
        };
        if is_stdout(path) {
            streams::stdout()?;
        }
        match fs::metadata(path) {
            Ok(data) if data.is_dir() => Err(io::Error::other("it is a folder; name a file")),
            Ok(data) if !data.is_file() => {
                Ok(Destination::Device(BufWriter::new(OpenOptions::new().write(true).open(path)?)))
            }
            _ => Ok(Destination::File(BufWriter::with_capacity(1 << 16, TempFile::for_target(path)?))),
        }
    }

    /// Creates a folder in the place of `path`, which has to be free or an empty folder.
    #[cfg(all(feature = "library", feature = "parquet"))]
    pub fn folder(path: &Path) -> io::Result<Destination> {
        NewFolder::create(path).map(Destination::Folder)
    }

    /// Whether this is a stream, and not a file or a folder, which appear only on success.
    pub fn is_stream(&self) -> bool {
        matches!(self, Destination::Stdout(_) | Destination::Device(_))
    }

    /// Whether someone may wait for each row: this is a pipe or a device, and not a file.
    pub fn is_awaited(&self) -> bool {
        match self {
            #[cfg(unix)]
            Destination::Stdout(out) => {
                use std::os::fd::AsFd;
                let data = out.get_ref().as_fd().try_clone_to_owned().and_then(|out| File::from(out).metadata());
                data.is_ok_and(|data| !data.is_file())
            }
            #[cfg(not(unix))]
            Destination::Stdout(_) => true,
            Destination::Device(_) => true,
            _ => false,
        }
    }

    /// Whether this is a terminal.
    pub fn is_terminal(&self) -> bool {
        match self {
            Destination::Stdout(out) => out.get_ref().is_terminal(),
            Destination::Device(out) => out.get_ref().is_terminal(),
            _ => false,
        }
    }

    /// Completes the output and renames a file into place.
    pub fn commit(self) -> io::Result<()> {
        match self {
            Destination::Stdout(mut out) => out.flush(),
            Destination::Device(mut out) => out.flush(),
            Destination::File(out) => out.into_inner().map_err(io::IntoInnerError::into_error)?.commit(),
            #[cfg(all(feature = "library", feature = "parquet"))]
            Destination::Folder(_) => Err(is_folder()),
        }
    }
}

/// The error of writing bytes to a folder, which no format does.
#[cfg(all(feature = "library", feature = "parquet"))]
fn is_folder() -> io::Error {
    io::Error::from(io::ErrorKind::IsADirectory)
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Destination::Stdout(out) => out.write(bytes),
            Destination::File(out) => out.write(bytes),
            Destination::Device(out) => out.write(bytes),
            #[cfg(all(feature = "library", feature = "parquet"))]
            Destination::Folder(_) => Err(is_folder()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Destination::Stdout(out) => out.flush(),
            Destination::File(out) => out.flush(),
            Destination::Device(out) => out.flush(),
            #[cfg(all(feature = "library", feature = "parquet"))]
            Destination::Folder(_) => Err(is_folder()),
        }
    }
}

/// A file under a temporary name in the folder of its target, deleted unless committed.
pub(in crate::cli) struct TempFile {
    file: Partial,
    target: Target,
    /// Whether the target can only be overwritten: its folder permits no new file.
    overwrites: bool,
}

impl TempFile {
    /// Creates a file that will replace `target`; a symbolic link is followed.
    ///
    /// Where the folder permits no new file, but the existing file can be written, the output is kept in the system's
    /// temporary folder and copied over the file when it is complete.
    pub fn for_target(target: &Path) -> io::Result<TempFile> {
        let target = Target::find(target)?;
        let (mut file, overwrites) = match Partial::create(&target.path) {
            Ok(file) => (file, false),
            Err(error) if target.can_be_overwritten(&error) => (Partial::unnamed(&std::env::temp_dir())?, true),
            Err(error) => return Err(error),
        };
        if let Some(permissions) = target.permissions.clone().filter(|_| !overwrites) {
            file.file()?.set_permissions(permissions)?;
        }
        Ok(TempFile { file, target, overwrites })
    }

    /// Creates a file that is only read back, in the system's temporary folder.
    pub fn spool() -> io::Result<TempFile> {
        let target = Target { path: PathBuf::new(), permissions: None };
        Ok(TempFile { file: Partial::unnamed(&std::env::temp_dir())?, target, overwrites: false })
    }

    /// Returns the path that the file will have.
    pub fn target(&self) -> &Path {
        &self.target.path
    }

    /// Overwrites the first bytes.
    pub fn rewrite_start(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.rewind()?;
        self.file.write_all(bytes)
    }

    /// Copies the whole file to `out`.
    pub fn copy_to(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.file.rewind()?;
        io::copy(&mut self.file, out).map(|_| ())
    }

    /// Syncs the file to disk.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.file()?.sync_all()
    }

    /// Syncs the file to disk and renames it to the target. A file that is a mount point, as containers have them, is
    /// overwritten instead.
    pub fn commit(mut self) -> io::Result<()> {
        self.file.file()?.sync_all()?;
        if !self.overwrites {
            match self.file.rename(&self.target.path) {
                Ok(()) => return Ok(()),
                Err(error) if self.target.can_be_overwritten(&error) => {}
                Err(error) => return Err(error),
            }
        }
        self.file.rewind()?;
        self.target.overwrite(&mut self.file)
    }
}

impl Write for TempFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::names;

    #[test]
    fn a_file_appears_only_when_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "old").unwrap();

        let mut out = Destination::open(Some(&path)).unwrap();
        out.write_all(b"new").unwrap();
        out.flush().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        let temp = names(folder.path()).remove(0).into_string().unwrap();
        assert!(temp.starts_with(".out.") && temp.ends_with(".part"), "{temp}");
        drop(out);
        assert_eq!(names(folder.path()), ["out"]);

        let mut out = Destination::open(Some(&path)).unwrap();
        out.write_all(b"new").unwrap();
        out.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_are_kept() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("out"), folder.path().join("link"));
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        symlink("out", &link).unwrap();
        let mut out = Destination::open(Some(&link)).unwrap();
        out.write_all(b"new").unwrap();
        out.commit().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn targets_that_cannot_be_replaced_fail_at_open() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Destination::open(Some(folder.path())).is_err());
        assert!(Destination::open(Some(&folder.path().join("no/out"))).is_err());
        let path = folder.path().join("out");
        fs::write(&path, "old").unwrap();
        let mut permissions = fs::metadata(&path).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&path, permissions).unwrap();
        assert!(Destination::open(Some(&path)).is_err());
        assert_eq!(names(folder.path()), ["out"]);
    }
}
