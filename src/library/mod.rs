//! The photo library: finds photos by descriptions, by other photos, and by what they have in common.
//!
//! ```text
//! folders -> index (walk, hash, decode, encode) -> store (SQLite) -> packed vectors -> scan -> score -> hits
//! query   -> unit vector (sums of sentences and photos) ------------------------------^
//! ```
//! The SQLite file is the truth; the mapped file of packed vectors is derived from it and made again whenever it does
//! not fit. `scan` knows neither: it takes vectors from whoever has some.

#[cfg(feature = "parquet")]
pub mod clip_retrieval;
mod comparable;
mod duplicates;
mod embeddings;
mod encoders;
mod error;
pub mod evaluate;
mod filter;
mod found;
mod index;
#[allow(clippy::module_inception, reason = "the type that the room is about")]
mod library;
pub mod npy;
mod photo;
mod place;
mod query;
pub mod scan;
mod score;
mod search;
pub mod sheet;
mod status;
pub(crate) mod store;
mod texts;
mod vectors;

pub use comparable::{Comparable, Precisions};
pub use duplicates::{DuplicateClass, DuplicateGroup, DuplicatePhoto, DuplicateProgress, Duplicates, Likeness};
pub use embeddings::Embeddings;
pub use encoders::Encoders;
pub use error::Error;
pub use filter::Filter;
pub use found::{Found, Hit};
pub use index::{GivenEmbeddings, GivenReport, Index, IndexProgress, IndexReport};
pub use library::Library;
pub use photo::{LibraryFile, LibraryPhoto};
pub use place::default_path;
pub use query::{Query, Term, What};
pub use search::Search;
pub use status::{LibraryFolder, LibraryModel, LibraryStatus};
