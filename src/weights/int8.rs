//! Numbers as 8-bit integers times a scale: the arithmetic that scaled rows and quads share.
//!
//! Knows neither files nor layouts. `weights/README.md` specifies it.

/// The largest integer; its negative is the smallest, so that numbers and their negatives are stored alike.
pub(super) const LARGEST: f64 = 127.0;

/// The scale of numbers whose largest magnitude is `largest`: a 127th of it in binary32. Its neighbour where rounding would
/// make `largest` more than 127 scales, which happens to subnormal scales alone, or 127 scales infinite.
pub(super) fn scale_of(largest: f64) -> f32 {
    let scale = (largest / LARGEST) as f32;
    if largest > 0.0 && (largest / f64::from(scale)).round_ties_even() > LARGEST {
        return scale.next_up();
    }
    if is_scale(scale) { scale } else { scale.next_down() }
}

/// Whether a scale is possible: not negative, not even as a zero, and 127 of it are finite.
pub(super) fn is_scale(scale: f32) -> bool {
    scale.is_sign_positive() && (scale * LARGEST as f32).is_finite()
}

/// The integer whose multiple of `scale` is nearest to `value`, ties to even.
pub(super) fn nearest(value: f64, scale: f32) -> i8 {
    match scale {
        0.0 => 0,
        _ => (value / f64::from(scale)).round_ties_even().clamp(-LARGEST, LARGEST) as i8,
    }
}
