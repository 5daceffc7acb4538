//! A photo on a contact sheet: its thumbnail, linked to its file, and what is known of it.

use std::ffi::OsStr;
use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};
use std::path::{Component, Path};

use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;

use super::escape::{Short, Text};
use super::link::Link;

/// Longest caption that is shown, in characters.
const MAX_CAPTION: usize = 400;

/// The picture of a card.
#[derive(Clone, Copy, Debug)]
pub enum Picture<'a> {
    /// A thumbnail that stands upright.
    Jpeg {
        /// The file, for example of [`super::thumbnail_jpeg`].
        bytes: &'a [u8],
        /// Pixels in a row.
        width: usize,
        /// Number of rows.
        height: usize,
    },
    /// No picture, and why: a clause in lower case such as `the drive is not connected`, or nothing.
    Missing(&'a str),
}

/// A photo on a contact sheet. What is `None` or empty is not shown.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Card<'a> {
    /// The file that the card links to. Absolute, unless the page will lie in the current folder.
    pub path: &'a Path,
    /// The thumbnail.
    pub picture: Picture<'a>,
    /// Calibrated score, 0 to 1: shown in per cent and as a bar.
    pub score: Option<f32>,
    /// Cosine of photo and query, -1 to 1.
    pub cosine: Option<f32>,
    /// When the photo was taken, as it is to be shown.
    pub date: Option<&'a str>,
    /// Width and height of the photo in pixels.
    pub pixels: Option<(u64, u64)>,
    /// Size of the file in bytes.
    pub bytes: Option<u64>,
    /// A word that singles the card out, such as `keep`.
    pub mark: Option<&'a str>,
    /// Further lines.
    pub captions: &'a [&'a str],
}

impl<'a> Card<'a> {
    /// Creates a card that shows nothing but the name.
    #[must_use]
    pub fn new(path: &'a Path) -> Self {
        Card {
            path,
            picture: Picture::Missing(""),
            score: None,
            cosine: None,
            date: None,
            pixels: None,
            bytes: None,
            mark: None,
            captions: &[],
        }
    }
}

/// Writes a card of a page that lies in `folder`.
pub(super) fn write(out: &mut impl Write, card: &Card<'_>, folder: Option<&Path>) -> io::Result<()> {
    let whole = card.path.to_string_lossy();
    let name = card.path.file_name().map_or(whole.clone(), OsStr::to_string_lossy);
    let marked = if card.mark.is_some() { " class=\"marked\"" } else { "" };
    write!(out, "<li{marked}>\n<a class=\"picture\" href=\"{}\">", Link { path: card.path, folder })?;
    write_picture(out, card.picture, &name)?;
    out.write_all(b"</a>\n<div class=\"about\">\n")?;
    let score = card.score.filter(|score| score.is_finite()).map(|score| score.clamp(0.0, 1.0) * 100.0);
    if let Some(percent) = score {
        writeln!(out, "<div class=\"bar\" aria-hidden=\"true\"><i style=\"width:{percent:.0}%\"></i></div>")?;
    }
    write!(out, "<p class=\"name\" title=\"{}\">", Text(&whole))?;
    // Before the name, of which a long one is cut.
    if let Some(mark) = card.mark {
        write!(out, "<span class=\"mark\">{}</span> ", Text(mark))?;
    }
    writeln!(out, "<bdi lang=\"\" translate=\"no\">{}</bdi></p>", Text(&name))?;
    let shown_folder = folder_name(card.path, folder);
    if !shown_folder.is_empty() {
        writeln!(out, "<p class=\"folder\" lang=\"\" translate=\"no\"><bdi>{}</bdi></p>", Text(&shown_folder))?;
    }
    let cosine = card.cosine.filter(|cosine| cosine.is_finite());
    match (score, cosine) {
        (Some(percent), Some(cosine)) => {
            writeln!(out, "<p class=\"score\"><b>{percent:.0}%</b> <span>cosine {cosine:.3}</span></p>")?;
        }
        (Some(percent), None) => writeln!(out, "<p class=\"score\"><b>{percent:.0}%</b></p>")?,
        (None, Some(cosine)) => writeln!(out, "<p class=\"score\"><b>{cosine:.3}</b> <span>cosine</span></p>")?,
        (None, None) => {}
    }
    if let Some(date) = card.date {
        writeln!(out, "<p><bdi>{}</bdi></p>", Text(date))?;
    }
    match (card.pixels, card.bytes.map(Bytes)) {
        (Some((width, height)), Some(bytes)) => {
            writeln!(out, "<p><span>{width} × {height}</span> <span>{bytes}</span></p>")?;
        }
        (Some((width, height)), None) => writeln!(out, "<p>{width} × {height}</p>")?,
        (None, Some(bytes)) => writeln!(out, "<p>{bytes}</p>")?,
        (None, None) => {}
    }
    for caption in card.captions {
        writeln!(out, "<p class=\"caption\"><bdi>{}</bdi></p>", Short(caption, MAX_CAPTION))?;
    }
    out.write_all(b"</div>\n</li>\n")
}

