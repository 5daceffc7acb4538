//! Rows of 8-bit integers with a scale each ([`Layout::ScaledRows`](super::Layout::ScaledRows)): stores, widens and
//! checks them.
//!
//! A stored row is its scale, the four bytes of a binary32, and then an integer for each element, so that a lookup reads
//! one place of the file. Knows neither files nor models. `weights/README.md` specifies the numbers.

use super::int8::{is_scale, nearest, scale_of};

/// Bytes of a row before its integers: the scale.
const HEAD: usize = 4;

/// Bytes of a stored row of `width` elements; `None` if they do not fit a `usize`.
pub fn stored_width(width: usize) -> Option<usize> {
    width.checked_add(HEAD)
}

/// Stores `values` as `row` of [`stored_width`] elements. Returns the length of the difference that this makes, relative
/// to the length of the row; 0 for a row of zeros. `None` if a value is not finite in binary32.
///
/// # Panics
/// If `row` has another length.
pub fn store(values: &[f64], row: &mut [i8]) -> Option<f64> {
    assert_eq!(row.len(), values.len() + HEAD, "a row of {} elements", values.len());
    if !values.iter().all(|&value| (value as f32).is_finite()) {
        return None;
    }
    let largest = values.iter().fold(0f64, |largest, value| largest.max(value.abs()));
    let scale = scale_of(largest);
    let (head, numbers) = row.split_at_mut(HEAD);
    head.copy_from_slice(&scale.to_le_bytes().map(|byte| byte as i8));
    let (mut error, mut length) = (0f64, 0f64);
    for (number, &value) in numbers.iter_mut().zip(values) {
        *number = nearest(value, scale);
        error += (value - f64::from(f32::from(*number) * scale)).powi(2);
        length += value * value;
    }
    Some(if error == 0.0 { 0.0 } else { (error / length).sqrt() })
}

/// Splits a stored row into its scale and its integers.
fn split(row: &[i8]) -> (f32, &[i8]) {
    match row.split_first_chunk::<HEAD>() {
        Some((head, numbers)) => (f32::from_le_bytes(head.map(|byte| byte as u8)), numbers),
        None => (f32::NAN, &[]),
    }
}

/// Writes the elements of a stored row to `out`. A row with an impossible scale, which only a damaged file has, becomes
/// NaN, so that nothing that is computed of it passes for an embedding.
///
/// # Panics
/// If `out` has another length than the row has integers.
pub(super) fn widen(row: &[i8], out: &mut [f32]) {
    let (scale, numbers) = split(row);
    assert_eq!(out.len(), numbers.len());
    let scale = if are_valid(row, out.len()) { scale } else { f32::NAN };
    for (value, &number) in out.iter_mut().zip(numbers) {
        *value = f32::from(number) * scale;
    }
}

