//! Tiles of integers with AVX-VNNI, and with AVX2 alone.
//!
//! AVX2 multiplies unsigned with signed bytes and adds pairs of products in 16 bits, which saturates. Magnitudes of
//! activations times weights with the sign of the activation have the same products and stay in range: a pair is
//! 2 · 127 · 127 = 32,258 at most.

use std::arch::x86_64::*;

use super::{QUAD, QUAD_BYTES, QuadTile};
use crate::tensor::PANEL;

/// Rows of a tile with AVX-VNNI: twelve sums, two vectors of weights and one of activations fill the registers.
pub(in super::super) const VNNI_ROWS: usize = 6;

/// Rows of a tile with AVX2 alone, which needs more registers in between.
pub(in super::super) const ROWS: usize = 4;

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

/// The tile of up to [`VNNI_ROWS`] rows of unsigned bytes.
///
/// # Safety
/// AVX2 and AVX-VNNI must be available, and the operands as [`QuadTile`] says, for one panel.
#[target_feature(enable = "avx2,avxvnni")]
pub(in super::super) unsafe fn vnni_tile(t: &QuadTile) {
    rows!(t, vnni_rows: 1 2 3 4 5 6);
}

/// # Safety
/// See [`vnni_tile`]; the tile must have so many rows.
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn vnni_rows<const N: usize>(t: &QuadTile) {
    // SAFETY: what the caller promises: whole quads of N rows and a panel, sixteen starts, sixteen sums a row.
    unsafe {
        let start = [_mm256_loadu_si256(t.starts.cast()), _mm256_loadu_si256(t.starts.add(8).cast())];
        let mut sums = [start; N];
        let (mut a, mut w) = (t.a, t.w);
        for _ in 0..t.quads {
            let columns = [_mm256_loadu_si256(w.cast()), _mm256_loadu_si256(w.wrapping_add(32).cast())];
            _mm_prefetch::<_MM_HINT_T0>(w.wrapping_add(1024));
            for (r, sums) in sums.iter_mut().enumerate() {
                let a = _mm256_set1_epi32(a.wrapping_add(r.wrapping_mul(t.a_stride)).cast::<i32>().read_unaligned());
                sums[0] = _mm256_dpbusd_avx_epi32(sums[0], a, columns[0]);
                sums[1] = _mm256_dpbusd_avx_epi32(sums[1], a, columns[1]);
            }
            a = a.wrapping_add(QUAD);
            w = w.wrapping_add(QUAD_BYTES);
        }
        store(t, sums);
    }
}

/// The tile of up to [`ROWS`] rows of signed bytes.
///
/// # Safety
/// AVX2 must be available, and the operands as [`QuadTile`] says, for one panel.
#[target_feature(enable = "avx2")]
pub(in super::super) unsafe fn tile(t: &QuadTile) {
    rows!(t, signed_rows: 1 2 3 4);
}

/// # Safety
/// See [`tile`]; the tile must have so many rows.
#[target_feature(enable = "avx2")]
unsafe fn signed_rows<const N: usize>(t: &QuadTile) {
    // SAFETY: what the caller promises: whole quads of N rows and a panel, sixteen starts, sixteen sums a row.
    unsafe {
        let start = [_mm256_loadu_si256(t.starts.cast()), _mm256_loadu_si256(t.starts.add(8).cast())];
        let ones = _mm256_set1_epi16(1);
        let mut sums = [start; N];
        let (mut a, mut w) = (t.a, t.w);
        for _ in 0..t.quads {
            let columns = [_mm256_loadu_si256(w.cast()), _mm256_loadu_si256(w.wrapping_add(32).cast())];
            _mm_prefetch::<_MM_HINT_T0>(w.wrapping_add(1024));
            for (r, sums) in sums.iter_mut().enumerate() {
                let a = _mm256_set1_epi32(a.wrapping_add(r.wrapping_mul(t.a_stride)).cast::<i32>().read_unaligned());
                let magnitude = _mm256_abs_epi8(a);
                for (sum, columns) in sums.iter_mut().zip(columns) {
                    let pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(columns, a));
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
                }
            }
            a = a.wrapping_add(QUAD);
            w = w.wrapping_add(QUAD_BYTES);
        }
        store(t, sums);
    }
}

/// # Safety
/// Sixteen sums of N rows must be writable.
#[target_feature(enable = "avx2")]
unsafe fn store<const N: usize>(t: &QuadTile, sums: [[__m256i; 2]; N]) {
    for (r, sums) in sums.into_iter().enumerate() {
        let to = t.sums.wrapping_add(r * PANEL);
        // SAFETY: the caller's promise.
        unsafe {
            _mm256_storeu_si256(to.cast(), sums[0]);
            _mm256_storeu_si256(to.wrapping_add(8).cast(), sums[1]);
        }
    }
}
