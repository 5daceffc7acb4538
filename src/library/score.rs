//! Scores that mean the same for every query and model, and where results end.
//!
//! A cosine says little by itself: what a sentence and a photo have in common lies between 0.2 and 0.3 with one model and
//! around 0.5 with another. So the cosine of a result is measured against cosines of pairs that have nothing to do with
//! each other: those of the library's photos with sentences about anything ([`BACKGROUND`]), or with each other if photos
//! are searched for. With their median m and the mean h of their highest hundredth,
//!
//! ```text
//! fit = (cosine + lift - m) / (1.02 · (h - m)),   lift = 0.2 · (the query's own 90th percentile in this library - m)
//! ```
//!
//! and results end where the fit falls below one. The lift is for sentences only: a general one, "a circle", has lower
//! cosines with what it fits than one that says more, and higher ones with everything else. The constants were measured
//! on drawn scenes; docs/search.md has the figures, and those of what did not do as well.

use super::error::Error;
use super::store::{Calibration, ModelRow, Store};
use crate::clip::{TextCache, TextEncoder};

/// Where results end, in units of the distance from the median to the high cosines of unrelated pairs.
const CUT: f64 = 1.02;
/// Share of the query's own high cosines that is added.
const LIFT: f64 = 0.2;
/// The query's cosines that count as high.
const LIFT_QUANTILE: f64 = 0.9;
/// The share of unrelated pairs whose cosines count as high; their mean varies half as much from library to library as
/// their smallest.
const HIGH: f64 = 0.01;

/// Photos whose cosines with the background sentences are taken.
const SAMPLE: usize = 1024;
/// Photos whose cosines with each other are taken.
const PAIRS: usize = 512;
/// Photos without which pairs say nothing.
const FEWEST: usize = 10;
/// Photos whose cosines with a query tell how general it is.
pub(super) const LIFT_SAMPLE: usize = 4096;

/// Sentences about anything: what photos show, and the shapes and colours that drawings show.
pub(crate) const BACKGROUND: [&str; 100] = [
    "a photo of a person",
    "a photo of a group of people",
    "a photo of a child",
    "a photo of a baby",
    "a photo of an old man",
    "a photo of a dog",
    "a photo of a cat",
    "a photo of a bird",
    "a photo of a horse",
    "a photo of a fish",
    "a photo of an insect",
    "a photo of a flower",
    "a photo of a tree",
    "a photo of a forest",
    "a photo of a mountain",
    "a photo of a lake",
    "a photo of the sea",
    "a photo of a beach",
    "a photo of a river",
    "a photo of snow",
    "a photo of a sunset",
    "a photo of the night sky",
    "a photo of a city street",
    "a photo of a house",
    "a photo of a church",
    "a photo of a bridge",
    "a photo of a car",
    "a photo of a bicycle",
    "a photo of a train",
    "a photo of an airplane",
    "a photo of a boat",
    "a photo of a meal on a plate",
    "a photo of fruit",
    "a photo of a cake",
    "a photo of a drink",
    "a photo of a computer",
    "a photo of a telephone",
    "a photo of a book",
    "a photo of a document",
    "a photo of a screenshot",
    "a photo of a map",
    "a photo of a toy",
    "a photo of clothes",
    "a photo of a chair",
    "a photo of a room",
    "a photo of a kitchen",
    "a photo of a garden",
    "a photo of a road",
    "a photo of a field",
    "a photo of a rock",
    "a photo of a statue",
    "a photo of a painting",
    "a photo of a drawing",
    "a photo of a sign with text",
    "a photo of a party",
    "a photo of a wedding",
    "a photo of a concert",
    "a photo of sports",
    "a photo of a crowd",
    "a photo of a shadow",
    "a photo of a texture",
    "a photo of something blurred",
    "a photo of a dark photo",
    "a photo of a bright photo",
    "a red circle",
    "a green circle",
    "a pink circle",
    "a white circle",
    "a blue square",
    "a brown square",
    "a gray square",
    "a yellow square",
    "a black triangle",
    "a red triangle",
    "a green triangle",
    "a pink triangle",
    "an orange star",
    "a blue star",
    "a brown star",
    "a gray star",
    "a purple heart",
    "a black heart",
    "a red heart",
    "a green heart",
    "a white cross",
    "an orange cross",
    "a blue cross",
    "a brown cross",
    "a yellow ring",
    "a purple ring",
    "a black ring",
    "a red ring",
    "a pink diamond",
    "a white diamond",
    "an orange diamond",
    "a blue diamond",
    "a gray moon",
    "a yellow moon",
    "a purple moon",
    "a black moon",
];

/// What the cosines of one query are measured against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measure {
    median: f64,
    /// From the median to where results end.
    reach: f64,
    lift: f64,
}

