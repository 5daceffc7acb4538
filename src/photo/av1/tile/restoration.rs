//! Units of loop restoration (`read_lr`, sections 5.11.57 and 5.11.58).

use super::super::filter::Unit;
use super::super::header::RestorationType;
use super::Decoder;

/// `RefLrWiener` and `RefSgrXqd`: what the last unit of each plane had, near which the next one is coded.
#[derive(Clone, Debug)]
pub struct References {
    wiener: [[[i32; 3]; 2]; 3],
    weights: [[i32; 2]; 3],
}

impl Default for References {
    fn default() -> Self {
        References { wiener: [[[3, -7, 15]; 2]; 3], weights: [[-32, 31]; 3] }
    }
}

/// The radius of each pass is not zero (`Sgr_Params`): of 16 sets, four lack the first and two the second pass.
fn has_pass(set: u8, pass: usize) -> bool {
    match pass {
        0 => !(10..=13).contains(&set),
        _ => set < 14,
    }
}

impl Decoder<'_> {
    /// Reads the units whose first corner lies in a superblock.
    pub fn read_restoration(&mut self, row: usize, col: usize, side: usize) {
        for plane in 0..self.picture.frame.planes.len() {
            let Some(restoration) = self.header.restoration[plane] else { continue };
            let [across, down] = self.picture.frame.shifts(plane);
            let size = restoration.unit_size;
            let units = |side: usize, shift: u32| {
                super::super::filter::units_across(size, super::super::picture::rounded(side, shift))
            };
            let unit_rows = units(self.header.height, down);
            let unit_cols = units(self.header.upscaled_width, across);
            let unit_row = |row: usize| (row * (4 >> down)).div_ceil(size);
            // Columns are those of the upscaled frame.
            let (numerator, denominator) = match self.header.superres_denom {
                8 => (4 >> across, size),
                denom => ((4 >> across) * denom, size * 8),
            };
            let unit_col = |col: usize| (col * numerator).div_ceil(denominator);
            for unit_row in unit_row(row)..unit_row(row + side).min(unit_rows) {
                for unit_col in unit_col(col)..unit_col(col + side).min(unit_cols) {
                    let unit = self.read_unit(plane, restoration.kind);
                    let units = self.picture.units[plane].as_mut();
                    if let Some(place) = units.and_then(|units| units.units.get_mut(unit_row * unit_cols + unit_col)) {
                        *place = unit;
                    }
                }
            }
        }
    }

    fn read_unit(&mut self, plane: usize, kind: RestorationType) -> Unit {
        let cdfs = &mut self.cdfs.frame;
        let kind = match kind {
            RestorationType::Wiener => usize::from(self.symbols.flag(&mut cdfs.use_wiener)),
            RestorationType::SelfGuided => 2 * usize::from(self.symbols.flag(&mut cdfs.use_sgrproj)),
            RestorationType::Switchable => self.symbols.symbol(&mut cdfs.restoration_type),
        };
        match kind {
            0 => Unit::None,
            1 => self.read_wiener(plane),
            _ => self.read_self_guided(plane),
        }
    }

    fn read_wiener(&mut self, plane: usize) -> Unit {
        const LOW: [i32; 3] = [-5, -23, -17];
        const HIGH: [i32; 3] = [10, 8, 46];
        let mut taps = [[0i8; 3]; 2];
        for (pass, taps) in taps.iter_mut().enumerate() {
            // Chroma has shorter filters.
            for index in usize::from(plane > 0)..3 {
                let reference = &mut self.references.wiener[plane][pass][index];
                *reference = self.symbols.near(LOW[index], HIGH[index], index as u32 + 1, *reference);
                taps[index] = *reference as i8;
            }
        }
        Unit::Wiener { vertical: taps[0], horizontal: taps[1] }
    }

    fn read_self_guided(&mut self, plane: usize) -> Unit {
        const LOW: [i32; 2] = [-96, -32];
        const HIGH: [i32; 2] = [31, 95];
        let set = self.symbols.literal(4) as u8;
        let references = &mut self.references.weights[plane];
        for pass in 0..2 {
            references[pass] = match (has_pass(set, pass), pass) {
                (true, _) => self.symbols.near(LOW[pass], HIGH[pass], 4, references[pass]),
                (false, 0) => 0,
                (false, _) => (128 - references[0]).clamp(LOW[1], HIGH[1]),
            };
        }
        Unit::SelfGuided { set, weights: references.map(|weight| weight as i16) }
    }
}
