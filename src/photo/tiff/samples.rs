//! The kinds of samples and their conversion to RGB, which follows Pillow. Knows neither parts nor compression.

use super::super::decode_error::DecodeError;
use super::super::samples::{Palette, clip_16, cmyk_to_rgb, is_clipped_16, unpacked, unpremultiplied};
use super::codec::Codec;
use super::directory::{ByteOrder, Directory, tag};
use super::lab::Grid;
use super::ycbcr::{Conversion, Subsampling, pillow_pixel};

/// Values of `PhotometricInterpretation`.
pub(super) const WHITE_IS_ZERO: u64 = 0;
pub(super) const BLACK_IS_ZERO: u64 = 1;
pub(super) const RGB: u64 = 2;
pub(super) const PALETTE: u64 = 3;
pub(super) const CMYK: u64 = 5;
pub(super) const YCBCR: u64 = 6;
pub(super) const CIELAB: u64 = 8;

/// The value of `ExtraSamples` for premultiplied alpha.
const ASSOCIATED_ALPHA: u64 = 1;

/// Values of `SampleFormat`.
const SIGNED: u64 = 2;
const FLOAT: u64 = 3;

/// What the samples of a pixel mean.
pub(super) enum Meaning {
    /// The first sample, of up to eight bits, selects a colour.
    Colours(Box<Palette>),
    Grey12,
    Grey16,
    SignedGrey16,
    /// Pillow treats unsigned levels as signed.
    Grey32,
    FloatGrey,
    /// With premultiplied alpha as the fourth sample, or without.
    Rgb {
        premultiplied: bool,
    },
    Cmyk,
    /// As Pillow converts it where it decodes samples itself.
    YCbCr,
    /// As libtiff converts it.
    YCbCrTables(Box<Conversion>),
    /// Its `a` and `b` are signed; Pillow takes those of separate planes for unsigned, 128 more.
    Lab {
        grid: &'static Grid,
        unsigned: bool,
    },
}

/// The samples of an image.
pub(super) struct Samples {
    pub meaning: Meaning,
    pub photometric: u64,
    /// Samples of a pixel.
    pub count: usize,
    /// Bits of a sample.
    pub bits: u32,
    pub float: bool,
    pub order: ByteOrder,
    /// Subsampling of chroma, if there is any.
    pub subsampling: Option<Subsampling>,
}

