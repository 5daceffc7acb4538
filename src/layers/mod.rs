//! Layers: kernels with the weights they need. They know shapes, not models and not checkpoints.

mod linear;

pub(crate) use linear::Linear;

use crate::kernels::{Isa, Parallelism};

/// How the layers of one pass run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exec {
    pub(crate) isa: Isa,
    pub(crate) par: Parallelism,
}
