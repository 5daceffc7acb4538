//! The native part of the Python package `clippie_rs`: models, encoders, and calls that Ctrl-C stops.
//!
//! ```text
//! arguments -> settings (options), inputs (images, texts) -> call (a worker; signals) -> engine -> rows (NumPy)
//! ```
//! `errors` maps the engine's errors to exceptions. Adapters, Arrow and comparison are Python, in `python/clippie_rs`.
//! All sides that Python sees are documented in `python/clippie_rs/_native.pyi` too.

mod call;
mod cancel;
mod clip;
mod compare;
mod encode;
mod encoders;
mod errors;
mod images;
mod memory;
mod open;
mod settings;
mod texts;

use std::sync::OnceLock;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

/// The native part of clippie_rs.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::cancel::PyCancelToken;
    #[pymodule_export]
    use super::clip::PyClip;
    #[pymodule_export]
    use super::compare::similarity;
    #[pymodule_export]
    use super::encoders::{PyImageEncoder, PyTextEncoder};
    #[pymodule_export]
    use super::open::reopen;
    #[pymodule_export]
    use super::settings::allow_amx;

    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        refuse_other_interpreters(module.py())?;
        // Every call needs them. Without NumPy the import fails, with its own words.
        for needed in ["numpy", "threading"] {
            module.py().import(needed)?;
        }
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

/// Refuses a second interpreter of a process: objects of one would end up in the other.
fn refuse_other_interpreters(py: Python<'_>) -> PyResult<()> {
    /// The module `sys` of the first interpreter; each has its own.
    static FIRST: OnceLock<usize> = OnceLock::new();
    let sys = py.import("sys")?.as_ptr() as usize;
    if *FIRST.get_or_init(|| sys) != sys {
        return Err(PyImportError::new_err(
            "clippie_rs is in use by another interpreter of this process, and does not work in subinterpreters; use threads, \
             which run side by side, or processes",
        ));
    }
    Ok(())
}
