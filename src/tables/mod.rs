//! Tables of texts and vectors in Apache Parquet files, as pandas, pyarrow, DuckDB, Polars and Spark read and write them.
//!
//! ```no_run
//! use clippie_rs::tables::{Cell, Schema, Writer};
//!
//! let schema = Schema::new().text("path").vectors("embedding", 3).metadata("clippie.fingerprint", "00112233");
//! let mut table = Writer::new(&schema, std::fs::File::create("photos.parquet")?)?;
//! table.write(&[Cell::Text("beach.jpg"), Cell::Vector(&[0.6, 0.8, 0.0])])?;
//! table.write(&[Cell::Text("broken.jpg"), Cell::Null])?;
//! table.finish()?;
//! # Ok::<(), clippie_rs::tables::Error>(())
//! ```
//!
//! Rows are written as they come, and memory is bounded by a row group. A vector is a `LIST` of three levels with the
//! names `list.element` and elements of type `FLOAT`, the form that every reader takes as `list<float32>`. Lists of a
//! fixed size exist only in the schema that Arrow adds to a file: [`Schema::vectors_of_fixed_size`] adds it, and a null
//! is one of the list, without values, which pyarrow, pandas, Polars and DuckDB read alike (`.ci/parquet`).
//!
//! Files that are read may come from anyone: `guard` checks what they claim before anything is allocated for it, and
//! the decoder's panics are errors. Knows nothing of models and photos.

mod arrow;
mod decoder;
mod error;
mod guard;
mod read;
mod rows;
mod schema;
#[cfg(all(test, repository))]
mod tests;
mod thrift;
mod values;
mod write;

pub use error::Error;
pub use read::{Holds, Reader};
pub use rows::Rows;
pub use schema::{Cell, Schema};
pub use write::Writer;
