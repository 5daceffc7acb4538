//! Photos to embeddings.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ndarray::{Array2, Array3, ArrayView4};
use rayon::prelude::*;

use super::groups::Sharing;
#[cfg(feature = "decode")]
use super::photo_pixels;
use super::session::Session;
use super::{CancelToken, Fingerprint, ImageInput, Options, groups};
use crate::error::Error;
use crate::models::ImageTower;
use crate::pixels::RgbBuffer;
use crate::preprocess::{self, PreprocessConfig};

/// The image tower of a model.
///
/// Clones are cheap; all methods take `&self` and may be called from any number of threads at once.
#[derive(Clone)]
pub struct ImageEncoder {
    session: Arc<Session>,
    cancel: CancelToken,
}

impl ImageEncoder {
    /// Opens the image tower of a `.clippie` file with the default [`Options`].
    ///
    /// # Errors
    /// See [`Clip::open`](super::Clip::open); the file needs no text tower.
    pub fn open(path: impl AsRef<Path>) -> Result<ImageEncoder, Error> {
        Options::new().open_image(path)
    }

    pub(super) fn from_session(session: Arc<Session>) -> Result<Self, Error> {
        if session.image.is_none() {
            return Err(Error::no_tower(session.weights.path(), "image"));
        }
        Ok(ImageEncoder { session, cancel: CancelToken::new() })
    }

