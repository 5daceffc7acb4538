//! Photos to embeddings.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{Array2, Array3, ArrayView4};
use rayon::prelude::*;

#[cfg(feature = "decode")]
use super::ahead::PhotosAhead;
use super::batch::{self, Drawn, Failures, Sharing};
use super::session::{NoPass, Session, flat};
use super::{Ahead, CancelToken, Encoded, Family, Fingerprint, ImageInput, Options, Stream, check, memory, pixels};
use crate::error::Error;
use crate::kernels::Isa;
use crate::models::ImageTower;
use crate::preprocess::PreprocessConfig;
use crate::threads;
use crate::weights::{Tower, WeightsFile};

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
        let mut rows = memory::zeros(images.len(), self.embed_dim(), "the embeddings")?;
        self.run(images.len(), flat(&mut rows), Failures::fail_fast(), &|i, out| self.pixels(i, images[i], None, out))
            .into_result()?;
        Ok(rows)
    }

    /// Encodes images independently: one that cannot be read does not affect the others.
    ///
    /// After a cancellation, finished rows are kept; all others fail with [`Error::Cancelled`].
    pub fn encode_each<'a>(&self, images: impl IntoIterator<Item: Into<ImageInput<'a>>>) -> Encoded {
        self.encode_ahead(images, &[])
    }

    /// Encodes images independently; `ahead` has what was read of them, if anything was.
    fn encode_ahead<'a>(
        &self,
        images: impl IntoIterator<Item: Into<ImageInput<'a>>>,
        ahead: &[Option<Ahead>],
    ) -> Encoded {
        let images: Vec<ImageInput<'_>> = images.into_iter().map(Into::into).collect();
        let mut rows = Array2::zeros((images.len(), self.embed_dim()));
        let pixels = |i: usize, out: &mut [f32]| self.pixels(i, images[i], ahead.get(i).and_then(Option::as_ref), out);
        let errors = self.run(images.len(), flat(&mut rows), Failures::per_item(), &pixels).into_errors();
        Encoded { rows, errors }
    }

    /// Encodes images independently, as [`ImageEncoder::encode_each`] does, into a slice of `images · embed_dim` values,
    /// row after row; rows of images that failed are zeros. Returns the images that failed, as [`Encoded::errors`].
    ///
    /// # Errors
    /// A slice of another length.
    pub fn encode_each_into<'a>(
        &self,
        images: impl IntoIterator<Item: Into<ImageInput<'a>>>,
        out: &mut [f32],
    ) -> Result<Vec<(usize, Error)>, Error> {
        let images: Vec<ImageInput<'_>> = images.into_iter().map(Into::into).collect();
        self.session.check_len(images.len(), out)?;
        out.fill(0.0);
        let pixels = |i: usize, out: &mut [f32]| self.pixels(i, images[i], None, out);
        Ok(self.run(images.len(), out, Failures::per_item(), &pixels).into_errors())
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
        self.run(images.len(), out, Failures::fail_fast(), &|i, out| self.pixels(i, images[i], None, out)).into_result()
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
        let work = move |images: &[I::Item], ahead: &[Option<Ahead>], token: &CancelToken| {
            encoder.with_cancel(token).encode_ahead(images, ahead)
        };
        let stream = Stream::new(images.into_iter(), &self.session, &self.cancel, work);
        #[cfg(feature = "decode")]
        if let Some(mut photos) = PhotosAhead::of(&self.session) {
            return stream.reading(move |image| photos.begin(image.into()));
        }
        stream
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
        let mut rows = memory::zeros(images, self.embed_dim(), "the embeddings")?;
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
        pixels::prepare(image, None, config, self.session.options.photos, &self.cancel, &mut out)
            .map_err(|error| error.of_item("image", None, image.path()))?;
        Ok(Array3::from_shape_vec((3, config.image_size, config.image_size), out)?)
    }

    /// Length of the embeddings.
    #[must_use]
    pub fn embed_dim(&self) -> usize {
        self.session.config.embed_dim
    }

    /// See [`Clip::logit_scale`](super::Clip::logit_scale).
    #[must_use]
    pub fn logit_scale(&self) -> f32 {
        self.session.config.logit_scale.exp()
    }

    /// See [`Clip::logit_bias`](super::Clip::logit_bias).
    #[must_use]
    pub fn logit_bias(&self) -> Option<f32> {
        self.session.config.logit_bias
    }

    /// See [`Clip::probability`](super::Clip::probability).
    #[must_use]
    pub fn probability(&self, cosine: f32) -> Option<f32> {
        self.session.probability(cosine)
    }

    /// How photos are prepared.
    #[must_use]
    pub fn preprocess(&self) -> &PreprocessConfig {
        &self.session.preprocess
    }

    /// What reading one photo may cost: see [`Options::limits`](super::Options::limits).
    #[cfg(feature = "decode")]
    pub fn limits(&self) -> crate::photo::Limits {
        self.session.options.photos.limits
    }

    /// See [`Clip::fingerprint`](super::Clip::fingerprint).
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.session.fingerprint
    }

    /// See [`Clip::family`](super::Clip::family).
    #[must_use]
    pub fn family(&self) -> &Family {
        &self.session.family
    }

    /// See [`Clip::isa`](super::Clip::isa).
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.session.isa()
    }

    /// See [`WeightsFile::model_name`](crate::weights::WeightsFile::model_name).
    #[cfg(feature = "library")]
    pub(crate) fn model_name(&self) -> String {
        self.session.weights.model_name()
    }

    /// Number of photos that keep all threads busy.
    #[cfg(feature = "library")]
    pub(crate) fn chunk(&self) -> usize {
        self.session.options.batch_size.max(2) * self.session.pool().threads()
    }

    /// See [`Clip::weights`](super::Clip::weights).
    #[must_use]
    pub fn weights(&self) -> &WeightsFile {
        &self.session.weights
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

    /// Pixels of image `index` of a batch, of which `ahead` may have been read.
    fn pixels(&self, index: usize, image: ImageInput<'_>, ahead: Option<&Ahead>, out: &mut [f32]) -> Result<(), Error> {
        pixels::prepare(image, ahead, &self.session.preprocess, self.session.options.photos, &self.cancel, out)
            .map_err(|error| error.of_item("image", Some(index), image.path()))
    }

    /// Encodes a batch to `out [images, embed_dim]`; `pixels` writes the pixels of one image. Leaves the rows of failed
    /// images as they are.
    fn run(&self, images: usize, out: &mut [f32], failures: Failures, pixels: &WritePixels<'_>) -> Failures {
        let out = Mutex::new(out);
        self.session.install(|| {
            let (rows, batch_size) = (self.tower.rows(), self.session.options.batch_size);
            batch::run_drawn(images, rows, batch_size, |pass| self.pass(&pass, &out, &failures, pixels));
        });
        failures
    }

    /// Encodes one pass: draws images until it is full, then tower, unit rows. An image that fails takes no place.
    fn pass(&self, pass: &Drawn<'_>, out: &Mutex<&mut [f32]>, failures: &Failures, pixels: &WritePixels<'_>) {
        let (len, dim) = (self.session.preprocess.pixel_len(), self.embed_dim());
        self.session.arenas.with(|arena| {
            let [slots, rows] = match arena.split([pass.size.saturating_mul(len), pass.size.saturating_mul(dim)]) {
                Ok(buffers) => buffers,
                Err(refused) => {
                    let error = || self.session.no_pass("image", NoPass::Scratch(refused));
                    return pass.draw(pass.size).for_each(|index| failures.add(index, error()));
                }
            };
            let slots = &mut slots[..pass.size * len]; // [size, 3, S, S]
            let mut indices = Vec::with_capacity(pass.size);
            while indices.len() < pass.size && !failures.stopped() {
                let drawn = pass.draw(pass.size - indices.len());
                if drawn.is_empty() {
                    break;
                }
                let free = &mut slots[indices.len() * len..][..drawn.len() * len];
                indices.extend(self.prepare(drawn, pass.sharing, free, failures, pixels));
            }
            if indices.is_empty() || failures.stopped() {
                return;
            }
            let rows = &mut rows[..indices.len() * dim];
            if let Err(reason) = self.forward(pass.sharing, &slots[..indices.len() * len], rows) {
                let error = || self.session.no_pass("image", reason.clone());
                return indices.into_iter().for_each(|index| failures.add(index, error()));
            }
            self.session.finish("image", |place| indices[place], rows, failures);
            // A panic while the lock is held cannot leave a row half-written that anybody reads.
            let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
            for (row, index) in rows.chunks_exact(dim).zip(&indices) {
                out[index * dim..(index + 1) * dim].copy_from_slice(row);
            }
        });
    }

    /// Prepares images of a pass. Moves the pixels of usable images to the start of `slots [items, 3, S, S]` and returns
    /// their indices in the batch.
    fn prepare(
        &self,
        items: Range<usize>,
        sharing: Sharing,
        slots: &mut [f32],
        failures: &Failures,
        pixels: &WritePixels<'_>,
    ) -> Vec<usize> {
        let len = self.session.preprocess.pixel_len();
        let have_idle = sharing == Sharing::Passes && items.len() * 2 <= threads::here();
        let pixels = |index: usize, slot: &mut [f32]| threads::with_idle(have_idle, || pixels(index, slot));
        let one = |(index, slot): (usize, &mut [f32])| check(&self.cancel).and_then(|()| pixels(index, slot));
        let prepared: Vec<Result<(), Error>> = match sharing {
            Sharing::Items => items.clone().zip(slots.chunks_exact_mut(len)).map(one).collect(),
            Sharing::Passes => threads::map(items.clone().into_par_iter().zip(slots.par_chunks_exact_mut(len)), one),
        };
        let mut usable = Vec::with_capacity(items.len());
        for ((place, index), result) in items.enumerate().zip(prepared) {
            match result.and_then(|()| check(&self.cancel)) {
                Ok(()) => {
                    if place > usable.len() {
                        slots.copy_within(place * len..(place + 1) * len, usable.len() * len);
                    }
                    usable.push(index);
                }
                Err(error) => failures.add(index, error),
            }
        }
        usable
    }

    /// Runs the tower: `pixels [images, 3, S, S]` to `out [images, embed_dim]`.
    fn forward(&self, sharing: Sharing, pixels: &[f32], out: &mut [f32]) -> Result<(), NoPass> {
        let images = out.len() / self.embed_dim();
        let done = self
            .session
            .pass(Tower::Image, sharing, |exec, arena| self.tower.forward(exec, pixels, images, arena, out));
        match done {
            Err(NoPass::Scratch(_)) if images > 1 => {
                // Half of them take half of the memory.
                let (first, second) = pixels.split_at(images / 2 * self.session.preprocess.pixel_len());
                let (first_out, second_out) = out.split_at_mut(images / 2 * self.embed_dim());
                self.forward(sharing, first, first_out)?;
                self.forward(sharing, second, second_out)
            }
            done => done,
        }
    }
}

