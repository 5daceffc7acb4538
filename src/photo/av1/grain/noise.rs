//! The noise itself: templates of filtered white noise (section 7.18.3.3), and stripes put together from random parts of them (7.18.3.5).

use super::GrainParameters;
use super::gaussian::GAUSSIAN;

/// The random register (section 7.18.3.2).
pub struct Random(pub u16);

impl Random {
    /// The next `bits` bits, at most 16.
    pub fn next(&mut self, bits: u32) -> usize {
        let r = self.0;
        let bit = (r ^ (r >> 1) ^ (r >> 3) ^ (r >> 12)) & 1;
        self.0 = (r >> 1) | (bit << 15);
        usize::from(self.0 >> (16 - bits))
    }
}

/// Sides of the luma template.
const WIDTH: usize = 82;
const HEIGHT: usize = 73;

/// Sides of the part of a template that goes to a place of luma, two of which overlap with the next.
const PART: usize = 34;

/// Limits of noise (`GrainMin`, `GrainMax`).
#[derive(Clone, Copy)]
struct Range {
    low: i32,
    high: i32,
}

impl Range {
    fn clamp(self, value: i32) -> i32 {
        value.clamp(self.low, self.high)
    }
}

/// Noise of one plane.
struct Template {
    samples: Vec<i16>,
    width: usize,
    height: usize,
    /// Shifts against luma.
    shifts: [u32; 2],
}

/// Noise of all planes.
pub struct Templates {
    planes: Vec<Template>,
    range: Range,
}

fn round(value: i32, bits: u32) -> i32 {
    if bits == 0 { value } else { (value + (1 << (bits - 1))) >> bits }
}

impl Template {
    /// White noise.
    fn white(shifts: [u32; 2], seed: u16, bits: u32, scale: u8) -> Self {
        let width = if shifts[0] == 0 { WIDTH } else { 44 };
        let height = if shifts[1] == 0 { HEIGHT } else { 38 };
        let mut random = Random(seed);
        let shift = 12 - bits + u32::from(scale.min(3));
        let next = || round(i32::from(GAUSSIAN[random.next(11)]), shift) as i16;
        Self { samples: std::iter::repeat_with(next).take(width * height).collect(), width, height, shifts }
    }

    fn at(&self, x: usize, y: usize) -> i32 {
        self.samples.get(y * self.width + x).copied().map_or(0, i32::from)
    }

    /// Makes each sample depend on those before it, and on luma with the last coefficient.
    fn filter(&mut self, coefficients: &[u8], luma: Option<&Template>, parameters: &GrainParameters, range: Range) {
        let lag = usize::from(parameters.ar_coeff_lag.min(3));
        let shift = u32::from(parameters.ar_coeff_shift_minus_6.min(3)) + 6;
        // Where the samples before one are, by the distance in memory.
        let before = (0..=lag).flat_map(|up| (0..=2 * lag).map(move |x| (lag - up, x)));
        let back = before.map(|(up, x)| up * self.width + lag - x);
        let places = 2 * lag * (lag + 1);
        let taps: Vec<(usize, i32)> =
            back.zip(coefficients).take(places).map(|(back, &coded)| (back, i32::from(coded) - 128)).collect();
        let of_luma = coefficients.get(places).map_or(0, |&coded| i32::from(coded) - 128);
        for y in 3..self.height {
            for x in 3..self.width - 3 {
                let here = y * self.width + x;
                let mut sum: i32 = taps.iter().map(|&(back, tap)| i32::from(self.samples[here - back]) * tap).sum();
                if let Some(luma) = luma {
                    sum += of_luma * self.average(luma, x, y);
                }
                let value = i32::from(self.samples[here]) + round(sum, shift);
                self.samples[here] = range.clamp(value) as i16;
            }
        }
    }

    /// The average noise of luma at a sample of chroma.
    fn average(&self, luma: &Template, x: usize, y: usize) -> i32 {
        let [across, down] = self.shifts;
        let [x, y] = [((x - 3) << across) + 3, ((y - 3) << down) + 3];
        let sum: i32 = (y..=y + down as usize)
            .flat_map(|y| (x..=x + across as usize).map(move |x| (x, y)))
            .map(|(x, y)| luma.at(x, y))
            .sum();
        round(sum, across + down)
    }
}

