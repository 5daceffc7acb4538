//! The constrained directional enhancement filter (section 7.15): removes ringing along the direction of each 8 x 8 block.

use super::super::plane::{Frame, Plane};
use super::direction::direction;

/// Parameters of the filter.
#[derive(Clone, Debug)]
pub struct Cdef {
    /// `CdefDamping`, 3 to 6.
    pub damping: u32,
    /// `cdef_y_pri_strength` and the others, by index. The secondary strengths are 0, 1, 2 or 4 (a coded 3 means 4).
    pub luma_primary: [u8; 8],
    pub luma_secondary: [u8; 8],
    pub chroma_primary: [u8; 8],
    pub chroma_secondary: [u8; 8],
    /// `cdef_idx` of each 64 x 64 luma samples, row by row, `frame.width.div_ceil(64)` in a row; -1 filters nothing.
    pub indices: Vec<i8>,
    /// Whether all four `Skips` of 8 x 8 luma samples are set, row by row, `frame.width.div_ceil(8)` in a row.
    pub skips: Vec<bool>,
}

/// Rows and columns around a block that the filter may use.
const MARGIN: usize = 2;

/// What stands for a sample that is not available. It is so far from every sample that its difference is constrained to nothing.
const UNAVAILABLE: i16 = 0x4000;

/// The bits of any sample; none of [`UNAVAILABLE`].
const SAMPLE: i16 = 0x0fff;

/// Two steps in each direction, down and across (`Cdef_Directions`).
const DIRECTIONS: [[[isize; 2]; 2]; 8] = [
    [[-1, 1], [-2, 2]],
    [[0, 1], [-1, 2]],
    [[0, 1], [0, 2]],
    [[0, 1], [1, 2]],
    [[1, 1], [2, 2]],
    [[1, 0], [2, 1]],
    [[1, 0], [2, 0]],
    [[1, 0], [2, -1]],
];

/// Directions of chroma whose samples are not square (`Cdef_Uv_Dir`): halved across alone, and down alone.
const HALVED_ACROSS: [usize; 8] = [7, 0, 2, 4, 5, 6, 6, 6];
const HALVED_DOWN: [usize; 8] = [1, 2, 2, 2, 3, 4, 6, 0];

/// How a block of a plane is filtered.
#[derive(Clone, Copy)]
struct Strength {
    primary: i16,
    secondary: i16,
    damping: u32,
    direction: usize,
    /// Shift of the depth against 8 bits.
    depth: u32,
}

/// From one row of a window to the next; columns from 12 on are not used.
const STRIDE: usize = 16;

/// A block with its margins.
type Window = [i16; STRIDE * (8 + 2 * MARGIN)];

/// Samples that are filtered at once: a row of 8, or two of 4.
const LANES: usize = 8;
type Lanes = [i16; LANES];

/// Filters a deblocked frame into a copy of it. Both hold whole 8 x 8 luma samples (`MiCols`, `MiRows`), all of which count as
/// available.
pub fn cdef(source: &Frame, filtered: &mut Frame, parameters: &Cdef) {
    let Some(luma) = source.planes.first() else { return };
    let [across, down] = [luma.width.div_ceil(8), luma.height.div_ceil(8)];
    for y in 0..down {
        for x in 0..across {
            let index = parameters.indices.get((y / 8) * across.div_ceil(8) + x / 8).copied().unwrap_or(-1);
            let skip = parameters.skips.get(y * across + x).copied().unwrap_or(true);
            if let (Ok(index @ 0..8), false) = (usize::try_from(index), skip) {
                block(source, filtered, parameters, index, [x, y]);
            }
        }
    }
}

