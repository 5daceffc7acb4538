//! Opens models: by path, by name, the compiled-in one.

use std::ffi::{CString, c_char, c_void};
use std::path::Path;
use std::ptr;

use super::cancel::clippie_cancel;
use super::error::{clippie_error, report};
use super::model::{Towers, clippie_model};
use super::options::{CLIPPIE_TOWERS_BOTH, CLIPPIE_TOWERS_IMAGE, CLIPPIE_TOWERS_TEXT, clippie_options, clippie_towers};
use super::pointers;
use super::status::CLIPPIE_ERROR_OPTION;
use crate::{Clip, Error, ImageEncoder, ModelLoader, Options, TextEncoder};

/// Is told of a download: the `user` pointer of the call, the file as a string that ends with the call, its bytes so far
/// and in all. Called by the thread that opens the model. It must return: no exception, no `longjmp`.
pub type clippie_progress = Option<unsafe extern "C" fn(user: *mut c_void, file: *const c_char, done: u64, total: u64)>;

/// Opens the towers that the options ask for, by one of three functions.
///
/// # Safety
/// `options` is null or options that nothing changes or frees during the call.
unsafe fn open(
    options: *const clippie_options,
    both: impl FnOnce(Options) -> Result<Clip, Error>,
    image: impl FnOnce(Options) -> Result<ImageEncoder, Error>,
    text: impl FnOnce(Options) -> Result<TextEncoder, Error>,
) -> Result<*mut clippie_model, clippie_error> {
    let defaults = clippie_options::default();
    // SAFETY: null or options, as the caller ensures.
    let settings = unsafe { options.as_ref() }.unwrap_or(&defaults);
    let (options, language) = (settings.checked()?, settings.language()?);
    let towers = match (settings.towers, language) {
        (CLIPPIE_TOWERS_BOTH, None) => Towers::Both(both(options)?),
        (CLIPPIE_TOWERS_BOTH, Some(language)) => Towers::Both(both(options)?.with_language(language)?),
        (CLIPPIE_TOWERS_IMAGE, None) => Towers::Image(image(options)?),
        (CLIPPIE_TOWERS_IMAGE, Some(_)) => {
            let message = "a language is that of texts, but the model is to be opened for images alone";
            return Err(clippie_error::new(CLIPPIE_ERROR_OPTION, message));
        }
        (CLIPPIE_TOWERS_TEXT, None) => Towers::Text(text(options)?),
        (CLIPPIE_TOWERS_TEXT, Some(language)) => Towers::Text(text(options)?.with_language(language)?),
        (towers, _) => return Err(unknown(towers)),
    };
    Ok(Box::into_raw(Box::new(clippie_model::new(towers))))
}

fn unknown(towers: clippie_towers) -> clippie_error {
    clippie_error::argument(format!("{towers} is none of the constants CLIPPIE_TOWERS_..."))
}

/// Opens a `.clippie` file: maps it and reads its header.
///
/// Returns a model that belongs to the caller, or null; then `*error` is an error that belongs to the caller, else null.
/// `options` may be null for the default ones, `error` if the reason does not matter. Any thread may call this.
///
/// # Safety
/// `path` is null or a string that ends with a zero, in UTF-8 on Windows; `options` is null or options that nothing
/// changes during the call; `error` is null or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_open(
    path: *const c_char,
    options: *const clippie_options,
    error: *mut *mut clippie_error,
) -> *mut clippie_model {
    let work = || {
        // SAFETY: as this function's.
        let path = pointers::path(unsafe { pointers::string(path, "the path") }?, "the path")?;
        // SAFETY: as this function's.
        unsafe { open(options, |with| with.open(path), |with| with.open_image(path), |with| with.open_text(path)) }
    };
    // SAFETY: as this function's.
    unsafe { report(error, |_| ptr::null_mut(), work) }
}

/// Opens the compiled-in model, for tests and a first try. It knows drawn shapes, not photos. A build without the
/// feature `demo` has none and says so.
///
/// Results and errors as with `clippie_open`. Any thread may call this.
///
/// # Safety
/// `options` is null or options that nothing changes during the call; `error` is null or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_open_demo(
    options: *const clippie_options,
    error: *mut *mut clippie_error,
) -> *mut clippie_model {
    let work = || {
        #[cfg(feature = "demo")]
        {
            let demo = |options: Options| options.model("demo");
            // SAFETY: as this function's.
            unsafe { open(options, |o| demo(o).open(), |o| demo(o).open_image(), |o| demo(o).open_text()) }
        }
        #[cfg(not(feature = "demo"))]
        {
            _ = options;
            let message = "this build of clippie-rs has no compiled-in model; build it with the feature `demo`";
            Err(clippie_error::new(CLIPPIE_ERROR_OPTION, message))
        }
    };
    // SAFETY: as this function's.
    unsafe { report(error, |_| ptr::null_mut(), work) }
}

/// Opens a model as users give it: the path of a `.clippie` file, the name of a published model such as
/// "mobileclip2-s2", "hf-hub:ORG/REPO", or "demo". Names take precedence. A published model is downloaded and converted
/// on first use, which needs the feature `hub`; a build without it says how to get the file.
///
/// Calls `progress` during a download, and ends it when `cancel` is set; the next call continues it. Both may be null.
/// Results and other errors as with `clippie_open`. Any thread may call this.
///
/// # Safety
/// `model` is null or a string that ends with a zero; `options` is null or options that nothing changes during the call;
/// `progress` is null or a function of this type that may be called with `user`; `cancel` is null or a flag that is not
/// freed during the call; `error` is null or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_load(
    model: *const c_char,
    options: *const clippie_options,
    progress: clippie_progress,
    user: *mut c_void,
    cancel: *const clippie_cancel,
    error: *mut *mut clippie_error,
) -> *mut clippie_model {
    let work = || {
        // SAFETY: as this function's.
        let model = pointers::path(unsafe { pointers::string(model, "the model") }?, "the model")?;
        // SAFETY: null or a flag, as this function's.
        let cancel = unsafe { cancel.as_ref() };
        let tell = |file: &str, done: u64, total: u64| {
            if let (Some(progress), Ok(file)) = (progress, CString::new(file)) {
                // SAFETY: a function of this type that takes this pointer, as this function's.
                unsafe { progress(user, file.as_ptr(), done, total) };
            }
        };
        let loader = |options| loader(options, model, cancel, &tell);
        // SAFETY: as this function's.
        unsafe { open(options, |o| loader(o).open(), |o| loader(o).open_image(), |o| loader(o).open_text()) }
    };
    // SAFETY: as this function's.
    unsafe { report(error, |_| ptr::null_mut(), work) }
}

/// A model to open that tells of its download and watches `cancel`.
fn loader<'a>(
    options: Options,
    model: &Path,
    cancel: Option<&clippie_cancel>,
    tell: &'a dyn Fn(&str, u64, u64),
) -> ModelLoader<'a> {
    let mut loader = options.model(model);
    if let Some(cancel) = cancel {
        loader = loader.cancel(cancel.token());
    }
    #[cfg(feature = "hub")]
    return loader.progress(move |event| {
        if let crate::hub::Event::Download { file, done, total } = event {
            tell(file, done, total);
        }
    });
    #[cfg(not(feature = "hub"))]
    {
        _ = tell;
        loader
    }
}
