//! The chunks of a PNG file: its header, palette, metadata, and a stream of its pixels for the codec.
//!
//! The codec sees the header, the palette's place and the pixels only. So no other chunk can fail, cost memory, or be
//! taken for critical: like Pillow, which reads files whose unneeded chunks are repeated, misplaced, unknown or damaged.

use std::io::{BufRead, Read, Result, Seek, SeekFrom};

use flate2::Crc;

use super::super::decode_error::DecodeError;

/// Length of the signature that begins a file.
const SIGNATURE: usize = 8;

/// Length of the content of the header.
const HEADER: usize = 13;

/// What a chunk adds to its content: its length, kind and checksum.
const FRAME: usize = 12;

/// A text and how it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text<'a> {
    Plain(&'a [u8]),
    Deflated(&'a [u8]),
}

/// What a file contains, beside the pixels themselves.
pub(super) struct Contents<'a> {
    pub header: [u8; HEADER],
    /// The palette, three bytes for each colour.
    pub palette: Option<&'a [u8]>,
    /// Width and height of the first frame of an animation, if the pixels are that frame.
    pub frame: Option<(u32, u32)>,
    /// Bytes of compressed pixels in the file.
    pub pixel_bytes: u64,
    pub exif: Option<&'a [u8]>,
    /// EXIF in hex digits, as ImageMagick writes it.
    pub raw_profile: Option<Text<'a>>,
    pub xmp: Option<Text<'a>>,
    /// The ICC profile.
    pub profile: Option<Text<'a>>,
    /// Whether there is a chunk for it, whatever is in it.
    pub states_profile: bool,
    /// Primaries, transfer characteristics, matrix coefficients, and whether the range is the full one.
    pub cicp: Option<[u8; 4]>,
    /// Whether the colours are stated to be sRGB.
    pub srgb: bool,
    /// Whether another chunk follows the last pixels, so that they are not cut off.
    ended: bool,
}

/// A chunk: the offset of its start, its kind, and its content, which may be cut off.
type Chunk<'a> = (usize, [u8; 4], &'a [u8]);

/// Iterates over the chunks of a file from byte `at` up to its end chunk.
fn chunks(bytes: &[u8], mut at: usize) -> impl Iterator<Item = Chunk<'_>> {
    std::iter::from_fn(move || {
        let start = at;
        let rest = bytes.get(start..)?;
        let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let kind = *rest.get(4..)?.first_chunk()?;
        let content = &rest[8..];
        at = start.saturating_add(FRAME).saturating_add(length);
        Some((start, kind, &content[..length.min(content.len())]))
    })
}

impl<'a> Contents<'a> {
    /// Reads all chunks of a file.
    pub fn of(bytes: &'a [u8]) -> std::result::Result<Self, DecodeError> {
        let mut header: Option<[u8; HEADER]> = None;
        let (mut palette, mut frame, mut pixel_bytes, mut ended) = (None, None, 0, false);
        let (mut exif, mut raw_profile, mut xmp) = (None, None, None);
        let (mut profile, mut states_profile, mut cicp, mut srgb) = (None, false, None, false);
        for chunk in chunks(bytes, SIGNATURE) {
            let (_, kind, content) = chunk;
            let pixels = pixel_bytes > 0;
            ended = pixels && kind != *b"IDAT";
            match &kind {
                b"IHDR" if !pixels => {
                    verify(bytes, &chunk)?;
                    let content = *content.first_chunk().ok_or(DecodeError::Truncated)?;
                    if header.replace(content).is_some_and(|first| first != content) {
                        return Err(DecodeError::damaged("it has two headers"));
                    }
                }
                b"PLTE" if !pixels => {
                    verify(bytes, &chunk)?;
                    palette = Some(content);
                }
                b"fcTL" if !pixels => frame = content.get(4..12).and_then(<[u8]>::first_chunk).map(two_sides),
                b"IDAT" => pixel_bytes += content.len() as u64,
                b"IEND" => break,
                b"eXIf" => exif = Some(content),
                // A name comes first, as in a compressed text.
                b"iCCP" => {
                    states_profile = true;
                    profile = profile.or_else(|| text(b"zTXt", content).map(|(_, profile)| profile));
                }
                // Other chunks do no harm; this one would change every colour. Of what is damaged, misplaced or not of RGB
                // nothing counts.
                b"cICP" if !pixels && verify(bytes, &chunk).is_ok() => {
                    let codes = <[u8; 4]>::try_from(content).ok().filter(|&[_, _, matrix, _]| matrix == 0);
                    cicp = cicp.or(codes);
                }
                b"sRGB" => srgb = true,
                b"tEXt" | b"zTXt" | b"iTXt" => match text(&kind, content) {
                    Some((b"Raw profile type exif", text)) => raw_profile = Some(text),
                    Some((b"XML:com.adobe.xmp", text)) => xmp = Some(text),
                    _ => {}
                },
                _ => {}
            }
        }
        let header = header.ok_or(DecodeError::Truncated)?;
        Ok(Contents {
            header,
            palette,
            frame,
            pixel_bytes,
            exif,
            raw_profile,
            xmp,
            profile,
            states_profile,
            cicp,
            srgb,
            ended,
        })
    }

