//! Errors of weights files: one variant and one sentence for each cause.
//!
//! Names from a file are printed quoted and escaped, so no file can send control characters to a terminal.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::format::{Dtype, Layout, PANEL};
use super::header::{MAX_HEADER, MAX_TENSORS, VERSION};

/// A weights file that cannot be read or written: its path and the reason.
#[derive(Debug)]
pub struct Error {
    path: PathBuf,
    reason: Reason,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for Error {
    /// The system's error. The message contains the reason.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.reason.source()
    }
}

impl Error {
    pub(super) fn new(path: &Path, reason: Reason) -> Error {
        Error { path: path.to_owned(), reason }
    }

    /// The path of the file, or the name given to bytes.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The reason.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// The reason, for matching by value.
    pub fn into_reason(self) -> Reason {
        self.reason
    }
}

/// Why a weights file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The path does not exist.
    #[error("no such file; check the path")]
    NotFound,
    /// The path is a folder.
    #[error("is a folder; name the .clippie file in it, or convert the checkpoint in it with `clippie-rs convert`")]
    Folder,
    /// The path is a device, pipe or socket.
    #[error("is not a regular file, and only those can be mapped or replaced; name a .clippie file")]
    NotAFile,
    /// The system cannot open the file.
    #[error("cannot be opened ({0}); check its permissions")]
    Open(#[source] io::Error),
    /// The system cannot read the file.
    #[error("cannot be read ({0}); check the disk or copy it again")]
    Read(#[source] io::Error),
    /// The system cannot map the file.
    #[error("cannot be mapped into memory ({0}); copy it to a local disk or free address space")]
    Map(#[source] io::Error),
    /// The file is larger than the address space.
    #[error("is {0} bytes long, more than this program can address; use a 64-bit build")]
    TooLarge(u64),

    /// The file has no bytes.
    #[error("is empty; copy or convert it again")]
    Empty,
    /// The file does not start with the magic bytes.
    #[error("is not a .clippie weights file; convert the checkpoint first with `clippie-rs convert`")]
    NotWeights,
    /// The file ends inside the prelude.
    #[error("is only {0} bytes long, less than the start of any weights file; copy or convert it again")]
    TooShort(u64),
    /// The file has a later format version.
    #[error(
        "made by a newer clippie-rs (format version {0}, this one reads up to {VERSION}); update clippie-rs or convert \
         the checkpoint again"
    )]
    NewerVersion(u32),
    /// The file states a format version that does not exist.
    #[error("has format version {0}, which does not exist; copy or convert it again")]
    UnknownVersion(u32),
    /// The file states an impossible header length.
    #[error("claims a header of {0} bytes where at most {MAX_HEADER} are allowed; copy or convert it again")]
    HeaderLength(u32),
    /// The file is truncated.
    #[error("is {found} bytes long but its header describes {described}; copy or convert it again")]
    Truncated {
        /// Length of the file in bytes.
        found: u64,
        /// Length by its header.
        described: u64,
    },
    /// The file is longer than its header states.
    #[error(
        "is {found} bytes long but its header describes {described}, so something was appended; copy or convert it \
         again"
    )]
    Trailing {
        /// Length of the file in bytes.
        found: u64,
        /// Length by its header.
        described: u64,
    },
    /// The checksum of the header differs.
    #[error("its header is damaged (the checksum differs); copy or convert it again")]
    HeaderDamaged,
    /// Reserved bytes are not zero.
    #[error("uses reserved bytes of the header; update clippie-rs or convert the checkpoint again")]
    Reserved,
    /// The header is not the JSON that this version writes.
    #[error("its header cannot be understood ({0}); convert the checkpoint again")]
    Header(String),
    /// The tensor table breaks a rule of the format.
    #[error("{0}; convert the checkpoint again")]
    Table(Fault),
    /// Compiled-in bytes do not start at a multiple of 64.
    #[error("lies at an unaligned address; wrap the bytes of `include_bytes!` in `weights::Aligned`")]
    StaticAlignment,

    /// A tensor that the model needs is missing.
    #[error("has no tensor {0:?}; convert the checkpoint again with this version of clippie-rs")]
    NoTensor(String),
    /// The file has a tensor that the model does not use.
    #[error(
        "has the tensor {0:?}, which its model does not use; convert the checkpoint again with this version of \
         clippie-rs"
    )]
    UnknownTensor(String),
    /// A tensor has another element type, layout or shape than the model needs.
    #[error(
        "tensor {name:?} is {found} but the model needs {wanted}; convert the checkpoint again with this version of \
         clippie-rs"
    )]
    TensorMismatch {
        /// The tensor.
        name: String,
        /// Element type, layout and shape in the file.
        found: String,
        /// Element type, layout and shape that the model needs.
        wanted: String,
    },
    /// A tensor that is about to be used is not the one that was written. Not every tensor is looked at before use;
    /// [`WeightsFile::verify`](super::WeightsFile::verify) looks at all.
    #[error(
        "its tensor {0:?} is damaged or was never written; copy it again, or make it anew with `clippie-rs convert \
         --force` or `clippie-rs pull --force`"
    )]
    Damaged(String),
    /// Another program wrote to the file while it was open.
    #[error("was changed by another program while it was in use; put the right file in its place and open it again")]
    Altered,
    /// A part of the file could not be read while it was in use.
    #[error(
        "was cut short or could not be read from its disk while it was in use; put the right file in its place and \
         open it again"
    )]
    Lost,
    /// There is no memory for a copy of the file.
    #[error("takes {0} bytes of memory, which the system does not give; map the file instead or free memory")]
    Memory(u64),
    /// The length of the file changed after it was opened.
    #[error(
        "changed from {described} to {found} bytes while it was open; put the right file in its place and open it \
         again"
    )]
    Changed {
        /// Current length in bytes.
        found: u64,
        /// Length when it was opened.
        described: u64,
    },

    /// The folder of the file to write does not exist.
    #[error("cannot be written: the folder {} does not exist; create it first", .0.display())]
    NoFolder(PathBuf),
    /// The system cannot write the file.
    #[error("cannot be written ({0}); check the folder, its permissions and the space left")]
    Write(#[source] io::Error),
    /// The finished file does not read back as it was written.
    #[error("cannot be written: {0} does not read back as it was written; check the disk or name another one")]
    ReadBack(String),
    /// The finished file cannot be renamed to its final name.
    #[error("cannot be put in place ({0}); {remedy}", remedy = place_remedy(.0))]
    Replace(#[source] io::Error),
    /// The tensors to write break a rule of the format.
    #[error("cannot be written: {0}; this is a fault of the program that converts")]
    Unwritable(Fault),
}

/// What helps where a file cannot be renamed to its final name.
fn place_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ResourceBusy | io::ErrorKind::CrossesDevices => {
            "it is a mount point, as of a file in a container, and cannot be replaced; mount its folder instead"
        }
        _ => "close programs that have it open and check the folder's permissions",
    }
}

