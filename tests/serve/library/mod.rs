//! The page and the interface of a photo library.

mod access;
mod answers;
mod files;
mod originals;
mod support;
