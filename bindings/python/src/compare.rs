//! Comparison of embeddings.

use clippie_rs::ndarray::Array2;
use numpy::{PyArray2, PyArrayMethods};
use pyo3::prelude::*;

use crate::errors;

/// Cosines between all rows of two sets of embeddings: ``float32 [n, m]``, from -1 to 1.
///
/// a: ``[n, embed_dim]``, or one embedding.
/// b: ``[m, embed_dim]``, or one embedding.
///
/// Rows may have any length. A row of zeros has the cosine 0 with every row.
#[pyfunction]
pub fn similarity<'py>(
    py: Python<'py>,
    a: &Bound<'py, PyAny>,
    b: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let (a, b) = (rows("a", a)?, rows("b", b)?);
    let cosines = py.detach(|| clippie_rs::similarity(&a, &b)).map_err(|error| errors::exception(py, &error))?;
    Ok(PyArray2::from_owned_array(py, cosines))
}

/// Copies embeddings, so that no Python code can change them meanwhile.
pub fn rows(name: &str, embeddings: &Bound<'_, PyAny>) -> PyResult<Array2<f32>> {
    let py = embeddings.py();
    let numpy = py.import("numpy")?;
    let array = numpy.call_method1("asarray", (embeddings, "float32"))?;
    let array = numpy.call_method1("atleast_2d", (array,))?;
    match array.cast::<PyArray2<f32>>() {
        Ok(array) => Ok(array.to_owned_array()),
        Err(_) => {
            let shape = array.getattr("shape")?;
            Err(errors::option(py, &format!("{name} has the shape {shape}; embeddings are [rows, embed_dim]")))
        }
    }
}
