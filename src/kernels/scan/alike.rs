//! From products of codes of two rows to the pairs that can be alike.

use super::super::isa::Isa;
use super::super::simd::{Kernel, Simd};

/// Pairs that are compared at once.
const GROUP: usize = 16;

/// What is known of rows: one number for each row in every field.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profiles {
    pub(crate) base: Vec<f64>,
    pub(crate) scale: Vec<f64>,
    pub(crate) residual: Vec<f64>,
    pub(crate) reach: Vec<f64>,
    pub(crate) size: Vec<f64>,
    pub(crate) least: Vec<f64>,
}

/// The row that others are compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    pub(crate) base: f64,
    pub(crate) scale: f64,
    pub(crate) residual: f64,
    pub(crate) coded: f64,
    pub(crate) size: f64,
    pub(crate) least: f64,
}

impl Left {
    /// Whether the largest possible product of the two rows is below the one that is asked for. Not if that is not known:
    /// a comparison with NaN is false.
    #[inline(always)]
    fn excludes(&self, product: i32, right: &Profiles, i: usize) -> bool {
        let possible = self.base + right.base[i] + self.scale * right.scale[i] * f64::from(product);
        let error = self.coded * right.residual[i] + self.residual * right.reach[i] + self.size * right.size[i];
        possible + error - self.least * right.least[i] < 0.0
    }
}

/// Appends to `places` the rows `start..start + products.len()` of `right` whose product with `left` may be as large as
/// is asked for. `products` are those of their codes.
pub(crate) fn alike(isa: Isa, left: &Left, right: &Profiles, start: usize, products: &[i32], places: &mut Vec<usize>) {
    let end = start + products.len();
    let fields = [&right.base, &right.scale, &right.residual, &right.reach, &right.size, &right.least];
    assert!(fields.iter().all(|field| end <= field.len()), "a number for each row");
    isa.run(Alike { left, right, start, products, places });
}

struct Alike<'a> {
    left: &'a Left,
    right: &'a Profiles,
    start: usize,
    products: &'a [i32],
    places: &'a mut Vec<usize>,
}

impl Kernel for Alike<'_> {
    type Output = ();

    // The loops over sixteen rows become vectors of the set.
    #[inline(always)]
    fn call<S: Simd>(self, _: S) {
        let Alike { left, right, start, products, places } = self;
        let left = *left;
        let (groups, rest) = products.as_chunks::<GROUP>();
        let mut at = start;
        for products in groups {
            let cut = |field: &[f64]| -> [f64; GROUP] { *field[at..].first_chunk().unwrap_or(&[f64::NAN; GROUP]) };
            let (base, scale, residual) = (cut(&right.base), cut(&right.scale), cut(&right.residual));
            let (reach, size, least) = (cut(&right.reach), cut(&right.size), cut(&right.least));
            let mut possible = [0u64; GROUP];
            for i in 0..GROUP {
                let product = left.base + base[i] + left.scale * scale[i] * f64::from(products[i]);
                let error = left.coded * residual[i] + left.residual * reach[i] + left.size * size[i];
                // A comparison with NaN is false.
                let is_out = product + error - left.least * least[i] < 0.0;
                possible[i] = u64::from(!is_out);
            }
            if possible.iter().fold(0, |any, possible| any | possible) != 0 {
                places.extend((0..GROUP).filter(|&i| possible[i] != 0).map(|i| at + i));
            }
            at += GROUP;
        }
        let rest = rest.iter().enumerate().map(|(i, &product)| (at + i, product));
        places.extend(rest.filter(|&(i, product)| !left.excludes(product, right, i)).map(|(i, _)| i));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_finds_the_same_pairs() {
        let number =
            |seed: usize| -> Vec<f64> { (0..300).map(|i| ((i * 7919 + seed * 31) % 1009) as f64 / 1009.0).collect() };
        let mut right = Profiles {
            base: number(1),
            scale: number(2),
            residual: number(3),
            reach: number(4),
            size: number(5),
            least: number(6),
        };
        right.reach[40] = f64::NAN;
        let left = Left { base: -0.4, scale: 1e-3, residual: 0.1, coded: 0.2, size: 0.01, least: 1.0 };
        let products: Vec<i32> = (0..250).map(|i| (i * 97) % 401 - 200).collect();
        for (start, len) in [(0, 0), (3, 1), (0, 16), (7, 15), (10, 17), (50, 250), (33, 200)] {
            let products = &products[..len];
            let expected: Vec<usize> =
                (0..len).filter(|&i| !left.excludes(products[i], &right, start + i)).map(|i| start + i).collect();
            assert!(len < 100 || (10..len - 10).contains(&expected.len()));
            for isa in Isa::available() {
                let mut places = Vec::new();
                alike(isa, &left, &right, start, products, &mut places);
                assert_eq!(places, expected, "{isa:?} {start} {len}");
            }
        }
    }
}
