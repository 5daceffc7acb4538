//! Packs the keys of a head into panels of sixteen, for products with queries.

use super::super::simd::Simd;
use crate::tensor::PANEL;

/// Transposes the keys `[tokens, d]`, rows `stride` apart, to `[tokens / 16][d][16]`. The last token is repeated up to
/// a whole panel.
#[inline(always)]
pub(super) fn pack<S: Simd>(s: S, keys: &[f32], stride: usize, tokens: usize, d: usize, out: &mut [f32]) {
    let whole = d - d % PANEL;
    for (panel, out) in out[..tokens.next_multiple_of(PANEL) * d].chunks_exact_mut(PANEL * d).enumerate() {
        let first = panel * PANEL;
        let rows = PANEL.min(tokens - first);
        let keys = &keys[first * stride..];
        assert!(keys.len() >= (rows - 1).saturating_mul(stride).saturating_add(d));
        for c in (0..whole).step_by(PANEL) {
            // SAFETY: all rows have sixteen columns from c on (asserted), and the slice is as long as sixteen rows.
            unsafe { s.transpose(keys.as_ptr().add(c), stride, rows, out[c * PANEL..][..PANEL * PANEL].as_mut_ptr()) }
        }
        for c in whole..d {
            for r in 0..PANEL {
                out[c * PANEL + r] = keys[r.min(rows - 1) * stride + c];
            }
        }
    }
}
