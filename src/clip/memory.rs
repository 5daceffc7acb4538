//! Arrays of a size that the caller decides. A lack of memory for them is an error, where the standard library ends the
//! process.

use ndarray::Array2;

use crate::error::Error;

/// Zeros: `[rows, columns]`. `what` names them in the error.
pub(super) fn zeros(rows: usize, columns: usize, what: &'static str) -> Result<Array2<f32>, Error> {
    let mut values = Vec::new();
    reserve(&mut values, rows.saturating_mul(columns), what)?;
    values.resize(rows * columns, 0.0);
    Ok(Array2::from_shape_vec((rows, columns), values)?)
}

/// Makes room for exactly `len` more values.
pub(super) fn reserve<T>(values: &mut Vec<T>, len: usize, what: &'static str) -> Result<(), Error> {
    let bytes = len.saturating_mul(size_of::<T>());
    values.try_reserve_exact(len).map_err(|_| Error::Memory { what, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn what_no_machine_has_is_an_error() {
        assert_eq!(zeros(2, 3, "rows").unwrap(), Array2::<f32>::zeros((2, 3)));
        for (rows, columns) in [(usize::MAX, 2), (usize::MAX / 8, 1)] {
            let error = zeros(rows, columns, "rows").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Memory, "{error}");
            assert!(error.to_string().starts_with("the system gives no memory for rows ("), "{error}");
        }
    }
}
