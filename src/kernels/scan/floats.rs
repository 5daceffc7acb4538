//! Products of float vectors with float queries, and the squares of the vectors' lengths.

use super::super::isa::Isa;
use super::super::simd::{Kernel, Simd};
use super::QUERIES;

/// Queries are padded with zeros to a multiple of this.
pub(crate) const PADDING: usize = 16;

/// Writes the product of each row of `vectors` that `rows` lists with each of the queries, then with itself, to `out`.
///
/// `vectors` is [any][dim], `queries` [1 to 8][dim up to a multiple of 16, zeros], `out` [queries + 1][rows]. Each
/// product is a sum of at most dim + 16 roundings in f32, in an order that depends on the instruction set alone.
pub(crate) fn float_products(isa: Isa, vectors: &[f32], dim: usize, rows: &[u32], queries: &[f32], out: &mut [f32]) {
    let stride = dim.next_multiple_of(PADDING);
    let count = queries.len() / stride.max(1);
    assert!(dim > 0 && (1..=QUERIES).contains(&count) && queries.len() == count * stride, "one to {QUERIES} queries");
    assert_eq!(out.len(), (count + 1) * rows.len(), "a product for each row and query, and a square");
    let stored = vectors.len() / dim;
    let last = rows.iter().copied().max().map_or(0, |row| row as usize + 1);
    assert!(last <= stored, "row {last} of {stored}");
    isa.run(Products { vectors, dim, stride, rows, queries, count, out });
}

struct Products<'a> {
    vectors: &'a [f32],
    dim: usize,
    stride: usize,
    rows: &'a [u32],
    queries: &'a [f32],
    count: usize,
    out: &'a mut [f32],
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, simd: S) {
        match self.count {
            1 => self.all::<S, 1>(simd),
            2 => self.all::<S, 2>(simd),
            3 => self.all::<S, 3>(simd),
            4 => self.all::<S, 4>(simd),
            5 => self.all::<S, 5>(simd),
            6 => self.all::<S, 6>(simd),
            7 => self.all::<S, 7>(simd),
            _ => self.all::<S, 8>(simd),
        }
    }
}

impl Products<'_> {
    #[inline(always)]
    fn all<S: Simd, const Q: usize>(self, simd: S) {
        let whole = self.dim - self.dim % S::LANES;
        for (i, &row) in self.rows.iter().enumerate() {
            let row = &self.vectors[row as usize * self.dim..][..self.dim];
            let mut sums = [simd.splat(0.0); Q];
            let mut square = simd.splat(0.0);
            let mut at = 0;
            while at < whole {
                // SAFETY: a whole vector is left in the row.
                let values = unsafe { simd.load(row.as_ptr().wrapping_add(at)) };
                square = simd.mul_add(values, values, square);
                for (q, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: there are `Q` queries of `stride` floats (asserted by `float_products`).
                    let query = unsafe {
                        simd.load(self.queries.as_ptr().wrapping_add(q.wrapping_mul(self.stride).wrapping_add(at)))
                    };
                    *sum = simd.mul_add(values, query, *sum);
                }
                at = at.wrapping_add(S::LANES);
            }
            if whole < self.dim {
                let mut rest = [0.0; PADDING];
                rest[..self.dim - whole].copy_from_slice(&row[whole..]);
                // SAFETY: the array holds at least a vector.
                let values = unsafe { simd.load(rest.as_ptr()) };
                square = simd.mul_add(values, values, square);
                for (q, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: queries are padded to a multiple of sixteen floats, which is one of every vector.
                    let query = unsafe {
                        simd.load(self.queries.as_ptr().wrapping_add(q.wrapping_mul(self.stride).wrapping_add(whole)))
                    };
                    *sum = simd.mul_add(values, query, *sum);
                }
            }
            for (q, &sum) in sums.iter().enumerate() {
                self.out[q * self.rows.len() + i] = simd.sum(sum);
            }
            self.out[Q * self.rows.len() + i] = simd.sum(square);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_float64_within_their_roundings() {
        for dim in [1, 3, 4, 7, 8, 15, 16, 17, 31, 100, 512, 515] {
            let value = |i: usize| ((i * 2_654_435_761) % 2001) as f32 / 1000.0 - 1.0;
            let vectors: Vec<f32> = (0..1 + 9 * dim).map(value).collect();
            let vectors = &vectors[1..];
            let stride = dim.next_multiple_of(PADDING);
            for isa in Isa::available() {
                for count in 1..=8 {
                    let query = |q: usize, i: usize| if i < dim { value(q * 31 + i * 17 + 5) } else { 0.0 };
                    let queries: Vec<f32> = (0..count * stride).map(|i| query(i / stride, i % stride)).collect();
                    for rows in [vec![], vec![8], vec![2, 0, 7, 7, 1]] {
                        let mut out = vec![f32::NAN; (count + 1) * rows.len()];
                        float_products(isa, vectors, dim, &rows, &queries, &mut out);
                        for (i, &row) in rows.iter().enumerate() {
                            let row = &vectors[row as usize * dim..][..dim];
                            for q in 0..=count {
                                let other = |i: usize| if q < count { query(q, i) } else { row[i] };
                                let terms = row.iter().enumerate().map(|(i, &v)| f64::from(v) * f64::from(other(i)));
                                let (exact, size) = terms.fold((0.0, 0.0), |(s, a), t| (s + t, a + t.abs()));
                                let bound = size * (dim + 16) as f64 * 2f64.powi(-24);
                                let got = f64::from(out[q * rows.len() + i]);
                                assert!((got - exact).abs() <= bound, "{isa:?} dim {dim}: {got}, not {exact}");
                            }
                        }
                    }
                }
            }
        }
    }
}
