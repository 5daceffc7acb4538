//! The part of pickle protocol 2 that PyTorch's files need, written the way PyTorch writes it.
//!
//! Two writers are imitated: Python's pickler behind `torch.save`, which memoises every tuple and object and has short
//! forms for small tuples, and TorchScript's own, which does neither. Knows no models.

use std::collections::HashMap;

use super::super::tensor::Element;
use super::entry::Entry;

/// The pickler to imitate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Python's pickler, as used by `torch.save`.
    Python,
    /// The C++ pickler of `torch.jit.save`.
    TorchScript,
}

/// A pickle being written.
pub struct Pickle {
    out: Vec<u8>,
    dialect: Dialect,
    memo: HashMap<String, u32>,
    next: u32,
}

impl Pickle {
    /// An empty pickle.
    pub fn new(dialect: Dialect) -> Self {
        Pickle { out: vec![0x80, 2], dialect, memo: HashMap::new(), next: 0 }
    }

    /// Ends the pickle.
    pub fn stop(mut self) -> Vec<u8> {
        self.out.push(b'.');
        self.out
    }

    /// Sets a mark for [`Pickle::tuple`] or [`Pickle::set_items`].
    pub fn mark(&mut self) {
        self.out.push(b'(');
    }

    /// A tuple of everything since the mark.
    pub fn tuple(&mut self) {
        self.out.push(b't');
    }

    /// The empty tuple.
    pub fn empty_tuple(&mut self) {
        self.out.push(b')');
    }

    /// An empty dict.
    pub fn empty_dict(&mut self) {
        self.out.push(b'}');
        self.memoise_object();
    }

    /// Sets the keys and values since the mark in the dict below it.
    pub fn set_items(&mut self) {
        self.out.push(b'u');
    }

    /// Calls the callable below the tuple on top.
    pub fn reduce(&mut self) {
        self.out.push(b'R');
        self.memoise_object();
    }

    /// An instance of a class with the state dict that `state` writes.
    pub fn object(&mut self, module: &str, class: &str, state: impl FnOnce(&mut Self)) {
        self.global(module, class);
        self.empty_tuple();
        self.out.push(0x81);
        self.empty_dict();
        self.mark();
        state(self);
        self.set_items();
        self.build();
    }

    /// Gives the state on top to the object below it.
    pub fn build(&mut self) {
        self.out.push(b'b');
    }

    /// A boolean.
    pub fn truth(&mut self, value: bool) {
        self.out.push(if value { 0x88 } else { 0x89 });
    }

    /// A non-negative integer below 2^31.
    pub fn int(&mut self, value: usize) {
        if let Ok(value) = u8::try_from(value) {
            self.out.extend([b'K', value]);
        } else if let Ok(value) = u16::try_from(value) {
            self.out.push(b'M');
            self.out.extend(value.to_le_bytes());
        } else {
            let value = i32::try_from(value).expect("sizes of known models fit in 31 bits");
            self.out.push(b'J');
            self.out.extend(value.to_le_bytes());
        }
    }

    /// A string, by reference from the second time on.
    pub fn text(&mut self, text: &str) {
        if self.recall(text) {
            return;
        }
        self.out.push(b'X');
        self.out.extend((text.len() as u32).to_le_bytes());
        self.out.extend(text.as_bytes());
        self.memoise(text);
    }

    /// A class or function, by reference from the second time on.
    pub fn global(&mut self, module: &str, name: &str) {
        let line = format!("{module}\n{name}\n");
        if self.recall(&line) {
            return;
        }
        self.out.push(b'c');
        self.out.extend(line.as_bytes());
        self.memoise(&line);
    }

    /// An empty `collections.OrderedDict`.
    pub fn ordered_dict(&mut self) {
        self.global("collections", "OrderedDict");
        self.empty_tuple();
        self.reduce();
    }

    /// A contiguous tensor with its own storage, which has the key `key`.
    pub fn tensor(&mut self, key: usize, element: Element, shape: &[usize], trained: bool) {
        let storage = match element {
            Element::F16 => "HalfStorage",
            Element::F32 => "FloatStorage",
            Element::I64 => "LongStorage",
        };
        let len: usize = shape.iter().product();
        let strides: Vec<usize> = (0..shape.len()).map(|axis| shape.iter().skip(axis + 1).product()).collect();

        self.global("torch._utils", "_rebuild_tensor_v2");
        self.mark();
        self.mark();
        self.text("storage");
        self.global("torch", storage);
        self.text(&key.to_string());
        self.text("cpu");
        self.int(len);
        self.tuple();
        self.memoise_object();
        self.out.push(b'Q');
        self.int(0);
        self.ints(shape);
        self.ints(&strides);
        self.truth(trained);
        self.ordered_dict();
        self.tuple();
        self.memoise_object();
        self.reduce();
    }

    fn ints(&mut self, values: &[usize]) {
        let short = self.dialect == Dialect::Python && values.len() < 4;
        if short && values.is_empty() {
            self.empty_tuple();
            return;
        }
        if !short {
            self.mark();
        }
        for &value in values {
            self.int(value);
        }
        if short {
            self.out.push(0x84 + values.len() as u8);
        } else {
            self.tuple();
        }
        self.memoise_object();
    }

    /// Refers to the value memoised under `key`, if there is one.
    fn recall(&mut self, key: &str) -> bool {
        let Some(&index) = self.memo.get(key) else {
            return false;
        };
        self.indexed(b'h', b'j', index);
        true
    }

    /// Memoises the value on top for [`Pickle::recall`].
    fn memoise(&mut self, key: &str) {
        self.memo.insert(key.to_owned(), self.next);
        self.put();
    }

    /// Memoises a value that nothing refers to, as Python's pickler does.
    fn memoise_object(&mut self) {
        if self.dialect == Dialect::Python {
            self.put();
        }
    }

    fn put(&mut self) {
        self.indexed(b'q', b'r', self.next);
        self.next += 1;
    }

    fn indexed(&mut self, short: u8, long: u8, index: u32) {
        if let Ok(index) = u8::try_from(index) {
            self.out.extend([short, index]);
        } else {
            self.out.push(long);
            self.out.extend(index.to_le_bytes());
        }
    }
}

/// The pickle of a module's state dict, whose storages are numbered in the order of `entries`.
pub fn state_dict(entries: &[Entry]) -> Vec<u8> {
    let mut pickle = Pickle::new(Dialect::Python);
    pickle.ordered_dict();
    // Python's pickler sets at most 1000 items at a time.
    for (batch, chunk) in entries.chunks(1000).enumerate() {
        pickle.mark();
        for (i, entry) in chunk.iter().enumerate() {
            pickle.text(&entry.name);
            pickle.tensor(batch * 1000 + i, entry.element, &entry.shape, false);
        }
        pickle.set_items();
    }

    // State dicts carry the version of every module as an attribute.
    let mut modules = vec![""];
    for entry in entries {
        for (dot, _) in entry.name.match_indices('.') {
            if let Some(module) = entry.name.get(..dot)
                && !modules.contains(&module)
            {
                modules.push(module);
            }
        }
    }
    pickle.empty_dict();
    pickle.mark();
    pickle.text("_metadata");
    pickle.ordered_dict();
    pickle.mark();
    for module in modules {
        pickle.text(module);
        pickle.empty_dict();
        pickle.mark();
        pickle.text("version");
        pickle.int(1);
        pickle.set_items();
    }
    pickle.set_items();
    pickle.set_items();
    pickle.build();
    pickle.stop()
}
