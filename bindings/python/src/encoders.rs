//! One tower each: `ImageEncoder` and `TextEncoder`.

use std::path::PathBuf;

use clippie_rs::tokenizer::{self, Overflow};
use clippie_rs::{CancelToken, ImageEncoder, TextEncoder};
use numpy::{PyArray2, PyArray4};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::cancel::{PyCancelToken, of_call};
use crate::encode::{self, Encoded, Failing};
use crate::images::Images;
use crate::open::{Opened, Source};
use crate::{errors, texts};

/// The image tower of a model; the pages of the text tower stay on disk.
///
/// Open one with ``ImageEncoder.open(path)`` or ``ImageEncoder.from_name(name)``, or take ``Clip.image``. Any number of
/// threads may use it at once. It is pickled by path and options.
#[pyclass(name = "ImageEncoder", module = "clippie_rs", frozen)]
pub struct PyImageEncoder {
    pub encoder: ImageEncoder,
    pub opened: Opened,
}

/// What becomes of images that fail.
enum OnError {
    Raise,
    None,
    Zero,
}

impl OnError {
    fn parse(py: Python<'_>, on_error: &str) -> PyResult<Self> {
        match on_error {
            "raise" => Ok(OnError::Raise),
            "none" => Ok(OnError::None),
            "zero" => Ok(OnError::Zero),
            other => Err(errors::option(py, &format!("on_error is {other:?}; give \"raise\", \"none\" or \"zero\""))),
        }
    }
}

impl PyImageEncoder {
    pub fn new(encoder: ImageEncoder, opened: Opened) -> Self {
        PyImageEncoder { encoder, opened }
    }

    fn images<'py>(&self, images: &Bound<'py, PyAny>) -> PyResult<Images<'py>> {
        Images::new(images, self.opened.settings.chunk(), self.opened.settings.orients())
    }
}

#[pymethods]
impl PyImageEncoder {
    /// Open the image tower of a ``.clippie`` file. The options are those of ``Clip.open``.
    #[staticmethod]
    #[pyo3(
        signature = (path, **options),
        text_signature = "(path, *, threads=None, batch_size=8, normalize=True, orient=True, copy_weights=False, isa=None)"
    )]
    fn open(py: Python<'_>, path: PathBuf, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let (encoder, opened) = Opened::open(py, Source::File(path), options, None, None)?;
        Ok(Self::new(encoder, opened))
    }

    /// Open the image tower of a published model; see ``Clip.from_name``.
    #[staticmethod]
    #[pyo3(
        signature = (name, progress=None, *, cancel=None, **options),
        text_signature = "(name, progress=None, *, cancel=None, threads=None, batch_size=8, normalize=True, orient=True, copy_weights=False, isa=None)"
    )]
    fn from_name(
        py: Python<'_>,
        name: String,
        progress: Option<&Bound<'_, PyAny>>,
        cancel: Option<&PyCancelToken>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let (encoder, opened) = Opened::open(py, Source::Name(name), options, progress, cancel)?;
        Ok(Self::new(encoder, opened))
    }

    /// Open the image tower of the compiled-in model; see ``Clip.demo``.
    #[staticmethod]
    #[pyo3(
        signature = (**options),
        text_signature = "(*, threads=None, batch_size=8, normalize=True, orient=True, copy_weights=False, isa=None)"
    )]
    fn demo(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let (encoder, opened) = Opened::open(py, Source::Demo, options, None, None)?;
        Ok(Self::new(encoder, opened))
    }

    /// Encode images: ``float32 [images, embed_dim]``, unit rows. See ``Clip.encode_images``.
    #[pyo3(signature = (images, *, on_error="raise", cancel=None))]
    pub fn encode<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        on_error: &str,
        cancel: Option<&PyCancelToken>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let on_error = OnError::parse(py, on_error)?;
        let failing = if matches!(on_error, OnError::Raise) { Failing::Stops } else { Failing::GoesOn };
        let Encoded { rows, errors } =
            encode::images(py, &self.encoder, self.images(images)?, &of_call(cancel), failing)?;
        let count = rows.nrows();
        let rows = PyArray2::from_owned_array(py, rows);
        if !matches!(on_error, OnError::None) {
            return Ok(rows.into_any());
        }
        let list = PyList::empty(py);
        let mut failed = errors.iter().map(|(index, _)| *index).peekable();
        for index in 0..count {
            match failed.next_if_eq(&index) {
                Some(_) => list.append(py.None())?,
                None => list.append(rows.get_item(index)?)?,
            }
        }
        Ok(list.into_any())
    }

    /// Encode images independently: ``(rows, errors)``.
    ///
    /// ``rows`` is ``float32 [images, embed_dim]``, with zeros for images that failed; ``errors`` maps their indices to
    /// exceptions. An image of a wrong type, such as None, is one that failed.
    #[pyo3(signature = (images, *, cancel=None))]
    fn encode_each<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        cancel: Option<&PyCancelToken>,
    ) -> PyResult<(Bound<'py, PyArray2<f32>>, Bound<'py, PyDict>)> {
        let images = self.images(images)?;
        each(py, encode::images(py, &self.encoder, images, &of_call(cancel), Failing::GoesOn)?)
    }

    /// Prepare images as the tower gets them: ``float32 [images, 3, size, size]``, resized, cropped and normalised.
    #[pyo3(signature = (images, *, cancel=None))]
    pub fn preprocess<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        cancel: Option<&PyCancelToken>,
    ) -> PyResult<Bound<'py, PyArray4<f32>>> {
        let pixels = encode::preprocess(py, &self.encoder, self.images(images)?, &of_call(cancel))?;
        Ok(PyArray4::from_owned_array(py, pixels))
    }

    /// Give scratch memory and mapped pages back to the system; the next call pages them in again.
    fn release(&self, py: Python<'_>) {
        py.detach(|| self.encoder.release());
    }

    /// Length of the embeddings.
    #[getter]
    fn embed_dim(&self) -> usize {
        self.encoder.embed_dim()
    }

    /// Side of the pixels that the tower takes.
    #[getter]
    fn image_size(&self) -> usize {
        self.encoder.preprocess().image_size
    }

    /// Identifies everything that determines an embedding: 32 hexadecimal digits.
    ///
    /// Only embeddings with equal fingerprints may be compared.
    #[getter]
    fn fingerprint(&self) -> String {
        self.encoder.fingerprint().to_string()
    }

    /// The name of the model: its published one if it has one, else that of its file.
    #[getter]
    fn name(&self) -> String {
        self.encoder.weights().model_name()
    }

    /// The options that it was opened with.
    #[getter]
    fn options<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.opened.settings.to_python(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        self.opened.shown(py, "ImageEncoder")
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.opened.reduce(py, "ImageEncoder", self.encoder.fingerprint().as_str())
    }
}

