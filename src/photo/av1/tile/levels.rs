//! Levels of the coefficients of a transform, which decide the contexts of those before them (section 8.3.2, `coeff_base` and
//! `coeff_br`).

use super::super::cdfs::CoefficientCdfs;
use super::super::scans::{Class, PADDING, Place};
use super::super::symbols::Symbols;

/// Levels of 32 rows and the padding below them, rounded up so that an index can be masked.
const LENGTH: usize = 2048;

/// The highest level before the rest of a coefficient, which is coded in another way.
pub const HIGHEST: u8 = 14;

/// Levels in padded rows, at most one above [`HIGHEST`]; all zero between transforms.
pub struct Levels {
    levels: [u8; LENGTH],
}

impl Levels {
    pub fn new() -> Box<Levels> {
        Box::new(Levels { levels: [0; LENGTH] })
    }

    #[inline]
    fn get(&self, index: usize) -> u8 {
        self.levels[index % LENGTH]
    }

    /// Takes a level and leaves zero.
    #[inline]
    pub fn take(&mut self, place: &Place) -> u8 {
        std::mem::take(&mut self.levels[usize::from(place.level) % LENGTH])
    }

    /// Reads all levels of a transform, the last first. `size` is that of the contexts (`txSzCtx`), `width` that of a coded row.
    pub fn read(
        &mut self,
        symbols: &mut Symbols<'_>,
        cdfs: &mut CoefficientCdfs,
        class: Class,
        places: &[Place],
        [size, kind]: [usize; 2],
        (width, area): (usize, usize),
    ) {
        let Some((last, before)) = places.split_last() else { return };
        let context = match before.len() {
            0 => 0,
            count if count <= area / 8 => 1,
            count if count <= area / 4 => 2,
            _ => 3,
        };
        let range = &mut cdfs.range[size.min(3)][kind];
        let mut level = symbols.symbol(&mut cdfs.base_eob[size][kind][context]) as u8 + 1;
        if level > 2 {
            level += read_range(symbols, &mut range[usize::from(last.range)]);
        }
        self.levels[usize::from(last.level) % LENGTH] = level;
        let base = &mut cdfs.base[size][kind];
        match class {
            Class::Both => self.read_rest::<0>(symbols, base, range, before, width + PADDING),
            Class::Horizontal => self.read_rest::<1>(symbols, base, range, before, width + PADDING),
            Class::Vertical => self.read_rest::<2>(symbols, base, range, before, width + PADDING),
        }
    }

    #[inline]
    fn read_rest<const CLASS: usize>(
        &mut self,
        symbols: &mut Symbols<'_>,
        base: &mut [[u16; 5]; 42],
        range: &mut [[u16; 5]; 21],
        places: &[Place],
        stride: usize,
    ) {
        // Neighbours of `coeff_base`: two that all classes have, and three more.
        let others: [usize; 3] = match CLASS {
            0 => [stride + 1, 2, 2 * stride],
            1 => [2, 3, 4],
            _ => [2 * stride, 3 * stride, 4 * stride],
        };
        for place in places.iter().rev() {
            let at = usize::from(place.level);
            let neighbours = [
                self.get(at + 1),
                self.get(at + stride),
                self.get(at + others[0]),
                self.get(at + others[1]),
                self.get(at + others[2]),
            ];
            let sum: u8 = neighbours.iter().map(|&level| level.min(3)).sum();
            let context = match (CLASS, place.position) {
                (0, 0) => 0,
                _ => usize::from(place.base + ((sum + 1) >> 1).min(4)),
            };
            let mut level = symbols.symbol(&mut base[context % 42]) as u8;
            if level > 2 {
                let sum = neighbours[0] + neighbours[1] + neighbours[2];
                let context = place.range + ((sum + 1) >> 1).min(6);
                level += read_range(symbols, &mut range[usize::from(context) % 21]);
            }
            self.levels[at % LENGTH] = level;
        }
    }
}

/// Reads up to four `coeff_br`.
#[inline]
fn read_range(symbols: &mut Symbols<'_>, cdf: &mut [u16; 5]) -> u8 {
    let mut sum = 0;
    for _ in 0..4 {
        let more = symbols.symbol(cdf) as u8;
        sum += more;
        if more < 3 {
            break;
        }
    }
    sum
}
