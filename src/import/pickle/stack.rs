//! Primitives of the pickle interpreter: reading the input, the stack, the memo, creating nodes. Enforces all limits
//! on memory.

use super::calls::CallResult;
use super::machine::Machine;
use super::value::{MAX_TEXT, Node, NodeId, Span, Value, str_at};
use crate::budget::{Budget, Exhausted};
use crate::import::error::{ContainerError, damaged, unsupported};

/// Maximum number of nodes (about 90 bytes each). A tensor takes about eight.
const MAX_NODES: usize = 1 << 21;
/// Maximum number of values (16 bytes each) in all containers, and on the stack.
const MAX_VALUES: usize = 1 << 22;
/// Maximum number of open marks.
pub(super) const MAX_MARKS: usize = 1 << 16;
/// Memory of a remembered value: a hash table has a byte for each of its slots and fills 7 of 8.
const MEMO_MEMORY: u64 = (size_of::<(u32, Value)>() as u64 + 1) * 8 / 7 + 1;
/// Memory of a hash table of any size, and of one with the fewest slots.
const MEMO_TABLE: u64 = 160;

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
        self.budget.reserve(&mut self.stack, 1)?;
        self.stack.push(value);
        Ok(())
    }

    /// Opens a group of values.
    pub(super) fn mark(&mut self) -> Result<(), ContainerError> {
        if self.marks.len() >= MAX_MARKS {
            return unsupported("its pickle nests too deeply");
        }
        self.budget.reserve(&mut self.marks, 1)?;
        self.marks.push(self.stack.len());
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

    /// Closes the innermost group and returns where on the stack its values start.
    pub(super) fn close_group(&mut self) -> Result<usize, ContainerError> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(mark),
            _ => damaged("its pickle closes a group that it never opened"),
        }
    }

    /// Returns where on the stack its last `count` values start.
    pub(super) fn last(&self, count: usize) -> Result<usize, ContainerError> {
        match self.stack.len().checked_sub(count) {
            Some(from) if from >= self.floor() => Ok(from),
            _ => underflow(),
        }
    }

    /// Takes the values from `from` on off the stack, for a container that keeps them.
    fn take_values(&mut self, from: usize) -> Result<Vec<Value>, ContainerError> {
        let taken = self.stack.get(from..).unwrap_or_default();
        self.values = account(self.values, taken.len(), self.budget)?;
        let mut values = Vec::new();
        self.budget.reserve_exact(&mut values, taken.len())?;
        values.extend_from_slice(taken);
        self.stack.truncate(from);
        Ok(values)
    }

    pub(super) fn memoize(&mut self, slot: u32) -> Result<(), ContainerError> {
        let top = self.top()?;
        if self.memo.len() >= MAX_NODES {
            return unsupported("its pickle remembers too many values");
        }
        let slots = self.memo.capacity();
        if self.memo.len() == slots {
            // A full table is copied to one of twice as many slots.
            self.budget.memory(memo_memory(slots.max(2) * 2 + 1))?;
            self.memo.try_reserve(1).map_err(|_| Exhausted::System)?;
            self.budget.give_back(memo_memory(slots));
        }
        self.memo.insert(slot, top);
        Ok(())
    }

    /// Gives back what only running the pickle took.
    pub(super) fn free(&mut self) {
        self.budget.free(std::mem::take(&mut self.stack));
        self.budget.free(std::mem::take(&mut self.marks));
        self.budget.give_back(memo_memory(std::mem::take(&mut self.memo).capacity()));
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
        self.budget.reserve(&mut self.nodes, 1)?;
        self.nodes.push(node);
        self.push(Value::Node(self.nodes.len() - 1))
    }

    pub(super) fn push_result(&mut self, result: CallResult) -> Result<(), ContainerError> {
        match result {
            CallResult::New(node) => {
                // Calls copy their arguments, which many calls may share.
                let copied = match &node {
                    Node::Dict(items) => items.len().saturating_mul(2),
                    Node::Tensor(tensor) => tensor.shape.len() + tensor.strides.len(),
                    _ => 0,
                };
                self.values = account(self.values, copied, self.budget)?;
                self.push_node(node)
            }
            CallResult::Existing(value) => self.push(value),
        }
    }

    /// Makes a tuple of the values from `from` on.
    pub(super) fn tuple(&mut self, from: usize) -> Result<(), ContainerError> {
        let items = self.take_values(from)?;
        self.push_node(Node::Tuple(items))
    }

    /// Makes a list of the values from `from` on.
    pub(super) fn list(&mut self, from: usize) -> Result<(), ContainerError> {
        let items = self.take_values(from)?;
        self.push_node(Node::List(items))
    }

    /// Makes a dict of the keys and values from `from` on.
    pub(super) fn dict(&mut self, from: usize) -> Result<(), ContainerError> {
        let mut items = Vec::new();
        let values = self.stack.get(from..).unwrap_or_default();
        self.values = account(self.values, values.len(), self.budget)?;
        add_pairs(&mut items, values, self.budget)?;
        self.stack.truncate(from);
        self.push_node(Node::Dict(items))
    }

    /// Adds the values from `from` on to the list below them.
    pub(super) fn append(&mut self, from: usize) -> Result<(), ContainerError> {
        let list = self.below(from)?;
        let items = self.stack.get(from..).unwrap_or_default();
        self.values = account(self.values, items.len(), self.budget)?;
        if let Some(Node::List(list)) = list.and_then(|id| self.nodes.get_mut(id)) {
            self.budget.reserve(list, items.len())?;
            list.extend_from_slice(items);
        }
        self.stack.truncate(from);
        Ok(())
    }

    /// Adds the keys and values from `from` on to the dict below them.
    pub(super) fn set_items(&mut self, from: usize) -> Result<(), ContainerError> {
        let dict = self.below(from)?;
        let items = self.stack.get(from..).unwrap_or_default();
        self.values = account(self.values, items.len(), self.budget)?;
        match dict.and_then(|id| self.nodes.get_mut(id)) {
            Some(Node::Dict(dict)) => add_pairs(dict, items, self.budget)?,
            _ => pairs(items).map(drop)?,
        }
        self.stack.truncate(from);
        Ok(())
    }

    /// The node below the values from `from` on, which must be there; `None` if it is a plain value.
    fn below(&self, from: usize) -> Result<Option<NodeId>, ContainerError> {
        match from.checked_sub(1).filter(|&at| at >= self.floor()).and_then(|at| self.stack.get(at)) {
            Some(&Value::Node(id)) => Ok(Some(id)),
            Some(_) => Ok(None),
            None => underflow(),
        }
    }
}

