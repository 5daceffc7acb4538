//! 8-bit codes of a vector.

use super::super::isa::Isa;
use super::super::simd::{Kernel, Simd};

/// Largest magnitude of a code.
const LARGEST: f64 = 127.0;
/// 1.5 · 2⁵²: adding it rounds a number of small magnitude to an integer, whose low bits are then those of the sum.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// Sums that are added up separately, so that the loops become vectors.
const LANES: usize = 16;
/// More than the relative error of a length: a sum of at most 2¹⁶ squares and a root.
pub(crate) const LENGTH_ERROR: f64 = 1.0 / (1u64 << 30) as f64;
/// More than the relative error of three roundings.
const ROUNDINGS: f64 = 1.0 / (1u64 << 50) as f64;

/// A vector is `centre + scale · codes`, but for a rest whose length is at most `residual`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Encoded {
    pub(crate) scale: f32,
    pub(crate) residual: f32,
}

/// Writes the codes of `vector` to `codes`, which may be longer: zeros follow.
///
/// All values are finite, and there are at most 65,536. The codes are the same on every instruction set.
pub(crate) fn encode(isa: Isa, vector: &[f32], centre: &[f32], codes: &mut [i8]) -> Encoded {
    assert!(vector.len() == centre.len() && vector.len() <= codes.len() && vector.len() <= 1 << 16);
    isa.run(Encode { vector, centre, codes })
}

struct Encode<'a> {
    vector: &'a [f32],
    centre: &'a [f32],
    codes: &'a mut [i8],
}

impl Kernel for Encode<'_> {
    type Output = Encoded;

    // The loops over sixteen values become vectors of the set. Their sums have an order of their own.
    #[inline(always)]
    fn call<S: Simd>(self, _: S) -> Encoded {
        let Encode { vector, centre, codes } = self;
        let mut largest = [0.0f64; LANES];
        blocks(vector, centre, |v, c, _| {
            for i in 0..LANES {
                let x = (f64::from(v[i]) - f64::from(c[i])).abs();
                largest[i] = if x > largest[i] { x } else { largest[i] };
            }
        });
        let largest = largest.iter().fold(0.0, |a: f64, &b| a.max(b));
        // Of vectors near zero, no scale may be left: then the codes are zeros, and the residual is everything.
        let scale = (largest / LARGEST) as f32;
        let per_code = f64::from(scale);
        let codes_per = if scale > 0.0 { 1.0 / per_code } else { 0.0 };
        let (mut lengths, mut rests) = ([0.0; LANES], [0.0; LANES]);
        let (written, padding) = codes.split_at_mut(vector.len());
        blocks(vector, centre, |v, c, at| {
            let mut block = [0; LANES];
            for i in 0..LANES {
                let x = f64::from(v[i]) - f64::from(c[i]);
                let code = x * codes_per;
                let code = if code > LARGEST { LARGEST } else { code };
                let code = if code < -LARGEST { -LARGEST } else { code };
                let rounded = code + ROUND;
                block[i] = rounded.to_bits() as i8;
                let rest = x - per_code * (rounded - ROUND);
                lengths[i] += x * x;
                rests[i] += rest * rest;
            }
            let len = LANES.min(written.len() - at);
            written[at..at + len].copy_from_slice(&block[..len]);
        });
        padding.fill(0);
        let length = lengths.iter().sum::<f64>().sqrt();
        let rest = rests.iter().sum::<f64>().sqrt();
        Encoded { scale, residual: up(rest * (1.0 + LENGTH_ERROR) + length * ROUNDINGS) }
    }
}

/// Calls `f` with every sixteen values of both and their place; zeros fill the last sixteen.
#[inline(always)]
fn blocks(vector: &[f32], centre: &[f32], mut f: impl FnMut(&[f32; LANES], &[f32; LANES], usize)) {
    let ((vectors, rest), (centres, rest_of_centre)) = (vector.as_chunks(), centre.as_chunks());
    for (i, (v, c)) in vectors.iter().zip(centres).enumerate() {
        f(v, c, i * LANES);
    }
    if !rest.is_empty() {
        let (mut v, mut c) = ([0.0; LANES], [0.0; LANES]);
        v[..rest.len()].copy_from_slice(rest);
        c[..rest.len()].copy_from_slice(rest_of_centre);
        f(&v, &c, vectors.len() * LANES);
    }
}

/// The smallest float that is not below `value`.
fn up(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) < value { near.next_up() } else { near }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_near_and_the_residual_says_how_near() {
        for (dim, size) in [(1, 1.0), (15, 1e30), (16, 1e-30), (17, 1e-44), (100, 3.0e38), (512, 0.1)] {
            let value = |i: usize| (((i * 2_654_435_761) % 2001) as f64 / 1000.0 - 1.0) * size;
            let vector: Vec<f32> = (0..dim).map(|i| value(i) as f32).collect();
            for centre in [vec![0.0; dim], (0..dim).map(|i| (0.3 * value(i + 7)) as f32).collect(), vector.clone()] {
                let mut first = None;
                for isa in Isa::available() {
                    let mut codes = vec![99; dim + 5];
                    let encoded = encode(isa, &vector, &centre, &mut codes);
                    assert_eq!(codes[dim..], [0; 5]);
                    let rest = |i: usize| {
                        let x = f64::from(vector[i]) - f64::from(centre[i]);
                        x - f64::from(encoded.scale) * f64::from(codes[i])
                    };
                    let length = (0..dim).map(|i| rest(i).powi(2)).sum::<f64>().sqrt();
                    assert!(f64::from(encoded.residual) >= length, "{isa:?} {dim}");
                    // Half a step for each value, and the coarseness of the smallest floats.
                    let near = f64::from(encoded.scale) * 0.5001 * (dim as f64).sqrt() + 1e-42;
                    assert!(f64::from(encoded.residual) <= near, "{isa:?} {dim} {size}: {encoded:?}, {near}");
                    let first = first.get_or_insert((codes.clone(), encoded));
                    assert_eq!((codes, encoded), *first, "{isa:?}");
                }
            }
        }
    }

    #[test]
    fn floats_are_rounded_up() {
        for value in [0.0, 1.0, 0.1, 1e-50, 1e39, 3.3e38, f64::from(f32::MAX)] {
            let float = up(value);
            assert!(f64::from(float) >= value && f64::from(float.next_down()) < value, "{value}: {float}");
        }
    }
}
