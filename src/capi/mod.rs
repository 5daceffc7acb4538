//! The C face: handles, status codes, and functions with C's calling convention over the public face.
//!
//! `include/clippie.h` is made from this folder and says for each function who owns what, which threads may call, and
//! what fails. Every function takes null pointers and catches panics. There is no global state: an error belongs to
//! who asked for it, and the threads of a model end with it.
//!
//! ```text
//! C -> pointers (checked: null, alignment, length) -> model, encode, compare -> Clip, ImageEncoder, TextEncoder
//!                                                         error (owned by the caller) <-+
//! ```
//! The functions and types are the same in every build; what a build lacks a feature for fails with a sentence.

// What C passes as a pointer only C can answer for, so functions that take one are `unsafe`.
#![allow(unsafe_code)]
// The names are C's.
#![allow(non_camel_case_types)]

mod cancel;
mod compare;
mod encode;
mod error;
mod image;
mod model;
mod open;
mod options;
mod pointers;
mod status;

use std::ffi::{CStr, c_char};

/// The version of the binary interface that this header describes. It is the number in the name of the shared library
/// and is raised with every change that breaks compiled programs.
pub const CLIPPIE_ABI_VERSION: u32 = 0;

/// Returns the version of the library, such as "0.1.0". The string is static. Any thread may call this.
#[unsafe(no_mangle)]
pub extern "C" fn clippie_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };
    VERSION.as_ptr()
}

/// Returns the version of the binary interface that the library has. A program that loads the library itself, with
/// `dlopen`, compares it with `CLIPPIE_ABI_VERSION`; the linker does so for others. Any thread may call this.
#[unsafe(no_mangle)]
pub extern "C" fn clippie_abi_version() -> u32 {
    CLIPPIE_ABI_VERSION
}
