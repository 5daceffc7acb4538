//! The fingerprint: identifies everything that determines an embedding.
//!
//! `weights/README.md` specifies the text that is hashed. Libraries store fingerprints, so a change here makes every
//! stored embedding stale; the tests below pin the text and the digits.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::reading::Reading;
use crate::preprocess::{self, Interpolation, PreprocessConfig, ResizeMode};
use crate::tokenizer::{Clean, TokenizerConfig};

/// Number of hexadecimal digits: the first half of a SHA-256.
const DIGITS: usize = 32;

/// Identifies the weights, the preprocessing, the tokenizer, orientation, normalisation and numeric precision.
///
/// Embeddings with different fingerprints must not be compared. Store the 32 hexadecimal digits that it displays as
/// next to the embeddings, and read them back with [`str::parse`]:
///
/// ```
/// use clippie_rs::Fingerprint;
///
/// let stored: Fingerprint = "00112233445566778899aabbccddeeff".parse()?;
/// assert_eq!(stored.to_string(), "00112233445566778899aabbccddeeff");
/// # Ok::<(), clippie_rs::FingerprintError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(String);

/// A text that is not a fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a fingerprint; expected 32 lower-case hexadecimal digits, as `clippie-rs info` prints them")]
#[non_exhaustive]
pub struct FingerprintError;

/// The inputs of a fingerprint.
pub(super) struct Parts<'a> {
    pub content_hash: &'a str,
    /// `None` for a file without a tokenizer.
    pub tokenizer: Option<&'a TokenizerConfig>,
    pub preprocess: &'a PreprocessConfig,
    pub reading: Reading,
    pub normalize: bool,
}

impl Parts<'_> {
    /// The canonical text of a fingerprint.
    fn text(&self) -> String {
        format!("clippie embedding 1\nweights {}\n{}precision f32\n", self.content_hash, self.settings())
    }

    /// The lines about everything but the weights. Each is written field by field: no `Debug` or serde output can change
    /// it.
    pub(super) fn settings(&self) -> String {
        let yes_or_no = |yes| if yes { "yes" } else { "no" };
        let mut text = String::new();
        let mut line = |name: &str, values: &[&str]| {
            text += name;
            for value in values {
                text.push(' ');
                text += value;
            }
            text.push('\n');
        };
        match self.tokenizer {
            Some(TokenizerConfig { kind, revision, data_sha256, clean }) => {
                let revision = revision.to_string();
                let words = [kind, &revision, data_sha256, clean.as_str()];
                // The usual cleaning has no word.
                line("tokenizer", if *clean == Clean::Lower { &words[..3] } else { &words });
            }
            None => line("tokenizer", &["none"]),
        }
        line("pixels", &[&preprocess::REVISION.to_string()]);
        line("image_size", &[&self.preprocess.image_size.to_string()]);
        line(
            "resize",
            &[match self.preprocess.resize {
                ResizeMode::Shortest => "shortest",
                ResizeMode::Squash => "squash",
                ResizeMode::ShortestFloor => "shortest_floor",
            }],
        );
        line(
            "interpolation",
            &[match self.preprocess.interpolation {
                Interpolation::Bilinear => "bilinear",
                Interpolation::Bicubic => "bicubic",
            }],
        );
        for (name, channels) in [("mean", self.preprocess.mean), ("std", self.preprocess.std)] {
            let [red, green, blue] = channels.map(|value| format!("{:016x}", value.to_bits()));
            line(name, &[&red, &green, &blue]);
        }
        line("orient", &[yes_or_no(self.reading.orient)]);
        // The usual decoding has no line.
        if self.reading.fast {
            line("decode", &["fast"]);
        }
        // Nor have the usual colours.
        if self.reading.icc {
            line("colours", &["icc"]);
        }
        line("normalize", &[yes_or_no(self.normalize)]);
        text
    }
}

impl Fingerprint {
    pub(super) fn new(parts: &Parts<'_>) -> Self {
        Fingerprint(digits(&parts.text()))
    }

