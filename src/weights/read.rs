//! Opening a weights file and handing out its tensors.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use half::f16;

use super::error::{Error, Reason};
use super::format::{Dtype, Layout};
use super::hash;
use super::header::{Header, PRELUDE, Prelude, TensorEntry};
use super::map::Map;

/// An opened weights file: its header in memory, its tensors mapped.
///
/// Clones share the map, which lasts until the last clone and the last [`TensorView`] are gone.
#[derive(Clone)]
pub struct WeightsFile(Arc<Inner>);

struct Inner {
    path: PathBuf,
    header: Header,
    /// Bytes of prelude and JSON.
    head_len: usize,
    /// Positions in `header.tensors` by name.
    index: HashMap<String, usize>,
    map: Arc<Map>,
    content_hash: OnceLock<String>,
}

impl WeightsFile {
    /// Opens and maps the file at `path`. Only the header is read; tensors come from disk when they are touched.
    ///
    /// While it is open, the file must not be changed in place or cut short by any program: numbers would change
    /// under way, and the system ends a process that touches a mapped page past the end of its file. Replacing it
    /// by renaming another file over it, as [`Writer`](super::Writer) does, is safe: this map keeps the old one.
    ///
    /// # Errors
    /// Names the file and what is wrong with it, see [`Reason`]. Whatever its bytes are, this returns.
    pub fn open(path: &Path) -> Result<WeightsFile, Error> {
        let map_file = || -> Result<((Header, usize), Map), Reason> {
            // Asked before opening, which would wait for the other end of a pipe.
            let kind = std::fs::metadata(path).map_err(open_reason)?;
            if kind.is_dir() {
                return Err(Reason::Folder);
            }
            if !kind.is_file() {
                return Err(Reason::NotAFile);
            }
            let mut file = File::open(path).map_err(open_reason)?;
            let len = file.metadata().map_err(Reason::Read)?.len();
            // Read, not taken from the map: what is checked cannot change any more, and stays out of the map.
            let header = read_header(&mut file, len)?;
            let mapped = usize::try_from(len).map_err(|_| Reason::TooLarge(len))?;
            let map = Map::file(file, mapped).map_err(Reason::Map)?;
            Ok((header, map))
        };
        let (header, map) = map_file().map_err(|reason| Error::new(path, reason))?;
        Ok(WeightsFile::new(path, header, map))
    }

    /// Takes a whole file that is compiled into the program, aligned by [`Aligned`](super::Aligned); `name` stands
    /// for its path in messages.
    ///
    /// # Errors
    /// As [`WeightsFile::open`].
    pub fn from_static(bytes: &'static [u8], name: &str) -> Result<WeightsFile, Error> {
        let path = Path::new(name);
        let check = || -> Result<((Header, usize), Map), Reason> {
            let header = read_header(&mut &*bytes, bytes.len() as u64)?;
            let map = Map::of_static(bytes).ok_or(Reason::StaticAlignment)?;
            Ok((header, map))
        };
        let (header, map) = check().map_err(|reason| Error::new(path, reason))?;
        Ok(WeightsFile::new(path, header, map))
    }

    /// Takes the bytes of a whole file, copied once to aligned addresses; `name` stands for its path in messages.
    ///
    /// # Errors
    /// As [`WeightsFile::open`].
    pub fn from_bytes(bytes: Vec<u8>, name: &str) -> Result<WeightsFile, Error> {
        let path = Path::new(name);
        let header = read_header(&mut &*bytes, bytes.len() as u64).map_err(|reason| Error::new(path, reason))?;
        Ok(WeightsFile::new(path, header, Map::owned(&bytes)))
    }

    fn new(path: &Path, (header, head_len): (Header, usize), map: Map) -> WeightsFile {
        let index = header.tensors.iter().enumerate().map(|(at, entry)| (entry.spec.name.clone(), at)).collect();
        let content_hash = OnceLock::new();
        let map = Arc::new(map);
        WeightsFile(Arc::new(Inner { path: path.to_owned(), header, head_len, index, map, content_hash }))
    }

    /// What the file says about itself.
    pub fn header(&self) -> &Header {
        &self.0.header
    }

    /// Where the file was opened; of compiled-in weights, the name they were given.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Bytes of the whole file.
    pub fn file_len(&self) -> u64 {
        self.map().bytes().len() as u64
    }

    /// The names of the tensors in the order of the file.
    pub fn tensor_names(&self) -> impl Iterator<Item = &str> {
        self.header().tensors.iter().map(|entry| entry.spec.name.as_str())
    }

    /// The `f32` tensor `name`, which must have this layout and shape (without padding).
    ///
    /// # Errors
    /// [`Reason::NoTensor`] and [`Reason::TensorMismatch`], which say what was asked for and what the file has.
    pub fn tensor(&self, name: &str, layout: Layout, shape: &[usize]) -> Result<TensorView, Error> {
        let entry = self.entry(name, &[Dtype::F32], layout, shape)?;
        Ok(TensorView { map: Arc::clone(&self.0.map), range: range(entry) })
    }

