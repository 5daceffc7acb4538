//! YCbCr samples: their arrangement with fewer samples of chroma than of luma, and their conversion to RGB as Pillow
//! and as libtiff compute it. JPEG data is converted elsewhere.

use super::super::decode_error::DecodeError;
use super::directory::{Directory, tag};

/// How many pixels share a sample of chroma, horizontally and vertically.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subsampling {
    pub across: usize,
    pub down: usize,
}

impl Subsampling {
    /// Reads the factors; the default of the format is two each.
    pub fn read(directory: &Directory<'_>) -> Result<Subsampling, DecodeError> {
        let factors = directory.values(tag::YCBCR_SUBSAMPLING)?;
        let factor = |i| factors.map_or(Some(2), |factors| factors.number(i));
        match (factor(0), factor(1)) {
            (Some(across @ (1 | 2 | 4)), Some(down @ (1 | 2 | 4))) => {
                Ok(Subsampling { across: across as usize, down: down as usize })
            }
            _ => Err(DecodeError::damaged("its chroma is subsampled by neither 1, 2 nor 4")),
        }
    }

    pub fn is_none(self) -> bool {
        self == Subsampling { across: 1, down: 1 }
    }

    /// Bytes of a block: its samples of luma, then one of each chroma.
    fn block(self) -> usize {
        self.across * self.down + 2
    }

    /// Bytes of a row of blocks that covers `width` pixels.
    pub fn row_bytes(self, width: usize) -> Option<usize> {
        width.div_ceil(self.across).checked_mul(self.block())
    }

    /// Rearranges rows of blocks to rows of `width` interleaved pixels, repeating chroma.
    pub fn expand(self, blocks: &[u8], width: usize, pixels: &mut [u8]) {
        let Some(row_bytes) = self.row_bytes(width).filter(|&bytes| bytes > 0) else { return };
        for (y, row) in pixels.chunks_exact_mut(width * 3).enumerate() {
            let blocks = blocks.chunks_exact(row_bytes).nth(y / self.down).unwrap_or_default();
            let line = y % self.down * self.across;
            for (pixels, block) in row.chunks_mut(self.across * 3).zip(blocks.chunks_exact(self.block())) {
                let (luma, chroma) = block.split_at(self.across * self.down);
                for (pixel, &luma) in pixels.as_chunks_mut().0.iter_mut().zip(&luma[line..]) {
                    *pixel = [luma, chroma[0], chroma[1]];
                }
            }
        }
    }
}

