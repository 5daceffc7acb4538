//! Known names: endings of photos that can be read and of those that cannot, and the side folders and files of other
//! programs, which are passed over.

use std::ffi::OsStr;
use std::path::Path;

/// Endings of the files that [`photos`](super::photos) lists, in any case.
#[rustfmt::skip]
pub const EXTENSIONS: &[&str] = &[
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "dib", "tif", "tiff",
    // Several photos in one JPEG, of which the first is read.
    "mpo",
    // Raw data of cameras, by the preview.
    "dng", "cr2", "cr3", "nef", "nrw", "arw", "orf", "rw2", "pef", "raf", "srw",
    // HEIF: iPhones (HEIC), Canon and Nikon (HIF).
    #[cfg(feature = "heic")] "heic",
    #[cfg(feature = "heic")] "heif",
    #[cfg(feature = "heic")] "hif",
    #[cfg(feature = "avif")] "avif",
    #[cfg(feature = "jxl")] "jxl",
];

/// Endings of photos and pictures whose formats cannot be read, in lower case; some can be with other features, and then are
/// among the [`EXTENSIONS`] too.
#[rustfmt::skip]
const UNREAD: &[&str] = &[
    // HEIF and its relatives: iPhones (HEIC), sequences of pictures, Canon and Nikon (HIF), the web (AVIF).
    "heic", "heif", "heics", "heifs", "hif", "avif", "avifs",
    // JPEG's successors.
    "jxl", "jp2", "j2k", "jpf", "jpx", "jpm", "jxr", "wdp", "hdp",
    // Two views in one picture.
    "jps",
    // Layered documents and other pictures.
    "psd", "psb", "xcf", "kra", "exr", "hdr", "tga", "pcx", "ico", "icns", "svg", "pbm", "pgm", "ppm", "pnm", "qoi",
    // Raw data of cameras.
    "3fr", "ari", "arq", "cap", "crw", "dcr", "eip", "erf", "fff", "gpr", "iiq", "k25", "kdc", "mdc", "mef", "mos", "mrw",
    "ori", "raw", "rwl", "sr2", "srf", "x3f",
];

