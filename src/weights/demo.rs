//! The demo model, compiled into the program.

use super::{Aligned, Error, WeightsFile};

/// A whole weights file; `docs/demo-model.md` describes it and how it was trained.
static DEMO: &Aligned<[u8]> = &Aligned(*include_bytes!("../../weights/demo.clippie"));

impl WeightsFile {
    /// Opens the compiled-in model of drawn scenes, named `demo`.
    ///
    /// # Errors
    /// None are expected: tests open the same bytes.
    pub fn demo() -> Result<WeightsFile, Error> {
        WeightsFile::from_static(&DEMO.0, "demo")
    }
}