impl Samples {
    /// Reads what the samples of an image are; `planar` images have one plane for each of them.
    pub fn read(directory: &Directory<'_>, codec: &Codec, planar: bool) -> Result<Samples, DecodeError> {
        // Like Pillow, take a missing interpretation for zero.
        let photometric = directory.number(tag::PHOTOMETRIC)?.unwrap_or(WHITE_IS_ZERO);
        let count = directory.number(tag::SAMPLES_PER_PIXEL)?.unwrap_or(1);
        let count = usize::try_from(count).ok().filter(|count| (1..=0xffff).contains(count));
        let count = count.ok_or(DecodeError::damaged("its pixels have no samples"))?;
        // One value for each sample, or one for all.
        let same = |tag, default: u64| -> Result<u64, DecodeError> {
            let Some(values) = directory.values(tag)? else { return Ok(default) };
            let first = values.number(0);
            match (1..values.len().min(count)).all(|i| values.number(i) == first) {
                true => first.ok_or(DecodeError::damaged(format_args!("tag {tag} is not a whole number"))),
                false => Err(DecodeError::unsupported("samples of different kinds")),
            }
        };
        let bits = same(tag::BITS_PER_SAMPLE, 1)?;
        let format = same(tag::SAMPLE_FORMAT, 1)?;
        let extra = directory.values(tag::EXTRA_SAMPLES)?;
        let premultiplied = match extra {
            Some(extra) => extra.number(0) == Some(ASSOCIATED_ALPHA),
            // So Pillow treats planes that libtiff decompresses.
            None => planar && !matches!(codec, Codec::None),
        };

        let unsupported = || {
            DecodeError::unsupported(format_args!(
                "pixels of {count} x {bits} bits in the colours number {photometric}"
            ))
        };
        let needed = match photometric {
            RGB | CIELAB => 3,
            CMYK => 4,
            YCBCR if count >= 3 => 3,
            _ => 1,
        };
        if count < needed || bits != 8 && count > 1 && needed == 1 {
            return Err(unsupported());
        }
        let mut subsampling = None;
        let meaning = match (photometric, bits, format) {
            (WHITE_IS_ZERO | BLACK_IS_ZERO | PALETTE, 1 | 2 | 4 | 8, 1 | 4) => {
                Meaning::Colours(Box::new(colours(directory, photometric, bits as u32)?))
            }
            (WHITE_IS_ZERO | BLACK_IS_ZERO, 8, SIGNED) | (YCBCR, 8, 1) if count < 3 => {
                Meaning::Colours(Box::new(colours(directory, BLACK_IS_ZERO, 8)?))
            }
            // Pillow does not invert these.
            (BLACK_IS_ZERO, 12, 1 | 4) => Meaning::Grey12,
            (WHITE_IS_ZERO | BLACK_IS_ZERO, 16, 1 | 4) => Meaning::Grey16,
            (WHITE_IS_ZERO | BLACK_IS_ZERO, 16, SIGNED) => Meaning::SignedGrey16,
            (WHITE_IS_ZERO | BLACK_IS_ZERO, 32, 1 | SIGNED | 4) => Meaning::Grey32,
            (WHITE_IS_ZERO | BLACK_IS_ZERO, 32, FLOAT) => Meaning::FloatGrey,
            (RGB, 8 | 16, 1 | 4) => Meaning::Rgb { premultiplied: premultiplied && count > 3 },
            (CMYK, 8 | 16, 1 | 4) => Meaning::Cmyk,
            (YCBCR, 8, 1 | 4) if count == 3 => {
                // JPEG data has its own subsampling.
                subsampling = match codec {
                    Codec::Jpeg => None,
                    _ => Some(Subsampling::read(directory)?).filter(|subsampling| !subsampling.is_none()),
                };
                match (codec, subsampling) {
                    (Codec::None, None) => Meaning::YCbCr,
                    _ => Meaning::YCbCrTables(Box::new(Conversion::read(directory)?)),
                }
            }
            (CIELAB, 8, 1 | 4) => Meaning::Lab { grid: Grid::get(), unsigned: planar },
            _ => return Err(unsupported()),
        };
        let (bits, order) = (bits as u32, directory.order);
        Ok(Samples { meaning, photometric, count, bits, float: format == FLOAT, order, subsampling })
    }

    /// Returns how many of a pixel's samples its colour depends on.
    pub fn used(&self) -> usize {
        match self.meaning {
            Meaning::Rgb { premultiplied: false } | Meaning::YCbCr | Meaning::YCbCrTables(_) | Meaning::Lab { .. } => 3,
            Meaning::Rgb { premultiplied: true } | Meaning::Cmyk => 4,
            _ => 1,
        }
    }

