//! Compares embeddings.

use ndarray::ArrayView2;

use super::error::{clippie_error, report};
use super::pointers;
use super::status::{CLIPPIE_OK, clippie_status};
use crate::Error;
use crate::clip::query_similarity;

/// Writes the cosines between an embedding, `query`, and each of `count` others, `rows`, all of `embed_dim` values, to
/// `out`: `count` values from -1 to 1. Embeddings may have any length; the cosine with one of zeros is 0.
///
/// Returns `CLIPPIE_OK`, or the status of the error that is written to `*error` and belongs to the caller; null is written
/// there if there is none. `error` may be null. Any thread may call this.
///
/// # Safety
/// `query` is null or has `embed_dim` values, `rows` is null or has `count` times as many; `out` is null or has memory for
/// `count` values and overlaps with neither; `error` is null or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_similarity(
    query: *const f32,
    rows: *const f32,
    count: usize,
    embed_dim: usize,
    out: *mut f32,
    error: *mut *mut clippie_error,
) -> clippie_status {
    let work = || {
        // SAFETY: as this function's.
        let query = unsafe { pointers::array(query, embed_dim, "the query") }?;
        let Some(values) = count.checked_mul(embed_dim) else {
            return Err(clippie_error::argument(format!("no memory holds {count} rows of {embed_dim} values")));
        };
        // SAFETY: as this function's.
        let rows = unsafe { pointers::array(rows, values, "rows") }?;
        // SAFETY: as this function's.
        let out = unsafe { pointers::output(out, count, 0.0, "out") }?;
        if embed_dim > 0 {
            let rows = ArrayView2::from_shape((count, embed_dim), rows).map_err(Error::from)?;
            out.copy_from_slice(&query_similarity(query, &rows)?);
        }
        Ok(CLIPPIE_OK)
    };
    // SAFETY: as this function's.
    unsafe { report(error, |status| status, work) }
}
