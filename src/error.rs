//! The one public error of the crate.
