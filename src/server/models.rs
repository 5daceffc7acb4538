//! The models that a server has open: those of the command line, and installed ones from the moment that a request
//! names them. Downloads nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::ImmichCompat;
use super::batch::{Batcher, Row};
use super::metrics::Metrics;
use super::refusal::Refusal;
use crate::clip::{Clip, Options, TextCache};
use crate::hub::{Hub, ModelName};
use crate::weights::WeightsFile;
use ndarray::{Array3, Array4, ArrayBase, Axis};

/// A model that is open.
#[derive(Debug)]
pub(super) struct Served {
    /// The name that requests give it.
    pub name: String,
    pub clip: Clip,
    /// Prepared pixels `[3, S, S]` to unit rows.
    pub photos: Batcher<Array3<f32>>,
    pub texts: Batcher<Text>,
    used: Mutex<Instant>,
    in_use: AtomicUsize,
    released: AtomicBool,
}

/// A text, and the language of a model whose texts have one.
#[derive(Debug)]
pub(super) struct Text {
    pub text: String,
    pub language: Option<Arc<str>>,
}

/// Why a name has no model.
#[derive(Debug)]
pub(super) enum Missing {
    /// No model of this name is open or installed; what to do, if it is a published one: a sentence.
    Unknown { remedy: Option<String> },
    /// It is installed and cannot be opened.
    Failed(String),
}

/// All models.
#[derive(Debug)]
pub(super) struct Models {
    options: Options,
    compat: Option<ImmichCompat>,
    open: RwLock<BTreeMap<String, Arc<Served>>>,
    /// Held while a model is opened, so that none is opened twice.
    opening: Mutex<()>,
    default: Option<String>,
    aliases: BTreeMap<String, String>,
    cache: Arc<TextCache>,
    metrics: Arc<Metrics>,
}

impl Models {
    pub fn new(options: Options, compat: Option<ImmichCompat>, cache: Arc<TextCache>, metrics: Arc<Metrics>) -> Models {
        let (open, opening) = (RwLock::default(), Mutex::new(()));
        Models { options, compat, open, opening, default: None, aliases: BTreeMap::new(), cache, metrics }
    }

    /// Opens a weights file under a name. The first is the one of requests that name none.
    pub fn add(&mut self, options: Options, name: String, weights: WeightsFile) -> Result<(), super::Error> {
        let served = self.open_weights(options, &name, weights)?;
        self.default.get_or_insert_with(|| name.clone());
        self.open.get_mut().unwrap_or_else(PoisonError::into_inner).insert(name, served);
        Ok(())
    }

    /// Gives an open model another name.
    pub fn alias(&mut self, alias: String, model: String) -> Result<(), super::Error> {
        let Some(served) = self.get(&model) else { return Err(super::Error::Alias { alias, model }) };
        // Which of two models a name means must not depend on the order of arguments.
        let is_taken = match self.aliases.get(&alias) {
            Some(known) => *known != model,
            None => alias != model && self.get(&alias).is_some(),
        };
        if is_taken {
            return Err(super::Error::AliasTaken { alias, model });
        }
        super::immich::check_alias(&alias, &model, served.clip.embed_dim())?;
        self.aliases.insert(alias, model);
        Ok(())
    }

    /// The name of the model of requests that name none.
    pub fn default_name(&self) -> Option<&str> {
        self.default.as_deref()
    }

    /// The model of this name, if it is open.
    pub fn get(&self, name: &str) -> Option<Arc<Served>> {
        let name = self.aliases.get(name).map_or(name, String::as_str);
        self.open.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The model of this name; opens it if it is installed. Reads files: not for the thread of the connections.
    pub fn find(&self, name: &str) -> Result<Arc<Served>, Missing> {
        if let Some(served) = self.get(name) {
            return Ok(served);
        }
        let Ok(parsed) = name.parse::<ModelName>() else { return Err(Missing::Unknown { remedy: None }) };
        // A model has more than one spelling, and is opened once.
        let name = &parsed.to_string();
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(served) = self.get(name) {
            return Ok(served);
        }
        let found =
            Hub::from_env().and_then(|hub| hub.find(&parsed)).map_err(|error| Missing::Failed(error.to_string()))?;
        let Some(found) = found else {
            let remedy = format!("{parsed} is not installed; `clippie-rs pull {parsed}` installs it");
            return Err(Missing::Unknown { remedy: Some(remedy) });
        };
        let failed = |error: &dyn std::fmt::Display| Missing::Failed(error.to_string());
        let weights = WeightsFile::open(&found.path).map_err(|error| failed(&error))?;
        let served = self.open_weights(self.options.clone(), name, weights).map_err(|error| failed(&error))?;
        tracing::info!("{name} was opened");
        self.open.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), Arc::clone(&served));
        Ok(served)
    }

    /// Names of the models that are open, with their aliases, and of those that are installed.
    pub fn names(&self) -> Vec<String> {
        let mut names: BTreeSet<String> =
            self.open.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        let installed = Hub::from_env().and_then(|hub| hub.models()).unwrap_or_default();
        names.extend(self.aliases.keys().cloned());
        names.extend(installed.iter().map(|model| model.name.to_string()));
        // The default comes first.
        let default = self.default.iter().cloned();
        default.clone().chain(names.into_iter().filter(|name| Some(name) != self.default.as_ref())).collect()
    }

    /// All models that are open.
    pub fn open(&self) -> Vec<Arc<Served>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The models that nobody has used for this long since their memory was given back.
    pub fn idle(&self, idle: Duration) -> Vec<Arc<Served>> {
        self.open().into_iter().filter(|served| served.is_idle(idle)).collect()
    }

    fn open_weights(&self, options: Options, name: &str, weights: WeightsFile) -> Result<Arc<Served>, super::Error> {
        let options = super::immich::options(options, &weights, self.compat);
        let clip = options.open_weights(weights)?;
        let image = clip.clone();
        let photos = Batcher::start("image", &self.metrics, move |pixels| encode_pixels(&image, &pixels));
        let (text, cache) = (clip.clone(), Arc::clone(&self.cache));
        let texts = Batcher::start("text", &self.metrics, move |texts: Vec<Text>| encode_texts(&text, &cache, &texts));
        Ok(Arc::new(Served {
            name: name.to_owned(),
            clip,
            photos: photos.map_err(super::Error::Start)?,
            texts: texts.map_err(super::Error::Start)?,
            used: Mutex::new(Instant::now()),
            in_use: AtomicUsize::new(0),
            released: AtomicBool::new(true),
        }))
    }
}

