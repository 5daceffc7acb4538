//! Interprets pickles in a sandbox: builds plain values, never resolves a name, never calls a function.
//!
//! Time and memory are linear in the pickle's length, capped, and drawn from a budget. Supports the opcodes of Python's
//! `pickletools`, protocols 2 to 5, that checkpoints use.

use std::collections::HashMap;

use super::decoded::Pickle;
use super::value::{Node, Value, opaque};
use crate::budget::Budget;
use crate::import::error::{ContainerError, damaged, unsupported};

/// Maximum length of a pickle. Those of published checkpoints take 0.1 to 2 MiB.
pub(super) const MAX_PICKLE_LEN: usize = 256 << 20;

/// Work of an instruction, besides the bytes and values that it handles.
const STEP_WORK: u64 = 16;
/// Instructions between two draws on the budget.
const STEPS: u64 = 1024;

/// Decodes the pickle at the start of `input`.
pub(super) fn run<'a>(input: &'a [u8], budget: &Budget) -> Result<Pickle<'a>, ContainerError> {
    let mut machine = Machine {
        budget,
        input: input.get(..MAX_PICKLE_LEN.min(input.len())).unwrap_or_default(),
        at: 0,
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        values: 0,
    };
    for step in 0u64.. {
        if step.is_multiple_of(STEPS) {
            budget.work(STEPS * STEP_WORK)?;
        }
        if machine.step()? {
            break;
        }
    }
    let Some(root) = machine.stack.pop() else {
        return damaged("its pickle ends without a value");
    };
    machine.free();
    Ok(Pickle { input, nodes: machine.nodes, root, len: machine.at })
}

/// State of the interpreter.
pub(super) struct Machine<'a> {
    pub input: &'a [u8],
    pub budget: &'a Budget,
    /// Offset of the next byte.
    pub at: usize,
    pub nodes: Vec<Node>,
    pub stack: Vec<Value>,
    /// Stack heights at the open marks.
    pub marks: Vec<usize>,
    pub memo: HashMap<u32, Value>,
    /// Total number of values in all containers.
    pub values: usize,
}

impl Machine<'_> {
    /// Executes one instruction. Returns true after STOP.
    fn step(&mut self) -> Result<bool, ContainerError> {
        let [opcode] = self.take::<1>()?;
        match opcode {
            // PROTO, FRAME
            0x80 => {
                let [version] = self.take::<1>()?;
                if version > 5 {
                    return unsupported(format!("its pickle is of protocol {version}; 2 to 5 are read"));
                }
            }
            0x95 => {
                self.take::<8>()?;
            }
            b'.' => return Ok(true),
            // constants
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'J' => {
                let value = i32::from_le_bytes(self.take()?);
                self.push(Value::Int(value.into()))?;
            }
            b'K' => {
                let [value] = self.take()?;
                self.push(Value::Int(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.take()?);
                self.push(Value::Int(value.into()))?;
            }
            0x8a => {
                let [len] = self.take()?;
                self.long(len.into())?;
            }
            0x8b => {
                let len = self.len32()?;
                self.long(len)?;
            }
            b'G' => {
                self.take::<8>()?;
                self.push(Value::Number)?;
            }
            b'X' => {
                let len = self.len32()?;
                self.string(len)?;
            }
            0x8c => {
                let [len] = self.take()?;
                self.string(len.into())?;
            }
            0x8d => {
                let len = self.len64()?;
                self.string(len)?;
            }
            // byte strings of Python 2 and 3
            b'U' | b'C' => {
                let [len] = self.take()?;
                self.bytes(len.into())?;
            }
            b'T' | b'B' => {
                let len = self.len32()?;
                self.bytes(len)?;
            }
            0x8e | 0x96 => {
                let len = self.len64()?;
                self.bytes(len)?;
            }
            // containers
            b')' => self.push_node(Node::Tuple(Vec::new()))?,
            b']' => self.push_node(Node::List(Vec::new()))?,
            b'}' => self.push_node(Node::Dict(Vec::new()))?,
            0x8f => self.push_node(opaque("a set"))?,
            b'(' => self.mark()?,
            b't' => {
                let from = self.close_group()?;
                self.tuple(from)?;
            }
            0x85..=0x87 => {
                let from = self.last(usize::from(opcode - 0x84))?;
                self.tuple(from)?;
            }
            b'l' => {
                let from = self.close_group()?;
                self.list(from)?;
            }
            b'd' => {
                let from = self.close_group()?;
                self.dict(from)?;
            }
            0x91 => {
                let from = self.close_group()?;
                self.stack.truncate(from);
                self.push_node(opaque("a set"))?;
            }
            b'a' => {
                let from = self.last(1)?;
                self.append(from)?;
            }
            b'e' => {
                let from = self.close_group()?;
                self.append(from)?;
            }
            b's' => {
                let from = self.last(2)?;
                self.set_items(from)?;
            }
            b'u' => {
                let from = self.close_group()?;
                self.set_items(from)?;
            }
            0x90 => {
                let from = self.close_group()?;
                self.stack.truncate(from);
                self.top()?;
            }
            // stack and memo
            b'0' => {
                // POP removes a mark that is on top of the stack.
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop()?;
                }
            }
            b'1' => {
                let from = self.close_group()?;
                self.stack.truncate(from);
            }
            b'2' => {
                let top = self.top()?;
                self.push(top)?;
            }
            b'q' => {
                let [slot] = self.take()?;
                self.memoize(slot.into())?;
            }
            b'r' => {
                let slot = u32::from_le_bytes(self.take()?);
                self.memoize(slot)?;
            }
            0x94 => self.memoize(self.memo.len() as u32)?,
            b'h' => {
                let [slot] = self.take()?;
                self.get_memo(slot.into())?;
            }
            b'j' => {
                let slot = u32::from_le_bytes(self.take()?);
                self.get_memo(slot)?;
            }
            // objects
            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.global(module, name)?;
            }
            0x93 => {
                let name = self.pop()?;
                let module = self.pop()?;
                match (self.node(module), self.node(name)) {
                    (Some(Node::Text(module)), Some(Node::Text(name))) => {
                        let (module, name) = (module.clone(), name.clone());
                        self.global(module, name)?;
                    }
                    _ => {
                        return damaged("its pickle names a class by something that is not a name");
                    }
                }
            }
            b'R' | 0x81 => {
                let arguments = self.pop()?;
                let function = self.pop()?;
                let result = self.call(function, arguments, opcode == 0x81)?;
                self.push_result(result)?;
            }
            0x92 => {
                self.pop()?;
                self.pop()?;
                let class = self.pop()?;
                let node = self.instance(class);
                self.push_node(node)?;
            }
            b'b' => {
                let state = self.pop()?;
                let target = self.top()?;
                // Only objects keep a state. The state of anything else affects no tensor.
                if let Value::Node(id) = target
                    && let Some(Node::Object { state: slot, .. }) = self.nodes.get_mut(id)
                {
                    *slot = Some(state);
                }
            }
            b'Q' => {
                let id = self.pop()?;
                let node = self.persistent(id);
                self.push_node(node)?;
            }
            other => {
                return unsupported(format!(
                    "its pickle uses instruction {other:#04x} at byte {}, which no checkpoint needs; \
                     load it in PyTorch and save its state dict again",
                    self.at - 1
                ));
            }
        }
        Ok(false)
    }
}
