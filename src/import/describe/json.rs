//! Typed access to the fields of untrusted JSON files. `null` counts as absent; a wrong type is an error that names
//! file and field.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::tables::{Rule, Table};
use crate::bounded_json;
use crate::files::{NotRegular, open_regular};
use crate::import::error::{Error, printable, printable_error};

/// Longest configuration file to read, in bytes. Published ones have a few KiB.
const MAX_LEN: u64 = 4 << 20;

/// Longest value that a message shows, in characters.
const MAX_SHOWN: usize = 60;

/// Reads a JSON file, if it is short enough.
pub(super) fn read(path: &Path) -> Result<Value, Error> {
    let read = |source| Error::Read { path: path.to_owned(), source };
    let file = match open_regular(path) {
        Err(refused) if NotRegular::of(&refused).is_some() => {
            return error(path, "is not a file; give a configuration file with --config".to_owned());
        }
        file => file.map_err(read)?,
    };
    let mut len = file.metadata().map_err(read)?.len();
    let mut text = Vec::new();
    if len <= MAX_LEN {
        file.take(MAX_LEN + 1).read_to_end(&mut text).map_err(read)?;
        len = len.max(text.len() as u64);
    }
    if len > MAX_LEN {
        error(
            path,
            format!("is too long to be a configuration: {len} bytes, of at most {MAX_LEN}; give another with --config"),
        )
    } else {
        parse(path, &text)
    }
}

/// Parses the content of a JSON file.
pub(super) fn parse(path: &Path, text: &[u8]) -> Result<Value, Error> {
    bounded_json::parse(text).or_else(|e| {
        let reason = printable_error(e);
        error(path, format!("is not valid JSON ({reason}); download it again, or give another with --config"))
    })
}

fn error<T>(path: &Path, reason: String) -> Result<T, Error> {
    Err(Error::Config { path: path.to_owned(), reason })
}

/// An error about a file that is a list, a number or a text.
pub(super) fn not_an_object<T>(path: &Path) -> Result<T, Error> {
    error(path, "is not a JSON object; download it again, or give another with --config".to_owned())
}

/// Whether a file's outermost object has a field. For telling files apart, before they are checked.
pub(super) fn has(root: &Value, field: &str) -> bool {
    root.get(field).is_some_and(|value| !value.is_null())
}

/// An object in a JSON file and its path from the root. Its fields have passed their table.
#[derive(Clone)]
pub(super) struct Fields<'a> {
    path: &'a Path,
    /// `outer.inner.`
    prefix: String,
    map: &'a Map<String, Value>,
    table: &'static Table,
}

impl<'a> Fields<'a> {
    /// The outermost object of the file at `path`, whose fields are those of `table`.
    pub(super) fn root(path: &'a Path, value: &'a Value, table: &'static Table) -> Result<Fields<'a>, Error> {
        match value {
            Value::Object(map) => Fields { path, prefix: String::new(), map, table }.checked(),
            _ => not_an_object(path),
        }
    }

    /// Refuses fields that the table does not know and values that it does not permit.
    fn checked(self) -> Result<Fields<'a>, Error> {
        for (field, value) in self.map.iter().filter(|(_, value)| !value.is_null()) {
            match self.table.rule(field) {
                Some(Rule::Obeyed) => {}
                Some(Rule::NoEffect(why)) => {
                    let (file, field) = (self.path.display(), printable(&self.name(field)));
                    tracing::debug!(%file, field, why, "a field without effect on embeddings");
                }
                Some(Rule::Only(values, _)) if values.iter().any(|is| is.matches(value)) => {}
                Some(Rule::Only(_, why)) => {
                    return self.error(field, &format!("is {}, which is not supported: {why}", shown(value)));
                }
                None => {
                    let (name, shown) = (printable(&self.name(field)), shown(value));
                    return error(
                        self.path,
                        format!(
                            "`{name}` is {shown}, a field that this version does not know and that may change \
                             embeddings; update clippie-rs or, if you know that it changes none, remove it from a \
                             copy of the file and give the copy, or for several files a folder of copies, with \
                             --config"
                        ),
                    );
                }
            }
        }
        Ok(self)
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
        let name = printable(&self.name(field));
        error(
            self.path,
            format!(
                "`{name}` {reason}; if the file is wrong, correct a copy of it and give the copy, or for several files \
                 a folder of copies, with --config"
            ),
        )
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.get(field).is_some()
    }

    pub(super) fn get(&self, field: &str) -> Option<&'a Value> {
        debug_assert!(self.table.obeys(field), "`{field}` is read, but its table does not say so");
        self.map.get(field).filter(|value| !value.is_null())
    }

    /// The object at `field`, whose fields are those of `table`.
    pub(super) fn object(&self, field: &str, table: &'static Table) -> Result<Option<Fields<'a>>, Error> {
        match self.get(field) {
            None => Ok(None),
            Some(value) => self.child(field, value, table).map(Some),
        }
    }

    /// The object `value` at `field`.
    pub(super) fn child(&self, field: &str, value: &'a Value, table: &'static Table) -> Result<Fields<'a>, Error> {
        match value {
            Value::Object(map) => Fields { path: self.path, prefix: self.name(field) + ".", map, table }.checked(),
            _ => self.error(field, "is not an object"),
        }
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

    /// A list of whole numbers.
    pub(super) fn usizes(&self, field: &str) -> Result<Option<Vec<usize>>, Error> {
        let Some(value) = self.get(field) else {
            return Ok(None);
        };
        match value.as_array().and_then(|list| list.iter().map(whole).collect()) {
            Some(list) => Ok(Some(list)),
            None => self.error(field, "is not a list of whole numbers"),
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
}

fn whole(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|value| usize::try_from(value).ok())
}

/// A value as a message shows it.
fn shown(value: &Value) -> String {
    let text = printable(&value.to_string());
    match text.char_indices().nth(MAX_SHOWN) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}
