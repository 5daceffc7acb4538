//! The public face: open a model, encode photos and sentences, compare embeddings.
//!
//! ```text
//! image -> input -> pixels ----+
//!                              +-> batch (passes over threads) -> tower -> unit rows
//! text -> tokenizer -> ids ----+
//! ```
//! `image` and `text` hold the two encoders, `stream` feeds them any number of inputs in order, `classify` decides
//! between labels, `text_cache` remembers texts.

pub mod agreement;
#[cfg(feature = "decode")]
mod ahead;
mod batch;
mod classify;
mod encoded;
mod family;
mod fingerprint;
mod image;
mod input;
mod loader;
mod memory;
#[cfg(feature = "decode")]
mod observed;
mod options;
#[cfg(feature = "decode")]
mod photo_pixels;
mod pixels;
mod reading;
mod session;
mod similarity;
mod source;
mod stream;
mod text;
mod text_cache;
mod tokenizer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use ndarray::{Array2, ArrayBase, Data, Ix2};

pub use crate::cancel::CancelToken;
#[cfg(feature = "decode")]
use ahead::Ahead;
#[cfg(feature = "capi")]
pub(crate) use batch::spread;
pub use classify::{Classification, Classifier, ClassifierBuilder, Guess, Label, Scoring, Templates};
pub use encoded::Encoded;
pub use family::Family;
pub use fingerprint::{Fingerprint, FingerprintError};
pub use image::ImageEncoder;
pub use input::ImageInput;
pub use loader::ModelLoader;
#[cfg(feature = "library")]
pub use observed::Content;
#[cfg(feature = "decode")]
pub use observed::{Observation, ObservedPhoto};
pub use options::Options;
#[cfg(feature = "decode")]
pub use photo_pixels::decode_pixels_into;
#[cfg(feature = "library")]
pub(crate) use photo_pixels::{check_len, read_open_file};
pub use reading::Reading;
pub use similarity::{query_similarity, similarity};
pub use source::ModelSource;
pub use stream::{Progress, Stream};
pub use text::TextEncoder;
pub use text_cache::{CachedText, TextCache, TextCacheError};

use crate::error::Error;
use crate::kernels::Isa;
use crate::models::config::ModelConfig;
use crate::preprocess::PreprocessConfig;
#[cfg(feature = "cli")]
pub(crate) use crate::tensor::share_heap;
use crate::weights::WeightsFile;
use session::Session;

/// Without file formats no file is read ahead.
#[cfg(not(feature = "decode"))]
enum Ahead {}

/// A CLIP model: both towers of a `.clippie` file.
///
/// Opening maps the file and reads its header; weights are paged in as they are used and shared with every
/// other process that maps the same file. Clones are cheap and share everything. All methods take `&self` and
/// may be called from any number of threads at once.
///
/// # In a long-running process
///
/// - Threads: work runs on the pool of the [`Options`], on the pool of the calling thread if it belongs to one, or on
///   rayon's global pool, which is built with the first call unless the host has built it. Where threads cannot be
///   started, work runs on fewer, down to the calling thread, with a warning of `tracing`; no call fails or panics
///   for it.
/// - Tasks of a pool may call, also of the pool that the model uses, and nested; calls of any number of threads share
///   one pool.
/// - A panic of an iterator, a conversion or a callback of the caller reaches the caller. The model stays usable.
/// - `fork`: a child process has none of the threads of its parent. The first call there starts new ones, as many as
///   the model had; a [`Stream`] of the parent ends. Do not fork while another thread is in its first call or opens a
///   model: what that thread initialises once for the process, it cannot complete in the child.
/// - A process or thread that is stopped and goes on later continues; no call depends on time, downloads excepted.
/// - Memory: a model keeps the scratch of as many passes as ran at the same time, until [`Clip::release`].
///
/// ```no_run
/// use clippie_rs::Clip;
///
/// let clip = Clip::open("vit-b-32-openai.clippie")?;
/// let photos = clip.encode_images(&["beach.jpg", "cat.png"])?; // [2, embed_dim], unit rows
/// let words = clip.encode_texts(&["a dog on a beach"])?; // [1, embed_dim]
/// let cosines = photos.dot(&words.t()); // [2, 1]
/// # Ok::<(), clippie_rs::Error>(())
/// ```
#[derive(Clone)]
pub struct Clip {
    session: Arc<Session>,
    image: ImageEncoder,
    text: TextEncoder,
}

