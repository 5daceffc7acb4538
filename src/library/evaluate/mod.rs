//! Measures what models and prompts are worth on photos with known answers.
//!
//! ```text
//! dataset (photos with classes or captions) -> clip (embeddings) -> metrics (pure functions) -> report (data)
//! ```
//! For those who choose a model, a template, a wording or a temperature. Draws nothing: a report is data.

mod dataset;
mod embedded;
mod error;
pub mod metrics;
mod prompts;
mod report;

use std::time::Instant;

use ndarray::{Array2, Axis};

pub use dataset::{Caption, Dataset, Picture, Split};
pub use embedded::Embedded;
pub use error::EvaluateError;
pub use report::{
    Agreement, Calibrated, Class, Classified, DatasetSummary, FailedPhoto, RankedTemplate, RankedWording, Recall,
    Report, Retrieval,
};

use crate::clip::{CancelToken, Clip, Label, Progress, Templates};
use crate::error::{Error, ErrorKind};
use embedded::Rows;

/// An evaluation to run, on one model or several.
///
/// ```no_run
/// use clippie_rs::Clip;
/// use clippie_rs::library::evaluate::{Dataset, Evaluation, Split};
///
/// let dataset = Dataset::open("cifar-10-batches-bin", Split::Test, Some(100))?; // 100 photos of each class
/// let mut evaluation = Evaluation::new(&dataset);
/// for model in ["mobileclip2-s0", "mobileclip2-s2"] {
///     let report = evaluation.run(&Clip::load(model)?)?;
///     let classified = report.classification.expect("CIFAR-10 has classes");
///     println!("{model}: {:.1} %", classified.top1 * 100.0);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Evaluation<'a> {
    dataset: &'a Dataset,
    labels: Option<Vec<Label>>,
    templates: Templates,
    against: Option<&'a Embedded>,
    cancel: CancelToken,
    report: Box<dyn FnMut(Progress) + Send + 'a>,
}

/// Photos that were encoded.
struct Encoded {
    photos: Rows,
    failures: Vec<FailedPhoto>,
}

impl<'a> Evaluation<'a> {
    /// Prepares an evaluation. Classes are worded as they are called, with spaces for underscores.
    #[must_use]
    pub fn new(dataset: &'a Dataset) -> Self {
        Evaluation {
            dataset,
            labels: None,
            templates: Templates::default(),
            against: None,
            cancel: CancelToken::new(),
            report: Box::new(|_| {}),
        }
    }

    /// Sets the sentences around class names. Several are averaged, and also ranked alone.
    #[must_use]
    pub fn templates(mut self, templates: Templates) -> Self {
        self.templates = templates;
        self
    }

    /// Gives classes other wordings: labels are named as the classes of the data set. Several wordings of a class are
    /// averaged, and also ranked alone.
    ///
    /// # Errors
    /// Labels that are no classes, classes without a label, and labels of a data set without classes.
    pub fn labels(mut self, labels: impl IntoIterator<Item: Into<Label>>) -> Result<Self, EvaluateError> {
        self.labels = Some(prompts::in_order(self.dataset, labels.into_iter().map(Into::into).collect())?);
        Ok(self)
    }

    /// Also reports how far models agree with `other`, which an evaluation of the same data set with the same labels and
    /// templates returned for the same model in another precision: see [`Evaluation::run_keeping`].
    #[must_use]
    pub fn against(mut self, other: &'a Embedded) -> Self {
        self.against = Some(other);
        self
    }

