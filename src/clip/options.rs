//! Options for opening and running a model.

use std::path::Path;
use std::sync::Arc;

use super::reading::Reading;
use super::session::{Description, Session};
use super::{Clip, Family, Fingerprint, ImageEncoder, ModelSource, TextEncoder};
use crate::error::Error;
use crate::kernels::Isa;
#[cfg(feature = "decode")]
use crate::photo::Limits;
use crate::preprocess::PreprocessConfig;
use crate::tokenizer::Overflow;
use crate::weights::{Reason, WeightsFile};

/// Options for opening and running a model; the defaults suit a photo library.
///
/// ```no_run
/// use clippie_rs::Options;
///
/// let clip = Options::new().threads(2).batch_size(4).open("mobileclip2-s2.clippie")?;
/// # Ok::<(), clippie_rs::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until a model is opened with them"]
pub struct Options {
    pub(super) threads: Option<usize>,
    pub(super) pool: Option<Arc<rayon::ThreadPool>>,
    pub(super) batch_size: usize,
    pub(super) normalize: bool,
    pub(super) photos: PhotoOptions,
    pub(super) overflow: Overflow,
    pub(super) repair: bool,
    pub(super) preprocess: Option<PreprocessConfig>,
    pub(super) isa: Option<Isa>,
    pub(super) copy_weights: bool,
}

/// How photo files are read, and what that may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct PhotoOptions {
    pub(super) reading: Reading,
    /// Changes no pixel.
    #[cfg(feature = "decode")]
    pub(super) limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            threads: None,
            pool: None,
            batch_size: 8,
            normalize: true,
            photos: PhotoOptions {
                reading: Reading::USUAL,
                #[cfg(feature = "decode")]
                limits: Limits::new(),
            },
            overflow: Overflow::Truncate,
            repair: true,
            preprocess: None,
            isa: None,
            copy_weights: false,
        }
    }
}

impl Options {
    /// Creates the default options: rayon's global pool, batches of eight, unit rows, orientation applied, long texts
    /// truncated.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs on a separate thread pool with this many threads; zero means one per core. Never changes results.
    ///
    /// One thread is the calling one: no other is started or used, and calls from several threads run side by side. That
    /// suits workers of which each has a core, such as those of a data pipeline.
    ///
    /// At most four threads per core, or 64 if that is more. Where fewer can be started, because a container or a user
    /// may have no more, the model works with those, down to the calling thread alone, and says so in a warning of
    /// `tracing`. The threads have ended when the last clone of the model is dropped, except on Windows and if one of them
    /// drops it.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Runs on this thread pool. Never changes results. A thread that joins a pass stays in it until it ends, some
    /// milliseconds to a second; a pass never waits for a thread that is busy with other work.
    pub fn pool(mut self, pool: Arc<rayon::ThreadPool>) -> Self {
        self.pool = Some(pool);
        self
    }

