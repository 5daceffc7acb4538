//! Film grain (section 7.18.3): noise, made from parameters of the frame and added to what is shown.

mod gaussian;
mod noise;
mod scaling;

use super::plane::{Frame, Plane};
use noise::{Stripe, Templates};
use scaling::Scaling;

/// `film_grain_params`, by the names of the specification (section 6.8.20). The caller fills it if `apply_grain` is set.
#[derive(Clone, Debug, Default)]
pub struct GrainParameters {
    pub grain_seed: u16,
    /// Pairs of `point_y_value` and `point_y_scaling`, values increasing; `num_y_points`, at most 14.
    pub points_y: Vec<[u8; 2]>,
    pub chroma_scaling_from_luma: bool,
    /// Of `point_cb_value` and `point_cb_scaling`, at most 10.
    pub points_cb: Vec<[u8; 2]>,
    pub points_cr: Vec<[u8; 2]>,
    /// `grain_scaling_minus_8`, 0 to 3.
    pub grain_scaling_minus_8: u8,
    /// 0 to 3.
    pub ar_coeff_lag: u8,
    /// The coefficients as they are coded; those that are not coded may be anything.
    pub ar_coeffs_y_plus_128: [u8; 24],
    pub ar_coeffs_cb_plus_128: [u8; 25],
    pub ar_coeffs_cr_plus_128: [u8; 25],
    /// 0 to 3.
    pub ar_coeff_shift_minus_6: u8,
    /// 0 to 3.
    pub grain_scale_shift: u8,
    pub cb_mult: u8,
    pub cb_luma_mult: u8,
    /// 9 bits.
    pub cb_offset: u16,
    pub cr_mult: u8,
    pub cr_luma_mult: u8,
    pub cr_offset: u16,
    pub overlap_flag: bool,
    pub clip_to_restricted_range: bool,
}

/// Rows of luma that a stripe of noise covers; two more overlap with the next.
const STRIPE: usize = 32;

/// How a plane takes its noise.
struct Target {
    scaling: Scaling,
    /// Shift of the product of noise and scale.
    shift: u32,
    low: i32,
    high: i32,
    bits: u32,
}

impl Target {
    #[inline(always)]
    fn noisy(&self, sample: u16, level: i32, noise: i16) -> u16 {
        let noise = (self.scaling.at(level, self.bits) * i32::from(noise) + (1 << (self.shift - 1))) >> self.shift;
        (i32::from(sample) + noise).clamp(self.low, self.high) as u16
    }
}

/// Adds grain to a frame. `identity` tells that `matrix_coefficients` is `MC_IDENTITY`.
pub fn apply(frame: &mut Frame, parameters: &GrainParameters, identity: bool) {
    let bits = frame.bits.clamp(8, 12);
    let depth = bits - 8;
    let Some((luma, chroma)) = frame.planes.split_first_mut() else { return };
    let [across, down] = frame.subsampling.map(u32::from);
    let templates = Templates::new(parameters, bits, frame.subsampling, chroma.is_empty());
    let [low, high_luma, high_chroma] = match (parameters.clip_to_restricted_range, identity) {
        (true, true) => [16, 235, 235].map(|level| level << depth),
        (true, false) => [16, 235, 240].map(|level| level << depth),
        (false, _) => [0, (256 << depth) - 1, (256 << depth) - 1],
    };
    let shift = u32::from(parameters.grain_scaling_minus_8.min(3)) + 8;
    let target = |points: &[[u8; 2]], high| {
        (!points.is_empty()).then(|| Target { scaling: Scaling::new(points), shift, low, high, bits })
    };
    let by_luma = parameters.chroma_scaling_from_luma;
    let points = |own| if by_luma { &parameters.points_y } else { own };
    // Without points, scaling from luma scales by zero, which still clips.
    let zero = [[0, 0]];
    let chroma_target = |own| {
        let points: &[[u8; 2]] = points(own);
        target(if by_luma && points.is_empty() { &zero } else { points }, high_chroma)
    };
    let luma_target = target(&parameters.points_y, high_luma);
    let chroma_targets = [chroma_target(&parameters.points_cb), chroma_target(&parameters.points_cr)];
    let mixes = [
        [parameters.cb_luma_mult.into(), parameters.cb_mult.into(), i32::from(parameters.cb_offset)],
        [parameters.cr_luma_mult.into(), parameters.cr_mult.into(), i32::from(parameters.cr_offset)],
    ];

    let mut previous: Option<Stripe> = None;
    for (number, top) in (0..luma.height).step_by(STRIPE).enumerate() {
        let stripe = Stripe::new(&templates, parameters, number, luma.width);
        let bottom = (top + STRIPE).min(luma.height);
        for (index, (plane, target)) in chroma.iter_mut().zip(&chroma_targets).enumerate() {
            let Some(target) = target else { continue };
            let [luma_mult, mult, offset] = mixes[index];
            // `averageLuma` and the sample of chroma give the level by which noise is scaled.
            let level = |luma: i32, sample: u16| {
                if by_luma {
                    return luma;
                }
                let combined = luma * (luma_mult - 128) + i32::from(sample) * (mult - 128);
                ((combined >> 6) + ((offset - 256) << depth)).clamp(0, (1 << bits) - 1)
            };
            let mut noise = vec![0; plane.width];
            for (y, row) in (top >> down..(bottom + down as usize) >> down).enumerate() {
                stripe.row(index + 1, y, previous.as_ref(), &mut noise);
                let source = luma.row((top >> down << down) + (y << down)).get(..luma.width).unwrap_or_default();
                add_to_chroma(plane, row, source, across, &noise, target, level);
            }
        }
        if let Some(target) = &luma_target {
            let mut noise = vec![0; luma.width];
            for (y, row) in (top..bottom).enumerate() {
                stripe.row(0, y, previous.as_ref(), &mut noise);
                for (sample, &noise) in luma.row_mut(row).iter_mut().zip(&noise) {
                    *sample = target.noisy(*sample, i32::from(*sample), noise);
                }
            }
        }
        previous = Some(stripe);
    }
}

/// Adds noise to a row of chroma; `luma` is the row above it.
fn add_to_chroma(
    plane: &mut Plane,
    row: usize,
    luma: &[u16],
    across: u32,
    noise: &[i16],
    target: &Target,
    level: impl Fn(i32, u16) -> i32,
) {
    let samples = plane.row_mut(row).iter_mut().zip(noise);
    if across == 0 {
        for ((sample, &noise), &luma) in samples.zip(luma) {
            *sample = target.noisy(*sample, level(i32::from(luma), *sample), noise);
        }
    } else {
        for ((sample, &noise), pair) in samples.zip(luma.chunks(2)) {
            let sum: i32 = pair.iter().map(|&luma| i32::from(luma)).sum();
            // The last column of an odd width stands for itself and the next.
            let average = if pair.len() == 2 { (sum + 1) >> 1 } else { sum };
            *sample = target.noisy(*sample, level(average, *sample), noise);
        }
    }
}

#[cfg(test)]
mod tests;
