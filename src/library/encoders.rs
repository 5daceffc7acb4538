//! The towers of a model that a search may use.

use super::store::Form;
use crate::clip::{Clip, Family, Fingerprint, ImageEncoder, TextEncoder};
use crate::weights::WeightsFile;

/// The towers of a model that a search may use. A query of sentences needs no image tower, and photos that are in the
/// library need no tower at all.
#[derive(Clone, Debug)]
pub struct Encoders {
    pub(super) image: Option<ImageEncoder>,
    pub(super) text: Option<TextEncoder>,
}

impl From<&Clip> for Encoders {
    fn from(clip: &Clip) -> Self {
        Encoders { image: Some(clip.image().clone()), text: Some(clip.text().clone()) }
    }
}

impl From<&ImageEncoder> for Encoders {
    fn from(image: &ImageEncoder) -> Self {
        Encoders { image: Some(image.clone()), text: None }
    }
}

impl From<&TextEncoder> for Encoders {
    fn from(text: &TextEncoder) -> Self {
        Encoders { image: None, text: Some(text.clone()) }
    }
}

/// Which model towers are of.
pub(super) struct Identity {
    pub fingerprint: Fingerprint,
    /// What a library calls it.
    pub name: String,
    pub form: Form,
    pub embed_dim: usize,
}

impl Identity {
    fn new(fingerprint: &Fingerprint, family: &Family, weights: &WeightsFile, embed_dim: usize) -> Identity {
        let form = Form { family: family.clone(), precision: weights.header().precision() };
        Identity { fingerprint: fingerprint.clone(), name: weights.model_name(), form, embed_dim }
    }
}

impl From<&ImageEncoder> for Identity {
    fn from(image: &ImageEncoder) -> Identity {
        Identity::new(image.fingerprint(), image.family(), image.weights(), image.embed_dim())
    }
}

impl From<&TextEncoder> for Identity {
    fn from(text: &TextEncoder) -> Identity {
        Identity::new(text.fingerprint(), text.family(), text.weights(), text.embed_dim())
    }
}

impl Encoders {
    /// These towers with a text tower, of the same model.
    #[must_use]
    pub fn with_text(self, text: Option<TextEncoder>) -> Encoders {
        Encoders { text, ..self }
    }

    /// The model of the towers; `None` without any.
    pub(super) fn identity(&self) -> Option<Identity> {
        let text = || self.text.as_ref().map(Identity::from);
        self.image.as_ref().map(Identity::from).or_else(text)
    }
}
