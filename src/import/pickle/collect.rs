//! Collects the tensors of a state dict from a decoded pickle: finds the dict, names the tensors, and checks that each
//! is inside its storage.

use std::collections::{HashMap, HashSet};

use super::decoded::Pickle;
use super::value::{Global, GlobalKind, Node, Span, Storage, TensorNode, Value};
use crate::budget::Budget;
use crate::import::element::ElementType;
use crate::import::error::{ContainerError, damaged, printable, unsupported};
use crate::import::listing::{Entry, Listing, Location, MAX_NAME, MAX_TENSORS, entry_memory};
use crate::import::tensor::Strided;

/// Keys of the state dict in training checkpoints, in order of preference.
const WRAPPERS: [&str; 3] = ["state_dict", "model_state_dict", "model"];
/// Maximum nesting of TorchScript modules.
const MAX_DEPTH: usize = 64;
/// Maximum nesting of dicts around and in a state dict. Deeper ones are not looked at.
const MAX_DICTS: usize = 8;
/// Maximum number of visited values. Modules may be shared, so there can be far more paths than values.
const MAX_VISITS: usize = 1 << 20;
/// Work for each visited value, besides its name.
const VISIT_WORK: u64 = 64;
/// Memory of an open module, besides its name.
const MODULE_MEMORY: u64 = 192;

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
    budget: &Budget,
    locate: &dyn Fn(&str) -> Result<Blob, ContainerError>,
) -> Result<(Root, Listing), ContainerError> {
    let (listing, names) = (Listing::default(), HashSet::new());
    let mut collector = Collector { pickle, budget, locate, listing, names, visits: 0 };
    let root = match pickle.node(pickle.root) {
        Some(Node::Object { class: Global { kind: GlobalKind::ScriptModule, .. }, state }) => {
            collector.walk(*state, Nested::Modules)?;
            Root::Script
        }
        Some(Node::Dict(_)) => {
            let (dict, has_tensors) = collector.unwrap(pickle.root)?;
            collector.walk(Some(dict), if has_tensors { Nested::Nothing } else { Nested::Dicts })?;
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

/// Returns a whole model that was pickled instead of a state dict, for the message.
fn wrapped_object(pickle: &Pickle<'_>) -> Option<Value> {
    let Some(Node::Dict(items)) = pickle.node(pickle.root) else {
        return None;
    };
    let wrapper = |key| WRAPPERS.iter().any(|wrapper| pickle.is(key, wrapper));
    items
        .iter()
        .find(|(key, value)| wrapper(*key) && matches!(pickle.node(*value), Some(Node::Object { .. })))
        .map(|&(_, value)| value)
}

/// The values of a dict that are looked into.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nested {
    Nothing,
    /// Dicts: of the models that a training checkpoint holds, each under a key of its own.
    Dicts,
    /// TorchScript modules.
    Modules,
}

struct Collector<'p, 'a> {
    pickle: &'p Pickle<'a>,
    budget: &'p Budget,
    locate: &'p dyn Fn(&str) -> Result<Blob, ContainerError>,
    listing: Listing,
    names: HashSet<String>,
    visits: usize,
}

impl Collector<'_, '_> {
    /// Returns the state dict of a training checkpoint, or the dict itself, and whether it holds tensors directly.
    ///
    /// The first key that names a state dict is followed; below it, only in dicts without tensors.
    fn unwrap(&self, root: Value) -> Result<(Value, bool), ContainerError> {
        let mut dict = root;
        for depth in 0..MAX_DICTS {
            let Some(Node::Dict(items)) = self.pickle.node(dict) else { break };
            self.budget.work((items.len() as u64).saturating_mul(VISIT_WORK))?;
            let is_tensor = |value| matches!(self.pickle.node(value), Some(Node::Tensor(_)));
            let has_tensors = items.iter().any(|&(_, value)| is_tensor(value));
            let is_dict = |value| matches!(self.pickle.node(value), Some(Node::Dict(_)));
            let wrapped =
                |wrapper: &&str| items.iter().find(|(key, value)| self.pickle.is(*key, wrapper) && is_dict(*value));
            match WRAPPERS.iter().find_map(wrapped) {
                Some(&(_, inner)) if depth == 0 || !has_tensors => dict = inner,
                _ => return Ok((dict, has_tensors)),
            }
        }
        Ok((dict, true))
    }

    /// Adds the tensors of a dict and of what is nested in it. A tensor's name is the path of keys to it.
    fn walk(&mut self, root: Option<Value>, nested: Nested) -> Result<(), ContainerError> {
        self.budget.memory(MODULE_MEMORY)?;
        let mut open = vec![(String::new(), root, 0usize)];
        while let Some((prefix, dict, depth)) = open.pop() {
            self.budget.give_back(MODULE_MEMORY + prefix.len() as u64);
            let Some(Node::Dict(items)) = dict.and_then(|dict| self.pickle.node(dict)) else {
                continue;
            };
            let first_child = open.len();
            for &(key, value) in items {
                self.visit(prefix.len())?;
                let node = self.pickle.node(value);
                let is_tensor = matches!(node, Some(Node::Tensor(_) | Node::Opaque(_)));
                let inner = match (node, nested) {
                    (Some(Node::Object { state, .. }), Nested::Modules) if depth < MAX_DEPTH => *state,
                    (Some(Node::Object { .. }), Nested::Modules) => {
                        return unsupported("its modules nest too deeply");
                    }
                    (Some(Node::Dict(_)), Nested::Dicts) if depth < MAX_DICTS => Some(value),
                    _ => None,
                };
                if !is_tensor && inner.is_none() {
                    continue;
                }
                if matches!(self.pickle.node(key), Some(Node::LongText)) {
                    return name_too_long();
                }
                let Some(key) = self.pickle.text(key) else {
                    continue;
                };
                let name = join(&prefix, key)?;
                if is_tensor {
                    self.add(name, value)?;
                } else {
                    self.budget.memory(MODULE_MEMORY + name.len() as u64)?;
                    open.push((name, inner, depth + 1));
                }
            }
            // The stack is last in, first out: reverse the children to keep the order of the file.
            if let Some(children) = open.get_mut(first_child..) {
                children.reverse();
            }
        }
        Ok(())
    }

    fn visit(&mut self, prefix: usize) -> Result<(), ContainerError> {
        self.visits += 1;
        if self.visits > MAX_VISITS {
            return unsupported("its modules hold too many values");
        }
        Ok(self.budget.work(VISIT_WORK + prefix as u64)?)
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
        if self.listing.entries.len() >= MAX_TENSORS {
            return unsupported("it holds more than 65536 tensors");
        }
        self.budget.memory(entry_memory(name.len(), tensor.shape.len()))?;
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
        self.budget.memory(entry_memory(name.len() + reason.len(), 0))?;
        self.listing.unreadable.push((name, reason));
        Ok(())
    }

    fn entry(&self, name: &str, tensor: &TensorNode) -> Result<Result<Entry, String>, ContainerError> {
        let Some(Node::Storage(storage)) = self.pickle.nodes.get(tensor.storage) else {
            return damaged(format!("tensor `{}` has no storage", printable(name)));
        };
        let shown = || printable(name);
        let readable = storage.element.as_ref().and_then(|element| Some((element, element.size()?)));
        let Some((element, size)) = readable else {
            let class = self.pickle.str(&storage.class).unwrap_or_default();
            let class = class.strip_suffix("Storage").unwrap_or(class).to_lowercase();
            return Ok(Err(format!(
                "has elements of type {}, which are not read; convert it to f16, bf16, f32 or f64",
                printable(&class)
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
        self.budget.work(storage.key.len() as u64)?;
        let Blob { location, len } = (self.locate)(self.key(&storage.key))?;
        if storage.len.checked_mul(size) != Some(len) {
            return damaged(format!(
                "the storage of tensor `{}` has {len} bytes, but {} elements of type {} are declared",
                shown(),
                storage.len,
                element
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
            Location::Deflated(entry, _) => Location::Deflated(entry, first),
        };
        Ok(Ok(Entry { name: name.to_owned(), element: element.clone(), layout, location }))
    }

    fn key(&self, key: &Span) -> &str {
        self.pickle.str(key).unwrap_or_default()
    }
}

fn join(prefix: &str, key: &str) -> Result<String, ContainerError> {
    let dot = usize::from(!prefix.is_empty());
    if prefix.len() + dot + key.len() > MAX_NAME {
        return name_too_long();
    }
    Ok(match prefix {
        "" => key.to_owned(),
        prefix => format!("{prefix}.{key}"),
    })
}

fn name_too_long<T>() -> Result<T, ContainerError> {
    damaged(format!("it holds a tensor with a name of more than {MAX_NAME} bytes"))
}

/// Returns the declared element type of each storage, by key; `None` is a type that is not read.
pub(super) fn storage_types<'p>(
    pickle: &'p Pickle<'_>,
    budget: &Budget,
) -> Result<HashMap<&'p str, &'p Option<ElementType>>, ContainerError> {
    let mut types = HashMap::new();
    for node in &pickle.nodes {
        if let Node::Storage(Storage { element, key, .. }) = node {
            budget.work(key.len() as u64)?;
            types.extend(pickle.str(key).map(|key| (key, element)));
        }
    }
    Ok(types)
}
