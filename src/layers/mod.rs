//! Layers: kernels with the weights they need. They know shapes, not models and not checkpoints.

mod depthwise;
mod linear;
mod mlp;
mod squeeze_excite;
mod stem;

pub(crate) use depthwise::Depthwise;
pub(crate) use linear::Linear;
pub(crate) use mlp::Mlp;
pub(crate) use squeeze_excite::SqueezeExcite;
pub(crate) use stem::Stem;

use crate::kernels::gemm::Prefetch;
use crate::kernels::{Isa, Team};

/// How the layers of one pass run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exec<'a> {
    pub(crate) isa: Isa,
    pub(crate) team: Team<'a>,
    prefetch: Option<Prefetch>,
}

impl<'a> Exec<'a> {
    pub(crate) fn new(isa: Isa, team: Team<'a>) -> Exec<'a> {
        Exec { isa, team, prefetch: None }
    }

    /// The same for a layer after which `next` is the next linear one: its first weights are fetched meanwhile.
    pub(crate) fn before(self, next: &'a Linear) -> Exec<'a> {
        Exec { prefetch: Some(next.prefetch()), ..self }
    }
}
