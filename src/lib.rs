//! CLIP models on a CPU, from scratch: photos and texts to embeddings, from memory-mapped weights.
//!
//! ```no_run
//! use clippie_rs::Clip;
//!
//! let clip = Clip::open("vit-b-32-openai.clippie")?;
//! let photos = clip.encode_images(&["beach.jpg", "cat.png"])?; // [2, embed_dim], unit rows
//! let words = clip.encode_texts(&["a dog on a beach"])?; // [1, embed_dim]
//! println!("{}", photos.dot(&words.t()));
//! # Ok::<(), clippie_rs::Error>(())
//! ```
//!
//! # Where to start
//!
//! - [`Clip`] opens a model by path ([`Clip::open`]), by name (`Clip::from_name`, feature `hub`), by either ([`Clip::load`]) or the compiled-in one
//!   (`Clip::demo`, feature `demo`); [`Options`] set threads, batch size, normalisation and orientation.
//! - [`ImageEncoder`] and [`TextEncoder`] are one tower each; the pages of the other stay on disk. They encode batches
//!   ([`ImageEncoder::encode`]), batches in which some inputs may fail ([`ImageEncoder::encode_each`]) and any number
//!   of inputs in order, with progress and bounded memory ([`ImageEncoder::stream`]).
//! - [`ImageInput`] is anything accepted as an image. `walk::photos` (feature `walk`) lists the photos of a folder.
//! - `ObservedPhoto` (feature `decode`) is an input that keeps what was seen of it: metadata, size, and a
//!   [`PictureHash`](pixels::PictureHash) that tells copies of a picture. `photo::metadata` and `photo::thumbnail` read
//!   a file without a model.
//! - [`CancelToken`] stops batches, streams and downloads. [`Fingerprint`] says which embeddings may be compared.
//! - [`similarity`], [`query_similarity`] and [`Clip::probabilities`] compare embeddings.
//! - [`Classifier`] tells which of several [`Label`]s a photo shows. [`TextCache`] remembers texts.
//!
//! # Modules
//!
//! Layers, each built on those before it: `tensor`, `kernels`, `layers`, [`models`], then [`Clip`]. Next to them:
//! [`weights`], the file format; [`tokenizer`]; `photo`, which decodes photo files; [`preprocess`], which turns their
//! [`pixels`] into the input of an image tower; [`catalog`], the published models; `import`, which converts their
//! checkpoints to weights files; [`hub`], which downloads them; `tables` (feature `parquet`), files of embeddings for
//! pipelines.
//!
//! # Features
//!
//! Without any feature, the crate is the engine, the tokenizer and the preprocessing of RGB buffers.
//!
//! - `decode` reads photo files.
//! - `walk` lists the photos of a folder; includes `decode`.
//! - `image` accepts `image::DynamicImage` and `image::RgbImage` as inputs.
//! - `import` converts published checkpoints to weights files.
//! - `hub` (default) opens models by name; includes `import`. No other feature uses the network.
//! - `library` (default) indexes and searches folders of photos; includes `walk`. Builds SQLite, which is C.
//! - `parquet` (default) reads and writes tables of embeddings in Parquet files. Builds zstd, which is C.
//! - `serve` (default) adds the server to the command.
//! - `capi` exports the functions of the C library; see `docs/c.md`. Changes nothing for Rust.
//! - `demo` (default) compiles in a small model (7 MB).
//! - `cli` (default) builds the command; includes `walk` and `import`.

// The hosted documentation shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bounded_json;
#[cfg_attr(
    not(any(feature = "decode", feature = "import")),
    allow(dead_code, reason = "photo files and checkpoints have budgets, and nothing else reads any")
)]
mod budget;
mod cancel;
#[cfg(feature = "capi")]
mod capi;
mod clip;
mod error;
mod kernels;
mod layers;
mod tensor;
mod threads;

pub mod catalog;
// The command is a separate binary and needs public items. This module is not part of the library's API.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
// What the command needs of it; not part of the library's API.
#[doc(hidden)]
pub mod files;
pub mod hub;
#[cfg(feature = "import")]
pub mod import;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
#[cfg(feature = "library")]
pub mod library;
pub mod models;
#[cfg(feature = "decode")]
pub mod photo;
pub mod pixels;
pub mod preprocess;
// What the command runs; not part of the library's API.
#[cfg(feature = "serve")]
#[doc(hidden)]
pub mod server;
#[cfg(feature = "parquet")]
pub mod tables;
#[cfg(feature = "walk")]
mod tar;
pub mod tokenizer;
#[cfg(feature = "walk")]
pub mod walk;
pub mod weights;

#[cfg(feature = "library")]
pub use clip::Content;
pub use clip::{
    CachedText, CancelToken, Classification, Classifier, ClassifierBuilder, Clip, Encoded, Family, Fingerprint,
    FingerprintError, Guess, ImageEncoder, ImageInput, Label, ModelLoader, ModelSource, Options, Progress, Reading,
    Scoring, Stream, Templates, TextCache, TextCacheError, TextEncoder, agreement, query_similarity, similarity,
};
#[cfg(feature = "decode")]
pub use clip::{Observation, ObservedPhoto, decode_pixels_into};
pub use error::{Error, ErrorKind};
pub use kernels::isa::{Isa, IsaError};
pub use pixels::{RgbBuffer, RgbView};

// The crates whose types are part of signatures, in the matching versions.
#[cfg(feature = "image")]
pub use image;
pub use {ndarray, rayon};
