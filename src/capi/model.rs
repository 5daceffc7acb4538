//! An opened model: what it is, and its end.

use std::ffi::c_char;

use super::error::{clippie_error, quietly};
use super::pointers;
use super::status::CLIPPIE_ERROR_OPTION;
use crate::{CancelToken, Clip, Fingerprint, ImageEncoder, TextEncoder};

/// An opened model. It belongs to the caller, who frees it with `clippie_model_free`. Any number of threads may use it
/// at once, and processes that open the same file share its memory.
pub struct clippie_model(Towers);

/// The towers of a model that were opened.
pub(super) enum Towers {
    Both(Clip),
    Image(ImageEncoder),
    Text(TextEncoder),
}

impl clippie_model {
    pub(super) fn new(towers: Towers) -> Self {
        clippie_model(towers)
    }

    /// The image tower, watching `cancel`.
    pub(super) fn image(&self, cancel: Option<&CancelToken>) -> Result<ImageEncoder, clippie_error> {
        let encoder = match &self.0 {
            Towers::Both(clip) => clip.image(),
            Towers::Image(encoder) => encoder,
            Towers::Text(_) => return Err(no_tower("texts", "CLIPPIE_TOWERS_IMAGE")),
        };
        Ok(cancel.map_or_else(|| encoder.clone(), |cancel| encoder.with_cancel(cancel)))
    }

    /// The text tower, watching `cancel`.
    pub(super) fn text(&self, cancel: Option<&CancelToken>) -> Result<TextEncoder, clippie_error> {
        let encoder = match &self.0 {
            Towers::Both(clip) => clip.text(),
            Towers::Text(encoder) => encoder,
            Towers::Image(_) => return Err(no_tower("images", "CLIPPIE_TOWERS_TEXT")),
        };
        Ok(cancel.map_or_else(|| encoder.clone(), |cancel| encoder.with_cancel(cancel)))
    }

    fn embed_dim(&self) -> usize {
        match &self.0 {
            Towers::Both(clip) => clip.embed_dim(),
            Towers::Image(encoder) => encoder.embed_dim(),
            Towers::Text(encoder) => encoder.embed_dim(),
        }
    }

    fn logit_scale(&self) -> f32 {
        match &self.0 {
            Towers::Both(clip) => clip.logit_scale(),
            Towers::Image(encoder) => encoder.logit_scale(),
            Towers::Text(encoder) => encoder.logit_scale(),
        }
    }

    fn logit_bias(&self) -> Option<f32> {
        match &self.0 {
            Towers::Both(clip) => clip.logit_bias(),
            Towers::Image(encoder) => encoder.logit_bias(),
            Towers::Text(encoder) => encoder.logit_bias(),
        }
    }

    fn probability(&self, cosine: f32) -> Option<f32> {
        match &self.0 {
            Towers::Both(clip) => clip.probability(cosine),
            Towers::Image(encoder) => encoder.probability(cosine),
            Towers::Text(encoder) => encoder.probability(cosine),
        }
    }

    fn fingerprint(&self) -> &Fingerprint {
        match &self.0 {
            Towers::Both(clip) => clip.fingerprint(),
            Towers::Image(encoder) => encoder.fingerprint(),
            Towers::Text(encoder) => encoder.fingerprint(),
        }
    }

    fn release(&self) {
        match &self.0 {
            Towers::Both(clip) => clip.release(),
            Towers::Image(encoder) => encoder.release(),
            Towers::Text(encoder) => encoder.release(),
        }
    }
}

fn no_tower(opened: &str, needed: &str) -> clippie_error {
    let message = format!("the model was opened for {opened} alone; open it with CLIPPIE_TOWERS_BOTH or {needed}");
    clippie_error::new(CLIPPIE_ERROR_OPTION, message)
}

// Any thread may use a model and free it.
const _: () = {
    const fn shared_by_threads<T: Send + Sync>() {}
    shared_by_threads::<clippie_model>();
    shared_by_threads::<clippie_error>();
};

