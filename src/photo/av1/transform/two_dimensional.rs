//! The transform of a block (section 7.13.3): rows, then columns, as many at a time as the compiler has lanes for.

use super::super::plane::Plane;
use super::Block;
use super::adst::{adst4, adst8, adst16, identity, walsh_hadamard};
use super::butterfly::{Lane, Range, round};
use super::dct::{dct4, dct8, dct16, dct32, dct64};

/// The transform of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Dct,
    Adst,
    /// [`Kind::Adst`] with its samples in reverse.
    Flipped,
    Identity,
}

/// Kinds of columns and of rows by `PlaneTxType`.
const KINDS: [[Kind; 2]; 16] = {
    use Kind::{Adst, Dct, Flipped, Identity};
    [
        [Dct, Dct],
        [Adst, Dct],
        [Dct, Adst],
        [Adst, Adst],
        [Flipped, Dct],
        [Dct, Flipped],
        [Flipped, Flipped],
        [Adst, Flipped],
        [Flipped, Adst],
        [Identity, Identity],
        [Dct, Identity],
        [Identity, Dct],
        [Adst, Identity],
        [Identity, Adst],
        [Flipped, Identity],
        [Identity, Flipped],
    ]
};

/// What is shifted out after the rows (`Transform_Row_Shift`). It depends on the area alone.
fn row_shift(log2_width: u32, log2_height: u32) -> u32 {
    match log2_width + log2_height {
        4 | 5 => 0,
        6 | 7 | 9 | 11 => 1,
        _ => 2,
    }
}

/// Transforms of one direction for blocks of a side.
trait Side<const N: usize> {
    fn apply<const L: usize>(kind: Kind, t: &mut [Lane<L>; N], range: Range);
}

struct Sides;

macro_rules! side {
    ($n:literal, $dct:ident $(, $adst:ident)?) => {
        impl Side<$n> for Sides {
            #[inline(always)]
            fn apply<const L: usize>(kind: Kind, t: &mut [Lane<L>; $n], range: Range) {
                match kind {
                    $(Kind::Adst | Kind::Flipped => $adst(t, range),)?
                    Kind::Identity => identity(t, range),
                    #[allow(unreachable_patterns)]
                    _ => $dct(t, range),
                }
            }
        }
    };
}

side!(4, dct4, adst4);
side!(8, dct8, adst8);
side!(16, dct16, adst16);
side!(32, dct32);
side!(64, dct64);

/// Chooses the code for a size of block.
pub fn inverse_add(plane: &mut Plane, block: &Block, coefficients: &[i32]) {
    if block.lossless {
        return lossless(plane, block, coefficients);
    }
    match (block.log2_width, block.log2_height) {
        (2, 2) => transform::<4, 4, 4, 4>(plane, block, coefficients),
        (2, 3) => transform::<4, 8, 8, 4>(plane, block, coefficients),
        (2, 4) => transform::<4, 16, 8, 4>(plane, block, coefficients),
        (3, 2) => transform::<8, 4, 4, 8>(plane, block, coefficients),
        (3, 3) => transform::<8, 8, 8, 8>(plane, block, coefficients),
        (3, 4) => transform::<8, 16, 8, 8>(plane, block, coefficients),
        (3, 5) => transform::<8, 32, 8, 8>(plane, block, coefficients),
        (4, 2) => transform::<16, 4, 4, 8>(plane, block, coefficients),
        (4, 3) => transform::<16, 8, 8, 8>(plane, block, coefficients),
        (4, 4) => transform::<16, 16, 8, 8>(plane, block, coefficients),
        (4, 5) => transform::<16, 32, 8, 8>(plane, block, coefficients),
        (4, 6) => transform::<16, 64, 8, 8>(plane, block, coefficients),
        (5, 3) => transform::<32, 8, 8, 8>(plane, block, coefficients),
        (5, 4) => transform::<32, 16, 8, 8>(plane, block, coefficients),
        (5, 5) => transform::<32, 32, 8, 8>(plane, block, coefficients),
        (5, 6) => transform::<32, 64, 8, 8>(plane, block, coefficients),
        (6, 4) => transform::<64, 16, 8, 8>(plane, block, coefficients),
        (6, 5) => transform::<64, 32, 8, 8>(plane, block, coefficients),
        (6, 6) => transform::<64, 64, 8, 8>(plane, block, coefficients),
        _ => {}
    }
}

