//! The result of an evaluation, as data: for tables, JSON and reports. Fields may be added, never renamed or removed.
//! What cannot be computed is NaN, which JSON shows as null.

use serde::Serialize;

use super::metrics::{Calibration, ClassAccuracy};
use crate::clip::agreement::CosineAgreement;

/// What a model is worth on a data set.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Version of this crate.
    pub version: &'static str,
    /// Name of the model.
    pub model: String,
    /// Fingerprint of its embeddings.
    pub fingerprint: String,
    /// Precision of its weights, such as `f32`.
    pub precision: &'static str,
    /// The data set.
    pub dataset: DatasetSummary,
    /// Seconds that encoding the photos took.
    pub seconds: f64,
    /// Photos that could not be encoded; they count in no figure.
    pub failures: Vec<FailedPhoto>,
    /// For photos with classes.
    pub classification: Option<Classified>,
    /// For photos with captions.
    pub retrieval: Option<Retrieval>,
    /// With the same model in another precision: see [`Evaluation::against`](super::Evaluation::against).
    pub agreement: Option<Agreement>,
}

/// How far a model agrees with itself in another precision, on this data set.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Agreement {
    /// Name of the model in the other precision.
    pub with: String,
    /// Of the photos' embeddings.
    pub photos: CosineAgreement,
    /// Of the embeddings of labels or captions.
    pub texts: CosineAgreement,
    /// Share of photos that are taken for the same class, or of captions whose best photo is the same.
    pub top1: f64,
    /// Share of the ten best photos of a label or caption that both have among theirs, on average.
    pub top10: f64,
}

/// A data set.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DatasetSummary {
    /// Where it is.
    pub path: String,
    /// See [`Dataset::kind`](super::Dataset::kind).
    pub kind: &'static str,
    /// Number of photos, with those that failed.
    pub photos: usize,
    /// Number of classes.
    pub classes: usize,
    /// Number of captions.
    pub captions: usize,
}

/// A photo that could not be encoded.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct FailedPhoto {
    /// Its file, or its number in the data set.
    pub photo: String,
    /// Why.
    pub error: String,
}

/// Zero-shot classification.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Classified {
    /// Share of photos whose class is the most probable one.
    pub top1: f64,
    /// Share of photos whose class is among the five most probable ones.
    pub top5: f64,
    /// Mean of the classes' `top1`: classes count the same, however many photos they have.
    pub mean_class_top1: f64,
    /// The templates, which were averaged.
    pub templates: Vec<String>,
    /// The classes, in the order of the data set.
    pub classes: Vec<Class>,
    /// How often photos of each class (rows) were taken for each class (columns).
    pub confusion: Vec<Vec<usize>>,
    /// Whether probabilities mean what they say.
    pub calibration: Calibrated,
    /// Each template alone, from the best; none if there is one template.
    pub template_ranking: Vec<RankedTemplate>,
    /// Each wording of the classes that have several, by class and from the best.
    pub wording_ranking: Vec<RankedWording>,
    /// Mean cosine of photos of two classes; on the diagonal, of different photos of the class.
    pub similarity: Vec<Vec<f64>>,
}

/// A class.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Class {
    /// Its name in the data set.
    pub name: String,
    /// What stands for it in templates.
    pub wordings: Vec<String>,
    /// Its photos.
    #[serde(flatten)]
    pub accuracy: ClassAccuracy,
}

/// Calibration over temperatures: see [`metrics::calibrate`](super::metrics::calibrate).
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Calibrated {
    /// Number of bins.
    pub bins: usize,
    /// At temperature 1, the model's own probabilities.
    pub plain: Calibration,
    /// At the temperature with the lowest error.
    pub best: Calibration,
    /// At all temperatures that were tried.
    pub grid: Vec<Calibration>,
}

/// A template alone.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RankedTemplate {
    /// The template.
    pub template: String,
    /// Accuracy with it.
    pub top1: f64,
    /// Accuracy among five.
    pub top5: f64,
}

/// A wording as the only one of its class, while other classes keep all of theirs.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RankedWording {
    /// The class.
    pub class: String,
    /// The wording.
    pub wording: String,
    /// Accuracy on all photos.
    pub top1: f64,
    /// Accuracy on photos of the class.
    pub class_top1: f64,
}

/// Retrieval of photos by captions and of captions by photos.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Retrieval {
    /// Number of photos that were searched.
    pub photos: usize,
    /// Number of captions that were searched.
    pub captions: usize,
    /// Share of photos one of whose captions is among the first.
    pub photo_to_text: Recall,
    /// Share of captions whose photo is among the first.
    pub text_to_photo: Recall,
}

/// Recall at 1, 5 and 10.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct Recall {
    /// Among the first.
    pub at1: f64,
    /// Among the first five.
    pub at5: f64,
    /// Among the first ten.
    pub at10: f64,
}
