//! The arithmetic: products, attention, convolutions, normalisation, activations.
//!
//! Kernels take slices and sizes. They do not know layers, models or files. Each is written once over the
//! [`simd::Simd`] trait and compiled for every instruction set; [`isa`] selects one at run time. [`reference`] has the
//! naive versions that tests compare with.

#![allow(unsafe_code)]

pub(crate) mod attention;
mod caches;
pub(crate) mod depthwise;
pub(crate) mod gemm;
pub(crate) mod int8;
pub mod isa;
pub(crate) mod math;
pub(crate) mod norm;
pub(crate) mod output;
mod peak;
pub(crate) mod pixels;
pub(crate) mod pool;
#[cfg(feature = "internals")]
pub(crate) mod probe;
pub(crate) mod rotary;
#[cfg(feature = "library")]
pub(crate) mod scan;
mod simd;
pub(crate) mod strided_stem;
pub(crate) mod strides;
mod team;

#[cfg(test)]
pub(crate) mod reference;

pub(crate) use isa::Isa;
pub(crate) use output::Out;
pub(crate) use simd::Element;
#[cfg(feature = "decode")]
pub(crate) use simd::words::{WordKernel, Words};
pub(crate) use team::{Team, Workers};
