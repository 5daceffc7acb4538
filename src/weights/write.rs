//! Writing a weights file: streamed to a temporary name, then synced and renamed.

use std::path::Path;

use super::{Error, Meta, TensorSpec};

/// Writes one weights file.
pub struct Writer(());

impl Writer {
    /// Starts a file at `path` that will hold exactly `specs`, in their order.
    pub fn create(_path: &Path, _meta: Meta, _specs: Vec<TensorSpec>) -> Result<Writer, Error> {
        todo!()
    }

    /// Writes the next tensor, `data` as its layout stores it.
    pub fn write(&mut self, _name: &str, _data: &[f32]) -> Result<(), Error> {
        todo!()
    }

    /// Completes the file and puts it in place.
    pub fn finish(self) -> Result<(), Error> {
        todo!()
    }
}
