//! What a pickle can build here: inert values in an arena.
//!
//! Values are small and copied freely; everything larger is a node that is made once and named by its index.
//! So shared and self-referential structures cost nothing, and dropping them never recurses.

use std::ops::Range;

use crate::import::element::ElementType;

/// Index of a [`Node`].
pub(super) type NodeId = usize;

/// A range of the pickle's own bytes.
pub(super) type Span = Range<usize>;

/// A value on the stack, in the memo or in a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer that fits.
    Int(i64),
    /// A number that no tensor depends on: a float, or an integer that does not fit.
    Number,
    /// Anything larger.
    Node(NodeId),
}

/// A value that is made once.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// A string; UTF-8 was checked.
    Text(Span),
    /// Bytes, which nothing here looks into.
    Bytes,
    /// A tuple.
    Tuple(Vec<Value>),
    /// A list.
    List(Vec<Value>),
    /// A dict in order of insertion; keys may repeat.
    Dict(Vec<(Value, Value)>),
    /// A function or class, never resolved.
    Global(Global),
    /// An instance of some class and the state that was given to it.
    Object {
        /// The class.
        class: Global,
        /// What BUILD gave it.
        state: Option<Value>,
    },
    /// The elements that tensors share.
    Storage(Storage),
    /// A view of a storage.
    Tensor(TensorNode),
    /// What something unknown returned, or a tensor that cannot be made.
    Inert(Inert),
}

/// A function or class by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Global {
    /// What it means here.
    pub meaning: Meaning,
    /// Its module in the pickle.
    pub module: Span,
    /// Its name in the pickle.
    pub name: Span,
}

/// The closed list of globals that mean something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// `(storage, offset, size, stride, …)` to a tensor.
    RebuildTensor,
    /// `(storage, offset, size, stride, requires_grad, hooks, dtype, …)` to a tensor of another type.
    RebuildTensorV3,
    /// `(tensor, …)` to that tensor.
    RebuildParameter,
    /// `(function, type, arguments, state)` to what the function makes of the arguments.
    RebuildFromType,
    /// `()` or `(pairs)` to a dict.
    OrderedDict,
    /// `(tuple)` to that tuple.
    Size,
    /// Type of a storage.
    Storage(ElementType),
    /// `(class, base, state)` to an instance.
    Reconstructor,
    /// A module of a TorchScript archive.
    ScriptModule,
    /// Anything else.
    Unknown,
}

/// The elements that tensors share.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    /// Type of its elements.
    pub element: ElementType,
    /// Its name among the storages of the file.
    pub key: Span,
    /// Number of its elements.
    pub len: usize,
}

/// A view of a storage.
#[derive(Clone, Debug)]
pub(super) struct TensorNode {
    /// A [`Node::Storage`].
    pub storage: NodeId,
    /// First element.
    pub offset: usize,
    /// Dimensions.
    pub shape: Vec<usize>,
    /// Elements from one index to the next.
    pub strides: Vec<usize>,
}

/// A value that means nothing here.
#[derive(Clone, Debug)]
pub(super) enum Inert {
    /// What a function or class that is not on the list would have made: its module and name.
    Result(Span, Span),
    /// A tensor of an element type that is not read: the type's module and name.
    Type(Span, Span),
    /// Anything else, as messages call it.
    Other(&'static str),
}

/// A value that means nothing here, as messages call it.
pub(super) fn inert(what: &'static str) -> Node {
    Node::Inert(Inert::Other(what))
}

/// The text at `span` of `input`, if it is UTF-8.
pub(super) fn str_at<'a>(input: &'a [u8], span: &Span) -> Option<&'a str> {
    std::str::from_utf8(input.get(span.clone())?).ok()
}

/// Looks a global up in the closed list.
pub(super) fn meaning(module: &str, name: &str) -> Meaning {
    match (module, name) {
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Meaning::RebuildTensor,
        ("torch._utils", "_rebuild_tensor_v3") => Meaning::RebuildTensorV3,
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Meaning::RebuildParameter,
        ("torch._tensor", "_rebuild_from_type_v2") => Meaning::RebuildFromType,
        ("collections", "OrderedDict") => Meaning::OrderedDict,
        ("torch", "Size") => Meaning::Size,
        ("copyreg" | "copy_reg", "_reconstructor") => Meaning::Reconstructor,
        ("torch" | "torch.storage" | "torch.cuda", name) => match storage(name) {
            Some(element) => Meaning::Storage(element),
            None => Meaning::Unknown,
        },
        (module, _) if module == "__torch__" || module.starts_with("__torch__.") => Meaning::ScriptModule,
        _ => Meaning::Unknown,
    }
}

/// The element type of torch's storage class `name`.
fn storage(name: &str) -> Option<ElementType> {
    Some(match name.strip_suffix("Storage")? {
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
        // Untyped, complex and quantised ones.
        other => ElementType::Other(other.to_lowercase().into()),
    })
}
