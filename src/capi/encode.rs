//! Encodes batches of images and texts to the caller's memory.

use std::ffi::c_char;
use std::ptr;

use super::cancel::clippie_cancel;
use super::error::{clippie_error, report};
use super::image::clippie_image;
use super::model::clippie_model;
use super::pointers;
use super::status::{CLIPPIE_ERROR_TEXT, CLIPPIE_OK, CLIPPIE_SOME_FAILED, clippie_status};
use crate::clip::spread;
use crate::{CancelToken, Error};

/// Where the results of a batch go.
#[derive(Clone, Copy)]
struct Outputs {
    out: *mut f32,
    out_len: usize,
    item_errors: *mut *mut clippie_error,
}

/// The memory of the caller for the results of a batch, initialised.
struct Results<'a> {
    /// `[inputs, embed_dim]`
    rows: &'a mut [f32],
    /// One place for each input, null at first; `None` if the first failure ends the call.
    errors: Option<&'a mut [*mut clippie_error]>,
}

impl Outputs {
    /// The places of errors, null at first; `None` if the first failure ends the call.
    ///
    /// # Safety
    /// `item_errors` is null or points to memory for `count` pointers that nothing else uses while they are used.
    unsafe fn errors<'a>(self, count: usize) -> Result<Option<&'a mut [*mut clippie_error]>, clippie_error> {
        if self.item_errors.is_null() {
            return Ok(None);
        }
        // SAFETY: as this function's.
        unsafe { pointers::output(self.item_errors, count, ptr::null_mut(), "item_errors") }.map(Some)
    }

    /// The rows of a batch, zeros at first.
    ///
    /// # Safety
    /// `out` is null or points to memory for `out_len` values that nothing else uses while the rows are used.
    unsafe fn rows<'a>(self, count: usize, dim: usize) -> Result<&'a mut [f32], clippie_error> {
        let expected = count.saturating_mul(dim);
        if self.out_len != expected {
            let error = Error::OutputLength { len: self.out_len, inputs: count, expected };
            return Err(clippie_error::argument(error.to_string()));
        }
        // SAFETY: as this function's.
        unsafe { pointers::output(self.out, self.out_len, 0.0, "out") }
    }
}

impl Results<'_> {
    /// Encodes those inputs that are usable, or none if one is not and the first failure ends the call.
    fn encode<I>(
        self,
        dim: usize,
        inputs: impl Iterator<Item = Result<I, clippie_error>>,
        all: impl FnOnce(&[I], &mut [f32]) -> Result<(), Error>,
        each: impl FnOnce(&[I], &mut [f32]) -> Result<Vec<(usize, Error)>, Error>,
    ) -> Result<clippie_status, clippie_error> {
        let Results { rows, errors: Some(errors) } = self else {
            let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
            all(&inputs, self.rows)?;
            return Ok(CLIPPIE_OK);
        };
        let (mut usable, mut places) = (Vec::new(), Vec::new());
        for (place, input) in inputs.enumerate() {
            match input {
                Ok(input) => {
                    usable.push(input);
                    places.push(place);
                }
                Err(error) => errors[place] = error.into_raw(),
            }
        }
        let failed = each(&usable, &mut rows[..usable.len() * dim])?;
        spread(rows, dim, &places);
        for (from, error) in failed {
            errors[places[from]] = clippie_error::from(error.shifted(places[from] - from)).into_raw();
        }
        let complete = errors.iter().all(|error| error.is_null());
        Ok(if complete { CLIPPIE_OK } else { CLIPPIE_SOME_FAILED })
    }
}

/// # Safety
/// `cancel` is null or a flag that is not freed while the token is used.
unsafe fn token<'a>(cancel: *const clippie_cancel) -> Option<&'a CancelToken> {
    // SAFETY: null or a flag, as the caller ensures.
    unsafe { cancel.as_ref() }.map(clippie_cancel::token)
}

