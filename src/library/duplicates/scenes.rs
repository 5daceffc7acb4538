//! Photos of the same scene: shots that follow each other and whose embeddings are alike.
//!
//! Shots are looked at in the order of what to keep. Each joins the one among those kept before that is most like it, if
//! they are near in time and alike enough; else it is kept itself. So every shot of a scene was compared with the one
//! that is kept, and a slow change from one scene to another does not join both.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::super::error::Error;
use super::super::scan::{self, Options, Rows, Threads};
use super::super::score;
use super::super::store::ModelRow;
use super::super::vectors::Vectors;
use super::Likeness;
use super::material::Content;
use super::pictures::Same;
use super::present::Present;
use super::series::{Series, named, seconds};
use crate::cancel::CancelToken;

/// How far apart the numbers in the names of shots without a date may be.
const NUMBERS: i64 = 10;
/// Shots that follow each other without a gap and are compared one by one. More are compared by a scan.
const FEW: usize = 256;
/// Pairs of alike shots that a scan lists. Where there are more, few shots are kept, and comparing with these costs less.
const MOST_PAIRS: usize = 2_000_000;

/// A photo that may be one of a scene.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shot {
    /// Its place in the order of what to keep.
    pub content: usize,
    /// Of its embedding.
    row: usize,
    /// Seconds or numbers.
    at: i64,
    dated: bool,
    /// With the first shot of its scene.
    cosine: f64,
}

/// The contents of a scene, with what each has in common with the first.
pub(super) fn members(scene: &[Shot]) -> impl Iterator<Item = (usize, Likeness)> {
    scene.iter().map(|shot| {
        let first = &scene[0];
        let likeness = match shot.content == first.content {
            true => Likeness::First,
            false => {
                let seconds = shot.dated.then(|| shot.at.abs_diff(first.at));
                Likeness::Scene { cosine: shot.cosine as f32, seconds }
            }
        };
        (shot.content, likeness)
    })
}

/// What scenes are looked for in.
pub(super) struct Search<'a> {
    pub contents: &'a [Content],
    pub same: &'a Same,
    pub vectors: &'a Vectors,
    pub model: &'a ModelRow,
    pub within: Duration,
    pub threads: &'a Threads,
    pub cancel: &'a CancelToken,
}

/// For each shot of a run, the places of others and the cosines.
type Alike = Vec<Vec<(usize, f64)>>;

/// What is required of two shots of a series.
struct Limits {
    apart: i64,
    cosine: f64,
}