/// Multiplies by `1 / sqrt(2)`.
fn halved_area(value: i32) -> i32 {
    round(value.wrapping_mul(2896), 12)
}

/// Transforms a block of `W` x `H`, `R` rows and then `C` columns at a time.
fn transform<const W: usize, const H: usize, const R: usize, const C: usize>(
    plane: &mut Plane,
    block: &Block,
    coefficients: &[i32],
) where
    Sides: Side<W> + Side<H>,
{
    let [column_kind, row_kind] = KINDS[usize::from(block.tx_type & 15)];
    let bits = block.bits.clamp(8, 12);
    let column_range = Range::of_bits((bits + 6).max(16));
    let rectangle = block.log2_width.abs_diff(block.log2_height) == 1;
    let shift = row_shift(block.log2_width, block.log2_height);
    if block.extent == [1, 1] && [column_kind, row_kind] == [Kind::Dct, Kind::Dct] {
        let dc = coefficients.first().copied().unwrap_or(0);
        let dc = if rectangle { halved_area(dc) } else { dc };
        let dc = halved_area(column_range.clamp(round(halved_area(dc), shift)));
        return add_flat::<W, H>(plane, block, round(dc, 4));
    }

    // The rows' results, [H, W]; those of rows without coefficients are zero.
    let mut rows = [[0; W]; H];
    let used = block.extent[1].min(H).min(32);
    let ranges = [Range::of_bits(bits + 8), column_range];
    if used <= 4 {
        transform_rows::<W, 4>(&mut rows[..4], block, coefficients, row_kind, ranges);
    } else {
        transform_rows::<W, R>(&mut rows[..used.next_multiple_of(R)], block, coefficients, row_kind, ranges);
    }

    let high = (1 << bits) - 1;
    for first in (0..W).step_by(C) {
        let mut t = [[0; C]; H];
        for (values, row) in t.iter_mut().zip(&rows) {
            values.copy_from_slice(&row[first..first + C]);
        }
        <Sides as Side<H>>::apply(column_kind, &mut t, column_range);
        for y in 0..H {
            let values = &t[if column_kind == Kind::Flipped { H - 1 - y } else { y }];
            let start = (block.y + y) * plane.stride + block.x + first;
            for (sample, value) in plane.samples[start..start + C].iter_mut().zip(values) {
                *sample = i32::from(*sample).wrapping_add(round(*value, 4)).clamp(0, high) as u16;
            }
        }
    }
}

/// Transforms rows, `R` at a time, and clamps the results for the columns.
fn transform_rows<const W: usize, const R: usize>(
    rows: &mut [[i32; W]],
    block: &Block,
    coefficients: &[i32],
    kind: Kind,
    [range, column_range]: [Range; 2],
) where
    Sides: Side<W>,
{
    let rectangle = block.log2_width.abs_diff(block.log2_height) == 1;
    let shift = row_shift(block.log2_width, block.log2_height);
    let columns = block.extent[0].min(W).min(32);
    for (group, out) in rows.chunks_exact_mut(R).enumerate() {
        let mut t = [[0; R]; W];
        let source = coefficients.chunks_exact(W.min(32)).skip(group * R);
        for (lane, row) in source.take(R).enumerate() {
            for (values, &coefficient) in t.iter_mut().zip(&row[..columns]) {
                values[lane] = if rectangle { halved_area(coefficient) } else { coefficient };
            }
        }
        <Sides as Side<W>>::apply(kind, &mut t, range);
        for (lane, row) in out.iter_mut().enumerate() {
            for (x, value) in row.iter_mut().enumerate() {
                let from = if kind == Kind::Flipped { W - 1 - x } else { x };
                *value = column_range.clamp(round(t[from][lane], shift));
            }
        }
    }
}

