//! The chunks of a WebP file: where its first picture and its metadata are.
//!
//! Follows libwebp's demuxer where files contradict themselves: the flags of the header do not say what there is, except
//! that an EXIF or XMP chunk counts only if its flag is set. Sizes are claims: nothing is allocated for them. A chunk of
//! metadata that reaches beyond the file counts as absent. Knows no pixels.

use super::super::decode_error::DecodeError;

/// Length of the file header: `RIFF`, a length, `WEBP`.
const FILE_HEADER: usize = 12;

/// Flags of the extended header.
const XMP_FLAG: u8 = 4;
const EXIF_FLAG: u8 = 8;
const PROFILE_FLAG: u8 = 32;

/// The first picture of a file and what belongs to it.
pub(super) struct Contents<'a> {
    /// Width and height of the canvas, if the file states them.
    pub canvas: Option<(u32, u32)>,
    /// Whether the picture may be smaller than the canvas.
    pub animated: bool,
    pub picture: Picture<'a>,
    pub exif: Option<&'a [u8]>,
    pub xmp: Option<&'a [u8]>,
    /// The ICC profile.
    pub profile: Option<&'a [u8]>,
}

/// A picture without its transparency.
pub(super) struct Picture<'a> {
    /// Place on the canvas.
    pub left: u32,
    pub top: u32,
    pub lossless: bool,
    pub data: &'a [u8],
}

type Chunk<'a> = (&'a [u8; 4], &'a [u8]);

/// Iterates over chunks up to the first that is not complete, which is an error.
fn chunks(mut rest: &[u8]) -> impl Iterator<Item = Result<Chunk<'_>, DecodeError>> {
    std::iter::from_fn(move || {
        let (kind, after) = rest.split_first_chunk::<4>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let Some(data) = after.get(..length) else {
            rest = &[];
            return Some(Err(DecodeError::Truncated));
        };
        // A chunk of odd length is padded.
        rest = after.get(length + length % 2..).unwrap_or_default();
        Some(Ok((kind, data)))
    })
}

/// Reads three bytes, least significant first.
fn three(bytes: &[u8], at: usize) -> Result<u32, DecodeError> {
    match bytes.get(at..at + 3) {
        Some(&[a, b, c]) => Ok(u32::from_le_bytes([a, b, c, 0])),
        _ => Err(DecodeError::damaged("a chunk is too short")),
    }
}

