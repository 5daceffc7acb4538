//! Computes the size of the resized photo and the square that is cropped from it. Knows no pixels.
//!
//! Follows torchvision's `Resize` and `CenterCrop` as open_clip combines them; `ShortestFloor` follows Immich's
//! `resize_pil` and `crop_pil` (`machine-learning/immich_ml/models/transforms.py`).

use super::config::ResizeMode;

/// A resize followed by the crop of a square.
///
/// The resized sides are `u64`: the long side of a photo one pixel wide can exceed any buffer. Only the square is ever
/// computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Width of the whole resized photo.
    pub width: u64,
    /// Height of the whole resized photo.
    pub height: u64,
    /// First column of the square.
    pub left: u64,
    /// First row of the square.
    pub top: u64,
    /// Side of the square.
    pub side: usize,
}

impl Geometry {
    /// Computes the geometry for a photo of `width` x `height` and a tower input of `side` x `side`.
    pub fn new(width: usize, height: usize, side: usize, mode: ResizeMode) -> Self {
        let edge = side as u64;
        let floor = mode == ResizeMode::ShortestFloor;
        let long = if floor { long_edge_by_ratio } else { long_edge };
        let offset = |excess: u64| if floor { excess / 2 } else { crop_offset(excess) };
        let (new_width, new_height) = match mode {
            ResizeMode::Squash => (edge, edge),
            ResizeMode::Shortest | ResizeMode::ShortestFloor if width <= height => (edge, long(edge, height, width)),
            ResizeMode::Shortest | ResizeMode::ShortestFloor => (long(edge, width, height), edge),
        };
        Geometry {
            width: new_width,
            height: new_height,
            left: offset(new_width - edge),
            top: offset(new_height - edge),
            side,
        }
    }
}

/// Scales the long edge as the short one is scaled to `edge`; divides in floating point and truncates.
fn long_edge(edge: u64, long: usize, short: usize) -> u64 {
    // The product is below 2^53 for every accepted size, so only the division rounds, as in Python.
    (((edge * long as u64) as f64 / short as f64) as u64).max(edge)
}

/// As [`long_edge`], with the ratio rounded before the product is.
fn long_edge_by_ratio(edge: u64, long: usize, short: usize) -> u64 {
    ((long as f64 / short as f64 * edge as f64) as u64).max(edge)
}

/// Halves the excess, rounding half to even as Python's `round` does: 1 -> 0, 3 -> 2, 5 -> 2, 7 -> 4.
fn crop_offset(excess: u64) -> u64 {
    let half = excess / 2;
    if excess % 2 == 1 && half % 2 == 1 { half + 1 } else { half }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_round_half_to_even() {
        let offsets: Vec<u64> = (0..12).map(crop_offset).collect();
        assert_eq!(offsets, [0, 0, 1, 2, 2, 2, 3, 4, 4, 4, 5, 6]);
    }

    #[test]
    fn shortest_edge_truncates_the_long_one() {
        let at = |w, h| {
            let g = Geometry::new(w, h, 224, ResizeMode::Shortest);
            (g.width, g.height, g.left, g.top)
        };
        assert_eq!(at(333, 500), (224, 336, 0, 56));
        assert_eq!(at(480, 641), (224, 299, 0, 38));
        assert_eq!(at(641, 480), (299, 224, 38, 0));
        assert_eq!(at(224, 224), (224, 224, 0, 0));
        assert_eq!(at(1, 1), (224, 224, 0, 0));
        assert_eq!(at(1, 178_956_970), (224, 40_086_361_280, 0, 20_043_180_528));
    }

    /// Expected values are those of Immich's two formulas in Python.
    #[test]
    fn floor_rounds_as_immich_does() {
        let at = |w, h| {
            let g = Geometry::new(w, h, 224, ResizeMode::ShortestFloor);
            (g.width, g.height, g.left, g.top)
        };
        assert_eq!(at(1440, 1080), (298, 224, 37, 0));
        // Where the rest is odd, the crop begins a pixel earlier than torchvision's.
        assert_eq!(at(480, 641), (224, 299, 0, 37));
        assert_eq!(at(641, 480), (299, 224, 37, 0));
        // Where the ratio is rounded down, the long edge is a pixel shorter.
        assert_eq!(at(366, 168), (487, 224, 131, 0));
        assert_eq!(at(7, 61), (224, 1951, 0, 863));
        assert_eq!(at(1, 178_956_970), (224, 40_086_361_280, 0, 20_043_180_528));
        for (w, h) in [(224, 224), (1, 1), (333, 333)] {
            assert_eq!(at(w, h), (224, 224, 0, 0));
        }
    }

    #[test]
    fn squash_crops_nothing() {
        let g = Geometry::new(1000, 10, 64, ResizeMode::Squash);
        assert_eq!(g, Geometry { width: 64, height: 64, left: 0, top: 0, side: 64 });
    }
}