impl Measure {
    /// The measure of a sum of unit vectors with these weights, divided by `length`; `None` if one of its kinds has no
    /// calibration. `high` is the query's own high cosine, for sums of sentences alone.
    pub fn new(terms: &[(f32, Option<Calibration>)], length: f64, high: Option<f64>) -> Option<Measure> {
        // The terms' unrelated cosines add up like independent numbers.
        let (mut median, mut square) = (0.0, 0.0);
        for &(weight, calibration) in terms {
            let (calibration, weight) = (calibration?.bounded(), f64::from(weight) / length);
            median += weight * calibration.median;
            square += (weight * (calibration.high - calibration.median)).powi(2);
        }
        let lift = high.map_or(0.0, |high| LIFT * (high - median));
        (square > 0.0).then(|| Measure { median, reach: CUT * square.sqrt(), lift })
    }

    /// One and more for what fits.
    pub fn fit(&self, cosine: f64) -> f64 {
        (cosine + self.lift - self.median) / self.reach
    }

    /// The cosine at which results end.
    pub fn cut(&self) -> f64 {
        self.median + self.reach - self.lift
    }
}

/// The query's own high cosine, from those with a sample of photos.
pub(super) fn high(mut cosines: Vec<f64>) -> Option<f64> {
    quantile(&mut cosines, LIFT_QUANTILE)
}

/// The value below which a share of the values lies.
fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let at = (last as f64 * share).round() as usize;
    Some(*values.select_nth_unstable_by(at.min(last), f64::total_cmp).1)
}

/// At most `most` rows of `len` at even distances.
pub(super) fn sample(len: usize, most: usize) -> impl Iterator<Item = usize> {
    let count = len.min(most);
    (0..count).map(move |i| i * len / count.max(1))
}

/// Measures what scores of a model are measured against in this library, and stores it.
pub(super) fn calibrate(
    cache: &TextCache,
    store: &Store,
    model: &ModelRow,
    texts: Option<&TextEncoder>,
) -> Result<(), Error> {
    let (text, photo) = measured(cache, store, model, texts)?;
    // Another text tower may have measured before.
    let text = text.or(model.text);
    if (text, photo) != (model.text, model.photo) {
        store.write(|store| store.set_calibration(model.id, text, photo))?;
    }
    Ok(())
}

/// Whether something can be measured that was not: embeddings of other programs came without it.
pub(super) fn is_unmeasured(store: &Store, model: &ModelRow, texts: Option<&TextEncoder>) -> Result<bool, Error> {
    if model.photo.is_some() && (model.text.is_some() || texts.is_none()) {
        return Ok(false);
    }
    let (_, photos) = store.embedding_extent(model.id)?;
    let text = model.text.is_none() && texts.is_some() && photos > 0;
    Ok(text || model.photo.is_none() && photos >= FEWEST as u64)
}

/// Says that results of a search have no fit although there are photos enough to measure it, and what measures it.
pub(super) fn warn_unmeasured(path: &std::path::Path, name: &str, photos: usize) {
    if photos >= FEWEST {
        let library = super::error::option(path);
        tracing::warn!(
            "how well photos fit is not known: it was not measured yet for {name}; `clippie-rs index -m {name}{library}` \
             measures it"
        );
    }
}

/// The calibrations of sentences and of photos; `None` for too few photos.
pub(super) fn measured(
    cache: &TextCache,
    store: &Store,
    model: &ModelRow,
    texts: Option<&TextEncoder>,
) -> Result<(Option<Calibration>, Option<Calibration>), Error> {
    let ids = store.embedding_photos(model.id)?;
    let mut photos = Vec::new();
    for at in sample(ids.len(), SAMPLE) {
        photos.extend(store.embedding(model, ids[at])?);
    }
    let mut text = None;
    // The sentences are English, whatever language a query has.
    if let Some(encoder) = texts.filter(|_| !photos.is_empty()).map(TextEncoder::without_language) {
        let mut sentences = Vec::new();
        for sentence in BACKGROUND {
            sentences.push(super::texts::embedding(cache, store, model, &encoder, sentence)?);
        }
        let cosines = photos.iter().flat_map(|photo| sentences.iter().map(|sentence| dot(photo, sentence)));
        text = calibration(&mut cosines.collect::<Vec<f64>>());
    }
    let mut photo = None;
    if photos.len() >= FEWEST {
        let some: Vec<&Vec<f32>> = sample(photos.len(), PAIRS).map(|at| &photos[at]).collect();
        let pairs = some.iter().enumerate().flat_map(|(i, a)| some[i + 1..].iter().map(|b| dot(a, b)));
        photo = calibration(&mut pairs.collect::<Vec<f64>>());
    }
    Ok((text, photo))
}

