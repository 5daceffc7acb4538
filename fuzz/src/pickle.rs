//! Pickles that are mostly well-formed: opcodes with their arguments, the names that checkpoints use among them.

use arbitrary::Arbitrary;

/// A pickle.
#[derive(Arbitrary, Debug)]
pub struct Program {
    steps: Vec<Step>,
    /// The content of the only storage.
    storage: Vec<u8>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// An opcode without argument.
    Plain(Plain),
    Global(Name, Name),
    Text(Name),
    LongText(String),
    Bytes(Vec<u8>),
    Int(i32),
    Byte(u8),
    Word(u16),
    Long(Vec<u8>),
    Float(f64),
    Put(u8),
    Get(u8),
    PutLong(u16),
    GetLong(u32),
    /// A tensor as torch pickles it.
    Tensor {
        kind: Name,
        offset: u8,
        shape: Vec<u8>,
        strides: Vec<u8>,
        len: u16,
    },
    /// Bytes that need not be opcodes.
    Raw(u8),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Plain {
    Mark,
    Stop,
    Pop,
    PopMark,
    Dup,
    None,
    True,
    False,
    EmptyDict,
    EmptyList,
    EmptyTuple,
    EmptySet,
    Tuple,
    Tuple1,
    Tuple2,
    Tuple3,
    List,
    Dict,
    SetItem,
    SetItems,
    Append,
    Appends,
    AddItems,
    Reduce,
    NewObj,
    Build,
    PersistentId,
    StackGlobal,
    Memoize,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Name {
    Torch,
    TorchUtils,
    Collections,
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    FloatStorage,
    HalfStorage,
    UntypedStorage,
    Storage,
    Key,
    Cpu,
    StateDict,
    Weight,
    Empty,
}

impl Name {
    fn text(self) -> &'static str {
        match self {
            Name::Torch => "torch",
            Name::TorchUtils => "torch._utils",
            Name::Collections => "collections",
            Name::OrderedDict => "OrderedDict",
            Name::RebuildTensor => "_rebuild_tensor_v2",
            Name::RebuildParameter => "_rebuild_parameter",
            Name::FloatStorage => "FloatStorage",
            Name::HalfStorage => "HalfStorage",
            Name::UntypedStorage => "UntypedStorage",
            Name::Storage => "storage",
            Name::Key => "0",
            Name::Cpu => "cpu",
            Name::StateDict => "state_dict",
            Name::Weight => "visual.conv1.weight",
            Name::Empty => "",
        }
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

fn global(out: &mut Vec<u8>, module: &str, name: &str) {
    out.extend(format!("c{module}\n{name}\n").bytes());
}

fn tuple(out: &mut Vec<u8>, values: &[u8]) {
    out.push(b'(');
    for value in values {
        out.extend([b'K', *value]);
    }
    out.push(b't');
}

impl Program {
    /// The pickle.
    pub fn pickle(&self) -> Vec<u8> {
        let mut out = vec![0x80, 2];
        for step in &self.steps {
            step.write(&mut out);
        }
        out.push(b'.');
        out
    }

    /// A checkpoint with this pickle.
    pub fn checkpoint(&self) -> Vec<u8> {
        wrapped(&self.pickle(), &self.storage)
    }
}

/// A checkpoint of `pickle` and one storage.
pub fn wrapped(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    super::zip::stored(&[
        ("a/data.pkl", pickle),
        ("a/byteorder", b"little"),
        ("a/data/0", storage),
        ("a/version", b"3\n"),
    ])
}

impl Step {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Step::Plain(plain) => out.push(plain.opcode()),
            Step::Global(module, name) => global(out, module.text(), name.text()),
            Step::Text(name) => text(out, name.text()),
            Step::LongText(long) => text(out, long),
            Step::Bytes(bytes) => {
                let bytes = &bytes[..bytes.len().min(255)];
                out.extend([b'C', bytes.len() as u8]);
                out.extend(bytes);
            }
            Step::Int(value) => {
                out.push(b'J');
                out.extend(value.to_le_bytes());
            }
            Step::Byte(value) => out.extend([b'K', *value]),
            Step::Word(value) => {
                out.push(b'M');
                out.extend(value.to_le_bytes());
            }
            Step::Long(bytes) => {
                let bytes = &bytes[..bytes.len().min(255)];
                out.extend([0x8a, bytes.len() as u8]);
                out.extend(bytes);
            }
            Step::Float(value) => {
                out.push(b'G');
                out.extend(value.to_be_bytes());
            }
            Step::Put(at) => out.extend([b'q', *at]),
            Step::Get(at) => out.extend([b'h', *at]),
            Step::PutLong(at) => {
                out.push(b'r');
                out.extend(u32::from(*at).to_le_bytes());
            }
            Step::GetLong(at) => {
                out.push(b'j');
                out.extend(at.to_le_bytes());
            }
            Step::Tensor { kind, offset, shape, strides, len } => {
                text(out, "name");
                global(out, "torch._utils", "_rebuild_tensor_v2");
                out.extend(b"((");
                text(out, "storage");
                global(out, "torch", kind.text());
                text(out, "0");
                text(out, "cpu");
                out.push(b'M');
                out.extend(len.to_le_bytes());
                out.extend([b't', b'Q', b'K', *offset]);
                tuple(out, shape);
                tuple(out, strides);
                out.push(0x89);
                global(out, "collections", "OrderedDict");
                out.extend(b")RtR");
            }
            Step::Raw(byte) => out.push(*byte),
        }
    }
}

impl Plain {
    fn opcode(self) -> u8 {
        match self {
            Plain::Mark => b'(',
            Plain::Stop => b'.',
            Plain::Pop => b'0',
            Plain::PopMark => b'1',
            Plain::Dup => b'2',
            Plain::None => b'N',
            Plain::True => 0x88,
            Plain::False => 0x89,
            Plain::EmptyDict => b'}',
            Plain::EmptyList => b']',
            Plain::EmptyTuple => b')',
            Plain::EmptySet => 0x8f,
            Plain::Tuple => b't',
            Plain::Tuple1 => 0x85,
            Plain::Tuple2 => 0x86,
            Plain::Tuple3 => 0x87,
            Plain::List => b'l',
            Plain::Dict => b'd',
            Plain::SetItem => b's',
            Plain::SetItems => b'u',
            Plain::Append => b'a',
            Plain::Appends => b'e',
            Plain::AddItems => 0x90,
            Plain::Reduce => b'R',
            Plain::NewObj => 0x81,
            Plain::Build => b'b',
            Plain::PersistentId => b'Q',
            Plain::StackGlobal => 0x93,
            Plain::Memoize => 0x94,
        }
    }
}
