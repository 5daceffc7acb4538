//! Compares resize, crop and normalisation with open_clip's own transform, bit for bit.
//!
//! The photos are generated from a hash of the coordinates, here and in tools/preprocess_goldens.py.

use clippie_rs::pixels::{RgbBuffer, RgbView};
use clippie_rs::preprocess::{Error, Interpolation, PreprocessConfig, ResizeMode, pixels, pixels_into};
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Goldens {
    cases: Vec<Case>,
    full: Vec<Full>,
}

/// Stored as an array of these values in this order.
#[derive(Deserialize)]
struct Case {
    width: usize,
    height: usize,
    size: usize,
    resize: ResizeMode,
    interpolation: Interpolation,
    stats: String,
    pattern: String,
    seed: u32,
    #[serde(default)]
    sha256: String,
}

#[derive(Deserialize)]
struct Full {
    case: Case,
    bits: Vec<u32>,
}

impl Case {
    fn pixels(&self) -> Vec<f32> {
        let photo = photo(self.width, self.height, &self.pattern, self.seed);
        pixels(&photo, &config(self.size, self.resize, self.interpolation, &self.stats)).unwrap()
    }
}

fn mix(x: u32, y: u32, c: u32, seed: u32) -> u32 {
    let mut v = x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77) ^ c.wrapping_mul(0xC2B2_AE3D);
    v ^= seed.wrapping_mul(0x27D4_EB2F);
    v = (v ^ v >> 15).wrapping_mul(0x2C1B_3C6D);
    v = (v ^ v >> 12).wrapping_mul(0x297A_2D39);
    v ^ v >> 15
}

fn smooth(x: u32, y: u32, c: u32, seed: u32) -> u32 {
    let t = (x * (c + 3) + y * (5 - c) + seed) % 510;
    t.min(510 - t)
}

/// Generates the photo of a golden.
fn photo(width: usize, height: usize, pattern: &str, seed: u32) -> RgbBuffer {
    let mut data = Vec::with_capacity(width * height * 3);
    for y in 0..height as u32 {
        for x in 0..width as u32 {
            for c in 0..3 {
                data.push(match pattern {
                    "noise" => mix(x, y, c, seed) >> 24,
                    "extremes" => (mix(x, y, c, seed) >> 31) * 255,
                    "edges" => (mix(x / 7, y / 5, c, seed) >> 31) * 255,
                    "smooth" => smooth(x, y, c, seed),
                    "photo" => smooth(x, y, c, seed) - smooth(x, y, c, seed) / 8 + (mix(x, y, c, seed) >> 27),
                    _ => panic!("no pattern {pattern}"),
                } as u8);
            }
        }
    }
    RgbBuffer::new(width, height, data).unwrap()
}

fn config(size: usize, resize: ResizeMode, interpolation: Interpolation, stats: &str) -> PreprocessConfig {
    let config = match stats {
        "openai" => PreprocessConfig::openai(size),
        "none" => PreprocessConfig::new(size),
        "half" => PreprocessConfig::new(size).with_mean([0.5; 3]).with_std([0.5; 3]),
        _ => panic!("no statistics {stats}"),
    };
    config.with_resize(resize).with_interpolation(interpolation)
}

