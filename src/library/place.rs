//! Where the library is, unless the caller says otherwise.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// The library that is used if none is named: `clippie-rs/library.sqlite` in the folder for data of applications:
/// `$XDG_DATA_HOME`, else `~/.local/share`; on macOS `~/Library/Application Support`; on Windows `%LOCALAPPDATA%`.
/// `CLIPPIE_LIBRARY` names another file.
///
/// `None` if the environment has no home folder.
#[must_use]
pub fn default_path() -> Option<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    default_of(&set)
}

fn default_of(set: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(file) = set("CLIPPIE_LIBRARY") {
        return Some(file.into());
    }
    // XDG says that a relative path is to be ignored.
    let xdg = set("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || set("HOME").map(PathBuf::from);
    let data = if cfg!(windows) {
        set("LOCALAPPDATA").map(PathBuf::from)
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Application Support"))
    } else {
        home().map(|home| home.join(".local/share"))
    };
    Some(xdg.or(data)?.join("clippie-rs").join("library.sqlite"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides() {
        let path = |set: &[(&str, &str)]| {
            default_of(&|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
        };
        assert_eq!(path(&[("CLIPPIE_LIBRARY", "a.sqlite"), ("XDG_DATA_HOME", "/x")]), Some("a.sqlite".into()));
        assert_eq!(path(&[("XDG_DATA_HOME", "/x"), ("HOME", "/h")]), Some("/x/clippie-rs/library.sqlite".into()));
        assert_eq!(path(&[]), None);
        if cfg!(target_os = "linux") {
            let expected = Some("/h/.local/share/clippie-rs/library.sqlite".into());
            assert_eq!(path(&[("XDG_DATA_HOME", "relative"), ("HOME", "/h")]), expected);
        }
    }
}
