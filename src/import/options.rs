//! What a user may say about a conversion.

use std::path::PathBuf;

use crate::models::config::Activation;
use crate::preprocess::{Interpolation, ResizeMode};

/// Answers to what a checkpoint may leave open, and overrides of what it says. Empty by default.
///
/// Each question is answered by the first that answers it: a field here, the known `model`, the `config` file
/// (or, without one, the configuration files beside the checkpoint), the checkpoint's layout.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConvertOptions {
    /// Known name of the model, one of [`crate::catalog::models`]; `--model`.
    pub model: Option<String>,
    /// A configuration file to use instead of those beside the checkpoint; `--config`.
    pub config: Option<PathBuf>,
    /// Activation of both towers; `--activation`.
    pub activation: Option<Activation>,
    /// Attention heads of the image tower; `--image-heads`.
    pub image_heads: Option<usize>,
    /// Attention heads of the text tower; `--text-heads`.
    pub text_heads: Option<usize>,
    /// Zeros around the image in the first convolution of MobileCLIP-B's stem, 0 (timm's definition) or 1 (Apple's);
    /// `--stem-padding`.
    pub stem_padding: Option<usize>,
    /// Epsilon of the image tower's LayerNorms; `--norm-eps`.
    pub norm_eps: Option<f64>,
    /// Mean of each channel, red, green, blue, of pixels in `0..=1`; `--mean`.
    pub mean: Option<[f64; 3]>,
    /// Standard deviation of each channel; `--std`.
    pub std: Option<[f64; 3]>,
    /// Resampling filter; `--interpolation`.
    pub interpolation: Option<Interpolation>,
    /// How a photo becomes square; `--resize`.
    pub resize: Option<ResizeMode>,
}