/// Encodes `count` images to `out`, one row of `clippie_model_embed_dim` values for each, in order; `out_len` must be
/// `count` times that. `out` may hold anything before. Any number of threads may encode with a model at once.
///
/// If `item_errors` is null, the first image that cannot be read ends the call, and the values of `out` are unspecified.
/// Otherwise it has `count` places, and images are independent: null is written for those that are encoded, an error
/// that belongs to the caller for others, whose rows are zeros. The call then returns `CLIPPIE_SOME_FAILED`; after a
/// cancellation too, with `CLIPPIE_ERROR_CANCELLED` as the status of those that it did not reach. All places are written,
/// whatever the call returns, so that `clippie_errors_free` can follow; what they held before is not freed.
///
/// Returns `CLIPPIE_OK`, `CLIPPIE_SOME_FAILED`, or the status of the error that is written to `*error` and belongs to the
/// caller; null is written there if there is none. `cancel` and `error` may be null.
///
/// # Safety
/// `model` is null or a model that is not freed during the call; `images` is null or has `count` elements; `out` is null
/// or has memory for `out_len` values, `item_errors` is null or for `count` pointers, and neither overlaps with anything
/// else of the call; `cancel` is null or a flag that is not freed during the call; `error` is null or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_encode_images(
    model: *const clippie_model,
    images: *const clippie_image,
    count: usize,
    out: *mut f32,
    out_len: usize,
    cancel: *const clippie_cancel,
    item_errors: *mut *mut clippie_error,
    error: *mut *mut clippie_error,
) -> clippie_status {
    let outputs = Outputs { out, out_len, item_errors };
    let work = || {
        // SAFETY: as this function's. First, so that the caller finds pointers there whatever else is wrong.
        let errors = unsafe { outputs.errors(count) }?;
        // SAFETY: as this function's.
        let (model, cancel) = (unsafe { pointers::by_ref(model, "the model") }?, unsafe { token(cancel) });
        let encoder = model.image(cancel)?;
        // SAFETY: as this function's.
        let results = Results { rows: unsafe { outputs.rows(count, encoder.embed_dim()) }?, errors };
        // SAFETY: as this function's.
        let images = unsafe { pointers::array(images, count, "images") }?.iter().enumerate();
        // SAFETY: as this function's.
        let inputs = images.map(|(index, image)| unsafe { image.input(index) });
        let all = |images: &[_], rows: &mut [f32]| encoder.encode_into(images, rows);
        let each = |images: &[_], rows: &mut [f32]| encoder.encode_each_into(images, rows);
        results.encode(encoder.embed_dim(), inputs, all, each)
    };
    // SAFETY: as this function's.
    unsafe { report(error, |status| status, work) }
}

/// Encodes `count` texts in UTF-8 to `out`. `lengths` has the number of bytes of each text; if it is null, each ends with
/// a zero. Everything else as with `clippie_encode_images`.
///
/// # Safety
/// `model` is null or a model that is not freed during the call; `texts` is null or has `count` pointers, each null or to
/// a text; `lengths` is null or has `count` lengths; `out` is null or has memory for `out_len` values, `item_errors` is
/// null or for `count` pointers, and neither overlaps with anything else of the call; `cancel` is null or a flag that is
/// not freed during the call; `error` is null or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_encode_texts(
    model: *const clippie_model,
    texts: *const *const c_char,
    lengths: *const usize,
    count: usize,
    out: *mut f32,
    out_len: usize,
    cancel: *const clippie_cancel,
    item_errors: *mut *mut clippie_error,
    error: *mut *mut clippie_error,
) -> clippie_status {
    let outputs = Outputs { out, out_len, item_errors };
    let work = || {
        // SAFETY: as this function's. First, so that the caller finds pointers there whatever else is wrong.
        let errors = unsafe { outputs.errors(count) }?;
        // SAFETY: as this function's.
        let (model, cancel) = (unsafe { pointers::by_ref(model, "the model") }?, unsafe { token(cancel) });
        let encoder = model.text(cancel)?;
        // SAFETY: as this function's.
        let results = Results { rows: unsafe { outputs.rows(count, encoder.embed_dim()) }?, errors };
        // SAFETY: as this function's.
        let texts = unsafe { pointers::array(texts, count, "texts") }?;
        let lengths = match lengths.is_null() {
            true => None,
            // SAFETY: as this function's.
            false => Some(unsafe { pointers::array(lengths, count, "lengths") }?),
        };
        let inputs = texts.iter().enumerate().map(|(index, &text)| {
            // SAFETY: null, or a text of this length or that ends with a zero, as this function's.
            let text = unsafe { input(text, lengths.map(|lengths| lengths[index])) };
            text.map_err(|error| error.at("text", index))
        });
        let all = |texts: &[&str], rows: &mut [f32]| encoder.encode_into(texts, rows);
        let each = |texts: &[&str], rows: &mut [f32]| encoder.encode_each_into(texts, rows);
        results.encode(encoder.embed_dim(), inputs, all, each)
    };
    // SAFETY: as this function's.
    unsafe { report(error, |status| status, work) }
}

/// A text of `length` bytes, or one that ends with a zero.
///
/// # Safety
/// `text` is null or such a text, and nothing changes or frees it while it is used.
unsafe fn input<'a>(text: *const c_char, length: Option<usize>) -> Result<&'a str, clippie_error> {
    let bytes = match length {
        // SAFETY: as this function's.
        Some(length) => unsafe { pointers::array(text.cast::<u8>(), length, "it") },
        // SAFETY: as this function's.
        None => unsafe { pointers::string(text, "it") },
    }?;
    pointers::text(bytes, "it").map_err(|error| error.with_status(CLIPPIE_ERROR_TEXT))
}
