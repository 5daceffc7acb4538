//! TIFF: the first image; grey, palette, RGB, CMYK and YCbCr of every depth that Pillow reads.
//!
//! The `tiff` crate decompresses the samples; their conversion to RGB follows Pillow. JPEG data is left to
//! `photo::jpeg`.

mod error;
mod jpeg;

use std::borrow::Cow;
use std::io::Cursor;

use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::{CompressionMethod, Tag};

use super::decode_error::{DecodeError, checked_size, try_filled};
use super::decoded::{Decoded, Notes};
use super::exif;
use super::jpeg::ycbcr_pixel;
use super::samples::{clip_16, cmyk_to_rgb, unpacked, unpremultiplied};
use crate::budget::Budget;
use error::decode_error;

/// Values of `PhotometricInterpretation`.
const WHITE_IS_ZERO: u16 = 0;
const BLACK_IS_ZERO: u16 = 1;
const PALETTE: u16 = 3;

/// The value of `ExtraSamples` for premultiplied alpha.
const ASSOCIATED_ALPHA: u16 = 1;

/// Maximum size of a tag in bytes: the offsets of a million rows.
const TAG_LIMIT: usize = 16 << 20;

/// Maximum size of the samples of a pixel in bytes: four of 32 bits.
const MAX_PIXEL_BYTES: usize = 16;

/// Decodes a TIFF file.
pub(super) fn decode(bytes: &[u8], budget: &Budget) -> Result<Decoded, DecodeError> {
    let mut decoder = open(bytes, 0)?;
    let (width, height) = decoder.dimensions().map_err(decode_error)?;
    let (width, height) = checked_size(width, height)?;
    let tag = decoder.find_tag_unsigned(Tag::Orientation).ok().flatten();
    let xmp = decoder.get_tag_u8_vec(Tag::Unknown(700)).ok();
    let orientation = exif::orientation(tag, xmp.as_deref());

    if decoder.find_tag_unsigned::<u16>(Tag::FillOrder).map_err(decode_error)?.is_some_and(|order| order != 1) {
        return Err(DecodeError::unsupported("bits are stored from the bottom of each byte"));
    }
    let photometric: u16 = decoder.get_tag_unsigned(Tag::PhotometricInterpretation).map_err(decode_error)?;
    let method: Option<u16> = decoder.find_tag_unsigned(Tag::Compression).map_err(decode_error)?;
    if method == Some(CompressionMethod::ModernJPEG.to_u16()) {
        let data = jpeg::read(bytes, &mut decoder, photometric, (width, height), budget)?;
        return Ok(Decoded { width, height, data, orientation, notes: Notes::default() });
    }
    let colours = if photometric == PALETTE { colours(&mut decoder)? } else { Vec::new() };
    // The codec does not read palettes and inverts levels that Pillow does not, so present both as plain levels.
    let plain = match photometric {
        WHITE_IS_ZERO | PALETTE => as_levels(bytes).ok_or(DecodeError::damaged("a tag has no value"))?,
        _ => Cow::Borrowed(bytes),
    };
    let image = Image { width, height, photometric, colours };
    let data = image.read(&mut open(&plain, width * height * MAX_PIXEL_BYTES)?)?;
    Ok(Decoded { width, height, data, orientation, notes: Notes::default() })
}

type Tiff<'a> = Decoder<Cursor<&'a [u8]>>;

/// Opens a file whose decoded samples take up to `size` bytes.
fn open(bytes: &[u8], size: usize) -> Result<Tiff<'_>, DecodeError> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = size.max(TAG_LIMIT);
    limits.intermediate_buffer_size = size.max(TAG_LIMIT);
    limits.ifd_value_size = TAG_LIMIT;
    let decoder = Decoder::new(Cursor::new(bytes)).map_err(decode_error)?;
    Ok(decoder.with_limits(limits))
}

/// Reads the palette, which has 16 bits per channel, all reds first.
fn colours(decoder: &mut Tiff<'_>) -> Result<Vec<[u8; 3]>, DecodeError> {
    let map = decoder.get_tag_u16_vec(Tag::ColorMap).map_err(decode_error)?;
    let count = map.len() / 3;
    Ok((0..count).map(|i| [0, 1, 2].map(|channel| (map[channel * count + i] >> 8) as u8)).collect())
}

