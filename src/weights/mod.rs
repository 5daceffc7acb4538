//! The `.clippie` weights file: what lies in it, writing it, mapping it.
//!
//! The bytes are described normatively in `weights/README.md`. This module knows tensors by name, shape and
//! layout only: what a model or a checkpoint is, and which tensors it needs, is the business of its callers.

#[cfg(target_endian = "big")]
compile_error!("weights files are little-endian and are mapped as they are; big-endian targets cannot read them");

#[cfg(feature = "demo")]
mod demo;
mod error;
mod format;
mod hash;
mod header;
mod map;
mod pack;
mod read;
mod verify;
mod write;

#[cfg(test)]
mod tests;

pub use error::{Error, Fault, Reason};
pub use format::{Dtype, Layout, Meta, PANEL, Provenance, TensorSpec, Tower};
pub use header::{Header, TensorEntry, TowerInfo};
pub use map::Aligned;
#[cfg(feature = "import")]
pub(crate) use map::map_foreign;
pub use pack::{pack_bias, pack_in_out, pack_out_in, pack_panels, unpack_panels};
pub use read::{TableView, TensorView, WeightsFile};
pub use verify::VerifyReport;
pub use write::{Writer, exact_halves};