impl Search<'_> {
    /// The scenes, each with the shot to keep first and the others in order.
    pub fn run(&self, present: &mut Present<'_>, mut progress: impl FnMut(usize)) -> Result<Vec<Vec<Shot>>, Error> {
        let Some(calibration) = self.model.photo else {
            tracing::warn!(
                "the library has too few different photos to tell which ones show the same scene; ten are enough"
            );
            return Ok(Vec::new());
        };
        loop {
            let mut scenes = Vec::new();
            let mut done = 0;
            for (series, mut shots) in self.shots(present)? {
                let apart = match series {
                    Series::Dated => i64::try_from(self.within.as_secs()).unwrap_or(i64::MAX),
                    Series::Named(..) => NUMBERS,
                };
                let cosine = score::same_scene(calibration, series == Series::Dated);
                let limits = Limits { apart, cosine };
                shots.sort_by_key(|shot| (shot.at, shot.content));
                // Shots beyond a gap have nothing to do with each other.
                for run in shots.chunk_by_mut(|a, b| b.at.abs_diff(a.at) <= limits.apart as u64) {
                    run.sort_by_key(|shot| shot.content);
                    if run.len() > 1 {
                        scenes.extend(self.scenes(run, &limits)?);
                    }
                    done += run.len();
                    progress(done);
                }
            }
            if !present.any_gone(scenes.iter().flatten().map(|shot: &Shot| shot.content)) {
                return Ok(scenes);
            }
        }
    }

    /// The photos that can be part of a scene: the first of each picture, at the date that one of its copies states.
    fn shots(&self, present: &Present<'_>) -> Result<BTreeMap<Series, Vec<Shot>>, Error> {
        let rows = self.vectors.by_photo()?;
        let mut taken: HashMap<usize, i64> = HashMap::new();
        for (at, content) in self.contents.iter().enumerate() {
            let file = &content.files[0];
            if let Some(seconds) = seconds(&file.taken).filter(|_| file.dated && !present.is_gone(at)) {
                taken.entry(self.same.first(at)).or_insert(seconds);
            }
        }
        let mut shots: BTreeMap<Series, Vec<Shot>> = BTreeMap::new();
        for (at, content) in self.contents.iter().enumerate() {
            if self.same.first(at) != at || present.is_gone(at) {
                continue;
            }
            let Some(&row) = rows.get(&content.photo) else { continue };
            let dated = taken.get(&at).map(|&seconds| (Series::Dated, seconds));
            if let Some((series, position)) = dated.or_else(|| named(&content.files[0].path)) {
                let dated = series == Series::Dated;
                let shot = Shot { content: at, row: row as usize, at: position, dated, cosine: 1.0 };
                shots.entry(series).or_default().push(shot);
            }
        }
        Ok(shots)
    }

    /// The scenes of a run of shots, which are in the order of what to keep.
    fn scenes(&self, run: &[Shot], limits: &Limits) -> Result<Vec<Vec<Shot>>, Error> {
        let values = self.values(run)?;
        let row = |place: usize| &values[place * self.model.dim..][..self.model.dim];
        let alike = if run.len() > FEW { self.alike(&values, limits.cosine)? } else { None };
        // The places of kept shots, with the shots that joined each.
        let mut kept: Vec<(usize, Vec<Shot>)> = Vec::new();
        let mut scene_of: HashMap<usize, usize> = HashMap::new();
        for (place, shot) in run.iter().enumerate() {
            if self.cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let near = |other: usize| run[other].at.abs_diff(shot.at) <= limits.apart as u64;
            let mut best: Option<(f64, usize)> = None;
            let mut consider = |scene: usize, cosine: f64| {
                // The first of equally good ones.
                if cosine >= limits.cosine && best.is_none_or(|best| (cosine, best.1) > (best.0, scene)) {
                    best = Some((cosine, scene));
                }
            };
            match &alike {
                Some(alike) => alike[place]
                    .iter()
                    .filter(|(other, _)| near(*other))
                    .filter_map(|(other, cosine)| Some((*scene_of.get(other)?, *cosine)))
                    .for_each(|(scene, cosine)| consider(scene, cosine)),
                None => {
                    for (scene, (other, _)) in kept.iter().enumerate().filter(|(_, (other, _))| near(*other)) {
                        consider(scene, score::cosine(row(*other), row(place)));
                    }
                }
            }
            match best {
                Some((cosine, scene)) => kept[scene].1.push(Shot { cosine, ..*shot }),
                None => {
                    scene_of.insert(place, kept.len());
                    kept.push((place, vec![*shot]));
                }
            }
        }
        Ok(kept.into_iter().map(|(_, scene)| scene).filter(|scene| scene.len() > 1).collect())
    }

    /// The embeddings of a run, `[shots, dim]`.
    fn values(&self, run: &[Shot]) -> Result<Vec<f32>, Error> {
        let mut values = Vec::with_capacity(run.len() * self.model.dim);
        for shot in run {
            values.extend(self.vectors.row(shot.row)?);
        }
        Ok(values)
    }

    /// For each row of a run, the ones before it that are alike; `None` if there are too many.
    fn alike(&self, values: &[f32], cosine: f64) -> Result<Option<Alike>, Error> {
        let options = Options::new().threads(self.threads).cancel(self.cancel);
        let pairs = match Rows::new(values, self.model.dim).and_then(|rows| rows.pairs(cosine, MOST_PAIRS, &options)) {
            Ok(pairs) => pairs,
            Err(scan::Error::TooManyPairs { .. }) => return Ok(None),
            Err(scan::Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) => return Err(Error::Query(error.to_string())),
        };
        let mut alike = vec![Vec::new(); values.len() / self.model.dim];
        for pair in pairs {
            alike[pair.second].push((pair.first, pair.cosine));
        }
        Ok(Some(alike))
    }
}
