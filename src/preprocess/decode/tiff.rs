//! TIFF: the first picture; grey, palette, RGB, CMYK and YCbCr of every depth that Pillow reads.
//!
//! Samples are taken raw from the `tiff` crate, which knows compression and layout; what they mean is decided
//! here.

use std::borrow::Cow;
use std::io::Cursor;

use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::{CompressionMethod, Tag};
use tiff::{ColorType, TiffError};

use super::problem::{Problem, accepted, filled};
use super::samples::{clip_16, cmyk_to_rgb, divided, unpacked};
use super::{Decoded, exif, jpeg, tiff_jpeg};

/// Values of the tag that says what samples mean.
const WHITE_IS_ZERO: u16 = 0;
const BLACK_IS_ZERO: u16 = 1;
const PALETTE: u16 = 3;

/// A value of the tag that says what extra samples mean: alpha, by which the colours are multiplied.
const ASSOCIATED_ALPHA: u16 = 1;

/// What tags may take, in bytes: room for the offsets of a million rows.
const TAG_LIMIT: usize = 16 << 20;

/// The most bytes that the samples of a pixel may take: four of 32 bits.
const MOST_BYTES: usize = 16;

/// Decodes a TIFF file.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, Problem> {
    let mut decoder = open(bytes, 0)?;
    let (width, height) = decoder.dimensions().map_err(problem)?;
    let (width, height) = accepted(width, height)?;
    let tag = decoder.find_tag_unsigned(Tag::Orientation).ok().flatten();
    let xmp = decoder.get_tag_u8_vec(Tag::Unknown(700)).ok();
    let orientation = exif::orientation(tag, xmp.as_deref());

    if decoder.find_tag_unsigned::<u16>(Tag::FillOrder).map_err(problem)?.is_some_and(|order| order != 1) {
        return Err(Problem::unsupported("bits are stored from the bottom of each byte"));
    }
    let meaning: u16 = decoder.get_tag_unsigned(Tag::PhotometricInterpretation).map_err(problem)?;
    let method: Option<u16> = decoder.find_tag_unsigned(Tag::Compression).map_err(problem)?;
    if method == Some(CompressionMethod::ModernJPEG.to_u16()) {
        let data = tiff_jpeg::read(bytes, &mut decoder, meaning, (width, height))?;
        return Ok(Decoded { width, height, data, orientation });
    }
    let colours = if meaning == PALETTE { colours(&mut decoder)? } else { Vec::new() };
    // The crate does not read palettes, and inverts levels where Pillow does not: to it, both are levels.
    let plain = match meaning {
        WHITE_IS_ZERO | PALETTE => levels(bytes).ok_or(Problem::damaged("a tag has no value"))?,
        _ => Cow::Borrowed(bytes),
    };
    let picture = Picture { width, height, meaning, colours };
    let data = picture.read(&mut open(&plain, width * height * MOST_BYTES)?)?;
    Ok(Decoded { width, height, data, orientation })
}

type Tiff<'a> = Decoder<Cursor<&'a [u8]>>;

/// Opens a file whose samples take up to `size` bytes.
fn open(bytes: &[u8], size: usize) -> Result<Tiff<'_>, Problem> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = size.max(TAG_LIMIT);
    limits.intermediate_buffer_size = size.max(TAG_LIMIT);
    limits.ifd_value_size = TAG_LIMIT;
    let decoder = Decoder::new(Cursor::new(bytes)).map_err(problem)?;
    Ok(decoder.with_limits(limits))
}

/// What an error of the crate means.
pub(super) fn problem(error: TiffError) -> Problem {
    match error {
        TiffError::IoError(_) => Problem::Truncated,
        TiffError::UnsupportedError(kind) => Problem::unsupported(kind),
        TiffError::FormatError(kind) => Problem::damaged(kind),
        TiffError::LimitsExceeded => Problem::damaged("a value is too large"),
        other => Problem::damaged(other),
    }
}

