//! The indexed folders by name, so that answers and requests have no path of this machine.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use axum::http::StatusCode;

use super::super::refusal::Refusal;

/// The indexed folders: a name that no other one has, and the path.
#[derive(Debug)]
pub(super) struct Folders(Vec<(String, PathBuf)>);

impl Folders {
    /// Names folders by the last part of their paths.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Folders {
        let mut taken = HashSet::new();
        let named = paths.into_iter().map(|path| {
            let last = path.file_name().map_or("root".into(), |name| name.to_string_lossy().into_owned());
            let further = (2..).map(|number| format!("{last} ({number})"));
            let name = std::iter::once(last.clone()).chain(further).find(|name| taken.insert(name.clone()));
            (name.unwrap_or(last), path)
        });
        Folders(named.collect())
    }

    /// The names and paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.0.iter().map(|(name, path)| (name.as_str(), path.as_path()))
    }

    /// Where a file is: its folder, such as `holidays/2024`, and its name. Characters that are not Unicode are replaced.
    pub fn place(&self, file: &Path) -> (String, String) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let below = self.0.iter().find_map(|(name, path)| Some((name, file.strip_prefix(path).ok()?)));
        let Some((folder, rest)) = below else { return (String::new(), name) };
        let mut folder = folder.clone();
        for part in rest.parent().into_iter().flat_map(Path::components) {
            folder.push('/');
            folder += &part.as_os_str().to_string_lossy();
        }
        (folder, name)
    }

    /// The path of a folder of this library or of one inside of it.
    pub fn find(&self, folder: &str) -> Result<PathBuf, Refusal> {
        let (first, rest) = folder.split_once('/').unwrap_or((folder, ""));
        let Some((_, path)) = self.0.iter().find(|(name, _)| name == first) else {
            let known: Vec<&str> = self.iter().map(|(name, _)| name).collect();
            let known = if known.is_empty() { "it has none".into() } else { format!("they are: {}", known.join(", ")) };
            return Err(missing(format!("the library has no folder `{first}`; {known}")));
        };
        let mut path = path.clone();
        for part in rest.split('/').filter(|part| !part.is_empty()) {
            if matches!(part, "." | "..") || part.contains(['\0', '\\', ':']) && (cfg!(windows) || part.contains('\0'))
            {
                return Err(missing(format!("`{folder}` is no folder of the library: a part of it is `{part}`")));
            }
            path.push(part);
        }
        Ok(path)
    }
}

fn missing(message: String) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders() -> Folders {
        Folders::new(["/a/photos", "/b/photos", "/b/photos (2)", "/"].map(PathBuf::from))
    }

    #[test]
    fn names_are_unique() {
        let folders = folders();
        let names: Vec<&str> = folders.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["photos", "photos (2)", "photos (2) (2)", "root"]);
    }

    #[cfg(unix)]
    #[test]
    fn files_are_placed_by_names() {
        use std::os::unix::ffi::OsStrExt;
        let folders = folders();
        let place = |path: &[u8]| folders.place(Path::new(std::ffi::OsStr::from_bytes(path)));
        assert_eq!(place(b"/b/photos/2024/rome/a.jpg"), ("photos (2)/2024/rome".into(), "a.jpg".into()));
        assert_eq!(place(b"/a/photos/a\xff.jpg"), ("photos".into(), "a\u{fffd}.jpg".into()));
        assert_eq!(place(b"/c/a.jpg"), ("root/c".into(), "a.jpg".into()));
    }

    #[test]
    fn only_folders_below_are_found() {
        let folders = folders();
        for (name, path) in [
            ("photos", "/a/photos"),
            ("photos/", "/a/photos"),
            ("photos (2)/2024//rome/", "/b/photos/2024/rome"),
            ("photos/..a", "/a/photos/..a"),
        ] {
            assert_eq!(folders.find(name).unwrap(), Path::new(path), "{name}");
        }
        for name in ["", "/", "/a/photos", "photos/..", "photos/../../etc", "photos/./a", "..", "Photos", "photos/a\0b"]
        {
            assert!(folders.find(name).is_err(), "{name}");
        }
    }
}
