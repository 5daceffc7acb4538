//! Where published models come from: their names, sizes, licenses and repositories.
//!
//! A table that is compiled in; it reads no files and no network, and knows neither weights nor architectures.

pub mod known;