/// Returns `values`, the number of values that containers hold, after a container takes `count` more.
fn account(values: usize, count: usize, budget: &Budget) -> Result<usize, ContainerError> {
    let values = values.saturating_add(count);
    if values > MAX_VALUES {
        return unsupported("its pickle holds too many values");
    }
    budget.work(count as u64)?;
    Ok(values)
}

/// Bytes of a memo with room for `slots` values.
fn memo_memory(slots: usize) -> u64 {
    if slots == 0 { 0 } else { MEMO_TABLE + (slots as u64).saturating_mul(MEMO_MEMORY) }
}

/// The keys and values of a dict.
fn pairs(values: &[Value]) -> Result<&[[Value; 2]], ContainerError> {
    match values.as_chunks::<2>() {
        (pairs, []) => Ok(pairs),
        _ => damaged("its pickle sets a key without a value"),
    }
}

fn add_pairs(dict: &mut Vec<(Value, Value)>, values: &[Value], budget: &Budget) -> Result<(), ContainerError> {
    let pairs = pairs(values)?;
    budget.reserve(dict, pairs.len())?;
    dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
    Ok(())
}

/// A string, whose content is kept if it may be a name.
fn text(span: Span) -> Node {
    if span.len() <= MAX_TEXT { Node::Text(span) } else { Node::LongText }
}

fn underflow<T>() -> Result<T, ContainerError> {
    damaged("its pickle takes a value from an empty stack")
}
