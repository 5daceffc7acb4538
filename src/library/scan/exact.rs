//! Exact scores: products in float64, in the order of the index.

/// Rows whose sums run side by side, so that no addition waits for the one before.
pub(super) const TOGETHER: usize = 8;

/// The products of up to [`TOGETHER`] rows with `query`; those of missing rows are zero. All have the query's length.
///
/// Products of `f32` values are exact in float64, and each sum is in the order of the index.
pub(super) fn scores(rows: &[&[f32]], query: &[f64]) -> [f64; TOGETHER] {
    let mut sums = [0.0; TOGETHER];
    match *rows {
        // The lengths are equal, which the compiler sees once they are cut.
        [a, b, c, d, e, f, g, h] => {
            let n = query.len();
            let (a, b, c, d) = (&a[..n], &b[..n], &c[..n], &d[..n]);
            let (e, f, g, h) = (&e[..n], &f[..n], &g[..n], &h[..n]);
            for (i, &q) in query.iter().enumerate() {
                sums[0] += f64::from(a[i]) * q;
                sums[1] += f64::from(b[i]) * q;
                sums[2] += f64::from(c[i]) * q;
                sums[3] += f64::from(d[i]) * q;
                sums[4] += f64::from(e[i]) * q;
                sums[5] += f64::from(f[i]) * q;
                sums[6] += f64::from(g[i]) * q;
                sums[7] += f64::from(h[i]) * q;
            }
        }
        ref rows => {
            for (sum, row) in sums.iter_mut().zip(rows) {
                *sum = score(row, query);
            }
        }
    }
    sums
}

/// The product of one row with `query`.
pub(super) fn score(row: &[f32], query: &[f64]) -> f64 {
    row.iter().zip(query).fold(0.0, |sum, (&v, &q)| sum + f64::from(v) * q)
}

/// The values in float64.
pub(super) fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// Length of a vector, in float64.
pub(super) fn length(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// Whether all values are finite.
pub(super) fn is_finite(values: &[f32]) -> bool {
    // Without a branch for each: the difference of a value with itself is zero unless it is infinite or NaN.
    values.iter().fold(true, |all, value| all & value.is_finite())
}