    /// Limits how many images or texts share a pass, at least one: larger batches are faster and need more memory.
    /// Never changes results.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size.max(1);
        self
    }

    /// Sets whether embeddings are scaled to length one (they are by default).
    pub fn normalize(mut self, normalize: bool) -> Self {
        self.normalize = normalize;
        self
    }

    /// Sets whether the EXIF orientation of photos is applied (it is by default; the reference libraries ignore it).
    pub fn orient(mut self, orient: bool) -> Self {
        self.photos.reading.orient = orient;
        self
    }

    /// Sets whether JPEG photos that are far larger than the model needs are decoded to a half, a quarter or an eighth of
    /// their size (by default they are decoded whole, as the reference libraries do).
    ///
    /// The reduced photo is the one of Pillow's `Image.draft`, and neither side is shorter than twice the image size of the
    /// model. It takes less time by what is not computed; embeddings differ a little, and their fingerprint does.
    pub fn fast_decode(mut self, fast: bool) -> Self {
        self.photos.reading.fast = fast;
        self
    }

    /// Sets whether the colours of photos with an ICC profile or code points of H.273 are converted to sRGB (by default both
    /// are ignored, as the reference libraries do): see [`decode_srgb`](crate::photo::decode_srgb). Profiles of curves and a
    /// matrix are applied, such as Display P3 and Adobe RGB; others are ignored with a warning of `tracing`. Embeddings of such
    /// photos differ a little, and the fingerprint does.
    pub fn icc(mut self, apply: bool) -> Self {
        self.photos.reading.icc = apply;
        self
    }

    /// Sets what reading one photo may cost (by default [`Limits::new`]). Never changes results.
    #[cfg(feature = "decode")]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.photos.limits = limits;
        self
    }

    /// Finds the way of reading photos with which a model gives embeddings that a program has stored: that of these options,
    /// or another one ([`orient`](Options::orient), [`fast_decode`](Options::fast_decode), [`icc`](Options::icc)). `is_known` says whether the
    /// program has embeddings of a fingerprint. Returns the options with it; `None` if no way gives a known fingerprint,
    /// since the embeddings are another model's. Opens no tower.
    ///
    /// ```no_run
    /// # let stored: clippie_rs::Fingerprint = "00112233445566778899aabbccddeeff".parse()?;
    /// use clippie_rs::Options;
    /// use clippie_rs::weights::WeightsFile;
    ///
    /// let weights = WeightsFile::open("mobileclip2-s2.clippie".as_ref())?;
    /// let options = Options::new().read_as(&weights, |fingerprint| *fingerprint == stored)?;
    /// let clip = options.unwrap_or_default().open_weights(weights)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The file describes no model; see [`Clip::open`].
    pub fn read_as(
        self,
        weights: &WeightsFile,
        mut is_known: impl FnMut(&Fingerprint) -> bool,
    ) -> Result<Option<Options>, Error> {
        self.read_where(weights, |description, reading, normalize| {
            is_known(&description.fingerprint(weights, reading, normalize))
        })
    }

    /// As [`Options::read_as`], for embeddings of the same model in any precision: `is_known` says whether the program has
    /// some of a family.
    ///
    /// # Errors
    /// The file describes no model; see [`Clip::open`].
    pub fn read_as_family(
        self,
        weights: &WeightsFile,
        mut is_known: impl FnMut(&Family) -> bool,
    ) -> Result<Option<Options>, Error> {
        self.read_where(weights, |description, reading, normalize| {
            is_known(&description.family(weights, reading, normalize))
        })
    }

    /// The options with the first way of reading that is `meant`.
    fn read_where(
        self,
        weights: &WeightsFile,
        mut meant: impl FnMut(&Description, Reading, bool) -> bool,
    ) -> Result<Option<Options>, Error> {
        let description = Description::read(weights, &self)?;
        let mut all = self.photos.reading.all();
        let Some(reading) = all.find(|reading| meant(&description, *reading, self.normalize)) else { return Ok(None) };
        let mut options = self;
        options.photos.reading = reading;
        Ok(Some(options))
    }

    /// How photos are read.
    #[must_use]
    pub fn reading(&self) -> Reading {
        self.photos.reading
    }

    /// Sets whether texts that are longer than the model's context are errors (by default they are truncated).
    pub fn refuse_long_texts(mut self, refuse: bool) -> Self {
        self.overflow = if refuse { Overflow::Refuse } else { Overflow::Truncate };
        self
    }

    /// Sets whether texts are repaired as the reference does it (they are by default): mojibake, typographic quotes, HTML
    /// entities. Without, they are taken as they are; see [`Tokenizer::without_repair`](crate::tokenizer::Tokenizer::without_repair).
    /// The fingerprint tells the two apart.
    pub fn repair_texts(mut self, repair: bool) -> Self {
        self.repair = repair;
        self
    }

    /// Replaces the preprocessing that the weights file states; its image size must be the model's.
    pub fn preprocess(mut self, preprocess: PreprocessConfig) -> Self {
        self.preprocess = Some(preprocess);
        self
    }

    /// Sets whether a model is copied to memory and verified when it is opened, instead of mapped (it is mapped by
    /// default). What happens to its file or disk afterwards cannot matter then. But opening takes as long as reading the
    /// file, and the memory is this process's alone and cannot be released. For files on removable disks or network
    /// drives, and for hosts that must survive a file that is cut short and cannot call
    /// [`guard_mapped_files`](crate::weights::guard_mapped_files). Never changes results.
    pub fn copy_weights(mut self, copy: bool) -> Self {
        self.copy_weights = copy;
        self
    }

    /// Uses this instruction set instead of the fastest one: for tests, and for [`Isa::amx`], which a program has to ask
    /// for. Changes results in the last bits, of models in 8 bits by as much as these differ from those in `f32`, except
    /// that AMX gives the same bits as AVX-512 with VNNI.
    pub fn isa(mut self, isa: Isa) -> Self {
        self.isa = Some(isa);
        self
    }

    /// Opens both towers of a `.clippie` file.
    ///
    /// # Errors
    /// See [`Clip::open`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<Clip, Error> {
        self.open_weights(open_file(path.as_ref())?)
    }

    /// Opens only the image tower.
    ///
    /// # Errors
    /// See [`Clip::open`]; the file needs no text tower.
    pub fn open_image(self, path: impl AsRef<Path>) -> Result<ImageEncoder, Error> {
        self.open_weights_image(open_file(path.as_ref())?)
    }

    /// Opens only the text tower; the pages of the image tower stay on disk.
    ///
    /// # Errors
    /// See [`Clip::open`]; the file needs no image tower.
    pub fn open_text(self, path: impl AsRef<Path>) -> Result<TextEncoder, Error> {
        self.open_weights_text(open_file(path.as_ref())?)
    }

    /// Opens both towers of a weights file in memory. Copies the bytes once, to an aligned address; messages show
    /// `name` as the path. Prefer [`Options::open`] for a file: its mapped pages are shared between processes and can
    /// be released.
    ///
    /// # Errors
    /// See [`Clip::open`].
    pub fn open_bytes(self, bytes: Vec<u8>, name: &str) -> Result<Clip, Error> {
        self.open_weights(WeightsFile::from_bytes(bytes, name)?)
    }

    /// Opens both towers of a file that is mapped already; see [`Options::open`].
    ///
    /// # Errors
    /// See [`Clip::open`].
    pub fn open_weights(self, weights: WeightsFile) -> Result<Clip, Error> {
        Clip::from_session(Arc::new(Session::new(weights, self)?))
    }

    /// Opens the image tower of a file that is mapped already; see [`Options::open_image`].
    ///
    /// # Errors
    /// See [`Clip::open`].
    pub fn open_weights_image(self, weights: WeightsFile) -> Result<ImageEncoder, Error> {
        ImageEncoder::from_session(Arc::new(Session::new(weights, self)?))
    }

    /// Opens the text tower of a file that is mapped already; see [`Options::open_text`].
    ///
    /// # Errors
    /// See [`Clip::open`].
    pub fn open_weights_text(self, weights: WeightsFile) -> Result<TextEncoder, Error> {
        TextEncoder::from_session(Arc::new(Session::new(weights, self)?))
    }
}

/// Opens a file. A model name instead of a path has its own error.
pub(super) fn open_file(path: &Path) -> Result<WeightsFile, Error> {
    WeightsFile::open(path).map_err(|error| match path.to_str() {
        Some(name) if matches!(error.reason(), Reason::NotFound) && ModelSource::parse_name(name).is_ok() => {
            Error::ModelName { name: name.to_owned() }
        }
        _ => Error::from(error),
    })
}
