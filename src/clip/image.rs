//! Photos to embeddings.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ndarray::{Array2, Array3, ArrayView4};
use rayon::prelude::*;

use super::batch::{self, Failures, Pass, Sharing, spread};
use super::session::{Session, flat};
use super::{CancelToken, Encoded, Fingerprint, ImageInput, Options, Stream, check, pixels};
use crate::error::Error;
use crate::models::ImageTower;
use crate::preprocess::PreprocessConfig;
use crate::threads;

/// The image tower of a model.
///
/// Clones are cheap; all methods take `&self` and may be called from any number of threads at once.
#[derive(Clone)]
pub struct ImageEncoder {
    session: Arc<Session>,
    tower: Arc<ImageTower>,
    cancel: CancelToken,
}

/// Writes the pixels of image `index` of a batch.
type WritePixels<'a> = dyn Fn(usize, &mut [f32]) -> Result<(), Error> + Sync + 'a;

impl ImageEncoder {
    /// Opens the image tower of a `.clippie` file with the default [`Options`].
    ///
    /// # Errors
    /// See [`Clip::open`](super::Clip::open); the file needs no text tower.
    pub fn open(path: impl AsRef<Path>) -> Result<ImageEncoder, Error> {
        Options::new().open_image(path)
    }

    pub(super) fn from_session(session: Arc<Session>) -> Result<Self, Error> {
        let tower = session.image.clone().ok_or_else(|| Error::no_tower(session.weights.path(), "image"))?;
        Ok(ImageEncoder { session, tower, cancel: CancelToken::new() })
    }

