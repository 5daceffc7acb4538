//! Finds the same pictures among many without comparing each with each.
//!
//! Features that turning a picture does not change, and that differ by no more than the pictures do, place each hash in
//! a grid whose cells are as wide as two copies may differ; so copies lie in neighbouring cells, and none is missed.
//! The features are the mean brightness, the standard deviation, and the magnitudes of the lowest coefficients of a cosine transform: an
//! orthonormal transform does not lengthen a difference, mirroring changes signs, transposing swaps a pair.

use std::collections::HashMap;

use super::compare::{MOST, limit};
use super::{CELLS, Match, Parts, PictureHash, SIDE};

/// Two hashes of the same picture: see [`same_pictures`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SamePicture {
    /// The first hash of the group.
    pub first: usize,
    /// Another hash of the group, after the first.
    pub other: usize,
    /// How the two relate; [`Match::turned`] turns the other like the first.
    pub found: Match,
}

/// Number of features.
const FEATURES: usize = 7;

/// The place of the standard deviation among the features.
const DEVIATION: usize = 6;

/// Finds the copies of pictures among hashes, in the order of `other`.
///
/// Hashes are taken in their order, so put those first that should be kept. Each is compared with the first of every
/// group: it joins the group to which it is nearest, or is the first of a new group. So every copy of a group matches
/// its first, and a series of photos of which each resembles the next does not become one group.
///
/// Takes some seconds for 100,000 different photos; copies of a group add no comparisons with each other.
#[must_use]
pub fn same_pictures(hashes: &[PictureHash]) -> Vec<SamePicture> {
    let mut places: HashMap<[i32; 3], Vec<Leader>> = HashMap::new();
    let mut found = Vec::new();
    for (other, hash) in hashes.iter().enumerate() {
        let parts = hash.parts();
        let features = features(&parts);
        let [a, b, c] = place(&features);
        let mut best: Option<SamePicture> = None;
        for step in 0..27 {
            let near = [a + step % 3 - 1, b + step / 3 % 3 - 1, c + step / 9 - 1];
            for leader in places.get(&near).into_iter().flatten() {
                let most = limit(leader.features[DEVIATION].min(features[DEVIATION]).into()) + ROUNDING;
                let far = |(a, b): (&i32, &i32)| i64::from((a - b).abs()) > most;
                if leader.features.iter().zip(&features).any(far) {
                    continue;
                }
                let Some(hash) = hashes.get(leader.index) else { continue };
                if let Some(found) = hash.parts().matches(&parts) {
                    let nearer =
                        |best: &SamePicture| (found.distance, leader.index) < (best.found.distance, best.first);
                    if best.as_ref().is_none_or(nearer) {
                        best = Some(SamePicture { first: leader.index, other, found });
                    }
                }
            }
        }
        match best {
            Some(same) => found.push(same),
            None => places.entry([a, b, c]).or_default().push(Leader { index: other, features }),
        }
    }
    found
}

/// The first hash of a group.
struct Leader {
    index: usize,
    features: [i32; FEATURES],
}

/// Width of a cell of the grid: the most that features of copies differ by.
const WIDTH: i64 = MOST + ROUNDING;

/// What rounding may add to the difference of two features.
const ROUNDING: i64 = 2;

fn place(features: &[i32; FEATURES]) -> [i32; 3] {
    [features[0], features[1], features[3]].map(|feature| feature.div_euclid(WIDTH as i32))
}

/// Features in units of 1/16 level: the mean, pairs of coefficients in an order that does not depend on turning, and the
/// standard deviation.
fn features(parts: &Parts) -> [i32; FEATURES] {
    let mean = parts.cells.iter().sum::<i32>() / CELLS as i32;
    let coefficient = |u: usize, v: usize| {
        let mut sum = 0i64;
        for (row, &y) in parts.cells.as_chunks::<SIDE>().0.iter().zip(&BASIS[v]) {
            let line: i64 = row.iter().zip(&BASIS[u]).map(|(&cell, &x)| i64::from(cell * x)).sum();
            sum += line * i64::from(y);
        }
        (sum / (CELLS as i64 * UNIT * UNIT)) as i32
    };
    let ordered = |a: i32, b: i32| (a.max(b), a.min(b));
    let (first, second) = ordered(coefficient(1, 0).abs(), coefficient(0, 1).abs());
    let (third, fourth) = ordered(coefficient(2, 0), coefficient(0, 2));
    [mean, first, second, third, fourth, coefficient(1, 1).abs(), parts.deviation() as i32]
}

/// One in [`BASIS`].
const UNIT: i64 = 1024;

/// `sqrt(2) cos((2 x + 1) u pi / 32)` for u = 0 (without the root), 1, 2, in units of 1 / [`UNIT`].
const BASIS: [[i32; SIDE]; 3] = [
    [UNIT as i32; SIDE],
    [1441, 1386, 1277, 1119, 919, 683, 420, 142, -142, -420, -683, -919, -1119, -1277, -1386, -1441],
    [1420, 1204, 805, 283, -283, -805, -1204, -1420, -1420, -1204, -805, -283, 283, 805, 1204, 1420],
];
