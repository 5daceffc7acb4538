//! Calls of the encoders: batches of inputs to rows, with the failures of single inputs as exceptions.

use std::collections::VecDeque;

use clippie_rs::ndarray::{Array2, Array4};
use clippie_rs::{CancelToken, Error, ImageEncoder, TextEncoder};
use pyo3::prelude::*;

use crate::call::{self, Running};
use crate::images::{Image, Images};
use crate::{errors, memory, texts};

/// What happens to the call when an input fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// The call fails.
    Stops,
    /// Its row is zeros.
    GoesOn,
}

/// The rows of a call and its failed inputs, ascending.
pub struct Encoded {
    /// `[inputs, embed_dim]`
    pub rows: Array2<f32>,
    pub errors: Vec<(usize, PyErr)>,
}

/// The result of a batch: its rows one after the other, and its failures.
type Outcome = Result<(Vec<f32>, Vec<(usize, Error)>), Error>;

/// Encodes all images of a call, batch by batch.
///
/// # Errors
/// The first image that fails, if failing stops; a cancellation, the exception of a signal or of the caller's iterator.
pub fn images<'py>(
    py: Python<'py>,
    encoder: &ImageEncoder,
    mut images: Images<'py>,
    cancel: &CancelToken,
    failing: Failing,
) -> PyResult<Encoded> {
    let encoder = encoder.with_cancel(cancel);
    let encoded = batches(py, &encoder, &mut images, cancel, failing);
    if encoded.is_err() {
        // Batches that still run.
        cancel.cancel();
    }
    encoded
}

/// Batches that are encoded at the same time: threads that have no more to do for one go on with the next, and the
/// images of a third are taken meanwhile.
const RUNNING: usize = 2;

fn batches<'py>(
    py: Python<'py>,
    encoder: &ImageEncoder,
    images: &mut Images<'py>,
    cancel: &CancelToken,
    failing: Failing,
) -> PyResult<Encoded> {
    let one = images.is_one();
    let mut all = Rows::new(encoder.embed_dim());
    let mut running = Queue::new();
    while !images.ended() {
        let Taken { inputs, places, errors } = Taken::new(images.next_batch(py)?, failing)?;
        let encoder = encoder.clone();
        let work = move || {
            let outcome = match failing {
                Failing::Stops if one => encode_one(&encoder, &inputs),
                Failing::Stops => encoder.encode(&inputs).map(|rows| (flat(rows), Vec::new())),
                Failing::GoesOn => memory::rows(inputs.len(), encoder.embed_dim()).and_then(|mut rows| {
                    let errors = encoder.encode_each_into(&inputs, &mut rows)?;
                    Ok((rows, errors))
                }),
            };
            (outcome, inputs)
        };
        if images.ended() && running.is_empty() {
            // All that there is: no thread is needed to take more meanwhile.
            let (outcome, _inputs) = call::run(py, cancel, work)?;
            all.add(py, outcome, &places, errors)?;
            break;
        }
        if running.len() == RUNNING {
            all.add_first(py, &mut running, cancel)?;
        }
        running.push_back((Running::start(py, work), places, errors));
    }
    while !running.is_empty() {
        all.add_first(py, &mut running, cancel)?;
    }
    all.finish(py)
}

/// Batches that are being encoded, with the places and errors of [`Taken`]. Inputs come back, so that objects of Python
/// are dropped with the interpreter.
type Queue = VecDeque<(Running<(Outcome, Vec<Image>)>, Vec<usize>, Vec<(usize, PyErr)>)>;

fn encode_one(encoder: &ImageEncoder, inputs: &[Image]) -> Outcome {
    let mut rows = Vec::new();
    for input in inputs {
        rows.extend(encoder.encode_one(input)?);
    }
    Ok((rows, Vec::new()))
}

/// Encodes all texts of a call.
///
/// # Errors
/// See [`images`].
pub fn texts(
    py: Python<'_>,
    encoder: &TextEncoder,
    texts: &Bound<'_, PyAny>,
    cancel: &CancelToken,
    failing: Failing,
) -> PyResult<Encoded> {
    let encoder = encoder.with_cancel(cancel);
    let mut all = Rows::new(encoder.embed_dim());
    let one = texts::is_one(texts);
    let Taken { inputs, places, errors } = Taken::new(texts::each(texts)?, failing)?;
    let work = move || {
        let outcome = match (failing, &inputs[..]) {
            (Failing::Stops, [text]) if one => encoder.encode_one(text).map(|row| (row, Vec::new())),
            (Failing::Stops, texts) => encoder.encode(texts).map(|rows| (flat(rows), Vec::new())),
            (Failing::GoesOn, texts) => memory::rows(texts.len(), encoder.embed_dim()).and_then(|mut rows| {
                let errors = encoder.encode_each_into(texts, &mut rows)?;
                Ok((rows, errors))
            }),
        };
        (outcome, inputs)
    };
    let (outcome, inputs) = call::run(py, cancel, work)?;
    drop(inputs);
    all.add(py, outcome, &places, errors)?;
    all.finish(py)
}

/// What errors call the result of [`preprocess`].
const PIXELS: &str = "the pixels of all images";