impl Clip {
    /// Opens a `.clippie` file with the default [`Options`].
    ///
    /// # Errors
    /// A file that is missing, not a weights file, damaged, of a newer version, or without one of the towers. The name
    /// of a model instead of a path: [`Error::ModelName`].
    pub fn open(path: impl AsRef<Path>) -> Result<Clip, Error> {
        Options::new().open(path)
    }

    /// Opens a model as users of `clippie-rs -m` give it, a path or a name, with the default [`Options`]. See
    /// [`Options::model`].
    ///
    /// ```
    /// # #[cfg(feature = "demo")]
    /// let clip = clippie_rs::Clip::load("demo")?; // or `mobileclip2-s2`, `hf-hub:ORG/REPO`, `folder/model.clippie`
    /// # Ok::<(), clippie_rs::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Clip::open`]; a text that is neither a file nor a name; any error of a download or a conversion.
    /// Without the feature `hub`, the name of a published model: the message says how to get its file.
    pub fn load(model: impl AsRef<Path>) -> Result<Clip, Error> {
        Options::new().model(model).open()
    }

    /// Opens a published model by its name with the default [`Options`]; downloads and converts it first if it is not
    /// installed. See [`Options::named`] for progress and cancellation.
    ///
    /// ```no_run
    /// let clip = clippie_rs::Clip::from_name("mobileclip2-s2")?;
    /// # Ok::<(), clippie_rs::Error>(())
    /// ```
    ///
    /// # Errors
    /// An unknown name; any error of a download or a conversion.
    #[cfg(feature = "hub")]
    pub fn from_name(name: &str) -> Result<Clip, Error> {
        Options::new().named(name).open()
    }

    /// Opens the compiled-in model, for tests, examples and a first try. It is trained on drawn scenes of shapes,
    /// colours, counts and positions only, not on photos; see `docs/demo-model.md`.
    ///
    /// # Errors
    /// None are expected: tests open the same bytes.
    #[cfg(feature = "demo")]
    pub fn demo() -> Result<Clip, Error> {
        Options::new().open_weights(WeightsFile::demo()?)
    }

    pub(crate) fn from_session(session: Arc<Session>) -> Result<Clip, Error> {
        let image = ImageEncoder::from_session(Arc::clone(&session))?;
        let text = TextEncoder::from_session(Arc::clone(&session))?;
        Ok(Clip { session, image, text })
    }

