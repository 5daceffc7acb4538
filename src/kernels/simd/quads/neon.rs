//! Tiles of integers with the matrix products or the dot products of newer 64-bit Arm processors, and with NEON alone.

use std::arch::aarch64::*;
use std::arch::asm;

use super::{QUAD, QUAD_BYTES, QuadTile};
use crate::tensor::PANEL;

/// Rows of a tile with matrix or dot products: 24 sums, vectors of weights, and activations.
pub(in super::super) const DOT_ROWS: usize = 6;

/// Rows of a tile with NEON alone.
pub(in super::super) const ROWS: usize = 2;

/// Vectors of a panel.
const VECTORS: usize = PANEL / 4;

/// Calls a tile with the number of rows of `$t`.
macro_rules! rows {
    ($t:expr, $tile:ident: $($n:literal)*) => {
        match $t.rows {
            0 => {}
            // SAFETY: the caller's promise is passed on.
            $($n => unsafe { $tile::<$n>($t) },)*
            rows => unreachable!("no tile of {rows} rows"),
        }
    };
}

/// The tile of up to [`DOT_ROWS`] rows of signed bytes.
///
/// # Safety
/// The dot products must be available, and the operands as [`QuadTile`] says, for one panel.
#[target_feature(enable = "neon,dotprod")]
pub(in super::super) unsafe fn dot_tile(t: &QuadTile) {
    rows!(t, dot_rows: 1 2 3 4 5 6);
}

/// # Safety
/// See [`dot_tile`]; the tile must have so many rows.
#[target_feature(enable = "neon,dotprod")]
unsafe fn dot_rows<const N: usize>(t: &QuadTile) {
    // SAFETY: what the caller promises: whole quads of N rows and a panel, sixteen starts, sixteen sums a row.
    unsafe {
        let mut sums = [starts(t); N];
        let (mut a, mut w) = (t.a, t.w);
        for _ in 0..t.quads {
            let columns: [int8x16_t; VECTORS] = std::array::from_fn(|i| vld1q_s8(w.wrapping_add(16 * i)));
            for (r, sums) in sums.iter_mut().enumerate() {
                let quad = a.wrapping_add(r.wrapping_mul(t.a_stride)).cast::<i32>().read_unaligned();
                let quad = vreinterpretq_s8_s32(vdupq_n_s32(quad));
                for (sum, columns) in sums.iter_mut().zip(columns) {
                    *sum = dot(*sum, columns, quad);
                }
            }
            a = a.wrapping_add(QUAD);
            w = w.wrapping_add(QUAD_BYTES);
        }
        store(t, sums);
    }
}

