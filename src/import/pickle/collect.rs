//! Collects the tensors of a state dict from a decoded pickle: finds the dict, names the tensors, and checks that each
//! is inside its storage.

use std::collections::HashSet;

use super::decoded::Pickle;
use super::value::{Global, GlobalKind, Node, Span, TensorNode, Value};
use crate::import::element::ElementType;
use crate::import::error::{ContainerError, damaged, printable, unsupported};
use crate::import::listing::{Entry, Listing, Location};
use crate::import::tensor::Strided;

/// Keys of the state dict in training checkpoints, in order of preference.
const WRAPPERS: [&str; 3] = ["state_dict", "model_state_dict", "model"];
/// Maximum nesting of TorchScript modules.
const MAX_DEPTH: usize = 64;
/// Maximum number of visited values. Modules may be shared, so there can be far more paths than values.
const MAX_VISITS: usize = 1 << 20;
/// Maximum number of tensors.
const MAX_TENSORS: usize = 1 << 16;
/// Maximum length of a tensor's name, in bytes.
const MAX_NAME: usize = 1024;

/// The bytes of a storage or archive entry.
#[derive(Clone)]
pub(super) struct Blob {
    pub location: Location,
    /// Size in bytes, when inflated.
    pub len: usize,
}

/// Kind of the pickle's root object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// A dict of tensors.
    Dict,
    /// A module of a TorchScript archive.
    Script,
}

/// Lists the tensors of the pickle's state dict. `locate` returns the bytes of a storage for its key.
pub(super) fn collect(
    pickle: &Pickle<'_>,
    locate: &dyn Fn(&str) -> Result<Blob, ContainerError>,
) -> Result<(Root, Listing), ContainerError> {
    let mut collector = Collector { pickle, locate, listing: Listing::default(), names: HashSet::new(), visits: 0 };
    let root = match pickle.node(pickle.root) {
        Some(Node::Object { class: Global { kind: GlobalKind::ScriptModule, .. }, state }) => {
            collector.script(*state)?;
            Root::Script
        }
        Some(Node::Dict(items)) => {
            collector.dict(unwrap(pickle, items))?;
            Root::Dict
        }
        _ => return not_a_state_dict(&pickle.describe(pickle.root)),
    };
    if collector.listing.entries.is_empty() && collector.listing.unreadable.is_empty() {
        return not_a_state_dict(&match wrapped_object(pickle) {
            Some(object) => pickle.describe(object),
            None => format!("{} without tensors", pickle.describe(pickle.root)),
        });
    }
    Ok((root, collector.listing))
}

fn not_a_state_dict<T>(what: &str) -> Result<T, ContainerError> {
    unsupported(format!("it holds {what}, not a state dict; load it in PyTorch and save `model.state_dict()` instead"))
}

/// Returns the state dict of a training checkpoint, or the dict itself.
fn unwrap<'p>(pickle: &'p Pickle<'_>, items: &'p [(Value, Value)]) -> &'p [(Value, Value)] {
    for wrapper in WRAPPERS {
        for &(key, value) in items {
            if pickle.text(key) == Some(wrapper)
                && let Some(Node::Dict(inner)) = pickle.node(value)
            {
                return inner;
            }
        }
    }
    items
}

/// Returns a whole model that was pickled instead of a state dict, for the message.
fn wrapped_object(pickle: &Pickle<'_>) -> Option<Value> {
    let Some(Node::Dict(items)) = pickle.node(pickle.root) else {
        return None;
    };
    let wrapper = |key| pickle.text(key).is_some_and(|key| WRAPPERS.contains(&key));
    items
        .iter()
        .find(|(key, value)| wrapper(*key) && matches!(pickle.node(*value), Some(Node::Object { .. })))
        .map(|&(_, value)| value)
}

struct Collector<'p, 'a> {
    pickle: &'p Pickle<'a>,
    locate: &'p dyn Fn(&str) -> Result<Blob, ContainerError>,
    listing: Listing,
    names: HashSet<String>,
    visits: usize,
}

impl Collector<'_, '_> {
    fn dict(&mut self, items: &[(Value, Value)]) -> Result<(), ContainerError> {
        for &(key, value) in items {
            self.visit()?;
            if let Some(name) = self.pickle.text(key) {
                self.add(name.to_owned(), value)?;
            }
        }
        Ok(())
    }

    /// Walks nested modules. A tensor's name is the path of keys to it.
    fn script(&mut self, state: Option<Value>) -> Result<(), ContainerError> {
        let mut open = vec![(String::new(), state, 0usize)];
        while let Some((prefix, state, depth)) = open.pop() {
            let Some(Node::Dict(items)) = state.and_then(|state| self.pickle.node(state)) else {
                continue;
            };
            let first_child = open.len();
            for &(key, value) in items {
                self.visit()?;
                let Some(key) = self.pickle.text(key) else {
                    continue;
                };
                match self.pickle.node(value) {
                    Some(Node::Object { state, .. }) => {
                        if depth >= MAX_DEPTH {
                            return unsupported("its modules nest too deeply");
                        }
                        open.push((join(&prefix, key)?, *state, depth + 1));
                    }
                    Some(Node::Tensor(_) | Node::Opaque(_)) => self.add(join(&prefix, key)?, value)?,
                    _ => {}
                }
            }
            // The stack is last in, first out: reverse the children to keep the order of the file.
            if let Some(children) = open.get_mut(first_child..) {
                children.reverse();
            }
        }
        Ok(())
    }

