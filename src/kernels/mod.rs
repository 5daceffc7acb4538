//! Arithmetic at the machine's speed: products, attention, normalisation, activations.
//!
//! Kernels take slices and sizes; they know neither layers nor models nor files. Each is written once over the
//! [`simd::Simd`] trait and compiled for every instruction set; [`isa`] picks one when the program runs.
//! [`reference`] holds the plain versions that they are tested against.

#![allow(unsafe_code)]

pub(crate) mod attention;
pub(crate) mod depthwise;
pub(crate) mod gemm;
pub mod isa;
pub(crate) mod math;
pub(crate) mod norm;
mod peak;
pub(crate) mod pool;
#[cfg(feature = "internals")]
pub(crate) mod probe;
mod simd;
pub(crate) mod stem;
pub(crate) mod strides;
mod team;

#[cfg(test)]
pub(crate) mod reference;

pub(crate) use isa::Isa;
pub(crate) use team::{Crew, Team};