/// The text tower of a model; the pages of the image tower stay on disk.
///
/// Open one with ``TextEncoder.open(path)`` or ``TextEncoder.from_name(name)``, or take ``Clip.text``. Any number of
/// threads may use it at once. It is pickled by path and options.
#[pyclass(name = "TextEncoder", module = "clippie_rs", frozen)]
pub struct PyTextEncoder {
    pub encoder: TextEncoder,
    pub opened: Opened,
}

impl PyTextEncoder {
    pub fn new(encoder: TextEncoder, opened: Opened) -> Self {
        PyTextEncoder { encoder, opened }
    }
}

#[pymethods]
impl PyTextEncoder {
    /// Open the text tower of a ``.clippie`` file. The options are those of ``Clip.open``.
    #[staticmethod]
    #[pyo3(
        signature = (path, **options),
        text_signature = "(path, *, threads=None, batch_size=8, normalize=True, refuse_long_texts=False, language=None, copy_weights=False, isa=None)"
    )]
    fn open(py: Python<'_>, path: PathBuf, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let (encoder, opened) = Opened::open(py, Source::File(path), options, None, None)?;
        Ok(Self::new(encoder, opened))
    }

    /// Open the text tower of a published model; see ``Clip.from_name``.
    #[staticmethod]
    #[pyo3(
        signature = (name, progress=None, *, cancel=None, **options),
        text_signature = "(name, progress=None, *, cancel=None, threads=None, batch_size=8, normalize=True, refuse_long_texts=False, language=None, copy_weights=False, isa=None)"
    )]
    fn from_name(
        py: Python<'_>,
        name: String,
        progress: Option<&Bound<'_, PyAny>>,
        cancel: Option<&PyCancelToken>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let (encoder, opened) = Opened::open(py, Source::Name(name), options, progress, cancel)?;
        Ok(Self::new(encoder, opened))
    }

    /// Open the text tower of the compiled-in model; see ``Clip.demo``.
    #[staticmethod]
    #[pyo3(
        signature = (**options),
        text_signature = "(*, threads=None, batch_size=8, normalize=True, refuse_long_texts=False, copy_weights=False, isa=None)"
    )]
    fn demo(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let (encoder, opened) = Opened::open(py, Source::Demo, options, None, None)?;
        Ok(Self::new(encoder, opened))
    }

    /// Encode texts: ``float32 [texts, embed_dim]``, unit rows. See ``Clip.encode_texts``.
    #[pyo3(signature = (texts, *, cancel=None))]
    pub fn encode<'py>(
        &self,
        py: Python<'py>,
        texts: &Bound<'py, PyAny>,
        cancel: Option<&PyCancelToken>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let encoded = encode::texts(py, &self.encoder, texts, &of_call(cancel), Failing::Stops)?;
        Ok(PyArray2::from_owned_array(py, encoded.rows))
    }

    /// Encode texts independently: ``(rows, errors)``; see ``ImageEncoder.encode_each``.
    #[pyo3(signature = (texts, *, cancel=None))]
    fn encode_each<'py>(
        &self,
        py: Python<'py>,
        texts: &Bound<'py, PyAny>,
        cancel: Option<&PyCancelToken>,
    ) -> PyResult<(Bound<'py, PyArray2<f32>>, Bound<'py, PyDict>)> {
        each(py, encode::texts(py, &self.encoder, texts, &of_call(cancel), Failing::GoesOn)?)
    }

    /// Token ids of texts, from start to end token, not padded; a string gives a list with one list.
    pub fn tokenize(&self, py: Python<'_>, texts: &Bound<'_, PyAny>) -> PyResult<Vec<Vec<u32>>> {
        let texts = texts::each(texts)?.into_iter().collect::<PyResult<Vec<_>>>()?;
        let Some(tokenizer) = self.encoder.tokenizer() else {
            return Err(errors::of_input(
                py,
                "TextError",
                "text",
                None,
                "the model's file has no tokenizer for its texts",
            ));
        };
        let tokenizer = tokenizer.clone();
        let length = self.encoder.context_length();
        let overflow = match self.opened.settings.refuses_long_texts() {
            true => Overflow::Refuse,
            false => Overflow::Truncate,
        };
        let work = move || {
            let one = |text: &str| tokenizer.tokenize(text, length, overflow);
            let ids = texts.iter().enumerate().map(|(index, text)| one(text).map_err(|error| (index, error)));
            ids.collect::<Result<Vec<_>, _>>()
        };
        crate::call::run(py, &CancelToken::new(), work)?.map_err(|(index, error)| {
            let class = match error {
                tokenizer::Error::Memory { .. } => "OutOfMemoryError",
                _ => "TextError",
            };
            errors::of_input(py, class, "text", Some(index), &error.to_string())
        })
    }

    /// Give scratch memory and mapped pages back to the system; the next call pages them in again.
    fn release(&self, py: Python<'_>) {
        py.detach(|| self.encoder.release());
    }

    /// Length of the embeddings.
    #[getter]
    fn embed_dim(&self) -> usize {
        self.encoder.embed_dim()
    }

    /// Token positions of the model, start and end included.
    #[getter]
    fn context_length(&self) -> usize {
        self.encoder.context_length()
    }

    /// The factor that turns cosines into logits, usually about 100.
    #[getter]
    fn logit_scale(&self) -> f32 {
        self.encoder.logit_scale()
    }

    /// Added to the scaled cosines of a model that was trained with a sigmoid; None for all others.
    #[getter]
    fn logit_bias(&self) -> Option<f32> {
        self.encoder.logit_bias()
    }

    /// Identifies everything that determines an embedding; see ``ImageEncoder.fingerprint``.
    #[getter]
    fn fingerprint(&self) -> String {
        self.encoder.fingerprint().to_string()
    }

    /// The name of the model: its published one if it has one, else that of its file.
    #[getter]
    fn name(&self) -> String {
        self.encoder.weights().model_name()
    }

    /// The options that it was opened with.
    #[getter]
    fn options<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.opened.settings.to_python(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        self.opened.shown(py, "TextEncoder")
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.opened.reduce(py, "TextEncoder", self.encoder.fingerprint().as_str())
    }
}

/// Rows and a dictionary of exceptions.
fn each(py: Python<'_>, encoded: Encoded) -> PyResult<(Bound<'_, PyArray2<f32>>, Bound<'_, PyDict>)> {
    let errors = PyDict::new(py);
    for (index, error) in encoded.errors {
        errors.set_item(index, error.into_value(py))?;
    }
    Ok((PyArray2::from_owned_array(py, encoded.rows), errors))
}
