//! The loop filter (section 7.14): smooths the edges of transform blocks.

use super::super::plane::Plane;

/// What the filter has to know of 4 x 4 samples of a plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Sides of the transform block that covers it (`LoopfilterTxSizes`), 2 to 6.
    pub log2_width: u8,
    pub log2_height: u8,
    /// Strength for vertical edges (pass 0) and for horizontal ones (pass 1), 0 to 63: `lvl` of section 7.14.4 after segments
    /// and deltas. Of chroma, that of the luma block at (`row | subsampling_y`, `col | subsampling_x`).
    pub level: [u8; 2],
}

/// The cells of a plane. Every edge of a transform block is filtered: frames with intra blocks (and copies) alone have no others.
#[derive(Clone, Debug)]
pub struct Edges {
    /// Row by row; at least `plane.width.div_ceil(4)` in each of `plane.height.div_ceil(4)` rows.
    pub cells: Vec<Cell>,
    /// Cells of a row.
    pub across: usize,
}

impl Edges {
    fn at(&self, x: usize, y: usize) -> Cell {
        if x < self.across { self.cells.get(y * self.across + x).copied().unwrap_or_default() } else { Cell::default() }
    }
}

/// Limits that depend on the level of an edge, at the plane's depth.
#[derive(Clone, Copy)]
struct Limits {
    /// Between neighbours, and across the edge (`limitBd`, `blimitBd`).
    inner: i32,
    edge: i32,
    /// From which on an edge has high variance (`threshBd`).
    variance: i32,
    /// Of a flat region.
    flat: i32,
    bits: u32,
}

impl Limits {
    fn new(level: u8, sharpness: u8, bits: u32) -> Self {
        let (level, sharpness, depth) = (i32::from(level), i32::from(sharpness), bits - 8);
        let shift = match sharpness {
            5.. => 2,
            1..=4 => 1,
            _ => 0,
        };
        let most = if sharpness > 0 { (9 - sharpness).max(1) } else { i32::MAX };
        let inner = (level >> shift).min(most).max(1);
        Self {
            inner: inner << depth,
            edge: (2 * (level + 2) + inner) << depth,
            variance: (level >> 4) << depth,
            flat: 1 << depth,
            bits,
        }
    }
}

/// Filters one plane. The caller leaves out chroma planes whose `loop_filter_level` is zero, and all planes if both levels of
/// luma are.
pub fn deblock(plane: &mut Plane, edges: &Edges, is_luma: bool, sharpness: u8, bits: u32) {
    let [across, down] = [plane.width.div_ceil(4), plane.height.div_ceil(4)];
    let limits: [Limits; 64] = std::array::from_fn(|level| Limits::new(level as u8, sharpness, bits));
    for y in 0..down {
        let mut previous = edges.at(0, y);
        for x in 1..across {
            let cell = edges.at(x, y);
            if x & (side(cell.log2_width) - 1) == 0 {
                let size = cell.log2_width.min(previous.log2_width);
                edge(plane, [x, y], 0, taps(size, is_luma), pick(cell, previous, 0, &limits));
            }
            previous = cell;
        }
    }
    for y in 1..down {
        for x in 0..across {
            let cell = edges.at(x, y);
            if y & (side(cell.log2_height) - 1) == 0 {
                let previous = edges.at(x, y - 1);
                let size = cell.log2_height.min(previous.log2_height);
                edge(plane, [x, y], 1, taps(size, is_luma), pick(cell, previous, 1, &limits));
            }
        }
    }
}

/// The side of a transform block in cells.
fn side(log2: u8) -> usize {
    1 << log2.saturating_sub(2).min(4)
}

/// Samples that the filter of an edge looks at on each side: 2, 3 (chroma), 4, or 7.
fn taps(log2: u8, is_luma: bool) -> usize {
    match (log2, is_luma) {
        (..=2, _) => 2,
        (_, false) => 3,
        (3, true) => 4,
        _ => 7,
    }
}

/// The limits of an edge: those of its own block, or of the block before if this has none.
fn pick(cell: Cell, previous: Cell, pass: usize, limits: &[Limits; 64]) -> Option<Limits> {
    let level = if cell.level[pass] == 0 { previous.level[pass] } else { cell.level[pass] };
    if level == 0 { None } else { limits.get(usize::from(level)).copied() }
}

