//! Compares embeddings with the goldens in `tests/goldens/models`.

#![allow(dead_code)]

use clippie_rs::Clip;
use clippie_testkit::checkpoint::{Model, golden};
use clippie_testkit::goldens;
use ndarray::{Array2, Array4, ArrayD};

/// Largest difference of any component of a unit embedding. PyTorch in f32 with the same weights deviates by up to
/// 3e-7; this leaves a margin for other orders of summation.
pub const COMPONENT: f64 = 2e-6;
/// Largest `1 − cosine`, computed in f64.
pub const COSINE: f64 = 1e-9;

/// The images of a model's goldens, `[images, 3, side, side]`.
pub fn pixels(model: &Model) -> Array4<f32> {
    let side = model.image_size();
    let all: Vec<f32> = (0..golden::IMAGES).flat_map(|i| golden::pixels_of(model, i)).collect();
    Array4::from_shape_vec((golden::IMAGES, 3, side, side), all).unwrap()
}

/// [`COMPONENT`] and [`COSINE`] of half precision: each weight is off by up to a 2048th of itself.
pub const HALVES: (f64, f64) = (3e-4, 1e-6);

/// [`HALVES`] of small models, whose embeddings have fewer and so larger components, and whose sums fewer terms.
pub fn halves_of(components: usize) -> (f64, f64) {
    (HALVES.0 * (512.0 / components as f64).sqrt(), 2.0 * HALVES.1)
}

pub fn assert_close(what: &str, got: &Array2<f32>, expected: &ArrayD<f64>) {
    assert_within(what, got, expected, (COMPONENT, COSINE));
}

pub fn assert_within(what: &str, got: &Array2<f32>, expected: &ArrayD<f64>, (component, cosine): (f64, f64)) {
    assert_eq!(got.shape(), expected.shape(), "{what}");
    for (row, exact) in got.outer_iter().zip(expected.outer_iter()) {
        let exact: Vec<f64> = exact.iter().copied().collect();
        let row: Vec<f64> = row.iter().map(|&v| v.into()).collect();
        let off = row.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let is = dot(&row, &exact) / (dot(&row, &row) * dot(&exact, &exact)).sqrt();
        println!("{what}: largest difference {off:.1e}, 1 - cosine {:.1e}", 1.0 - is);
        assert!(off <= component, "{what}: a component is {off:e} off");
        assert!(1.0 - is <= cosine, "{what}: 1 - cosine is {:e}", 1.0 - is);
    }
}

/// Compares both towers of `model` with the goldens called `golden`.
pub fn check(what: &str, clip: &Clip, model: &Model, golden: &str) {
    check_within(what, clip, model, golden, (COMPONENT, COSINE));
}

/// As [`check`], with bounds for components and `1 − cosine`.
pub fn check_within(what: &str, clip: &Clip, model: &Model, golden: &str, bounds: (f64, f64)) {
    let images = clip.image().encode_pixels(pixels(model).view()).unwrap();
    assert_within(&format!("{what} image"), &images, &goldens::read(&format!("{golden}-image")), bounds);
    let ids = golden::all_ids(model);
    let texts = clip.text().encode_ids(&ids).unwrap();
    assert_within(&format!("{what} text"), &texts, &goldens::read(&format!("{golden}-text")), bounds);
}
