//! The model that is compiled into the program.

use super::{Aligned, Error, WeightsFile};

/// A whole weights file; `docs/demo-model.md` says what it is and how it was made.
static DEMO: &Aligned<[u8]> = &Aligned(*include_bytes!("../../weights/demo.clippie"));

impl WeightsFile {
    /// The compiled-in model of drawn scenes, called `demo`.
    ///
    /// # Errors
    /// None are expected: the bytes are those that were tested.
    pub fn demo() -> Result<WeightsFile, Error> {
        WeightsFile::from_static(&DEMO.0, "demo")
    }
}
