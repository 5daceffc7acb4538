//! From the planes of a coded picture to RGB, as libheif does it: samples are cut to eight bits, chroma is repeated, and
//! 4:2:0 of the full range is converted in integers, all else in single precision.

use super::super::boxes::take;
use super::super::metadata::Cicp;

/// How samples are to be understood: ITU-T H.273.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colours {
    /// `MatrixCoefficients`.
    pub matrix: u8,
    /// Whether levels take the whole range of their bits.
    pub full_range: bool,
}

impl Colours {
    /// Reads a property `colr`; `None` if it is a profile.
    pub fn of(mut content: &[u8]) -> Option<Colours> {
        let matrix = cicp(content)?.matrix;
        content = content.get(10..)?;
        let full_range = take(&mut content, 1)? & 0x80 != 0;
        Some(Colours { matrix: u8::try_from(matrix).unwrap_or(2), full_range })
    }
}

/// Reads the code points of a property `colr`; `None` if it is a profile.
pub(super) fn cicp(content: &[u8]) -> Option<Cicp> {
    let mut content = content.strip_prefix(b"nclx")?;
    let mut code = || take(&mut content, 2).and_then(|code| u16::try_from(code).ok());
    Some(Cicp { primaries: code()?, transfer: code()?, matrix: code()? })
}

/// The samples of a coded picture.
pub(super) struct Planes {
    /// Luma, then Cb and Cr, which are empty for a grey picture; row by row.
    pub planes: [Vec<u16>; 3],
    /// Width and height of luma.
    pub size: (usize, usize),
    /// Samples in a row of luma and of chroma.
    pub strides: [usize; 2],
    /// Whether chroma has half of the columns, and of the rows.
    pub halved: [bool; 2],
    /// Bits of luma and of chroma.
    pub bits: [u8; 2],
    pub colours: Colours,
}

impl Planes {
    /// What the tiles of a picture have in common.
    pub fn kind(&self) -> (bool, [bool; 2], [u8; 2], Colours) {
        (self.planes[1].is_empty(), self.halved, self.bits, self.colours)
    }
}

/// Weights of chroma in red, green (Cb, Cr) and blue.
pub(super) struct Weights {
    pub red: f32,
    pub green: [f32; 2],
    pub blue: f32,
}

impl Weights {
    pub fn of(matrix: u8) -> Weights {
        // The weights of red and blue in luma: H.273, table 4.
        let (red, blue) = match matrix {
            1 => (0.2126, 0.0722),
            4 => (0.30, 0.11),
            7 => (0.212, 0.087),
            9 | 10 => (0.2627, 0.0593),
            // BT.601, which unknown ones are taken for.
            _ => (0.299, 0.114),
        };
        let green: f32 = 1.0 - red - blue;
        let (from_cr, from_cb) = (2.0 * (1.0 - red), 2.0 * (1.0 - blue));
        Weights { red: from_cr, green: [-from_cb * blue / green, -from_cr * red / green], blue: from_cb }
    }
}

/// Factors that stretch the limited range of luma (16 to 235) and chroma (16 to 240), with libheif's digits.
const STRETCH: [f32; 2] = [1.1689, 1.1429];

/// Reads a matrix without weights.
const IDENTITY: u8 = 0;
const YCGCO: u8 = 8;

/// A row of a picture that is put together from tiles.
#[derive(Default)]
pub(super) struct Row {
    luma: Vec<u16>,
    /// Cb and Cr, as many as luma or half as many; empty for a grey picture.
    chroma: [Vec<u16>; 2],
}

impl Row {
    /// Converts row `y` of tiles beside each other, from column `left` on.
    ///
    /// With `smooth`, chroma that has half of the columns is interpolated: libheif turns such pictures after it has done so.
    pub fn convert(&mut self, tiles: &[Planes], (left, y): (usize, usize), smooth: bool, pixels: &mut [[u8; 3]]) {
        let Some(first) = tiles.first() else { return };
        self.luma.clear();
        self.chroma.iter_mut().for_each(Vec::clear);
        let [across, down] = first.halved.map(usize::from);
        for Planes { planes: [luma, chroma @ ..], size, strides, .. } in tiles {
            self.luma.extend_from_slice(&luma[y * strides[0]..][..size.0]);
            for (row, plane) in self.chroma.iter_mut().zip(chroma).filter(|(_, plane)| !plane.is_empty()) {
                row.extend_from_slice(&plane[(y >> down) * strides[1]..][..size.0.div_ceil(1 + across)]);
            }
        }
        let luma = &self.luma[left..];
        let shift = first.bits.map(|bits| bits - 8);
        let [cb, cr] = &self.chroma;
        if cb.is_empty() {
            let levels = luma.iter().map(|&level| (level >> shift[0]) as u8);
            return pixels.iter_mut().zip(levels).for_each(|(pixel, level)| *pixel = [level; 3]);
        }
        let (cb, cr) = (&cb[left >> across..], &cr[left >> across..]);
        let Colours { matrix, full_range } = first.colours;
        let weights = Weights::of(matrix);
        if first.halved == [true; 2] && full_range && !matches!(matrix, IDENTITY | YCGCO) {
            let fixed = |weight: f32| (weight * 256.0).round() as i32;
            let (red, blue, green) = (fixed(weights.red), fixed(weights.blue), weights.green.map(fixed));
            let chroma = |level: u16| i32::from(level >> shift[1]) - 128;
            // Two pixels share their chroma.
            for (((pixels, luma), &cb), &cr) in pixels.chunks_mut(2).zip(luma.chunks(2)).zip(cb).zip(cr) {
                let (cb, cr) = (chroma(cb), chroma(cr));
                let sums = [red * cr, green[0] * cb + green[1] * cr, blue * cb].map(|sum| (sum + 128) >> 8);
                for (pixel, &level) in pixels.iter_mut().zip(luma) {
                    *pixel = sums.map(|sum| (i32::from(level >> shift[0]) + sum).clamp(0, 255) as u8);
                }
            }
            return;
        }
        // Of 4:2:0, the samples are cut before they are converted, of the others after.
        let (before, bits) = if first.halved == [true; 2] { (shift, [8; 2]) } else { ([0; 2], first.bits) };
        let convert = Convert { weights, matrix, full_range, bits };
        let width = pixels.len();
        for (x, (pixel, &level)) in pixels.iter_mut().zip(luma).enumerate() {
            let chroma = |row: &[u16]| {
                let own = row[x >> across];
                // Samples are between the first and the second pixel of a pair.
                let beside = if x % 2 == 1 { (x + 1 < width).then_some(x / 2 + 1) } else { (x / 2).checked_sub(1) };
                match beside.filter(|_| smooth && across == 1).and_then(|beside| row.get(beside)) {
                    Some(&beside) => ((3 * u32::from(own) + u32::from(beside) + 2) / 4) as u16,
                    None => own,
                }
            };
            *pixel = convert.pixel([level >> before[0], chroma(cb) >> before[1], chroma(cr) >> before[1]]);
        }
    }
}

