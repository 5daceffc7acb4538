//! What can be wrong with a weights file, one variant and one sentence for each way.
//!
//! Names that come from a file are printed quoted and escaped, so that no file can write to a terminal.

use std::io;
use std::path::{Path, PathBuf};

use super::format::{Layout, PANEL};
use super::header::{MAX_HEADER, MAX_TENSORS, VERSION};

/// A weights file that cannot be read or written: which one, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct Error {
    path: PathBuf,
    reason: Reason,
}

impl Error {
    pub(super) fn new(path: &Path, reason: Reason) -> Error {
        Error { path: path.to_owned(), reason }
    }

    /// The file; of a model compiled into the program, the name it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with it.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// What is wrong with it, for matching by value.
    pub fn into_reason(self) -> Reason {
        self.reason
    }
}

/// Why a weights file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Nothing has this name.
    #[error("no such file; check the path")]
    NotFound,
    /// A folder has this name.
    #[error("is a folder; name the .clippie file in it")]
    Folder,
    /// A device, pipe or socket has this name.
    #[error("is not a regular file, and only those can be mapped or replaced; name a .clippie file")]
    NotAFile,
    /// The system refuses to open it.
    #[error("cannot be opened ({0}); check its permissions")]
    Open(io::Error),
    /// The system fails to read it.
    #[error("cannot be read ({0}); check the disk or copy it again")]
    Read(io::Error),
    /// The system refuses to map it.
    #[error("cannot be mapped into memory ({0}); copy it to a local disk or free address space")]
    Map(io::Error),
    /// It is larger than a pointer can address.
    #[error("is {0} bytes long, more than this program can address; use a 64-bit build")]
    TooLarge(u64),

    /// It has no bytes.
    #[error("is empty; copy or convert it again")]
    Empty,
    /// It does not start like a weights file.
    #[error("is not a .clippie weights file; convert the checkpoint first with `clippie-rs convert`")]
    NotWeights,
    /// It ends before its header's length is known.
    #[error("is only {0} bytes long, less than the start of any weights file; copy or convert it again")]
    TooShort(u64),
    /// It is of a later version of the format.
    #[error(
        "made by a newer clippie-rs (format version {0}, this one reads up to {VERSION}); update clippie-rs or convert \
         the checkpoint again"
    )]
    NewerVersion(u32),
    /// It states a version that was never made.
    #[error("has format version {0}, which does not exist; copy or convert it again")]
    UnknownVersion(u32),
    /// It states an impossible length of the header.
    #[error("claims a header of {0} bytes where at most {MAX_HEADER} are allowed; copy or convert it again")]
    HeaderLength(u32),
    /// Its end is missing.
    #[error("is {found} bytes long but its header describes {described}; copy or convert it again")]
    Truncated {
        /// Bytes it has.
        found: u64,
        /// Bytes it should have.
        described: u64,
    },
    /// Something follows its end.
    #[error(
        "is {found} bytes long but its header describes {described}, so something was appended; copy or convert it \
         again"
    )]
    Trailing {
        /// Bytes it has.
        found: u64,
        /// Bytes it should have.
        described: u64,
    },
    /// Its header does not have the checksum it states.
    #[error("its header is damaged (the checksum differs); copy or convert it again")]
    HeaderDamaged,
    /// Bytes that must be zero in this version are not.
    #[error("uses reserved bytes of the header; update clippie-rs or convert the checkpoint again")]
    Reserved,
    /// Its header is not the JSON that this version writes.
    #[error("its header cannot be understood ({0}); convert the checkpoint again")]
    Header(String),
    /// Its tensor table breaks a rule of the format.
    #[error("{0}; convert the checkpoint again")]
    Table(Fault),
    /// Bytes compiled into the program do not start at a multiple of 64.
    #[error("lies at an unaligned address; wrap the bytes of `include_bytes!` in `weights::Aligned`")]
    StaticAlignment,

    /// It lacks a tensor that the model needs.
    #[error("has no tensor {0:?}; convert the checkpoint again with this version of clippie-rs")]
    NoTensor(String),
    /// A tensor is not what the model needs.
    #[error(
        "tensor {name:?} is {found} but the model needs {wanted}; convert the checkpoint again with this version of \
         clippie-rs"
    )]
    TensorMismatch {
        /// The tensor.
        name: String,
        /// Element type, layout and shape in the file.
        found: String,
        /// Element type, layout and shape asked for.
        wanted: String,
    },
    /// Its length changed after it was opened.
    #[error("changed from {described} to {found} bytes while it was open; close it and open it again")]
    Changed {
        /// Bytes it has now.
        found: u64,
        /// Bytes it had when it was opened.
        described: u64,
    },

    /// Writing fails.
    #[error("cannot be written ({0}); check the folder, its permissions and the space left")]
    Write(io::Error),
    /// The complete file cannot take its name.
    #[error("cannot be put in place ({0}); close programs that have it open and check the folder's permissions")]
    Replace(io::Error),
    /// The tensors that shall be written break a rule of the format.
    #[error("cannot be written: {0}; this is a fault of the program that converts")]
    Unwritable(Fault),
}

