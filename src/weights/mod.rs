//! The `.clippie` weights file: its format, reading by memory map, verification, writing.
//!
//! `weights/README.md` specifies the bytes, and what happens to files that are damaged or change while they are mapped. This module knows tensors by name, shape and layout only; its callers know
//! which tensors a model needs.
//!
//! Applications open a file, look at its [`Header`], and verify it:
//!
//! ```no_run
//! use clippie_rs::weights::WeightsFile;
//!
//! let file = WeightsFile::open("mobileclip2-s2.clippie".as_ref())?;
//! for tower in file.header().towers() {
//!     println!("{}: {} parameters", tower.tower.name(), tower.parameters);
//! }
//! assert!(file.verify()?.is_intact());
//! # Ok::<(), clippie_rs::weights::Error>(())
//! ```

#[cfg(target_endian = "big")]
compile_error!("weights files are little-endian and are mapped as they are; big-endian targets cannot read them");

mod beside;
#[cfg(feature = "demo")]
mod demo;
mod error;
mod format;
mod guard;
mod hash;
mod header;
mod in_use;
mod int8;
mod json;
mod map;
mod pack;
mod quads;
mod read;
mod scaled_rows;
mod stamp;
mod verify;
mod view;
mod write;

#[cfg(test)]
mod tests;

pub use error::{Error, Fault, Reason};
pub use format::{Dtype, Layout, Meta, Precision, Provenance, TensorSpec, Tower};
pub use guard::guard_mapped_files;
pub use header::{Header, TensorEntry, TowerInfo};
pub use map::Aligned;
pub use read::WeightsFile;
pub use verify::VerifyReport;

#[cfg(feature = "import")]
pub(crate) use format::PANEL;
pub(crate) use format::TOKENIZER;
#[cfg(feature = "import")]
pub(crate) use guard::Watched;
pub(crate) use in_use::Refusal;
#[cfg(feature = "library")]
pub(crate) use map::Map;
#[cfg(feature = "import")]
pub(crate) use map::map_foreign;
#[cfg(feature = "import")]
pub(crate) use pack::exact_halves;
#[cfg(feature = "import")]
pub(crate) use quads::{
    Columns as QuadColumns, MAX_INPUTS as MAX_QUAD_INPUTS, store as store_quads, stored_len as quads_len,
};
#[cfg(feature = "import")]
pub(crate) use scaled_rows::{store as store_scaled_row, stored_width as scaled_row_width};
#[cfg(any(feature = "import", feature = "library"))]
pub(crate) use stamp::Stamp;
pub(crate) use view::{TableView, TensorView};
#[cfg(feature = "import")]
pub(crate) use write::{Data, Writer};

/// Tensors as the engine and the importer see them, for this crate's tests and tools; not part of the public API.
#[doc(hidden)]
pub mod internals {
    pub use super::format::PANEL;
    pub use super::pack::{exact_halves, pack_bias, pack_in_out, pack_out_in, pack_panels, unpack_panels};
    pub use super::quads::{Columns as QuadColumns, at as quad_at, store as store_quads, stored_len as quads_len};
    pub use super::scaled_rows::{store as store_scaled_row, stored_width as scaled_row_width};
    pub use super::view::{Element, TableView, TensorView};
    pub use super::write::Writer;
    pub use crate::tensor::Half;
}
