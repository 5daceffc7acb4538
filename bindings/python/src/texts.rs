//! What Python gives as texts: one string, or any iterable of strings.

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyMapping, PyString};

use crate::{errors, memory};

/// Texts after which a signal can end a call: some milliseconds.
const LOOK: usize = 1 << 16;

/// Whether the argument is one text.
pub fn is_one(texts: &Bound<'_, PyAny>) -> bool {
    texts.is_instance_of::<PyString>()
}

/// Takes the texts of a call, each with its own exception if it cannot be taken. The engine reads them in place: strings
/// of Python cannot change.
///
/// # Errors
/// `TypeError`: neither a string nor iterable; no memory for them; an exception of the iterator or of a signal.
pub fn each(texts: &Bound<'_, PyAny>) -> PyResult<Vec<Result<PyBackedStr, PyErr>>> {
    if is_one(texts) {
        return Ok(vec![text(texts, None)]);
    }
    if texts.cast::<PyMapping>().is_ok() {
        return Err(errors::wrong_type("texts", None, "a mapping has no order; give a list of its values"));
    }
    let items = texts.try_iter().map_err(|_| {
        errors::wrong_type("texts", None, "neither a string nor iterable; give a string or a list of strings")
    })?;
    let py = texts.py();
    let mut taken = Vec::new();
    for (index, item) in items.enumerate() {
        // An iterator without an end may run no code of Python, which would look for signals.
        if index % LOOK == LOOK - 1 {
            py.check_signals()?;
        }
        memory::reserve(&mut taken, 1, "the texts").map_err(|error| errors::exception(py, &error))?;
        taken.push(text(&item?, Some(index)));
    }
    Ok(taken)
}

fn text(object: &Bound<'_, PyAny>, index: Option<usize>) -> PyResult<PyBackedStr> {
    let Ok(text) = object.cast::<PyString>() else {
        let found = object.get_type();
        return Err(errors::wrong_type("text", index, &format!("expected a string, found {}", found.name()?)));
    };
    text.clone().try_into().map_err(|error: PyErr| {
        let reason = format!("no Unicode text ({})", error.value(object.py()));
        errors::of_input(object.py(), "TextError", "text", index, &reason)
    })
}
