//! Links to files: percent-encoded, relative where the file lies below the page's folder. Knows no page.

use std::fmt::{self, Display, Formatter, Write};
use std::path::{Component, Path, Prefix};

/// Displays the link to `path` from a page that lies in `folder`.
///
/// A path below `folder` gives a relative link, so that a folder can be moved together with its page. Any other
/// absolute path gives a `file:` URL (RFC 8089), a relative path stays relative. Every byte but the unreserved ones of
/// RFC 3986 is percent-encoded, which carries names that are not UTF-8.
pub(super) struct Link<'a> {
    pub path: &'a Path,
    pub folder: Option<&'a Path>,
}

impl Display for Link<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let below = self.folder.and_then(|folder| self.path.strip_prefix(folder).ok());
        let path = below.filter(|path| !path.as_os_str().is_empty()).unwrap_or(self.path);
        let mut first = true;
        for component in path.components() {
            match component {
                Component::Prefix(prefix) => {
                    f.write_str("file://")?;
                    first = match prefix.kind() {
                        Prefix::UNC(server, share) | Prefix::VerbatimUNC(server, share) => {
                            encode(server.as_encoded_bytes(), f)?;
                            f.write_char('/')?;
                            encode(share.as_encoded_bytes(), f)?;
                            false
                        }
                        Prefix::Disk(disk) | Prefix::VerbatimDisk(disk) => {
                            write!(f, "/{}:", char::from(disk))?;
                            false
                        }
                        Prefix::Verbatim(name) | Prefix::DeviceNS(name) => {
                            f.write_char('/')?;
                            encode(name.as_encoded_bytes(), f)?;
                            false
                        }
                    };
                }
                // After a prefix, the separator is written with the next component.
                Component::RootDir if first => f.write_str("file://").map(|()| first = false)?,
                Component::RootDir => {}
                Component::CurDir | Component::ParentDir | Component::Normal(_) => {
                    if !first {
                        f.write_char('/')?;
                    }
                    first = false;
                    encode(component.as_os_str().as_encoded_bytes(), f)?;
                }
            }
        }
        match path.components().next_back() {
            None => f.write_char('.'),
            Some(Component::RootDir) => f.write_char('/'),
            Some(_) => Ok(()),
        }
    }
}

/// Writes bytes percent-encoded, except for the unreserved characters of RFC 3986, section 2.3.
fn encode(bytes: &[u8], f: &mut Formatter<'_>) -> fmt::Result {
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => f.write_char(char::from(byte))?,
            _ => write!(f, "%{byte:02X}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(path: &str, folder: Option<&str>) -> String {
        Link { path: Path::new(path), folder: folder.map(Path::new) }.to_string()
    }

    #[cfg(unix)]
    #[test]
    fn absolute_paths_are_file_urls_and_the_rest_is_relative() {
        let cases = [
            ("/photos/beach.jpg", None, "file:///photos/beach.jpg"),
            ("/photos/beach.jpg", Some("/photos"), "beach.jpg"),
            ("/photos/2024/a b.jpg", Some("/photos/"), "2024/a%20b.jpg"),
            // Not below the folder, although its name begins alike.
            ("/photos2/a.jpg", Some("/photos"), "file:///photos2/a.jpg"),
            ("/photos", Some("/photos"), "file:///photos"),
            ("photos/a.jpg", None, "photos/a.jpg"),
            ("../a.jpg", None, "../a.jpg"),
            ("./a.jpg", None, "./a.jpg"),
            // A colon in the first segment would make a scheme of it.
            ("javascript:alert(1)", None, "javascript%3Aalert%281%29"),
            ("/a/#1?&\"'<%41>.jpg", None, "file:///a/%231%3F%26%22%27%3C%2541%3E.jpg"),
            ("//server/share", None, "file:///server/share"),
            ("/é/写", None, "file:///%C3%A9/%E5%86%99"),
            ("/", None, "file:///"),
            ("", None, "."),
        ];
        for (path, folder, expected) in cases {
            assert_eq!(link(path, folder), expected, "{path} from {folder:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_not_utf8_survive() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"/a\xff\n.jpg"));
        assert_eq!(Link { path, folder: None }.to_string(), "file:///a%FF%0A.jpg");
    }

    #[cfg(windows)]
    #[test]
    fn drives_and_shares_are_file_urls() {
        assert_eq!(link(r"C:\Photos\a b.jpg", None), "file:///C:/Photos/a%20b.jpg");
        assert_eq!(link(r"C:\Photos\a b.jpg", Some(r"C:\Photos")), "a%20b.jpg");
        assert_eq!(link(r"\\?\C:\a.jpg", None), "file:///C:/a.jpg");
        assert_eq!(link(r"\\server\share\a.jpg", None), "file://server/share/a.jpg");
    }
}
