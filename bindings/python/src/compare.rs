//! Comparison of embeddings.

use clippie_rs::ndarray::{Array2, ArrayView2, Axis};
use clippie_rs::{CancelToken, Error};
use numpy::{PyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::{call, errors, memory};

/// Multiplications of a block of rows, after which a signal can end a call: some milliseconds.
const BLOCK: usize = 1 << 28;
/// Fewest rows of a block, of either set: the norms of the other set are computed for each block, which takes as long as
/// comparing some dozens of rows.
const FEWEST: usize = 256;

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
    pairs(py, rows("a", a)?, rows("b", b)?, Columns::Some, |a, b| clippie_rs::similarity(&a, &b))
}

/// Which rows of `b` a row of `a` may be compared with at a time.
#[derive(Clone, Copy, PartialEq)]
pub enum Columns {
    /// Any: each result depends on its own pair alone.
    Some,
    /// All.
    All,
}

/// Compares all rows of `a [n, embed_dim]` with all of `b [m, embed_dim]`, some at a time: `[n, m]`.
///
/// # Errors
/// The error of `compare`; no memory for the result; the exception of a signal.
pub fn pairs<'py>(
    py: Python<'py>,
    a: Array2<f32>,
    b: Array2<f32>,
    columns: Columns,
    compare: impl Fn(ArrayView2<'_, f32>, ArrayView2<'_, f32>) -> Result<Array2<f32>, Error> + Send + Sync + 'static,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let across = match columns {
        Columns::Some => (BLOCK / FEWEST / a.ncols().max(1)).max(FEWEST),
        Columns::All => b.nrows().max(1),
    };
    let down = (BLOCK / (b.nrows().min(across) * a.ncols()).max(1)).max(FEWEST);
    let small = a.nrows() <= down && b.nrows() <= across;
    let compared = if small || a.is_empty() || b.is_empty() {
        py.detach(|| compare(a.view(), b.view()))
    } else {
        let cancel = CancelToken::new();
        let stop = cancel.clone();
        call::run(py, &cancel, move || {
            let (n, m) = (a.nrows(), b.nrows());
            let mut all = Vec::new();
            memory::reserve(&mut all, n.saturating_mul(m), "the result of all pairs")?;
            all.resize(n * m, 0.0);
            let mut all = Array2::from_shape_vec((n, m), all)?;
            for (rows, mut out) in a.axis_chunks_iter(Axis(0), down).zip(all.axis_chunks_iter_mut(Axis(0), down)) {
                let others = b.axis_chunks_iter(Axis(0), across);
                for (others, mut out) in others.zip(out.axis_chunks_iter_mut(Axis(1), across)) {
                    if stop.is_cancelled() {
                        return Err(Error::Cancelled);
                    }
                    out.assign(&compare(rows, others)?);
                }
            }
            Ok(all)
        })?
    };
    Ok(PyArray2::from_owned_array(py, compared.map_err(|error| errors::exception(py, &error))?))
}

/// Copies embeddings, so that no Python code can change them meanwhile.
pub fn rows(name: &str, embeddings: &Bound<'_, PyAny>) -> PyResult<Array2<f32>> {
    let py = embeddings.py();
    let numpy = py.import("numpy")?;
    let array = numpy.call_method1("asarray", (embeddings, "float32"))?;
    let array = numpy.call_method1("atleast_2d", (array,))?;
    let Ok(array) = array.cast::<PyArray2<f32>>() else {
        let shape = array.getattr("shape")?;
        return Err(errors::option(py, &format!("{name} has the shape {shape}; embeddings are [rows, embed_dim]")));
    };
    let values = memory::copied(array, "a copy of the embeddings")?;
    let &[count, dim] = array.shape() else { return Err(errors::option(py, "embeddings are [rows, embed_dim]")) };
    Array2::from_shape_vec((count, dim), values).map_err(|error| errors::exception(py, &error.into()))
}