    /// One row for each image: `[images, embed_dim]`.
    ///
    /// # Errors
    /// The first image that cannot be read, by name.
    pub fn encode<'a, I>(&self, images: &'a [I]) -> Result<Array2<f32>, Error>
    where
        &'a I: Into<ImageInput<'a>>,
        I: Sync,
    {
        let dim = self.embed_dim();
        let mut out = vec![0.0; images.len() * dim];
        self.session.install(|| {
            self.run(images.len(), &mut out, |group, sharing, pixels| {
                self.prepare(&images[group], sharing, pixels).into_iter().collect()
            })
        })?;
        shaped(out, images.len(), dim)
    }

    /// The same, but an image that cannot be read costs its own row alone.
    ///
    /// # Errors
    /// Only what stops all of it: cancellation, or weights that give no finite embedding.
    pub fn encode_each<'a, I>(&self, images: &'a [I]) -> Result<Vec<Result<Vec<f32>, Error>>, Error>
    where
        &'a I: Into<ImageInput<'a>>,
        I: Sync,
    {
        let dim = self.embed_dim();
        let mut out = vec![0.0; images.len() * dim];
        let failed = std::sync::Mutex::new(Vec::new());
        self.session.install(|| {
            self.run(images.len(), &mut out, |group, sharing, pixels| {
                let results = self.prepare(&images[group.clone()], sharing, pixels);
                for (index, result) in group.zip(results) {
                    if let Err(error) = result {
                        // Whatever the slot holds is finite, and its row is dropped below.
                        failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((index, error));
                    }
                }
                Ok(())
            })
        })?;
        let mut rows: Vec<Result<Vec<f32>, Error>> = out.chunks_exact(dim).map(|row| Ok(row.to_vec())).collect();
        for (index, error) in failed.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            rows[index] = Err(error);
        }
        Ok(rows)
    }

    /// Embeddings of prepared pixels `[images, 3, S, S]`, as [`ImageEncoder::preprocess_image`] gives them.
    ///
    /// # Errors
    /// Pixels of another shape.
    pub fn encode_pixels(&self, pixels: ArrayView4<'_, f32>) -> Result<Array2<f32>, Error> {
        let size = self.session.preprocess.image_size;
        let (images, dim) = (pixels.shape()[0], self.embed_dim());
        if pixels.shape()[1..] != [3, size, size] {
            return Err(Error::PixelShape { found: pixels.shape().to_vec(), size });
        }
        let pixels = pixels.as_standard_layout();
        let pixels = pixels.as_slice().unwrap_or(&[]);
        let len = self.session.preprocess.pixel_len();
        let mut out = vec![0.0; images * dim];
        self.session.install(|| {
            self.run(images, &mut out, |group, _, slots| {
                slots.copy_from_slice(&pixels[group.start * len..group.end * len]);
                Ok(())
            })
        })?;
        shaped(out, images, dim)
    }

    /// What the tower gets for an image: `[3, S, S]`, resized, cropped and normalised.
    ///
    /// # Errors
    /// An image that cannot be read, by name.
    pub fn preprocess_image<'a>(&self, image: impl Into<ImageInput<'a>>) -> Result<Array3<f32>, Error> {
        let size = self.session.preprocess.image_size;
        let mut pixels = vec![0.0; self.session.preprocess.pixel_len()];
        self.prepare_one(image.into(), &mut pixels)?;
        Ok(Array3::from_shape_vec((3, size, size), pixels)?)
    }

    /// Length of the embeddings.
    pub fn embed_dim(&self) -> usize {
        self.session.config.embed_dim
    }

    /// How photos are prepared.
    pub fn preprocess(&self) -> &PreprocessConfig {
        &self.session.preprocess
    }

    /// See [`Clip::fingerprint`](super::Clip::fingerprint).
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.session.fingerprint
    }

    /// See [`Clip::release`](super::Clip::release).
    pub fn release(&self) {
        self.session.release();
    }

    /// See [`Clip::with_cancel`](super::Clip::with_cancel).
    pub fn with_cancel(&self, token: &CancelToken) -> ImageEncoder {
        ImageEncoder { session: Arc::clone(&self.session), cancel: token.clone() }
    }

    /// Runs groups of images through the tower; `prepare` fills the pixels of a group.
    fn run(
        &self,
        images: usize,
        out: &mut [f32],
        prepare: impl Fn(Range<usize>, Sharing, &mut [f32]) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        let session = &*self.session;
        let Some(tower) = &session.image else {
            return Err(Error::no_tower(session.weights.path(), "image"));
        };
        let rows = vec![tower.rows(); images];
        groups::run(&rows, session.options.batch_size, self.embed_dim(), out, |group, sharing, out| {
            self.cancel.check()?;
            session.arenas.with(|arena| {
                let [pixels] = arena.split([group.len() * session.preprocess.pixel_len()]);
                let pixels = &mut pixels[..group.len() * session.preprocess.pixel_len()];
                prepare(group.clone(), sharing, pixels)?;
                self.cancel.check()?;
                self.forward(tower, sharing, group.start, pixels, out)
            })
        })
    }

    fn forward(
        &self,
        tower: &ImageTower,
        sharing: Sharing,
        first: usize,
        pixels: &[f32],
        out: &mut [f32],
    ) -> Result<(), Error> {
        let images = out.len() / self.embed_dim();
        self.session.pass(sharing, |exec| {
            self.session.arenas.with(|arena| tower.forward(exec, pixels, images, arena, out));
        });
        self.session.finish("image", first, out)
    }

    /// Pixels of some images, one result for each. A slot whose image failed holds zeros.
    fn prepare<'a, I>(&self, images: &'a [I], sharing: Sharing, pixels: &mut [f32]) -> Vec<Result<(), Error>>
    where
        &'a I: Into<ImageInput<'a>>,
        I: Sync,
    {
        let len = self.session.preprocess.pixel_len();
        let one = |(image, slot): (&'a I, &mut [f32])| {
            let result = self.cancel.check().and_then(|()| self.prepare_one(image.into(), slot));
            if result.is_err() {
                slot.fill(0.0);
            }
            result
        };
        match sharing {
            Sharing::Items => images.iter().zip(pixels.chunks_exact_mut(len)).map(one).collect(),
            Sharing::Passes => images.par_iter().zip(pixels.par_chunks_exact_mut(len)).map(one).collect(),
        }
    }

    fn prepare_one(&self, image: ImageInput<'_>, out: &mut [f32]) -> Result<(), Error> {
        let config = &self.session.preprocess;
        #[cfg(feature = "decode")]
        let orient = self.session.options.orient;
        let into = |rgb: &RgbBuffer, out: &mut [f32]| preprocess::pixels_into(rgb, config, out);
        match image {
            ImageInput::Rgb(rgb) => Ok(into(rgb, out)?),
            #[cfg(feature = "image")]
            ImageInput::Image(image) => {
                let rgb = image.to_rgb8();
                let (width, height) = (rgb.width() as usize, rgb.height() as usize);
                Ok(into(&RgbBuffer::new(width, height, rgb.into_raw())?, out)?)
            }
            #[cfg(feature = "decode")]
            ImageInput::Bytes(bytes) => photo_pixels::decode_pixels_into(bytes, orient, "the image", config, out),
            #[cfg(feature = "decode")]
            ImageInput::Path(path) => photo_pixels::read_pixels_into(path, orient, config, out),
        }
    }
}

/// Rows as an array; lengths follow from the caller's own sizes.
pub(super) fn shaped(rows: Vec<f32>, count: usize, dim: usize) -> Result<Array2<f32>, Error> {
    Ok(Array2::from_shape_vec((count, dim), rows)?)
}
