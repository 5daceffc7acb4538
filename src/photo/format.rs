//! Detects the format of a photo from its first bytes, never from its name.

use super::boxes::Boxes;
use super::error::Error;
use super::raw;

/// A format of photo files that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// GIF.
    Gif,
    /// BMP.
    Bmp,
    /// WebP.
    WebP,
    /// TIFF.
    Tiff,
    /// HEIC, or another HEIF file; read if the crate has the feature `heic`.
    Heic,
    /// AVIF, whose pictures are coded with AV1; read if the crate has the feature `avif`.
    Avif,
    /// JPEG XL; read if the crate has the feature `jxl`.
    JpegXl,
    /// A raw file of a camera, by its preview: DNG, CR2, CR3, NEF, NRW, ARW, ORF, RW2, PEF, RAF or SRW.
    Raw,
}

impl Format {
    /// Returns the name of the format: `JPEG`, for example.
    pub fn name(self) -> &'static str {
        match self {
            Format::Jpeg => "JPEG",
            Format::Png => "PNG",
            Format::Gif => "GIF",
            Format::Bmp => "BMP",
            Format::WebP => "WebP",
            Format::Tiff => "TIFF",
            Format::Heic => "HEIC",
            Format::Avif => "AVIF",
            Format::JpegXl => "JPEG XL",
            Format::Raw => "raw",
        }
    }

    /// Detects the format of a photo; `name` is for the error.
    pub(super) fn detect(bytes: &[u8], name: &str) -> Result<Format, Error> {
        let starts = |magic: &[u8]| bytes.starts_with(magic);
        if bytes.is_empty() {
            Err(Error::Empty { name: name.to_owned() })
        } else if starts(b"\xff\xd8\xff") {
            Ok(Format::Jpeg)
        } else if starts(b"\x89PNG\r\n\x1a\n") {
            Ok(Format::Png)
        } else if starts(b"GIF87a") || starts(b"GIF89a") {
            Ok(Format::Gif)
        } else if starts(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            Ok(Format::WebP)
        } else if starts(b"\xff\x0a") || starts(b"\0\0\0\x0cJXL \r\n\x87\n") {
            Ok(Format::JpegXl)
        } else if raw::is_raw(bytes) {
            Ok(Format::Raw)
        } else if is_avif(bytes) {
            Ok(Format::Avif)
        } else if is_heif(bytes) {
            Ok(Format::Heic)
        } else if let Some(format) = unsupported(bytes) {
            Err(Error::UnsupportedFormat { name: name.to_owned(), format })
        } else if [b"II*\0", b"MM\0*", b"II\0*", b"MM*\0", b"II+\0", b"MM\0+"].iter().any(|magic| starts(*magic)) {
            Ok(Format::Tiff)
        } else if starts(b"BM") {
            Ok(Format::Bmp)
        } else {
            Err(Error::NotAnImage { name: name.to_owned() })
        }
    }
}

/// Returns the brands of an ISO base media file, the main one first.
fn brands(bytes: &[u8]) -> impl Iterator<Item = &[u8; 4]> {
    let first = Boxes(bytes).next().filter(|first| first.kind == *b"ftyp");
    let brands = first.map_or(&[][..], |first| first.content.as_chunks().0);
    // The second word is a version.
    brands.iter().enumerate().filter(|(at, _)| *at != 1).map(|(_, brand)| brand)
}

/// Whether this is an AVIF file: its general brands are those of HEIF.
fn is_avif(bytes: &[u8]) -> bool {
    brands(bytes).any(|brand| matches!(brand, b"avif" | b"avis"))
}

/// Whether this is a HEIF file.
fn is_heif(bytes: &[u8]) -> bool {
    let heif = |brand: &[u8; 4]| {
        matches!(
            brand,
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" | b"mif1" | b"mif2" | b"msf1"
        )
    };
    brands(bytes).next().is_some_and(heif)
}

/// Names the format if it is recognised but not supported.
fn unsupported(bytes: &[u8]) -> Option<&'static str> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    if bytes.get(4..8) == Some(b"ftyp") {
        return None;
    }
    if starts(b"\0\0\0\x0cjP  \r\n\x87\n") || starts(b"\xff\x4f\xff\x51") {
        return Some("JPEG 2000");
    }
    if starts(b"8BPS") {
        return Some("PSD");
    }
    if starts(b"%PDF-") {
        return Some("PDF");
    }
    if starts(b"\x76\x2f\x31\x01") {
        return Some("OpenEXR");
    }
    if is_icon(bytes) {
        return Some("ICO");
    }
    if is_targa(bytes) {
        return Some("TGA");
    }
    // SVG is text; its root element follows a declaration or a comment at most.
    let text = &bytes[..bytes.len().min(1024)];
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii_start();
    if text.starts_with(b"<") && text.windows(4).any(|window| window == b"<svg") {
        return Some("SVG");
    }
    None
}

