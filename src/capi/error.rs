//! Errors that the caller owns, and the one way in which functions report them.

use std::any::Any;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::ptr;

use super::status::{self, CLIPPIE_ERROR_ARGUMENT, CLIPPIE_ERROR_INTERNAL, CLIPPIE_OK, clippie_status};
use crate::Error;

/// An error. It belongs to the caller of the function that made it, who frees it with `clippie_error_free`; until then
/// any number of threads may read it.
pub struct clippie_error {
    status: clippie_status,
    message: CString,
    path: Option<CString>,
    index: Option<usize>,
}

impl clippie_error {
    pub(super) fn new(status: clippie_status, message: impl Into<String>) -> Self {
        clippie_error { status, message: c_string(message.into().into_bytes()), path: None, index: None }
    }

    /// An argument that cannot be used.
    pub(super) fn argument(message: impl Into<String>) -> Self {
        Self::new(CLIPPIE_ERROR_ARGUMENT, message)
    }

    /// Adds which input of a batch the error is about.
    pub(super) fn at(self, what: &str, index: usize) -> Self {
        let message = format!("{what} {index}: {}", self.message.to_string_lossy());
        clippie_error { index: Some(index), ..Self::new(self.status, message) }
    }

    pub(super) fn with_status(self, status: clippie_status) -> Self {
        clippie_error { status, ..self }
    }

    fn panic(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref().copied()).unwrap_or("a panic without a message");
        Self::new(CLIPPIE_ERROR_INTERNAL, format!("internal error: {text}; please report it"))
    }

    pub(super) fn into_raw(self) -> *mut clippie_error {
        Box::into_raw(Box::new(self))
    }
}

impl From<Error> for clippie_error {
    fn from(error: Error) -> Self {
        clippie_error {
            path: error.path().map(|path| c_string(path_bytes(path))),
            index: error.index(),
            ..Self::new(status::of(error.kind()), error.to_string())
        }
    }
}

fn path_bytes(path: &Path) -> Vec<u8> {
    #[cfg(unix)]
    return std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec();
    #[cfg(not(unix))]
    path.to_string_lossy().into_owned().into_bytes()
}

/// A C string of `bytes`, with a replacement for what would end it.
fn c_string(mut bytes: Vec<u8>) -> CString {
    bytes.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b'?');
    CString::new(bytes).unwrap_or_default()
}

/// Runs `work` and returns its value. If it fails or panics, returns what `failed` makes of the status, and the error
/// through `error` if that is not null; else null goes there.
///
/// # Safety
/// `error` is null or may be written.
pub(super) unsafe fn report<T>(
    error: *mut *mut clippie_error,
    failed: impl FnOnce(clippie_status) -> T,
    work: impl FnOnce() -> Result<T, clippie_error>,
) -> T {
    // What a panic leaves half-changed is that of the model, which holds its locks so that this does not matter.
    let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(clippie_error::panic(&*panic)));
    let (value, found) = match result {
        Ok(value) => (value, None),
        Err(found) => (failed(found.status), Some(found)),
    };
    if !error.is_null() {
        // SAFETY: not null, so it may be written, as the caller of this function ensures; its alignment may not matter.
        unsafe { error.write_unaligned(found.map_or(ptr::null_mut(), clippie_error::into_raw)) };
    }
    value
}

/// Runs what returns no error: frees, getters. Returns `otherwise` if it panics.
pub(super) fn quietly<T>(otherwise: T, work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(otherwise)
}

/// Returns the status of an error, `CLIPPIE_OK` for null.
///
/// # Safety
/// `error` is null or an error that is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_error_status(error: *const clippie_error) -> clippie_status {
    // SAFETY: null or an error, as the caller ensures.
    unsafe { error.as_ref() }.map_or(CLIPPIE_OK, |error| error.status)
}

/// Returns the message of an error: one sentence in UTF-8 that names the cause and the remedy. It belongs to the error
/// and ends with it. An empty string for null.
///
/// # Safety
/// `error` is null or an error that is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_error_message(error: *const clippie_error) -> *const c_char {
    // SAFETY: null or an error, as the caller ensures.
    unsafe { error.as_ref() }.map_or(c"", |error| error.message.as_c_str()).as_ptr()
}

/// Returns the file that an error is about: the weights file, or the photo that cannot be used. It belongs to the error
/// and ends with it. Null if there is none.
///
/// # Safety
/// `error` is null or an error that is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_error_path(error: *const clippie_error) -> *const c_char {
    // SAFETY: null or an error, as the caller ensures.
    let path = unsafe { error.as_ref() }.and_then(|error| error.path.as_deref());
    path.map_or(ptr::null(), |path| path.as_ptr())
}

/// Returns the index, from 0, of the input of a batch that an error is about; -1 if there is none.
///
/// # Safety
/// `error` is null or an error that is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_error_index(error: *const clippie_error) -> i64 {
    // SAFETY: null or an error, as the caller ensures.
    let index = unsafe { error.as_ref() }.and_then(|error| error.index);
    index.map_or(-1, |index| i64::try_from(index).unwrap_or(i64::MAX))
}

/// Frees an error. Null is allowed.
///
/// # Safety
/// `error` is null or an error that is not freed; nobody uses it or its strings any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_error_free(error: *mut clippie_error) {
    if !error.is_null() {
        // SAFETY: every error comes from `into_raw`, and the caller frees it once.
        quietly((), || drop(unsafe { Box::from_raw(error) }));
    }
}

/// Frees the errors of the inputs of a batch and writes null in their places. Null is allowed, for `errors` and each of
/// them. The array itself stays the caller's.
///
/// # Safety
/// `errors` is null or has `count` pointers that a call has written; nobody uses the errors or their strings any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_errors_free(errors: *mut *mut clippie_error, count: usize) {
    if errors.is_null() {
        return;
    }
    for index in 0..count {
        // SAFETY: one of the `count` pointers, which may be read and written, as the caller ensures.
        let error = unsafe { errors.add(index).replace(ptr::null_mut()) };
        // SAFETY: an error that a call has written, or null; it is freed once, because its place holds null now.
        unsafe { clippie_error_free(error) };
    }
}