/// The colours of the palette: 16 bits each, all reds first.
fn colours(decoder: &mut Tiff<'_>) -> Result<Vec<[u8; 3]>, Problem> {
    let map = decoder.get_tag_u16_vec(Tag::ColorMap).map_err(problem)?;
    let count = map.len() / 3;
    Ok((0..count).map(|i| [0, 1, 2].map(|channel| (map[channel * count + i] >> 8) as u8)).collect())
}

/// The file with its samples declared to be levels.
fn levels(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    let little = bytes.first()? == &b'I';
    let number = |at: usize, size: usize| {
        let digits = bytes.get(at..at.checked_add(size)?)?.iter();
        let join = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if little { digits.rev().fold(0, join) } else { digits.fold(0, join) })
    };
    let big = number(2, 2)? == 43;
    // Offset and count of the first directory; where entries start; their length; where their values lie.
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

/// The first picture of a file.
struct Picture {
    width: usize,
    height: usize,
    meaning: u16,
    colours: Vec<[u8; 3]>,
}

impl Picture {
    /// Reads the samples and turns them into RGB.
    fn read(&self, decoder: &mut Tiff<'_>) -> Result<Vec<u8>, Problem> {
        let colour = decoder.colortype().map_err(problem)?;
        let extra: Option<Vec<u16>> = decoder.find_tag_unsigned_vec(Tag::ExtraSamples).map_err(problem)?;
        let associated = extra.is_some_and(|extra| extra.first() == Some(&ASSOCIATED_ALPHA));
        if matches!(colour, ColorType::YCbCr(_)) {
            self.check_subsampling(decoder)?;
        }
        let mut samples = DecodingResult::U8(Vec::new());
        let layout = decoder.read_image_to_buffer(&mut samples).map_err(problem)?;
        if samples.as_buffer(0).as_bytes().len() < layout.complete_len {
            return Err(Problem::damaged("a picture is too large"));
        }
        let (count, bits) = match colour {
            ColorType::Multiband { bit_depth, num_samples } => (usize::from(num_samples), bit_depth),
            other => (usize::from(other.num_samples()), other.bit_depth()),
        };
        let grid = Grid {
            width: self.width,
            height: self.height,
            step: if layout.planes > 1 { 1 } else { count },
            plane: if layout.planes > 1 { self.width * self.height } else { 1 },
        };
        match (samples, colour, bits) {
            (DecodingResult::U8(data), ColorType::Gray(_), 1 | 2 | 4) => {
                self.packed(&data, bits, layout.row_stride.map_or(0, usize::from))
            }
            (DecodingResult::U8(data), ColorType::Gray(_) | ColorType::Multiband { .. }, 8) => {
                grid.map(&data, |[sample]| self.level_or_colour(sample, 1))
            }
            (DecodingResult::I8(data), ColorType::Gray(_), 8) => grid.map(&data, |[level]| [level as u8; 3]),
            (DecodingResult::U16(data), ColorType::Gray(_), 16) => grid.map(&data, |[level]| [clip_16(level); 3]),
            (DecodingResult::I16(data), ColorType::Gray(_), 16) => {
                grid.map(&data, |[level]| [level.clamp(0, 255) as u8; 3])
            }
            // Pillow takes these for signed, too.
            (DecodingResult::U32(data), ColorType::Gray(_), 32) => {
                grid.map(&data, |[level]| [(level as i32).clamp(0, 255) as u8; 3])
            }
            (DecodingResult::I32(data), ColorType::Gray(_), 32) => {
                grid.map(&data, |[level]| [level.clamp(0, 255) as u8; 3])
            }
            // A cast truncates, clips, and makes nothing of what is not a number.
            (DecodingResult::F32(data), ColorType::Gray(_), 32) => grid.map(&data, |[level]| [level as u8; 3]),
            (DecodingResult::U8(data), ColorType::RGB(_), 8) => match grid.step {
                3 => Ok(data),
                _ => grid.map(&data, |rgb: [u8; 3]| rgb),
            },
            (DecodingResult::U8(data), ColorType::RGBA(_), 8) => {
                grid.map(&data, |[r, g, b, alpha]| rgb([r, g, b], associated.then_some(alpha)))
            }
            (DecodingResult::U16(data), ColorType::RGB(_), 16) => grid.map(&data, |rgb: [u16; 3]| rgb.map(high)),
            (DecodingResult::U16(data), ColorType::RGBA(_), 16) => {
                grid.map(&data, |[r, g, b, alpha]| rgb([r, g, b].map(high), associated.then_some(high(alpha))))
            }
            (DecodingResult::U8(data), ColorType::CMYK(_) | ColorType::CMYKA(_), 8) => grid.map(&data, cmyk_to_rgb),
            (DecodingResult::U16(data), ColorType::CMYK(_) | ColorType::CMYKA(_), 16) => {
                grid.map(&data, |inks: [u16; 4]| cmyk_to_rgb(inks.map(high)))
            }
            (DecodingResult::U8(data), ColorType::YCbCr(_), 8) => grid.map(&data, jpeg::ycbcr_pixel),
            _ => Err(Problem::unsupported(format_args!("{count} samples of {bits} bits"))),
        }
    }