fn write_picture(out: &mut impl Write, picture: Picture<'_>, name: &str) -> io::Result<()> {
    match picture {
        Picture::Jpeg { bytes, width, height } => {
            let name = Text(name);
            write!(out, "<img alt=\"{name}\" width=\"{width}\" height=\"{height}\" decoding=\"async\"")?;
            // Tall photos are as high as wide ones are wide.
            if height > width {
                write!(out, " style=\"width:{:.1}%\"", width as f64 * 100.0 / height as f64)?;
            }
            out.write_all(b" src=\"data:image/jpeg;base64,")?;
            let mut encoder = EncoderWriter::new(&mut *out, &STANDARD);
            encoder.write_all(bytes)?;
            encoder.finish()?;
            drop(encoder);
            out.write_all(b"\">")
        }
        Picture::Missing(reason) => {
            write!(out, "<span class=\"missing\"><b>No picture</b> <span>{}</span></span>", Short(reason, MAX_CAPTION))
        }
    }
}

/// The end of the name of the folder of a photo, as seen from the folder of the page.
fn folder_name(path: &Path, folder: Option<&Path>) -> String {
    let Some(parent) = path.parent() else { return String::new() };
    let parent = folder.and_then(|folder| parent.strip_prefix(folder).ok()).unwrap_or(parent);
    let names: Vec<_> = parent
        .components()
        .filter(|component| matches!(component, Component::Normal(_) | Component::ParentDir))
        .map(|component| component.as_os_str().to_string_lossy())
        .collect();
    let shown = names[names.len().saturating_sub(2)..].join("/");
    if names.len() > 2 { format!("…/{shown}") } else { shown }
}

/// Displays a number of bytes with two or three digits, such as `3.1 MB`.
struct Bytes(u64);

impl Display for Bytes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0 < 1000 {
            return write!(f, "{} B", self.0);
        }
        let mut value = self.0 as f64;
        for unit in ["kB", "MB", "GB", "TB", "PB", "EB"] {
            value /= 1000.0;
            if value < 9.95 {
                return write!(f, "{value:.1} {unit}");
            }
            if value < 999.5 || unit == "EB" {
                return write!(f, "{value:.0} {unit}");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_two_or_three_digits() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (9_949, "9.9 kB"),
            (9_950, "10 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (3_140_000, "3.1 MB"),
            (u64::MAX, "18 EB"),
        ];
        for (bytes, shown) in cases {
            assert_eq!(Bytes(bytes).to_string(), shown);
        }
    }

    #[cfg(unix)]
    #[test]
    fn folders_are_shown_by_their_end() {
        let cases = [
            ("/a.jpg", None, ""),
            ("/photos/a.jpg", None, "photos"),
            ("/home/me/photos/2024/a.jpg", None, "…/photos/2024"),
            ("/home/me/photos/2024/a.jpg", Some("/home/me/photos"), "2024"),
            ("/home/me/photos/a.jpg", Some("/home/me/photos"), ""),
            ("a.jpg", None, ""),
            ("../b/a.jpg", None, "../b"),
        ];
        for (path, folder, shown) in cases {
            assert_eq!(folder_name(Path::new(path), folder.map(Path::new)), shown, "{path}");
        }
    }
}
