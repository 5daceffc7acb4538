//! The keys of a head as panels of sixteen, which products with queries read.

use super::super::gemm::PANEL;
use super::super::simd::Simd;

/// The keys `[tokens, d]`, rows `stride` apart, transposed: `[tokens / 16][d][16]`. Tokens that are missing in the
/// last panel repeat the last of those that are there.
#[inline(always)]
pub(super) fn pack<S: Simd>(s: S, keys: &[f32], stride: usize, tokens: usize, d: usize, out: &mut [f32]) {
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
