//! Values of the pickle interpreter, in an arena.
//!
//! A value is small and `Copy`; anything larger is a node, created once and referred to by its index. So shared and
//! self-referential structures are cheap, and dropping them never recurses.

use std::ops::Range;

use crate::import::element::ElementType;

/// Index of a [`Node`].
pub(super) type NodeId = usize;

/// Longest string that is kept, in bytes: the longest line of a GLOBAL.
pub(super) const MAX_TEXT: usize = 4096;

/// A range of the pickle's own bytes.
pub(super) type Span = Range<usize>;

/// A value on the stack, in the memo or in a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer that fits in i64.
    Int(i64),
    /// A float or a larger integer. No tensor depends on these, so the number is not kept.
    Number,
    /// Anything else.
    Node(NodeId),
}

/// A value in the arena.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// A string of at most [`MAX_TEXT`] bytes, checked to be UTF-8. It is checked again on each use, which is why it is
    /// short.
    Text(Span),
    /// A longer string, which is no name of anything; the content is not kept.
    LongText,
    /// Bytes; the content is not kept.
    Bytes,
    /// A tuple.
    Tuple(Vec<Value>),
    /// A list.
    List(Vec<Value>),
    /// A dict in insertion order; keys may repeat.
    Dict(Vec<(Value, Value)>),
    /// A function or class, never resolved.
    Global(Global),
    /// An instance of a class, and its state.
    Object {
        /// The class.
        class: Global,
        /// The state set by BUILD.
        state: Option<Value>,
    },
    /// A storage.
    Storage(Storage),
    /// A view of a storage.
    Tensor(TensorNode),
    /// The result of an unknown call, or a tensor that cannot be created.
    Opaque(Opaque),
}

/// A function or class by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Global {
    /// Role of the name for the interpreter.
    pub kind: GlobalKind,
    /// Module name in the pickle.
    pub module: Span,
    /// Name in the pickle.
    pub name: Span,
}

/// The closed list of functions and classes that are interpreted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GlobalKind {
    /// Function of `(storage, offset, size, stride, …)` that returns a tensor.
    RebuildTensor,
    /// Function of `(storage, offset, size, stride, requires_grad, hooks, dtype, …)` that returns a tensor of `dtype`.
    RebuildTensorV3,
    /// Function of `(tensor, …)` that returns the tensor.
    RebuildParameter,
    /// Function of `(function, type, arguments, state)` that returns `function(*arguments)`.
    RebuildFromType,
    /// Class that is created from `()` or `(pairs)`, a dict.
    OrderedDict,
    /// Class that is created from `(tuple)`, equal to the tuple.
    Size,
    /// Storage class of an element type that is read.
    Storage(ElementType),
    /// Any other storage class: untyped, complex or quantised. Its name says what it holds.
    OtherStorage,
    /// Function of `(class, base, state)` that returns an instance.
    Reconstructor,
    /// A module of a TorchScript archive.
    ScriptModule,
    /// Anything else.
    Unknown,
}

/// A block of elements that tensors can share.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    /// Element type, if it is read.
    pub element: Option<ElementType>,
    /// Name of the storage class.
    pub class: Span,
    /// Key of the storage in the file.
    pub key: Span,
    /// Number of elements.
    pub len: usize,
}

/// A view of a storage.
#[derive(Clone, Debug)]
pub(super) struct TensorNode {
    /// A [`Node::Storage`].
    pub storage: NodeId,
    /// Index of the first element in the storage.
    pub offset: usize,
    /// Dimensions.
    pub shape: Vec<usize>,
    /// Distance between neighbouring indices, in elements.
    pub strides: Vec<usize>,
}

/// A value that is not interpreted.
#[derive(Clone, Debug)]
pub(super) enum Opaque {
    /// Result of a function or class that is not on the list: its module and name.
    Result(Span, Span),
    /// A tensor of an unsupported element type: the type's module and name.
    Type(Span, Span),
    /// Anything else, as described in messages.
    Other(&'static str),
}

/// Creates an opaque node with a description for messages.
pub(super) fn opaque(what: &'static str) -> Node {
    Node::Opaque(Opaque::Other(what))
}

/// Returns the text at `span` of `input`, if it is UTF-8.
pub(super) fn str_at<'a>(input: &'a [u8], span: &Span) -> Option<&'a str> {
    std::str::from_utf8(input.get(span.clone())?).ok()
}

/// Looks up a function or class in the closed list.
pub(super) fn global_kind(module: &str, name: &str) -> GlobalKind {
    match (module, name) {
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => GlobalKind::RebuildTensor,
        ("torch._utils", "_rebuild_tensor_v3") => GlobalKind::RebuildTensorV3,
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => GlobalKind::RebuildParameter,
        ("torch._tensor", "_rebuild_from_type_v2") => GlobalKind::RebuildFromType,
        ("collections", "OrderedDict") => GlobalKind::OrderedDict,
        ("torch", "Size") => GlobalKind::Size,
        ("copyreg" | "copy_reg", "_reconstructor") => GlobalKind::Reconstructor,
        ("torch" | "torch.storage" | "torch.cuda", name) => match name.strip_suffix("Storage") {
            Some(kind) => storage(kind).map_or(GlobalKind::OtherStorage, GlobalKind::Storage),
            None => GlobalKind::Unknown,
        },
        (module, _) if module == "__torch__" || module.starts_with("__torch__.") => GlobalKind::ScriptModule,
        _ => GlobalKind::Unknown,
    }
}

/// Returns the element type of torch's storage class `{kind}Storage`, if it is read.
fn storage(kind: &str) -> Option<ElementType> {
    Some(match kind {
        "Half" => ElementType::F16,
        "BFloat16" => ElementType::Bf16,
        "Float" => ElementType::F32,
        "Double" => ElementType::F64,
        "Long" => ElementType::I64,
        "Int" => ElementType::I32,
        "Short" => ElementType::I16,
        "Char" => ElementType::I8,
        "Byte" => ElementType::U8,
        "Bool" => ElementType::Bool,
        _ => return None,
    })
}