/// Conversion in single precision.
struct Convert {
    weights: Weights,
    matrix: u8,
    full_range: bool,
    /// Bits of luma and of chroma.
    bits: [u8; 2],
}

impl Convert {
    fn pixel(&self, levels: [u16; 3]) -> [u8; 3] {
        let shift = self.bits[0] - 8;
        let top = ((1u32 << self.bits[0]) - 1) as f32;
        let rounded = |level: f32| ((level + 0.5).clamp(0.0, top) as u32 >> shift) as u8;
        let [luma, cb, cr] = levels.map(f32::from);
        let black = f32::from(16u16 << shift);
        let middle = f32::from(1u16 << (self.bits[1] - 1));
        match (self.matrix, self.full_range) {
            (IDENTITY, true) => [cr, luma, cb].map(rounded),
            (IDENTITY, false) => {
                let stretched = |level: f32, stretch: f32| rounded((level - black) * stretch);
                [stretched(cr, STRETCH[1]), stretched(luma, STRETCH[0]), stretched(cb, STRETCH[1])]
            }
            (YCGCO, _) => {
                let (cg, co) = (cb - middle, cr - middle);
                [luma - cg + co, luma + cg, luma - cg - co].map(rounded)
            }
            (_, full_range) => {
                let (mut luma, mut cb, mut cr) = (luma, cb - middle, cr - middle);
                if !full_range {
                    (luma, cb, cr) = ((luma - black) * STRETCH[0], cb * STRETCH[1], cr * STRETCH[1]);
                }
                let Weights { red, green, blue } = self.weights;
                [luma + red * cr, luma + green[0] * cb + green[1] * cr, luma + blue * cb].map(rounded)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planes(levels: [u16; 3], bits: u8, halved: [bool; 2], matrix: u8, full_range: bool) -> Planes {
        let planes = levels.map(|level| vec![level; 4]);
        let colours = Colours { matrix, full_range };
        Planes { planes, size: (2, 2), strides: [2, 2], halved, bits: [bits; 2], colours }
    }

    #[test]
    fn colours_of_a_container() {
        assert_eq!(Colours::of(b"nclx\0\x09\0\x10\0\x09\x80"), Some(Colours { matrix: 9, full_range: true }));
        assert_eq!(Colours::of(b"nclx\0\x01\0\x0d\x01\x00\x7f"), Some(Colours { matrix: 2, full_range: false }));
        assert_eq!((Colours::of(b"prof1234"), Colours::of(b"nclx\0\x01\0")), (None, None));
    }

    #[test]
    fn grey_black_and_white() {
        for halved in [[true; 2], [true, false], [false; 2]] {
            for bits in [8u8, 10, 12] {
                for matrix in [1, 2, 6, 9, 8] {
                    let level = |level: u16| level << (bits - 8);
                    let middle = 1 << (bits - 1);
                    for (luma, full_range, expected) in
                        [(0, true, 0), (255, true, 255), (16, false, 0), (235, false, 255), (77, true, 77)]
                    {
                        let planes = planes([level(luma), middle, middle], bits, halved, matrix, full_range);
                        let mut pixels = [[9; 3]; 2];
                        let matrix_has_limits = matrix == YCGCO && !full_range;
                        Row::default().convert(&[planes], (0, 1), false, &mut pixels);
                        if !matrix_has_limits {
                            assert_eq!(pixels, [[expected; 3]; 2], "{halved:?} {bits} {matrix} {luma}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn every_level_of_every_kind_is_converted() {
        for levels in [[0u16; 3], [u16::MAX; 3], [0, u16::MAX, 0], [u16::MAX, 0, u16::MAX]] {
            for bits in 8..=16u8 {
                for matrix in 0..=15 {
                    for halved in [[true; 2], [true, false], [false; 2]] {
                        for full_range in [false, true] {
                            let levels = levels.map(|level| level >> (16 - bits));
                            let planes = planes(levels, bits, halved, matrix, full_range);
                            Row::default().convert(&[planes], (0, 0), true, &mut [[0; 3]; 2]);
                        }
                    }
                }
            }
        }
    }
}
