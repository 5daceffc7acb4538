//! `Clip`: both towers of a model.

use std::path::PathBuf;

use clippie_rs::Clip;
use clippie_rs::ndarray::ArrayView2;
use numpy::{PyArray2, PyArray4};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::cancel::PyCancelToken;
use crate::compare::{self, Columns};
use crate::encoders::{PyImageEncoder, PyTextEncoder};
use crate::open::{Opened, Source};

/// A CLIP model: photos and texts to embeddings that can be compared.
///
/// Opening maps the file; weights are paged in as they are used and shared by every process that has the same file open.
/// Any number of threads may use a model at once; they run side by side, without the interpreter's lock. A process that
/// forks may use it in the child too. It is pickled by path and options.
#[pyclass(name = "Clip", module = "clippie_rs", frozen)]
pub struct PyClip {
    clip: Clip,
    opened: Opened,
}

impl PyClip {
    pub fn new(clip: Clip, opened: Opened) -> Self {
        PyClip { clip, opened }
    }
}

#[pymethods]
impl PyClip {
    /// Open a ``.clippie`` file.
    ///
    /// threads: threads of a pool of the model's own; None for one shared pool with a thread per core. Never changes
    ///     results.
    /// batch_size: most images or texts of a pass. Never changes results.
    /// normalize: whether embeddings have length one.
    /// orient: whether EXIF orientation is applied to photos; the reference libraries ignore it.
    /// refuse_long_texts: whether texts longer than the model's context are errors instead of truncated.
    /// language: the language of texts, for models that have languages, as "deu_Latn" or "de".
    /// copy_weights: read the whole file to memory instead of mapping it, for files on disks that may go away.
    /// isa: an instruction set instead of the fastest: "avx512", "avx2", "sse", "neon" or "portable" for tests; "amx" asks Linux
    ///     for the processor's matrix tiles, for the whole process, which make models in 8 bits faster.
    #[staticmethod]
    #[pyo3(
        signature = (path, **options),
        text_signature = "(path, *, threads=None, batch_size=8, normalize=True, orient=True, refuse_long_texts=False, language=None, copy_weights=False, isa=None)"
    )]
    fn open(py: Python<'_>, path: PathBuf, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let (clip, opened) = Opened::open(py, Source::File(path), options, None, None)?;
        Ok(Self::new(clip, opened))
    }

    /// Open a published model by its name, such as "mobileclip2-s2" or "hf-hub:ORG/REPO".
    ///
    /// It is downloaded and converted on first use; Ctrl-C and `cancel` stop that, and the next call goes on where it
    /// stopped. `progress` is called with a dictionary for each event: its key "event" is "plan", "download", "retry",
    /// "convert" or "waiting" (another process is at it); "done" and "total" are bytes. The options are those of ``open``.
    #[staticmethod]
    #[pyo3(
        signature = (name, progress=None, *, cancel=None, **options),
        text_signature = "(name, progress=None, *, cancel=None, threads=None, batch_size=8, normalize=True, orient=True, refuse_long_texts=False, language=None, copy_weights=False, isa=None)"
    )]
    fn from_name(
        py: Python<'_>,
        name: String,
        progress: Option<&Bound<'_, PyAny>>,
        cancel: Option<&PyCancelToken>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let (clip, opened) = Opened::open(py, Source::Name(name), options, progress, cancel)?;
        Ok(Self::new(clip, opened))
    }

    /// Open the compiled-in model, for a first try and for tests. It knows drawings of shapes, no photos.
    #[staticmethod]
    #[pyo3(
        signature = (**options),
        text_signature = "(*, threads=None, batch_size=8, normalize=True, orient=True, refuse_long_texts=False, copy_weights=False, isa=None)"
    )]
    fn demo(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let (clip, opened) = Opened::open(py, Source::Demo, options, None, None)?;
        Ok(Self::new(clip, opened))
    }

    /// Encode images: ``float32 [images, embed_dim]``, unit rows in the order of the images.
    ///
    /// images: a list or any iterable of paths, bytes of files, images of Pillow or arrays ``uint8 [height, width, 3]``,
    ///     also mixed; or one of these, which gives one row. Iterators are read as their images are encoded.
    /// on_error: what an image that cannot be read does. "raise" raises its exception, whose ``index`` tells which it
    ///     was; "zero" leaves zeros in its row; "none" returns a list of rows instead of an array, with None for it.
    ///     ``clip.image.encode_each`` also returns the exceptions.
    /// cancel: a ``CancelToken`` with which another thread can stop the call.
    #[pyo3(signature = (images, *, on_error="raise", cancel=None))]
    fn encode_images<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        on_error: &str,
        cancel: Option<&PyCancelToken>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.image().encode(py, images, on_error, cancel)
    }

    /// Encode texts: ``float32 [texts, embed_dim]``, unit rows in the order of the texts. A string gives one row.
    #[pyo3(signature = (texts, *, cancel=None))]
    fn encode_texts<'py>(
        &self,
        py: Python<'py>,
        texts: &Bound<'py, PyAny>,
        cancel: Option<&PyCancelToken>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        self.text().encode(py, texts, cancel)
    }

    /// Prepare images as the image tower gets them: ``float32 [images, 3, size, size]``.
    #[pyo3(signature = (images, *, cancel=None))]
    fn preprocess<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        cancel: Option<&PyCancelToken>,
    ) -> PyResult<Bound<'py, PyArray4<f32>>> {
        self.image().preprocess(py, images, cancel)
    }

    /// Token ids of texts, from start to end token, not padded; a string gives a list with one list.
    fn tokenize(&self, py: Python<'_>, texts: &Bound<'_, PyAny>) -> PyResult<Vec<Vec<u32>>> {
        self.text().tokenize(py, texts)
    }

    /// Probabilities of texts for each image, rows that sum to one: ``float32 [images, texts]``.
    ///
    /// Takes embeddings. This is zero-shot classification as CLIP defines it: the softmax over the texts of the cosines
    /// times ``logit_scale``.
    fn probabilities<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        texts: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let (images, texts) = (compare::rows("images", images)?, compare::rows("texts", texts)?);
        let clip = self.clip.clone();
        let probabilities =
            move |images: ArrayView2<'_, f32>, texts: ArrayView2<'_, f32>| clip.probabilities(&images, &texts);
        compare::pairs(py, images, texts, Columns::All, probabilities)
    }

    /// The probability that a photo and a text with this cosine belong together, by the sigmoid that the model was
    /// trained with; None for a model that was trained with another loss.
    fn probability(&self, cosine: f32) -> Option<f32> {
        self.clip.probability(cosine)
    }

    /// The image tower.
    #[getter]
    fn image(&self) -> PyImageEncoder {
        PyImageEncoder::new(self.clip.image().clone(), self.opened.clone())
    }

    /// The text tower.
    #[getter]
    fn text(&self) -> PyTextEncoder {
        PyTextEncoder::new(self.clip.text().clone(), self.opened.clone())
    }

    /// Give scratch memory and mapped pages back to the system; the next call pages them in again.
    fn release(&self, py: Python<'_>) {
        py.detach(|| self.clip.release());
    }

    /// Length of the embeddings.
    #[getter]
    fn embed_dim(&self) -> usize {
        self.clip.embed_dim()
    }

    /// Side of the pixels that the image tower takes.
    #[getter]
    fn image_size(&self) -> usize {
        self.clip.preprocess().image_size
    }

    /// Token positions of the text tower, start and end included.
    #[getter]
    fn context_length(&self) -> usize {
        self.clip.text().context_length()
    }

    /// The factor that turns cosines into logits, usually about 100.
    #[getter]
    fn logit_scale(&self) -> f32 {
        self.clip.logit_scale()
    }

    /// Added to the scaled cosines of a model that was trained with a sigmoid; None for all others.
    #[getter]
    fn logit_bias(&self) -> Option<f32> {
        self.clip.logit_bias()
    }

    /// Identifies everything that determines an embedding: 32 hexadecimal digits.
    ///
    /// Only embeddings with equal fingerprints may be compared.
    #[getter]
    fn fingerprint(&self) -> String {
        self.clip.fingerprint().to_string()
    }

    /// The name of the model: its published one if it has one, else that of its file.
    #[getter]
    fn name(&self) -> String {
        self.clip.weights().model_name()
    }

    /// The options that it was opened with.
    #[getter]
    fn options<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.opened.settings.to_python(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        self.opened.shown(py, "Clip")
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.opened.reduce(py, "Clip", self.clip.fingerprint().as_str())
    }
}
