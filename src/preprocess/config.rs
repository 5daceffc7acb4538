//! The preprocessing configuration of a model: size, resize, interpolation, mean and standard deviation.
//!
//! Describes and validates; touches no image.

use serde::{Deserialize, Serialize};

use super::error::Error;

/// Mean of each channel over OpenAI's training photos (openai/CLIP, `clip.py`).
const OPENAI_MEAN: [f64; 3] = [0.48145466, 0.4578275, 0.40821073];
/// Standard deviation of each channel over OpenAI's training photos (openai/CLIP, `clip.py`).
const OPENAI_STD: [f64; 3] = [0.26862954, 0.26130258, 0.27577711];

/// The preprocessing of a model, as its weights file states it.
///
/// Start with [`openai`](PreprocessConfig::openai) or [`new`](PreprocessConfig::new) and change it with the `with_`
/// methods or the fields. `mean` and `std` keep the digits of the published configurations; they are rounded to f32
/// when used, as in the reference libraries.
///
/// ```
/// use clippie_rs::preprocess::{Interpolation, PreprocessConfig};
///
/// let config = PreprocessConfig::openai(256).with_interpolation(Interpolation::Bilinear);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PreprocessConfig {
    /// Side of the image tower's square input, in pixels; 1 to [`PreprocessConfig::MAX_IMAGE_SIZE`].
    pub image_size: usize,
    /// How a photo is made square.
    pub resize: ResizeMode,
    /// The resampling filter.
    pub interpolation: Interpolation,
    /// Subtracted from each channel (red, green, blue) of a pixel in `0..=1`; finite.
    pub mean: [f64; 3],
    /// Divides each channel after the subtraction; above zero.
    pub std: [f64; 3],
}

/// How a photo is made square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResizeMode {
    /// Scale the shorter edge to the image size, then crop the centre.
    Shortest,
    /// Scale both edges to the image size, which changes the aspect ratio.
    Squash,
    /// As [`ResizeMode::Shortest`], rounded as Immich's machine-learning service does: the ratio of the edges before it is
    /// multiplied, and the crop down to a whole pixel, where torchvision rounds half to even. For embeddings that stand
    /// beside those of Immich; no weights file states it.
    #[serde(skip_deserializing)]
    ShortestFloor,
}

/// The resampling filter; all are antialiased: their support grows with the reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Interpolation {
    /// Triangle filter.
    Bilinear,
    /// Keys' cubic filter with a = -1/2.
    Bicubic,
}

impl PreprocessConfig {
    /// The largest accepted image size.
    pub const MAX_IMAGE_SIZE: usize = 4096;

    /// Returns a configuration that crops the centre, interpolates bicubically and leaves values in `0..=1`: mean zero,
    /// standard deviation one.
    #[must_use]
    pub fn new(image_size: usize) -> Self {
        PreprocessConfig {
            image_size,
            resize: ResizeMode::Shortest,
            interpolation: Interpolation::Bicubic,
            mean: [0.0; 3],
            std: [1.0; 3],
        }
    }

    /// Returns the configuration of OpenAI's models, which is also open_clip's default.
    #[must_use]
    pub fn openai(image_size: usize) -> Self {
        PreprocessConfig { mean: OPENAI_MEAN, std: OPENAI_STD, ..PreprocessConfig::new(image_size) }
    }

    /// Sets the side of the image tower's square input, in pixels.
    #[must_use]
    pub fn with_image_size(mut self, image_size: usize) -> Self {
        self.image_size = image_size;
        self
    }

    /// Sets how a photo is made square.
    #[must_use]
    pub fn with_resize(mut self, resize: ResizeMode) -> Self {
        self.resize = resize;
        self
    }

    /// Sets the resampling filter.
    #[must_use]
    pub fn with_interpolation(mut self, interpolation: Interpolation) -> Self {
        self.interpolation = interpolation;
        self
    }

    /// Sets the mean of each channel: red, green, blue.
    #[must_use]
    pub fn with_mean(mut self, mean: [f64; 3]) -> Self {
        self.mean = mean;
        self
    }

    /// Sets the standard deviation of each channel: red, green, blue.
    #[must_use]
    pub fn with_std(mut self, std: [f64; 3]) -> Self {
        self.std = std;
        self
    }

    /// Returns the number of values of a preprocessed photo: `3 · image_size²`.
    pub fn pixel_len(&self) -> usize {
        self.image_size.saturating_mul(self.image_size).saturating_mul(3)
    }

    /// Checks all fields.
    ///
    /// # Errors
    /// The size is outside `1..=4096`, a mean is not a finite f32, or a standard deviation is not a normal f32 above
    /// zero.
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
    fn serialises_as_published_and_refuses_unknown_fields() {
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
        let immich = json.replace("shortest", "shortest_floor");
        assert!(serde_json::from_str::<PreprocessConfig>(&immich).is_err(), "no file states it");
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