    /// The 32 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The digits of a canonical text.
pub(super) fn digits(text: &str) -> String {
    let mut digits = String::with_capacity(DIGITS);
    for byte in Sha256::digest(text.as_bytes()).iter().take(DIGITS / 2) {
        // Writing to a string does not fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// Whether a text is what [`digits`] returns.
pub(super) fn are_digits(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        if are_digits(text) { Ok(Fingerprint(text.to_owned())) } else { Err(FingerprintError) }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const CONTENT: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    pub(in crate::clip) fn parts(preprocess: &PreprocessConfig, orient: bool, normalize: bool) -> Parts<'_> {
        static CLIP: std::sync::LazyLock<TokenizerConfig> = std::sync::LazyLock::new(TokenizerConfig::clip);
        Parts {
            content_hash: CONTENT,
            tokenizer: Some(&CLIP),
            preprocess,
            reading: Reading { orient, ..Reading::USUAL },
            normalize,
        }
    }

    #[test]
    fn fast_decoding_and_profiles_have_lines_of_their_own() {
        let openai = PreprocessConfig::openai(224);
        let usual = parts(&openai, true, true);
        let read = |reading| Parts { reading, ..parts(&openai, true, true) };
        let fast = read(Reading { fast: true, ..Reading::USUAL });
        assert_eq!(fast.text(), usual.text().replace("orient yes\n", "orient yes\ndecode fast\n"));
        assert_ne!(Fingerprint::new(&fast), Fingerprint::new(&usual));
        let both = read(Reading { fast: true, icc: true, ..Reading::USUAL });
        assert_eq!(both.text(), usual.text().replace("orient yes\n", "orient yes\ndecode fast\ncolours icc\n"));
    }

    /// The text as `weights/README.md` specifies it, byte by byte, so that a new configuration field cannot change it
    /// unnoticed.
    #[test]
    fn the_text_is_the_specified_one() {
        let openai = PreprocessConfig::openai(224);
        assert_eq!(
            parts(&openai, true, true).text(),
            "clippie embedding 1\n\
             weights 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n\
             tokenizer clip 1 edc733dfcd1e172ec0eac504852e22013a806d98359f0f4769ed9bbf1671f7e3\n\
             pixels 1\n\
             image_size 224\n\
             resize shortest\n\
             interpolation bicubic\n\
             mean 3fded02734cd3c33 3fdd4d0bb6ed6777 3fda201fe5ce7b79\n\
             std 3fd13139f442878f 3fd0b92e74dd7795 3fd1a655091bdd81\n\
             orient yes\n\
             normalize yes\n\
             precision f32\n"
        );
        let mut other = PreprocessConfig::openai(256);
        (other.resize, other.interpolation) = (ResizeMode::Squash, Interpolation::Bilinear);
        (other.mean, other.std) = ([0.0, 0.5, -1.0], [1.0, 0.5, 2.0]);
        assert_eq!(
            parts(&other, false, false).text(),
            "clippie embedding 1\n\
             weights 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n\
             tokenizer clip 1 edc733dfcd1e172ec0eac504852e22013a806d98359f0f4769ed9bbf1671f7e3\n\
             pixels 1\n\
             image_size 256\n\
             resize squash\n\
             interpolation bilinear\n\
             mean 0000000000000000 3fe0000000000000 bff0000000000000\n\
             std 3ff0000000000000 3fe0000000000000 4000000000000000\n\
             orient no\n\
             normalize no\n\
             precision f32\n"
        );
    }

    #[test]
    fn an_unusual_cleaning_is_part_of_the_text() {
        let openai = PreprocessConfig::openai(224);
        let usual = parts(&openai, true, true);
        for clean in [Clean::Whitespace, Clean::Canonicalize] {
            let tokenizer = TokenizerConfig::clip().with_clean(clean);
            let parts = Parts { tokenizer: Some(&tokenizer), ..parts(&openai, true, true) };
            let line = format!("bbf1671f7e3 {}\npixels 1\n", clean.as_str());
            assert_eq!(parts.text(), usual.text().replace("bbf1671f7e3\npixels 1\n", &line));
            assert_ne!(Fingerprint::new(&parts), Fingerprint::new(&usual));
        }
    }

    #[test]
    fn fingerprints_keep_their_digits() {
        let openai = PreprocessConfig::openai(224);
        let larger = PreprocessConfig::openai(336);
        let mut squash = PreprocessConfig::openai(224);
        squash.resize = ResizeMode::Squash;
        let cases = [
            (parts(&openai, true, true), "74eb09c69aae8b1126a5c0f066605675"),
            (parts(&openai, false, true), "6438c3204d0a3ea77ec3664c2462eeb7"),
            (parts(&openai, true, false), "7fd0995456557a369dabfe992c8361f3"),
            (parts(&larger, true, true), "88093412a52234545b65d8d39f161b3c"),
            (parts(&squash, true, true), "c6d6e2b50fd94ea0a55201edafe922dd"),
        ];
        for (parts, expected) in cases {
            assert_eq!(Fingerprint::new(&parts).as_str(), expected);
        }
    }

    #[test]
    fn only_the_digits_parse() {
        let fingerprint = Fingerprint::new(&parts(&PreprocessConfig::openai(224), true, true));
        assert_eq!(fingerprint.to_string().parse::<Fingerprint>(), Ok(fingerprint.clone()));
        let digits = fingerprint.as_str();
        for text in ["", &digits[1..], &format!("{digits}0"), &format!(" {}", &digits[1..]), &"A".repeat(32)] {
            assert_eq!(text.parse::<Fingerprint>(), Err(FingerprintError), "{text:?}");
        }
        assert!("g".repeat(32).parse::<Fingerprint>().is_err() && "é".repeat(16).parse::<Fingerprint>().is_err());
    }
}
