//! Several precisions of a model beside the first: what memory they take, and how far their embeddings agree.

use ndarray::Array2;
use serde::Serialize;

use super::super::messages::Failure;
use super::measure::{Subject, private_memory};
use super::{LARGE_BATCH, samples};
use crate::clip::agreement::{self, CosineAgreement, RankAgreement};
use crate::{Error, ImageEncoder, TextEncoder};

/// A precision of a model. Fields may be added, never renamed or removed.
#[derive(Serialize)]
pub(super) struct Compared {
    pub precision: &'static str,
    /// The size of the weights file, which is mapped.
    pub file_bytes: u64,
    /// Memory that the process has for the model and shares with no other process; null where the system does not tell.
    pub private_bytes: Option<u64>,
    /// With the first precision; null for the first itself.
    pub agreement: Option<Agreement>,
}

/// How far the embeddings of a precision agree with those of the first. Null without the tower, or without a tokenizer.
#[derive(Serialize)]
pub(super) struct Agreement {
    pub images: Option<CosineAgreement>,
    pub texts: Option<CosineAgreement>,
    /// Of pictures, for texts as queries.
    pub ranks: Option<RankAgreement>,
}

/// The places of models that are precisions of one, for each model that is there in several: that of the first, and those of
/// the others.
pub(super) fn precisions(subjects: &[Subject]) -> Vec<Vec<usize>> {
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    for (at, subject) in subjects.iter().enumerate() {
        let origin = subject.origin_hash();
        match groups.iter_mut().find(|(known, _)| *known == origin) {
            Some((_, places)) if places.iter().any(|&place| subjects[place].precision() == subject.precision()) => {}
            Some((_, places)) => places.push(at),
            None => groups.push((origin, vec![at])),
        }
    }
    groups.into_iter().map(|(_, places)| places).filter(|places| places.len() > 1).collect()
}

/// A model with its embeddings. It stays open until all are measured, so that what one gives back is not taken for less
/// memory of the next.
struct Opened {
    _encoders: (Option<ImageEncoder>, Option<TextEncoder>),
    images: Option<Array2<f32>>,
    texts: Option<Array2<f32>>,
    private_bytes: Option<u64>,
}

impl Opened {
    fn new(subject: &Subject, threads: usize) -> Result<Opened, Failure> {
        let side = subject.image_size().unwrap_or(0);
        let (pictures, sentences) = (samples::pictures(side)?, samples::sentences());
        let encode = |(image, text): &(Option<ImageEncoder>, Option<TextEncoder>), most: usize| -> Result<_, Error> {
            let (pictures, sentences) =
                (&pictures[..most.min(pictures.len())], &sentences[..most.min(sentences.len())]);
            let images = image.as_ref().map(|image| image.encode(pictures)).transpose()?;
            let reader = text.as_ref().filter(|text| text.tokenizer().is_some());
            Ok((images, reader.map(|text| text.encode(sentences)).transpose()?))
        };
        // What the process gets once for all models, and what it keeps of earlier ones, is not this one's.
        let warm = subject.open(threads, LARGE_BATCH)?;
        encode(&warm, LARGE_BATCH)?;
        drop(warm);
        // Gives freed memory back to the system.
        match subject.open(threads, LARGE_BATCH)? {
            (Some(image), _) => image.release(),
            (None, Some(text)) => text.release(),
            (None, None) => {}
        }
        let before = private_memory();
        let encoders = subject.open(threads, LARGE_BATCH)?;
        let (images, texts) = encode(&encoders, usize::MAX)?;
        let private_bytes = private_memory().zip(before).map(|(after, before)| after.saturating_sub(before));
        Ok(Opened { _encoders: encoders, images, texts, private_bytes })
    }

    fn agreement(&self, first: &Opened) -> Result<Agreement, Error> {
        let cosines = |ours: &Option<Array2<f32>>, theirs: &Option<Array2<f32>>| {
            let both = ours.as_ref().zip(theirs.as_ref());
            both.map(|(ours, theirs)| agreement::cosines(theirs.view(), ours.view())).transpose()
        };
        let of = |opened: &Opened| Some((opened.texts.clone()?, opened.images.clone()?));
        let ranks = of(first).zip(of(self)).map(|(first, second)| {
            agreement::ranks((first.0.view(), first.1.view()), (second.0.view(), second.1.view()))
        });
        Ok(Agreement {
            images: cosines(&self.images, &first.images)?,
            texts: cosines(&self.texts, &first.texts)?,
            ranks: ranks.transpose()?,
        })
    }
}

/// Compares precisions of a model with the first of them.
pub(super) fn compare(subjects: &[&Subject], threads: usize) -> Result<Vec<Compared>, Failure> {
    let opened = subjects.iter().map(|subject| Opened::new(subject, threads)).collect::<Result<Vec<_>, _>>()?;
    let compared = subjects.iter().zip(&opened).enumerate().map(|(at, (subject, of))| {
        let agreement = (at > 0).then(|| of.agreement(&opened[0])).transpose()?;
        let (precision, file_bytes) = (subject.precision().name(), subject.file_len());
        Ok(Compared { precision, file_bytes, private_bytes: of.private_bytes, agreement })
    });
    compared.collect()
}