/// Whether every row of `width` elements in `rows` could have been stored: a possible scale, no integer below -127, and
/// none but zeros after a scale of zero.
pub(super) fn are_valid(rows: &[i8], width: usize) -> bool {
    let Some(stored) = stored_width(width) else { return false };
    rows.chunks(stored).all(|row| {
        let (scale, numbers) = split(row);
        let smallest = if scale == 0.0 { 0 } else { -127 };
        let largest = if scale == 0.0 { 0 } else { 127 };
        is_scale(scale) && numbers.iter().all(|number| (smallest..=largest).contains(number))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stores and widens a row.
    fn round_trip(values: &[f64]) -> (f32, Vec<i8>, Vec<f32>, f64) {
        let mut row = vec![1; values.len() + HEAD];
        let error = store(values, &mut row).unwrap();
        assert!(are_valid(&row, values.len()), "{values:?}");
        let mut out = vec![1.0; values.len()];
        widen(&row, &mut out);
        let (scale, numbers) = split(&row);
        (scale, numbers.to_vec(), out, error)
    }

    #[test]
    fn elements_are_the_nearest_multiples_of_a_127th() {
        let (scale, numbers, out, error) = round_trip(&[127.0, -127.0, 0.5, 1.5, 2.5, -0.5, 63.4, 0.0]);
        assert_eq!(scale, 1.0);
        // Ties go to the even one.
        assert_eq!(numbers, [127, -127, 0, 2, 2, 0, 63, 0]);
        assert_eq!(out, [127.0, -127.0, 0.0, 2.0, 2.0, 0.0, 63.0, 0.0]);
        let expected = ((4.0 * 0.25 + 0.16) / (2.0 * 127f64.powi(2) + 9.0 + 63.4f64.powi(2))).sqrt();
        assert!((error - expected).abs() < 1e-12, "{error} {expected}");
    }

    #[test]
    fn every_element_is_off_by_half_a_scale_at_most() {
        let values: Vec<f64> = (0..999).map(|i| (f64::from(i) * 0.7).sin() * 0.031 + 1e-9 * f64::from(i)).collect();
        let (scale, numbers, out, error) = round_trip(&values);
        for ((value, out), number) in values.iter().zip(&out).zip(&numbers) {
            // A product of 24 and 7 bits is rounded once.
            assert!((value - f64::from(*out)).abs() <= f64::from(scale) * (0.5 + 1e-5), "{value} {number}");
        }
        assert!(numbers.contains(&127) || numbers.contains(&-127));
        assert!(error > 1e-4 && error < 0.01, "{error}");
    }

    #[test]
    fn extreme_rows() {
        assert_eq!(round_trip(&[0.0, -0.0, 0.0]), (0.0, vec![0, 0, 0], vec![0.0; 3], 0.0));
        // The largest number: 127 scales are finite.
        let largest = f64::from(f32::MAX);
        let (scale, numbers, out, error) = round_trip(&[largest, -largest, 1.0]);
        assert!((f64::from(scale) * 127.0 / largest - 1.0).abs() < 1e-6 && out.iter().all(|value| value.is_finite()));
        assert_eq!((numbers, error < 1e-6), (vec![127, -127, 0], true));
        // Subnormal numbers, down to the smallest, which are multiples of it.
        let smallest = f64::from(f32::from_bits(1));
        for times in [1.0, 2.0, 126.0, 127.0] {
            let (scale, numbers, out, error) = round_trip(&[times * smallest, -smallest, 0.0]);
            assert_eq!((scale.to_bits(), numbers, error), (1, vec![times as i8, -1, 0], 0.0));
            assert_eq!(
                out.iter().map(|&value| f64::from(value)).collect::<Vec<_>>(),
                [times * smallest, -smallest, 0.0]
            );
        }
        for times in [128.0, 178.0, 190.0, 191.0, 254.0, 255.0, 1000.0] {
            let (scale, numbers, ..) = round_trip(&[times * smallest, -times * smallest]);
            let steps = times / f64::from(scale.to_bits());
            assert!((steps - f64::from(numbers[0])).abs() <= 0.5, "{times} {numbers:?}");
        }
        // What binary32 cannot hold is no row; too small a row is one of zeros.
        for value in [f64::NAN, f64::INFINITY, largest * 2.0] {
            assert_eq!(store(&[1.0, value], &mut [0; 6]), None);
        }
        assert!(round_trip(&[]).1.is_empty());
        assert_eq!(round_trip(&[1e-60, 0.0]).2, [0.0, 0.0]);
        // One large number and many small ones.
        let (_, numbers, _, error) = round_trip(&[1e10, 1.0, -1.0]);
        assert_eq!(numbers, [127, 0, 0]);
        assert!(error < 1e-6);
    }

    #[test]
    fn impossible_rows_are_found_and_give_no_number() {
        let row = |scale: f32, numbers: [i8; 2]| {
            let mut row = scale.to_le_bytes().map(|byte| byte as i8).to_vec();
            row.extend(numbers);
            row
        };
        assert!(are_valid(&row(0.25, [127, -127]), 2) && are_valid(&row(0.0, [0, 0]), 2));
        assert!(!are_valid(&row(0.25, [0, -128]), 2) && !are_valid(&row(0.0, [1, 0]), 2));
        for scale in [f32::NAN, -f32::NAN, f32::INFINITY, -f32::INFINITY, -1.0, -0.0, f32::MAX, f32::MAX / 126.0] {
            let row = row(scale, [1, 0]);
            assert!(!are_valid(&row, 2), "{scale}");
            let mut out = [0.0; 2];
            widen(&row, &mut out);
            assert!(out.iter().all(|value| value.is_nan()), "{scale}");
        }
        // Fewer bytes than a scale.
        assert!(!are_valid(&[0; 3], 2) && !are_valid(&[0], usize::MAX));
    }
}
