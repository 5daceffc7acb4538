//! Keys and values of a head as panels of sixteen columns, which products read from one piece of memory.
//!
//! Where they lie, their rows are `3 · width` floats apart: a multiple of a power of two that puts all of them in
//! few sets of the nearest cache.

use super::super::gemm::{PANEL, Rhs};
use super::super::simd::Simd;

/// The keys `[tokens, d]`, rows `stride` apart, transposed: `[tokens / 16][d][16]`. Tokens that are missing in the
/// last panel repeat the last of those that are there.
#[inline(always)]
pub(super) fn pack_keys<S: Simd>(s: S, keys: &[f32], stride: usize, tokens: usize, d: usize, out: &mut [f32]) {
    let whole = d - d % PANEL;
    for (panel, out) in out[..tokens.next_multiple_of(PANEL) * d].chunks_exact_mut(PANEL * d).enumerate() {
        let first = panel * PANEL;
        let rows = PANEL.min(tokens - first);
        let keys = &keys[first * stride..];
        assert!(keys.len() >= (rows - 1) * stride + d);
        for c in (0..whole).step_by(PANEL) {
            // SAFETY: sixteen columns from c on are there in all rows (asserted), and sixteen rows of the panel.
            unsafe { s.transpose(keys.as_ptr().add(c), stride, rows, out[c * PANEL..][..PANEL * PANEL].as_mut_ptr()) }
        }
        for c in whole..d {
            for r in 0..PANEL {
                out[c * PANEL + r] = keys[r.min(rows - 1) * stride + c];
            }
        }
    }
}

/// The values `[tokens, d]`, rows `stride` apart, as `[d / 16][tokens][16]`. A panel that is not full takes what
/// stands behind the values, of which there must be enough.
#[inline(always)]
pub(super) fn pack_values<'a, S: Simd>(
    s: S,
    values: &[f32],
    stride: usize,
    tokens: usize,
    d: usize,
    out: &'a mut [f32],
) -> Rhs<'a> {
    let panels = d.div_ceil(PANEL);
    assert!(values.len() >= (tokens - 1) * stride + panels * PANEL && out.len() >= panels * tokens * PANEL);
    for panel in 0..panels {
        let (mut from, mut to) = (values[panel * PANEL..].as_ptr(), out[panel * tokens * PANEL..].as_mut_ptr());
        for _ in 0..tokens {
            for c in (0..PANEL).step_by(S::LANES) {
                // SAFETY: within both slices, as asserted.
                unsafe { s.store(to.add(c), s.load(from.add(c))) }
            }
            (from, to) = (from.wrapping_add(stride), to.wrapping_add(PANEL));
        }
    }
    Rhs { data: out, k: tokens, n: d, k_stride: PANEL, panel_stride: tokens * PANEL }
}
