//! The family of a model: what its files of all precisions have in common.
//!
//! `weights/README.md` specifies the text that is hashed. Libraries store families; a change here means that they know
//! no longer which of their embeddings belong together.

use std::fmt;
use std::str::FromStr;

use super::fingerprint::{FingerprintError, Parts, are_digits, digits};

/// Identifies a model whatever the precision of its weights file.
///
/// Weights files that were made from the same checkpoint and differ in their [`Precision`](crate::weights::Precision), or
/// in how their token table is stored, are of one family, as long as they are used with the same preprocessing, tokenizer,
/// orientation and normalisation. Their embeddings differ a little, so their [fingerprints](super::Fingerprint) do too;
/// embeddings of one family may be compared by those who know what that costs.
///
/// The same numbers in checkpoints of two layouts are two families: nothing but the checkpoint says what they have in
/// common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Family(String);

impl Family {
    /// The family of a checkpoint, by [`WeightsFile::origin_hash`](crate::weights::WeightsFile::origin_hash), with these
    /// settings.
    pub(super) fn new(origin_hash: &str, parts: &Parts<'_>) -> Family {
        Family(digits(&text(origin_hash, parts)))
    }

    /// Its 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The canonical text.
fn text(origin_hash: &str, parts: &Parts<'_>) -> String {
    format!("clippie family 1\norigin {origin_hash}\n{}", parts.settings())
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Family {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        if are_digits(text) { Ok(Family(text.to_owned())) } else { Err(FingerprintError) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fingerprint::tests::parts;
    use super::*;
    use crate::preprocess::PreprocessConfig;

    #[test]
    fn the_text_is_the_specified_one() {
        let openai = PreprocessConfig::openai(224);
        let usual = parts(&openai, true, true);
        assert_eq!(
            text("0123", &usual),
            "clippie family 1\n\
             origin 0123\n\
             tokenizer clip 1 edc733dfcd1e172ec0eac504852e22013a806d98359f0f4769ed9bbf1671f7e3\n\
             pixels 1\n\
             image_size 224\n\
             resize shortest\n\
             interpolation bicubic\n\
             mean 3fded02734cd3c33 3fdd4d0bb6ed6777 3fda201fe5ce7b79\n\
             std 3fd13139f442878f 3fd0b92e74dd7795 3fd1a655091bdd81\n\
             orient yes\n\
             normalize yes\n"
        );
        let family = Family::new("0123", &usual);
        assert_eq!(family, Family::new("0123", &Parts { content_hash: "other", ..parts(&openai, true, true) }));
        assert_eq!(family.to_string().parse(), Ok(family.clone()));
        assert!(family.as_str()[1..].parse::<Family>().is_err());
        for other in [Family::new("0124", &usual), Family::new("0123", &parts(&openai, false, true))] {
            assert_ne!(family, other);
        }
    }
}
