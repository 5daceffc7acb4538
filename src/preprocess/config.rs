//! How a model wants its pixels: size, resize, interpolation, mean and standard deviation.
//!
//! Only describes and validates; nothing here touches an image.

use serde::{Deserialize, Serialize};

use super::error::Error;

/// Mean of each channel over OpenAI's training photos (openai/CLIP, `clip.py`).
const OPENAI_MEAN: [f64; 3] = [0.48145466, 0.4578275, 0.40821073];
/// Standard deviation of each channel over OpenAI's training photos (openai/CLIP, `clip.py`).
const OPENAI_STD: [f64; 3] = [0.26862954, 0.26130258, 0.27577711];

/// The preprocessing that belongs to a model's weights.
///
/// `mean` and `std` keep the digits of the published configs; they are rounded to f32 where they are
/// used, as the references do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreprocessConfig {
    /// Side of the square the image tower gets, in pixels; 1 to [`PreprocessConfig::MAX_IMAGE_SIZE`].
    pub image_size: usize,
    /// How a photo that is not square becomes one.
    pub resize: ResizeMode,
    /// The resampling filter.
    pub interpolation: Interpolation,
    /// Subtracted from each channel (red, green, blue) of a pixel in `0..=1`.
    pub mean: [f64; 3],
    /// Divides each channel after the subtraction; above zero.
    pub std: [f64; 3],
}

/// How a photo that is not square becomes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeMode {
    /// The shorter edge gets the model's size, then the centre is cropped.
    Shortest,
    /// Both edges get the model's size; the aspect ratio is lost.
    Squash,
}

/// The resampling filter. Both are antialiased: their support grows with the reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// Triangle.
    Bilinear,
    /// Keys' cubic with a = -1/2.
    Bicubic,
}

impl PreprocessConfig {
    /// The largest side of a square that is accepted.
    pub const MAX_IMAGE_SIZE: usize = 4096;

    /// The preprocessing of OpenAI's models, which open_clip's share unless their weights say otherwise.
    pub fn openai(image_size: usize) -> Self {
        PreprocessConfig {
            image_size,
            resize: ResizeMode::Shortest,
            interpolation: Interpolation::Bicubic,
            mean: OPENAI_MEAN,
            std: OPENAI_STD,
        }
    }

    /// Number of values of one preprocessed photo: `3 · image_size²`.
    pub fn pixel_len(&self) -> usize {
        self.image_size.saturating_mul(self.image_size).saturating_mul(3)
    }

    /// Refuses a size outside `1..=4096`, and a mean or standard deviation that cannot be used in f32.
    pub fn validate(&self) -> Result<(), Error> {
        if self.image_size == 0 || self.image_size > Self::MAX_IMAGE_SIZE {
            return Err(Error::ImageSize { size: self.image_size });
        }
        for value in self.mean {
            if !(value as f32).is_finite() {
                return Err(Error::Mean { value });
            }
        }
        for value in self.std {
            let rounded = value as f32;
            if !rounded.is_normal() || rounded < 0.0 {
                return Err(Error::Std { value });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serialises_as_published_and_refuses_the_unknown() {
        let config = PreprocessConfig::openai(224);
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(
            json,
            "{\"image_size\":224,\"resize\":\"shortest\",\"interpolation\":\"bicubic\",\
             \"mean\":[0.48145466,0.4578275,0.40821073],\"std\":[0.26862954,0.26130258,0.27577711]}"
        );
        assert_eq!(serde_json::from_str::<PreprocessConfig>(&json).unwrap(), config);
        let extra = json.replace("\"mean\"", "\"fill\":0,\"mean\"");
        assert!(serde_json::from_str::<PreprocessConfig>(&extra).unwrap_err().to_string().contains("fill"));
        let other = json.replace("bicubic", "lanczos");
        assert!(serde_json::from_str::<PreprocessConfig>(&other).is_err());
    }

    #[test]
    fn validates_every_number() {
        let good = PreprocessConfig::openai(224);
        assert!(good.validate().is_ok());
        for size in [0, 4097, usize::MAX] {
            let bad = PreprocessConfig { image_size: size, ..good.clone() };
            assert!(bad.validate().unwrap_err().to_string().contains("1 to 4096"));
        }
        for mean in [f64::NAN, f64::INFINITY, 1e300] {
            let bad = PreprocessConfig { mean: [0.0, mean, 0.0], ..good.clone() };
            assert!(bad.validate().unwrap_err().to_string().contains("mean"));
        }
        for std in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300, 1e300] {
            let bad = PreprocessConfig { std: [1.0, 1.0, std], ..good.clone() };
            assert!(bad.validate().unwrap_err().to_string().contains("standard deviation"));
        }
    }
}
