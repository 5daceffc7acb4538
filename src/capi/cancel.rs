//! Cancellation from another thread.

use super::error::quietly;
use crate::CancelToken;

/// A flag that stops the calls that it was given to. Any number of calls may share it, and any thread may set it.
pub struct clippie_cancel(CancelToken);

impl clippie_cancel {
    pub(super) fn token(&self) -> &CancelToken {
        &self.0
    }
}

/// Creates a flag that is not set. It belongs to the caller, who frees it with `clippie_cancel_free`.
#[unsafe(no_mangle)]
pub extern "C" fn clippie_cancel_new() -> *mut clippie_cancel {
    quietly(std::ptr::null_mut(), || Box::into_raw(Box::new(clippie_cancel(CancelToken::new()))))
}

/// Sets a flag: calls that it was given to end with `CLIPPIE_ERROR_CANCELLED` within about the time of one batch, and later
/// calls at once. Null is allowed. Any thread may call this at any time, a signal handler too.
///
/// # Safety
/// `cancel` is null or a flag that is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_cancel_set(cancel: *const clippie_cancel) {
    // SAFETY: null or a flag, as the caller ensures.
    if let Some(cancel) = unsafe { cancel.as_ref() } {
        cancel.0.cancel();
    }
}

/// Returns whether a flag is set; false for null. Any thread may call this at any time.
///
/// # Safety
/// `cancel` is null or a flag that is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_cancel_is_set(cancel: *const clippie_cancel) -> bool {
    // SAFETY: null or a flag, as the caller ensures.
    unsafe { cancel.as_ref() }.is_some_and(|cancel| cancel.0.is_cancelled())
}

/// Frees a flag. Null is allowed.
///
/// # Safety
/// `cancel` is null or a flag that is not freed; no call that it was given to runs any more, and nobody sets it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_cancel_free(cancel: *mut clippie_cancel) {
    if !cancel.is_null() {
        // SAFETY: every flag comes from `clippie_cancel_new`, and the caller frees it once.
        quietly((), || drop(unsafe { Box::from_raw(cancel) }));
    }
}
