//! CLIP models on a CPU, from scratch: photos and sentences to embeddings, from memory-mapped weights.
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
//! Layers, each resting on those before it: `tensor`, `kernels`, `layers`, [`models`], then [`Clip`].
//! [`weights`] and [`tokenizer`] stand beside them, and so do [`photo`], which decodes photo files, and [`preprocess`],
//! which turns their [`pixels`] into the input of an image tower; [`import`] turns published checkpoints into
//! weights files; [`catalog`] lists the published models; [`hub`] fetches them; [`cli`] is the command.
//!
//! Features: `cli` (default) is the whole command; `decode` reads photo files; `image` accepts
//! `image::DynamicImage`; `import` converts checkpoints; `hub`
//! (default) pulls models by name and is the only one with network.
//! Without any, the crate holds the engine, the tokenizer and the preprocessing of RGB buffers.

// The hosted documentation shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod clip;
mod error;
mod kernels;
mod layers;
mod tensor;

pub mod catalog;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(any(feature = "cli", feature = "hub"))]
pub mod hub;
#[cfg(feature = "import")]
pub mod import;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
pub mod models;
#[cfg(feature = "decode")]
pub mod photo;
pub mod pixels;
pub mod preprocess;
pub mod tokenizer;
pub mod weights;

#[cfg(feature = "decode")]
pub use clip::decode_pixels_into;
pub use clip::{CancelToken, Clip, Fingerprint, ImageEncoder, ImageInput, Options, TextEncoder};
pub use error::{Error, ErrorKind};
pub use kernels::isa::{Isa, IsaError};
pub use pixels::{RgbBuffer, RgbView};