/// Filters 8 x 8 luma samples and the chroma that belongs to them.
fn block(source: &Frame, filtered: &mut Frame, parameters: &Cdef, index: usize, [x, y]: [usize; 2]) {
    let depth = source.bits.saturating_sub(8).min(4);
    let scaled = |strengths: &[u8; 8]| i16::from(strengths[index]) << depth;
    let [luma, chroma] = [
        [scaled(&parameters.luma_primary), scaled(&parameters.luma_secondary)],
        [scaled(&parameters.chroma_primary), scaled(&parameters.chroma_secondary)],
    ];
    let directed = luma[0] != 0 || chroma[0] != 0;
    let (found, variance) = if directed { direction(&source.planes[0], 8 * x, 8 * y, depth) } else { (0, 0) };
    let planes = source.planes.iter().zip(&mut filtered.planes);
    for (plane, (from, to)) in planes.enumerate() {
        let [primary, secondary] = if plane == 0 { luma } else { chroma };
        let shifts = source.shifts(plane);
        let towards = match shifts {
            [1, 0] => HALVED_ACROSS[found],
            [0, 1] => HALVED_DOWN[found],
            _ => found,
        };
        let strength = Strength {
            primary: if plane == 0 { adjusted(primary, variance) } else { primary },
            secondary,
            damping: parameters.damping + depth - u32::from(plane > 0),
            direction: if primary == 0 { 0 } else { towards },
            depth,
        };
        if strength.primary == 0 && strength.secondary == 0 {
            continue;
        }
        let [width, height] = shifts.map(|shift| 8usize >> shift);
        let at = [x * width, y * height];
        let available = [
            source.planes[0].width.next_multiple_of(8) >> shifts[0],
            source.planes[0].height.next_multiple_of(8) >> shifts[1],
        ];
        if !(from.holds(at[0], at[1], width, height) && to.holds(at[0], at[1], width, height)) {
            continue;
        }
        let window = window(from, at, [width, height], available);
        if width == 8 {
            filter::<8>(&window, to, at, height, strength);
        } else {
            filter::<4>(&window, to, at, height, strength);
        }
    }
}

/// The primary strength of a block of luma: less where there is little direction.
fn adjusted(strength: i16, variance: u32) -> i16 {
    if variance == 0 {
        return 0;
    }
    let size = (variance >> 6).checked_ilog2().unwrap_or(0).min(12) as i16;
    (strength * (4 + size) + 8) >> 4
}

/// A block of a plane and what surrounds it.
fn window(plane: &Plane, [x, y]: [usize; 2], [width, height]: [usize; 2], available: [usize; 2]) -> Window {
    let mut window = [UNAVAILABLE; STRIDE * (8 + 2 * MARGIN)];
    // The part that is available, in columns of the window.
    let first = MARGIN.saturating_sub(x);
    let last = (width + 2 * MARGIN).min((available[0] + MARGIN).saturating_sub(x));
    for (row, to) in window.chunks_exact_mut(STRIDE).enumerate().take(height + 2 * MARGIN) {
        let Some(y) = (y + row).checked_sub(MARGIN).filter(|&y| y < available[1]) else { continue };
        let from = plane.row(y).get(x + first - MARGIN..).unwrap_or_default();
        if first == 0 && last == 8 + 2 * MARGIN {
            // A length that the compiler knows.
            if let Some(from) = from.first_chunk::<{ 8 + 2 * MARGIN }>() {
                to.iter_mut().zip(from).for_each(|(to, &sample)| *to = sample as i16);
                continue;
            }
        }
        let to = to.get_mut(first..last).unwrap_or_default();
        to.iter_mut().zip(from).for_each(|(to, &sample)| *to = sample as i16);
    }
    window
}

/// Filters the rows of a block, `W` samples wide.
fn filter<const W: usize>(window: &Window, to: &mut Plane, at: [usize; 2], height: usize, strength: Strength) {
    match (strength.primary != 0, strength.secondary != 0) {
        (true, true) => rows::<W, true, true>(window, to, at, height, strength),
        (true, false) => rows::<W, true, false>(window, to, at, height, strength),
        _ => rows::<W, false, true>(window, to, at, height, strength),
    }
}

/// The weighted sum of 12 sixteenths of one kind of differences stays between a sample and its neighbours: only both together
/// have to be clipped.
#[inline(always)]
fn rows<const W: usize, const PRIMARY: bool, const SECONDARY: bool>(
    window: &Window,
    to: &mut Plane,
    [x, y]: [usize; 2],
    height: usize,
    strength: Strength,
) {
    let first_tap = if (strength.primary >> strength.depth) & 1 == 0 { [4, 2] } else { [3, 3] };
    let primary = Constraint::new(strength.primary, strength.damping);
    let secondary = Constraint::new(strength.secondary, strength.damping);
    let [ahead, left, right] = [0, 6, 2]
        .map(|turn| DIRECTIONS[(strength.direction + turn) & 7].map(|[down, across]| down * STRIDE as isize + across));
    for row in (0..height.min(8)).step_by(LANES / W) {
        let place = (row + MARGIN) * STRIDE + MARGIN;
        let samples = lanes_at::<W>(window, place);
        let mut sum = [0i16; LANES];
        let [mut low, mut high] = [samples; 2];
        for k in 0..2 {
            for sign in [-1, 1] {
                if PRIMARY {
                    let taps = lanes_at::<W>(window, place.wrapping_add_signed(sign * ahead[k]));
                    add(&mut sum, &taps, &samples, primary, first_tap[k]);
                    if SECONDARY {
                        extend(&mut low, &mut high, &taps);
                    }
                }
                if SECONDARY {
                    for side in [left[k], right[k]] {
                        let taps = lanes_at::<W>(window, place.wrapping_add_signed(sign * side));
                        add(&mut sum, &taps, &samples, secondary, 2 - k as i16);
                        if PRIMARY {
                            extend(&mut low, &mut high, &taps);
                        }
                    }
                }
            }
        }
        let mut filtered = [0; LANES];
        for i in 0..LANES {
            // Halves are rounded towards zero.
            let change = sum[i].wrapping_add(sum[i] >> 15).wrapping_add(8) >> 4;
            let value = samples[i].wrapping_add(change);
            filtered[i] = if PRIMARY && SECONDARY { value.max(low[i]).min(high[i]) } else { value } as u16;
        }
        for (half, filtered) in filtered.chunks_exact(W).enumerate() {
            let Some(to) = to.row_mut(y + row + half).get_mut(x..x + W) else { return };
            to.copy_from_slice(filtered);
        }
    }
}