    /// Width and height that the header states.
    pub fn size(&self) -> (u32, u32) {
        self.header.first_chunk().map_or((0, 0), two_sides)
    }

    /// Kind and content of each chunk of pixels in `bytes`, and its checksum, if the file does not end before it.
    pub fn pixels<'b>(&self, bytes: &'b [u8]) -> impl Iterator<Item = (&'b [u8], Option<u32>)> {
        let parts =
            chunks(bytes, SIGNATURE).take_while(|chunk| chunk.1 != *b"IEND").filter(|chunk| chunk.1 == *b"IDAT");
        parts.map(|(start, _, content)| {
            let end = start + 8 + content.len();
            let stored = bytes.get(end..).and_then(|rest| rest.first_chunk().copied()).map(u32::from_be_bytes);
            (&bytes[start + 4..end], stored)
        })
    }

    /// Returns a file of the header, an empty palette and the pixels of `bytes`, for the codec.
    pub fn stream(&self, bytes: &'a [u8]) -> Stream<'a> {
        let mut header = self.header;
        // The compression method has one value, which nobody checks, and interlacing is a matter of yes or no.
        header[10] = 0;
        header[12] = u8::from(header[12] != 0);
        let mut head = b"\x89PNG\r\n\x1a\n".to_vec();
        append(&mut head, b"IHDR", &header);
        append(&mut head, b"PLTE", &[0; 3]);
        let mut tail = Vec::new();
        if self.ended {
            append(&mut tail, b"IEND", b"");
        }
        Stream { head, tail, part: Part::Head, read: 0, bytes, next: SIGNATURE }
    }
}

fn two_sides(bytes: &[u8; 8]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = *bytes;
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}

/// Splits off the bytes up to the next zero.
fn until_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Reads the keyword and the text of a text chunk.
fn text<'a>(kind: &[u8; 4], content: &'a [u8]) -> Option<(&'a [u8], Text<'a>)> {
    let (keyword, rest) = until_zero(content)?;
    match kind {
        b"tEXt" => Some((keyword, Text::Plain(rest))),
        // Method 0 is deflate, the only one.
        b"zTXt" => Some((keyword, Text::Deflated(rest.strip_prefix(b"\0")?))),
        _ => {
            let (&[deflated, method], rest) = rest.split_first_chunk()?;
            let (_language, rest) = until_zero(rest)?;
            let (_translation, rest) = until_zero(rest)?;
            match (deflated, method) {
                (0, _) => Some((keyword, Text::Plain(rest))),
                (_, 0) => Some((keyword, Text::Deflated(rest))),
                _ => None,
            }
        }
    }
}

/// Computes the checksum of a chunk, over its kind and content.
pub(super) fn checksum(kind_and_content: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(kind_and_content);
    crc.sum()
}

/// Checks a chunk that the pixels depend on. `start` is its offset in the file.
fn verify(bytes: &[u8], (start, _, content): &Chunk<'_>) -> std::result::Result<(), DecodeError> {
    /// More than a palette of 256 colours.
    const MAX_CONTENT: usize = 1024;
    let end = start + 8 + content.len();
    let Some(&stored) = bytes.get(end..).and_then(|rest| rest.first_chunk()) else {
        return Err(DecodeError::Truncated);
    };
    if content.len() > MAX_CONTENT || checksum(&bytes[start + 4..end]) != u32::from_be_bytes(stored) {
        return Err(DecodeError::damaged("a checksum is wrong"));
    }
    Ok(())
}

/// Appends a chunk.
pub(super) fn append(out: &mut Vec<u8>, kind: &[u8; 4], content: &[u8]) {
    out.extend((content.len() as u32).to_be_bytes());
    let start = out.len();
    out.extend(kind);
    out.extend(content);
    let checksum = checksum(&out[start..]);
    out.extend(checksum.to_be_bytes());
}

/// Where a [`Stream`] reads.
enum Part {
    Head,
    /// A range of the file: a chunk of pixels.
    Pixels(usize, usize),
    Tail,
}

/// A file of a header and of pixels.
pub(super) struct Stream<'a> {
    head: Vec<u8>,
    tail: Vec<u8>,
    part: Part,
    /// Bytes of the part that were read.
    read: usize,
    bytes: &'a [u8],
    /// Offset of the next chunk in the file.
    next: usize,
}

impl Stream<'_> {
    fn part(&self) -> &[u8] {
        match self.part {
            Part::Head => &self.head,
            Part::Pixels(start, end) => &self.bytes[start..end],
            Part::Tail => &self.tail,
        }
    }
}

