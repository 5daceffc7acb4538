//! Typed access to the fields of untrusted JSON files. `null` counts as absent; a wrong type is an error that names
//! file and field.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use crate::import::error::{Error, printable, printable_error};

/// Longest configuration file to read, in bytes. Published ones have a few KiB.
const MAX_LEN: u64 = 4 << 20;

/// Reads a JSON file.
pub(super) fn read(path: &Path) -> Result<Value, Error> {
    let read = |source| Error::Read { path: path.to_owned(), source };
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(read)?;
    file.take(MAX_LEN + 1).read_to_end(&mut text).map_err(read)?;
    if text.len() as u64 > MAX_LEN {
        return error(path, "is too long to be a configuration".to_owned());
    }
    // The parser limits nesting to 128.
    serde_json::from_slice(&text).or_else(|e| error(path, format!("is not valid JSON ({})", printable_error(e))))
}

fn error<T>(path: &Path, reason: String) -> Result<T, Error> {
    Err(Error::Config { path: path.to_owned(), reason })
}

/// An object in a JSON file and its path from the root.
#[derive(Clone)]
pub(super) struct Fields<'a> {
    path: &'a Path,
    /// `outer.inner.`
    prefix: String,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// The outermost object of the file at `path`.
    pub(super) fn root(path: &'a Path, value: &'a Value) -> Result<Fields<'a>, Error> {
        match value {
            Value::Object(map) => Ok(Fields { path, prefix: String::new(), map }),
            _ => error(path, "is not a JSON object".to_owned()),
        }
    }

    pub(super) fn path(&self) -> &'a Path {
        self.path
    }

    /// A field's full name, such as `outer.inner.field`.
    pub(super) fn name(&self, field: &str) -> String {
        format!("{}{field}", self.prefix)
    }

    /// An error about a field.
    pub(super) fn error<T>(&self, field: &str, reason: &str) -> Result<T, Error> {
        error(self.path, format!("`{}` {reason}", self.name(field)))
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.get(field).is_some()
    }

    pub(super) fn get(&self, field: &str) -> Option<&'a Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    pub(super) fn object(&self, field: &str) -> Result<Option<Fields<'a>>, Error> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Fields { path: self.path, prefix: self.name(field) + ".", map })),
            Some(_) => self.error(field, "is not an object"),
        }
    }

    /// The object at `field`; `None` if it is anything else.
    pub(super) fn object_or_none(&self, field: &str) -> Option<Fields<'a>> {
        self.object(field).ok().flatten()
    }

    pub(super) fn bool(&self, field: &str) -> Result<Option<bool>, Error> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => self.error(field, "is neither true nor false"),
        }
    }

    pub(super) fn str(&self, field: &str) -> Result<Option<&'a str>, Error> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(value)) => Ok(Some(value)),
            Some(_) => self.error(field, "is not a string"),
        }
    }

    pub(super) fn usize(&self, field: &str) -> Result<Option<usize>, Error> {
        match self.get(field) {
            None => Ok(None),
            Some(value) => match whole(value) {
                Some(value) => Ok(Some(value)),
                None => self.error(field, "is not a whole number"),
            },
        }
    }

    pub(super) fn f64(&self, field: &str) -> Result<Option<f64>, Error> {
        match self.get(field) {
            None => Ok(None),
            Some(value) => match value.as_f64() {
                Some(value) => Ok(Some(value)),
                None => self.error(field, "is not a number"),
            },
        }
    }

    /// Three numbers: red, green, blue.
    pub(super) fn rgb(&self, field: &str) -> Result<Option<[f64; 3]>, Error> {
        let Some(value) = self.get(field) else {
            return Ok(None);
        };
        let numbers: Option<Vec<f64>> = value.as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
        match numbers.and_then(|numbers| <[f64; 3]>::try_from(numbers).ok()) {
            Some(rgb) => Ok(Some(rgb)),
            None => self.error(field, "is not a list of three numbers"),
        }
    }

    /// The side of a square: a number, or a list with the same number twice.
    pub(super) fn side(&self, field: &str) -> Result<Option<usize>, Error> {
        match self.get(field) {
            Some(Value::Array(sides)) => match sides.as_slice() {
                [height, width] if whole(height).is_some() && height == width => Ok(whole(height)),
                _ => self.error(field, "is not the side of a square; other images are not supported"),
            },
            _ => self.usize(field),
        }
    }

    /// Refuses a field whose value is not the only supported one.
    pub(super) fn only(&self, field: &str, supported: &Value) -> Result<(), Error> {
        match self.get(field) {
            Some(value) if value != supported => {
                self.error(field, &format!("is {}, which is not supported", printable(&value.to_string())))
            }
            _ => Ok(()),
        }
    }
}

fn whole(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|value| usize::try_from(value).ok())
}
