//! Film grain (section 7.18.3): noise, made from parameters of the frame and added to what is shown.

use super::plane::Frame;

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

/// Adds grain to a frame. `identity` tells that `matrix_coefficients` is `MC_IDENTITY`.
pub fn apply(frame: &mut Frame, parameters: &GrainParameters, identity: bool) {
    todo!("{frame:?} {parameters:?} {identity}")
}
