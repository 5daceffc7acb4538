//! What a scan refuses.

use crate::kernels::isa::IsaError;

/// Why a scan has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The flag of the options was set.
    #[error("cancelled")]
    Cancelled,
    /// Vectors have a length that no scan takes.
    #[error("vectors of {dim} values cannot be scanned; 1 to {} can", super::MAX_DIM)]
    Dim {
        /// The length.
        dim: usize,
    },
    /// The values are no whole number of vectors.
    #[error("{len} values of {what} are no whole number of vectors of {dim}; give [any, {dim}]")]
    Shape {
        /// `rows` or `queries`.
        what: &'static str,
        /// Number of values.
        len: usize,
        /// Length of a vector.
        dim: usize,
    },
    /// There are more rows than row numbers.
    #[error("{rows} rows are too many for one scan; split them into parts of at most {}", u32::MAX)]
    TooManyRows {
        /// Number of rows.
        rows: usize,
    },
    /// A value is infinite or not a number.
    #[error("{what} {row} has a value that is not a finite number; leave it out or compute it again")]
    NotFinite {
        /// `row` or `query`.
        what: &'static str,
        /// Its number, from 0.
        row: usize,
    },
    /// The allowed rows are not what the options ask for.
    #[error("the allowed rows must be in ascending order, each once, and below {rows}; row {row} is not")]
    Allowed {
        /// The first row that is out of order or does not exist.
        row: usize,
        /// Number of rows.
        rows: usize,
    },
    /// The mask of allowed rows has another length.
    #[error("a mask of {words} words was given for {rows} rows, which need {}", rows.div_ceil(64))]
    Mask {
        /// Number of 64-bit words.
        words: usize,
        /// Number of rows.
        rows: usize,
    },
    /// More pairs were found than asked for.
    #[error("more than {limit} pairs are alike; raise the threshold or the limit")]
    TooManyPairs {
        /// The limit.
        limit: usize,
    },
    /// There is no memory for the codes.
    #[error("there is no memory for {bytes} bytes of codes; close other programs or scan without codes")]
    Memory {
        /// Number of bytes.
        bytes: usize,
    },
    /// Bytes of a packed file are not those that were written.
    #[error("the packed vectors are damaged near row {row}; write them again from the vectors")]
    Damaged {
        /// A row of the damaged part.
        row: usize,
    },
    /// A page of a mapped file cannot be read any more.
    #[error("the packed vectors were cut short or their disk failed while they were used; write them again")]
    Lost,
    /// `CLIPPIE_ISA` names no instruction set of this machine.
    #[error(transparent)]
    Isa(#[from] IsaError),
}
