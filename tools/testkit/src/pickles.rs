//! Random pickles in PyTorch's containers, for readers that must survive any of them.
//!
//! The generator knows what each instruction takes from the stack, so most of what it writes runs to the end, with
//! tensors, shared values, values inside themselves, and references to anything. A seed always gives the same bytes.

use crate::checkpoint::layout::torch_zip::TorchZip;
use crate::checkpoint::random::Stream;

/// Bytes of the one storage of an archive, whose key is `0`.
pub const STORAGE: usize = 64;

/// Names that readers look for, and others.
const WORDS: [&str; 14] = [
    "state_dict",
    "model",
    "storage",
    "cpu",
    "0",
    "visual.conv1.weight",
    "token_embedding.weight",
    "module",
    "_metadata",
    "",
    "ü",
    "__torch__",
    "FloatStorage",
    "torch",
];

/// Functions and classes that readers interpret, and others.
const GLOBALS: [(&str, &str); 12] = [
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_tensor_v3"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch._tensor", "_rebuild_from_type_v2"),
    ("collections", "OrderedDict"),
    ("torch", "FloatStorage"),
    ("torch", "ComplexFloatStorage"),
    ("torch", "Size"),
    ("copyreg", "_reconstructor"),
    ("__torch__.model", "Module"),
    ("builtins", "eval"),
    ("", ""),
];

/// Where a generator's choices come from.
enum Choices<'a> {
    Random(Stream),
    /// A byte a choice, as fuzzers have them; zeros after the last.
    Given(&'a [u8]),
}

struct Generator<'a> {
    choices: Choices<'a>,
    drawn: u64,
    out: Vec<u8>,
    /// Values above the innermost mark.
    height: usize,
    /// Heights at the open marks.
    marks: Vec<usize>,
    remembered: u32,
}

/// A pickle of about `steps` instructions.
pub fn pickle(seed: u64, steps: usize) -> Vec<u8> {
    let mut generator = Generator::new(Choices::Random(Stream::new("pickle", seed)), 2 + (seed % 4) as u8);
    for _ in 0..steps {
        generator.step();
    }
    generator.finish(!seed.is_multiple_of(8))
}

/// A pickle of the instructions that `choices` stand for: other bytes, another pickle.
pub fn chosen(choices: &[u8]) -> Vec<u8> {
    let Some((&first, choices)) = choices.split_first() else { return b"\x80\x02}.".to_vec() };
    let mut generator = Generator::new(Choices::Given(choices), 2 + first % 4);
    while (generator.drawn as usize) < choices.len() {
        generator.step();
    }
    generator.finish(first < 0xe0)
}

/// An archive of `torch.save` with a pickle and one storage of [`STORAGE`] bytes.
pub fn archive(pickle: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut zip = TorchZip::new(&mut bytes, "archive");
    zip.store("data.pkl", pickle).expect("memory can be written");
    zip.store("byteorder", b"little").expect("memory can be written");
    zip.store("data/0", &[0; STORAGE]).expect("memory can be written");
    zip.finish().expect("memory can be written");
    bytes
}

/// A file of `torch.save` before archives, with a pickle and one storage of [`STORAGE`] bytes.
pub fn legacy(pickle: &[u8]) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    let version = b"\x80\x02M\xe9\x03.";
    let system = b"\x80\x02}X\x0d\0\0\0little_endian\x88s.";
    let keys = b"\x80\x02]X\x01\0\0\x000a.";
    let storage = [&(STORAGE as u64 / 4).to_le_bytes()[..], &[0; STORAGE]].concat();
    [&magic[..], version, system, pickle, keys, &storage].concat()
}

impl<'a> Generator<'a> {
    fn new(choices: Choices<'a>, protocol: u8) -> Self {
        let out = vec![0x80, protocol];
        let mut generator = Generator { choices, drawn: 0, out, height: 0, marks: Vec::new(), remembered: 0 };
        // A dict below everything, so that there is a place for tensors.
        generator.push(b"}");
        generator.remember();
        generator
    }

    /// Ends the pickle, with the dict below everything as its value if `dict`.
    fn finish(mut self, dict: bool) -> Vec<u8> {
        while !self.marks.is_empty() {
            self.close(b"t");
        }
        if dict {
            self.push(b"j\0\0\0\0");
        }
        self.out.push(b'.');
        self.out
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.drawn += 1;
        match self.choices {
            Choices::Random(stream) => stream.below(self.drawn, bound),
            Choices::Given(bytes) => bytes.get(self.drawn as usize - 1).map_or(0, |&byte| u32::from(byte)) % bound,
        }
    }