fn calibration(cosines: &mut [f64]) -> Option<Calibration> {
    let median = quantile(cosines, 0.5)?;
    let count = ((cosines.len() as f64 * HIGH).round() as usize).max(1);
    cosines.sort_unstable_by(f64::total_cmp);
    let high = cosines.iter().rev().take(count).sum::<f64>() / count as f64;
    (high > median).then_some(Calibration { median, high })
}

/// The product of two vectors, in float64.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// The cosine of two vectors, in float64; NaN for one of zeros.
pub(super) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt())
}

impl Calibration {
    /// This calibration, as far as it can be that of unrelated pairs. In a small library of bursts and copies, more than
    /// one pair in a hundred is of the same scene, and the high cosine is theirs. The median is not, so it bounds what is
    /// taken for the cosine of unrelated photos; a cosine of one always fits then.
    fn bounded(self) -> Calibration {
        /// The largest share of the way from the median to one at which unrelated pairs are; 0.62 with the demo model.
        const SPREAD: f64 = 0.7;
        let Calibration { median, high } = self;
        Calibration { median, high: high.min(median + SPREAD * (1.0 - median)) }
    }
}

/// The least cosine of two photos of the same scene: a share of the way from the high cosine of unrelated photos to one.
///
/// On 300 drawn scenes of the demo model (median 0.23, high 0.71), shares of the pairs that reach it:
///
/// | share | drawn again, other details | shifted by 2 to 7 %, up to 8 % brighter | other scenes |
/// |---|---|---|---|
/// | 0.4 | 99 % | 99 to 100 % | 0.04 % |
/// | 0.5, for photos taken within minutes | 97 to 99 % | 99 to 100 % | 0.02 % |
/// | 0.75, for photos without a date | 84 to 85 % | 91 to 99 % | 0.002 % |
pub(super) fn same_scene(calibration: Calibration, dated: bool) -> f64 {
    let Calibration { high, .. } = calibration.bounded();
    let share = if dated { 0.5 } else { 0.75 };
    high + share * (1.0 - high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_samples() {
        let mut values: Vec<f64> = (0..101).rev().map(f64::from).collect();
        assert_eq!(quantile(&mut values, 0.5), Some(50.0));
        assert_eq!(quantile(&mut values, 0.99), Some(99.0));
        assert_eq!(quantile(&mut [], 0.5), None);
        assert_eq!(sample(3, 10).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(sample(10, 3).collect::<Vec<_>>(), [0, 3, 6]);
        assert_eq!(sample(0, 3).count(), 0);
    }

    #[test]
    fn scenes_are_more_alike_than_unrelated_photos() {
        let cut = |median, high, dated| same_scene(Calibration { median, high }, dated);
        assert!((cut(0.0, 0.6, true) - 0.8).abs() < 1e-9 && (cut(0.0, 0.6, false) - 0.9).abs() < 1e-9);
        // Mostly bursts.
        assert!((cut(0.2, 0.99, true) - 0.88).abs() < 1e-9);
        for (median, high) in [(-1.0, 1.0), (0.99, 0.999), (0.5, 0.51)] {
            let (dated, other) = (cut(median, high, true), cut(median, high, false));
            assert!(median < dated && dated < other && other < 1.0, "{median} {high}: {dated} {other}");
        }
    }

    #[test]
    fn a_fit_of_one_is_the_cut() {
        let text = Some(Calibration { median: 0.2, high: 0.3 });
        let photo = Some(Calibration { median: 0.5, high: 0.7 });
        let plain = Measure::new(&[(1.0, text)], 1.0, None).unwrap();
        assert!((plain.cut() - 0.302).abs() < 1e-9 && (plain.fit(plain.cut()) - 1.0).abs() < 1e-9);
        let general = Measure::new(&[(1.0, text)], 1.0, Some(0.25)).unwrap();
        assert!((general.cut() - 0.292).abs() < 1e-9 && (general.fit(general.cut()) - 1.0).abs() < 1e-9);
        // 0.8 of a text and 0.6 of a photo.
        let sum = Measure::new(&[(0.8, text), (0.6, photo)], 1.0, None).unwrap();
        assert!((sum.median - 0.46).abs() < 1e-6);
        assert!((sum.reach - 1.02 * (0.08f64.powi(2) + 0.12f64.powi(2)).sqrt()).abs() < 1e-6);
        assert_eq!(Measure::new(&[(0.8, text), (0.6, None)], 1.0, None), None);
        // Where most photos have a copy, a copy still fits.
        let copies = Some(Calibration { median: 0.2, high: 0.999 });
        assert!(Measure::new(&[(1.0, copies)], 1.0, None).unwrap().fit(1.0) > 1.3);
    }
}