/// The samples of a row of 8, or of two rows of 4, from a place of the window on.
#[inline(always)]
fn lanes_at<const W: usize>(window: &Window, place: usize) -> Lanes {
    let mut lanes = [UNAVAILABLE; LANES];
    for (half, lanes) in lanes.chunks_exact_mut(W).enumerate() {
        if let Some(samples) = window.get(place + half * STRIDE..).and_then(|samples| samples.get(..W)) {
            lanes.copy_from_slice(samples);
        }
    }
    lanes
}

/// What a difference may add: as much as it is while it is small, nothing where it is large.
#[derive(Clone, Copy)]
struct Constraint {
    threshold: i16,
    shift: u32,
}

impl Constraint {
    fn new(threshold: i16, damping: u32) -> Self {
        let log2 = threshold.checked_ilog2().unwrap_or(0);
        Self { threshold, shift: damping.saturating_sub(log2).min(15) }
    }
}

/// Adds the constrained differences of taps, times `weight`.
#[inline(always)]
fn add(sum: &mut Lanes, taps: &Lanes, samples: &Lanes, constraint: Constraint, weight: i16) {
    for i in 0..LANES {
        let difference = taps[i].wrapping_sub(samples[i]);
        let sign = difference >> 15;
        let size = (difference ^ sign).wrapping_sub(sign);
        let most = constraint.threshold.wrapping_sub(size >> constraint.shift).max(0);
        let size = size.min(most);
        sum[i] = sum[i].wrapping_add((size ^ sign).wrapping_sub(sign).wrapping_mul(weight));
    }
}

/// Extends the range of a sample and its neighbours.
#[inline(always)]
fn extend(low: &mut Lanes, high: &mut Lanes, taps: &Lanes) {
    for i in 0..LANES {
        low[i] = low[i].min(taps[i]);
        high[i] = high[i].max(taps[i] & SAMPLE);
    }
}

#[cfg(test)]
mod tests {
    use super::super::direction::tests::stripes;
    use super::*;

    fn parameters(across: usize, down: usize) -> Cdef {
        Cdef {
            damping: 3,
            luma_primary: [4; 8],
            luma_secondary: [2; 8],
            chroma_primary: [5; 8],
            chroma_secondary: [4; 8],
            indices: vec![0; across.div_ceil(64) * down.div_ceil(64)],
            skips: vec![false; across.div_ceil(8) * down.div_ceil(8)],
        }
    }

