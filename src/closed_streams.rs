//! Notes which standard streams were closed when the process started.
//!
//! Rust's runtime opens `/dev/null` in place of a closed stream before `main`. What is written to it is lost, and later
//! nothing tells it from a stream that a caller sent to `/dev/null` with intent. So the system calls [`look`] before the
//! runtime starts. Part of the binary only: a program that uses the library never runs this.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU8, Ordering};

use clippie_rs::cli::ClosedStreams;

/// One bit for each stream that was closed: 1 for standard input, 2 for standard output.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// The streams that were closed when the process started; none on systems where this cannot be told.
pub(super) fn at_start() -> ClosedStreams {
    let closed = CLOSED.load(Ordering::Relaxed);
    ClosedStreams { stdin: closed & 1 != 0, stdout: closed & 2 != 0 }
}

// SAFETY: the section holds pointers to functions that the system calls once each, before `main`, on the only thread.
// They get arguments or none, which a function without parameters ignores in C's calling convention. `look` is such a
// function, and it uses nothing that the runtime would have to set up first.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple"))]
#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static LOOK: extern "C" fn() = look;

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple"))]
extern "C" fn look() {
    for stream in 0..2 {
        // SAFETY: F_GETFD has no further argument and changes nothing; it fails only if the number names no open file.
        if unsafe { libc::fcntl(stream, libc::F_GETFD) } == -1 {
            CLOSED.fetch_or(1 << stream, Ordering::Relaxed);
        }
    }
}
