//! PNG: every colour type and depth, interlaced or not; of an animation, the default image.
//!
//! Takes raw samples from the `png` crate, row by row: neither gamma nor transparency is applied, and rows are
//! delivered as they are decoded. Palette and metadata are read here.

mod chunks;
mod metadata;
mod sums;

use png::{BitDepth, ColorType, Decoder, DecodingError, InterlaceInfo, Limits, Reader, Transformations};

use super::decode_error::{DecodeError, check_memory, checked_size, try_filled};
use super::decoded::{Decoded, Notes};
use super::headers::Headers;
use super::samples::{Palette, clip_16, grey, is_clipped_16, palette, unpacked};
use crate::budget::Budget;
use crate::pixels::{Orientation, RowSink, STRIP};
use chunks::{Contents, Stream};

/// Maximum size of the codec's buffers that do not depend on the width, in bytes.
const CODEC_BUFFERS: usize = 1 << 20;

/// Bytes per pixel of the codec's row buffers: two rows of four 16-bit samples.
const ROW_BUFFERS: usize = 16;

/// Most bytes that a byte of deflated data stands for.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// Reads what a file states besides its pixels.
pub(super) fn headers<'a>(bytes: &'a [u8], budget: &Budget) -> Result<Headers<'a>, DecodeError> {
    let contents = Contents::of(bytes)?;
    let (width, height) = contents.size();
    let (width, height) = checked_size(width, height, budget)?;
    let (exif, xmp) = (metadata::block(&contents), metadata::xmp(&contents));
    let (orientation, colours) = (metadata::orientation(&contents), metadata::colours(&contents));
    Ok(Headers { width, height, orientation, exif, exif_part: contents.exif.unwrap_or_default(), xmp, colours })
}

/// Decodes a PNG file to `sink`; with `orient`, upright.
pub(super) fn decode(
    bytes: &[u8],
    orient: bool,
    budget: &Budget,
    sink: &mut dyn RowSink,
) -> Result<Notes, DecodeError> {
    let contents = Contents::of(bytes)?;
    let (width, height) = contents.size();
    let (width, height) = checked_size(width, height, budget)?;
    budget.grant_pixels((width * height) as u64);
    let orientation = if orient { metadata::orientation(&contents) } else { Orientation::Upright };

    let limits = Limits { bytes: CODEC_BUFFERS + width * ROW_BUFFERS };
    let mut decoder = Decoder::new_with_limits(contents.stream(bytes), limits);
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(decode_error)?;
    let info = reader.info();
    if contents.frame.is_some_and(|frame| frame != (info.width, info.height)) {
        return Err(DecodeError::unsupported("its first picture is smaller than the animation"));
    }
    let interlaced = info.interlaced;
    let layout = PixelLayout::of(info.color_type, info.bit_depth, contents.palette)?;
    // Allocate nothing for pixels that the file is too short to hold.
    let row = reader.output_line_size(width as u32).ok_or(DecodeError::out_of_memory(width, height))?;
    let least = row as u64 * height as u64;
    if least > contents.pixel_bytes.saturating_mul(MAX_DEFLATE_RATIO) {
        return Err(DecodeError::Truncated);
    }
    sums::verify_pixels(&contents, bytes, budget)?;
    check_memory(CODEC_BUFFERS + width * ROW_BUFFERS, (width, height))?;
    if !interlaced {
        sink.begin(width, height, orientation)?;
        return rows(&mut reader, &layout, (width, height), budget, sink);
    }
    let mut notes = Notes::default();
    let mut data = try_filled(width, height, 3, 0u8)?;
    let mut pixels = try_filled(width, 1, 1, [0u8; 3])?;
    while let Some(row) = reader.next_interlaced_row().map_err(decode_error)? {
        let InterlaceInfo::Adam7(pass) = row.interlace() else {
            return Err(DecodeError::damaged("a row is not interlaced like the others"));
        };
        budget.work(row_work(row.data().len()))?;
        notes.clipped |= layout.convert(row.data(), &mut pixels);
        // 24: bits per pixel.
        png::expand_interlaced_row(&mut data, width * 3, pixels.as_flattened(), pass, 24);
    }
    let decoded = Decoded { width, height, data, orientation, notes };
    sink.whole(decoded.into_buffer()?, orientation)?;
    Ok(notes)
}

/// Units of work of a row of samples: inflating, filtering and converting them.
fn row_work(len: usize) -> u64 {
    3 * len as u64 + 48
}

/// Delivers the rows of a photo that is not interlaced.
fn rows(
    reader: &mut Reader<Stream<'_>>,
    layout: &PixelLayout,
    (width, height): (usize, usize),
    budget: &Budget,
    sink: &mut dyn RowSink,
) -> Result<Notes, DecodeError> {
    let mut notes = Notes::default();
    for top in (0..height).step_by(STRIP) {
        for pixels in sink.rows_mut(STRIP.min(height - top)).chunks_exact_mut(width * 3) {
            let row = reader.next_row().map_err(decode_error)?.ok_or(DecodeError::Truncated)?;
            budget.work(row_work(row.data().len()))?;
            notes.clipped |= layout.convert(row.data(), pixels.as_chunks_mut().0);
        }
        sink.commit();
    }
    Ok(notes)
}

/// Maps an error of the codec.
fn decode_error(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::IoError(_) => DecodeError::Truncated,
        DecodingError::LimitsExceeded => DecodeError::damaged("a row is too large"),
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
