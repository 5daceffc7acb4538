//! The canonical description of a model, which a weights file carries and every tower is built from.
//!
//! States every number that changes a result; nothing is guessed at run time. Each architecture describes itself in
//! `config.rs` in its folder. Knows no checkpoints, files or kernels.
//!
//! Every struct refuses unknown fields: a field that this version does not know may change embeddings.

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use super::image_tower::configs::*;
pub use super::settings::Activation;
#[cfg(feature = "import")]
pub(crate) use super::settings::{OpenSettings, Sizes};
pub use super::text_tower::configs::*;
pub use super::transformer::config::TransformerConfig;

use super::Error;
use super::settings::within;

/// A CLIP model: up to two towers that embed into the same space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelConfig {
    /// Length of the embeddings.
    pub embed_dim: usize,
    /// Natural logarithm of the factor that turns cosines into logits, as checkpoints store it.
    pub logit_scale: f32,
    /// Added to the scaled cosines of models that were trained with a sigmoid loss; absent in all others.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub logit_bias: Option<f32>,
    /// The image tower, if the file has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub image: Option<ImageConfig>,
    /// The text tower, if the file has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<TextConfig>,
}

impl ModelConfig {
    /// Creates a model of these towers without a logit bias.
    pub fn new(embed_dim: usize, logit_scale: f32, image: Option<ImageConfig>, text: Option<TextConfig>) -> Self {
        ModelConfig { embed_dim, logit_scale, logit_bias: None, image, text }
    }

    /// Reads the configuration from a weights header.
    ///
    /// There is one way to write a configuration, because the content hash covers what the header says: absent fields
    /// are not `null`, objects are not arrays, and a number has the digits of its type.
    pub(crate) fn from_json(json: &Value) -> Result<ModelConfig, Error> {
        let invalid = |error: serde_json::Error| Error::Config(error.to_string().escape_debug().to_string());
        let config: ModelConfig = serde_json::from_value(json.clone()).map_err(invalid)?;
        config.validate()?;
        match difference(json, &serde_json::to_value(&config).map_err(invalid)?, "model") {
            Some(path) => Err(Error::Config(format!("`{path}` is not in the form that the format specifies"))),
            None => Ok(config),
        }
    }

    /// Refuses numbers outside the range of any real model, so that nothing computed from them overflows, and
    /// combinations that no engine supports.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        within("embed_dim", self.embed_dim, 1..=65_536)?;
        if !self.logit_scale.is_finite() {
            return Err(Error::Config("logit_scale is not a finite number".into()));
        }
        if self.logit_bias.is_some_and(|bias| !bias.is_finite()) {
            return Err(Error::Config("logit_bias is not a finite number".into()));
        }
        if self.image.is_none() && self.text.is_none() {
            return Err(Error::Config("it has neither an image nor a text tower".into()));
        }
        let of_image = self.image.as_ref().and_then(ImageConfig::fixed_embed_dim);
        let of_text = self.text.as_ref().and_then(TextConfig::fixed_embed_dim);
        for (tower, fixed) in [("image", of_image), ("text", of_text)] {
            if let Some(fixed) = fixed.filter(|&fixed| fixed != self.embed_dim) {
                let embed_dim = self.embed_dim;
                return Err(Error::Config(format!(
                    "embed_dim is {embed_dim}, but the embeddings of the {tower} tower are as long as its tokens, {fixed}"
                )));
            }
        }
        self.image.as_ref().map_or(Ok(()), ImageConfig::validate)?;
        self.text.as_ref().map_or(Ok(()), TextConfig::validate)
    }
}

/// Path of the first value that differs.
fn difference(found: &Value, expected: &Value, path: &str) -> Option<String> {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let surplus = found.keys().find(|key| !expected.contains_key(*key)).map(|key| format!("{path}.{key}"));
            surplus.or_else(|| {
                expected.iter().find_map(|(key, expected)| {
                    difference(found.get(key).unwrap_or(&Value::Null), expected, &format!("{path}.{key}"))
                })
            })
        }
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => {
            let mut pairs = found.iter().zip(expected).enumerate();
            pairs.find_map(|(i, (found, expected))| difference(found, expected, &format!("{path}.{i}")))
        }
        _ => (found != expected).then(|| path.to_owned()),
    }
}
