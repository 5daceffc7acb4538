//! The photo library: finds photos by descriptions, by other photos, and by what they have in common.
//!
//! ```text
//! folders -> index (walk, hash, decode, encode) -> store (SQLite) -> packed vectors -> scan -> score -> hits
//! query   -> unit vector (sums of sentences and photos) ------------------------------^
//! ```
//! The SQLite file is the truth; the mapped file of packed vectors is derived from it and made again whenever it does
//! not fit. `scan` knows neither: it takes vectors from whoever has some.

pub mod evaluate;
