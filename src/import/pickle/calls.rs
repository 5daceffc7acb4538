//! Calls, instances and persistent references. Names are compared with the closed list of [`global_kind`] and never
//! resolved; any other name results in an opaque value.

use super::machine::Machine;
use super::value::{Global, GlobalKind, Node, Opaque, Span, Storage, TensorNode, Value, global_kind, opaque, str_at};
use crate::import::error::{ContainerError, damaged};

/// Maximum number of dimensions of a tensor.
const MAX_RANK: usize = 16;

/// Result of a call.
pub(super) enum CallResult {
    /// A new value.
    New(Node),
    /// One of its arguments.
    Existing(Value),
}

impl Machine<'_> {
    pub(super) fn global(&mut self, module: Span, name: Span) -> Result<(), ContainerError> {
        // Two references of two bytes each may name the same strings any number of times.
        self.budget.work((module.len() + name.len()) as u64)?;
        let (Some(m), Some(n)) = (str_at(self.input, &module), str_at(self.input, &name)) else {
            return damaged("its pickle holds a class name that is not UTF-8");
        };
        let kind = global_kind(m, n);
        self.push_node(Node::Global(Global { kind, module, name }))
    }

    /// Returns the result of calling `function` or, with `construct`, of creating an instance of it.
    ///
    /// # Errors
    /// The budget does not suffice for what the result copies of the arguments.
    pub(super) fn call(
        &self,
        function: Value,
        arguments: Value,
        construct: bool,
    ) -> Result<CallResult, ContainerError> {
        let global = match self.node(function) {
            Some(Node::Global(global)) => global,
            Some(Node::Opaque(opaque)) => return Ok(CallResult::New(Node::Opaque(opaque.clone()))),
            _ => return Ok(CallResult::New(opaque("the result of something that is no function"))),
        };
        let Some(Node::Tuple(arguments)) = self.node(arguments) else {
            return Ok(CallResult::New(opaque("the result of a call without arguments")));
        };
        Ok(match &global.kind {
            GlobalKind::RebuildTensor => CallResult::New(self.tensor(arguments)?),
            GlobalKind::RebuildTensorV3 => CallResult::New(match arguments.get(6).and_then(|&v| self.node(v)) {
                Some(Node::Global(dtype)) => Node::Opaque(Opaque::Type(dtype.module.clone(), dtype.name.clone())),
                _ => opaque("a tensor of a type that is not read"),
            }),
            GlobalKind::RebuildParameter | GlobalKind::Size => match arguments.first() {
                Some(&value) => CallResult::Existing(value),
                None => CallResult::New(opaque("a parameter without a tensor")),
            },
            GlobalKind::RebuildFromType => match (arguments.first(), arguments.get(2)) {
                (Some(&function), Some(&arguments)) if self.rebuilds_tensor(function) => {
                    self.call(function, arguments, false)?
                }
                _ => CallResult::New(opaque("a tensor of a class of its own")),
            },
            GlobalKind::OrderedDict => CallResult::New(self.ordered_dict(arguments)?),
            GlobalKind::Reconstructor => CallResult::New(match arguments.first() {
                Some(&class) => self.instance(class),
                None => opaque("an object without a class"),
            }),
            GlobalKind::ScriptModule if construct => CallResult::New(self.instance(function)),
            GlobalKind::Unknown if construct => CallResult::New(self.instance(function)),
            _ => CallResult::New(Node::Opaque(Opaque::Result(global.module.clone(), global.name.clone()))),
        })
    }

    fn rebuilds_tensor(&self, function: Value) -> bool {
        matches!(self.node(function), Some(Node::Global(Global { kind: GlobalKind::RebuildTensor, .. })))
    }

    pub(super) fn instance(&self, class: Value) -> Node {
        match self.node(class) {
            Some(Node::Global(global)) => Node::Object { class: global.clone(), state: None },
            _ => opaque("an object without a class"),
        }
    }

    /// Evaluates `OrderedDict(pairs)` as Python 2 pickled it: a list of lists or tuples of two.
    fn ordered_dict(&self, arguments: &[Value]) -> Result<Node, ContainerError> {
        let pairs = match arguments.first().and_then(|&v| self.node(v)) {
            Some(Node::List(pairs)) => pairs.as_slice(),
            _ => return Ok(Node::Dict(Vec::new())),
        };
        // Any number of calls may share one list.
        self.budget.work(pairs.len() as u64)?;
        let mut dict = Vec::new();
        self.budget.reserve_exact(&mut dict, pairs.len())?;
        let pair = |&pair: &Value| match self.node(pair) {
            Some(Node::List(pair) | Node::Tuple(pair)) => match pair.as_slice() {
                &[key, value] => Some((key, value)),
                _ => None,
            },
            _ => None,
        };
        dict.extend(pairs.iter().filter_map(pair));
        Ok(Node::Dict(dict))
    }

    pub(super) fn persistent(&self, id: Value) -> Node {
        let parts = match self.node(id) {
            Some(Node::Tuple(parts)) => parts.as_slice(),
            _ => return opaque("a reference of an unknown kind"),
        };
        let Some((&[kind, class, key, _device, len], rest)) = parts.split_first_chunk::<5>() else {
            return opaque("a reference of an unknown kind");
        };
        let is_storage = matches!(self.node(kind), Some(Node::Text(span))
            if self.input.get(span.clone()) == Some(b"storage"));
        let (class, element) = match self.node(class) {
            Some(Node::Global(Global { kind: GlobalKind::Storage(element), name, .. })) => (Some(name), Some(element)),
            Some(Node::Global(Global { kind: GlobalKind::OtherStorage, name, .. })) => (Some(name), None),
            _ => (None, None),
        };
        match (class, self.node(key), len) {
            (Some(class), Some(Node::Text(key)), Value::Int(len))
                if is_storage && rest.iter().all(|&v| v == Value::None) =>
            {
                match usize::try_from(len) {
                    Ok(len) => {
                        let (element, class, key) = (element.cloned(), class.clone(), key.clone());
                        Node::Storage(Storage { element, class, key, len })
                    }
                    Err(_) => opaque("a storage of negative length"),
                }
            }
            _ if is_storage && rest.iter().any(|&v| v != Value::None) => {
                opaque("a view of a storage as PyTorch before 0.4 wrote it; load it in PyTorch and save it again")
            }
            _ => opaque("a reference of an unknown kind"),
        }
    }

    /// Creates a tensor from `(storage, offset, size, stride, …)`.
    fn tensor(&self, arguments: &[Value]) -> Result<Node, ContainerError> {
        let Some((&[storage, offset, shape, strides], _)) = arguments.split_first_chunk::<4>() else {
            return Ok(opaque("a tensor that is described incompletely"));
        };
        let storage = match (storage, self.node(storage)) {
            (Value::Node(id), Some(Node::Storage(_))) => id,
            (_, Some(Node::Opaque(opaque))) => return Ok(Node::Opaque(opaque.clone())),
            _ => return Ok(opaque("a tensor without a storage")),
        };
        let offset = match offset {
            Value::Int(offset) => usize::try_from(offset).ok(),
            _ => None,
        };
        Ok(match (offset, self.sizes(shape)?, self.sizes(strides)?) {
            (Some(offset), Some(shape), Some(strides)) => Node::Tensor(TensorNode { storage, offset, shape, strides }),
            _ => opaque("a tensor whose offset, size or stride is not read"),
        })
    }

    fn sizes(&self, value: Value) -> Result<Option<Vec<usize>>, ContainerError> {
        let items = match self.node(value) {
            Some(Node::Tuple(items) | Node::List(items)) if items.len() <= MAX_RANK => items,
            _ => return Ok(None),
        };
        let mut sizes = Vec::new();
        self.budget.reserve_exact(&mut sizes, items.len())?;
        for &item in items {
            let size = match item {
                Value::Int(size) => usize::try_from(size).ok(),
                _ => None,
            };
            let Some(size) = size else { return Ok(None) };
            sizes.push(size);
        }
        Ok(Some(sizes))
    }
}
