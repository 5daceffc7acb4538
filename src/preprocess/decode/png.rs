//! PNG: every colour type and depth, interlaced or not; of an animation, the picture that other viewers show.
//!
//! Samples are taken raw from the `png` crate, row by row, so that neither gamma nor transparency is applied
//! and rows can be handed on as they come.

use std::io::{BufRead, Cursor, Seek};

use png::{BitDepth, ColorType, Decoder, DecodingError, InterlaceInfo, Limits, Reader, Transformations};

use super::super::orient::{Orientation, STRIP};
use super::problem::{Problem, accepted, filled};
use super::samples::{Palette, clip_16, grey, palette, unpacked};
use super::sink::Whole;
use super::{Decoded, Sink, exif};

/// Length of what every PNG file begins with.
const SIGNATURE: usize = 8;

/// What chunks may take together, in bytes; the photo is not among them.
const LIMIT: usize = 64 << 20;

/// What a pixel may take in the rows that are worked on, in bytes: two rows of four samples of 16 bits.
const ROWS: usize = 16;

/// Decodes a PNG file to `sink`, with `orient` upright.
pub(super) fn decode(bytes: &[u8], orient: bool, sink: &mut dyn Sink) -> Result<(), Problem> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: LIMIT });
    decoder.set_transformations(Transformations::IDENTITY);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(problem)?;
    let (width, height) = accepted(header.width, header.height)?;
    decoder.set_limits(Limits { bytes: LIMIT + width * ROWS });
    let mut reader = decoder.read_info().map_err(problem)?;

    let info = reader.info();
    if info.frame_control.is_some_and(|frame| (frame.width, frame.height) != (info.width, info.height)) {
        return Err(Problem::unsupported("its first picture is smaller than the animation"));
    }
    let kind = Kind::of(info.color_type, info.bit_depth, info.palette.as_deref())?;
    // Rows are placed as the photo lies, which has to be known before the first.
    if !info.interlaced && (!orient || nothing_follows_the_pixels(bytes)) {
        let orientation = if orient { orientation(&reader) } else { Orientation::Upright };
        sink.begin(width, height, orientation)?;
        return rows(&mut reader, &kind, (width, height), sink);
    }
    let data = if info.interlaced {
        let mut data = filled(width, height, 3, 0u8)?;
        let mut pixels = vec![[0; 3]; width];
        while let Some(row) = reader.next_interlaced_row().map_err(problem)? {
            let InterlaceInfo::Adam7(place) = row.interlace() else {
                return Err(Problem::damaged("a row is not interlaced like the others"));
            };
            kind.convert(row.data(), &mut pixels);
            // Spreads a row of a pass over its places in a row of the photo.
            png::expand_interlaced_row(&mut data, width * 3, pixels.as_flattened(), place, 24);
        }
        data
    } else {
        let mut whole = Whole::default();
        whole.begin(width, height, Orientation::Upright)?;
        rows(&mut reader, &kind, (width, height), &mut whole)?;
        whole.finish()?.into_data()
    };
    // A file that ends before its end chunk still has all pixels.
    let _ = reader.finish();
    let orientation = if orient { orientation(&reader) } else { Orientation::Upright };
    sink.photo(Decoded { width, height, data, orientation })
}

/// Hands on the rows of a photo that is not interlaced.
fn rows<R: BufRead + Seek>(
    reader: &mut Reader<R>,
    kind: &Kind,
    (width, height): (usize, usize),
    sink: &mut dyn Sink,
) -> Result<(), Problem> {
    for top in (0..height).step_by(STRIP) {
        for pixels in sink.room(STRIP.min(height - top)).chunks_exact_mut(width * 3) {
            let row = reader.next_row().map_err(problem)?.ok_or(Problem::Truncated)?;
            kind.convert(row.data(), pixels.as_chunks_mut().0);
        }
        sink.written();
    }
    Ok(())
}

/// Whether a file has no chunk after its pixels that could tell how the photo lies.
fn nothing_follows_the_pixels(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(SIGNATURE..).unwrap_or_default();
    let mut pixels = false;
    while let (Some(&length), Some(kind)) = (rest.first_chunk(), rest.get(4..8)) {
        match kind {
            b"IDAT" => pixels = true,
            b"eXIf" | b"tEXt" | b"zTXt" | b"iTXt" if pixels => return false,
            _ => {}
        }
        // Length, kind and checksum beside the content.
        rest = rest.get(12..).and_then(|rest| rest.get(u32::from_be_bytes(length) as usize..)).unwrap_or_default();
    }
    true
}

