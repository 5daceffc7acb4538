//! Primitives of the pickle interpreter: reading the input, the stack, the memo, creating nodes. Enforces all limits
//! on memory.

use super::calls::CallResult;
use super::machine::Machine;
use super::value::{MAX_TEXT, Node, Span, Value, str_at};
use crate::import::error::{ContainerError, damaged, unsupported};

/// Maximum number of nodes (about 90 bytes each). A tensor takes about eight.
const MAX_NODES: usize = 1 << 21;
/// Maximum number of values (16 bytes each) in all containers, and on the stack.
const MAX_VALUES: usize = 1 << 22;
/// Maximum number of open marks.
pub(super) const MAX_MARKS: usize = 1 << 16;
/// Memory of a value in a container or on the stack.
const VALUE_MEMORY: u64 = size_of::<Value>() as u64;
/// Memory of a remembered value: its slot of a hash table.
const MEMO_MEMORY: u64 = 48;

impl Machine<'_> {
    pub(super) fn span(&mut self, len: usize) -> Result<Span, ContainerError> {
        match self.at.checked_add(len) {
            Some(end) if end <= self.input.len() => {
                let span = self.at..end;
                self.at = end;
                Ok(span)
            }
            _ => damaged("its pickle ends in the middle"),
        }
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], ContainerError> {
        let span = self.span(N)?;
        match self.input.get(span).and_then(|bytes| bytes.try_into().ok()) {
            Some(bytes) => Ok(bytes),
            None => damaged("its pickle ends in the middle"),
        }
    }

    pub(super) fn len32(&mut self) -> Result<usize, ContainerError> {
        Ok(u32::from_le_bytes(self.take()?) as usize)
    }

    pub(super) fn len64(&mut self) -> Result<usize, ContainerError> {
        Ok(usize::try_from(u64::from_le_bytes(self.take()?)).unwrap_or(usize::MAX))
    }

    /// Reads a line of a GLOBAL, without the newline.
    pub(super) fn line(&mut self) -> Result<Span, ContainerError> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let rest = rest.get(..MAX_TEXT.min(rest.len())).unwrap_or_default();
        let Some(len) = rest.iter().position(|&b| b == b'\n') else {
            return damaged("its pickle holds a class name without an end");
        };
        let line = self.span(len)?;
        self.at += 1;
        Ok(line)
    }

    pub(super) fn long(&mut self, len: usize) -> Result<(), ContainerError> {
        let span = self.span(len)?;
        let bytes = self.input.get(span).unwrap_or_default();
        let value = if bytes.len() <= 8 {
            // Two's complement, little-endian, sign in the last byte.
            let fill = if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 };
            let mut wide = [fill; 8];
            for (to, from) in wide.iter_mut().zip(bytes) {
                *to = *from;
            }
            Value::Int(i64::from_le_bytes(wide))
        } else {
            Value::Number
        };
        self.push(value)
    }

    pub(super) fn string(&mut self, len: usize) -> Result<(), ContainerError> {
        let span = self.span(len)?;
        self.budget.work(len as u64)?;
        if str_at(self.input, &span).is_none() {
            return damaged("its pickle holds a string that is not UTF-8");
        }
        self.push_node(text(span))
    }

    pub(super) fn bytes(&mut self, len: usize) -> Result<(), ContainerError> {
        let span = self.span(len)?;
        // Python 2 pickled strings, including dict keys, as bytes.
        self.budget.work(len as u64)?;
        let ascii = self.input.get(span.clone()).is_some_and(<[u8]>::is_ascii);
        self.push_node(if ascii { text(span) } else { Node::Bytes })
    }

    // --- the stack

    pub(super) fn push(&mut self, value: Value) -> Result<(), ContainerError> {
        if self.stack.len() >= MAX_VALUES {
            return unsupported("its pickle needs too deep a stack");
        }
        self.stack.push(value);
        Ok(())
    }

    /// Returns the height of the innermost mark; values below it cannot be popped.
    pub(super) fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    pub(super) fn pop(&mut self) -> Result<Value, ContainerError> {
        match self.stack.len() > self.floor() {
            true => self.stack.pop().map_or_else(underflow, Ok),
            false => underflow(),
        }
    }

    pub(super) fn top(&self) -> Result<Value, ContainerError> {
        match self.stack.last() {
            Some(&top) if self.stack.len() > self.floor() => Ok(top),
            _ => underflow(),
        }
    }

    pub(super) fn pop_many(&mut self, count: usize) -> Result<Vec<Value>, ContainerError> {
        match self.stack.len().checked_sub(count) {
            Some(from) if from >= self.floor() => Ok(self.stack.split_off(from)),
            _ => underflow(),
        }
    }

    pub(super) fn pop_mark(&mut self) -> Result<Vec<Value>, ContainerError> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => damaged("its pickle closes a group that it never opened"),
        }
    }

    pub(super) fn memoize(&mut self, slot: u32) -> Result<(), ContainerError> {
        let top = self.top()?;
        if self.memo.len() >= MAX_NODES {
            return unsupported("its pickle remembers too many values");
        }
        if self.memo.insert(slot, top).is_none() {
            self.budget.memory(MEMO_MEMORY)?;
        }
        Ok(())
    }

    pub(super) fn get_memo(&mut self, slot: u32) -> Result<(), ContainerError> {
        match self.memo.get(&slot) {
            Some(&value) => self.push(value),
            None => damaged(format!("its pickle recalls value {slot}, which it never stored")),
        }
    }

    // --- nodes

    pub(super) fn node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(id) => self.nodes.get(id),
            _ => None,
        }
    }

    pub(super) fn push_node(&mut self, node: Node) -> Result<(), ContainerError> {
        if self.nodes.len() >= MAX_NODES {
            return unsupported("its pickle builds too many values");
        }
        self.budget.memory(size_of::<Node>() as u64 + VALUE_MEMORY)?;
        self.nodes.push(node);
        self.push(Value::Node(self.nodes.len() - 1))
    }

    pub(super) fn push_result(&mut self, result: CallResult) -> Result<(), ContainerError> {
        match result {
            CallResult::New(node) => {
                // Calls copy their arguments, which many calls may share.
                self.account(match &node {
                    Node::Dict(items) => items.len().saturating_mul(2),
                    Node::Tensor(tensor) => tensor.shape.len() + tensor.strides.len(),
                    _ => 0,
                })?;
                self.push_node(node)
            }
            CallResult::Existing(value) => self.push(value),
        }
    }

    /// Counts values that a container takes against the limit.
    pub(super) fn account(&mut self, count: usize) -> Result<(), ContainerError> {
        self.values = self.values.saturating_add(count);
        if self.values > MAX_VALUES {
            return unsupported("its pickle holds too many values");
        }
        self.budget.work(count as u64)?;
        Ok(self.budget.memory(VALUE_MEMORY.saturating_mul(count as u64))?)
    }

    pub(super) fn tuple(&mut self, items: Vec<Value>) -> Result<(), ContainerError> {
        self.account(items.len())?;
        self.push_node(Node::Tuple(items))
    }

    pub(super) fn pairs(&mut self, items: Vec<Value>) -> Result<Vec<(Value, Value)>, ContainerError> {
        self.account(items.len())?;
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return damaged("its pickle sets a key without a value");
        }
        Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
    }

    pub(super) fn append(&mut self, items: Vec<Value>) -> Result<(), ContainerError> {
        self.account(items.len())?;
        if let Value::Node(id) = self.top()?
            && let Some(Node::List(list)) = self.nodes.get_mut(id)
        {
            list.extend(items);
        }
        Ok(())
    }

    pub(super) fn set_items(&mut self, items: Vec<Value>) -> Result<(), ContainerError> {
        let items = self.pairs(items)?;
        if let Value::Node(id) = self.top()?
            && let Some(Node::Dict(dict)) = self.nodes.get_mut(id)
        {
            dict.extend(items);
        }
        Ok(())
    }
}

/// A string, whose content is kept if it may be a name.
fn text(span: Span) -> Node {
    if span.len() <= MAX_TEXT { Node::Text(span) } else { Node::LongText }
}

fn underflow<T>() -> Result<T, ContainerError> {
    damaged("its pickle takes a value from an empty stack")
}
