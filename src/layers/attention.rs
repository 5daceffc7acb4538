//! Multi-head attention. It has no weights; the linear layers before and after it have them.

use super::{Exec, Linear};
use crate::kernels::attention::{Shape, Span, attention, scratch_len};

/// Attention with `heads` heads of `width / heads` channels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attention {
    shape: Shape,
}

impl Attention {
    /// `heads` must divide `width`. With `causal`, a token sees only the tokens up to itself.
    pub(crate) fn new(width: usize, heads: usize, causal: bool) -> Self {
        Attention { shape: Shape { width, heads, causal, scale: 1.0 } }
    }

    /// The attention on the outputs of `qkv`, which scales its queries if the layer does not.
    pub(crate) fn after(self, qkv: &Linear) -> Self {
        Attention { shape: Shape { scale: qkv.query_scale(), ..self.shape } }
    }

    /// Floats of scratch for sequences of up to `tokens` tokens.
    pub(crate) fn scratch(&self, exec: Exec<'_>, tokens: usize) -> usize {
        scratch_len(exec.team, self.shape, tokens)
    }

    /// Attends within every span of `qkv [rows, 3 · width]` (queries, keys, values), which 16 readable floats must follow, and writes `out [rows, width]`; `scratch` has [`Attention::scratch`] floats.
    pub(crate) fn forward(&self, exec: Exec<'_>, qkv: &[f32], spans: &[Span], out: &mut [f32], scratch: &mut [f32]) {
        attention(exec.isa, exec.team, self.shape, qkv, spans, out, scratch);
    }
}
