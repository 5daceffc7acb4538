//! What an embedding depends on, in one short string.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::preprocess::{self, PreprocessConfig};
use crate::tokenizer;

/// Identifies the weights, the preprocessing (with its revision), the tokenizer's revision, whether orientation
/// was applied, and whether rows are normalised. Embeddings of different fingerprints must not be compared.
///
/// Displayed as 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    pub(super) fn new(content_hash: &str, preprocess: &PreprocessConfig, orient: bool, normalize: bool) -> Self {
        // Debug output of the config is stable: it is derived from the names and values of its fields.
        let text = format!(
            "clippie-rs embedding 1\nweights {content_hash}\npreprocess {} {preprocess:?}\ntokenizer {}\norient {orient}\nnormalize {normalize}\n",
            preprocess::REVISION,
            tokenizer::REVISION,
        );
        let digest = Sha256::digest(text.as_bytes());
        Fingerprint(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }

    /// The 32 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
