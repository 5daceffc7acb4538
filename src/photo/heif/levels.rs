//! From the planes of an AV1 picture to RGB, as libavif does it with libyuv: samples are cut to eight bits, chroma that has
//! fewer samples is interpolated, and the matrices of BT.601, BT.709 and BT.2020 are applied in integers. Other matrices are
//! applied in single precision.

use super::colour::{Colours, Planes, Weights};

/// Matrices of H.273 without weights.
const IDENTITY: u8 = 0;
const YCGCO: u8 = 8;

/// A matrix in integers: 64 is one.
struct Fixed {
    /// Of luma, times 65,536 / 257, and what is added to it.
    luma: u32,
    offset: i32,
    /// Of Cb in blue and green, of Cr in green and red.
    blue: i32,
    green: [i32; 2],
    red: i32,
}

impl Fixed {
    /// The factors of libyuv, rounded as they are there; that of blue is cut to 128.
    fn of(colours: Colours) -> Option<Fixed> {
        let fixed = |luma, offset, [blue, green_cb, green_cr, red]: [i32; 4]| {
            Some(Fixed { luma, offset, blue, green: [green_cb, green_cr], red })
        };
        match (colours.matrix, colours.full_range) {
            (1, false) => fixed(18997, -1160, [128, 14, 34, 115]),
            (1, true) => fixed(16320, 32, [119, 12, 30, 101]),
            (9 | 10, false) => fixed(19003, -1160, [128, 12, 42, 107]),
            (9 | 10, true) => fixed(16320, 32, [120, 11, 37, 94]),
            (IDENTITY | YCGCO | 4 | 7, _) => None,
            // BT.601, which unknown ones are taken for.
            (_, false) => fixed(18997, -1160, [128, 25, 52, 102]),
            (_, true) => fixed(16320, 32, [113, 22, 46, 90]),
        }
    }

    /// Converts a pixel of eight bits.
    #[inline]
    fn pixel(&self, luma: u8, cb: u8, cr: u8) -> [u8; 3] {
        let luma = ((u32::from(luma) * 0x101 * self.luma) >> 16) as i32 + self.offset;
        let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
        let green = self.green[0] * cb + self.green[1] * cr;
        [luma + self.red * cr, luma - green, luma + self.blue * cb].map(|sum| (sum >> 6).clamp(0, 255) as u8)
    }
}

/// Converts the rows of a picture.
pub(super) struct Converter<'a> {
    planes: &'a Planes,
    fixed: Option<Fixed>,
    /// Bits that samples lose before they are converted.
    shift: u32,
    /// Between two rows of chroma, four times as large.
    between: Vec<u16>,
    /// Cb and Cr for each pixel of a row, sixteen times as large.
    chroma: [Vec<u16>; 2],
}

