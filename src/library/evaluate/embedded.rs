//! The embeddings of an evaluation, and how far those of another precision of the model agree with them.

use ndarray::{Array2, Axis};

use super::error::EvaluateError as Error;
use super::report::Agreement;
use crate::clip::{Clip, Family, Fingerprint, agreement};

/// The embeddings of an evaluation: what those of the same model in another precision are compared with. See
/// [`Evaluation::against`](super::Evaluation::against).
#[derive(Clone, Debug)]
pub struct Embedded {
    model: String,
    family: Family,
    fingerprint: Fingerprint,
    pub(super) photos: Rows,
    /// Labels of the classes, or captions.
    pub(super) texts: Rows,
}

/// Embeddings with the places of what they are of in the data set.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    /// In ascending order.
    pub places: Vec<usize>,
    /// `[places, embed_dim]`
    pub values: Array2<f32>,
}

impl Embedded {
    pub(super) fn new(clip: &Clip, photos: Rows, texts: Rows) -> Embedded {
        let (family, fingerprint) = (clip.family().clone(), clip.fingerprint().clone());
        Embedded { model: clip.weights().model_name(), family, fingerprint, photos, texts }
    }

    /// Whether `clip` is the same model in another precision, or with its token table in another form.
    #[must_use]
    pub fn is_other_form_of(&self, clip: &Clip) -> bool {
        *clip.family() == self.family && *clip.fingerprint() != self.fingerprint
    }

    /// Refuses what is another model.
    pub(super) fn check(&self, clip: &Clip) -> Result<(), Error> {
        if *clip.family() == self.family {
            return Ok(());
        }
        let (first, second) = (&self.model, clip.weights().model_name());
        Err(Error::Option(format!(
            "{first} and {second} are different models; agreement is that of one model in several precisions"
        )))
    }

    /// How far `other` agrees. Photos and captions that only one of them has count in no figure. `by_class` says whether
    /// the texts are labels, and what photos are taken for counts.
    pub(super) fn agreement(&self, other: &Embedded, by_class: bool) -> Result<Agreement, Error> {
        let (photos, texts) = (common(&self.photos, &other.photos), common(&self.texts, &other.texts));
        let search = agreement::ranks((texts.0.view(), photos.0.view()), (texts.1.view(), photos.1.view()))?;
        let top1 = match by_class {
            true => agreement::ranks((photos.0.view(), texts.0.view()), (photos.1.view(), texts.1.view()))?.top1,
            false => search.top1,
        };
        Ok(Agreement {
            with: self.model.clone(),
            photos: agreement::cosines(photos.0.view(), photos.1.view())?,
            texts: agreement::cosines(texts.0.view(), texts.1.view())?,
            top1,
            top10: search.top10,
        })
    }
}

/// The rows of both that are of the same.
fn common(first: &Rows, second: &Rows) -> (Array2<f32>, Array2<f32>) {
    let of = |rows: &Rows, other: &Rows| {
        let shared = |(_, place): &(usize, &usize)| other.places.binary_search(place).is_ok();
        let rows_of: Vec<usize> = rows.places.iter().enumerate().filter(shared).map(|(row, _)| row).collect();
        rows.values.select(Axis(0), &rows_of)
    };
    (of(first, second), of(second, first))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn only_what_both_have_is_compared() {
        let rows = |places: &[usize]| Rows {
            places: places.to_vec(),
            values: Array2::from_shape_fn((places.len(), 1), |(row, _)| places[row] as f32),
        };
        let (first, second) = common(&rows(&[0, 2, 3, 7]), &rows(&[2, 5, 7, 8]));
        assert_eq!((&first, &second), (&array![[2.0], [7.0]], &array![[2.0], [7.0]]));
    }
}
