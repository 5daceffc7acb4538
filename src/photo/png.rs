//! PNG: every colour type and depth, interlaced or not; of an animation, the default image.
//!
//! Takes raw samples from the `png` crate, row by row: neither gamma nor transparency is applied, and rows are
//! delivered as they are decoded.

use std::io::{BufRead, Cursor, Seek};

use png::{BitDepth, ColorType, Decoder, DecodingError, InterlaceInfo, Limits, Reader, Transformations};

use super::decode_error::{DecodeError, checked_size, try_filled};
use super::decoded::{Decoded, Notes};
use super::exif;
use super::samples::{Palette, clip_16, grey, is_clipped_16, palette, unpacked};
use super::whole::WholePhoto;
use crate::budget::Budget;
use crate::pixels::{Orientation, RowSink, STRIP};

/// Length of the PNG signature.
const SIGNATURE: usize = 8;

/// Maximum size of all chunks other than the pixels, in bytes.
const CHUNK_LIMIT: usize = 64 << 20;

/// Bytes per pixel of the codec's row buffers: two rows of four 16-bit samples.
const ROW_BUFFERS: usize = 16;

/// Decodes a PNG file to `sink`; with `orient`, upright.
pub(super) fn decode(
    bytes: &[u8],
    orient: bool,
    _budget: &Budget,
    sink: &mut dyn RowSink,
) -> Result<Notes, DecodeError> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: CHUNK_LIMIT });
    decoder.set_transformations(Transformations::IDENTITY);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(decode_error)?;
    let (width, height) = checked_size(header.width, header.height)?;
    decoder.set_limits(Limits { bytes: CHUNK_LIMIT + width * ROW_BUFFERS });
    let mut reader = decoder.read_info().map_err(decode_error)?;

    let info = reader.info();
    if info.frame_control.is_some_and(|frame| (frame.width, frame.height) != (info.width, info.height)) {
        return Err(DecodeError::unsupported("its first picture is smaller than the animation"));
    }
    let layout = PixelLayout::of(info.color_type, info.bit_depth, info.palette.as_deref())?;
    // Delivering rows needs the orientation before the first of them.
    if !info.interlaced && (!orient || metadata_precedes_pixels(bytes)) {
        let orientation = if orient { orientation(&reader) } else { Orientation::Upright };
        sink.begin(width, height, orientation)?;
        return rows(&mut reader, &layout, (width, height), sink);
    }
    let mut notes = Notes::default();
    let data = if info.interlaced {
        let mut data = try_filled(width, height, 3, 0u8)?;
        let mut pixels = vec![[0; 3]; width];
        while let Some(row) = reader.next_interlaced_row().map_err(decode_error)? {
            let InterlaceInfo::Adam7(pass) = row.interlace() else {
                return Err(DecodeError::damaged("a row is not interlaced like the others"));
            };
            notes.clipped |= layout.convert(row.data(), &mut pixels);
            // 24: bits per pixel.
            png::expand_interlaced_row(&mut data, width * 3, pixels.as_flattened(), pass, 24);
        }
        data
    } else {
        let mut whole = WholePhoto::default();
        whole.begin(width, height, Orientation::Upright)?;
        notes = rows(&mut reader, &layout, (width, height), &mut whole)?;
        whole.finish()?.into_data()
    };
    // All pixels are decoded, so a missing end chunk does not matter.
    let _ = reader.finish();
    let orientation = if orient { orientation(&reader) } else { Orientation::Upright };
    let decoded = Decoded { width, height, data, orientation, notes };
    sink.whole(decoded.into_buffer()?, orientation)?;
    Ok(notes)
}

/// Delivers the rows of a photo that is not interlaced.
fn rows<R: BufRead + Seek>(
    reader: &mut Reader<R>,
    layout: &PixelLayout,
    (width, height): (usize, usize),
    sink: &mut dyn RowSink,
) -> Result<Notes, DecodeError> {
    let mut notes = Notes::default();
    for top in (0..height).step_by(STRIP) {
        for pixels in sink.rows_mut(STRIP.min(height - top)).chunks_exact_mut(width * 3) {
            let row = reader.next_row().map_err(decode_error)?.ok_or(DecodeError::Truncated)?;
            notes.clipped |= layout.convert(row.data(), pixels.as_chunks_mut().0);
        }
        sink.commit();
    }
    Ok(notes)
}