/// Filters the four samples of an edge before cell (x, y).
fn edge(plane: &mut Plane, [x, y]: [usize; 2], pass: usize, taps: usize, limits: Option<Limits>) {
    let Some(limits) = limits else { return };
    let stride = plane.stride;
    let [step, along] = if pass == 0 { [1, stride] } else { [stride, 1] };
    let start = 4 * (y * stride + x);
    let Some(first) = start.checked_sub(taps * step) else { return };
    let Some(samples) = plane.samples.get_mut(first..) else { return };
    match taps {
        2 => lines::<2>(samples, step, along, limits),
        3 => lines::<3>(samples, step, along, limits),
        4 => lines::<4>(samples, step, along, limits),
        _ => lines::<7>(samples, step, along, limits),
    }
}

/// Filters four lines across an edge, of `TAPS` samples on each side.
#[inline(always)]
fn lines<const TAPS: usize>(samples: &mut [u16], step: usize, along: usize, limits: Limits) {
    if samples.len() <= 3 * along + (2 * TAPS - 1) * step {
        return;
    }
    for line in 0..4 {
        let samples = &mut samples[line * along..];
        // From the edge outwards: before it (p), after it (q).
        let mut p = [0; TAPS];
        let mut q = [0; TAPS];
        for i in 0..TAPS {
            p[i] = i32::from(samples[(TAPS - 1 - i) * step]);
            q[i] = i32::from(samples[(TAPS + i) * step]);
        }
        if !is_smooth(&p, &q, limits) {
            continue;
        }
        let changed = if TAPS >= 3 && is_flat(&p, &q, 1..TAPS.min(4), limits.flat) {
            if TAPS == 7 && is_flat(&p, &q, 4..7, limits.flat) {
                wide::<TAPS, 6>(&mut p, &mut q, 1, 4)
            } else if TAPS == 3 {
                wide::<TAPS, 2>(&mut p, &mut q, 1, 3)
            } else {
                wide::<TAPS, 3>(&mut p, &mut q, 0, 3)
            }
        } else {
            narrow(&mut p, &mut q, limits)
        };
        for i in 0..changed.min(TAPS) {
            samples[(TAPS - 1 - i) * step] = p[i] as u16;
            samples[(TAPS + i) * step] = q[i] as u16;
        }
    }
}

/// `filterMask`: whether neighbours differ so little that what is at the edge comes from the coding.
#[inline(always)]
fn is_smooth<const TAPS: usize>(p: &[i32; TAPS], q: &[i32; TAPS], limits: Limits) -> bool {
    let inner =
        (1..TAPS.min(4)).all(|i| (p[i] - p[i - 1]).abs() <= limits.inner && (q[i] - q[i - 1]).abs() <= limits.inner);
    inner && (p[0] - q[0]).abs() * 2 + (p[1] - q[1]).abs() / 2 <= limits.edge
}

#[inline(always)]
fn is_flat<const TAPS: usize>(p: &[i32; TAPS], q: &[i32; TAPS], mut range: std::ops::Range<usize>, limit: i32) -> bool {
    range.all(|i| (p[i] - p[0]).abs() <= limit && (q[i] - q[0]).abs() <= limit)
}

/// Changes up to two samples on each side (section 7.14.6.3); returns how many.
#[inline(always)]
fn narrow<const TAPS: usize>(p: &mut [i32; TAPS], q: &mut [i32; TAPS], limits: Limits) -> usize {
    let middle = 0x80 << (limits.bits - 8);
    let clamp = |value: i32| value.clamp(-middle, middle - 1);
    let varies = (p[1] - p[0]).abs() > limits.variance || (q[1] - q[0]).abs() > limits.variance;
    let [p1, p0, q0, q1] = [p[1], p[0], q[0], q[1]].map(|sample| sample - middle);
    let base = if varies { clamp(p1 - q1) } else { 0 };
    let base = clamp(base + 3 * (q0 - p0));
    let after = clamp(base + 4) >> 3;
    let before = clamp(base + 3) >> 3;
    q[0] = clamp(q0 - after) + middle;
    p[0] = clamp(p0 + before) + middle;
    if varies {
        return 1;
    }
    let outer = (after + 1) >> 1;
    q[1] = clamp(q1 - outer) + middle;
    p[1] = clamp(p1 + outer) + middle;
    2
}

/// The most samples that an edge changes on each side.
const MAX_CHANGED: usize = 6;

