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
//! [`weights`], [`tokenizer`] and [`preprocess`] stand beside them; [`import`] turns published checkpoints into
//! weights files; [`hub`] knows where they are published and fetches them; [`cli`] is the command.
//!
//! Features: `cli` (default) is the whole command; `decode` reads photo files; `import` converts checkpoints; `hub`
//! (default) pulls models by name and is the only one with network.
//! Without any, the crate holds the engine, the tokenizer and the preprocessing of RGB buffers.

mod clip;
mod error;
mod kernels;
mod layers;
mod tensor;

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
pub mod preprocess;
pub mod tokenizer;
pub mod weights;

pub use clip::{CancelToken, Clip, Fingerprint, FingerprintError, ImageEncoder, ImageInput, Options, TextEncoder};
pub use error::{Error, ErrorKind};
pub use kernels::isa::{Isa, IsaError};
