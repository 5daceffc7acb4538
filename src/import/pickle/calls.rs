//! Functions, classes and references: compared with the closed list of [`meaning`], never resolved. Whatever is
//! not on the list gives an inert value.

use super::machine::Machine;
use super::value::{Global, Inert, Meaning, Node, Span, Storage, TensorNode, Value, inert, meaning, str_at};
use crate::import::error::{Flaw, damaged};

/// Most dimensions of a tensor.
const MAX_RANK: usize = 16;

/// What a call gives.
pub(super) enum Made {
    /// Something new.
    New(Node),
    /// One of its arguments.
    Old(Value),
}

impl Machine<'_> {
    pub(super) fn global(&mut self, module: Span, name: Span) -> Result<(), Flaw> {
        let (Some(m), Some(n)) = (str_at(self.input, &module), str_at(self.input, &name)) else {
            return damaged("its pickle holds a class name that is not UTF-8");
        };
        let meaning = meaning(m, n);
        self.make(Node::Global(Global { meaning, module, name }))
    }

    /// What calling `function` gives; with `construct`, what making an instance of it gives.
    pub(super) fn call(&self, function: Value, arguments: Value, construct: bool) -> Made {
        let global = match self.node(function) {
            Some(Node::Global(global)) => global,
            Some(Node::Inert(inert)) => return Made::New(Node::Inert(inert.clone())),
            _ => return Made::New(inert("the result of something that is no function")),
        };
        let Some(Node::Tuple(arguments)) = self.node(arguments) else {
            return Made::New(inert("the result of a call without arguments"));
        };
        match &global.meaning {
            Meaning::RebuildTensor => Made::New(self.tensor(arguments)),
            Meaning::RebuildTensorV3 => Made::New(match arguments.get(6).and_then(|&v| self.node(v)) {
                Some(Node::Global(dtype)) => Node::Inert(Inert::Type(dtype.module.clone(), dtype.name.clone())),
                _ => inert("a tensor of a type that is not read"),
            }),
            Meaning::RebuildParameter | Meaning::Size => match arguments.first() {
                Some(&value) => Made::Old(value),
                None => Made::New(inert("a parameter without a tensor")),
            },
            Meaning::RebuildFromType => match (arguments.first(), arguments.get(2)) {
                (Some(&function), Some(&arguments)) if self.rebuilds_tensor(function) => {
                    self.call(function, arguments, false)
                }
                _ => Made::New(inert("a tensor of a class of its own")),
            },
            Meaning::OrderedDict => Made::New(self.ordered_dict(arguments)),
            Meaning::Reconstructor => Made::New(match arguments.first() {
                Some(&class) => self.instance(class),
                None => inert("an object without a class"),
            }),
            Meaning::ScriptModule if construct => Made::New(self.instance(function)),
            Meaning::Unknown if construct => Made::New(self.instance(function)),
            _ => Made::New(Node::Inert(Inert::Result(global.module.clone(), global.name.clone()))),
        }
    }

    fn rebuilds_tensor(&self, function: Value) -> bool {
        matches!(self.node(function), Some(Node::Global(Global { meaning: Meaning::RebuildTensor, .. })))
    }

    pub(super) fn instance(&self, class: Value) -> Node {
        match self.node(class) {
            Some(Node::Global(global)) => Node::Object { class: global.clone(), state: None },
            _ => inert("an object without a class"),
        }
    }

    /// `OrderedDict(pairs)` of Python 2: a list of lists or tuples of two.
    fn ordered_dict(&self, arguments: &[Value]) -> Node {
        let pairs = match arguments.first().and_then(|&v| self.node(v)) {
            Some(Node::List(pairs)) => pairs.as_slice(),
            _ => return Node::Dict(Vec::new()),
        };
        let pair = |&pair: &Value| match self.node(pair) {
            Some(Node::List(pair) | Node::Tuple(pair)) => match pair.as_slice() {
                &[key, value] => Some((key, value)),
                _ => None,
            },
            _ => None,
        };
        Node::Dict(pairs.iter().filter_map(pair).collect())
    }

    pub(super) fn persistent(&self, id: Value) -> Node {
        let parts = match self.node(id) {
            Some(Node::Tuple(parts)) => parts.as_slice(),
            _ => return inert("a reference of an unknown kind"),
        };
        let Some((&[kind, class, key, _device, len], rest)) = parts.split_first_chunk::<5>() else {
            return inert("a reference of an unknown kind");
        };
        let is_storage = matches!(self.node(kind), Some(Node::Text(span))
            if str_at(self.input, span) == Some("storage"));
        match (self.node(class), self.node(key), len) {
            (
                Some(Node::Global(Global { meaning: Meaning::Storage(element), .. })),
                Some(Node::Text(key)),
                Value::Int(len),
            ) if is_storage && rest.iter().all(|&v| v == Value::None) => match usize::try_from(len) {
                Ok(len) => Node::Storage(Storage { element: element.clone(), key: key.clone(), len }),
                Err(_) => inert("a storage of negative length"),
            },
            _ if is_storage && rest.iter().any(|&v| v != Value::None) => {
                inert("a view of a storage as PyTorch before 0.4 wrote it; load it in PyTorch and save it again")
            }
            _ => inert("a reference of an unknown kind"),
        }
    }

    /// `(storage, offset, size, stride, …)`.
    fn tensor(&self, arguments: &[Value]) -> Node {
        let Some((&[storage, offset, shape, strides], _)) = arguments.split_first_chunk::<4>() else {
            return inert("a tensor that is described incompletely");
        };
        let storage = match (storage, self.node(storage)) {
            (Value::Node(id), Some(Node::Storage(_))) => id,
            (_, Some(Node::Inert(inert))) => return Node::Inert(inert.clone()),
            _ => return inert("a tensor without a storage"),
        };
        let offset = match offset {
            Value::Int(offset) => usize::try_from(offset).ok(),
            _ => None,
        };
        match (offset, self.sizes(shape), self.sizes(strides)) {
            (Some(offset), Some(shape), Some(strides)) => Node::Tensor(TensorNode { storage, offset, shape, strides }),
            _ => inert("a tensor whose offset, size or stride is not read"),
        }
    }

    fn sizes(&self, value: Value) -> Option<Vec<usize>> {
        let items = match self.node(value)? {
            Node::Tuple(items) | Node::List(items) if items.len() <= MAX_RANK => items,
            _ => return None,
        };
        let size = |&item: &Value| match item {
            Value::Int(size) => usize::try_from(size).ok(),
            _ => None,
        };
        items.iter().map(size).collect()
    }
}