/// Averages `CHANGED` samples on each side over `2 * CHANGED + 1` samples, the middle `2 * double + 1` of which count twice
/// (section 7.14.6.4); returns how many it changes.
#[inline(always)]
fn wide<const TAPS: usize, const CHANGED: usize>(
    p: &mut [i32; TAPS],
    q: &mut [i32; TAPS],
    double: usize,
    log2_size: u32,
) -> usize {
    // Samples across the edge, from -2 * CHANGED to 2 * CHANGED - 1; those beyond -1 - CHANGED and CHANGED repeat the last.
    let mut line = [0; 4 * MAX_CHANGED];
    for (i, sample) in line[..4 * CHANGED].iter_mut().enumerate() {
        *sample = if i < 2 * CHANGED {
            p[(2 * CHANGED - 1 - i).min(CHANGED).min(TAPS - 1)]
        } else {
            q[(i - 2 * CHANGED).min(CHANGED).min(TAPS - 1)]
        };
    }
    let mut filtered = [[0; CHANGED]; 2];
    let mut sum: i32 = line[..2 * CHANGED + 1].iter().sum();
    for i in 0..2 * CHANGED {
        let middle = i + CHANGED;
        let twice: i32 = line[middle - double..=middle + double].iter().sum();
        let value = (sum + twice + (1 << (log2_size - 1))) >> log2_size;
        if i < CHANGED {
            filtered[0][CHANGED - 1 - i] = value;
        } else {
            filtered[1][i - CHANGED] = value;
        }
        if i + 1 < 2 * CHANGED {
            sum += line[i + 1 + 2 * CHANGED] - line[i];
        }
    }
    p.iter_mut().zip(filtered[0]).for_each(|(to, value)| *to = value);
    q.iter_mut().zip(filtered[1]).for_each(|(to, value)| *to = value);
    CHANGED
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plane of one step at column 16, between transform blocks of `log2` sides.
    fn filtered(log2: u8, low: u16, high: u16, level: u8, is_luma: bool) -> Vec<u16> {
        let mut plane = Plane::new(32, 32).unwrap();
        for y in 0..32 {
            for (x, sample) in plane.row_mut(y).iter_mut().enumerate() {
                *sample = if x < 16 { low } else { high };
            }
        }
        let cell = Cell { log2_width: log2, log2_height: log2, level: [level; 2] };
        let edges = Edges { cells: vec![cell; 64], across: 8 };
        deblock(&mut plane, &edges, is_luma, 0, 8);
        for y in 1..32 {
            assert_eq!(plane.row(y)[..32], plane.row(0)[..32]);
        }
        plane.row(0)[8..24].to_vec()
    }

    #[test]
    fn steps_are_smoothed_as_far_as_the_blocks_allow() {
        // A step of 16 in flat surroundings: 13 taps of a weight of 16, six samples on each side.
        let wide = filtered(4, 100, 116, 40, true);
        assert_eq!(wide, [100, 100, 101, 102, 103, 104, 105, 107, 109, 111, 112, 113, 114, 115, 116, 116]);
        // Eight: weights of 1 over 7 samples and once more the middle, of 8 in all.
        let eight = filtered(3, 100, 116, 40, true);
        assert_eq!(eight[4..12], [100, 102, 104, 106, 110, 112, 114, 116]);
        // Chroma: two samples on each side.
        let chroma = filtered(4, 100, 116, 40, false);
        assert_eq!(chroma[5..11], [100, 102, 106, 110, 114, 116]);
        // Four: no variance, so (3 * 16 + 4) / 8 = 6 and half of it.
        let narrow = filtered(2, 100, 116, 40, true);
        assert_eq!(narrow[5..11], [100, 103, 106, 110, 113, 116]);
    }

    #[test]
    fn real_edges_and_level_zero_are_left_alone() {
        let step = [[100; 8], [200; 8]].concat();
        for log2 in 2..=4 {
            assert_eq!(filtered(log2, 100, 200, 40, true), step);
        }
        assert_eq!(filtered(3, 100, 101, 0, true)[6..10], [100, 100, 101, 101]);
    }

    #[test]
    fn limits_follow_level_and_sharpness() {
        let limits = |level, sharpness| {
            let limits = Limits::new(level, sharpness, 10);
            (limits.inner >> 2, limits.edge >> 2, limits.variance >> 2)
        };
        assert_eq!(limits(32, 0), (32, 100, 2));
        assert_eq!(limits(32, 3), (6, 74, 2));
        assert_eq!(limits(32, 7), (2, 70, 2));
        assert_eq!(limits(1, 5), (1, 7, 0));
    }
}