/// A broken rule of the tensor table.
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
    /// The element type is unknown.
    #[error("tensor {name:?} has the unknown element type {dtype:?}")]
    Dtype {
        /// The tensor.
        name: String,
        /// Its element type.
        dtype: String,
    },
    /// No engine exists for this element type in this layout.
    #[error("tensor {name:?} is {} in the layout {}, which this version cannot run", dtype.name(), layout.name())]
    Unsupported {
        /// The tensor.
        name: String,
        /// Its element type.
        dtype: Dtype,
        /// Its layout.
        layout: Layout,
    },
    /// The layout is unknown.
    #[error("tensor {name:?} has the unknown layout {layout:?}")]
    Layout {
        /// The tensor.
        name: String,
        /// Its layout.
        layout: String,
    },
    /// The tower is unknown.
    #[error("tensor {name:?} belongs to the unknown tower {tower:?}")]
    Tower {
        /// The tensor.
        name: String,
        /// Its tower.
        tower: String,
    },
    /// The image tower does not come first, or a tower is not contiguous.
    #[error("tensor {0:?} of the image tower comes after the text tower")]
    TowerOrder(String),
    /// The layout cannot store the shape, or the shape is too large.
    #[error("tensor {name:?} has the shape {shape}, which cannot be stored as {}", layout.name())]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: String,
        /// Its layout.
        layout: Layout,
    },
    /// The stated length differs from that of the shape.
    #[error("tensor {name:?} takes {wanted} bytes but {found} are stated")]
    Length {
        /// The tensor.
        name: String,
        /// Length in bytes by layout and shape.
        wanted: u64,
        /// Length in bytes by the table.
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
    /// A tensor starts before the previous one ends.
    #[error("tensor {name:?} starts at {offset}, before the tensor in front of it ends")]
    Overlap {
        /// The tensor.
        name: String,
        /// Its offset.
        offset: u64,
    },
    /// A tensor starts later than the next aligned offset.
    #[error("tensor {name:?} starts at {found} where {wanted} was due")]
    Gap {
        /// The tensor.
        name: String,
        /// The only valid offset: the lowest aligned one after the previous tensor.
        wanted: u64,
        /// Its offset.
        found: u64,
    },
    /// A tensor ends outside the file.
    #[error("tensor {0:?} reaches past the end of the file")]
    OutOfFile(String),
    /// The file does not end with its last tensor.
    #[error("the last tensor ends at byte {end} but the header describes {described} bytes")]
    FileLength {
        /// Offset of the end of the last tensor.
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
    /// A section does not survive a round trip: it is nested too deeply or has numbers that JSON cannot hold.
    #[error("the descriptions do not survive JSON")]
    Unstable,
    /// Tensors are written in another order than declared.
    #[error("tensor {found:?} was given where {} was due", wanted.as_ref().map_or("none".into(), |n| format!("{n:?}")))]
    OutOfOrder {
        /// The tensor given.
        found: String,
        /// The next declared tensor, if any is left.
        wanted: Option<String>,
    },
    /// A tensor is written with the wrong number of elements.
    #[error("tensor {name:?} takes {wanted} elements but {found} were given")]
    Elements {
        /// The tensor.
        name: String,
        /// Number of elements by layout and shape.
        wanted: usize,
        /// Number of elements given.
        found: usize,
    },
    /// An `f16` tensor is written with values that `f16` cannot hold.
    #[error("tensor {0:?} is to be stored as f16 but has values that f16 cannot hold; store it as f32")]
    NotHalves(String),
    /// An `i8` tensor is written with a scale or an integer that no row has.
    #[error("tensor {0:?} is to be stored as i8 but has a scale or an integer that no row may have")]
    NotScaledRows(String),
    /// A tensor in quads is written with an integer that no matrix has, or with padding that is not zero.
    #[error("tensor {0:?} is to be stored in quads but has the integer -128 or padding that is not zero")]
    NotQuads(String),
    /// Elements of one type are written to a tensor of another.
    #[error("tensor {0:?} is written with elements of another type than it is to have")]
    OtherElements(String),
    /// The padding of the last panel is not zero.
    #[error("the last panel of tensor {0:?} is not filled up to {PANEL} columns with zeros")]
    PanelPadding(String),
    /// The file is finished before all tensors are written.
    #[error("tensor {0:?} was never written")]
    Missing(String),
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn the_source_is_the_system_error() {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        for reason in [Reason::Open(denied()), Reason::Read(denied()), Reason::Map(denied()), Reason::Write(denied())] {
            let error = Error::new(Path::new("a.clippie"), reason);
            let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
            assert_eq!(source.map(io::Error::kind), Some(io::ErrorKind::PermissionDenied));
        }
        assert!(Error::new(Path::new("a.clippie"), Reason::NotWeights).source().is_none());
    }

    #[test]
    fn the_remedy_at_the_final_name_fits_the_cause() {
        let message = |kind: io::ErrorKind| Reason::Replace(kind.into()).to_string();
        for kind in [io::ErrorKind::ResourceBusy, io::ErrorKind::CrossesDevices] {
            assert!(message(kind).ends_with("cannot be replaced; mount its folder instead"), "{}", message(kind));
        }
        let denied = message(io::ErrorKind::PermissionDenied);
        assert!(denied.ends_with("; close programs that have it open and check the folder's permissions"), "{denied}");
    }
}