/// Returns the file with `PhotometricInterpretation` set to plain levels.
fn as_levels(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    let little = bytes.first()? == &b'I';
    let number = |at: usize, size: usize| {
        let digits = bytes.get(at..at.checked_add(size)?)?.iter();
        let join = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if little { digits.rev().fold(0, join) } else { digits.fold(0, join) })
    };
    let big = number(2, 2)? == 43;
    // Offset of the first directory, size of its count, size of an entry, and offset of the value in an entry.
    let (directory, count_size, entry, value) = if big { (8, 8, 20, 12) } else { (4, 2, 12, 8) };
    let directory = usize::try_from(number(directory, if big { 8 } else { 4 })?).ok()?;
    let count = number(directory, count_size)?;
    let first = directory.checked_add(count_size)?;
    let entries = (0..count).map_while(|i| first.checked_add(usize::try_from(i).ok()?.checked_mul(entry)?));
    let at = entries.take_while(|&at| at < bytes.len()).find(|&at| number(at, 2) == Some(262))?;
    let digits = if little { BLACK_IS_ZERO.to_le_bytes() } else { BLACK_IS_ZERO.to_be_bytes() };
    let mut out = bytes.to_vec();
    out.get_mut(at + value..at + value + 2)?.copy_from_slice(&digits);
    Some(Cow::Owned(out))
}

/// The first image of a file.
struct Image {
    width: usize,
    height: usize,
    photometric: u16,
    colours: Vec<[u8; 3]>,
}

impl Image {
    /// Reads the samples and converts them to RGB.
    fn read(&self, decoder: &mut Tiff<'_>) -> Result<Vec<u8>, DecodeError> {
        let colour = decoder.colortype().map_err(decode_error)?;
        let extra: Option<Vec<u16>> = decoder.find_tag_unsigned_vec(Tag::ExtraSamples).map_err(decode_error)?;
        let associated = extra.is_some_and(|extra| extra.first() == Some(&ASSOCIATED_ALPHA));
        if matches!(colour, ColorType::YCbCr(_)) {
            self.check_subsampling(decoder)?;
        }
        let mut samples = DecodingResult::U8(Vec::new());
        let buffer = decoder.read_image_to_buffer(&mut samples).map_err(decode_error)?;
        if samples.as_buffer(0).as_bytes().len() < buffer.complete_len {
            return Err(DecodeError::damaged("a picture is too large"));
        }
        let (count, bits) = match colour {
            ColorType::Multiband { bit_depth, num_samples } => (usize::from(num_samples), bit_depth),
            other => (usize::from(other.num_samples()), other.bit_depth()),
        };
        let layout = SampleLayout {
            width: self.width,
            height: self.height,
            step: if buffer.planes > 1 { 1 } else { count },
            plane: if buffer.planes > 1 { self.width * self.height } else { 1 },
        };
        match (samples, colour, bits) {
            (DecodingResult::U8(data), ColorType::Gray(_), 1 | 2 | 4) => {
                self.packed(&data, bits, buffer.row_stride.map_or(0, usize::from))
            }
            (DecodingResult::U8(data), ColorType::Gray(_) | ColorType::Multiband { .. }, 8) => {
                layout.map(&data, |[sample]| self.level_or_colour(sample, 1))
            }
            (DecodingResult::I8(data), ColorType::Gray(_), 8) => layout.map(&data, |[level]| [level as u8; 3]),
            (DecodingResult::U16(data), ColorType::Gray(_), 16) => layout.map(&data, |[level]| [clip_16(level); 3]),
            (DecodingResult::I16(data), ColorType::Gray(_), 16) => {
                layout.map(&data, |[level]| [level.clamp(0, 255) as u8; 3])
            }
            // Pillow treats unsigned levels as signed.
            (DecodingResult::U32(data), ColorType::Gray(_), 32) => {
                layout.map(&data, |[level]| [(level as i32).clamp(0, 255) as u8; 3])
            }
            (DecodingResult::I32(data), ColorType::Gray(_), 32) => {
                layout.map(&data, |[level]| [level.clamp(0, 255) as u8; 3])
            }
            // The cast truncates, clamps, and maps NaN to zero.
            (DecodingResult::F32(data), ColorType::Gray(_), 32) => layout.map(&data, |[level]| [level as u8; 3]),
            (DecodingResult::U8(data), ColorType::RGB(_), 8) => match layout.step {
                3 => Ok(data),
                _ => layout.map(&data, |rgb: [u8; 3]| rgb),
            },
            (DecodingResult::U8(data), ColorType::RGBA(_), 8) => {
                layout.map(&data, |[r, g, b, alpha]| rgb([r, g, b], associated.then_some(alpha)))
            }
            (DecodingResult::U16(data), ColorType::RGB(_), 16) => layout.map(&data, |rgb: [u16; 3]| rgb.map(high)),
            (DecodingResult::U16(data), ColorType::RGBA(_), 16) => {
                layout.map(&data, |[r, g, b, alpha]| rgb([r, g, b].map(high), associated.then_some(high(alpha))))
            }
            (DecodingResult::U8(data), ColorType::CMYK(_) | ColorType::CMYKA(_), 8) => layout.map(&data, cmyk_to_rgb),
            (DecodingResult::U16(data), ColorType::CMYK(_) | ColorType::CMYKA(_), 16) => {
                layout.map(&data, |inks: [u16; 4]| cmyk_to_rgb(inks.map(high)))
            }
            (DecodingResult::U8(data), ColorType::YCbCr(_), 8) => layout.map(&data, ycbcr_pixel),
            _ => Err(DecodeError::unsupported(format_args!("{count} samples of {bits} bits"))),
        }
    }

