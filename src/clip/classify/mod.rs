//! Zero-shot classification: which of several labels a photo shows, from embeddings alone.
//!
//! ```text
//! labels x wordings x templates -> sentences -> text tower -> mean of each label -> [labels, embed_dim]
//! embeddings of photos -> cosines -> scale, temperature -> softmax or sigmoid -> labels from the most probable
//! ```
//! Knows no files and no store: rows come from whoever has embeddings.

mod builder;
mod labels;
mod scores;
mod templates;

use ndarray::{Array2, ArrayBase, ArrayView2, Data, Ix2};

pub use builder::ClassifierBuilder;
pub use labels::Label;
pub use scores::Scoring;
pub use templates::Templates;

use super::{Fingerprint, ImageEncoder, ImageInput};
use crate::error::Error;
use builder::Settings;

/// Tells apart what photos show, by names: zero-shot classification as CLIP defines it.
///
/// Holds one embedding per label and no model: cheap to keep, `Send` and `Sync`. Build it with
/// [`Clip::classifier`](super::Clip::classifier) or [`TextEncoder::classifier`](super::TextEncoder::classifier).
///
/// ```
/// # #[cfg(feature = "demo")] {
/// use clippie_rs::{Clip, RgbBuffer};
///
/// let clip = Clip::demo()?;
/// let blue = RgbBuffer::new(64, 64, [20, 40, 220].repeat(64 * 64))?;
/// let classifier = clip.classifier(["red background", "blue background"]).build()?;
/// let found = &classifier.classify_images(clip.image(), [&blue])?[0];
/// assert_eq!(found.label(), Some(1));
/// println!("{}: {:.2}", classifier.name(1), found.guesses[0].probability);
/// # }
/// # Ok::<(), clippie_rs::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Classifier {
    labels: Vec<Label>,
    /// Unit rows `[labels, embed_dim]`.
    rows: Array2<f32>,
    fingerprint: Fingerprint,
    scale: f64,
    bias: Option<f64>,
    settings: Settings,
}

/// What a photo shows, as far as a [`Classifier`] can tell.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Classification {
    /// The most probable labels, as many as [`ClassifierBuilder::top`] says, from the best. Labels with equal cosines
    /// keep the order in which they were given.
    pub guesses: Vec<Guess>,
    /// Probability of the best label minus that of the next one, or the probability of the only label.
    pub margin: f32,
    /// Whether the best label has [`ClassifierBuilder::min_probability`] and [`ClassifierBuilder::min_margin`]. If not,
    /// the photo shows none of the labels.
    pub accepted: bool,
}

/// A label with its probability.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Guess {
    /// Index of the label.
    pub label: usize,
    /// Cosine of the embeddings of photo and label, from -1 to 1.
    pub cosine: f32,
    /// From 0 to 1.
    pub probability: f32,
}

impl Classification {
    /// Index of the label that the photo shows; `None` if it shows none of them.
    #[must_use]
    pub fn label(&self) -> Option<usize> {
        self.guesses.first().filter(|_| self.accepted).map(|guess| guess.label)
    }
}

impl Classifier {
    /// Classifies photos by their embeddings `[photos, embed_dim]`, rows of any length: one result per row, which has
    /// the same bits whatever rows are classified with it.
    ///
    /// Embeddings and labels must come from the same model; compare [`Classifier::fingerprint`] with the one that is
    /// stored with the embeddings, or call [`Classifier::check_fingerprint`].
    ///
    /// # Errors
    /// Rows of another length than the labels'; rows that are not finite.
    pub fn classify(&self, embeddings: &ArrayBase<impl Data<Elem = f32>, Ix2>) -> Result<Vec<Classification>, Error> {
        self.each(embeddings, |row| self.classify_one(row)).collect()
    }

    /// Cosines of embeddings `[photos, embed_dim]` with the labels: `[photos, labels]`, from -1 to 1, as accurate as
    /// float64. For figures of one's own; [`Classifier::classify`] decides by them.
    ///
    /// # Errors
    /// See [`Classifier::classify`].
    pub fn cosines(&self, embeddings: &ArrayBase<impl Data<Elem = f32>, Ix2>) -> Result<Array2<f64>, Error> {
        let mut all = Array2::zeros((embeddings.nrows(), self.labels.len()));
        for (mut row, cosines) in all.outer_iter_mut().zip(self.each(embeddings, |row| self.cosines_of(row))) {
            row.iter_mut().zip(cosines?).for_each(|(to, cosine)| *to = cosine);
        }
        Ok(all)
    }

