//! Memory whose size the caller decides: where the system gives none, a call raises `OutOfMemoryError`, and the process
//! goes on.

use clippie_rs::Error;
use clippie_rs::ndarray::Dimension;
use numpy::{Element, PyArray, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::errors;

/// Makes room for `len` more values.
pub fn reserve<T>(values: &mut Vec<T>, len: usize, what: &'static str) -> Result<(), Error> {
    let bytes = len.saturating_mul(size_of::<T>());
    values.try_reserve(len).map_err(|_| Error::Memory { what, bytes })
}

/// Zeros for rows of embeddings.
pub fn rows(count: usize, dim: usize) -> Result<Vec<f32>, Error> {
    let mut values = Vec::new();
    reserve(&mut values, count.saturating_mul(dim), "the embeddings")?;
    values.resize(count * dim, 0.0);
    Ok(values)
}

/// The values of an array in the order of C, copied. An array may be far larger than its memory: `numpy.broadcast_to`.
pub fn copied<T: Element + Copy, D: Dimension>(
    array: &Bound<'_, PyArray<T, D>>,
    what: &'static str,
) -> PyResult<Vec<T>> {
    let mut values = Vec::new();
    reserve(&mut values, array.len(), what).map_err(|error| errors::exception(array.py(), &error))?;
    let read = array.try_readonly()?;
    match read.as_slice() {
        Ok(slice) => values.extend_from_slice(slice),
        Err(_) => values.extend(read.as_array().iter().copied()),
    }
    Ok(values)
}