fn goldens() -> Goldens {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/preprocess/pixels.json");
    let path = std::env::var("CLIPPIE_PREPROCESS_GOLDENS").unwrap_or_else(|_| kept.to_owned());
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn pixels_equal_open_clips_to_the_bit() {
    let goldens = goldens();
    assert!(goldens.cases.len() > 400);
    let mut failures = Vec::new();
    for case in &goldens.cases {
        let values = case.pixels();
        assert_eq!(values.len(), 3 * case.size * case.size);
        let mut digest = Sha256::new();
        for value in &values {
            digest.update(value.to_le_bytes());
        }
        let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if digest != case.sha256 {
            failures.push(format!(
                "{} x {} -> {} {:?} {:?} {} {} {}",
                case.width,
                case.height,
                case.size,
                case.resize,
                case.interpolation,
                case.stats,
                case.pattern,
                case.seed
            ));
        }
    }
    assert!(failures.is_empty(), "{} of {} differ:\n{}", failures.len(), goldens.cases.len(), failures.join("\n"));
}

#[test]
fn small_cases_equal_open_clips_value_by_value() {
    let goldens = goldens();
    assert_eq!(goldens.full.len(), 3);
    for Full { case, bits } in goldens.full {
        let expected: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        assert_eq!(case.pixels(), expected, "{} x {}", case.width, case.height);
    }
}

#[test]
fn a_slice_gets_the_same_pixels() {
    let photo = photo(50, 40, "noise", 7);
    let config = PreprocessConfig::openai(32);
    let view = RgbView::new(50, 40, photo.data()).unwrap();
    let mut out = vec![f32::NAN; config.pixel_len()];
    pixels_into(view, &config, &mut out).unwrap();
    assert_eq!(out, pixels(&photo, &config).unwrap());
    for len in [0, config.pixel_len() - 1, config.pixel_len() + 1] {
        let error = pixels_into(view, &config, &mut vec![0.0; len]).unwrap_err();
        assert_eq!(error, Error::OutputLength { len, expected: config.pixel_len() });
    }
}

/// A padded view, as of a camera frame, has the pixels of its packed copy.
#[test]
fn a_padded_view_equals_its_packed_copy() {
    for (i, (width, height)) in [(1, 1), (51, 33), (33, 51), (127, 1), (1, 127), (333, 77)].into_iter().enumerate() {
        let packed = photo(width, height, "photo", i as u32);
        for padding in [1, 3, 64] {
            let stride = width * 3 + padding;
            let mut padded = vec![0xa5; stride * height];
            for (to, from) in padded.chunks_exact_mut(stride).zip(packed.data().chunks_exact(width * 3)) {
                to[..width * 3].copy_from_slice(from);
            }
            let view = RgbView::with_stride(width, height, stride, &padded).unwrap();
            for resize in [ResizeMode::Shortest, ResizeMode::Squash] {
                for interpolation in [Interpolation::Bicubic, Interpolation::Bilinear] {
                    let config = config(31, resize, interpolation, "openai");
                    let bits = |photo: RgbView<'_>| -> Vec<u32> {
                        pixels(photo, &config).unwrap().into_iter().map(f32::to_bits).collect()
                    };
                    assert_eq!(bits(view), bits(packed.view()), "{view:?}, {stride}, {config:?}");
                }
            }
        }
    }
}

#[test]
fn invalid_configurations_are_refused() {
    let photo = photo(4, 4, "noise", 0);
    let good = PreprocessConfig::openai(8);
    for bad in [
        good.clone().with_image_size(0),
        good.clone().with_image_size(4097),
        good.clone().with_mean([f64::NAN; 3]),
        good.clone().with_std([0.0; 3]),
    ] {
        assert!(pixels(&photo, &bad).is_err());
    }
}

/// A photo one pixel wide is resized to more rows than any buffer holds, but only the square is computed.
#[test]
fn extreme_shapes_cost_no_more_than_the_square() {
    for (width, height) in [(1, 3_000_000), (3_000_000, 1), (2, 1_500_001)] {
        let photo = RgbBuffer::new(width, height, vec![128; width * height * 3]).unwrap();
        for resize in [ResizeMode::Shortest, ResizeMode::Squash] {
            for interpolation in [Interpolation::Bicubic, Interpolation::Bilinear] {
                let values = pixels(&photo, &config(224, resize, interpolation, "none")).unwrap();
                // The rounded weights of a long window need not sum to one.
                assert!(values.iter().all(|value| (value - 128.0 / 255.0).abs() < 0.02), "{width} x {height}");
            }
        }
    }
}