    /// Stops when `token` is cancelled, with [`Error::Cancelled`].
    #[must_use]
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = token.clone();
        self
    }

    /// Calls `report` for every photo that is encoded.
    #[must_use]
    pub fn progress(mut self, report: impl FnMut(Progress) + Send + 'a) -> Self {
        self.report = Box::new(report);
        self
    }

    /// Evaluates a model. Photos that cannot be read are listed in the report and count in no figure.
    ///
    /// # Errors
    /// A model that cannot be run, a label or template that cannot be encoded, a data set none of whose photos can be
    /// read, and [`Error::Cancelled`]. A model that is not that of [`Evaluation::against`].
    pub fn run(&mut self, clip: &Clip) -> Result<Report, EvaluateError> {
        self.run_keeping(clip).map(|(report, _)| report)
    }

    /// As [`Evaluation::run`]; returns the embeddings too, for [`Evaluation::against`].
    ///
    /// # Errors
    /// See [`Evaluation::run`].
    pub fn run_keeping(&mut self, clip: &Clip) -> Result<(Report, Embedded), EvaluateError> {
        if let Some(other) = self.against {
            other.check(clip)?;
        }
        let started = Instant::now();
        let encoded = self.encode(clip)?;
        let seconds = started.elapsed().as_secs_f64();
        let dataset = self.dataset;
        let by_class = !dataset.classes().is_empty();
        let (classification, retrieval, texts) = if by_class {
            let (classified, texts) = self.classify(clip, &encoded.photos)?;
            (Some(classified), None, texts)
        } else {
            let (retrieval, texts) = self.retrieve(clip, &encoded.photos)?;
            (None, Some(retrieval), texts)
        };
        let Encoded { photos, failures } = encoded;
        let embedded = Embedded::new(clip, photos, texts);
        let agreement = self.against.map(|other| other.agreement(&embedded, by_class)).transpose()?;
        let report = Report {
            version: env!("CARGO_PKG_VERSION"),
            model: clip.weights().model_name(),
            fingerprint: clip.fingerprint().to_string(),
            precision: clip.weights().header().precision().name(),
            dataset: DatasetSummary {
                path: dataset.path().to_string_lossy().into_owned(),
                kind: dataset.kind(),
                photos: dataset.len(),
                classes: dataset.classes().len(),
                captions: dataset.captions().len(),
            },
            seconds,
            failures,
            classification,
            retrieval,
            agreement,
        };
        Ok((report, embedded))
    }

    fn encode(&mut self, clip: &Clip) -> Result<Encoded, EvaluateError> {
        let dataset = self.dataset;
        let (mut values, mut photos, mut failures) = (Vec::new(), Vec::new(), Vec::new());
        let pictures = (0..dataset.len()).filter_map(|index| dataset.picture(index));
        let total = Some(dataset.len());
        let stream = clip.image().stream(pictures).cancel(&self.cancel).progress(|progress| {
            // Their iterator does not know how many there are.
            let mut progress = progress;
            progress.total = total;
            (self.report)(progress);
        });
        for (index, (_, row)) in stream.enumerate() {
            match row {
                Ok(row) => {
                    values.extend(row);
                    photos.push(index);
                }
                Err(error) if matches!(error.kind(), ErrorKind::Weights | ErrorKind::Cancelled) => {
                    return Err(error.into());
                }
                Err(error) => failures.push(FailedPhoto { photo: dataset.name(index), error: error.to_string() }),
            }
        }
        if self.cancel.is_cancelled() {
            return Err(Error::Cancelled.into());
        }
        if photos.is_empty() {
            let reason = failures.first().map_or("", |failure| &failure.error);
            return Err(EvaluateError::dataset(dataset.path(), format!("none of its photos can be read: {reason}")));
        }
        let values = Array2::from_shape_vec((photos.len(), clip.embed_dim()), values).map_err(Error::from)?;
        Ok(Encoded { photos: Rows { places: photos, values }, failures })
    }

    /// What classes photos are taken for; and the embeddings of the labels.
    fn classify(&self, clip: &Clip, photos: &Rows) -> Result<(Classified, Rows), EvaluateError> {
        let labels = match &self.labels {
            Some(labels) => labels.clone(),
            None => prompts::default_labels(self.dataset),
        };
        let classes = labels.len();
        let truth: Vec<usize> = photos.places.iter().map(|&photo| self.dataset.truth()[photo]).collect();
        let prompts = prompts::Prompts { clip, labels: &labels, templates: &self.templates, rows: &photos.values };
        let classifier = prompts.classifier(&labels, &self.templates)?;
        let cosines = classifier.cosines(&photos.values)?; // [photos, classes]
        let ranks = metrics::ranks(cosines.view(), &truth);
        let predicted = metrics::predictions(cosines.view());
        let accuracies = metrics::per_class(&ranks, &truth, classes);
        let seen = accuracies.iter().filter(|accuracy| accuracy.count > 0);
        let mean_class_top1 = seen.clone().map(|accuracy| accuracy.top1).sum::<f64>() / seen.count() as f64;

        let logits = &cosines * f64::from(clip.logit_scale());
        let grid = metrics::calibrate(logits.view(), &truth, &metrics::temperatures());
        let [plain] = metrics::calibrate(logits.view(), &truth, &[1.0])[..] else { unreachable!("one temperature") };
        let best = grid.iter().copied().min_by(|a, b| a.error.total_cmp(&b.error)).unwrap_or(plain);
        let found = Classified {
            top1: metrics::share_at(&ranks, 1),
            top5: metrics::share_at(&ranks, 5),
            mean_class_top1,
            templates: self.templates.iter().map(str::to_owned).collect(),
            confusion: lists(&metrics::confusion(&truth, &predicted, classes)),
            calibration: Calibrated { bins: metrics::BINS, plain, best, grid },
            template_ranking: prompts.rank_templates(&truth)?,
            wording_ranking: prompts.rank_wordings(&cosines, &truth)?,
            similarity: lists(&metrics::class_similarity(photos.values.view(), &truth, classes)),
            classes: labels
                .iter()
                .zip(accuracies)
                .map(|(label, accuracy)| Class {
                    name: label.name().to_owned(),
                    wordings: label.wordings().to_vec(),
                    accuracy,
                })
                .collect(),
        };
        let labels = Rows { places: (0..classes).collect(), values: classifier.embeddings().to_owned() };
        Ok((found, labels))
    }

    /// What captions and photos find; and the embeddings of the captions.
    fn retrieve(&self, clip: &Clip, encoded: &Rows) -> Result<(Retrieval, Rows), EvaluateError> {
        // The place of each photo among the encoded ones.
        let mut place = vec![None; self.dataset.len()];
        encoded.places.iter().enumerate().for_each(|(at, &photo)| place[photo] = Some(at));
        let captions = self.dataset.captions().iter().enumerate();
        let captions = captions.filter_map(|(at, caption)| Some((at, (place[caption.photo]?, &caption.text))));
        let (places, (photo_of, texts)): (Vec<usize>, (Vec<usize>, Vec<&String>)) = captions.unzip();
        let mut captions_of = vec![Vec::new(); encoded.places.len()];
        photo_of.iter().enumerate().for_each(|(caption, &photo)| captions_of[photo].push(caption));
        let texts = clip.text().with_cancel(&self.cancel).encode(&texts)?; // [captions, embed_dim]
        let photo_of: Vec<Vec<usize>> = photo_of.into_iter().map(|photo| vec![photo]).collect();
        let recall = |ranks: Vec<usize>| {
            let at = |k| metrics::share_at(&ranks, k);
            Recall { at1: at(1), at5: at(5), at10: at(10) }
        };
        let photos = encoded.values.view();
        let found = Retrieval {
            photos: photos.nrows(),
            captions: texts.nrows(),
            photo_to_text: recall(metrics::ranks_of_related(photos, texts.view(), &captions_of)?),
            text_to_photo: recall(metrics::ranks_of_related(texts.view(), photos, &photo_of)?),
        };
        Ok((found, Rows { places, values: texts }))
    }
}

impl std::fmt::Debug for Evaluation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Evaluation");
        debug.field("dataset", &self.dataset.path()).field("labels", &self.labels);
        debug.field("templates", &self.templates).finish_non_exhaustive()
    }
}

fn lists<T: Clone>(rows: &Array2<T>) -> Vec<Vec<T>> {
    rows.axis_iter(Axis(0)).map(|row| row.to_vec()).collect()
}

#[cfg(all(test, repository, feature = "demo"))]
mod tests;
