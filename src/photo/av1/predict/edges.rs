//! The samples above and to the left of a block: where they come from (section 7.11.2.1), their smoothing and upsampling
//! (sections 7.11.2.7 and 7.11.2.9 to 7.11.2.12).

use super::super::plane::Plane;
use super::Intra;

/// Room before sample 0: for the corner, and one more if the edge is upsampled.
const ORIGIN: usize = 16;

/// Both sides of the largest block, and the room.
const LEN: usize = ORIGIN + 2 * 64 + 16;

/// A row above (`AboveRow`) or a column to the left (`LeftCol`), from -2.
pub struct Edge {
    samples: [u16; LEN],
}

impl Edge {
    fn new(value: u16) -> Self {
        Self { samples: [value; LEN] }
    }

    /// Samples from `start` on, which is -16 at least.
    #[inline(always)]
    pub fn from(&self, start: isize) -> &[u16] {
        let start = (ORIGIN as isize + start).clamp(0, LEN as isize) as usize;
        &self.samples[start..]
    }

    /// Samples from 0 on.
    pub fn block(&self) -> &[u16] {
        &self.samples[ORIGIN..]
    }

    /// Sample `i`; -1 is the corner.
    #[inline(always)]
    pub fn at(&self, i: isize) -> i32 {
        self.from(i).first().copied().map_or(0, i32::from)
    }

    fn set(&mut self, i: isize, value: i32) {
        if let Some(sample) = self.samples.get_mut((ORIGIN as isize + i) as usize) {
            *sample = value as u16;
        }
    }

    /// Replaces the corner.
    pub fn set_corner(&mut self, value: i32) {
        self.set(-1, value);
    }

    /// Takes samples that lie `step` apart, `count` of them at most, and repeats the last up to `len` in all.
    fn fill(&mut self, samples: &[u16], step: usize, count: usize, len: usize) {
        let to = &mut self.samples[ORIGIN..ORIGIN + len];
        let count = count.min(len);
        match samples.get(..count).filter(|_| step == 1) {
            Some(samples) => to[..count].copy_from_slice(samples),
            None => to[..count].iter_mut().zip(samples.iter().step_by(step)).for_each(|(to, &sample)| *to = sample),
        }
        let last = to[count - 1];
        to[count..].fill(last);
    }

    /// Smooths samples 0 to `size - 2`; -1 is used and stays.
    pub fn smooth(&mut self, size: usize, strength: usize) {
        const KERNELS: [[u32; 5]; 3] = [[0, 4, 8, 4, 0], [0, 5, 6, 5, 0], [2, 4, 4, 4, 2]];
        let Some(kernel) = strength.checked_sub(1).and_then(|strength| KERNELS.get(strength)) else { return };
        let size = size.min(LEN - ORIGIN);
        // Two more of the first and of the last sample.
        let mut padded = [0; LEN + 4];
        let edge = &self.samples[ORIGIN - 1..ORIGIN - 1 + size];
        let (Some(&first), Some(&last)) = (edge.first(), edge.last()) else { return };
        padded[..2].fill(first);
        padded[2..2 + size].copy_from_slice(edge);
        padded[2 + size..4 + size].fill(last);
        for (to, around) in self.samples[ORIGIN..].iter_mut().zip(padded[1..size + 4].windows(5)) {
            let sum: u32 = kernel.iter().zip(around).map(|(tap, &sample)| tap * u32::from(sample)).sum();
            *to = ((sum + 8) >> 4) as u16;
        }
    }

    /// Doubles samples -1 to `count - 1`: they become -2 to `2 * count - 2`.
    pub fn upsample(&mut self, count: usize, bits: u32) {
        const MAX: usize = 16;
        let count = count.min(MAX);
        let mut around = [0i32; MAX + 3];
        for (value, i) in around.iter_mut().zip(-2..) {
            *value = self.at(i.clamp(-1, count as isize - 1));
        }
        self.set(-2, around[0]);
        for (around, i) in around.windows(4).take(count).zip(0..) {
            let sum = 9 * (around[1] + around[2]) - around[0] - around[3];
            self.set(2 * i - 1, ((sum + 8) >> 4).clamp(0, (1 << bits) - 1));
            self.set(2 * i, around[2]);
        }
    }
}

/// The edges of a block: above and left. `across` and `down` samples are used of them.
pub fn edges(plane: &Plane, block: &Intra, across: usize, down: usize) -> [Edge; 2] {
    let [width, height] = [1usize << block.log2_width, 1usize << block.log2_height];
    let (x, y) = (block.x, block.y);
    let (have_above, have_left) = (block.have_above && y > 0, block.have_left && x > 0);
    let middle = 1u16 << (block.bits - 1);
    let corner = match (have_above, have_left) {
        (true, true) => plane.get(x - 1, y - 1),
        (true, false) => plane.get(x, y - 1),
        (false, true) => plane.get(x - 1, y),
        (false, false) => middle,
    };
    let mut above = Edge::new(if have_left { corner } else { middle - 1 });
    if have_above {
        let reach = if block.have_above_right { 2 * width } else { width };
        let count = reach.min(block.limits[0].saturating_sub(x)).max(1);
        let row = plane.row(y - 1).get(x..).unwrap_or_default();
        above.fill(row, 1, count, across);
    }
    let mut left = Edge::new(if have_above { plane.get(x, y - 1) } else { middle + 1 });
    if have_left {
        let reach = if block.have_below_left { 2 * height } else { height };
        let count = reach.min(block.limits[1].saturating_sub(y)).max(1);
        let column = plane.samples.get(y * plane.stride + x - 1..).unwrap_or_default();
        left.fill(column, plane.stride, count, down);
    }
    above.set(-1, i32::from(corner));
    left.set(-1, i32::from(corner));
    [above, left]
}