    /// The lookup table `name` of this shape, rows of either element type.
    ///
    /// # Errors
    /// As [`WeightsFile::tensor`].
    pub fn table(&self, name: &str, rows: usize, width: usize) -> Result<TableView, Error> {
        let entry = self.entry(name, &[Dtype::F32, Dtype::F16], Layout::Rows, &[rows, width])?;
        Ok(TableView { map: Arc::clone(&self.0.map), range: range(entry), dtype: entry.spec.dtype, width })
    }

    fn entry(&self, name: &str, dtypes: &[Dtype], layout: Layout, shape: &[usize]) -> Result<&TensorEntry, Error> {
        let entry = self.0.index.get(name).and_then(|&at| self.header().tensors.get(at));
        let Some(entry) = entry else { return Err(self.error(Reason::NoTensor(name.into()))) };
        let spec = &entry.spec;
        if !dtypes.contains(&spec.dtype) || spec.layout != layout || spec.shape != shape {
            let wanted = dtypes.iter().map(|dtype| dtype.name()).collect::<Vec<_>>().join(" or ");
            return Err(self.error(Reason::TensorMismatch {
                name: name.into(),
                found: format!("{} {} {:?}", spec.dtype.name(), spec.layout.name(), spec.shape),
                wanted: format!("{wanted} {} {shape:?}", layout.name()),
            }));
        }
        Ok(entry)
    }

    /// What stands for the weights themselves: lower-case hex SHA-256 over the model's configuration and every
    /// tensor, independent of provenance and of the order in the file. Computed from the header alone.
    pub fn content_hash(&self) -> &str {
        self.0.content_hash.get_or_init(|| hash::content(self.header()))
    }

    /// Gives the memory of touched tensors back to the system, for a process that idles.
    ///
    /// Views stay valid: what is touched again is mapped again, from the page cache or the disk. Without effect on
    /// compiled-in weights and on systems that have no such request.
    pub fn release_pages(&self) {
        self.map().release();
    }

    /// Bytes of prelude and JSON: where the first padding starts.
    pub(super) fn head_len(&self) -> usize {
        self.0.head_len
    }

    pub(super) fn map(&self) -> &Map {
        &self.0.map
    }

    pub(super) fn error(&self, reason: Reason) -> Error {
        Error::new(self.path(), reason)
    }
}

impl std::fmt::Debug for WeightsFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WeightsFile").field("path", &self.0.path).finish_non_exhaustive()
    }
}

/// Reads and checks the header of a file of `len` bytes; also returns where in the file it ends.
pub(super) fn read_header(file: &mut impl Read, len: u64) -> Result<(Header, usize), Reason> {
    let head = read_up_to(file, PRELUDE)?;
    let prelude = Prelude::decode(&head, len)?;
    let json = read_up_to(file, prelude.header_len)?;
    prelude.check(&json, len)?;
    Ok((Header::decode(&prelude, &json)?, PRELUDE + json.len()))
}

/// The next `len` bytes, fewer at the end of the file.
fn read_up_to(file: &mut impl Read, len: usize) -> Result<Vec<u8>, Reason> {
    let mut bytes = Vec::with_capacity(len);
    file.take(len as u64).read_to_end(&mut bytes).map_err(Reason::Read)?;
    Ok(bytes)
}

fn open_reason(error: io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::NotFound => Reason::NotFound,
        _ => Reason::Open(error),
    }
}

/// Where a tensor lies in the map. The range lies inside it, and its length is a `usize`.
fn range(entry: &TensorEntry) -> Range<usize> {
    entry.bytes.start as usize..entry.bytes.end as usize
}

/// The elements of a tensor as its layout stores them, read in place.
///
/// Starts at a multiple of 64 bytes. Keeps the map alive; clones are cheap.
#[derive(Clone)]
pub struct TensorView {
    map: Arc<Map>,
    range: Range<usize>,
}

impl Deref for TensorView {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.map.floats(self.range.clone())
    }
}

impl AsRef<[f32]> for TensorView {
    fn as_ref(&self) -> &[f32] {
        self
    }
}

impl std::fmt::Debug for TensorView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TensorView").field("len", &(self.range.len() / size_of::<f32>())).finish_non_exhaustive()
    }
}

/// A table of rows, read in place; halves are widened as they are read.
///
/// Keeps the map alive; clones are cheap.
#[derive(Clone)]
pub struct TableView {
    map: Arc<Map>,
    range: Range<usize>,
    dtype: Dtype,
    width: usize,
}

impl TableView {
    /// Writes row `row` to `out`.
    ///
    /// # Panics
    /// If there is no such row, or `out` is not as long as one.
    pub fn read(&self, row: usize, out: &mut [f32]) {
        let places = row * self.width..(row + 1) * self.width;
        match self.dtype {
            Dtype::F32 => out.copy_from_slice(&self.map.floats(self.range.clone())[places]),
            Dtype::F16 => {
                let halves = &self.map.halves(self.range.clone())[places];
                assert_eq!(out.len(), halves.len());
                for (value, &bits) in out.iter_mut().zip(halves) {
                    *value = f16::from_bits(bits).to_f32();
                }
            }
        }
    }
}

impl std::fmt::Debug for TableView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableView").field("dtype", &self.dtype).field("width", &self.width).finish_non_exhaustive()
    }
}
