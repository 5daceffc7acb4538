//! Rotary positions of images: turns the queries and keys of a patch by its row and column.
//!
//! Source: Heo et al., "Rotary Position Embedding for Vision Transformer" (2024), the axial form. A head of `d` channels
//! is `d / 2` pairs; the first half of the pairs turns with the column, the second half with the row. The first channels
//! of all pairs precede the second ones, so that a vector holds channels that turn alike and no lanes change places.

use super::Isa;
use super::simd::{Kernel, Simd};
use super::team::Team;

/// Most channels of a head that is turned; published towers have 64 and 96.
pub(crate) const MAX_HEAD: usize = 256;

/// Rows of a task: a row is read and written once, in less time than a task takes to start.
const ROWS_PER_TASK: usize = 8;

/// The sizes of a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TurnShape {
    /// Channels of a token: `heads` times the channels of a head.
    pub(crate) width: usize,
    pub(crate) heads: usize,
    /// Patches per side.
    pub(crate) grid: usize,
    /// Whether a token that does not turn precedes the patches of an image.
    pub(crate) class_token: bool,
}

impl TurnShape {
    fn head_dim(self) -> usize {
        self.width / self.heads
    }

    fn tokens(self) -> usize {
        self.grid * self.grid + usize::from(self.class_token)
    }
}

/// Turns the queries and keys in `qkv [images · tokens, 3 · width]` in place. `cos` and `sin` are `[grid, d / 4]`: of the
/// angles by which a pair turns for a patch in the i-th row or column.
///
/// Panics if a head has not a multiple of four channels up to [`MAX_HEAD`], or a slice is too short for its sizes.
pub(crate) fn turn(isa: Isa, team: Team<'_>, shape: TurnShape, (cos, sin): (&[f32], &[f32]), qkv: &mut [f32]) {
    let d = shape.head_dim();
    assert!(d * shape.heads == shape.width && d.is_multiple_of(4) && d <= MAX_HEAD, "no heads that turn");
    let quarter = d / 4;
    assert!(cos.len() >= shape.grid * quarter && sin.len() >= shape.grid * quarter, "fewer angles than positions");
    let tokens = shape.tokens();
    team.rows(qkv, 3 * shape.width, ROWS_PER_TASK, |row, qkv| {
        let Some(patch) = (row % tokens).checked_sub(usize::from(shape.class_token)) else { return };
        let (y, x) = (patch / shape.grid * quarter, patch % shape.grid * quarter);
        isa.run(Row { d, angles: [cos, sin].map(|of| [&of[x..][..quarter], &of[y..][..quarter]]), heads: qkv });
    });
}

/// The turn of one token.
struct Row<'a> {
    d: usize,
    /// Cosines and sines, each of the column and of the row, `[d / 4]`.
    angles: [[&'a [f32]; 2]; 2],
    /// The token's queries and keys, which its values follow.
    heads: &'a mut [f32],
}

impl Kernel for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Row { d, angles, heads } = self;
        let half = d / 2;
        // Both halves of the pairs side by side, so that a vector may hold pairs of both.
        let mut sides = [[0.0; MAX_HEAD / 2]; 2];
        for (side, [column, row]) in sides.iter_mut().zip(angles) {
            side[..column.len()].copy_from_slice(column);
            side[column.len()..half].copy_from_slice(row);
        }
        let [cos, sin] = &sides;
        let queries_and_keys = heads.len() / 3 * 2;
        let heads = &mut heads[..queries_and_keys];
        let whole = half - half % S::LANES;
        for i in (0..whole).step_by(S::LANES) {
            // SAFETY: i + LANES ≤ half ≤ MAX_HEAD / 2, the length of both arrays.
            let (cos, sin) = unsafe { (s.load(cos.as_ptr().add(i)), s.load(sin.as_ptr().add(i))) };
            for head in heads.chunks_exact_mut(d) {
                // SAFETY: i + LANES ≤ half, and a head has twice as many channels.
                unsafe {
                    let (first, second) = (head.as_mut_ptr().add(i), head.as_mut_ptr().add(half + i));
                    let (a, b) = (s.load(first), s.load(second));
                    s.store(first, s.sub(s.mul(a, cos), s.mul(b, sin)));
                    s.store(second, s.mul_add(a, sin, s.mul(b, cos)));
                }
            }
        }
        for i in whole..half {
            for head in heads.chunks_exact_mut(d) {
                let (a, b) = (head[i], head[half + i]);
                head[i] = a * cos[i] - b * sin[i];
                head[half + i] = a * sin[i] + b * cos[i];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Workers, reference};
    use super::*;

    /// Two products and a sum of values of order one, in f32.
    const TOLERANCE: f64 = 3e-7;

    fn angles(shape: TurnShape) -> (Vec<f32>, Vec<f32>) {
        let angles = reference::noise("angles", shape.grid * shape.head_dim() / 4, 3.0);
        (angles.iter().map(|a| a.cos()).collect(), angles.iter().map(|a| a.sin()).collect())
    }

    #[test]
    fn equals_the_plain_version_and_leaves_the_rest() {
        for (grid, heads, d, class_token) in [
            (1, 1, 4, false),
            (1, 2, 8, true),
            (2, 3, 12, true),
            (3, 2, 20, false),
            (3, 1, 32, true),
            (4, 2, 60, true),
            (14, 12, 64, true),
            (3, 2, 68, false),
            (4, 16, 96, false),
            (2, 1, MAX_HEAD, true),
        ] {
            let shape = TurnShape { width: heads * d, heads, grid, class_token };
            let (cos, sin) = angles(shape);
            let row = 3 * shape.width;
            let qkv = reference::noise("qkv", 2 * shape.tokens() * row, 1.0);
            let exact = reference::turn(&qkv, shape.width, heads, (grid, class_token), (&cos, &sin));
            for isa in Isa::available() {
                let mut workers = Workers::without_delay();
                let mut turned = qkv.clone();
                turn(isa, Team::SERIAL, shape, (&cos, &sin), &mut turned);
                for (i, (v, e)) in turned.iter().zip(&exact).enumerate() {
                    assert!((f64::from(*v) - e).abs() <= TOLERANCE, "{isa:?} {shape:?} {i}: {v} {e}");
                    let kept = i % row >= 2 * shape.width || (class_token && (i / row).is_multiple_of(shape.tokens()));
                    assert!(!kept || v.to_bits() == qkv[i].to_bits(), "{isa:?} {shape:?} {i}");
                }
                let mut in_team = qkv.clone();
                turn(isa, workers.team(), shape, (&cos, &sin), &mut in_team);
                assert_eq!(turned, in_team);
                // The second image alone has the same bits.
                let mut alone = qkv[shape.tokens() * row..].to_vec();
                turn(isa, Team::SERIAL, shape, (&cos, &sin), &mut alone);
                assert_eq!(alone, turned[shape.tokens() * row..]);
            }
        }
    }

    #[test]
    #[should_panic(expected = "no heads that turn")]
    fn refuses_heads_that_are_no_pairs_of_two_axes() {
        let shape = TurnShape { width: 6, heads: 1, grid: 1, class_token: false };
        turn(Isa::detect().unwrap(), Team::SERIAL, shape, (&[1.0; 4], &[0.0; 4]), &mut [0.0; 18]);
    }
}
