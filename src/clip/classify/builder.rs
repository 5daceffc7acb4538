//! Builds a [`Classifier`]: validates labels and settings, encodes the sentences of every label.

use std::ops::RangeInclusive;

use ndarray::Array2;

use super::{Classifier, Label, Scoring, Templates, labels, scores};
use crate::clip::{Clip, TextCache, TextEncoder};
use crate::error::Error;

/// Sentences that are encoded at a time, so that memory does not grow with the number of templates.
const CHUNK: usize = 512;

/// Temperatures beyond these make all labels equal or one certain.
const TEMPERATURES: RangeInclusive<f64> = 1e-6..=1e6;

/// What decides between labels, and when none of them fits.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub scoring: Scoring,
    pub temperature: f64,
    pub top: usize,
    pub min_probability: f64,
    pub min_margin: f64,
}

/// A classifier to build: see [`Clip::classifier`].
#[derive(Clone, Debug)]
#[must_use = "nothing is encoded before `build` is called"]
pub struct ClassifierBuilder<'a> {
    encoder: &'a TextEncoder,
    labels: Vec<Label>,
    templates: Templates,
    settings: Settings,
    cache: Option<&'a TextCache>,
}

impl Clip {
    /// Starts a zero-shot [`Classifier`] of `labels`, which may be anything that converts to a [`Label`].
    pub fn classifier(&self, labels: impl IntoIterator<Item: Into<Label>>) -> ClassifierBuilder<'_> {
        self.text().classifier(labels)
    }
}

impl TextEncoder {
    /// Starts a zero-shot [`Classifier`] of `labels`; see [`Clip::classifier`]. Photos need not be encoded by this
    /// process: their embeddings are enough.
    pub fn classifier(&self, labels: impl IntoIterator<Item: Into<Label>>) -> ClassifierBuilder<'_> {
        let settings =
            Settings { scoring: Scoring::default(), temperature: 1.0, top: 5, min_probability: 0.0, min_margin: 0.0 };
        let labels = labels.into_iter().map(Into::into).collect();
        ClassifierBuilder { encoder: self, labels, templates: Templates::default(), settings, cache: None }
    }
}

impl<'a> ClassifierBuilder<'a> {
    /// Sets the sentences around labels. The default is `a photo of a {}.`; [`Templates::general`] costs ten times as
    /// much and is usually more accurate on photos.
    pub fn templates(mut self, templates: Templates) -> Self {
        self.templates = templates;
        self
    }

    /// Divides the logits, which are the cosines times the model's [`logit_scale`](Clip::logit_scale) (plus its bias,
    /// for the sigmoid), by `temperature`: Guo et al. 2017, "On Calibration of Modern Neural Networks". The default 1
    /// gives the model's own probabilities, more gives lower ones. It never changes the order of labels.
    pub fn temperature(mut self, temperature: f32) -> Self {
        self.settings.temperature = f64::from(temperature);
        self
    }

    /// Sets how cosines become probabilities. The default is [`Scoring::Softmax`].
    pub fn scoring(mut self, scoring: Scoring) -> Self {
        self.settings.scoring = scoring;
        self
    }

    /// Sets how many labels a result lists, at least one. The default is 5, or all if there are fewer.
    pub fn top(mut self, labels: usize) -> Self {
        self.settings.top = labels;
        self
    }

    /// Sets the probability below which a photo shows none of the labels, from 0 to 1.
    pub fn min_probability(mut self, probability: f32) -> Self {
        self.settings.min_probability = f64::from(probability);
        self
    }

    /// Sets the margin below which a photo shows none of the labels, from 0 to 1; see
    /// [`Classification::margin`](super::Classification::margin).
    pub fn min_margin(mut self, margin: f32) -> Self {
        self.settings.min_margin = f64::from(margin);
        self
    }

