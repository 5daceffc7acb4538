//! What C passes as pointers, as references: checked for null, alignment and length, the rest is the caller's promise.

use std::ffi::{CStr, c_char};
use std::path::Path;
use std::slice;

use super::error::clippie_error;

/// The value that a handle points to; `what` names the argument.
///
/// # Safety
/// `pointer` is null or points to a value that nothing changes or frees while the reference is used.
pub(super) unsafe fn by_ref<'a, T>(pointer: *const T, what: &str) -> Result<&'a T, clippie_error> {
    if pointer.is_null() {
        return Err(clippie_error::argument(format!("{what} is a null pointer")));
    }
    // SAFETY: not null, so it points to a value, as the caller ensures.
    Ok(unsafe { &*pointer })
}

/// Checks that `len` values can lie where `pointer` says.
fn check<T>(pointer: *const T, len: usize, what: &str) -> Result<(), clippie_error> {
    let bytes = len.checked_mul(size_of::<T>()).filter(|&bytes| isize::try_from(bytes).is_ok());
    if bytes.is_none() {
        return Err(clippie_error::argument(format!("{what} cannot have {len} elements: no memory holds as many")));
    }
    if pointer.is_null() && len > 0 {
        return Err(clippie_error::argument(format!("{what} is a null pointer")));
    }
    if !pointer.is_aligned() {
        return Err(clippie_error::argument(format!("{what} is not aligned to {} bytes", align_of::<T>())));
    }
    Ok(())
}

/// An array of `len` values; null is allowed for none.
///
/// # Safety
/// `pointer` is null or points to `len` values that nothing changes or frees while the slice is used.
pub(super) unsafe fn array<'a, T>(pointer: *const T, len: usize, what: &str) -> Result<&'a [T], clippie_error> {
    check(pointer, len, what)?;
    if len == 0 {
        return Ok(&[]);
    }
    // SAFETY: not null, aligned and of no more than isize::MAX bytes, as checked; its values are the caller's promise.
    Ok(unsafe { slice::from_raw_parts(pointer, len) })
}

/// Memory for `len` values, which may hold anything before, filled with `value`; null is allowed for none.
///
/// # Safety
/// `pointer` is null or points to memory for `len` values that nothing else uses while the slice is used.
pub(super) unsafe fn output<'a, T: Copy>(
    pointer: *mut T,
    len: usize,
    value: T,
    what: &str,
) -> Result<&'a mut [T], clippie_error> {
    check(pointer, len, what)?;
    if len == 0 {
        return Ok(&mut []);
    }
    for index in 0..len {
        // SAFETY: not null, aligned and below `len`, so it may be written, as the caller ensures.
        unsafe { pointer.add(index).write(value) };
    }
    // SAFETY: not null, aligned, of no more than isize::MAX bytes, and just initialised; nothing else uses it, as the
    // caller ensures.
    Ok(unsafe { slice::from_raw_parts_mut(pointer, len) })
}

/// The bytes of a string that ends with a zero.
///
/// # Safety
/// `pointer` is null or points to a string that ends with a zero and that nothing changes or frees while it is used.
pub(super) unsafe fn string<'a>(pointer: *const c_char, what: &str) -> Result<&'a [u8], clippie_error> {
    if pointer.is_null() {
        return Err(clippie_error::argument(format!("{what} is a null pointer")));
    }
    // SAFETY: not null, so it is a string that ends with a zero, as the caller ensures.
    Ok(unsafe { CStr::from_ptr(pointer) }.to_bytes())
}

/// Text in UTF-8.
pub(super) fn text<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str, clippie_error> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        clippie_error::argument(format!("{what} is not UTF-8 from byte {at} on; give texts in UTF-8"))
    })
}

/// A path: bytes as the system has them, UTF-8 where its paths are no bytes.
pub(super) fn path<'a>(bytes: &'a [u8], what: &str) -> Result<&'a Path, clippie_error> {
    #[cfg(unix)]
    {
        _ = what;
        Ok(Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes)))
    }
    #[cfg(not(unix))]
    text(bytes, what).map(Path::new)
}
