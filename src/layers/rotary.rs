//! Rotary positions of the patches of an image. They have no weights: their angles are computed when a model is loaded.

use super::Exec;
use crate::kernels::rotary::{TurnShape, turn};

/// How fast the angles of the last pair of channels fall behind those of the first: the base of Vaswani et al. (2017).
const BASE: f64 = 10_000.0;

/// Angles for every row and column of the grid.
pub(crate) struct Rotary {
    shape: TurnShape,
    cos: Box<[f32]>, // [grid, d / 4]
    sin: Box<[f32]>, // [grid, d / 4]
}

impl Rotary {
    /// The angles of a shape whose heads have a multiple of four channels.
    ///
    /// Pair `i` of the `d / 4` of an axis turns by `p · 10000^(−i / (d / 4))` at position `p`. Positions count from one: a
    /// class token, which does not turn, is at zero. Without one only differences of positions matter.
    pub(crate) fn new(shape: TurnShape) -> Rotary {
        let quarter = shape.width / shape.heads / 4;
        let angle = |i: usize| {
            let (position, pair) = (i / quarter + 1, i % quarter);
            position as f64 * BASE.powf(-(pair as f64) / quarter as f64)
        };
        let table = |of: fn(f64) -> f64| (0..shape.grid * quarter).map(|i| of(angle(i)) as f32).collect();
        Rotary { shape, cos: table(f64::cos), sin: table(f64::sin) }
    }

    /// Angles of no position that must not be used, for a walk that only lists a model's layers.
    pub(crate) fn unloaded(shape: TurnShape) -> Rotary {
        Rotary { shape, cos: Box::default(), sin: Box::default() }
    }

    /// Turns queries and keys of whole images, `qkv [images · tokens, 3 · width]`, in place. Within a head, the first
    /// channels of all pairs precede the second ones.
    pub(crate) fn forward(&self, exec: Exec<'_>, qkv: &mut [f32]) {
        turn(exec.isa, exec.team, self.shape, (&self.cos, &self.sin), qkv);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_are_those_of_the_formula() {
        let rotary = Rotary::new(TurnShape { width: 32, heads: 2, grid: 3, class_token: true });
        assert_eq!((rotary.cos.len(), rotary.sin.len()), (12, 12));
        // Position 1, pairs of 1, 10^-1, 10^-2, 10^-3.
        for (i, angle) in [1.0f64, 0.1, 0.01, 0.001].into_iter().enumerate() {
            assert_eq!((rotary.cos[i], rotary.sin[i]), (angle.cos() as f32, angle.sin() as f32));
        }
        assert_eq!(rotary.sin[8], 3f64.sin() as f32);
    }
}