    /// Takes embeddings of sentences from `cache` if they are there, and adds the others to it.
    pub fn cache(mut self, cache: &'a TextCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Encodes the sentences of all labels.
    ///
    /// # Errors
    /// No labels, empty ones, or two that are the same; a single label for the softmax, whose probability would always
    /// be 1; a setting out of its range; the sigmoid for a model without [`logit_bias`](Clip::logit_bias); and those of
    /// [`TextEncoder::encode`].
    pub fn build(self) -> Result<Classifier, Error> {
        labels::check(&self.labels)?;
        self.check_settings()?;
        let rows = self.encode()?;
        Ok(Classifier {
            labels: self.labels,
            rows,
            fingerprint: self.encoder.fingerprint().clone(),
            scale: f64::from(self.encoder.logit_scale()),
            bias: self.encoder.logit_bias().map(f64::from),
            settings: self.settings,
        })
    }

    /// The mean embedding of each label: unit rows `[labels, embed_dim]`.
    fn encode(&self) -> Result<Array2<f32>, Error> {
        let embed_dim = self.encoder.embed_dim();
        let mut rows = Array2::zeros((self.labels.len(), embed_dim));
        let mut means = vec![0.0; rows.len()]; // [labels, embed_dim]
        let templates = &self.templates;
        let sentences = self.labels.iter().enumerate().flat_map(|(index, label)| {
            let wordings = label.wordings().iter();
            wordings.flat_map(move |wording| (0..templates.len()).map(move |at| (index, templates.fill(at, wording))))
        });
        let mut sentences = sentences.peekable();
        while sentences.peek().is_some() {
            let (labels, texts): (Vec<usize>, Vec<String>) = sentences.by_ref().take(CHUNK).unzip();
            let encoded = match self.cache {
                Some(cache) => cache.get_or_encode(self.encoder, &texts)?,
                None => self.encoder.encode(&texts)?,
            };
            for (label, embedding) in labels.into_iter().zip(encoded.outer_iter()) {
                add_unit(&mut means[label * embed_dim..][..embed_dim], embedding.as_slice().unwrap_or_default());
            }
        }
        for (mut row, mean) in rows.outer_iter_mut().zip(means.chunks_exact(embed_dim)) {
            row.iter_mut().zip(unit(mean)).for_each(|(value, mean)| *value = mean);
        }
        Ok(rows)
    }

    fn check_settings(&self) -> Result<(), Error> {
        let Settings { scoring, temperature, top, min_probability, min_margin } = self.settings;
        let refuse = |reason: String| Err(Error::Classifier(reason));
        if !TEMPERATURES.contains(&temperature) {
            let (least, most) = (TEMPERATURES.start(), TEMPERATURES.end());
            return refuse(format!("the temperature is {temperature}; it must be a number from {least} to {most}"));
        }
        for (what, value) in [("minimum probability", min_probability), ("minimum margin", min_margin)] {
            if !(0.0..=1.0).contains(&value) {
                return refuse(format!("the {what} is {value}; it must be a number from 0 to 1"));
            }
        }
        if top == 0 {
            return refuse("results are to list no label; ask for one at least".into());
        }
        match scoring {
            Scoring::Softmax if self.labels.len() == 1 => refuse(format!(
                "the only label {:?} would have the probability 1 for every photo; name also what else photos may show",
                self.labels.first().map_or("", Label::name)
            )),
            Scoring::Sigmoid if self.encoder.logit_bias().is_none() => {
                refuse("the model was not trained with a sigmoid (it has no logit_bias); use the softmax".into())
            }
            _ => Ok(()),
        }
    }
}

/// Adds a row to a sum, scaled to length one first: the encoder may have been asked not to.
fn add_unit(sum: &mut [f64], row: &[f32]) {
    let scale = scores::inverse_length(row);
    sum.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value) * scale);
}

/// A sum of rows, scaled to length one.
fn unit(sum: &[f64]) -> impl Iterator<Item = f32> {
    let length = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
    let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
    sum.iter().map(move |value| (value * scale) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_normalised_before_and_after_averaging() {
        let mean = |rows: &[[f32; 2]]| {
            let mut sum = [0.0; 2];
            rows.iter().for_each(|row| add_unit(&mut sum, row));
            unit(&sum).collect::<Vec<f32>>()
        };
        let half = 0.5f64.sqrt() as f32;
        assert_eq!(mean(&[[10.0, 0.0], [0.0, 0.5]]), [half, half]);
        assert_eq!(mean(&[[0.0, -2.0]]), [0.0, -1.0]);
        // Rows that cancel out.
        assert_eq!(mean(&[[1.0, 0.0], [-1.0, 0.0]]), [0.0, 0.0]);
    }
}
