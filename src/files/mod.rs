//! Files without surprises: regular files are opened without ever waiting for another program.
//!
//! Knows no format. Every path that a user, a list or a folder names is opened here, so that a pipe, a device or a
//! folder in the place of a file is an error with a sentence.

mod open;

pub(crate) use open::{NotRegular, open_regular};
