//! Resize, crop and normalisation against open_clip's own transform, to the bit.
//!
//! The photos are generated from a hash of the coordinates, here and in tools/preprocess_goldens.py.

use clippie_rs::preprocess::{
    Error, Interpolation, PreprocessConfig, ResizeMode, RgbBuffer, RgbView, pixels, pixels_into,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Goldens {
    cases: Vec<Case>,
    full: Vec<Full>,
}

/// Stored as a row of these values in this order.
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

/// The photo of a golden.
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
    let (mean, std) = match stats {
        "openai" => (PreprocessConfig::openai(1).mean, PreprocessConfig::openai(1).std),
        "none" => ([0.0; 3], [1.0; 3]),
        "half" => ([0.5; 3], [0.5; 3]),
        _ => panic!("no statistics {stats}"),
    };
    PreprocessConfig { image_size: size, resize, interpolation, mean, std }
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

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    let photo = photo(4, 4, "noise", 0);
    let good = PreprocessConfig::openai(8);
    for bad in [
        PreprocessConfig { image_size: 0, ..good.clone() },
        PreprocessConfig { image_size: 4097, ..good.clone() },
        PreprocessConfig { mean: [f64::NAN; 3], ..good.clone() },
        PreprocessConfig { std: [0.0; 3], ..good.clone() },
    ] {
        assert!(pixels(&photo, &bad).is_err());
    }
}

/// Photos one pixel wide are resized to more rows than any buffer holds; only the square is computed.
#[test]
fn the_most_extreme_shapes_cost_no_more_than_the_square() {
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