/// Prepares images for the tower: `[images, 3, S, S]`.
///
/// # Errors
/// See [`images`]; the first image that fails.
pub fn preprocess<'py>(
    py: Python<'py>,
    encoder: &ImageEncoder,
    mut images: Images<'py>,
    cancel: &CancelToken,
) -> PyResult<Array4<f32>> {
    let encoder = encoder.with_cancel(cancel);
    let size = encoder.preprocess().image_size;
    let one = images.is_one();
    let (mut all, mut taken) = (Vec::new(), 0);
    while !images.ended() {
        let Taken { inputs, .. } = Taken::new(images.next_batch(py)?, Failing::Stops)?;
        let encoder = encoder.clone();
        let work = move || {
            let mut pixels = Vec::new();
            let failed = inputs.iter().enumerate().find_map(|(place, image)| match encoder.preprocess_image(image) {
                Ok(image) => {
                    let image = image.as_slice().unwrap_or_default();
                    let room = memory::reserve(&mut pixels, image.len(), PIXELS);
                    pixels.extend_from_slice(if room.is_ok() { image } else { &[] });
                    room.err().map(|error| (place, error))
                }
                Err(error) => Some((place, error)),
            });
            (pixels, failed, inputs)
        };
        let (pixels, failed, inputs) = call::run(py, cancel, work)?;
        if let Some((place, error)) = failed {
            return Err(errors::exception_of(py, &error, (!one).then_some(taken + place)));
        }
        taken += inputs.len();
        memory::reserve(&mut all, pixels.len(), PIXELS).map_err(|error| errors::exception(py, &error))?;
        all.extend(pixels);
    }
    let shape = (taken, 3, size, size);
    Array4::from_shape_vec(shape, all).map_err(|error| errors::exception(py, &error.into()))
}

/// Inputs of a batch that could be taken, and their places in it.
struct Taken<T> {
    inputs: Vec<T>,
    places: Vec<usize>,
    errors: Vec<(usize, PyErr)>,
}

impl<T> Taken<T> {
    fn new(batch: Vec<Result<T, PyErr>>, failing: Failing) -> PyResult<Self> {
        let mut taken = Taken { inputs: Vec::new(), places: Vec::new(), errors: Vec::new() };
        for (place, input) in batch.into_iter().enumerate() {
            match input {
                Ok(input) => {
                    taken.inputs.push(input);
                    taken.places.push(place);
                }
                Err(error) if failing == Failing::GoesOn => taken.errors.push((place, error)),
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }
}

/// Rows of the batches so far.
struct Rows {
    dim: usize,
    inputs: usize,
    values: Vec<f32>,
    errors: Vec<(usize, PyErr)>,
}

impl Rows {
    fn new(dim: usize) -> Self {
        Rows { dim, inputs: 0, values: Vec::new(), errors: Vec::new() }
    }

    /// Waits for the first batch and adds it.
    fn add_first(&mut self, py: Python<'_>, running: &mut Queue, cancel: &CancelToken) -> PyResult<()> {
        let Some((batch, places, errors)) = running.pop_front() else { return Ok(()) };
        let (outcome, _inputs) = batch.wait(py, cancel)?;
        self.add(py, outcome, &places, errors)
    }

    /// Adds a batch whose inputs at `places` were encoded; those of `errors` could not be taken.
    fn add(&mut self, py: Python<'_>, outcome: Outcome, places: &[usize], errors: Vec<(usize, PyErr)>) -> PyResult<()> {
        let start = self.inputs;
        let (rows, failed) = outcome.map_err(|error| errors::exception(py, &error.shifted(start)))?;
        if errors.is_empty() && self.values.is_empty() {
            self.values = rows;
        } else if errors.is_empty() {
            self.reserve(py, rows.len())?;
            self.values.extend(rows);
        } else {
            let at = self.values.len();
            let more = (places.len() + errors.len()) * self.dim;
            self.reserve(py, more)?;
            self.values.resize(at + more, 0.0);
            for (row, place) in rows.chunks_exact(self.dim).zip(places) {
                self.values[at + place * self.dim..][..self.dim].copy_from_slice(row);
            }
        }
        self.inputs += places.len() + errors.len();
        self.errors.extend(errors.into_iter().map(|(place, error)| (start + place, error)));
        for (from, error) in failed {
            if matches!(error, Error::Cancelled) {
                return Err(errors::exception(py, &error));
            }
            let place = places.get(from).copied().unwrap_or(from);
            self.errors.push((start + place, errors::exception(py, &error.shifted(start + place - from))));
        }
        Ok(())
    }

    fn reserve(&mut self, py: Python<'_>, len: usize) -> PyResult<()> {
        memory::reserve(&mut self.values, len, "the embeddings").map_err(|error| errors::exception(py, &error))
    }

    fn finish(mut self, py: Python<'_>) -> PyResult<Encoded> {
        self.errors.sort_by_key(|(index, _)| *index);
        let rows = Array2::from_shape_vec((self.inputs, self.dim), self.values);
        let rows = rows.map_err(|error| errors::exception(py, &error.into()))?;
        Ok(Encoded { rows, errors: self.errors })
    }
}

/// The values of rows in standard layout, without a copy.
fn flat(rows: Array2<f32>) -> Vec<f32> {
    rows.into_raw_vec_and_offset().0
}
