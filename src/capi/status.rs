//! Status codes: the kinds of errors, and those of C's arguments.

use std::ffi::{CStr, c_char};

use crate::ErrorKind;

/// How a call ended: `CLIPPIE_OK`, `CLIPPIE_SOME_FAILED` or one of the constants `CLIPPIE_ERROR_...`. Later versions may have more.
pub type clippie_status = i32;

/// The call did what it was asked.
pub const CLIPPIE_OK: clippie_status = 0;
/// A batch was encoded, except the inputs that `item_errors` has an error for.
pub const CLIPPIE_SOME_FAILED: clippie_status = 1;
/// An argument cannot be used: a null pointer, a wrong length, an unknown constant.
pub const CLIPPIE_ERROR_ARGUMENT: clippie_status = 2;
/// A file is missing or cannot be opened, read or written.
pub const CLIPPIE_ERROR_IO: clippie_status = 3;
/// A weights file is damaged, of another version or not one, or its model cannot be run.
pub const CLIPPIE_ERROR_WEIGHTS: clippie_status = 4;
/// An image cannot be decoded or is too large.
pub const CLIPPIE_ERROR_IMAGE: clippie_status = 5;
/// A text cannot be used.
pub const CLIPPIE_ERROR_TEXT: clippie_status = 6;
/// A checkpoint cannot be converted.
pub const CLIPPIE_ERROR_CHECKPOINT: clippie_status = 7;
/// A model cannot be downloaded: the network or the server fails.
pub const CLIPPIE_ERROR_NETWORK: clippie_status = 8;
/// The system gives no memory.
pub const CLIPPIE_ERROR_MEMORY: clippie_status = 9;
/// An option, a name or an environment variable cannot be used.
pub const CLIPPIE_ERROR_OPTION: clippie_status = 10;
/// The call was cancelled.
pub const CLIPPIE_ERROR_CANCELLED: clippie_status = 11;
/// A bug in the library.
pub const CLIPPIE_ERROR_INTERNAL: clippie_status = 12;

/// The status of an error of the library.
pub(super) fn of(kind: ErrorKind) -> clippie_status {
    match kind {
        ErrorKind::Io => CLIPPIE_ERROR_IO,
        ErrorKind::Weights => CLIPPIE_ERROR_WEIGHTS,
        ErrorKind::Image => CLIPPIE_ERROR_IMAGE,
        ErrorKind::Text => CLIPPIE_ERROR_TEXT,
        ErrorKind::Checkpoint => CLIPPIE_ERROR_CHECKPOINT,
        ErrorKind::Network => CLIPPIE_ERROR_NETWORK,
        ErrorKind::Memory => CLIPPIE_ERROR_MEMORY,
        ErrorKind::Option => CLIPPIE_ERROR_OPTION,
        ErrorKind::Cancelled => CLIPPIE_ERROR_CANCELLED,
        ErrorKind::Internal => CLIPPIE_ERROR_INTERNAL,
    }
}

/// Returns a few words for a status, such as "unusable image"; "unknown status" for a number that is none. The string
/// is static. Any thread may call this.
#[unsafe(no_mangle)]
pub extern "C" fn clippie_status_name(status: clippie_status) -> *const c_char {
    let name: &CStr = match status {
        CLIPPIE_OK => c"ok",
        CLIPPIE_SOME_FAILED => c"some inputs failed",
        CLIPPIE_ERROR_ARGUMENT => c"unusable argument",
        CLIPPIE_ERROR_IO => c"file system error",
        CLIPPIE_ERROR_WEIGHTS => c"unusable weights",
        CLIPPIE_ERROR_IMAGE => c"unusable image",
        CLIPPIE_ERROR_TEXT => c"unusable text",
        CLIPPIE_ERROR_CHECKPOINT => c"unusable checkpoint",
        CLIPPIE_ERROR_NETWORK => c"network error",
        CLIPPIE_ERROR_MEMORY => c"out of memory",
        CLIPPIE_ERROR_OPTION => c"unusable option",
        CLIPPIE_ERROR_CANCELLED => c"cancelled",
        CLIPPIE_ERROR_INTERNAL => c"internal error",
        _ => c"unknown status",
    };
    name.as_ptr()
}
