//! The layers of a pre-norm transformer block, by the names that a layout gives them.

use super::names::Checklist;
use super::source::{Linear, Order, Source};
use super::{Target, draft_blocks};
use crate::models::config::TransformerConfig;

/// The names of a block's tensors, after the name of the block itself and a dot.
pub(super) struct BlockNames {
    /// LayerNorm before the attention.
    pub attention_norm: &'static str,
    pub qkv: Qkv,
    pub out: &'static str,
    /// LayerNorm before the MLP.
    pub mlp_norm: &'static str,
    pub fc1: &'static str,
    pub fc2: &'static str,
}

/// How a layout stores the projections to queries, keys and values.
pub(super) enum Qkv {
    /// One linear layer.
    Linear(&'static str),
    /// A linear layer each.
    Separate([&'static str; 3]),
    /// The parameters `{0}_weight` and `{0}_bias` of `torch.nn.MultiheadAttention`.
    InProj(&'static str),
}

impl BlockNames {
    /// Infers the sizes of the blocks `{prefix}{i}`, numbered from `first`.
    pub(super) fn draft(
        &self,
        names: &mut Checklist<'_>,
        prefix: &str,
        first: usize,
        width: usize,
    ) -> TransformerConfig {
        let [mlp_width, _] = names.probe(&format!("{prefix}{first}.{}.weight", self.fc1), [0, width]);
        draft_blocks(width, names.count_blocks(prefix), mlp_width)
    }

    /// The tensors of the layer `part` of `block`.
    pub(super) fn source(
        &self,
        names: &mut Checklist<'_>,
        block: &str,
        part: &str,
        target: &Target<'_>,
    ) -> Option<Source> {
        let named = |name: &str| format!("{block}.{name}");
        Some(match part {
            "qkv" => {
                let norm = names.take_norm(&named(self.attention_norm), target.inputs);
                let linear = match self.qkv {
                    Qkv::Linear(name) => names.take_linear(&named(name), target),
                    Qkv::Separate(thirds) => names.take_stacked(&thirds.map(named), target),
                    Qkv::InProj(name) => {
                        let (k, n) = (target.inputs, target.outputs);
                        let weight = vec![names.take(named(&format!("{name}_weight")), &[n, k])];
                        let bias = vec![names.take(named(&format!("{name}_bias")), &[n])];
                        Linear { weight, order: Order::OutIn, bias, k, n, skip: 0 }
                    }
                };
                Source::normed(norm, linear)
            }
            "out" => Source::linear(names.take_linear(&named(self.out), target)),
            "fc1" => {
                let norm = names.take_norm(&named(self.mlp_norm), target.inputs);
                Source::normed(norm, names.take_linear(&named(self.fc1), target))
            }
            "fc2" => Source::linear(names.take_linear(&named(self.fc2), target)),
            _ => return None,
        })
    }
}