    /// Subsampled chroma is read only inside JPEG data.
    fn check_subsampling(&self, decoder: &mut Tiff<'_>) -> Result<(), Problem> {
        let factors: Option<Vec<u16>> = decoder.find_tag_unsigned_vec(Tag::ChromaSubsampling).map_err(problem)?;
        if factors == Some(vec![1, 1]) {
            return Ok(());
        }
        Err(Problem::unsupported("subsampled chroma"))
    }

    /// What a sample of eight bits or fewer means; `scale` takes it to 255.
    fn level_or_colour(&self, sample: u8, scale: u8) -> [u8; 3] {
        match self.meaning {
            PALETTE => self.colours.get(usize::from(sample)).copied().unwrap_or([0; 3]),
            WHITE_IS_ZERO => [255 - sample * scale; 3],
            _ => [sample * scale; 3],
        }
    }

    /// Samples of fewer than eight bits, in rows of whole bytes.
    fn packed(&self, data: &[u8], bits: u8, stride: usize) -> Result<Vec<u8>, Problem> {
        let scale = 255 / ((1 << bits) - 1);
        let mut out = filled(self.width, self.height, 3, 0u8)?;
        for (pixels, row) in out.chunks_exact_mut(self.width * 3).zip(data.chunks(stride.max(1))) {
            for (pixel, sample) in pixels.as_chunks_mut().0.iter_mut().zip(unpacked(row, bits.into(), 1)) {
                *pixel = self.level_or_colour(sample, scale);
            }
        }
        Ok(out)
    }
}

/// The high byte.
fn high(sample: u16) -> u8 {
    (sample >> 8) as u8
}

/// Colours, divided by the alpha that they are multiplied by, if they are.
fn rgb(colours: [u8; 3], alpha: Option<u8>) -> [u8; 3] {
    alpha.map_or(colours, |alpha| colours.map(|value| divided(value, alpha)))
}

/// Where samples lie: rows of pixels without gaps, in one plane or one plane for each sample of a pixel.
struct Grid {
    width: usize,
    height: usize,
    /// From a pixel to the next.
    step: usize,
    /// From a sample of a pixel to its next.
    plane: usize,
}

impl Grid {
    /// Makes RGB of the first `N` samples of each pixel.
    fn map<T: Copy + Default, const N: usize>(
        &self,
        data: &[T],
        convert: impl Fn([T; N]) -> [u8; 3],
    ) -> Result<Vec<u8>, Problem> {
        let mut out = filled(self.width, self.height, 3, 0u8)?;
        for (i, pixel) in out.as_chunks_mut().0.iter_mut().enumerate() {
            let sample = |n: usize| data.get(i * self.step + n * self.plane).copied().unwrap_or_default();
            *pixel = convert(std::array::from_fn(sample));
        }
        Ok(out)
    }
}