/// Adds to each sum the products of four bytes. Its intrinsic is not stable.
#[target_feature(enable = "neon,dotprod")]
#[inline]
fn dot(sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    let mut sum = sum;
    // SAFETY: reads and writes registers alone; the feature is that of the function.
    unsafe {
        asm!("sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b", sum = inout(vreg) sum, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

/// The tile of up to [`DOT_ROWS`] rows of signed bytes with products of matrices: two rows by eight steps times eight steps
/// by two columns.
///
/// # Safety
/// The products must be available, and the operands as [`QuadTile`] says, for one panel; rows must be padded to eight steps.
#[target_feature(enable = "neon,i8mm")]
pub(in super::super) unsafe fn matrix_tile(t: &QuadTile) {
    rows!(t, matrix_rows: 1 2 3 4 5 6);
}

/// Pairs of columns of a panel.
const COLUMN_PAIRS: usize = PANEL / 2;

/// # Safety
/// See [`matrix_tile`]; the tile must have so many rows.
#[target_feature(enable = "neon,i8mm")]
unsafe fn matrix_rows<const N: usize>(t: &QuadTile) {
    // SAFETY: what the caller promises: whole pairs of quads of N rows, whole quads of a panel, sixteen starts, sixteen sums
    // a row.
    unsafe {
        // Sums of two rows and two columns; an odd last row is computed twice.
        let mut sums = [[vdupq_n_s32(0); COLUMN_PAIRS]; DOT_ROWS / 2];
        let pairs = N.div_ceil(2);
        for step in (0..t.quads).step_by(2) {
            let a = |r: usize| vld1_s8(t.a.wrapping_add(r.wrapping_mul(t.a_stride) + step * QUAD).cast());
            let mut rows = [vdupq_n_s8(0); DOT_ROWS / 2];
            for (pair, rows) in rows.iter_mut().enumerate().take(pairs) {
                *rows = vcombine_s8(a(2 * pair), a((2 * pair + 1).min(N - 1)));
            }
            let w = t.w.wrapping_add(step * QUAD_BYTES);
            for i in 0..VECTORS {
                // Four columns of one quad and of the next, which the last may lack, as two columns of eight steps each.
                let first = vreinterpretq_s32_s8(vld1q_s8(w.wrapping_add(16 * i)));
                let second = match step + 1 < t.quads {
                    true => vreinterpretq_s32_s8(vld1q_s8(w.wrapping_add(QUAD_BYTES + 16 * i))),
                    false => vdupq_n_s32(0),
                };
                let columns =
                    [vzip1q_s32(first, second), vzip2q_s32(first, second)].map(|pair| vreinterpretq_s8_s32(pair));
                for (rows, sums) in rows.into_iter().zip(&mut sums).take(pairs) {
                    for (j, columns) in columns.into_iter().enumerate() {
                        sums[2 * i + j] = matrix(sums[2 * i + j], rows, columns);
                    }
                }
            }
        }
        let start = starts(t);
        let mut out = [[vdupq_n_s32(0); VECTORS]; N];
        for (r, out) in out.iter_mut().enumerate() {
            for (i, out) in out.iter_mut().enumerate() {
                let half = |sums: int32x4_t| if r % 2 == 0 { vget_low_s32(sums) } else { vget_high_s32(sums) };
                let sums = &sums[r / 2];
                *out = vaddq_s32(start[i], vcombine_s32(half(sums[2 * i]), half(sums[2 * i + 1])));
            }
        }
        store(t, out);
    }
}

/// Adds to the sums of two rows and two columns the products of eight bytes. Its intrinsic is not stable.
#[target_feature(enable = "neon,i8mm")]
#[inline]
fn matrix(sum: int32x4_t, rows: int8x16_t, columns: int8x16_t) -> int32x4_t {
    let mut sum = sum;
    // SAFETY: reads and writes registers alone; the feature is that of the function.
    unsafe {
        asm!("smmla {sum:v}.4s, {rows:v}.16b, {columns:v}.16b", sum = inout(vreg) sum, rows = in(vreg) rows,
            columns = in(vreg) columns, options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

/// The tile of up to [`ROWS`] rows of signed bytes, without dot products.
///
/// # Safety
/// NEON must be available, and the operands as [`QuadTile`] says, for one panel.
#[target_feature(enable = "neon")]
pub(in super::super) unsafe fn tile(t: &QuadTile) {
    rows!(t, plain_rows: 1 2);
}

/// # Safety
/// See [`tile`]; the tile must have so many rows.
#[target_feature(enable = "neon")]
unsafe fn plain_rows<const N: usize>(t: &QuadTile) {
    // SAFETY: what the caller promises: whole quads of N rows and a panel, sixteen starts, sixteen sums a row.
    unsafe {
        // For four columns each: two sums of a column lie side by side, and are added in the end.
        let mut pairs = [[[vdupq_n_s32(0); 2]; VECTORS]; N];
        let (mut a, mut w) = (t.a, t.w);
        for _ in 0..t.quads {
            for i in 0..VECTORS {
                let columns = vld1q_s8(w.wrapping_add(16 * i));
                for (r, pairs) in pairs.iter_mut().enumerate() {
                    let quad = a.wrapping_add(r.wrapping_mul(t.a_stride)).cast::<i32>().read_unaligned();
                    let quad = vreinterpretq_s8_s32(vdupq_n_s32(quad));
                    let low = vmull_s8(vget_low_s8(columns), vget_low_s8(quad));
                    pairs[i][0] = vpadalq_s16(pairs[i][0], low);
                    pairs[i][1] = vpadalq_s16(pairs[i][1], vmull_high_s8(columns, quad));
                }
            }
            a = a.wrapping_add(QUAD);
            w = w.wrapping_add(QUAD_BYTES);
        }
        let start = starts(t);
        store(t, pairs.map(|pairs| std::array::from_fn(|i| vaddq_s32(start[i], vpaddq_s32(pairs[i][0], pairs[i][1])))));
    }
}

/// What the sums of a row begin with.
///
/// # Safety
/// Sixteen starts must be readable.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn starts(t: &QuadTile) -> [int32x4_t; VECTORS] {
    // SAFETY: the caller's promise.
    std::array::from_fn(|i| unsafe { vld1q_s32(t.starts.add(4 * i)) })
}

/// # Safety
/// Sixteen sums of N rows must be writable.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn store<const N: usize>(t: &QuadTile, sums: [[int32x4_t; VECTORS]; N]) {
    for (r, sums) in sums.into_iter().enumerate() {
        for (i, sum) in sums.into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { vst1q_s32(t.sums.wrapping_add(r * PANEL + 4 * i), sum) }
        }
    }
}