/// A rule of the format that a table of tensors breaks.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// No tensor at all, or more than the format allows.
    #[error("it has {0} tensors where 1 to {MAX_TENSORS} are allowed")]
    Count(usize),
    /// A name is empty, too long or not printable.
    #[error("the tensor name {0:?} is not 1 to 256 printable ASCII characters")]
    Name(String),
    /// Two tensors have one name.
    #[error("two tensors have the name {0:?}")]
    Duplicate(String),
    /// An unknown element type.
    #[error("tensor {name:?} has the unknown element type {dtype:?}")]
    Dtype {
        /// The tensor.
        name: String,
        /// Its element type.
        dtype: String,
    },
    /// An unknown layout.
    #[error("tensor {name:?} has the unknown layout {layout:?}")]
    Layout {
        /// The tensor.
        name: String,
        /// Its layout.
        layout: String,
    },
    /// An unknown tower.
    #[error("tensor {name:?} belongs to the unknown tower {tower:?}")]
    Tower {
        /// The tensor.
        name: String,
        /// Its tower.
        tower: String,
    },
    /// The image tower does not come before the text tower, or a tower is not in one piece.
    #[error("tensor {0:?} of the image tower comes after the text tower")]
    TowerOrder(String),
    /// The shape cannot have this layout or is too large.
    #[error("tensor {name:?} has the shape {shape}, which cannot be stored as {}", layout.name())]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: String,
        /// Its layout.
        layout: Layout,
    },
    /// The stated bytes are not what the shape takes.
    #[error("tensor {name:?} takes {wanted} bytes but {found} are stated")]
    Length {
        /// The tensor.
        name: String,
        /// Bytes by layout and shape.
        wanted: u64,
        /// Bytes by the table.
        found: u64,
    },
    /// A tensor does not start at a multiple of 64 bytes.
    #[error("tensor {name:?} starts at the unaligned offset {offset}")]
    Misaligned {
        /// The tensor.
        name: String,
        /// Its offset.
        offset: u64,
    },
    /// The first tensor of a tower does not start at a multiple of 65536 bytes.
    #[error("tensor {name:?} opens a tower at the offset {offset}, which is not a multiple of 65536")]
    TowerMisaligned {
        /// The tensor.
        name: String,
        /// Its offset.
        offset: u64,
    },
    /// A tensor starts before the one before it in the table ends.
    #[error("tensor {name:?} starts at {offset}, before the tensor in front of it ends")]
    Overlap {
        /// The tensor.
        name: String,
        /// Its offset.
        offset: u64,
    },
    /// A tensor starts later than its alignment asks for.
    #[error("tensor {name:?} starts at {found} where {wanted} was due")]
    Gap {
        /// The tensor.
        name: String,
        /// The lowest offset that the tensors before it leave.
        wanted: u64,
        /// Its offset.
        found: u64,
    },
    /// A tensor does not end inside the file.
    #[error("tensor {0:?} reaches past the end of the file")]
    OutOfFile(String),
    /// The file goes on after its last tensor.
    #[error("the last tensor ends at byte {end} but the header describes {described} bytes")]
    FileLength {
        /// Where the last tensor ends in the file.
        end: u64,
        /// Length of the file by its header.
        described: u64,
    },
    /// A checksum is not 64 lower-case hexadecimal digits.
    #[error("the checksum of tensor {0:?} is not 64 hexadecimal digits")]
    Checksum(String),
    /// The header would be longer than the format allows.
    #[error("the header takes {0} bytes where {MAX_HEADER} are allowed")]
    HeaderTooLong(usize),
    /// A description does not read back as it was given: it is nested too deeply or holds numbers JSON cannot hold.
    #[error("the descriptions do not survive JSON")]
    Unstable,
    /// A tensor is written out of turn.
    #[error("tensor {found:?} was given where {} was due", wanted.as_ref().map_or("none".into(), |n| format!("{n:?}")))]
    Turn {
        /// The tensor given.
        found: String,
        /// The one due, if any is left.
        wanted: Option<String>,
    },
    /// A tensor is written with the wrong number of elements.
    #[error("tensor {name:?} takes {wanted} elements but {found} were given")]
    Elements {
        /// The tensor.
        name: String,
        /// Elements by layout and shape.
        wanted: usize,
        /// Elements given.
        found: usize,
    },
    /// A tensor of halves is written with values that are none.
    #[error("tensor {0:?} is to be stored as f16 but has values that f16 cannot hold; store it as f32")]
    NotHalves(String),
    /// The columns that fill the last panel are not zero.
    #[error("the last panel of tensor {0:?} is not filled up to {PANEL} columns with zeros")]
    PanelPadding(String),
    /// The file is finished before every tensor was written.
    #[error("tensor {0:?} was never written")]
    Missing(String),
}