impl<'a> Converter<'a> {
    pub fn new(planes: &'a Planes) -> Converter<'a> {
        let fixed = Fixed::of(planes.colours);
        let shift = if fixed.is_some() { u32::from(planes.bits[0]) - 8 } else { 0 };
        Converter { planes, fixed, shift, between: Vec::new(), chroma: [Vec::new(), Vec::new()] }
    }

    /// Converts row `y` from column `left` on.
    pub fn convert(&mut self, (left, y): (usize, usize), pixels: &mut [[u8; 3]]) {
        let Planes { planes, size, strides, bits, colours, .. } = self.planes;
        let luma = &planes[0][y * strides[0]..][..size.0];
        if planes[1].is_empty() {
            let grey = Grey::of(bits[0], colours.full_range);
            return pixels.iter_mut().zip(&luma[left..]).for_each(|(pixel, &level)| *pixel = [grey.level(level); 3]);
        }
        for index in 0..2 {
            self.interpolate(index, y);
        }
        let chroma = self.chroma[0][left..].iter().zip(&self.chroma[1][left..]);
        let samples = luma[left..].iter().zip(chroma);
        if let Some(fixed) = &self.fixed {
            let shift = self.shift;
            for (pixel, (&luma, (&cb, &cr))) in pixels.iter_mut().zip(samples) {
                let rounded = |sum: u16| ((u32::from(sum) + 8) >> 4) as u8;
                *pixel = fixed.pixel((luma >> shift) as u8, rounded(cb), rounded(cr));
            }
            return;
        }
        let exact = Exact::of(bits[0], *colours);
        for (pixel, (&luma, (&cb, &cr))) in pixels.iter_mut().zip(samples) {
            *pixel = exact.pixel([f32::from(luma), f32::from(cb) / 16.0, f32::from(cr) / 16.0]);
        }
    }

    /// Finds chroma for each pixel of a row: three quarters of the nearest sample and a quarter of the next one, in each
    /// direction that has half as many. The first and the last row and column have one sample alone.
    fn interpolate(&mut self, index: usize, y: usize) {
        let &Planes { ref planes, size: (width, height), strides, halved: [across, down], .. } = self.planes;
        let plane = &planes[index + 1];
        let count = if across { width.div_ceil(2) } else { width };
        let row = |y: usize| &plane[y * strides[1]..][..count];
        let shift = self.shift;
        let level = |sample: u16| sample >> shift;
        let (own, next) = match down {
            false => (y, None),
            true => (y / 2, if y.is_multiple_of(2) { (y / 2).checked_sub(1) } else { Some(y / 2 + 1) }),
        };
        let next = next.filter(|next| *next < height.div_ceil(2));
        self.between.clear();
        match next {
            None => self.between.extend(row(own).iter().map(|&sample| 4 * level(sample))),
            Some(next) => {
                let both = row(own).iter().zip(row(next));
                self.between.extend(both.map(|(&own, &next)| 3 * level(own) + level(next)));
            }
        }
        let (between, chroma) = (&self.between, &mut self.chroma[index]);
        chroma.clear();
        if !across {
            return chroma.extend(between.iter().map(|&level| 4 * level));
        }
        chroma.extend(between.first().map(|&level| 4 * level));
        for pair in between.windows(2) {
            chroma.extend([3 * pair[0] + pair[1], pair[0] + 3 * pair[1]]);
        }
        if width.is_multiple_of(2) {
            chroma.extend(between.last().map(|&level| 4 * level));
        } else if let (Some(last), Some(&level)) = (chroma.last_mut(), between.last()) {
            *last = 4 * level;
        }
    }
}

/// Levels of grey.
struct Grey {
    black: u32,
    white: u32,
}

impl Grey {
    fn of(bits: u8, full_range: bool) -> Grey {
        match full_range {
            true => Grey { black: 0, white: (1 << bits) - 1 },
            false => Grey { black: 16 << (bits - 8), white: 235 << (bits - 8) },
        }
    }

    fn level(&self, level: u16) -> u8 {
        let range = self.white - self.black;
        let above = u32::from(level).saturating_sub(self.black).min(range);
        ((2 * 255 * above + range) / (2 * range)) as u8
    }
}

/// Conversion in single precision.
struct Exact {
    weights: Weights,
    matrix: u8,
    /// What is black, the middle of chroma, and the range of luma and chroma.
    black: f32,
    middle: f32,
    ranges: [f32; 2],
}

impl Exact {
    fn of(bits: u8, Colours { matrix, full_range }: Colours) -> Exact {
        let scale = f32::from(1u16 << (bits - 8));
        let top = f32::from((1u16 << bits) - 1);
        let (black, ranges) = if full_range { (0.0, [top; 2]) } else { (16.0 * scale, [219.0 * scale, 224.0 * scale]) };
        Exact { weights: Weights::of(matrix), matrix, black, middle: 128.0 * scale, ranges }
    }