/// A model that a request uses, until it is dropped.
pub(super) struct InUse(Arc<Served>);

impl Served {
    /// Keeps the memory of the model while a request uses it.
    pub fn used(self: &Arc<Self>) -> InUse {
        self.in_use.fetch_add(1, Ordering::SeqCst);
        self.released.store(false, Ordering::SeqCst);
        InUse(Arc::clone(self))
    }

    /// Gives the memory back; the next request reads what it needs of the file again.
    pub fn release(&self, metrics: &Metrics) {
        self.clip.release();
        metrics.releases.fetch_add(1, Ordering::Relaxed);
        tracing::info!("{} gave its memory back, since nobody used it", self.name);
    }

    /// Whether the memory is to be given back now: once after each time of use.
    fn is_idle(&self, idle: Duration) -> bool {
        let unused = self.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed() >= idle;
        unused && self.in_use.load(Ordering::SeqCst) == 0 && !self.released.swap(true, Ordering::SeqCst)
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        *self.0.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.in_use.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Prepared pixels to rows. An image that fails does not affect the others.
fn encode_pixels(clip: &Clip, pixels: &[Array3<f32>]) -> Vec<Result<Row, Refusal>> {
    let one = |pixels: &Array3<f32>| match clip.image().encode_pixels(pixels.view().insert_axis(Axis(0))) {
        Ok(rows) => Ok(rows.into_raw_vec_and_offset().0.into()),
        Err(error) => Err(Refusal::of_input(&error.without_index())),
    };
    if let [_, _, ..] = pixels
        && let Some(all) = stack(pixels)
        && let Ok(rows) = clip.image().encode_pixels(all.view())
    {
        return rows.outer_iter().map(|row| Ok(row.iter().copied().collect())).collect();
    }
    pixels.iter().map(one).collect()
}

/// One array of all; `None` if there is no memory for it.
fn stack(pixels: &[Array3<f32>]) -> Option<Array4<f32>> {
    let shape = pixels.first()?.raw_dim();
    let mut values = Vec::new();
    values.try_reserve_exact(pixels.iter().map(ArrayBase::len).sum()).ok()?;
    pixels.iter().for_each(|image| values.extend(image.iter()));
    Array4::from_shape_vec((pixels.len(), shape[0], shape[1], shape[2]), values).ok()
}

/// Texts to rows, which the cache remembers. A text that fails does not affect the others.
fn encode_texts(clip: &Clip, cache: &TextCache, texts: &[Text]) -> Vec<Result<Row, Refusal>> {
    let mut rows: Vec<Option<Result<Row, Refusal>>> = vec![None; texts.len()];
    let languages: BTreeSet<&Option<Arc<str>>> = texts.iter().map(|text| &text.language).collect();
    for language in languages {
        let with_language = language.as_deref().map(|language| clip.text().with_language(language)).transpose();
        let places = (0..texts.len()).filter(|&i| texts[i].language == *language);
        let encoder = match &with_language {
            Ok(encoder) => encoder.as_ref().unwrap_or(clip.text()),
            Err(error) => {
                places.for_each(|place| rows[place] = Some(Err(Refusal::of_input(error))));
                continue;
            }
        };
        let places: Vec<usize> = places.collect();
        let encoded = encoder.encode_each(places.iter().map(|&place| texts[place].text.as_str()));
        for (place, row) in places.into_iter().zip(encoded.into_results()) {
            let row = row.map(Row::from).map_err(|error| Refusal::of_input(&error.without_index()));
            if let Ok(row) = &row {
                cache.insert(encoder.fingerprint(), &encoder.cached_as(&texts[place].text), Arc::clone(row));
            }
            rows[place] = Some(row);
        }
    }
    rows.into_iter().map(|row| row.unwrap_or_else(|| Err(Refusal::internal("a text was left out")))).collect()
}