/// What `get` returns for a model, `otherwise` for null.
///
/// # Safety
/// `model` is null or a model that is not freed.
unsafe fn of<T>(model: *const clippie_model, otherwise: T, get: impl FnOnce(&clippie_model, T) -> T) -> T
where
    T: Copy,
{
    // SAFETY: null or a model, as the caller ensures.
    match unsafe { model.as_ref() } {
        Some(model) => quietly(otherwise, || get(model, otherwise)),
        None => otherwise,
    }
}

/// Returns the number of values of an embedding; 0 for null. Any thread may call this.
///
/// # Safety
/// `model` is null or a model that is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_model_embed_dim(model: *const clippie_model) -> usize {
    // SAFETY: as this function's.
    unsafe { of(model, 0, |model, _| model.embed_dim()) }
}

/// Returns the factor that turns cosines into logits, usually about 100; NaN for null. The probabilities of several
/// texts for an image are the softmax of the cosines times this. Any thread may call this.
///
/// # Safety
/// `model` is null or a model that is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_model_logit_scale(model: *const clippie_model) -> f32 {
    // SAFETY: as this function's.
    unsafe { of(model, f32::NAN, |model, _| model.logit_scale()) }
}

/// Returns what is added to the scaled cosines of a model that was trained with a sigmoid; NaN for all others and for
/// null. Any thread may call this.
///
/// # Safety
/// `model` is null or a model that is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_model_logit_bias(model: *const clippie_model) -> f32 {
    // SAFETY: as this function's.
    unsafe { of(model, f32::NAN, |model, none| model.logit_bias().unwrap_or(none)) }
}

/// Returns the probability that an image and a text with this cosine belong together, from 0 to 1; NaN for a model that
/// was not trained with a sigmoid, whose cosines have no probability of their own, and for null. Any thread may call
/// this.
///
/// # Safety
/// `model` is null or a model that is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_model_probability(model: *const clippie_model, cosine: f32) -> f32 {
    // SAFETY: as this function's.
    unsafe { of(model, f32::NAN, |model, none| model.probability(cosine).unwrap_or(none)) }
}

/// Copies the fingerprint of a model to `buffer`, with a zero at its end, and returns its length without the zero: 32
/// digits, so that `char fingerprint[33]` holds it. As much as fits in `size` bytes is copied; null with a `size` of 0 is
/// allowed. Returns 0, and an empty string, if `model` is null. Any thread may call this.
///
/// The fingerprint identifies everything that determines an embedding. Only embeddings with equal fingerprints may be
/// compared; store it with them.
///
/// # Safety
/// `model` is null or a model that is not freed; `buffer` is null or has `size` bytes that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_model_fingerprint(
    model: *const clippie_model,
    buffer: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: as this function's.
    let Ok(buffer) = (unsafe { pointers::output(buffer.cast::<u8>(), size, 0, "the buffer") }) else { return 0 };
    let copy = |model: &clippie_model, _| {
        let digits = model.fingerprint().as_str().as_bytes();
        let room = buffer.len().saturating_sub(1);
        let copied = digits.len().min(room);
        buffer[..copied].copy_from_slice(&digits[..copied]);
        digits.len()
    };
    // SAFETY: as this function's.
    unsafe { of(model, 0, copy) }
}

/// Gives scratch memory and mapped pages back to the system, for a program that goes idle; the next call fetches them
/// again. Null is allowed. Any thread may call this, also while others encode.
///
/// # Safety
/// `model` is null or a model that is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_model_release(model: *const clippie_model) {
    // SAFETY: as this function's.
    unsafe { of(model, (), |model, ()| model.release()) }
}

/// Frees a model and waits until its threads have ended. When all models are freed, no thread runs code of the library,
/// which may then be unloaded (except on Windows, where threads end some time later). Null is allowed.
///
/// # Safety
/// `model` is null or a model that is not freed; no call uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_model_free(model: *mut clippie_model) {
    if !model.is_null() {
        // SAFETY: every model comes from `Box::into_raw` of a function that opens one, and the caller frees it once.
        quietly((), || drop(unsafe { Box::from_raw(model) }));
    }
}