/// Whether this is an icon or cursor: a directory whose first picture lies behind it. Its first bytes alone are those of
/// other files too.
fn is_icon(bytes: &[u8]) -> bool {
    /// Length of the header, and of each entry.
    const HEADER: u32 = 6;
    const ENTRY: u32 = 16;
    let Some(&[0, 0, 1 | 2, 0, low, high, _, _, _, _, _, _, _, _, _, _, _, _, a, b, c, d]) = bytes.first_chunk() else {
        return false;
    };
    let count = u32::from(u16::from_le_bytes([low, high]));
    count > 0 && u32::from_le_bytes([a, b, c, d]) >= HEADER + ENTRY * count
}

/// Whether this is a TGA picture, which has no magic number: a header whose fields agree.
fn is_targa(bytes: &[u8]) -> bool {
    let Some(header) = bytes.first_chunk::<18>() else { return false };
    let [_, with_map, kind, map @ ..] = header;
    let sides = &header[12..16];
    // A map of colours is there for pictures of indices alone.
    let map = match (kind, with_map) {
        (1 | 9, 1) => map[4] >= 15 && map[2..4] != [0, 0],
        (2 | 3 | 10 | 11, 0) => map[..5] == [0; 5],
        _ => false,
    };
    map && sides[..2] != [0, 0]
        && sides[2..] != [0, 0]
        && matches!(header[16], 8 | 15 | 16 | 24 | 32)
        && header[17] < 64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsupported_formats_are_named_with_the_remedy() {
        let cases: [(&[u8], &str); 10] = [
            (b"8BPS\0\x01", "a PSD"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG"),
            (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x -->\n<svg/>", "an SVG"),
            (b"%PDF-1.7", "a PDF"),
            (b"\x76\x2f\x31\x01\x02\0\0\0", "an OpenEXR"),
            (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000"),
            (b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0\x68\x04\0\0\x16\0\0\0", "an ICO"),
            (b"\0\0\x02\0\x02\0\x10\x10\0\0\x01\0\x20\0\x68\x04\0\0\x26\0\0\0", "an ICO"),
            (b"\0\0\x02\0\0\0\0\0\0\0\0\0\x40\x01\xf0\0\x18\0pixels", "a TGA"),
            (b"\0\x01\x01\0\0\0\x01\x18\0\0\0\0\x40\x01\xf0\0\x08\0pixels", "a TGA"),
        ];
        for (bytes, format) in cases {
            let error = Format::detect(bytes, "x.jpg").unwrap_err().to_string();
            assert!(error.starts_with(&format!("x.jpg is {format} file")), "{error}");
            assert!(error.contains("convert it to JPEG"), "{error}");
        }
    }

    #[test]
    fn other_files_are_not_images() {
        for bytes in [
            &b"\0"[..],
            b"\xff",
            b"\xff\xd8",
            b"hello",
            b"RIFF\0\0\0\0WAVE",
            b"<html></html>",
            b"\0\0\0\x18ftypmp42",
            b"\0\0\x02\0",
            &[0; 100],
        ] {
            let error = Format::detect(bytes, "notes.jpg").unwrap_err().to_string();
            assert!(error.starts_with("notes.jpg is not an image that can be read here (JPEG, PNG, "), "{error}");
        }
    }

    #[test]
    fn nothing_is_empty() {
        let error = Format::detect(b"", "a.jpg").unwrap_err().to_string();
        assert_eq!(error, "a.jpg is empty; copy it again from where it came");
    }

    #[test]
    fn content_decides() {
        assert_eq!(Format::detect(b"\xff\xd8\xff\xe0", "a.png"), Ok(Format::Jpeg));
        assert_eq!(Format::detect(b"\x89PNG\r\n\x1a\n", "a.jpg"), Ok(Format::Png));
        assert_eq!(Format::detect(b"RIFF\x10\0\0\0WEBPVP8 ", "a"), Ok(Format::WebP));
        assert_eq!(Format::detect(b"MM\0*\0\0\0\x08", "a"), Ok(Format::Tiff));
        assert_eq!(Format::detect(b"BM\0\0", "a"), Ok(Format::Bmp));
        assert_eq!(Format::detect(b"\xff\x0a\0\0", "a"), Ok(Format::JpegXl));
        assert_eq!(Format::detect(b"\0\0\0\x0cJXL \r\n\x87\n", "a"), Ok(Format::JpegXl));
        for raw in [&b"II*\0\x10\0\0\0CR\x02\0"[..], b"FUJIFILMCCD-RAW 0201", b"IIRO", b"IIU\0", b"\0\0\0\x18ftypcrx "]
        {
            assert_eq!(Format::detect(raw, "a"), Ok(Format::Raw));
        }
        assert_eq!(Format::detect(b"\0\0\0\x18ftypheic\0\0\0\0", "a"), Ok(Format::Heic));
        assert_eq!(Format::detect(b"\0\0\0\x1cftypmif1\0\0\0\0mif1heic", "a"), Ok(Format::Heic));
        assert_eq!(Format::detect(b"\0\0\0\x14ftypavif\0\0\0\0avif", "a"), Ok(Format::Avif));
        assert_eq!(Format::detect(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "a"), Ok(Format::Avif));
    }
}