    /// Converts a row of pixels of `step` interleaved samples each; returns whether grey levels of 16 bits were clipped.
    pub fn convert(&self, row: &[u8], step: usize, out: &mut [[u8; 3]]) -> bool {
        let order = self.order;
        let mut clipped = false;
        let level = |value: i32| [value.clamp(0, 255) as u8; 3];
        let wide = self.bits == 16;
        // The high byte of a sample of 16 bits.
        let high = |sample: [u8; 2]| order.two(sample).to_be_bytes()[0];
        match &self.meaning {
            Meaning::Colours(colours) if self.bits < 8 => {
                for (pixel, index) in out.iter_mut().zip(unpacked(row, self.bits, 1)) {
                    *pixel = colours[usize::from(index)];
                }
            }
            Meaning::Colours(colours) => each(row, step, out, |[[index]]| colours[usize::from(index)]),
            Meaning::Grey12 => {
                for (pixels, bytes) in out.chunks_mut(2).zip(row.chunks(3)) {
                    let byte = |i: usize| bytes.get(i).map_or(0, |&byte| u16::from(byte));
                    let pair = [byte(0) << 4 | byte(1) >> 4, (byte(1) & 15) << 8 | byte(2)];
                    for (pixel, level) in pixels.iter_mut().zip(pair) {
                        clipped |= is_clipped_16(level);
                        *pixel = [clip_16(level); 3];
                    }
                }
            }
            Meaning::Grey16 => each(row, step, out, |[sample]| {
                clipped |= is_clipped_16(order.two(sample));
                [clip_16(order.two(sample)); 3]
            }),
            Meaning::SignedGrey16 => each(row, step, out, |[sample]| {
                let signed = order.two(sample) as i16;
                clipped |= signed > 255;
                level(i32::from(signed))
            }),
            Meaning::Grey32 => each(row, step, out, |[sample]| level(order.four(sample) as i32)),
            // The cast truncates, clamps, and maps NaN to zero.
            Meaning::FloatGrey => each(row, step, out, |[sample]| [f32::from_bits(order.four(sample)) as u8; 3]),
            Meaning::Rgb { premultiplied: false } if wide => each(row, step, out, |rgb: [_; 3]| rgb.map(high)),
            Meaning::Rgb { premultiplied: false } => each(row, step, out, |rgb: [[u8; 1]; 3]| rgb.map(|[level]| level)),
            Meaning::Rgb { premultiplied: true } => {
                let rgb = |[r, g, b, alpha]: [u8; 4]| [r, g, b].map(|value| unpremultiplied(value, alpha));
                match wide {
                    true => each(row, step, out, |samples: [_; 4]| rgb(samples.map(high))),
                    false => each(row, step, out, |samples: [[u8; 1]; 4]| rgb(samples.map(|[level]| level))),
                }
            }
            Meaning::Cmyk if wide => each(row, step, out, |inks: [_; 4]| cmyk_to_rgb(inks.map(high))),
            Meaning::Cmyk => each(row, step, out, |inks: [[u8; 1]; 4]| cmyk_to_rgb(inks.map(|[ink]| ink))),
            Meaning::YCbCr => each(row, step, out, |[[y], [cb], [cr]]| pillow_pixel([y, cb, cr])),
            Meaning::YCbCrTables(tables) => each(row, step, out, |[[y], [cb], [cr]]| tables.pixel([y, cb, cr])),
            Meaning::Lab { grid, unsigned } => {
                let flip = if *unsigned { 128 } else { 0 };
                each(row, step, out, |[[l], [a], [b]]| grid.pixel([l, a ^ flip, b ^ flip]));
            }
        }
        clipped
    }
}

/// Converts the first `N` samples, of `B` bytes each, of each pixel.
fn each<const B: usize, const N: usize>(
    row: &[u8],
    step: usize,
    out: &mut [[u8; 3]],
    mut convert: impl FnMut([[u8; B]; N]) -> [u8; 3],
) {
    for (pixel, samples) in out.iter_mut().zip(row.chunks_exact(step * B)) {
        if let Some(samples) = samples.as_chunks().0.first_chunk() {
            *pixel = convert(*samples);
        }
    }
}

/// Returns the colour of each value of a sample of up to eight bits.
fn colours(directory: &Directory<'_>, photometric: u64, bits: u32) -> Result<Palette, DecodeError> {
    let mut colours = [[0; 3]; 256];
    if photometric == PALETTE {
        // 16 bits per channel, all reds first.
        let map = directory.required(tag::COLOR_MAP)?;
        let count = map.len() / 3;
        for (i, colour) in colours.iter_mut().enumerate().take(count) {
            let channel = |channel: usize| map.number(channel * count + i).unwrap_or_default();
            *colour = [0, 1, 2].map(|i| (channel(i) >> 8) as u8);
        }
        return Ok(colours);
    }
    let scale = 255 / ((1 << bits) - 1);
    for (i, colour) in colours.iter_mut().enumerate().take(1 << bits) {
        let level = (i * scale) as u8;
        *colour = [if photometric == WHITE_IS_ZERO { 255 - level } else { level }; 3];
    }
    Ok(colours)
}
