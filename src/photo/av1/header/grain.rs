//! Parameters of film grain (section 5.9.30).

use super::super::super::decode_error::DecodeError;
use super::super::bits::Bits;
use super::super::grain::GrainParameters;
use super::sequence::ColourConfig;

/// `film_grain_params` of a key frame after `apply_grain`.
pub fn read(bits: &mut Bits<'_>, colours: &ColourConfig) -> Result<GrainParameters, DecodeError> {
    let mut grain = GrainParameters { grain_seed: bits.read(16)? as u16, ..GrainParameters::default() };
    grain.points_y = points(bits, 14)?;
    grain.chroma_scaling_from_luma = !colours.mono_chrome && bits.flag()?;
    let without_points = colours.mono_chrome
        || grain.chroma_scaling_from_luma
        || colours.subsampling == [true, true] && grain.points_y.is_empty();
    if !without_points {
        grain.points_cb = points(bits, 10)?;
        grain.points_cr = points(bits, 10)?;
    }
    grain.grain_scaling_minus_8 = bits.byte(2)?;
    grain.ar_coeff_lag = bits.byte(2)?;
    let lag = usize::from(grain.ar_coeff_lag);
    let luma = 2 * lag * (lag + 1);
    let chroma = luma + usize::from(!grain.points_y.is_empty());
    if !grain.points_y.is_empty() {
        coefficients(bits, &mut grain.ar_coeffs_y_plus_128[..luma])?;
    }
    if grain.chroma_scaling_from_luma || !grain.points_cb.is_empty() {
        coefficients(bits, &mut grain.ar_coeffs_cb_plus_128[..chroma])?;
    }
    if grain.chroma_scaling_from_luma || !grain.points_cr.is_empty() {
        coefficients(bits, &mut grain.ar_coeffs_cr_plus_128[..chroma])?;
    }
    grain.ar_coeff_shift_minus_6 = bits.byte(2)?;
    grain.grain_scale_shift = bits.byte(2)?;
    if !grain.points_cb.is_empty() {
        (grain.cb_mult, grain.cb_luma_mult, grain.cb_offset) = (bits.byte(8)?, bits.byte(8)?, bits.read(9)? as u16);
    }
    if !grain.points_cr.is_empty() {
        (grain.cr_mult, grain.cr_luma_mult, grain.cr_offset) = (bits.byte(8)?, bits.byte(8)?, bits.read(9)? as u16);
    }
    grain.overlap_flag = bits.flag()?;
    grain.clip_to_restricted_range = bits.flag()?;
    Ok(grain)
}

/// Reads the points of a piecewise linear function.
fn points(bits: &mut Bits<'_>, most: u32) -> Result<Vec<[u8; 2]>, DecodeError> {
    let count = bits.read(4)?;
    if count > most {
        return Err(DecodeError::damaged("its film grain has too many points"));
    }
    let points: Vec<[u8; 2]> =
        (0..count).map(|_| Ok([bits.byte(8)?, bits.byte(8)?])).collect::<Result<_, DecodeError>>()?;
    if points.windows(2).any(|pair| pair[0][0] >= pair[1][0]) {
        return Err(DecodeError::damaged("its film grain has points out of order"));
    }
    Ok(points)
}

fn coefficients(bits: &mut Bits<'_>, coefficients: &mut [u8]) -> Result<(), DecodeError> {
    for coefficient in coefficients {
        *coefficient = bits.byte(8)?;
    }
    Ok(())
}