    /// Calls `one` for every row; errors name the row.
    fn each<'s, T: 's>(
        &'s self,
        rows: &'s ArrayBase<impl Data<Elem = f32>, Ix2>,
        one: impl Fn(&[f32]) -> Result<T, Error> + 's,
    ) -> impl Iterator<Item = Result<T, Error>> + 's {
        rows.outer_iter().enumerate().map(move |(index, row)| {
            let result = match row.as_slice() {
                Some(row) => one(row),
                None => one(&row.to_vec()),
            };
            result.map_err(|error| error.of_item("embedding", Some(index), None))
        })
    }

    /// Classifies one photo by its embedding.
    ///
    /// # Errors
    /// See [`Classifier::classify`].
    pub fn classify_one(&self, embedding: &[f32]) -> Result<Classification, Error> {
        let cosines = self.cosines_of(embedding)?;
        let probabilities = self.probabilities(&cosines);
        let ranking = scores::ranking(&cosines);
        let probability = |place: usize| ranking.get(place).map_or(0.0, |&label| probabilities[label]);
        let (best, margin) = (probability(0), probability(0) - probability(1));
        let Settings { top, min_probability, min_margin, .. } = self.settings;
        let guess =
            |&label: &usize| Guess { label, cosine: cosines[label] as f32, probability: probabilities[label] as f32 };
        Ok(Classification {
            guesses: ranking.iter().take(top).map(guess).collect(),
            margin: margin as f32,
            accepted: best >= min_probability && margin >= min_margin,
        })
    }

    /// Encodes and classifies images. See [`ImageInput`] for what an image may be; to go on without images that cannot
    /// be read, encode them with [`ImageEncoder::encode_each`] or [`ImageEncoder::stream`] first.
    ///
    /// # Errors
    /// An encoder of another model or with other options; the first image that cannot be read.
    pub fn classify_images<'a>(
        &self,
        encoder: &ImageEncoder,
        images: impl IntoIterator<Item: Into<ImageInput<'a>>>,
    ) -> Result<Vec<Classification>, Error> {
        self.check_fingerprint(encoder.fingerprint())?;
        self.classify(&encoder.encode(images)?)
    }

    /// Refuses embeddings that cannot be compared with those of the labels.
    ///
    /// # Errors
    /// Another fingerprint than that of the labels.
    pub fn check_fingerprint(&self, embeddings: &Fingerprint) -> Result<(), Error> {
        if *embeddings == self.fingerprint {
            return Ok(());
        }
        Err(Error::Classifier(format!(
            "embeddings with the fingerprint {embeddings} cannot be compared with labels of the fingerprint {}; encode \
             both with the same model and options",
            self.fingerprint
        )))
    }

    /// The labels, in the order in which they were given.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The name of a label; empty beyond the last one.
    #[must_use]
    pub fn name(&self, label: usize) -> &str {
        self.labels.get(label).map_or("", Label::name)
    }

    /// The embeddings of the labels: unit rows `[labels, embed_dim]`.
    #[must_use]
    pub fn embeddings(&self) -> ArrayView2<'_, f32> {
        self.rows.view()
    }

    /// The fingerprint of the labels' embeddings.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Cosines of an embedding with all labels.
    fn cosines_of(&self, embedding: &[f32]) -> Result<Vec<f64>, Error> {
        if embedding.len() != self.rows.ncols() {
            return Err(Error::EmbedDim { left: embedding.len(), right: self.rows.ncols() });
        }
        if !embedding.iter().all(|value| value.is_finite()) {
            let reason = "the embedding has values that are not finite; encode the photo again";
            return Err(Error::Classifier(reason.into()));
        }
        let scale = scores::inverse_length(embedding);
        let rows = self.rows.outer_iter();
        Ok(rows.map(|row| scores::dot(embedding, row.as_slice().unwrap_or_default()) * scale).collect())
    }

    fn probabilities(&self, cosines: &[f64]) -> Vec<f64> {
        let Settings { scoring, temperature, .. } = self.settings;
        let bias = if scoring == Scoring::Sigmoid { self.bias.unwrap_or(0.0) } else { 0.0 };
        let mut logits: Vec<f64> = cosines.iter().map(|cosine| (cosine * self.scale + bias) / temperature).collect();
        match scoring {
            Scoring::Softmax => scores::softmax(&mut logits),
            Scoring::Sigmoid => logits.iter_mut().for_each(|logit| *logit = scores::sigmoid(*logit)),
        }
        logits
    }
}

#[cfg(all(test, feature = "demo"))]
mod tests;