    /// Encodes images, one unit row for each: `[images, embed_dim]`. See [`ImageInput`] for what an image may be.
    ///
    /// # Errors
    /// The first image that cannot be read; see [`ImageEncoder::encode_each`] to go on without it.
    pub fn encode_images<'a>(
        &self,
        images: impl IntoIterator<Item: Into<ImageInput<'a>>>,
    ) -> Result<Array2<f32>, Error> {
        self.image.encode(images)
    }

    /// Encodes one image: a unit row of `embed_dim` values.
    ///
    /// # Errors
    /// An image that cannot be read.
    pub fn encode_image<'a>(&self, image: impl Into<ImageInput<'a>>) -> Result<Vec<f32>, Error> {
        self.image.encode_one(image)
    }

    /// Encodes images into a slice of `images · embed_dim` values; see [`ImageEncoder::encode_into`].
    ///
    /// # Errors
    /// A slice of another length; an image that cannot be read.
    pub fn encode_images_into<'a>(
        &self,
        images: impl IntoIterator<Item: Into<ImageInput<'a>>>,
        out: &mut [f32],
    ) -> Result<(), Error> {
        self.image.encode_into(images, out)
    }

    /// Encodes texts, one unit row for each: `[texts, embed_dim]`.
    ///
    /// # Errors
    /// A text that is longer than the model's context, if [`Options::refuse_long_texts`] is set.
    pub fn encode_texts(&self, texts: impl IntoIterator<Item: AsRef<str> + Sync>) -> Result<Array2<f32>, Error> {
        self.text.encode(texts)
    }

    /// Encodes one text: a unit row of `embed_dim` values.
    ///
    /// # Errors
    /// See [`Clip::encode_texts`].
    pub fn encode_text(&self, text: impl AsRef<str>) -> Result<Vec<f32>, Error> {
        self.text.encode_one(text)
    }

    /// Encodes texts into a slice of `texts · embed_dim` values; see [`TextEncoder::encode_into`].
    ///
    /// # Errors
    /// A slice of another length, and those of [`Clip::encode_texts`].
    pub fn encode_texts_into(
        &self,
        texts: impl IntoIterator<Item: AsRef<str> + Sync>,
        out: &mut [f32],
    ) -> Result<(), Error> {
        self.text.encode_into(texts, out)
    }

    /// Probabilities of `texts [m, embed_dim]` for each of `images [n, embed_dim]`: `[n, m]`, rows that sum to one.
    ///
    /// This is zero-shot classification as CLIP defines it: the softmax over the texts of the cosines times
    /// [`Clip::logit_scale`].
    ///
    /// # Errors
    /// Embeddings of different lengths, which come from different models; no memory for the result.
    pub fn probabilities(
        &self,
        images: &ArrayBase<impl Data<Elem = f32>, Ix2>,
        texts: &ArrayBase<impl Data<Elem = f32>, Ix2>,
    ) -> Result<Array2<f32>, Error> {
        let mut logits = similarity(images, texts)? * self.logit_scale();
        similarity::softmax(&mut logits);
        Ok(logits)
    }

    /// The image tower.
    #[must_use]
    pub fn image(&self) -> &ImageEncoder {
        &self.image
    }

    /// The text tower.
    #[must_use]
    pub fn text(&self) -> &TextEncoder {
        &self.text
    }

    /// Length of the embeddings.
    #[must_use]
    pub fn embed_dim(&self) -> usize {
        self.session.config.embed_dim
    }

    /// The factor that turns cosines into logits: `exp` of the trained logarithm, usually about 100.
    #[must_use]
    pub fn logit_scale(&self) -> f32 {
        self.session.config.logit_scale.exp()
    }

    /// Added to the scaled cosines of a model that was trained with a sigmoid; `None` for all others.
    #[must_use]
    pub fn logit_bias(&self) -> Option<f32> {
        self.session.config.logit_bias
    }

    /// The probability that a photo and a text with this cosine belong together, from 0 to 1, by the sigmoid that the
    /// model was trained with; `None` for a model that was trained with another loss, whose cosines have no probability of
    /// their own.
    ///
    /// `1 / (1 + exp(-(logit_scale · cosine + logit_bias)))`, for each pair by itself (Zhai et al., "Sigmoid Loss for
    /// Language Image Pre-Training", 2023). The scale and the bias are trained. It answers whether something is in a photo
    /// at all; the order of photos is that of their cosines.
    ///
    /// ```no_run
    /// let clip = clippie_rs::Clip::open("siglip2-b-16-256.clippie")?;
    /// let photo = clip.encode_images(&["beach.jpg"])?;
    /// let words = clip.encode_texts(&["a dog on a beach"])?;
    /// let likely = clip.probability(photo.row(0).dot(&words.row(0))).is_some_and(|p| p > 0.5);
    /// # Ok::<(), clippie_rs::Error>(())
    /// ```
    #[must_use]
    pub fn probability(&self, cosine: f32) -> Option<f32> {
        self.session.probability(cosine)
    }

    /// The configuration of the model.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.session.config
    }

    /// How photos are prepared.
    #[must_use]
    pub fn preprocess(&self) -> &PreprocessConfig {
        &self.session.preprocess
    }

    /// Identifies everything that determines an embedding; only embeddings with equal fingerprints may be compared.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.session.fingerprint
    }

    /// Identifies the model whatever the precision of its file.
    #[must_use]
    pub fn family(&self) -> &Family {
        &self.session.family
    }

    /// The instruction set that the model runs on.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.session.isa()
    }

    /// The mapped file.
    #[must_use]
    pub fn weights(&self) -> &WeightsFile {
        &self.session.weights
    }

    /// Returns scratch memory to the allocator and mapped pages to the system, for an application that goes idle. The
    /// next call pages them in again.
    pub fn release(&self) {
        self.session.release();
    }

    /// Clones the model for texts of a language; see [`TextEncoder::with_language`].
    ///
    /// # Errors
    /// A model that has no languages, or not this one.
    pub fn with_language(&self, language: &str) -> Result<Clip, Error> {
        Ok(Clip { text: self.text.with_language(language)?, ..self.clone() })
    }

    /// Clones the model; calls of the clone stop with [`Error::Cancelled`] soon after `token` is cancelled.
    #[must_use]
    pub fn with_cancel(&self, token: &CancelToken) -> Clip {
        Clip {
            session: Arc::clone(&self.session),
            image: self.image.with_cancel(token),
            text: self.text.with_cancel(token),
        }
    }
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.debug(f, "Clip")
    }
}

/// Fails once `cancel` is set.
fn check(cancel: &CancelToken) -> Result<(), Error> {
    if cancel.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
}