/// How strongly an edge is smoothed, 0 to 3, for a block of `sides` (width + height), `delta` degrees off the edge's normal.
pub fn strength(sides: usize, smooth_neighbours: bool, delta: i32) -> usize {
    let delta = delta.abs();
    // The least angles for strengths 1, 2 and 3.
    const NEVER: i32 = 1000;
    let least = match (smooth_neighbours, sides) {
        (false, ..=8) => [56, NEVER, NEVER],
        (false, ..=16) => [40, NEVER, NEVER],
        (false, ..=24) => [8, 16, 32],
        (false, ..=32) => [0, 4, 32],
        (true, ..=8) => [40, 64, NEVER],
        (true, ..=16) => [20, 48, NEVER],
        (true, ..=24) => [NEVER, NEVER, 4],
        (_, _) => [0, 0, 0],
    };
    (1..=3).rev().find(|&strength| delta >= least[strength - 1]).unwrap_or(0)
}

/// Whether an edge is upsampled.
pub fn upsamples(sides: usize, smooth_neighbours: bool, delta: i32) -> bool {
    (1..40).contains(&delta.abs()) && sides <= if smooth_neighbours { 8 } else { 16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An edge of -1, 0, 1 and so on.
    fn edge(samples: &[u16]) -> Edge {
        let mut edge = Edge::new(0);
        for (&sample, i) in samples.iter().zip(-1..) {
            edge.set(i, i32::from(sample));
        }
        edge
    }

    #[test]
    fn edges_are_smoothed_with_their_ends_repeated() {
        let mut smoothed = edge(&[0, 16, 32, 64, 7]);
        smoothed.smooth(4, 1);
        // (0 * 4 + 16 * 8 + 32 * 4 + 8) / 16, ..., (32 * 4 + 64 * 8 + 64 * 4 + 8) / 16; the fifth is beyond the size.
        assert_eq!(smoothed.from(-1)[..5], [0, 16, 36, 56, 7]);
        let mut smoothed = edge(&[10, 10, 10, 90]);
        smoothed.smooth(4, 3);
        // (2 * 10 + 4 * 10 + 4 * 10 + 4 * 10 + 2 * 90 + 8) / 16 is 20.5.
        assert_eq!(smoothed.from(-1)[..4], [10, 20, 40, 60]);
        let mut untouched = edge(&[1, 2, 3]);
        untouched.smooth(3, 0);
        assert_eq!(untouched.from(-1)[..3], [1, 2, 3]);
    }

    #[test]
    fn edges_are_upsampled_between_their_samples() {
        let mut doubled = edge(&[100, 100, 200, 200]);
        doubled.upsample(3, 8);
        // -2: 100; between 100 and 100: (9 * 200 - 100 - 200 + 8) / 16 = 94; then 100; (9 * 300 - 100 - 200 + 8) / 16 = 150.
        assert_eq!(doubled.from(-2)[..7], [100, 94, 100, 150, 200, 206, 200]);
        let mut clipped = edge(&[0, 255, 255, 0]);
        clipped.upsample(3, 8);
        assert_eq!(clipped.at(1), 255);
    }

    #[test]
    fn strengths_follow_size_and_angle() {
        let strengths = |smooth, sides| [3, 4, 8, 16, 20, 32, 40, 48, 56, 64].map(|d| strength(sides, smooth, -d));
        assert_eq!(strengths(false, 8), [0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(strengths(false, 12), [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
        assert_eq!(strengths(false, 24), [0, 0, 1, 2, 2, 3, 3, 3, 3, 3]);
        assert_eq!(strengths(false, 32), [1, 2, 2, 2, 2, 3, 3, 3, 3, 3]);
        assert_eq!(strengths(false, 36), [3; 10]);
        assert_eq!(strengths(true, 8), [0, 0, 0, 0, 0, 0, 1, 1, 1, 2]);
        assert_eq!(strengths(true, 16), [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]);
        assert_eq!(strengths(true, 20), [0, 3, 3, 3, 3, 3, 3, 3, 3, 3]);
        assert_eq!(strengths(true, 28), [3; 10]);
        assert!(upsamples(16, false, 39));
        assert_eq!([upsamples(16, true, 3), upsamples(8, true, 40), upsamples(8, true, 0)], [false; 3]);
    }
}