impl BufRead for Stream<'_> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        while self.read == self.part().len() && !matches!(self.part, Part::Tail) {
            let (bytes, next) = (self.bytes, self.next);
            let pixels = chunks(bytes, next).take_while(|chunk| chunk.1 != *b"IEND").find(|chunk| chunk.1 == *b"IDAT");
            self.read = 0;
            self.part = match pixels {
                Some((start, _, content)) => {
                    self.next = start + FRAME + content.len();
                    Part::Pixels(start, self.next.min(bytes.len()))
                }
                None => Part::Tail,
            };
        }
        Ok(&self.part()[self.read..])
    }

    fn consume(&mut self, count: usize) {
        self.read += count;
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl Seek for Stream<'_> {
    /// The codec asks for the trait but does not seek.
    fn seek(&mut self, _: SeekFrom) -> Result<u64> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
        chunks.iter().for_each(|(kind, content)| append(&mut out, kind, content));
        out
    }

    const IHDR: [u8; 15] = [0, 0, 0, 2, 0, 0, 0, 3, 8, 2, 9, 0, 0, 9, 9];

    #[test]
    fn the_stream_has_header_and_pixels_only() {
        let bytes = file(&[
            (b"tEXt", b"before"),
            (b"IHDR", &IHDR),
            (b"ABCD", b"critical?"),
            (b"IDAT", b"one"),
            (b"IDAT", b""),
            (b"gAMA", b""),
            (b"IDAT", b"two"),
            (b"IEND", b""),
            (b"IDAT", b"behind"),
        ]);
        let contents = Contents::of(&bytes).unwrap();
        assert_eq!((contents.size(), contents.pixel_bytes), ((2, 3), 6));
        let mut out = Vec::new();
        contents.stream(&bytes).read_to_end(&mut out).unwrap();
        let mut header = IHDR;
        header[10] = 0;
        let plain =
            [(b"IHDR", &header[..13]), (b"PLTE", &[0; 3]), (b"IDAT", b"one"), (b"IDAT", b""), (b"IDAT", b"two")];
        let plain = [&plain[..], &[(b"IEND", b"")]].concat();
        assert_eq!(out, file(&plain));
        // A file that is cut off among its pixels has no end.
        let cut = &bytes[..bytes.len() - 32];
        let mut out = Vec::new();
        Contents::of(cut).unwrap().stream(cut).read_to_end(&mut out).unwrap();
        assert!(file(&plain).starts_with(&out) && out.len() > 60, "{}", out.len());
    }

    #[test]
    fn headers_may_be_repeated_but_not_contradict() {
        let mut other = IHDR;
        assert!(Contents::of(&file(&[(b"IHDR", &IHDR), (b"IHDR", &other)])).is_ok());
        other[3] = 1;
        assert!(Contents::of(&file(&[(b"IHDR", &IHDR), (b"IHDR", &other)])).is_err());
        assert!(Contents::of(&file(&[(b"IHDR", &IHDR[..12])])).is_err());
        let mut bytes = file(&[(b"IHDR", &IHDR)]);
        for i in 16..bytes.len() {
            bytes[i] ^= 1;
            assert!(Contents::of(&bytes).is_err(), "{i}");
            bytes[i] ^= 1;
        }
        let mut bytes = file(&[(b"IHDR", &IHDR), (b"PLTE", b"abc")]);
        *bytes.last_mut().unwrap() ^= 1;
        assert!(Contents::of(&bytes).is_err());
    }

    #[test]
    fn the_last_text_of_a_keyword_counts() {
        let bytes = file(&[
            (b"IHDR", &IHDR),
            (b"tEXt", b"Raw profile type exif\0a"),
            (b"zTXt", b"Raw profile type exif\0\0b"),
            (b"iTXt", b"XML:com.adobe.xmp\0\0\0en\0x\0c"),
            (b"iTXt", b"XML:com.adobe.xmp\0\x01\0\0\0d"),
            (b"iTXt", b"XML:com.adobe.xmp\0\x01\x01\0\0e"),
            (b"zTXt", b"XML:com.adobe.xmp\0\x01e"),
            (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0"),
        ]);
        let contents = Contents::of(&bytes).unwrap();
        assert_eq!(contents.raw_profile, Some(Text::Deflated(b"b")));
        assert_eq!(contents.xmp, Some(Text::Deflated(b"d")));
    }

    #[test]
    fn lengths_are_claims() {
        let mut bytes = file(&[(b"IHDR", &IHDR), (b"eXIf", b"abcd")]);
        let at = bytes.len() - 16;
        bytes[at..at + 4].fill(0xff);
        assert_eq!(Contents::of(&bytes).unwrap().exif.map(<[u8]>::len), Some(8));
        for end in 0..bytes.len() {
            let _ =
                Contents::of(&bytes[..end]).map(|contents| contents.stream(&bytes[..end]).read_to_end(&mut Vec::new()));
        }
    }
}
