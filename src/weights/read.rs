//! Opens weights files and hands out their tensors.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::error::{Error, Reason};
use super::format::{Dtype, Layout, Precision, TOKENIZER, Tower};
use super::hash;
use super::header::{Header, PRELUDE, Prelude, TensorEntry};
use super::in_use::Use;
use super::map::{Map, ReadAt};
use super::stamp::Stamp;
use super::view::{Element, Rows, TableView, TensorView};
use crate::files::{NotRegular, open_regular};

/// The forms of lookup tables.
const TABLES: [(Dtype, Layout); 3] =
    [(Dtype::F32, Layout::Rows), (Dtype::F16, Layout::Rows), (Dtype::I8, Layout::ScaledRows)];

/// An open weights file: header in memory, tensors mapped.
///
/// Cheap to clone; clones share the map.
#[derive(Clone)]
pub struct WeightsFile(Arc<Inner>);

struct Inner {
    path: PathBuf,
    header: Header,
    /// Length of prelude and JSON in bytes.
    head_len: usize,
    /// Positions in `header.tensors` by name.
    index: HashMap<String, usize>,
    map: Arc<Map>,
    image: Use,
    text: Use,
    content_hash: OnceLock<String>,
}

impl WeightsFile {
    /// Opens and maps the file at `path`. Reads the header only; tensors are read from disk when first touched.
    ///
    /// No program should change the file in place or truncate it while it is open. Encoding notices such a change and
    /// fails with [`Reason::Altered`] or [`Reason::Changed`]. But the system ends a process that touches a page past the
    /// end of its file; see [`guard_mapped_files`](super::guard_mapped_files) and [`WeightsFile::to_memory`]. Replacing
    /// the file by renaming another over it, as the converter does, and removing it are safe: this map keeps the old
    /// file.
    ///
    /// # Errors
    /// Names the file and the reason, see [`Reason`]. No file content causes a panic.
    pub fn open(path: &Path) -> Result<WeightsFile, Error> {
        let file = open_file(path).map_err(|error| Error::new(path, open_reason(error)))?;
        WeightsFile::of_file(file, path)
    }

    /// Maps an open file, as [`WeightsFile::open`] does.
    pub(super) fn of_file(mut file: File, path: &Path) -> Result<WeightsFile, Error> {
        let map_file = || -> Result<((Header, usize), Map), Reason> {
            let stamp = Stamp::of(&file).map_err(Reason::Read)?;
            // Read into memory, not checked through the map: the header cannot change after its check.
            let header = read_header(&mut file, stamp.len)?;
            let mapped = usize::try_from(stamp.len).map_err(|_| Reason::TooLarge(stamp.len))?;
            let map = Map::file(file, mapped, stamp).map_err(Reason::Map)?;
            Ok((header, map))
        };
        let (header, map) = map_file().map_err(|reason| Error::new(path, reason))?;
        Ok(WeightsFile::new(path, header, map))
    }

    /// Opens a whole file that is compiled into the program, aligned by [`Aligned`](super::Aligned). `name` replaces
    /// the path in messages.
    ///
    /// # Errors
    /// As [`WeightsFile::open`].
    pub fn from_static(bytes: &'static [u8], name: &str) -> Result<WeightsFile, Error> {
        let path = Path::new(name);
        let check = || -> Result<((Header, usize), Map), Reason> {
            let header = read_header(&mut &*bytes, bytes.len() as u64)?;
            let map = Map::from_static(bytes).ok_or(Reason::StaticAlignment)?;
            Ok((header, map))
        };
        let (header, map) = check().map_err(|reason| Error::new(path, reason))?;
        Ok(WeightsFile::new(path, header, map))
    }

    /// Opens a whole file held in memory, for weights from a database, an archive or the network. `name` replaces
    /// the path in messages.
    ///
    /// Copies the bytes once to an aligned buffer, then drops `bytes`. Prefer [`WeightsFile::open`] where there is a
    /// file: a map shares its memory with other processes and releases it on demand.
    ///
    /// # Errors
    /// As [`WeightsFile::open`].
    pub fn from_bytes(bytes: Vec<u8>, name: &str) -> Result<WeightsFile, Error> {
        let path = Path::new(name);
        let copy = || -> Result<((Header, usize), Map), Reason> {
            let header = read_header(&mut bytes.as_slice(), bytes.len() as u64)?;
            let map = Map::read(&mut bytes.as_slice(), bytes.len()).map_err(Reason::Read)?;
            Ok((header, map.ok_or(Reason::Memory(bytes.len() as u64))?))
        };
        let (header, map) = copy().map_err(|reason| Error::new(path, reason))?;
        Ok(WeightsFile::new(path, header, map))
    }

