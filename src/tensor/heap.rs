//! Freed memory that the C library has kept.

/// Gives back to the system what the C library has kept of freed memory. glibc keeps as much as a process once needed, after
/// some large pieces have come and gone; others give it back by themselves.
pub(crate) fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes no pointer, and locks what it changes.
    unsafe {
        libc::malloc_trim(0);
    }
}