    /// The specification's process sample by sample.
    fn reference(source: &Frame, parameters: &Cdef) -> Frame {
        let mut filtered = source.clone();
        let luma = &source.planes[0];
        let depth = source.bits - 8;
        let constrain = |difference: i32, threshold: i32, damping: i32| {
            if threshold == 0 {
                return 0;
            }
            let shift = (damping - threshold.ilog2() as i32).max(0);
            difference.signum() * (threshold - (difference.abs() >> shift)).clamp(0, difference.abs())
        };
        for (plane, from) in source.planes.iter().enumerate() {
            let [sx, sy] = source.shifts(plane);
            let end = [luma.width.next_multiple_of(8) >> sx, luma.height.next_multiple_of(8) >> sy];
            for y in 0..end[1] {
                for x in 0..end[0] {
                    let block = [(x << sx) / 8, (y << sy) / 8];
                    if parameters.skips[block[1] * luma.width.div_ceil(8) + block[0]] {
                        continue;
                    }
                    let (found, variance) = direction(luma, block[0] * 8, block[1] * 8, depth);
                    let strengths = if plane == 0 {
                        [parameters.luma_primary[0], parameters.luma_secondary[0]]
                    } else {
                        [parameters.chroma_primary[0], parameters.chroma_secondary[0]]
                    };
                    let [mut primary, secondary] = strengths.map(|strength| i32::from(strength) << depth);
                    let towards = match (primary, sx, sy) {
                        (0, ..) => 0,
                        (_, 1, 0) => HALVED_ACROSS[found],
                        _ => found,
                    };
                    if plane == 0 {
                        let size = if variance >> 6 == 0 { 0 } else { (variance >> 6).ilog2().min(12) as i32 };
                        primary = if variance == 0 { 0 } else { (primary * (4 + size) + 8) >> 4 };
                    }
                    let damping = (parameters.damping + depth - u32::from(plane > 0)) as i32;
                    let own = i32::from(from.get(x, y));
                    let [mut sum, mut low, mut high] = [0, own, own];
                    let odd = (primary >> depth) & 1 == 1;
                    for k in 0..2 {
                        for sign in [-1, 1] {
                            let mut tap = |turn: usize, weight: i32, threshold: i32| {
                                let [down, across] = DIRECTIONS[(towards + turn) & 7][k];
                                let [ty, tx] = [y as isize + sign * down, x as isize + sign * across];
                                if ty < 0 || tx < 0 || ty >= end[1] as isize || tx >= end[0] as isize {
                                    return;
                                }
                                let value = i32::from(from.get(tx as usize, ty as usize));
                                sum += weight * constrain(value - own, threshold, damping);
                                low = low.min(value);
                                high = high.max(value);
                            };
                            tap(0, [[4, 2], [3, 3]][usize::from(odd)][k], primary);
                            tap(6, [2, 1][k], secondary);
                            tap(2, [2, 1][k], secondary);
                        }
                    }
                    let value = (own + ((8 + sum - i32::from(sum < 0)) >> 4)).clamp(low, high);
                    filtered.planes[plane].row_mut(y)[x] = value as u16;
                }
            }
        }
        filtered
    }

    #[test]
    fn frames_equal_the_process_sample_by_sample() {
        let mut state = 11u32;
        for (bits, subsampling) in [(8, [true, true]), (10, [true, false]), (12, [false, false])] {
            for (primary, secondary, rough) in [(4, 2, 40), (5, 0, 20), (0, 4, 60), (15, 4, 255), (1, 1, 6)] {
                let mut frame = Frame::new(45, 27, bits, false, subsampling).unwrap();
                for (plane, samples) in frame.planes.iter_mut().enumerate() {
                    let stride = samples.stride;
                    for (i, sample) in samples.samples.iter_mut().enumerate() {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        let [x, y] = [i % stride, i / stride];
                        let ramp = (x * 3 + y * (plane + 1)) as u32 & 127;
                        *sample = (((ramp + (state >> 24) % rough).min(255)) << (bits - 8)) as u16;
                    }
                }
                let mut parameters = parameters(45, 27);
                parameters.luma_primary[0] = primary;
                parameters.luma_secondary[0] = secondary;
                parameters.chroma_primary[0] = primary;
                parameters.chroma_secondary[0] = secondary;
                parameters.skips[3] = true;
                let mut filtered = frame.clone();
                cdef(&frame, &mut filtered, &parameters);
                let exact = reference(&frame, &parameters);
                for plane in 0..3 {
                    assert!(filtered.planes[plane].samples == exact.planes[plane].samples, "{bits} {primary} {plane}");
                }
                assert!(filtered.planes[0].samples != frame.planes[0].samples);
            }
        }
    }

    #[test]
    fn flat_and_unfiltered_blocks_stay() {
        let mut frame = Frame::new(64, 64, 8, true, [false; 2]).unwrap();
        frame.planes[0].samples.fill(99);
        let mut filtered = frame.clone();
        cdef(&frame, &mut filtered, &parameters(64, 64));
        assert_eq!(frame.planes[0].samples, filtered.planes[0].samples);
        frame.planes[0] = stripes(3);
        let mut filtered = frame.clone();
        let unfiltered = Cdef { indices: vec![-1], ..parameters(64, 64) };
        cdef(&frame, &mut filtered, &unfiltered);
        assert_eq!(frame.planes[0].samples, filtered.planes[0].samples);
        // Parameters that are too short leave blocks alone.
        cdef(&frame, &mut filtered, &Cdef { indices: vec![], skips: vec![], ..unfiltered });
        assert_eq!(frame.planes[0].samples, filtered.planes[0].samples);
    }
}