/// Converts a pixel as Pillow does, with six fractional bits.
pub(super) fn pillow_pixel([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    // The products are cut, not rounded down.
    let part = |factor: f64, chroma: u8| (factor * 64.0 * (f64::from(chroma) - 128.0) + 0.5) as i32;
    let red = part(1.402, cr) >> 6;
    let green = (part(-0.34414, cb) + part(-0.71414, cr)) >> 6;
    let blue = part(1.772, cb) >> 6;
    [red, green, blue].map(|chroma| (i32::from(y) + chroma).clamp(0, 255) as u8)
}

/// Conversion to RGB as libtiff computes it: tables of 16-bit fixed point, from coefficients and from the levels of
/// black and white that the file states.
pub(super) struct Conversion {
    luma: [i32; 256],
    /// What a sample of red chroma adds to red.
    red: [i32; 256],
    /// What a sample of blue chroma adds to blue.
    blue: [i32; 256],
    /// What samples of blue and red chroma add to green, in 16-bit fixed point.
    green: [[i32; 256]; 2],
}

impl Conversion {
    /// Reads the coefficients and levels; the defaults are those of ITU-R BT.601 and of full range.
    pub fn read(directory: &Directory<'_>) -> Result<Conversion, DecodeError> {
        let reals = |tag, defaults: &[f32]| -> Result<Vec<f32>, DecodeError> {
            let values = directory.values(tag)?;
            let real = |(i, default): (usize, &f32)| values.map_or(Some(*default), |values| values.real(i));
            let reals: Option<Vec<f32>> = defaults.iter().enumerate().map(real).collect();
            reals.ok_or(DecodeError::damaged(format_args!("tag {tag} has too few values")))
        };
        let shares = reals(tag::YCBCR_COEFFICIENTS, &[0.299, 0.587, 0.114])?;
        let levels = reals(tag::REFERENCE_BLACK_WHITE, &[0.0, 255.0, 128.0, 255.0, 128.0, 255.0])?;
        if shares[1] == 0.0 || shares.iter().chain(&levels).any(|value| !value.is_finite()) {
            return Err(DecodeError::damaged("its coefficients of colours are no numbers"));
        }
        Ok(Conversion::new(&shares, &levels))
    }

    fn new(shares: &[f32], levels: &[f32]) -> Conversion {
        const ONE: f64 = 65536.0;
        let fixed = |value: f32| (f64::from(value.clamp(0.0, 2.0)) * ONE + 0.5) as i32;
        let (red, green, blue) = (shares[0], shares[1], shares[2]);
        let (from_red, from_blue) = (2.0 - 2.0 * red, 2.0 - 2.0 * blue);
        let (red_to_green, blue_to_green) = (-fixed(red * from_red / green), -fixed(blue * from_blue / green));
        let (from_red, from_blue) = (fixed(from_red), fixed(from_blue));
        // A level between black and white as a level between 0 and `range`.
        let scaled = |level: i32, black: f32, white: f32, range: f32| {
            let span = if white - black == 0.0 { 1.0 } else { white - black };
            // Black is cut to a whole number.
            let value = (level.saturating_sub(black as i32) as f32 * range) / span;
            value.clamp(-128.0 * 32.0, 128.0 * 32.0) as i32
        };
        let mut tables = Conversion { luma: [0; 256], red: [0; 256], blue: [0; 256], green: [[0; 256], [0; 256]] };
        for i in 0..256 {
            let chroma = |black: f32, white: f32| scaled(i as i32 - 128, black - 128.0, white - 128.0, 127.0);
            let (cb, cr) = (chroma(levels[2], levels[3]), chroma(levels[4], levels[5]));
            // The sums fit: a chroma is at most 4096 and a factor at most 2 in 16 bits.
            tables.red[i] = (from_red * cr + 32768) >> 16;
            tables.blue[i] = (from_blue * cb + 32768) >> 16;
            tables.green[0][i] = blue_to_green * cb + 32768;
            tables.green[1][i] = red_to_green * cr;
            tables.luma[i] = scaled(i as i32, levels[0], levels[1], 255.0);
        }
        tables
    }

    pub fn pixel(&self, [y, cb, cr]: [u8; 3]) -> [u8; 3] {
        let (y, cb, cr) = (self.luma[usize::from(y)], usize::from(cb), usize::from(cr));
        let green = (i64::from(self.green[0][cb]) + i64::from(self.green[1][cr])) >> 16;
        [y + self.red[cr], y + green as i32, y + self.blue[cb]].map(|level| level.clamp(0, 255) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_cut_at_the_right_edge_and_the_bottom() {
        let subsampling = Subsampling { across: 2, down: 2 };
        assert_eq!(subsampling.row_bytes(3), Some(12));
        // Two blocks, each of four samples of luma.
        let blocks: Vec<u8> = [[1, 2, 3, 4, 50, 60], [5, 6, 7, 8, 70, 80]].concat();
        let mut pixels = [0; 2 * 3 * 3];
        subsampling.expand(&blocks, 3, &mut pixels);
        assert_eq!(pixels, [1, 50, 60, 2, 50, 60, 5, 70, 80, 3, 50, 60, 4, 50, 60, 7, 70, 80]);
        let mut one = [0; 9];
        subsampling.expand(&blocks, 3, &mut one);
        assert_eq!(one, pixels[..9]);
    }

    #[test]
    fn pillow_cuts_products() {
        // Pillow 13: Image.frombytes("YCbCr", (4, 1), ...).convert("RGB")
        let pixels = [[100, 128, 128], [100, 0, 255], [1, 200, 90], [255, 1, 2]];
        assert_eq!(pixels.map(pillow_pixel), [[100, 100, 100], [255, 53, 0], [0, 3, 128], [78, 255, 29]]);
    }

    #[test]
    fn greys_stay_greys() {
        let conversion = Conversion::new(&[0.299, 0.587, 0.114], &[0.0, 255.0, 128.0, 255.0, 128.0, 255.0]);
        for level in 0..=255 {
            assert_eq!(conversion.pixel([level, 128, 128]), [level; 3]);
        }
        // Video levels.
        let video = Conversion::new(&[0.299, 0.587, 0.114], &[16.0, 235.0, 128.0, 240.0, 128.0, 240.0]);
        assert_eq!((video.pixel([16, 128, 128]), video.pixel([235, 128, 128])), ([0; 3], [255; 3]));
        for extreme in [[0.0; 6], [f32::MAX, f32::MIN, f32::MAX, f32::MIN, 1e9, -1e9]] {
            let conversion = Conversion::new(&[1e30, 1e-30, -1e30], &extreme);
            for level in 0..=255 {
                std::hint::black_box(conversion.pixel([level, level, 255 - level]));
            }
        }
    }
}
