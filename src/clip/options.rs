//! How a model is opened and run.

use std::path::Path;
use std::sync::Arc;

use super::session::Session;
use super::{Clip, ImageEncoder, TextEncoder};
use crate::error::Error;
use crate::kernels::Isa;
use crate::preprocess::PreprocessConfig;
use crate::tokenizer::Overflow;
use crate::weights::WeightsFile;

/// Options of a model; the defaults are those that a photo library wants.
///
/// ```no_run
/// use clippie_rs::Options;
///
/// let clip = Options::new().threads(2).batch_size(4).open("mobileclip2-s2.clippie")?;
/// # Ok::<(), clippie_rs::Error>(())
/// ```
#[derive(Clone)]
pub struct Options {
    pub(super) threads: Option<usize>,
    pub(super) pool: Option<Arc<rayon::ThreadPool>>,
    pub(super) batch_size: usize,
    pub(super) normalize: bool,
    pub(super) orient: bool,
    pub(super) overflow: Overflow,
    pub(super) preprocess: Option<PreprocessConfig>,
    pub(super) isa: Option<Isa>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            threads: None,
            pool: None,
            batch_size: 8,
            normalize: true,
            orient: true,
            overflow: Overflow::Truncate,
            preprocess: None,
            isa: None,
        }
    }
}

impl Options {
    /// The defaults: rayon's global pool, batches of eight, unit rows, orientation applied, long texts cut.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs on a pool of its own with this many threads; zero means one for each core. Never changes results.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Runs on the caller's pool. Never changes results. Threads of the pool that help with a pass stay with it
    /// until it ends, some milliseconds to a second; a pass never waits for one that is busy with something else.
    pub fn pool(mut self, pool: Arc<rayon::ThreadPool>) -> Self {
        self.pool = Some(pool);
        self
    }

    /// How many images or texts share a pass at most: memory against speed, at least one. Never changes
    /// results.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size.max(1);
        self
    }

    /// Whether embeddings are scaled to length one (they are by default).
    pub fn normalize(mut self, normalize: bool) -> Self {
        self.normalize = normalize;
        self
    }

    /// Whether the EXIF orientation of photos is applied (it is by default; the references do not).
    pub fn orient(mut self, orient: bool) -> Self {
        self.orient = orient;
        self
    }

    /// Makes texts that are longer than the model's context an error instead of cutting them.
    pub fn refuse_long_texts(mut self, refuse: bool) -> Self {
        self.overflow = if refuse { Overflow::Refuse } else { Overflow::Truncate };
        self
    }

    /// Replaces the preprocessing that the weights file states; its image size must be the model's.
    pub fn preprocess(mut self, preprocess: PreprocessConfig) -> Self {
        self.preprocess = Some(preprocess);
        self
    }

    /// Uses this instruction set instead of the fastest one, for tests. Changes results in the last bits.
    pub fn isa(mut self, isa: Isa) -> Self {
        self.isa = Some(isa);
        self
    }

    /// Opens both towers of a `.clippie` file.
    ///
    /// # Errors
    /// See [`Clip::open`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<Clip, Error> {
        self.open_weights(WeightsFile::open(path.as_ref())?)
    }

    /// Opens the image tower alone.
    ///
    /// # Errors
    /// See [`Clip::open`]; the file needs no text tower.
    pub fn open_image(self, path: impl AsRef<Path>) -> Result<ImageEncoder, Error> {
        self.open_weights_image(WeightsFile::open(path.as_ref())?)
    }

    /// Opens the text tower alone; the pages of the image tower stay on disk.
    ///
    /// # Errors
    /// See [`Clip::open`]; the file needs no image tower.
    pub fn open_text(self, path: impl AsRef<Path>) -> Result<TextEncoder, Error> {
        self.open_weights_text(WeightsFile::open(path.as_ref())?)
    }

    /// Both towers of a file that is mapped already; see [`Options::open`].
    ///
    /// # Errors
    /// See [`Clip::open`].
    pub fn open_weights(self, weights: WeightsFile) -> Result<Clip, Error> {
        Clip::from_session(Arc::new(Session::new(weights, self)?))
    }

    /// The image tower of a file that is mapped already; see [`Options::open_image`].
    ///
    /// # Errors
    /// See [`Clip::open`].
    pub fn open_weights_image(self, weights: WeightsFile) -> Result<ImageEncoder, Error> {
        ImageEncoder::from_session(Arc::new(Session::new(weights, self)?))
    }

    /// The text tower of a file that is mapped already; see [`Options::open_text`].
    ///
    /// # Errors
    /// See [`Clip::open`].
    pub fn open_weights_text(self, weights: WeightsFile) -> Result<TextEncoder, Error> {
        TextEncoder::from_session(Arc::new(Session::new(weights, self)?))
    }
}