    /// Copies the file to memory and verifies every tensor of the copy. Whatever then happens to the file or its disk
    /// does not matter, but the memory is this process's alone, and it takes as long as reading the file. Bytes that
    /// are in memory already are not copied.
    ///
    /// # Errors
    /// If the file changed since it was opened, cannot be read, or has a damaged tensor, and if there is no memory for
    /// it ([`Reason::Memory`]).
    pub fn to_memory(&self) -> Result<WeightsFile, Error> {
        let Some(file) = self.map().as_file() else { return Ok(self.clone()) };
        let described = self.file_len();
        let copy = || -> Result<WeightsFile, Reason> {
            let map =
                Map::read(&mut ReadAt { file, at: 0 }, described as usize).map_err(|error| match Stamp::of(file) {
                    Ok(stamp) if stamp.len != described => Reason::Changed { found: stamp.len, described },
                    _ => Reason::Read(error),
                })?;
            let map = map.ok_or(Reason::Memory(described))?;
            let header = read_header(&mut map.bytes(), described)?;
            if header.0 != *self.header() {
                return Err(Reason::Altered);
            }
            Ok(WeightsFile::new(self.path(), header, map))
        };
        let copy = copy().map_err(|reason| self.error(reason))?;
        match copy.verify()?.damaged.into_iter().next() {
            Some(tensor) => Err(self.error(Reason::Damaged(tensor))),
            None => Ok(copy),
        }
    }

    fn new(path: &Path, (header, head_len): (Header, usize), map: Map) -> WeightsFile {
        let index = header.tensors.iter().enumerate().map(|(at, entry)| (entry.spec.name.clone(), at)).collect();
        let content_hash = OnceLock::new();
        let (path, map) = (path.to_owned(), Arc::new(map));
        let (image, text) = (Use::default(), Use::default());
        WeightsFile(Arc::new(Inner { path, header, head_len, index, map, image, text, content_hash }))
    }

    /// The header: model, preprocessing, tokenizer, provenance and tensor table.
    pub fn header(&self) -> &Header {
        &self.0.header
    }

    /// The path that was opened, or the name given to bytes.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The file that is mapped; `None` for bytes.
    #[cfg(feature = "library")]
    pub(crate) fn mapped_file(&self) -> Option<&Path> {
        self.map().as_file().map(|_| self.path())
    }

    /// The name of the model: its published one if it has one, with the precision if that is not `f32` (`:f16`, `:int8`), else
    /// the file's without its ending.
    pub fn model_name(&self) -> String {
        match (self.header().meta.provenance.model_name.clone(), self.header().precision()) {
            (Some(name), Precision::F32) => name,
            (Some(name), precision) => format!("{name}:{}", precision.name()),
            (None, _) => self.path().file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        }
    }

    /// Length of the file in bytes.
    pub fn file_len(&self) -> u64 {
        self.map().bytes().len() as u64
    }

    /// Names of the tensors in file order.
    pub fn tensor_names(&self) -> impl Iterator<Item = &str> {
        self.header().tensors.iter().map(|entry| entry.spec.name.as_str())
    }

    /// The `f32` tensor `name`, which must have this layout and shape (without padding).
    ///
    /// # Errors
    /// [`Reason::NoTensor`] and [`Reason::TensorMismatch`], which name the tensor, what the model needs and what the
    /// file has.
    #[doc(hidden)]
    pub fn tensor(&self, name: &str, layout: Layout, shape: &[usize]) -> Result<TensorView, Error> {
        self.tensor_of::<f32>(name, layout, shape)
    }

    /// The tensor `name`, which must have elements `T`, this layout and this shape (without padding).
    ///
    /// # Errors
    /// As [`WeightsFile::tensor`].
    #[doc(hidden)]
    pub fn tensor_of<T: Element>(&self, name: &str, layout: Layout, shape: &[usize]) -> Result<TensorView<T>, Error> {
        let entry = self.entry(name, &[(T::DTYPE, layout)], shape)?;
        Ok(TensorView::new(&self.0.map, range(entry)))
    }

    /// The element type of the tensor `name`; `None` if there is none.
    pub(crate) fn dtype(&self, name: &str) -> Option<Dtype> {
        self.find(name).map(|entry| entry.spec.dtype)
    }

    /// The lookup table `name` of this shape, with rows of any element type that tables may have.
    ///
    /// # Errors
    /// As [`WeightsFile::tensor`].
    #[doc(hidden)]
    pub fn table(&self, name: &str, rows: usize, width: usize) -> Result<TableView, Error> {
        let entry = self.entry(name, &TABLES, &[rows, width])?;
        let (map, range) = (&self.0.map, range(entry));
        let rows = match entry.spec.dtype {
            Dtype::F32 => Rows::F32(TensorView::new(map, range)),
            Dtype::F16 => Rows::F16(TensorView::new(map, range)),
            Dtype::I8 => Rows::I8(TensorView::new(map, range)),
            // `entry` has refused it.
            Dtype::U32 => return Err(self.error(Reason::NoTensor(name.into()))),
        };
        Ok(TableView::new(rows, width))
    }

    /// The words of the tokenizer that the file holds.
    ///
    /// # Errors
    /// [`Reason::NoTensor`] if it holds none, [`Reason::TensorMismatch`] if the tensor of that name is something else.
    #[doc(hidden)]
    pub fn tokenizer(&self) -> Result<TensorView<u32>, Error> {
        let words = self.find(TOKENIZER).and_then(|entry| entry.spec.shape.first()).copied().unwrap_or(0);
        self.tensor_of(TOKENIZER, Layout::Rows, &[words])
    }

