//! The public face: a model that is opened, and photos and sentences that become embeddings.

mod cancel;
mod fingerprint;
mod groups;
mod image;
mod input;
mod options;
mod session;
mod text;

use std::path::Path;
use std::sync::Arc;

use ndarray::Array2;

pub use cancel::CancelToken;
pub use fingerprint::{Fingerprint, FingerprintError};
pub use image::ImageEncoder;
pub use input::ImageInput;
pub use options::Options;
pub use text::TextEncoder;

use crate::error::Error;
use crate::models::config::ModelConfig;
use crate::preprocess::PreprocessConfig;
use crate::weights::WeightsFile;
use session::Session;

/// A CLIP model: both towers of a `.clippie` file.
///
/// Opening maps the file and reads its header; weights are paged in as they are used and shared with every
/// other process that maps the same file. Clones are cheap and share everything. All methods take `&self` and
/// may be called from any number of threads at once.
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
    /// A file that is missing, not a weights file, damaged, of a newer version, or without one of the towers.
    pub fn open(path: impl AsRef<Path>) -> Result<Clip, Error> {
        Options::new().open(path)
    }

    /// The model that is compiled in: it knows drawn scenes of shapes, colours, counts and places, and nothing of
    /// photos. For tests, examples and a first try; see `docs/demo-model.md`.
    ///
    /// # Errors
    /// None are expected: the bytes are those that were tested.
    #[cfg(feature = "demo")]
    pub fn demo() -> Result<Clip, Error> {
        Options::new().open_weights(WeightsFile::demo()?)
    }

    pub(crate) fn from_session(session: Arc<Session>) -> Result<Clip, Error> {
        let image = ImageEncoder::from_session(Arc::clone(&session))?;
        let text = TextEncoder::from_session(Arc::clone(&session))?;
        Ok(Clip { session, image, text })
    }

    /// One unit row for each image: `[images, embed_dim]`. See [`ImageInput`] for what an image may be.
    ///
    /// # Errors
    /// The first image that cannot be read, by name; see [`ImageEncoder::encode_each`] to go on without it.
    pub fn encode_images<'a, I>(&self, images: &'a [I]) -> Result<Array2<f32>, Error>
    where
        &'a I: Into<ImageInput<'a>>,
        I: Sync,
    {
        self.image.encode(images)
    }

    /// One unit row for each text: `[texts, embed_dim]`.
    ///
    /// # Errors
    /// A text that is longer than the model's context, if [`Options::refuse_long_texts`] was asked for.
    pub fn encode_texts(&self, texts: &[impl AsRef<str> + Sync]) -> Result<Array2<f32>, Error> {
        self.text.encode(texts)
    }

    /// The image tower.
    pub fn image(&self) -> &ImageEncoder {
        &self.image
    }

    /// The text tower.
    pub fn text(&self) -> &TextEncoder {
        &self.text
    }

    /// Length of the embeddings.
    pub fn embed_dim(&self) -> usize {
        self.session.config.embed_dim
    }

    /// The factor that turns cosines into logits: `exp` of the trained logarithm, usually about 100.
    pub fn logit_scale(&self) -> f32 {
        self.session.config.logit_scale.exp()
    }

    /// What the model is.
    pub fn config(&self) -> &ModelConfig {
        &self.session.config
    }

    /// How photos are prepared.
    pub fn preprocess(&self) -> &PreprocessConfig {
        &self.session.preprocess
    }

    /// Identifies everything that determines an embedding; only embeddings of equal fingerprints are
    /// comparable.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.session.fingerprint
    }

    /// The mapped file.
    pub fn weights(&self) -> &WeightsFile {
        &self.session.weights
    }

    /// Gives scratch memory back to the allocator and mapped pages back to the system. The next call pages
    /// them in again; for an application that goes idle.
    pub fn release(&self) {
        self.session.release();
    }

    /// A clone whose calls stop with [`Error::Cancelled`] soon after `token` is cancelled.
    pub fn with_cancel(&self, token: &CancelToken) -> Clip {
        Clip {
            session: Arc::clone(&self.session),
            image: self.image.with_cancel(token),
            text: self.text.with_cancel(token),
        }
    }
}