    fn step(&mut self) {
        match self.below(40) {
            0 => self.push(b"N"),
            1 => self.push(b"\x88"),
            2 => {
                let value = self.below(5) as u8;
                self.push(&[b'K', value]);
            }
            3 => {
                let value = self.below(1 << 31).to_le_bytes();
                self.push(&[b"J", &value[..]].concat());
            }
            4 => self.push(b"G\0\0\0\0\0\0\0\0"),
            5..=8 => self.word(),
            9 => self.push(b")"),
            10 => self.push(b"]"),
            11 => self.push(b"}"),
            12 | 13 => {
                self.out.push(b'(');
                self.marks.push(self.height);
                self.height = 0;
            }
            14 => self.close(b"t"),
            15 => self.close(b"l"),
            16 if self.height.is_multiple_of(2) => self.close(b"d"),
            17 => self.take(1, b"\x85"),
            18 => self.take(2, b"\x86"),
            19 => self.take(3, b"\x87"),
            20 if self.height >= 2 => self.drop(1, b"a"),
            21 if self.height >= 3 => self.drop(2, b"s"),
            22 | 23 => self.remember(),
            24..=26 => self.recall(),
            27 => self.global(),
            28 => self.take(2, b"R"),
            29 => self.take(2, b"\x81"),
            30 if self.height >= 2 => self.drop(1, b"b"),
            31 => self.take(1, b"Q"),
            32 if self.height >= 2 => self.drop(1, b"0"),
            33 if self.height >= 1 => self.push(b"2"),
            34..=37 => self.item(),
            38 => {
                self.word();
                self.word();
                self.take(2, b"\x93");
            }
            // Anything at all, rarely: it ends most pickles.
            39 if self.below(8) == 0 => {
                let byte = self.below(256) as u8;
                self.out.push(byte);
            }
            _ => self.recall(),
        }
    }

    /// Instructions that leave one value.
    fn push(&mut self, instructions: &[u8]) {
        self.out.extend(instructions);
        self.height += 1;
    }

    /// An instruction that replaces `count` values by one.
    fn take(&mut self, count: usize, instruction: &[u8]) {
        while self.height < count {
            self.word();
        }
        self.height -= count;
        self.push(instruction);
    }

    /// An instruction that removes `count` values and leaves those below.
    fn drop(&mut self, count: usize, instruction: &[u8]) {
        self.out.extend(instruction);
        self.height -= count;
    }

    /// An instruction that replaces everything above the innermost mark by one value.
    fn close(&mut self, instruction: &[u8]) {
        if let Some(height) = self.marks.pop() {
            self.height = height;
            self.push(instruction);
        }
    }

    fn word(&mut self) {
        let word = WORDS[self.below(WORDS.len() as u32) as usize];
        self.text(word);
    }

    fn text(&mut self, text: &str) {
        let len = (text.len() as u32).to_le_bytes();
        self.push(&[b"X", &len[..], text.as_bytes()].concat());
    }

    fn global(&mut self) {
        let (module, name) = GLOBALS[self.below(GLOBALS.len() as u32) as usize];
        self.push(format!("c{module}\n{name}\n").as_bytes());
    }

    fn remember(&mut self) {
        if self.height > 0 {
            self.out.push(b'r');
            self.out.extend(self.remembered.to_le_bytes());
            self.remembered += 1;
        }
    }

    fn recall(&mut self) {
        let slot = self.below(self.remembered.max(1));
        self.push(&[b"j", &slot.to_le_bytes()[..]].concat());
    }

    /// A tensor in the dict below everything, mostly inside its storage.
    fn item(&mut self) {
        let marks = self.marks.len();
        self.push(b"j\0\0\0\0");
        // Two tensors of one name are refused, so most names occur once.
        match self.below(16) {
            0 => self.word(),
            _ => self.text(&format!("tensor{}", self.drawn)),
        }
        let storage = "(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x10tQ";
        self.push(b"ctorch._utils\n_rebuild_tensor_v2\n(");
        self.out.extend(storage.as_bytes());
        let sizes: Vec<u8> = (0..2).flat_map(|_| [b'K', self.below(5) as u8]).collect();
        let strides: Vec<u8> = (0..2).flat_map(|_| [b'K', self.below(5) as u8]).collect();
        let offset = self.below(3) as u8;
        self.out.extend([b'K', offset]);
        for pair in [sizes, strides] {
            self.out.extend(pair);
            self.out.push(0x86);
        }
        self.out.extend(b"\x89}tR");
        self.drop(2, b"s");
        assert_eq!(self.marks.len(), marks);
    }
}
