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

use crate::kernels::{Isa, Team};

/// How the layers of one pass run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exec<'a> {
    pub(crate) isa: Isa,
    pub(crate) team: Team<'a>,
}
