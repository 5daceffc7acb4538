//! Options of a conversion.

use std::path::PathBuf;

use crate::cancel::CancelToken;
use crate::models::config::Activation;
use crate::preprocess::{Interpolation, ResizeMode};
use crate::weights::Precision;

/// How the token table of a text tower is stored: a row for each id of the vocabulary, of which a text reads its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenTable {
    /// Every number as the checkpoint has it: in 16 bits if all of them are exact in binary16, else in 32.
    #[default]
    Exact,
    /// In 8 bits, with a scale for each row: a quarter to half of the size. Every number is off by up to a 254th of the
    /// largest magnitude of its row, so embeddings of texts differ a little, and so does the fingerprint.
    Int8,
}

/// Values for what a checkpoint leaves undetermined, and overrides of what it states. Empty by default.
///
/// The first source that gives a value wins: a field here, the known `model`, the configuration files in the
/// checkpoint's folder (or those that `config` puts in their place), the checkpoint's layout. Every field of a
/// configuration file is obeyed, known to change no embedding, or refused by name.
///
/// ```
/// # use clippie_rs::import::ConvertOptions;
/// let options = ConvertOptions::new().model("vit-b-32-openai").norm_eps(1e-5);
/// assert_eq!(options.model.as_deref(), Some("vit-b-32-openai"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ConvertOptions {
    /// Known name of the model, one of [`crate::catalog::models`]; `--model`.
    pub model: Option<String>,
    /// Configuration file that takes the place of the one of its kind (of the model, the image processor or the
    /// tokenizer) in the checkpoint's folder, or a folder to read the files from in place of that one; `--config`.
    pub config: Option<PathBuf>,
    /// Activation of both towers; `--activation`.
    pub activation: Option<Activation>,
    /// Attention heads of the image tower; `--image-heads`.
    pub image_heads: Option<usize>,
    /// Attention heads of the text tower; `--text-heads`.
    pub text_heads: Option<usize>,
    /// Zero padding of the first convolution in MobileCLIP-B's stem, 0 (as timm defines it) or 1 (as Apple does);
    /// `--stem-padding`.
    pub stem_padding: Option<usize>,
    /// Epsilon of the image tower's LayerNorms; `--norm-eps`.
    pub norm_eps: Option<f64>,
    /// Mean of red, green and blue, for pixels in `0..=1`; `--mean`.
    pub mean: Option<[f64; 3]>,
    /// Standard deviation of red, green and blue; `--std`.
    pub std: Option<[f64; 3]>,
    /// Resampling filter; `--interpolation`.
    pub interpolation: Option<Interpolation>,
    /// How a photo becomes square; `--resize`.
    pub resize: Option<ResizeMode>,
    /// What precedes the names of the model's tensors, such as `ema_model.`, in a checkpoint with several models;
    /// `--prefix`. Tensors without it are left out.
    pub prefix: Option<String>,
    /// Leave out tensors that belong to no tower of the model, such as a classifier's; `--ignore-extra`. Without it,
    /// they are an error that names them.
    pub ignore_extra: bool,
    /// Leave out the tokenizer of a model whose pieces come with it, so that it takes ids and no text;
    /// `--without-tokenizer`. Without it, a tokenizer that does not lie beside the checkpoint is an error.
    pub without_tokenizer: bool,
    /// How the token table of the text tower is stored; `--token-table`. [`TokenTable::Int8`] is an error for a checkpoint
    /// without text tower. In [`Precision::Int8`] the table is in 8 bits whatever this says.
    pub token_table: TokenTable,
    /// Element type of matrices and tables; `--precision`. With [`Precision::F16`] embeddings differ a little, and the
    /// fingerprint does too. A number that binary16 cannot hold is an error. With [`Precision::Int8`] they differ more; a
    /// model without layers for it, such as a ResNet's image tower alone, is an error.
    pub precision: Precision,
    /// What the file calls the model if it has no known name, such as that of its repository.
    pub name: Option<String>,
    /// Ends the conversion early when it is set. Options are equal only if they share it.
    pub cancel: CancelToken,
}

/// Setters, one per field.
impl ConvertOptions {
    /// Creates empty options.
    #[must_use]
    pub fn new() -> Self {
        ConvertOptions::default()
    }

    /// Sets the known name of the model.
    #[must_use]
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.model = Some(name.into());
        self
    }

    /// Sets what the file calls a model without a known name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the configuration file or folder.
    #[must_use]
    pub fn config(mut self, path: impl Into<PathBuf>) -> Self {
        self.config = Some(path.into());
        self
    }

    /// Sets the activation of both towers.
    #[must_use]
    pub fn activation(mut self, activation: Activation) -> Self {
        self.activation = Some(activation);
        self
    }

    /// Sets the number of attention heads of the image tower.
    #[must_use]
    pub fn image_heads(mut self, heads: usize) -> Self {
        self.image_heads = Some(heads);
        self
    }

    /// Sets the number of attention heads of the text tower.
    #[must_use]
    pub fn text_heads(mut self, heads: usize) -> Self {
        self.text_heads = Some(heads);
        self
    }

    /// Sets the zero padding of the first convolution in MobileCLIP-B's stem.
    #[must_use]
    pub fn stem_padding(mut self, padding: usize) -> Self {
        self.stem_padding = Some(padding);
        self
    }

    /// Sets the epsilon of the image tower's LayerNorms.
    #[must_use]
    pub fn norm_eps(mut self, eps: f64) -> Self {
        self.norm_eps = Some(eps);
        self
    }

    /// Sets the mean of red, green and blue.
    #[must_use]
    pub fn mean(mut self, mean: [f64; 3]) -> Self {
        self.mean = Some(mean);
        self
    }

    /// Sets the standard deviation of red, green and blue.
    #[must_use]
    pub fn std(mut self, std: [f64; 3]) -> Self {
        self.std = Some(std);
        self
    }

    /// Sets the resampling filter.
    #[must_use]
    pub fn interpolation(mut self, filter: Interpolation) -> Self {
        self.interpolation = Some(filter);
        self
    }

    /// Sets how a photo becomes square.
    #[must_use]
    pub fn resize(mut self, mode: ResizeMode) -> Self {
        self.resize = Some(mode);
        self
    }

    /// Sets what precedes the names of the model's tensors.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Leaves out tensors that belong to no tower.
    #[must_use]
    pub fn ignore_extra(mut self, ignore: bool) -> Self {
        self.ignore_extra = ignore;
        self
    }

    /// Leaves out the tokenizer of a model whose pieces come with it.
    #[must_use]
    pub fn without_tokenizer(mut self, without: bool) -> Self {
        self.without_tokenizer = without;
        self
    }

    /// Sets how the token table of the text tower is stored.
    #[must_use]
    pub fn token_table(mut self, token_table: TokenTable) -> Self {
        self.token_table = token_table;
        self
    }

    /// Sets the element type of matrices and tables.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Sets the flag that ends the conversion early.
    #[must_use]
    pub fn cancel(mut self, cancel: &CancelToken) -> Self {
        self.cancel = cancel.clone();
        self
    }
}
