//! Codes of vectors in memory.

use rayon::prelude::*;

use super::exact::is_finite;
use super::quantise::{Codes, stride};
use super::workers::BLOCK;
use super::{Error, Options, Rows};
use crate::kernels::isa::Isa;
use crate::kernels::scan::encode;
use crate::tensor::AlignedBuf;
use crate::threads;

/// Rows that the centre is the mean of. Any centre gives the right results; one of so many rows is as good as the mean
/// of all.
const SAMPLE: usize = 16_384;

/// Vectors with an 8-bit code of each value, for many searches: a quarter more memory, of which a search reads a
/// fifth.
#[derive(Debug)]
pub struct Quantised<'a> {
    vectors: &'a [f32],
    dim: usize,
    /// [rows][stride] codes of one byte.
    codes: Bytes,
    scales: Vec<f32>,
    residuals: Vec<f32>,
    centre: Vec<f32>,
}

/// Bytes that start on a cache line.
struct Bytes(AlignedBuf);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Bytes").field(&(4 * self.0.len())).finish()
    }
}

/// Number, codes, scales, residuals and vectors of a block.
type Block<'b> = (usize, (((&'b mut [i8], &'b mut [f32]), &'b mut [f32]), &'b [f32]));

impl<'a> Quantised<'a> {
    /// Makes the codes of `vectors`, `[rows, dim]`, on the threads of `options`, which can also cancel it.
    ///
    /// # Errors
    /// If the length does not fit, if a value is not finite, if there is no memory, or if it is cancelled.
    pub fn new(vectors: &'a [f32], dim: usize, options: &Options<'_>) -> Result<Self, Error> {
        let rows = Rows::new(vectors, dim)?.len();
        let isa = Isa::detect()?;
        let stride = stride(dim);
        let bytes = rows.saturating_mul(stride);
        let mut codes = AlignedBuf::try_zeros(bytes.div_ceil(4)).ok_or(Error::Memory { bytes })?;
        let (mut scales, mut residuals) = (vec![0.0; rows], vec![0.0; rows]);
        let centre = centre(vectors, dim);
        // A block of rows.
        let block = |(number, (((codes, scales), residuals), vectors)): Block<'_>| {
            options.check_cancelled()?;
            let rows = codes.chunks_exact_mut(stride).zip(vectors.chunks_exact(dim)).enumerate();
            for (i, (codes, vector)) in rows {
                if !is_finite(vector) {
                    return Err(Error::NotFinite { what: "row", row: number * BLOCK + i });
                }
                let encoded = encode(isa, vector, &centre, codes);
                (scales[i], residuals[i]) = (encoded.scale, encoded.residual);
            }
            Ok(())
        };
        options.threads.run(|threads| {
            let codes = &mut bytemuck::cast_slice_mut::<f32, i8>(&mut codes)[..bytes];
            if threads == 1 {
                let parts = codes.chunks_mut(BLOCK * stride).zip(scales.chunks_mut(BLOCK));
                let parts = parts.zip(residuals.chunks_mut(BLOCK)).zip(vectors.chunks(BLOCK * dim));
                return parts.enumerate().try_for_each(block);
            }
            let parts = codes.par_chunks_mut(BLOCK * stride).zip(scales.par_chunks_mut(BLOCK));
            let parts = parts.zip(residuals.par_chunks_mut(BLOCK)).zip(vectors.par_chunks(BLOCK * dim));
            threads::map(parts.enumerate(), block).into_iter().collect()
        })?;
        Ok(Quantised { vectors, dim, codes: Bytes(codes), scales, residuals, centre })
    }

    /// The rows, to be searched.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        let len = self.scales.len();
        let codes = Codes {
            codes: &bytemuck::cast_slice(&self.codes.0)[..len * stride(self.dim)],
            scales: &self.scales,
            residuals: &self.residuals,
            centre: &self.centre,
        };
        Rows::coded(self.vectors, self.dim, len, codes, None)
    }
}

/// The mean of evenly spaced rows. Vectors of a model have much in common; what is left without it has shorter rests.
fn centre(vectors: &[f32], dim: usize) -> Vec<f32> {
    let rows = vectors.len() / dim;
    let every = rows.div_ceil(SAMPLE).max(1);
    mean(vectors.chunks_exact(dim).step_by(every), dim)
}

/// The mean of rows; zeros for none. Values that are not finite are the caller's affair.
pub(super) fn mean<'v>(rows: impl Iterator<Item = &'v [f32]>, dim: usize) -> Vec<f32> {
    let (mut sums, mut count) = (vec![0.0f64; dim], 0usize);
    for row in rows {
        sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
        count += 1;
    }
    sums.into_iter().map(|sum| (sum / count.max(1) as f64) as f32).collect()
}