    /// Refuses subsampled chroma, which is supported only in JPEG data.
    fn check_subsampling(&self, decoder: &mut Tiff<'_>) -> Result<(), DecodeError> {
        let factors: Option<Vec<u16>> = decoder.find_tag_unsigned_vec(Tag::ChromaSubsampling).map_err(decode_error)?;
        if factors == Some(vec![1, 1]) {
            return Ok(());
        }
        Err(DecodeError::unsupported("subsampled chroma"))
    }

    /// Converts a sample of up to eight bits; `scale` maps its maximum to 255.
    fn level_or_colour(&self, sample: u8, scale: u8) -> [u8; 3] {
        match self.photometric {
            PALETTE => self.colours.get(usize::from(sample)).copied().unwrap_or([0; 3]),
            WHITE_IS_ZERO => [255 - sample * scale; 3],
            _ => [sample * scale; 3],
        }
    }

    /// Converts samples of fewer than eight bits, in rows of whole bytes.
    fn packed(&self, data: &[u8], bits: u8, stride: usize) -> Result<Vec<u8>, DecodeError> {
        let scale = 255 / ((1 << bits) - 1);
        let mut out = try_filled(self.width, self.height, 3, 0u8)?;
        for (pixels, row) in out.chunks_exact_mut(self.width * 3).zip(data.chunks(stride.max(1))) {
            for (pixel, sample) in pixels.as_chunks_mut().0.iter_mut().zip(unpacked(row, bits.into(), 1)) {
                *pixel = self.level_or_colour(sample, scale);
            }
        }
        Ok(out)
    }
}

/// Returns the high byte.
fn high(sample: u16) -> u8 {
    (sample >> 8) as u8
}

/// Undoes the multiplication by `alpha`, if there is one.
fn rgb(colours: [u8; 3], alpha: Option<u8>) -> [u8; 3] {
    alpha.map_or(colours, |alpha| colours.map(|value| unpremultiplied(value, alpha)))
}

/// The layout of samples: packed rows of pixels, interleaved or in one plane for each channel.
struct SampleLayout {
    width: usize,
    height: usize,
    /// Samples from a pixel to the next.
    step: usize,
    /// Samples from a channel of a pixel to its next channel.
    plane: usize,
}

impl SampleLayout {
    /// Converts the first `N` samples of each pixel to RGB.
    fn map<T: Copy + Default, const N: usize>(
        &self,
        data: &[T],
        convert: impl Fn([T; N]) -> [u8; 3],
    ) -> Result<Vec<u8>, DecodeError> {
        let mut out = try_filled(self.width, self.height, 3, 0u8)?;
        for (i, pixel) in out.as_chunks_mut().0.iter_mut().enumerate() {
            let sample = |n: usize| data.get(i * self.step + n * self.plane).copied().unwrap_or_default();
            *pixel = convert(std::array::from_fn(sample));
        }
        Ok(out)
    }
}
