//! Timing: calls the public encoders with prepared inputs and takes the median.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ndarray::Array4;
#[cfg(feature = "library")]
use serde::Serialize;

use super::super::messages::Failure;
use super::SHORT_TEXT;
use crate::models::config::ModelConfig;
use crate::tokenizer::{Overflow, Tokenizer};
use crate::weights::{Precision, WeightsFile};
use crate::{Error, ImageEncoder, Isa, Options, TextEncoder, models};

/// Minimum number of timed calls.
const MIN_REPEATS: usize = 5;

/// Warm-up before timing, as a share of the measuring time: loads pages, allocates scratch memory and lets the CPU
/// reach its clock speed.
const WARM_UP: f64 = 0.2;

/// Words of the measured texts, repeated as needed.
const WORDS: &str = "two brown dogs play on a sandy beach while children in red coats watch the waves";

/// Result of a measurement.
pub(in crate::cli) struct Timing {
    /// Median time of a call divided by the number of items.
    item: Duration,
    /// Number of timed calls.
    pub repeats: usize,
}

impl Timing {
    pub fn milliseconds(&self) -> f64 {
        self.item.as_secs_f64() * 1e3
    }

    /// Times `call`, which handles `items` items, for about `seconds`.
    pub fn of<T, E>(seconds: f64, items: usize, mut call: impl FnMut() -> Result<T, E>) -> Result<Timing, E> {
        let (budget, warm_up) = (Duration::from_secs_f64(seconds), Duration::from_secs_f64(seconds * WARM_UP));
        let start = Instant::now();
        loop {
            black_box(call()?);
            if start.elapsed() >= warm_up {
                break;
            }
        }
        let mut times = Vec::new();
        let start = Instant::now();
        while times.len() < MIN_REPEATS || start.elapsed() < budget {
            let start = Instant::now();
            black_box(call()?);
            times.push(start.elapsed());
        }
        let repeats = times.len();
        Ok(Timing { item: median(&mut times) / items as u32, repeats })
    }
}

/// Returns the median; for an even number of times, the mean of the middle two.
fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    match times {
        [] => Duration::ZERO,
        times => (times[(times.len() - 1) / 2] + times[times.len() / 2]) / 2,
    }
}

/// A model to measure.
pub(in crate::cli) struct Subject {
    pub name: String,
    weights: WeightsFile,
    config: ModelConfig,
}

impl Subject {
    /// Rejects a model whose context is shorter than `text_tokens`.
    pub fn new(weights: WeightsFile, text_tokens: Option<usize>) -> Result<Subject, Failure> {
        let config: ModelConfig = serde_json::from_value(weights.header().meta.model.clone())
            .map_err(|error| Error::model(weights.path(), models::Error::Config(error.to_string())))?;
        if let (Some(tokens), Some(text)) = (text_tokens, &config.text)
            && tokens > text.context_length()
        {
            let (path, length) = (weights.path().display(), text.context_length());
            let message = format!("{path}: texts have at most {length} tokens here; ask for fewer with --text-tokens");
            return Err(Failure::Error(message));
        }
        Ok(Subject { name: weights.model_name(), weights, config })
    }

    /// The precision of its weights.
    pub fn precision(&self) -> Precision {
        self.weights.header().precision()
    }

    /// Identifies the model whatever its precision.
    pub fn origin_hash(&self) -> String {
        self.weights.origin_hash()
    }

    /// Size of the weights file.
    pub fn file_len(&self) -> u64 {
        self.weights.file_len()
    }

    /// Opens the towers that the model has.
    pub fn open(&self, threads: usize, batch: usize) -> Result<(Option<ImageEncoder>, Option<TextEncoder>), Error> {
        let open = || (self.options(threads, batch), self.weights.clone());
        let (image, text) = (self.config.image.as_ref().map(|_| open()), self.config.text.as_ref().map(|_| open()));
        Ok((
            image.map(|(options, weights)| options.open_weights_image(weights)).transpose()?,
            text.map(|(options, weights)| options.open_weights_text(weights)).transpose()?,
        ))
    }

    /// Returns the image size, if the model has an image tower.
    pub fn image_size(&self) -> Option<usize> {
        self.config.image.as_ref().map(|image| image.image_size())
    }

    /// Returns the text lengths to measure, in ascending order: `requested`, else a short sentence and the full
    /// context. Empty without a text tower.
    pub fn text_lengths(&self, requested: Option<u32>) -> Vec<usize> {
        let Some(text) = &self.config.text else { return Vec::new() };
        let longest = text.context_length();
        match requested {
            Some(tokens) => vec![tokens as usize],
            None if longest > SHORT_TEXT => vec![SHORT_TEXT, longest],
            None => vec![longest],
        }
    }

    /// Times calls with `batch` images; `None` without an image tower.
    pub fn image(&self, threads: usize, batch: usize, seconds: f64) -> Result<Option<Timing>, Error> {
        let Some(size) = self.image_size() else { return Ok(None) };
        let encoder = self.options(threads, batch).open_weights_image(self.weights.clone())?;
        let pixels = Array4::from_shape_simple_fn((batch, 3, size, size), noise());
        Timing::of(seconds, batch, || encoder.encode_pixels(pixels.view())).map(Some)
    }

    /// Times calls with `batch` texts of `tokens` tokens.
    pub fn text(&self, threads: usize, batch: usize, tokens: usize, seconds: f64) -> Result<Timing, Error> {
        let encoder = self.options(threads, batch).open_weights_text(self.weights.clone())?;
        let vocab_size = self.config.text.as_ref().map_or(0, |text| text.vocab_size());
        let ids = ids(tokens, vocab_size)?;
        let texts = vec![ids; batch];
        Timing::of(seconds, batch, || encoder.encode_ids(&texts))
    }