    /// Encodes images, one row for each: `[images, embed_dim]`. See [`ImageInput`] for what an image may be.
    ///
    /// # Errors
    /// The first image that cannot be read; [`Error::index`] and [`Error::path`] say which. The call stops there; see
    /// [`ImageEncoder::encode_each`] to go on without it.
    pub fn encode<'a>(&self, images: impl IntoIterator<Item: Into<ImageInput<'a>>>) -> Result<Array2<f32>, Error> {
        let images: Vec<ImageInput<'_>> = images.into_iter().map(Into::into).collect();
        let mut rows = Array2::zeros((images.len(), self.embed_dim()));
        self.run(images.len(), flat(&mut rows), Failures::fail_fast(), &|i, out| self.pixels(i, images[i], out))
            .into_result()?;
        Ok(rows)
    }

    /// Encodes images independently: one that cannot be read does not affect the others.
    ///
    /// After a cancellation, finished rows are kept; all others fail with [`Error::Cancelled`].
    pub fn encode_each<'a>(&self, images: impl IntoIterator<Item: Into<ImageInput<'a>>>) -> Encoded {
        let images: Vec<ImageInput<'_>> = images.into_iter().map(Into::into).collect();
        let mut rows = Array2::zeros((images.len(), self.embed_dim()));
        let failures =
            self.run(images.len(), flat(&mut rows), Failures::per_item(), &|i, out| self.pixels(i, images[i], out));
        Encoded { rows, errors: failures.into_errors() }
    }

    /// Encodes one image.
    ///
    /// # Errors
    /// An image that cannot be read.
    pub fn encode_one<'a>(&self, image: impl Into<ImageInput<'a>>) -> Result<Vec<f32>, Error> {
        let mut row = vec![0.0; self.embed_dim()];
        self.encode_into([image.into()], &mut row).map_err(Error::without_index)?;
        Ok(row)
    }

    /// Encodes images into a slice of `images · embed_dim` values, row after row.
    ///
    /// # Errors
    /// A slice of another length; an image that cannot be read, after which the content of the slice is unspecified.
    pub fn encode_into<'a>(
        &self,
        images: impl IntoIterator<Item: Into<ImageInput<'a>>>,
        out: &mut [f32],
    ) -> Result<(), Error> {
        let images: Vec<ImageInput<'_>> = images.into_iter().map(Into::into).collect();
        self.session.check_len(images.len(), out)?;
        self.run(images.len(), out, Failures::fail_fast(), &|i, out| self.pixels(i, images[i], out)).into_result()
    }

    /// Encodes any number of images, in order and with bounded memory: see [`Stream`].
    ///
    /// The iterator may yield anything owned whose reference converts to an [`ImageInput`]: paths, byte vectors,
    /// decoded images, the items of [`walk::photos`](crate::walk::photos).
    pub fn stream<'a, I>(&self, images: I) -> Stream<'a, I::IntoIter>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        for<'i> &'i I::Item: Into<ImageInput<'i>>,
    {
        let encoder = self.clone();
        let work = move |images: &[I::Item], token: &CancelToken| encoder.with_cancel(token).encode_each(images);
        Stream::new(images.into_iter(), &self.session, &self.cancel, work)
    }

    /// Encodes prepared pixels `[images, 3, S, S]`, as [`ImageEncoder::preprocess_image`] returns them.
    ///
    /// # Errors
    /// Pixels of another shape.
    pub fn encode_pixels(&self, pixels: ArrayView4<'_, f32>) -> Result<Array2<f32>, Error> {
        let size = self.session.preprocess.image_size;
        if pixels.shape()[1..] != [3, size, size] {
            return Err(Error::PixelShape { found: pixels.shape().to_vec(), size });
        }
        let images = pixels.shape()[0];
        let pixels = pixels.as_standard_layout();
        let pixels = pixels.as_slice().unwrap_or(&[]);
        let len = self.session.preprocess.pixel_len();
        let mut rows = Array2::zeros((images, self.embed_dim()));
        let copy = |i: usize, out: &mut [f32]| {
            out.copy_from_slice(&pixels[i * len..(i + 1) * len]);
            Ok(())
        };
        self.run(images, flat(&mut rows), Failures::fail_fast(), &copy).into_result()?;
        Ok(rows)
    }

    /// Prepares an image for the tower: `[3, S, S]`, resized, cropped and normalised.
    ///
    /// # Errors
    /// An image that cannot be read.
    pub fn preprocess_image<'a>(&self, image: impl Into<ImageInput<'a>>) -> Result<Array3<f32>, Error> {
        let config = &self.session.preprocess;
        let mut out = vec![0.0; config.pixel_len()];
        let image = image.into();
        pixels::prepare(image, config, self.session.options.orient, &self.cancel, &mut out)
            .map_err(|error| error.of_item("image", None, image.path()))?;
        Ok(Array3::from_shape_vec((3, config.image_size, config.image_size), out)?)
    }

    /// Length of the embeddings.
    #[must_use]
    pub fn embed_dim(&self) -> usize {
        self.session.config.embed_dim
    }

    /// How photos are prepared.
    #[must_use]
    pub fn preprocess(&self) -> &PreprocessConfig {
        &self.session.preprocess
    }

    /// See [`Clip::fingerprint`](super::Clip::fingerprint).
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.session.fingerprint
    }

    /// See [`Clip::release`](super::Clip::release).
    pub fn release(&self) {
        self.session.release();
    }

    /// See [`Clip::with_cancel`](super::Clip::with_cancel).
    #[must_use]
    pub fn with_cancel(&self, token: &CancelToken) -> ImageEncoder {
        ImageEncoder { cancel: token.clone(), ..self.clone() }
    }

    /// Pixels of image `index` of a batch.
    fn pixels(&self, index: usize, image: ImageInput<'_>, out: &mut [f32]) -> Result<(), Error> {
        pixels::prepare(image, &self.session.preprocess, self.session.options.orient, &self.cancel, out)
            .map_err(|error| error.of_item("image", Some(index), image.path()))
    }

    /// Encodes a batch to `out [images, embed_dim]`; `pixels` writes the pixels of one image. Rows of failed images are
    /// zeros.
    fn run(&self, images: usize, out: &mut [f32], failures: Failures, pixels: &WritePixels<'_>) -> Failures {
        let session = &*self.session;
        let rows = vec![self.tower.rows(); images];
        session.install(|| {
            batch::run(&rows, session.options.batch_size, self.embed_dim(), out, |pass| {
                self.pass(pass, &failures, pixels);
            });
        });
        failures
    }

    /// Encodes one pass: pixels, tower, unit rows.
    fn pass(&self, pass: Pass<'_>, failures: &Failures, pixels: &WritePixels<'_>) {
        let Pass { items, sharing, out } = pass;
        if failures.stopped() {
            return;
        }
        let (len, dim) = (self.session.preprocess.pixel_len(), self.embed_dim());
        self.session.arenas.with(|arena| {
            let [slots] = arena.split([items.len() * len]);
            let slots = &mut slots[..items.len() * len]; // [items, 3, S, S]
            let places = self.prepare(&items, sharing, slots, failures, pixels);
            if failures.stopped() {
                return;
            }
            self.forward(sharing, &slots[..places.len() * len], &mut out[..places.len() * dim]);
            spread(out, dim, &places);
            self.session.finish("image", items.start, places, out, failures);
        });
    }

    /// Prepares the images of a pass. Moves the pixels of usable images to the start of `slots [items, 3, S, S]`, so
    /// that failed ones cost no arithmetic, and returns the indices of the usable images.
    fn prepare(
        &self,
        items: &Range<usize>,
        sharing: Sharing,
        slots: &mut [f32],
        failures: &Failures,
        pixels: &WritePixels<'_>,
    ) -> Vec<usize> {
        let len = self.session.preprocess.pixel_len();
        let one = |(index, slot): (usize, &mut [f32])| check(&self.cancel).and_then(|()| pixels(index, slot));
        let prepared: Vec<Result<(), Error>> = match sharing {
            Sharing::Items => items.clone().zip(slots.chunks_exact_mut(len)).map(one).collect(),
            Sharing::Passes => threads::map(items.clone().into_par_iter().zip(slots.par_chunks_exact_mut(len)), one),
        };
        let mut places = Vec::with_capacity(items.len());
        for (place, result) in prepared.into_iter().enumerate() {
            match result.and_then(|()| check(&self.cancel)) {
                Ok(()) => {
                    if place > places.len() {
                        slots.copy_within(place * len..(place + 1) * len, places.len() * len);
                    }
                    places.push(place);
                }
                Err(error) => failures.add(items.start + place, error),
            }
        }
        places
    }

    /// Runs the tower: `pixels [images, 3, S, S]` to `out [images, embed_dim]`.
    fn forward(&self, sharing: Sharing, pixels: &[f32], out: &mut [f32]) {
        let images = out.len() / self.embed_dim();
        if images > 0 {
            self.session.pass(sharing, |exec| {
                self.session.arenas.with(|arena| self.tower.forward(exec, pixels, images, arena, out));
            });
        }
    }
}

impl fmt::Debug for ImageEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.debug(f, "ImageEncoder")
    }
}
