//! Products of many stored vectors with a few queries: the inner loops of a scan.
//!
//! [`code_products`] multiplies 8-bit codes with 16-bit queries; its integers are exact on every instruction set.
//! [`float_products`] multiplies floats. [`select`] turns products of codes into bounds of scores and finds the rows
//! whose upper bound reaches a threshold, [`alike`] the pairs of rows; [`encode`] makes codes. They do not know what the vectors are.

mod alike;
mod codes;
mod encode;
mod floats;
mod select;

pub(crate) use super::simd::integers::WORDS_ALIGN as CODES_ALIGN;
pub(crate) use alike::{Left, Profiles, alike};
pub(crate) use codes::code_products;
pub(crate) use encode::{LENGTH_ERROR, encode};
pub(crate) use floats::{PADDING, float_products};
pub(crate) use select::{Bounds, Chosen, Moments, select};

/// Most queries of one call.
pub(crate) const QUERIES: usize = 8;
/// Most rows of one call of [`select`], and a good number for the others: the products of all queries stay in L1.
pub(crate) const ROWS: usize = 256;
