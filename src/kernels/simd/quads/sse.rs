//! Tiles of integers with SSE2, which multiplies words of 16 bits.

use std::arch::x86_64::*;

use super::{QUAD, QUAD_BYTES, QuadTile};
use crate::tensor::PANEL;

/// Rows of a tile. The sums of a row take eight registers, two for each four columns; one row at a time is read.
pub(in super::super) const ROWS: usize = 4;

/// The tile of one panel, row after row, of signed bytes.
///
/// # Safety
/// The operands must be as [`QuadTile`] says, for one panel.
#[target_feature(enable = "sse2")]
pub(in super::super) unsafe fn tile(t: &QuadTile) {
    for r in 0..t.rows {
        // SAFETY: what the caller promises: whole quads of the row and the panel, sixteen starts, sixteen sums.
        unsafe {
            // For four columns each: two sums of a column lie side by side, and are added in the end.
            let mut sums = [[_mm_setzero_si128(); 2]; PANEL / 4];
            let (mut a, mut w) = (t.a.wrapping_add(r.wrapping_mul(t.a_stride)), t.w);
            for _ in 0..t.quads {
                let quad = words(_mm_set1_epi32(a.cast::<i32>().read_unaligned()));
                for (i, sums) in sums.iter_mut().enumerate() {
                    let columns = words(_mm_loadu_si128(w.wrapping_add(16 * i).cast()));
                    for ((sums, columns), quad) in sums.iter_mut().zip(columns).zip(quad) {
                        *sums = _mm_add_epi32(*sums, _mm_madd_epi16(columns, quad));
                    }
                }
                a = a.wrapping_add(QUAD);
                w = w.wrapping_add(QUAD_BYTES);
            }
            for (i, [low, high]) in sums.into_iter().enumerate() {
                let (low, high) = (_mm_castsi128_ps(low), _mm_castsi128_ps(high));
                let even = _mm_castps_si128(_mm_shuffle_ps::<0b10_00_10_00>(low, high));
                let odd = _mm_castps_si128(_mm_shuffle_ps::<0b11_01_11_01>(low, high));
                let start = _mm_loadu_si128(t.starts.add(4 * i).cast());
                let sum = _mm_add_epi32(start, _mm_add_epi32(even, odd));
                _mm_storeu_si128(t.sums.add(r * PANEL + 4 * i).cast(), sum);
            }
        }
    }
}

/// Sixteen signed bytes as words: the lower eight, the upper eight.
#[target_feature(enable = "sse2")]
#[inline]
fn words(bytes: __m128i) -> [__m128i; 2] {
    [_mm_srai_epi16::<8>(_mm_unpacklo_epi8(bytes, bytes)), _mm_srai_epi16::<8>(_mm_unpackhi_epi8(bytes, bytes))]
}
