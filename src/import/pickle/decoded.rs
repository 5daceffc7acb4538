//! A decoded pickle: its values, and their descriptions for messages.

use super::value::{Node, Opaque, Span, Value, str_at};
use crate::import::error::printable;

/// A decoded pickle.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    pub input: &'a [u8],
    /// All nodes; values refer to them by index.
    pub nodes: Vec<Node>,
    /// The result of the pickle.
    pub root: Value,
    /// Length of the pickle in bytes, including STOP.
    pub len: usize,
}

impl Pickle<'_> {
    pub(super) fn node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(id) => self.nodes.get(id),
            _ => None,
        }
    }

    pub(super) fn text(&self, value: Value) -> Option<&str> {
        match self.node(value) {
            Some(Node::Text(span)) => self.str(span),
            _ => None,
        }
    }

    /// Whether a value is the string `text`. Compares bytes, so that a long string costs nothing.
    pub(super) fn is(&self, value: Value, text: &str) -> bool {
        matches!(self.node(value), Some(Node::Text(span)) if self.input.get(span.clone()) == Some(text.as_bytes()))
    }

    pub(super) fn str(&self, span: &Span) -> Option<&str> {
        str_at(self.input, span)
    }

    /// Describes a value for messages.
    pub(super) fn describe(&self, value: Value) -> String {
        let global = |module: &Span, name: &Span| {
            let module = self.str(module).unwrap_or_default();
            printable(&format!("{module}.{}", self.str(name).unwrap_or_default()))
        };
        match self.node(value) {
            None => "a plain value".to_owned(),
            Some(Node::Text(_) | Node::LongText) => "a string".to_owned(),
            Some(Node::Bytes) => "bytes".to_owned(),
            Some(Node::Tuple(_)) => "a tuple".to_owned(),
            Some(Node::List(_)) => "a list".to_owned(),
            Some(Node::Dict(_)) => "a dict".to_owned(),
            Some(Node::Global(g)) => format!("the Python object `{}`", global(&g.module, &g.name)),
            Some(Node::Object { class, .. }) => {
                format!("a Python object of class `{}`", global(&class.module, &class.name))
            }
            Some(Node::Storage(_)) => "a bare storage".to_owned(),
            Some(Node::Tensor(_)) => "a tensor".to_owned(),
            Some(Node::Opaque(Opaque::Result(module, name))) => {
                format!("a result of `{}`, which is never run here", global(module, name))
            }
            Some(Node::Opaque(Opaque::Type(module, name))) => format!(
                "a tensor of `{}`, which is not read; convert it to f16, bf16, f32 or f64",
                global(module, name)
            ),
            Some(Node::Opaque(Opaque::Other(what))) => (*what).to_owned(),
        }
    }
}
