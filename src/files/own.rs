//! Files in folders that others may write to: opened without following links, and created where nothing was.
//!
//! A link under the name of a file that is to be written leads the writer wherever its maker wants. Here a name is that
//! of a regular file with no other name, made by this user, or it is removed and the file is created anew.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

use super::Partial;

/// Opens the file at `path` for reading; fails for a link and for anything that is not a regular file.
pub(crate) fn open_unlinked(path: &Path) -> io::Result<File> {
    open(path, OpenOptions::new().read(true))
}

/// Opens the file at `path` for reading and writing, or creates it; fails for a link and for anything that is not a
/// regular file. A file that may not be written is opened for reading: that is enough to lock it.
pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    match open(path, OpenOptions::new().read(true).write(true).create(true)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => open_unlinked(path).map_err(|_| error),
        opened => opened,
    }
}

/// Opens the file at `path` for reading and writing if nobody else can have a hand in it, or else creates it anew in
/// the place of whatever is there.
pub(crate) fn resume_or_create(path: &Path) -> io::Result<File> {
    let own = || -> io::Result<File> {
        let file = open(path, OpenOptions::new().read(true).write(true))?;
        let folder = super::folder(path);
        let data = file.metadata()?;
        if has_other_names(&data) || is_of_another_user(&data, folder)? {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(file)
    };
    own().or_else(|_| {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        OpenOptions::new().read(true).write(true).create_new(true).open(path)
    })
}

/// Creates a folder that only this user can enter, or makes sure that the one there is this user's. Removes a link or
/// file in its place. Root may use the folders of all users, as in containers.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(data) if data.is_dir() => {
            if is_of_another_user(&data, path)? {
                return Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    "it belongs to another user, who could change what is put there; set CLIPPIE_HOME to a folder of \
                     your own",
                ));
            }
            return Ok(());
        }
        Ok(_) => fs::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(super::folder(path))?,
        Err(error) => return Err(error),
    }
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Refuses a link in the place of a folder that is to be written to or removed from.
pub(crate) fn refuse_link(folder: &Path) -> io::Result<()> {
    match folder.is_symlink() {
        true => Err(io::Error::other(
            "it is a symbolic link, which is not followed here; remove it and, to keep the models on another disk, set \
             CLIPPIE_HOME to a folder there",
        )),
        false => Ok(()),
    }
}

/// Bytes that are free again once the name `path` is removed: none for a link or if the file has another name.
pub(crate) fn freed_by_removing(path: &Path) -> u64 {
    path.symlink_metadata().map_or(0, |data| if data.is_file() && !has_other_names(&data) { data.len() } else { 0 })
}

fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    match path.symlink_metadata() {
        Ok(data) if data.is_symlink() => {
            return Err(io::Error::other("it is a symbolic link, which is not followed here; remove it"));
        }
        Ok(data) => super::NotRegular::check(&data)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let file = options.open(path)?;
    super::NotRegular::check(&file.metadata()?)?;
    Ok(file)
}

#[cfg(unix)]
fn has_other_names(data: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(data) > 1
}

#[cfg(not(unix))]
fn has_other_names(_data: &Metadata) -> bool {
    false
}

/// Whether a new file in `folder` has another owner than `data`. Asks the file system, not the system for the user:
/// network file systems and containers translate owners.
#[cfg(unix)]
fn is_of_another_user(data: &Metadata, folder: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let own = Partial::unnamed(folder)?.file()?.metadata()?.uid();
    Ok(own != data.uid() && own != 0)
}

#[cfg(not(unix))]
fn is_of_another_user(_data: &Metadata, _folder: &Path) -> io::Result<bool> {
    Ok(false)
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    fn fifo(path: &Path) {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    #[test]
    fn links_and_pipes_are_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("victim"), "precious").unwrap();
        symlink("victim", path("link")).unwrap();
        symlink("new", path("dangling")).unwrap();
        fifo(&path("pipe"));
        for name in ["link", "dangling"] {
            for opened in [open_unlinked(&path(name)), open_or_create(&path(name))] {
                assert!(opened.unwrap_err().to_string().contains("a symbolic link"), "{name}");
            }
        }
        assert!(open_or_create(&path("pipe")).unwrap_err().to_string().contains("a pipe"));
        assert!(open_or_create(folder.path()).unwrap_err().to_string().contains("a folder"));
        assert!(!path("new").exists());
        assert!(open_or_create(&path("lock")).is_ok() && open_or_create(&path("lock")).is_ok());
    }

    #[test]
    fn what_is_in_the_place_of_a_download_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("victim"), "precious").unwrap();
        symlink("victim", path("link")).unwrap();
        symlink("new", path("dangling")).unwrap();
        fs::hard_link(path("victim"), path("hard")).unwrap();
        fifo(&path("pipe"));
        for name in ["link", "dangling", "hard", "pipe", "none"] {
            let mut file = resume_or_create(&path(name)).unwrap();
            file.write_all(b"new").unwrap();
            assert!(path(name).symlink_metadata().unwrap().is_file(), "{name}");
            assert_eq!(fs::read(path("victim")).unwrap(), b"precious", "{name}");
        }
        assert!(!path("new").exists());
        // One's own file is kept.
        assert_eq!(resume_or_create(&path("none")).unwrap().metadata().unwrap().len(), 3);
        assert!(resume_or_create(folder.path()).is_err());
    }

    #[test]
    fn a_link_in_the_place_of_a_folder_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::create_dir_all(path("elsewhere/a")).unwrap();
        symlink("elsewhere", path("link")).unwrap();
        symlink("new", path("dangling")).unwrap();
        for name in ["link", "dangling"] {
            let error = refuse_link(&path(name)).unwrap_err().to_string();
            assert!(error.starts_with("it is a symbolic link, which is not followed here; remove it"), "{error}");
        }
        // Links above are followed.
        for name in ["elsewhere", "link/a", "none"] {
            assert!(refuse_link(&path(name)).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_link_and_one_of_two_names_free_nothing() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::write(path("file"), "12345").unwrap();
        symlink("file", path("link")).unwrap();
        let freed = |name: &str| freed_by_removing(&path(name));
        assert_eq!((freed("file"), freed("link"), freed("none"), freed("")), (5, 0, 0, 0));
        fs::hard_link(path("file"), path("second")).unwrap();
        assert_eq!((freed("file"), freed("second")), (0, 0));
    }

    #[test]
    fn private_folders_are_made_and_checked() {
        let root = tempfile::tempdir().unwrap();
        let (folder, elsewhere) = (root.path().join("a/b"), root.path().join("elsewhere"));
        private_folder(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        private_folder(&folder).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, root.path().join("link")).unwrap();
        private_folder(&root.path().join("link")).unwrap();
        assert!(root.path().join("link").symlink_metadata().unwrap().is_dir() && elsewhere.is_dir());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }
}
