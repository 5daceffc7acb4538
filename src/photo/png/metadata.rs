//! The metadata that the chunks of a PNG file hold, each read as Pillow reads it.

use std::borrow::Cow;

use fdeflate::Decompressor;

use super::super::exif;
use super::super::headers::{Colours, Levels};
use super::super::icc::Description;
use super::super::metadata::Cicp;
use super::chunks::{Contents, Text};
use crate::pixels::Orientation;

/// Maximum size of a deflated text, in bytes; Pillow's.
const MAX_TEXT: usize = 1 << 20;

/// Returns the orientation that a file states.
pub(super) fn orientation(contents: &Contents<'_>) -> Orientation {
    exif::orientation(block(contents).as_deref().and_then(exif::tag), xmp(contents).as_deref())
}

/// Returns the EXIF block.
pub(super) fn block<'a>(contents: &Contents<'a>) -> Option<Cow<'a, [u8]>> {
    let profile = || contents.raw_profile.and_then(plain).and_then(|text| raw_profile(&text));
    contents.exif.map(Cow::Borrowed).or_else(|| profile().map(Cow::Owned))
}

/// Returns the XMP packet.
pub(super) fn xmp<'a>(contents: &Contents<'a>) -> Option<Cow<'a, [u8]>> {
    contents.xmp.and_then(plain)
}

/// Returns what is stated about the colours.
pub(super) fn colours<'a>(contents: &Contents<'a>) -> Colours<'a> {
    let coded = contents.cicp.map(|[primaries, transfer, matrix, full_range]| {
        let [primaries, transfer, matrix] = [primaries, transfer, matrix].map(u16::from);
        (Cicp { primaries, transfer, matrix }, full_range == 0)
    });
    // Code points come before a profile, and that before the name of sRGB (PNG, third edition).
    let described = coded.and_then(|(cicp, narrow)| Some(Description { narrow, ..Description::of(cicp)? }));
    // The standard has one name more for sRGB.
    let cicp = coded.map(|(cicp, _)| cicp).or(contents.srgb.then_some(Cicp::SRGB));
    let profile = contents.profile.and_then(plain);
    let levels = match (described, &profile) {
        (Some(described), _) => Levels::Described(described),
        (None, None) if contents.states_profile => Levels::Lost("its chunk is damaged"),
        (None, _) => Levels::Profile,
    };
    Colours { profile, cicp, levels }
}

/// Returns a text as it is meant, up to its end or the end of its data.
fn plain(text: Text<'_>) -> Option<Cow<'_, [u8]>> {
    match text {
        Text::Plain(text) => Some(Cow::Borrowed(text)),
        Text::Deflated(data) => inflated(data).map(Cow::Owned),
    }
}

/// Inflates a zlib stream; `None` if it makes no sense or is longer than [`MAX_TEXT`].
fn inflated(mut data: &[u8]) -> Option<Vec<u8>> {
    let mut decompressor = Decompressor::new();
    decompressor.ignore_adler32();
    let (mut out, mut length) = (vec![0; 1 << 12], 0);
    while !decompressor.is_done() {
        if length == out.len() {
            if length >= MAX_TEXT {
                return None;
            }
            out.resize(2 * length, 0);
        }
        let (read, written) = decompressor.read(data, &mut out, length, false).ok()?;
        if read == 0 && written == 0 {
            break;
        }
        data = &data[read..];
        length += written;
    }
    out.truncate(length);
    Some(out)
}

/// Decodes an EXIF profile that ImageMagick wrote as text: an empty line, a name, a length, then hex digits.
fn raw_profile(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.split(|&byte| byte == b'\n').skip(3).flatten().filter(|byte| !byte.is_ascii_whitespace());
    let digits: Vec<u8> = digits.copied().collect();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|&[high, low]| Some((digit(high)? << 4 | digit(low)?) as u8)).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn deflated(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn texts_are_inflated_up_to_the_limit() {
        for length in [0, 1, 4095, 4096, 4097, 100_000, MAX_TEXT] {
            let text: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            assert_eq!(inflated(&deflated(&text)), Some(text), "{length}");
        }
        assert_eq!(inflated(&deflated(&vec![0; MAX_TEXT + 1])), None);
        assert_eq!(inflated(&deflated(&vec![0; 1 << 28])), None);
        assert_eq!(inflated(b"no zlib stream"), None);
    }

    #[test]
    fn a_text_may_be_cut_off() {
        let packed = deflated(b"some text");
        for end in 0..packed.len() {
            assert!(b"some text".starts_with(&inflated(&packed[..end]).unwrap()), "{end}");
        }
        // Its checksum does not matter.
        assert_eq!(inflated(&packed[..packed.len() - 4]).unwrap(), b"some text");
    }

    #[test]
    fn raw_profiles_are_pairs_of_hex_digits() {
        assert_eq!(raw_profile(b"\nexif\n 2\n4142\n"), Some(b"AB".to_vec()));
        assert_eq!(raw_profile(b"\nexif\n 2\n41\n4 2"), Some(b"AB".to_vec()));
        assert_eq!(raw_profile(b"\nexif\n 2\n414"), None);
        assert_eq!(raw_profile(b"\nexif\n 2\n4g"), None);
        assert_eq!(raw_profile(b"4142"), Some(Vec::new()));
    }
}