    fn pixel(&self, levels: [f32; 3]) -> [u8; 3] {
        let rounded = |level: f32| (level.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
        let unit = |level: f32| (level - self.black) / self.ranges[0];
        let [luma, cb, cr] = levels;
        if self.matrix == IDENTITY {
            return [cr, luma, cb].map(|level| rounded(unit(level)));
        }
        let luma = unit(luma);
        let [cb, cr] = [cb, cr].map(|level| (level - self.middle) / self.ranges[1]);
        match self.matrix {
            YCGCO => [luma - cb + cr, luma + cb, luma - cb - cr].map(rounded),
            _ => {
                let Weights { red, green, blue } = self.weights;
                [luma + red * cr, luma + green[0] * cb + green[1] * cr, luma + blue * cb].map(rounded)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planes(chroma: [&[u16]; 2], size: (usize, usize), halved: [bool; 2], bits: u8, colours: Colours) -> Planes {
        let luma = vec![128 << (bits - 8); size.0 * size.1];
        let across = if halved[0] { size.0.div_ceil(2) } else { size.0 };
        let planes = [luma, chroma[0].to_vec(), chroma[1].to_vec()];
        Planes { planes, size, strides: [size.0, across], halved, bits: [bits; 2], colours }
    }

    #[test]
    fn chroma_is_interpolated_between_samples() {
        let colours = Colours { matrix: 6, full_range: true };
        let chroma = [0, 64, 128, 16, 80, 144];
        let planes = planes([&chroma, &chroma], (5, 4), [true; 2], 8, colours);
        let mut converter = Converter::new(&planes);
        let mut rows = Vec::new();
        for y in 0..4 {
            converter.interpolate(0, y);
            rows.push(converter.chroma[0].iter().map(|sum| (sum + 8) >> 4).collect::<Vec<_>>());
        }
        // 4, 68, 132 between the rows.
        assert_eq!(rows[0], [0, 16, 48, 80, 128]);
        assert_eq!(rows[1], [4, 20, 52, 84, 132]);
        assert_eq!(rows[3], [16, 32, 64, 96, 144]);
    }

    #[test]
    fn grey_black_and_white_of_every_kind() {
        for halved in [[true; 2], [true, false], [false; 2]] {
            for bits in [8u8, 10, 12] {
                for matrix in [1, 2, 4, 6, 7, 9, 10, 200] {
                    let middle = 1 << (bits - 1);
                    for (luma, full_range, expected) in
                        [(0, true, 0), (255, true, 255), (16, false, 0), (235, false, 255), (77, true, 77)]
                    {
                        let colours = Colours { matrix, full_range };
                        let chroma = [middle; 6];
                        let mut planes = planes([&chroma, &chroma], (3, 2), halved, bits, colours);
                        planes.planes[0].fill(luma << (bits - 8));
                        let mut pixels = [[9; 3]; 2];
                        Converter::new(&planes).convert((1, 1), &mut pixels);
                        let wrong = pixels.as_flattened().iter().map(|level| level.abs_diff(expected)).max();
                        // 219 steps of eight bits do not all become one of 255; of more bits, the lowest are lost.
                        assert!(wrong <= Some(1), "{halved:?} {bits} {matrix} {luma}: {pixels:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_level_of_every_kind_is_converted() {
        for level in [0u16, u16::MAX] {
            for bits in [8u8, 10, 12] {
                for matrix in 0..=15 {
                    for full_range in [false, true] {
                        let level = level >> (16 - bits);
                        let colours = Colours { matrix, full_range };
                        let planes = planes([&[level; 4], &[level; 4]], (2, 2), [false; 2], bits, colours);
                        Converter::new(&planes).convert((0, 0), &mut [[0; 3]; 2]);
                    }
                }
            }
        }
    }

    #[test]
    fn colours_of_an_identity() {
        let colours = Colours { matrix: IDENTITY, full_range: true };
        let planes = planes([&[1; 4], &[255; 4]], (2, 2), [false; 2], 8, colours);
        let mut pixels = [[0; 3]; 2];
        Converter::new(&planes).convert((0, 0), &mut pixels);
        assert_eq!(pixels, [[255, 128, 1]; 2]);
    }
}