    fn visit(&mut self) -> Result<(), ContainerError> {
        self.visits += 1;
        if self.visits > MAX_VISITS {
            return unsupported("its modules hold too many values");
        }
        Ok(())
    }

    fn add(&mut self, name: String, value: Value) -> Result<(), ContainerError> {
        let tensor = match self.pickle.node(value) {
            Some(Node::Tensor(tensor)) => tensor,
            Some(Node::Opaque(_)) => {
                let what = self.pickle.describe(value);
                return self.unreadable(name, format!("is {what}"));
            }
            _ => return Ok(()),
        };
        if name.len() > MAX_NAME {
            return damaged("it holds a tensor with a name of more than 1024 bytes");
        }
        if self.listing.entries.len() >= MAX_TENSORS {
            return unsupported("it holds more than 65536 tensors");
        }
        if !self.names.insert(name.clone()) {
            return damaged(format!("it holds two tensors named `{}`", printable(&name)));
        }
        match self.entry(&name, tensor)? {
            Ok(entry) => self.listing.entries.push(entry),
            Err(reason) => self.unreadable(name, reason)?,
        }
        Ok(())
    }

    fn unreadable(&mut self, name: String, reason: String) -> Result<(), ContainerError> {
        if self.listing.unreadable.len() >= MAX_TENSORS {
            return unsupported("it holds too many values that are not tensors");
        }
        self.listing.unreadable.push((printable(&name), reason));
        Ok(())
    }

    fn entry(&self, name: &str, tensor: &TensorNode) -> Result<Result<Entry, String>, ContainerError> {
        let Some(Node::Storage(storage)) = self.pickle.nodes.get(tensor.storage) else {
            return damaged(format!("tensor `{}` has no storage", printable(name)));
        };
        let shown = || printable(name);
        let Some(size) = storage.element.size() else {
            return Ok(Err(format!(
                "has elements of type {}, which are not read; convert it to f16, bf16, f32 or f64",
                printable(&storage.element.to_string())
            )));
        };
        let (shape, strides) = (tensor.shape.clone(), tensor.strides.clone());
        let Some(layout) = Strided::new(shape, strides) else {
            return damaged(format!("tensor `{}` has an impossible size or stride", shown()));
        };
        let end = tensor.offset.checked_add(layout.span());
        if end.is_none_or(|end| end > storage.len) {
            return damaged(format!(
                "tensor `{}` of shape {:?} and strides {:?} at {} reaches beyond its storage of {} elements",
                shown(),
                tensor.shape,
                tensor.strides,
                tensor.offset,
                storage.len
            ));
        }
        let Blob { location, len } = (self.locate)(self.key(&storage.key))?;
        if storage.len.checked_mul(size) != Some(len) {
            return damaged(format!(
                "the storage of tensor `{}` has {len} bytes, but {} elements of type {} are declared",
                shown(),
                storage.len,
                storage.element
            ));
        }
        let (Some(first), Some(bytes)) = (tensor.offset.checked_mul(size), layout.span().checked_mul(size)) else {
            return damaged(format!("tensor `{}` is larger than memory", shown()));
        };
        let location = match location {
            Location::Stored(range) => {
                let first = range.start.saturating_add(first);
                Location::Stored(first..first.saturating_add(bytes))
            }
            Location::Deflated { header, len, .. } => Location::Deflated { header, len, first },
        };
        Ok(Ok(Entry { name: name.to_owned(), element: storage.element.clone(), layout, location }))
    }

    fn key(&self, key: &Span) -> &str {
        self.pickle.str(key).unwrap_or_default()
    }
}

fn join(prefix: &str, key: &str) -> Result<String, ContainerError> {
    let len = prefix.len().saturating_add(1).saturating_add(key.len());
    if len > MAX_NAME {
        return damaged("it holds a tensor with a name of more than 1024 bytes");
    }
    Ok(match prefix {
        "" => key.to_owned(),
        prefix => format!("{prefix}.{key}"),
    })
}

/// Returns the declared element type of each storage, by key.
pub(super) fn storage_types<'p>(pickle: &'p Pickle<'_>) -> std::collections::HashMap<&'p str, &'p ElementType> {
    let storages = pickle.nodes.iter().filter_map(|node| match node {
        Node::Storage(storage) => Some((pickle.str(&storage.key)?, &storage.element)),
        _ => None,
    });
    storages.collect()
}