    /// The instruction set that the model runs on.
    pub fn isa(&self) -> Result<Isa, Error> {
        let (options, weights) = (self.options(1, 1), self.weights.clone());
        match self.image_size() {
            Some(_) => Ok(options.open_weights_image(weights)?.isa()),
            None => Ok(options.open_weights_text(weights)?.isa()),
        }
    }

    fn options(&self, threads: usize, batch: usize) -> Options {
        Options::new().threads(threads).batch_size(batch)
    }
}

/// What a photo costs. Fields may be added, never renamed or removed.
#[cfg(feature = "library")]
#[derive(Serialize)]
pub(in crate::cli) struct Cost {
    pub threads: usize,
    /// Median time of encoding one prepared photo.
    pub image_ms: f64,
    /// Memory that the process has for it and shares with no other process; null where the system does not tell.
    pub private_bytes: Option<u64>,
    /// Size of the weights file.
    pub file_bytes: u64,
}

#[cfg(feature = "library")]
impl Subject {
    /// Measures what a photo costs; `None` without an image tower.
    pub fn cost(&self, threads: usize, seconds: f64) -> Result<Option<Cost>, Error> {
        let Some(size) = self.image_size() else { return Ok(None) };
        let pixels = Array4::from_shape_simple_fn((1, 3, size, size), noise());
        let open = || self.options(threads, 1).open_weights_image(self.weights.clone());
        let warm = open()?;
        warm.encode_pixels(pixels.view())?;
        let before = settled(warm, &open()?);
        let encoder = open()?;
        let timing = Timing::of(seconds, 1, || encoder.encode_pixels(pixels.view()))?;
        // The encoder keeps the scratch memory of a pass, so this is what it takes at most.
        let private_bytes = private_memory().zip(before).map(|(after, before)| after.saturating_sub(before));
        let file_bytes = self.weights.file_len();
        Ok(Some(Cost { threads, image_ms: timing.milliseconds(), private_bytes, file_bytes }))
    }
}

/// Private memory after a model was used and closed, such that what the process gets once for all models, and what it keeps
/// of earlier ones, is not taken for that of the next: models cost the same in any order. `idle` is a model without scratch.
#[cfg(feature = "library")]
fn settled(used: ImageEncoder, idle: &ImageEncoder) -> Option<u64> {
    drop(used);
    // Gives freed memory back to the system.
    idle.release();
    private_memory()
}

/// Resident memory of this process that no file backs.
pub(in crate::cli) fn private_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Returns a reproducible generator of values from -2 to 2, the range of normalised pixels.
fn noise() -> impl FnMut() -> f32 {
    let mut state: u32 = 1;
    move || {
        // The linear congruential generator of Knuth and Lewis ("Numerical Recipes", 7.1).
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 22) as f32 - 2.0
    }
}

/// Returns a text of `tokens` tokens: start, words, end. For another vocabulary than CLIP's, maps the ids to valid
/// ones.
fn ids(tokens: usize, vocab_size: usize) -> Result<Vec<u32>, Error> {
    let sentence = Tokenizer::clip().tokenize(WORDS, usize::MAX, Overflow::Refuse)?;
    let (&[start, ref words @ .., end], true) = (&sentence[..], tokens >= 2) else { return Ok(sentence) };
    let words = words.iter().copied().cycle().take(tokens - 2);
    let ids = [start].into_iter().chain(words).chain([end]);
    // The last two ids are start and end, as in CLIP's vocabulary.
    let last = u32::try_from(vocab_size.saturating_sub(1)).unwrap_or(u32::MAX);
    Ok(ids
        .map(|id| if id >= start { last.saturating_sub(end - id) } else { id % last.saturating_sub(1).max(1) })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_value() {
        let ms = Duration::from_millis;
        assert_eq!(median(&mut [ms(9)]), ms(9));
        assert_eq!(median(&mut [ms(9), ms(1), ms(2)]), ms(2));
        assert_eq!(median(&mut [ms(9), ms(1), ms(2), ms(4)]), ms(3));
    }

    #[test]
    fn calls_are_repeated_until_one_fails() {
        let mut calls = 0;
        let timing = Timing::of(0.0, 4, || {
            calls += 1;
            std::thread::sleep(Duration::from_millis(4));
            Ok::<(), Error>(())
        });
        let timing = timing.unwrap();
        assert_eq!((timing.repeats, calls), (MIN_REPEATS, MIN_REPEATS + 1));
        assert!(timing.milliseconds() >= 1.0);
        assert!(Timing::of(0.0, 1, || Err::<(), _>(Error::Cancelled)).is_err());
    }

    #[test]
    fn texts_have_the_requested_length_and_vocabulary() {
        for tokens in [2, 3, 10, 77, 200] {
            for vocab_size in [49_408, 100_000, 16] {
                let ids = ids(tokens, vocab_size).unwrap();
                assert_eq!(ids.len(), tokens);
                let (last, vocab_size) = (ids[tokens - 1], vocab_size as u32);
                assert_eq!((ids[0], last), (vocab_size - 2, vocab_size - 1));
                assert!(ids[1..tokens - 1].iter().all(|&id| id < vocab_size - 2));
            }
        }
        assert_eq!(ids(10, 49_408).unwrap()[..4], [49_406, 1237, 2866, 3255]);
    }
}