/// Adds one value to all samples.
fn add_flat<const W: usize, const H: usize>(plane: &mut Plane, block: &Block, value: i32) {
    let high = (1 << block.bits.clamp(8, 12)) - 1;
    for y in block.y..block.y + H {
        for sample in &mut plane.row_mut(y)[block.x..block.x + W] {
            *sample = i32::from(*sample).wrapping_add(value).clamp(0, high) as u16;
        }
    }
}

/// The transform of lossless blocks, of 4 x 4.
fn lossless(plane: &mut Plane, block: &Block, coefficients: &[i32]) {
    let Some(coefficients) = coefficients.first_chunk::<16>() else { return };
    if (block.log2_width, block.log2_height) != (2, 2) {
        return;
    }
    let bits = block.bits.clamp(8, 12);
    let range = Range::of_bits((bits + 6).max(16));
    let mut t: [[i32; 4]; 4] = std::array::from_fn(|x| std::array::from_fn(|y| coefficients[4 * y + x]));
    walsh_hadamard(&mut t, 2);
    let mut t: [[i32; 4]; 4] = std::array::from_fn(|y| std::array::from_fn(|x| range.clamp(t[x][y])));
    walsh_hadamard(&mut t, 0);
    let high = (1 << bits) - 1;
    for (values, y) in t.iter().zip(block.y..) {
        for (sample, value) in plane.row_mut(y)[block.x..block.x + 4].iter_mut().zip(values) {
            *sample = i32::from(*sample).wrapping_add(*value).clamp(0, high) as u16;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::{FRAC_1_SQRT_2, PI};

    use super::super::inverse_add;
    use super::*;

    const SIZES: [(u32, u32); 19] = [
        (2, 2),
        (3, 3),
        (4, 4),
        (5, 5),
        (6, 6),
        (2, 3),
        (3, 2),
        (3, 4),
        (4, 3),
        (4, 5),
        (5, 4),
        (5, 6),
        (6, 5),
        (2, 4),
        (4, 2),
        (3, 5),
        (5, 3),
        (4, 6),
        (6, 4),
    ];

    fn random(state: &mut u32) -> i32 {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*state >> 20) as i32 - 2048
    }

    /// The share of coefficient `k` in sample `n` of `len`, with the gain of `sqrt(len / 2)`.
    fn basis(kind: Kind, len: usize, n: usize, k: usize) -> f64 {
        let [n_, k_, len_] = [n, k, len].map(|value| value as f64);
        match kind {
            Kind::Dct if k == 0 => FRAC_1_SQRT_2,
            Kind::Dct => ((2.0 * n_ + 1.0) * k_ * PI / (2.0 * len_)).cos(),
            Kind::Adst if len == 4 => 2.0 * 2f64.sqrt() / 3.0 * ((n_ + 1.0) * (2.0 * k_ + 1.0) * PI / 9.0).sin(),
            Kind::Adst => ((2.0 * n_ + 1.0) * (2.0 * k_ + 1.0) * PI / (4.0 * len_)).sin(),
            Kind::Flipped => basis(Kind::Adst, len, len - 1 - n, k),
            Kind::Identity => {
                if n == k {
                    (len_ / 2.0).sqrt()
                } else {
                    0.0
                }
            }
        }
    }

    fn exists(kind: Kind, log2: u32) -> bool {
        match kind {
            Kind::Dct => true,
            Kind::Identity => log2 <= 5,
            Kind::Adst | Kind::Flipped => log2 <= 4,
        }
    }

    /// Every size and type against the definition in two dimensions.
    #[test]
    fn blocks_equal_their_definition() {
        let mut state = 5;
        for (log2_width, log2_height) in SIZES {
            for (tx_type, kinds) in KINDS.iter().enumerate() {
                let [width, height] = [1usize << log2_width, 1usize << log2_height];
                if !(exists(kinds[0], log2_height) && exists(kinds[1], log2_width)) {
                    continue;
                }
                let [stride, rows] = [width.min(32), height.min(32)];
                let extent = [stride.min(10), rows.min(9)];
                let mut coefficients = vec![0; stride * rows];
                for row in coefficients.chunks_exact_mut(stride).take(extent[1]) {
                    row[..extent[0]].fill_with(|| random(&mut state) / 4);
                }
                let input = coefficients.clone();
                let mut plane = Plane::new(80, 80).unwrap();
                plane.samples.fill(2048);
                let tx_type = tx_type as u8;
                let block = Block { x: 8, y: 4, log2_width, log2_height, tx_type, lossless: false, extent, bits: 12 };
                inverse_add(&mut plane, &block, &mut coefficients);
                assert!(coefficients.iter().all(|&coefficient| coefficient == 0));

                let mut scale = 1.0 / f64::from(1 << (row_shift(log2_width, log2_height) + 4));
                if log2_width.abs_diff(log2_height) == 1 {
                    scale *= FRAC_1_SQRT_2;
                }
                for y in 0..height {
                    for x in 0..width {
                        let mut exact = 2048.0;
                        for v in 0..extent[1] {
                            for u in 0..extent[0] {
                                let share = basis(kinds[0], height, y, v) * basis(kinds[1], width, x, u);
                                exact += scale * share * f64::from(input[v * stride + u]);
                            }
                        }
                        let found = f64::from(plane.get(8 + x, 4 + y));
                        // Rounding of both directions, of which the columns' gain leaves less than a level each.
                        assert!((found - exact).abs() < 1.6, "{width}x{height} {kinds:?} {x},{y}: {found} {exact}");
                    }
                }
                assert_eq!((plane.get(7, 4), plane.get(8 + width, 4), plane.get(8, 3)), (2048, 2048, 2048));
            }
        }
    }

    /// A block of its first coefficient alone takes a short cut to the same samples.
    #[test]
    fn flat_blocks_equal_the_whole_transform() {
        for (log2_width, log2_height) in SIZES {
            for dc in [-32768, -500, -3, 1, 77, 4000, 32767] {
                let [short, long] = [[1, 1], [2, 1]].map(|extent| {
                    let mut plane = Plane::new(64, 64).unwrap();
                    plane.samples.fill(100);
                    let mut coefficients = vec![0; 1024];
                    coefficients[0] = dc;
                    let block =
                        Block { x: 0, y: 0, log2_width, log2_height, tx_type: 0, lossless: false, extent, bits: 8 };
                    inverse_add(&mut plane, &block, &mut coefficients);
                    plane.samples
                });
                assert_eq!(short, long, "{log2_width} {log2_height} {dc}");
            }
        }
    }

    #[test]
    fn lossless_blocks_are_exact_and_blocks_outside_are_ignored() {
        let mut plane = Plane::new(64, 64).unwrap();
        plane.samples.fill(10);
        let mut block =
            Block { x: 60, y: 60, log2_width: 2, log2_height: 2, tx_type: 0, lossless: true, extent: [4, 4], bits: 8 };
        // The first coefficient, in quarters, is shared out: 16 / 4 = 4 to the rows' first and second pairs.
        let mut coefficients = vec![0; 16];
        coefficients[0] = 64;
        inverse_add(&mut plane, &block, &mut coefficients);
        let corner: Vec<u16> = (60..64).flat_map(|y| plane.row(y)[60..].to_vec()).collect();
        assert_eq!(corner, [14; 16]);
        block.x = 61;
        let before = plane.samples.clone();
        coefficients[0] = i32::MIN;
        coefficients[5] = i32::MAX;
        inverse_add(&mut plane, &block, &mut coefficients);
        assert_eq!((plane.samples, coefficients), (before, vec![0; 16]));
    }

    #[test]
    fn no_coefficients_overflow() {
        for (log2_width, log2_height) in SIZES {
            for tx_type in 0..=255 {
                for value in [i32::MIN, i32::MAX, 1 << 19, -(1 << 19)] {
                    let mut plane = Plane::new(64, 64).unwrap();
                    let mut coefficients = vec![value; 1024];
                    let extent = [99, 99];
                    let block =
                        Block { x: 0, y: 0, log2_width, log2_height, tx_type, lossless: false, extent, bits: 12 };
                    inverse_add(&mut plane, &block, &mut coefficients);
                    if tx_type > 15 {
                        break;
                    }
                }
            }
        }
    }
}