/// Returns a picture chunk, if this is one.
fn picture(chunk: Chunk<'_>) -> Option<Picture<'_>> {
    let lossless = match chunk.0 {
        b"VP8 " => false,
        b"VP8L" => true,
        _ => return None,
    };
    Some(Picture { left: 0, top: 0, lossless, data: chunk.1 })
}

impl<'a> Contents<'a> {
    /// Finds the first picture of a file.
    pub fn of(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let length = bytes.get(4..).and_then(|rest| rest.first_chunk()).ok_or(DecodeError::Truncated)?;
        let end = (u32::from_le_bytes(*length) as usize).saturating_add(8);
        let mut chunks = chunks(bytes.get(FILE_HEADER..end).ok_or(DecodeError::Truncated)?);
        let first = chunks.next().ok_or(DecodeError::Truncated)??;
        if let Some(picture) = picture(first) {
            return Ok(Contents { canvas: None, animated: false, picture, exif: None, xmp: None, profile: None });
        }
        let (b"VP8X", header) = first else {
            return Err(DecodeError::damaged("it does not begin with a picture"));
        };
        let canvas = (three(header, 4)? + 1, three(header, 7)? + 1);
        let flags = header[0];
        let (mut found, mut animated) = (None, false);
        let (mut exif, mut xmp, mut profile) = (None, None, None);
        for chunk in chunks {
            // Behind the picture there is only metadata.
            let chunk = match chunk {
                Err(_) if found.is_some() => break,
                chunk => chunk?,
            };
            match chunk.0 {
                b"ANMF" if found.is_none() => (found, animated) = (Some(frame(chunk.1)?), true),
                b"EXIF" if flags & EXIF_FLAG != 0 => exif = exif.or(Some(chunk.1)),
                b"ICCP" if flags & PROFILE_FLAG != 0 => profile = profile.or(Some(chunk.1)),
                b"XMP " if flags & XMP_FLAG != 0 => xmp = xmp.or(Some(chunk.1)),
                _ if found.is_none() => found = picture(chunk),
                _ => {}
            }
        }
        let picture = found.ok_or(DecodeError::Truncated)?;
        Ok(Contents { canvas: Some(canvas), animated, picture, exif, xmp, profile })
    }
}

/// Reads a frame of an animation.
fn frame(bytes: &[u8]) -> Result<Picture<'_>, DecodeError> {
    /// Place, size, duration and flags. The size is that of the picture, whatever is stated here.
    const HEADER: usize = 16;
    let (left, top) = (2 * three(bytes, 0)?, 2 * three(bytes, 3)?);
    for chunk in chunks(bytes.get(HEADER..).ok_or(DecodeError::damaged("a chunk is too short"))?) {
        if let Some(picture) = picture(chunk?) {
            return Ok(Picture { left, top, ..picture });
        }
    }
    Err(DecodeError::damaged("a frame has no picture"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
        [&kind[..], &(data.len() as u32).to_le_bytes(), data, &vec![0; data.len() % 2]].concat()
    }

    fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
        let body = chunks.concat();
        [b"RIFF", &(body.len() as u32 + 4).to_le_bytes()[..], b"WEBP", &body].concat()
    }

    fn header(flags: u8) -> Vec<u8> {
        chunk(b"VP8X", &[flags, 0, 0, 0, 7, 0, 0, 5, 0, 0])
    }

    #[test]
    fn flags_decide_on_metadata_only() {
        let parts = [chunk(b"EXIF", b"e"), chunk(b"VP8 ", b"data"), chunk(b"XMP ", b"xmp")];
        for flags in 0..=255 {
            let bytes = file(&[&[header(flags)], &parts[..]].concat());
            let contents = Contents::of(&bytes).unwrap();
            assert_eq!(
                (contents.canvas, contents.picture.data, contents.picture.lossless),
                (Some((8, 6)), &b"data"[..], false)
            );
            assert_eq!(contents.exif, (flags & EXIF_FLAG != 0).then_some(&b"e"[..]));
            assert_eq!(contents.xmp, (flags & XMP_FLAG != 0).then_some(&b"xmp"[..]));
        }
    }

    #[test]
    fn claims_beyond_the_file_are_not_believed() {
        let mut huge = chunk(b"EXIF", b"abcd");
        huge[4..8].fill(0xff);
        let bytes = file(&[header(8), chunk(b"VP8L", b"data"), huge.clone()]);
        let contents = Contents::of(&bytes).unwrap();
        assert_eq!((contents.exif, contents.picture.data), (None, &b"data"[..]));
        assert!(Contents::of(&file(&[header(8), huge.clone(), chunk(b"VP8L", b"data")])).is_err());
        huge[..4].copy_from_slice(b"VP8 ");
        assert!(Contents::of(&file(&[huge])).is_err());
    }

    #[test]
    fn every_truncation_is_an_error() {
        let frame =
            [&[1, 0, 0, 2, 0, 0, 3, 0, 0, 4, 0, 0, 0, 0, 0, 0][..], &chunk(b"ALPH", b"a"), &chunk(b"VP8 ", b"data")]
                .concat();
        let bytes = file(&[header(2), chunk(b"ANIM", &[0; 6]), chunk(b"ANMF", &frame)]);
        let contents = Contents::of(&bytes).unwrap();
        let picture = contents.picture;
        assert_eq!((picture.left, picture.top, picture.data), (2, 4, &b"data"[..]));
        for end in 0..bytes.len() {
            assert!(Contents::of(&bytes[..end]).is_err());
            let mut short = bytes[..end].to_vec();
            if let Some(length) = short.get_mut(4..8) {
                length.copy_from_slice(&(end as u32).saturating_sub(8).to_le_bytes());
            }
            assert!(Contents::of(&short).is_err(), "{end}");
        }
    }
}