/// How a [`Side`] entry is recognised, without regard to the case of ASCII letters.
enum Name {
    Is(&'static str),
    Starts(&'static str),
    Ends(&'static str),
    /// A folder of this name, in a folder of the second name, in one whose name ends with the third.
    Within(&'static str, &'static str, &'static str),
}

/// A file or folder that another program keeps beside photos.
struct Side {
    /// As reports name it.
    label: &'static str,
    name: Name,
}

const fn side(label: &'static str, name: Name) -> Side {
    Side { label, name }
}

/// What other programs keep beside photos: thumbnails, previews and what was deleted. Every entry would give rows that
/// nobody took as photos. Names that start with a dot are hidden and passed over in any case; those here are reported
/// by name.
#[rustfmt::skip]
const SIDES: &[Side] = &[
    // Synology: thumbnails of every photo (immich-app/immich#12566).
    side("@eaDir", Name::Is("@eaDir")),
    // Synology and Samba: deleted files (photoprism/photoprism#4921); Synology: snapshots of the whole share.
    side("#recycle", Name::Is("#recycle")),
    side("#snapshot", Name::Is("#snapshot")),
    // QNAP: thumbnails, deleted files, snapshots.
    side(".@__thumb", Name::Is(".@__thumb")),
    side("@__thumb", Name::Is("@__thumb")),
    side("@Recycle", Name::Is("@Recycle")),
    side("@Recently-Snapshot", Name::Is("@Recently-Snapshot")),
    // Windows: deleted files, data of the file system, thumbnails.
    side("$RECYCLE.BIN", Name::Is("$RECYCLE.BIN")),
    side("RECYCLER", Name::Is("RECYCLER")),
    side("System Volume Information", Name::Is("System Volume Information")),
    side("Thumbs.db", Name::Is("Thumbs.db")),
    side("ehthumbs.db", Name::Is("ehthumbs.db")),
    // macOS: resource forks, with the name and ending of the photo (yurijmikhalevich/rclip#303), also in archives
    // (photoprism/photoprism#2844) and on file servers (motioneye-project/motioneye#89), and deleted files.
    side("._*", Name::Starts("._")),
    side("__MACOSX", Name::Is("__MACOSX")),
    side(".AppleDouble", Name::Is(".AppleDouble")),
    // Linux desktops and macOS: deleted files (freedesktop.org's trash specification: `.Trash`, `.Trash-1000`).
    side(".Trash*", Name::Starts(".Trash")),
    side("lost+found", Name::Is("lost+found")),
    // Android and older desktops (photoprism/photoprism#275).
    side(".thumbnails", Name::Is(".thumbnails")),
    // Lightroom: previews beside the catalogue, `Catalog Previews.lrdata`.
    side("*.lrdata", Name::Ends(".lrdata")),
    // iTunes: photos reduced for an iPod.
    side("iPod Photo Cache", Name::Is("iPod Photo Cache")),
    // Apple Photos: previews of the photos in `originals` (Geektoolkit/Dynaframe3#71).
    side("*.photoslibrary/resources/derivatives", Name::Within("derivatives", "resources", ".photoslibrary")),
    // Nextcloud: previews of every user's photos.
    side("appdata_oc*", Name::Starts("appdata_oc")),
];

/// The label of the side file or folder at `path`, if it is one.
pub(super) fn side_label(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?;
    SIDES.iter().find(|side| side.name.matches(path, name)).map(|side| side.label)
}

impl Name {
    fn matches(&self, path: &Path, name: &OsStr) -> bool {
        match *self {
            Name::Is(known) => name.eq_ignore_ascii_case(known),
            Name::Starts(start) => name
                .as_encoded_bytes()
                .get(..start.len())
                .is_some_and(|bytes| bytes.eq_ignore_ascii_case(start.as_bytes())),
            Name::Ends(end) => ends_with(name, end),
            Name::Within(folder, parent, outer) => {
                let mut above = path.ancestors().skip(1).map(|above| above.file_name().unwrap_or_default());
                name.eq_ignore_ascii_case(folder)
                    && above.next().is_some_and(|name| name.eq_ignore_ascii_case(parent))
                    && above.next().is_some_and(|name| ends_with(name, outer))
            }
        }
    }
}

fn ends_with(name: &OsStr, end: &str) -> bool {
    let name = name.as_encoded_bytes();
    let start = name.len().checked_sub(end.len());
    start.and_then(|start| name.get(start..)).is_some_and(|bytes| bytes.eq_ignore_ascii_case(end.as_bytes()))
}

/// Whether the ending of `path` is one of the [`EXTENSIONS`].
#[must_use]
pub fn is_photo(path: impl AsRef<Path>) -> bool {
    ends_in(path.as_ref(), EXTENSIONS)
}

/// Endings of the raw files among the [`EXTENSIONS`], and of the pictures that cameras write beside them.
const RAW: &[&str] = &["dng", "cr2", "cr3", "nef", "nrw", "arw", "orf", "rw2", "pef", "raf", "srw"];
const TWINS: &[&str] = &["jpg", "jpeg", "jpe", "heic", "heif", "hif"];

fn ends_in(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|ending| endings.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// Whether the ending of a file is that of a raw file.
pub(super) fn is_raw(path: &Path) -> bool {
    ends_in(path, RAW)
}

/// Whether a camera may have written a file beside a raw file of the same name.
pub(super) fn is_twin(path: &Path) -> bool {
    ends_in(path, TWINS) && is_photo(path)
}

/// Whether a lower-case ending is that of a photo or picture whose format cannot be read.
pub(super) fn is_unread(ending: &str) -> bool {
    UNREAD.contains(&ending) && !EXTENSIONS.contains(&ending)
}

/// Whether a name starts with a dot.
pub(super) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn side_names_are_recognised() {
        for (path, label) in [
            ("a/@eaDir", Some("@eaDir")),
            ("a/@EADIR", Some("@eaDir")),
            ("$Recycle.Bin", Some("$RECYCLE.BIN")),
            ("._a.jpg", Some("._*")),
            (".Trash-1000", Some(".Trash*")),
            (".trashes", Some(".Trash*")),
            ("x/My Catalog Previews.lrdata", Some("*.lrdata")),
            ("appdata_ocx7y", Some("appdata_oc*")),
            ("My.photoslibrary/resources/derivatives", Some("*.photoslibrary/resources/derivatives")),
            ("My.photoslibrary/originals", None),
            ("My.photoslibrary/derivatives", None),
            ("resources/derivatives", None),
            ("derivatives", None),
            ("eaDir", None),
            ("@eaDir2", None),
            ("lrdata", None),
            ("a.jpg", None),
            ("\u{e9}", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(side_label(Path::new(path)), label, "{path}");
        }
    }

    #[test]
    fn endings_are_in_one_list_only() {
        for ending in UNREAD {
            assert_eq!(*ending, ending.to_ascii_lowercase());
            assert_eq!(UNREAD.iter().filter(|other| *other == ending).count(), 1);
            assert_ne!(is_unread(ending), is_photo(format!("a.{ending}")));
        }
        assert_ne!(is_unread("heic"), cfg!(feature = "heic"));
        assert!(is_unread("psd") && is_unread("jp2") && !is_unread("mp4") && !is_unread("xmp") && !is_unread("jpg"));
    }
}