/// Whether no chunk after the pixels can hold an orientation.
fn metadata_precedes_pixels(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(SIGNATURE..).unwrap_or_default();
    let mut pixels = false;
    while let (Some(&length), Some(kind)) = (rest.first_chunk(), rest.get(4..8)) {
        match kind {
            b"IDAT" => pixels = true,
            b"eXIf" | b"tEXt" | b"zTXt" | b"iTXt" if pixels => return false,
            _ => {}
        }
        // A chunk is its length, kind, content and checksum: 12 bytes more than the content.
        rest = rest.get(12..).and_then(|rest| rest.get(u32::from_be_bytes(length) as usize..)).unwrap_or_default();
    }
    true
}

/// Maps an error of the codec.
fn decode_error(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::IoError(_) => DecodeError::Truncated,
        DecodingError::LimitsExceeded => DecodeError::damaged("a chunk is too large"),
        // Messages that name a chunk print its raw bytes.
        other => match other.to_string() {
            message if message.contains("ChunkType") => DecodeError::damaged("a chunk makes no sense"),
            message => DecodeError::damaged(message),
        },
    }
}

/// The pixel layout of a row.
enum PixelLayout {
    /// Grey levels of this many bits, most significant first.
    Grey(u32),
    /// Palette indices of this many bits.
    Indexed(u32, Box<Palette>),
    /// Grey levels of 16 bits.
    Grey16,
    /// Grey and alpha in this many bytes; alpha is dropped.
    GreyAlpha(usize),
    /// Three channels of `sample` bytes each in pixels of `pixel` bytes; alpha is dropped.
    Colour { sample: usize, pixel: usize },
}

impl PixelLayout {
    fn of(colour: ColorType, depth: BitDepth, colours: Option<&[u8]>) -> Result<PixelLayout, DecodeError> {
        let bits = depth as u32;
        let bytes = bits as usize / 8;
        Ok(match colour {
            ColorType::Grayscale if bits == 16 => PixelLayout::Grey16,
            ColorType::Grayscale => PixelLayout::Grey(bits),
            ColorType::Indexed => {
                let colours = colours.ok_or(DecodeError::damaged("the palette is not there"))?;
                PixelLayout::Indexed(bits, Box::new(palette(colours)))
            }
            ColorType::GrayscaleAlpha => PixelLayout::GreyAlpha(2 * bytes),
            ColorType::Rgb => PixelLayout::Colour { sample: bytes, pixel: 3 * bytes },
            ColorType::Rgba => PixelLayout::Colour { sample: bytes, pixel: 4 * bytes },
        })
    }

    /// Converts the pixels of `row`, up to the length of `pixels`; returns whether levels were clipped.
    fn convert(&self, row: &[u8], pixels: &mut [[u8; 3]]) -> bool {
        match *self {
            PixelLayout::Grey(bits) => grey(unpacked(row, bits, 255 / ((1u16 << bits) - 1) as u8), pixels),
            PixelLayout::Indexed(bits, ref colours) => {
                let indices = unpacked(row, bits, 1);
                pixels.iter_mut().zip(indices).for_each(|(pixel, index)| *pixel = colours[usize::from(index)]);
            }
            PixelLayout::Grey16 => {
                let levels = row.as_chunks().0.iter().map(|&level| u16::from_be_bytes(level));
                grey(levels.clone().map(clip_16), pixels);
                return levels.take(pixels.len()).any(is_clipped_16);
            }
            // A 16-bit sample is reduced to its high byte, which comes first.
            PixelLayout::GreyAlpha(bytes) => grey(row.iter().step_by(bytes).copied(), pixels),
            PixelLayout::Colour { pixel: 3, .. } => {
                pixels.iter_mut().zip(row.as_chunks().0).for_each(|(pixel, values)| *pixel = *values);
            }
            PixelLayout::Colour { pixel: 4, .. } => {
                for (pixel, &[r, g, b, _]) in pixels.iter_mut().zip(row.as_chunks().0) {
                    *pixel = [r, g, b];
                }
            }
            PixelLayout::Colour { sample, pixel: bytes } => {
                for (pixel, values) in pixels.iter_mut().zip(row.chunks_exact(bytes)) {
                    *pixel = [values[0], values[sample], values[2 * sample]];
                }
            }
        }
        false
    }
}

/// Reads the orientation from the chunks read so far.
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

/// Decodes an EXIF profile that ImageMagick wrote as text: an empty line, a name, a length, then hex digits.
fn raw_profile(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.split('\n').skip(3).flat_map(str::bytes).filter(|b| !b.is_ascii_whitespace()).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    digits.as_chunks::<2>().0.iter().map(|&[high, low]| Some((digit(high)? << 4 | digit(low)?) as u8)).collect()
}