impl Templates {
    pub fn new(parameters: &GrainParameters, bits: u32, subsampling: [bool; 2], grey: bool) -> Self {
        let centre = 128 << (bits - 8);
        let range = Range { low: -centre, high: centre - 1 };
        let seed = parameters.grain_seed;
        let white = |shifts, seed| Template::white(shifts, seed, bits, parameters.grain_scale_shift);
        let mut luma = white([0, 0], seed);
        let has_luma = !parameters.points_y.is_empty();
        if has_luma {
            luma.filter(&parameters.ar_coeffs_y_plus_128, None, parameters, range);
        }
        let mut planes = vec![luma];
        if !grey {
            let shifts = subsampling.map(u32::from);
            let coefficients = [&parameters.ar_coeffs_cb_plus_128, &parameters.ar_coeffs_cr_plus_128];
            for (coefficients, mask) in coefficients.into_iter().zip([0xb524, 0x49d8]) {
                let mut chroma = white(shifts, seed ^ mask);
                chroma.filter(coefficients, planes.first().filter(|_| has_luma), parameters, range);
                planes.push(chroma);
            }
        }
        Self { planes, range }
    }
}

/// Noise for 32 rows of luma and two more, and for the chroma of these rows.
pub struct Stripe {
    /// Rows of `widths` values.
    planes: Vec<Vec<i16>>,
    widths: Vec<usize>,
    shifts: Vec<[u32; 2]>,
    overlap: bool,
    range: Range,
}

impl Stripe {
    /// Puts stripe `number` of a frame `width` wide together.
    pub fn new(templates: &Templates, parameters: &GrainParameters, number: usize, width: usize) -> Self {
        let mixed = |factor: usize, offset: usize| (number.wrapping_mul(factor).wrapping_add(offset) & 255) as u16;
        let mut random = Random(parameters.grain_seed ^ (mixed(37, 178) << 8) ^ mixed(173, 105));
        let range = templates.range;
        let overlap = parameters.overlap_flag;
        let shifts: Vec<[u32; 2]> = templates.planes.iter().map(|template| template.shifts).collect();
        // Whole parts, and what the last one has to overlap.
        let widths: Vec<usize> =
            shifts.iter().map(|shifts| (width.next_multiple_of(32) >> shifts[0]) + (PART >> shifts[0])).collect();
        let rows = shifts.iter().map(|shifts| PART >> shifts[1]);
        let mut planes: Vec<Vec<i16>> = widths.iter().zip(rows).map(|(width, rows)| vec![0; width * rows]).collect();
        for x in (0..width.div_ceil(2)).step_by(16) {
            let place = random.next(8);
            for (template, (plane, &stride)) in templates.planes.iter().zip(planes.iter_mut().zip(&widths)) {
                let [across, down] = template.shifts;
                let from = [(place >> 4, across), (place & 15, down)]
                    .map(|(offset, shift)| if shift == 1 { 6 + offset } else { 9 + 2 * offset });
                let to = (2 * x) >> across;
                let blended = if overlap && x > 0 { weights(across) } else { &[] };
                for (row, plane) in plane.chunks_exact_mut(stride).enumerate() {
                    let start = (from[1] + row) * template.width + from[0];
                    let Some(part) = template.samples.get(start..start + (PART >> across)) else { continue };
                    let Some(plane) = plane.get_mut(to..to + part.len()) else { continue };
                    let (over, rest) = plane.split_at_mut(blended.len());
                    let (part_over, part_rest) = part.split_at(blended.len());
                    rest.copy_from_slice(part_rest);
                    for ((old, &new), weights) in over.iter_mut().zip(part_over).zip(blended) {
                        *old = blend(*old, new, *weights, range);
                    }
                }
            }
        }
        Self { planes, widths, shifts, overlap, range }
    }

    /// The noise of row `y` of plane `plane`: where it overlaps with the stripe above, mixed with this.
    pub fn row(&self, plane: usize, y: usize, above: Option<&Stripe>, to: &mut [i16]) {
        let (Some(noise), Some(&width), Some(shifts)) =
            (self.planes.get(plane), self.widths.get(plane), self.shifts.get(plane))
        else {
            return;
        };
        let row = |noise: &[i16], y: usize| noise.get(y * width..(y + 1) * width).unwrap_or_default().to_vec();
        for (to, noise) in to.iter_mut().zip(row(noise, y)) {
            *to = noise;
        }
        let Some(&weights) = weights(shifts[1]).get(y).filter(|_| self.overlap) else { return };
        if let Some(above) = above.and_then(|above| above.planes.get(plane)) {
            for (to, old) in to.iter_mut().zip(row(above, y + (32 >> shifts[1]))) {
                *to = blend(old, *to, weights, self.range);
            }
        }
    }
}

/// Weights of the old and of the new noise, of 32, where parts overlap: two samples, or one of halved chroma.
fn weights(shift: u32) -> &'static [[i32; 2]] {
    if shift == 0 { &[[27, 17], [17, 27]] } else { &[[23, 22]] }
}

fn blend(old: i16, new: i16, [of_old, of_new]: [i32; 2], range: Range) -> i16 {
    range.clamp(round(i32::from(old) * of_old + i32::from(new) * of_new, 5)) as i16
}