impl fmt::Debug for ImageEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.debug(f, "ImageEncoder")
    }
}

#[cfg(all(test, feature = "decode", feature = "demo"))]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::pixels::RgbBuffer;
    use crate::weights::WeightsFile;

    #[test]
    fn photos_that_fail_cost_no_pass_and_no_place_in_one() {
        let red = RgbBuffer::new(4, 4, [200, 10, 10].repeat(16)).unwrap();
        let missing = Path::new("/there is no such photo");
        for threads in [1, 2] {
            let encoder = Options::new().threads(threads).open_weights_image(WeightsFile::demo().unwrap()).unwrap();
            let alone = encoder.encode_one(&red).unwrap();
            let passes = || encoder.session.passes.swap(0, Ordering::Relaxed);
            passes();
            assert!(encoder.encode_each([missing; 40]).rows.iter().all(|&value| value == 0.0));
            assert_eq!(passes(), 0);
            assert!(encoder.encode_each([&red; 16]).is_complete());
            let without_failures = passes();
            // One photo in five is usable: 16 of 80. Each thread may end with a pass that is not full.
            let images = (0..80).map(|i| if i % 5 == 3 { ImageInput::from(&red) } else { ImageInput::from(missing) });
            let encoded = encoder.encode_each(images);
            let passes = passes();
            assert!((without_failures..without_failures + threads).contains(&passes), "{passes} {without_failures}");
            for (index, row) in encoded.iter().enumerate() {
                match row {
                    Ok(row) => assert_eq!((row.to_vec(), index % 5), (alone.clone(), 3)),
                    Err(error) => assert!(index % 5 != 3 && error.index() == Some(index), "{error}"),
                }
            }
        }
    }

    #[test]
    fn the_first_of_several_errors_is_returned() {
        let encoder = Options::new().threads(2).open_weights_image(WeightsFile::demo().unwrap()).unwrap();
        for first in 0..20 {
            let names: Vec<String> = (first..first + 40).map(|i| format!("/no such photo {i}")).collect();
            assert_eq!(encoder.encode(&names).unwrap_err().index(), Some(0));
        }
    }
}