/// What an error of the crate means.
fn problem(error: DecodingError) -> Problem {
    match error {
        DecodingError::IoError(_) => Problem::Truncated,
        DecodingError::LimitsExceeded => Problem::damaged("a chunk is too large"),
        // Where it names a chunk, the message is longer than helpful.
        other => match other.to_string() {
            message if message.contains("ChunkType") => Problem::damaged("a chunk makes no sense"),
            message => Problem::damaged(message),
        },
    }
}

/// How a row's bytes hold its pixels.
enum Kind {
    /// A level of so many bits, most significant first.
    Grey(u32),
    /// An index of so many bits.
    Indexed(u32, Box<Palette>),
    /// A level of 16 bits.
    Grey16,
    /// A level first, then what is dropped, in so many bytes.
    GreyIn(usize),
    /// Three values first, each in so many bytes, then what is dropped, in so many bytes altogether.
    ColourIn { sample: usize, pixel: usize },
}

impl Kind {
    fn of(colour: ColorType, depth: BitDepth, colours: Option<&[u8]>) -> Result<Kind, Problem> {
        let bits = depth as u32;
        let bytes = bits as usize / 8;
        Ok(match colour {
            ColorType::Grayscale if bits == 16 => Kind::Grey16,
            ColorType::Grayscale => Kind::Grey(bits),
            ColorType::Indexed => {
                let colours = colours.ok_or(Problem::damaged("the palette is not there"))?;
                Kind::Indexed(bits, Box::new(palette(colours)))
            }
            ColorType::GrayscaleAlpha => Kind::GreyIn(2 * bytes),
            ColorType::Rgb => Kind::ColourIn { sample: bytes, pixel: 3 * bytes },
            ColorType::Rgba => Kind::ColourIn { sample: bytes, pixel: 4 * bytes },
        })
    }

    /// Writes as many pixels as `row` has and `pixels` takes.
    fn convert(&self, row: &[u8], pixels: &mut [[u8; 3]]) {
        match *self {
            Kind::Grey(bits) => grey(unpacked(row, bits, 255 / ((1u16 << bits) - 1) as u8), pixels),
            Kind::Indexed(bits, ref colours) => {
                let indices = unpacked(row, bits, 1);
                pixels.iter_mut().zip(indices).for_each(|(pixel, index)| *pixel = colours[usize::from(index)]);
            }
            Kind::Grey16 => {
                grey(row.as_chunks().0.iter().map(|&level| clip_16(u16::from_be_bytes(level))), pixels);
            }
            // Of 16 bits the high byte is the first and the one that stays.
            Kind::GreyIn(bytes) => grey(row.iter().step_by(bytes).copied(), pixels),
            Kind::ColourIn { pixel: 3, .. } => {
                pixels.iter_mut().zip(row.as_chunks().0).for_each(|(pixel, values)| *pixel = *values);
            }
            Kind::ColourIn { pixel: 4, .. } => {
                for (pixel, &[r, g, b, _]) in pixels.iter_mut().zip(row.as_chunks().0) {
                    *pixel = [r, g, b];
                }
            }
            Kind::ColourIn { sample, pixel: bytes } => {
                for (pixel, values) in pixels.iter_mut().zip(row.chunks_exact(bytes)) {
                    *pixel = [values[0], values[sample], values[2 * sample]];
                }
            }
        }
    }
}

/// The orientation in the chunks read so far.
fn orientation<R: BufRead + Seek>(reader: &Reader<R>) -> Orientation {
    let info = reader.info();
    let profile = || {
        const KEYWORD: &str = "Raw profile type exif";
        let plain = info.uncompressed_latin1_text.iter().find(|text| text.keyword == KEYWORD);
        let packed = info.compressed_latin1_text.iter().find(|text| text.keyword == KEYWORD);
        match (plain, packed) {
            (Some(text), _) => raw_profile(&text.text),
            (None, Some(text)) => text.get_text().ok().and_then(|text| raw_profile(&text)),
            (None, None) => None,
        }
    };
    let block = info.exif_metadata.as_ref().map(|block| block.to_vec()).or_else(profile);
    let xmp = info.utf8_text.iter().find(|text| text.keyword == "XML:com.adobe.xmp");
    let xmp = xmp.and_then(|text| text.get_text().ok());
    exif::orientation(block.as_deref().and_then(exif::tag), xmp.as_deref().map(str::as_bytes))
}

/// The bytes of a profile that ImageMagick writes as text: an empty line, a name, a length, then hex digits.
fn raw_profile(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.split('\n').skip(3).flat_map(str::bytes).filter(|b| !b.is_ascii_whitespace()).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    digits.as_chunks::<2>().0.iter().map(|&[high, low]| Some((digit(high)? << 4 | digit(low)?) as u8)).collect()
}