    /// Refuses a file with a tensor that is not in `names`: a model with unknown parts must not run without them.
    ///
    /// # Errors
    /// [`Reason::UnknownTensor`] for the first such tensor in file order.
    #[doc(hidden)]
    pub fn refuse_others<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
        let names: HashSet<&str> = names.into_iter().collect();
        match self.tensor_names().find(|name| !names.contains(name)) {
            Some(name) => Err(self.error(Reason::UnknownTensor(name.into()))),
            None => Ok(()),
        }
    }

    /// The tensor `name`.
    pub(super) fn find(&self, name: &str) -> Option<&TensorEntry> {
        self.0.index.get(name).and_then(|&at| self.header().tensors.get(at))
    }

    /// The tensor `name` in one of `forms`, with this shape.
    fn entry(&self, name: &str, forms: &[(Dtype, Layout)], shape: &[usize]) -> Result<&TensorEntry, Error> {
        let Some(entry) = self.find(name) else { return Err(self.error(Reason::NoTensor(name.into()))) };
        let spec = &entry.spec;
        if !forms.contains(&(spec.dtype, spec.layout)) || spec.shape != shape {
            let form = |(dtype, layout): &(Dtype, Layout)| format!("{} {}", dtype.name(), layout.name());
            let wanted = forms.iter().map(form).collect::<Vec<_>>().join(" or ");
            return Err(self.error(Reason::TensorMismatch {
                name: name.into(),
                found: format!("{} {} {:?}", spec.dtype.name(), spec.layout.name(), spec.shape),
                wanted: format!("{wanted} {shape:?}"),
            }));
        }
        Ok(entry)
    }

    /// Identity of the weights: lower-case hex SHA-256 over the model configuration and every tensor, independent of
    /// provenance and of the order in the file. Computed only from the header.
    pub fn content_hash(&self) -> &str {
        self.0.content_hash.get_or_init(|| hash::content(self.header()))
    }

    /// Identifies the checkpoint that the file was made from and the model's configuration, and so the model whatever its
    /// precision: 64 hexadecimal digits. What the header states of the checkpoint is not verified.
    #[must_use]
    pub fn origin_hash(&self) -> String {
        hash::origin(self.header())
    }

    /// Releases the memory of touched tensors, for a process that goes idle.
    ///
    /// The file stays usable: pages that are touched again come from the page cache or the disk. No effect on
    /// compiled-in or owned bytes, and on systems without such a request.
    pub fn release_pages(&self) {
        self.map().release();
    }

    /// Length of prelude and JSON in bytes; the first padding starts here.
    pub(super) fn head_len(&self) -> usize {
        self.0.head_len
    }

    pub(super) fn map(&self) -> &Map {
        &self.0.map
    }

    pub(super) fn in_use(&self, tower: Tower) -> &Use {
        match tower {
            Tower::Image => &self.0.image,
            Tower::Text => &self.0.text,
        }
    }

    pub(crate) fn error(&self, reason: Reason) -> Error {
        Error::new(self.path(), reason)
    }
}

impl std::fmt::Debug for WeightsFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WeightsFile").field("path", &self.0.path).finish_non_exhaustive()
    }
}

/// Reads and checks the header of a file of `len` bytes; also returns the offset of its end.
pub(super) fn read_header(file: &mut impl Read, len: u64) -> Result<(Header, usize), Reason> {
    let head = read_up_to(file, PRELUDE)?;
    let prelude = Prelude::decode(&head, len)?;
    let json = read_up_to(file, prelude.header_len)?;
    prelude.check(&json, len)?;
    Ok((Header::decode(&prelude, &json)?, PRELUDE + json.len()))
}

/// Reads the next `len` bytes, fewer at the end of the file.
fn read_up_to(file: &mut impl Read, len: usize) -> Result<Vec<u8>, Reason> {
    let mut bytes = Vec::with_capacity(len);
    file.take(len as u64).read_to_end(&mut bytes).map_err(Reason::Read)?;
    Ok(bytes)
}

/// Opens a file for reading.
#[cfg(not(windows))]
fn open_file(path: &Path) -> io::Result<File> {
    open_regular(path)
}

/// Opens a file for reading. While it is open, no other program can open it for writing.
#[cfg(windows)]
fn open_file(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    const FILE_SHARE_READ: u32 = 1;
    const FILE_SHARE_DELETE: u32 = 4;
    open_regular(path)?;
    std::fs::OpenOptions::new().read(true).share_mode(FILE_SHARE_READ | FILE_SHARE_DELETE).open(path)
}

fn open_reason(error: io::Error) -> Reason {
    match NotRegular::of(&error) {
        Some(NotRegular::Folder) => Reason::Folder,
        Some(_) => Reason::NotAFile,
        None if error.kind() == io::ErrorKind::NotFound => Reason::NotFound,
        None => Reason::Open(error),
    }
}

/// The bytes of a tensor in the map. The header checks have placed them inside it, so both ends fit a `usize`.
pub(super) fn range(entry: &TensorEntry) -> Range<usize> {
    entry.bytes.start as usize..entry.bytes.end as usize
}
