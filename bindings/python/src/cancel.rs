//! The flag that stops calls from another thread.

use clippie_rs::CancelToken;
use pyo3::prelude::*;

/// A flag that stops calls from another thread.
///
/// Give it to a call as ``cancel``; ``cancel()`` stops the call, which raises ``Cancelled`` within about the time of a
/// few images. Every later call with the same token raises at once.
#[pyclass(name = "CancelToken", module = "clippie_rs", frozen)]
pub struct PyCancelToken(CancelToken);

#[pymethods]
impl PyCancelToken {
    #[new]
    fn new() -> Self {
        PyCancelToken(CancelToken::new())
    }

    /// Stop every call that has this token, now and later.
    fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether the flag is set.
    #[getter]
    fn cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    fn __repr__(&self) -> &'static str {
        if self.0.is_cancelled() { "CancelToken(cancelled)" } else { "CancelToken()" }
    }
}

/// The token of one call: set by that of the caller, if there is one, and by a signal.
pub fn of_call(token: Option<&PyCancelToken>) -> CancelToken {
    token.map_or_else(CancelToken::new, |token| token.0.child())
}
