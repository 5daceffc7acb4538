//! The difference between a checkpoint's tensors and those that its layout requires.

use std::fmt;

use super::printable::printable;

/// Most names of each kind that a message lists.
const MAX_LISTED: usize = 4;

/// Tensors that do not fit the layout of the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// The layout that was recognised.
    pub layout: &'static str,
    /// Tensors that the layout needs and the checkpoint lacks.
    pub missing: Vec<String>,
    /// Tensors whose shape contradicts that of other tensors.
    pub misshapen: Vec<Misshapen>,
    /// Tensors in a tower of the model that the layout does not have.
    pub unknown: Vec<String>,
    /// Tensors in no tower of the model, such as a classifier's.
    pub extra: Vec<String>,
}

/// A tensor whose shape contradicts that of other tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Misshapen {
    /// Its name in the checkpoint.
    pub name: String,
    /// The shape that would fit; 0 stands for a dimension of any length.
    pub expected: Vec<usize>,
    /// The shape in the checkpoint.
    pub found: Vec<usize>,
}

impl Misshapen {
    pub(super) fn new(name: &str, expected: &[usize], found: &[usize]) -> Self {
        Misshapen { name: name.to_owned(), expected: expected.to_vec(), found: found.to_vec() }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its tensors do not fit the {} layout: ", self.layout)?;
        let mut separator = "";
        let mut list = |what: &str, shown: Vec<String>| -> fmt::Result {
            if shown.is_empty() {
                return Ok(());
            }
            write!(f, "{separator}{} {what} ({}", shown.len(), shown[..MAX_LISTED.min(shown.len())].join(", "))?;
            separator = "; ";
            if shown.len() > MAX_LISTED {
                write!(f, " and {} more", shown.len() - MAX_LISTED)?;
            }
            write!(f, ")")
        };
        let quoted = |names: &[String]| names.iter().map(|name| format!("`{}`", printable(name))).collect();
        list("missing", quoted(&self.missing))?;
        let shapes =
            |m: &Misshapen| format!("`{}` is {} instead of {}", printable(&m.name), dims(&m.found), dims(&m.expected));
        list("with another shape", self.misshapen.iter().map(shapes).collect())?;
        list("left over", quoted(&self.unknown))?;
        list("in no tower", quoted(&self.extra))?;
        match self.missing.is_empty() && self.misshapen.is_empty() && self.unknown.is_empty() {
            true => write!(f, "; add --ignore-extra to leave them out"),
            false => write!(f, "; give the complete checkpoint of one supported model"),
        }
    }
}

fn dims(shape: &[usize]) -> String {
    let dim = |&dim: &usize| {
        if dim == 0 { "any".to_owned() } else { dim.to_string() }
    };
    format!("[{}]", shape.iter().map(dim).collect::<Vec<_>>().join(", "))
}
