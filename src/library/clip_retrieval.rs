//! Folders as clip-retrieval's `inference` writes them (clip_retrieval/clip_inference/writer.py):
//!
//! ```text
//! img_emb/img_emb_0.npy          embeddings of photos, float16 or float32
//! metadata/metadata_0.parquet    image_path, and what else is known of each row of the array
//! ```
//! There may be several partitions, whose numbers have leading zeros: `00`, `01`. Embeddings of captions, in `text_emb`, are
//! written with those of photos where photos have them (column `caption`), and left alone when a folder is read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::npy;
use crate::files::path_of;
use crate::tables::{self, Cell, Reader};

/// Files of one kind: a folder, and what their names begin and end with.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The folder that they are in.
    pub folder: &'static str,
    stem: &'static str,
    extension: &'static str,
}

/// The arrays of photos.
pub const IMAGE_ARRAY: Part = Part { folder: "img_emb", stem: "img_emb_", extension: ".npy" };
/// The arrays of captions.
pub const TEXT_ARRAY: Part = Part { folder: "text_emb", stem: "text_emb_", extension: ".npy" };
/// The tables of paths.
pub const METADATA: Part = Part { folder: "metadata", stem: "metadata_", extension: ".parquet" };

/// Column of paths.
pub const IMAGE_PATH: &str = "image_path";
/// Column of captions.
pub const CAPTION: &str = "caption";
/// Column of the bytes of paths that are not UTF-8, which clip-retrieval does not have.
pub const PATH_BYTES: &str = "path_bytes";
/// Entry of a table's metadata with the fingerprint of the embeddings, which clip-retrieval does not have.
pub const FINGERPRINT: &str = "clippie.fingerprint";

impl Part {
    /// The file of a partition, in the folder of all.
    #[must_use]
    pub fn file(&self, number: &str) -> String {
        let Part { folder, stem, extension } = self;
        format!("{folder}/{stem}{number}{extension}")
    }

    /// The numbers of the files in a folder, in order.
    fn numbers(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(folder.join(self.folder))? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(self.stem)?.strip_suffix(self.extension));
            if let Some(number) =
                number.filter(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
            {
                numbers.push(number.to_owned());
            }
        }
        numbers.sort_by(|a, b| {
            let value = |number: &str| number.trim_start_matches('0').to_owned();
            let (x, y) = (value(a), value(b));
            x.len().cmp(&y.len()).then(x.cmp(&y)).then(a.cmp(b))
        });
        Ok(numbers)
    }
}

/// Why a folder cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An array cannot be read.
    #[error(transparent)]
    Array(#[from] npy::Error),
    /// A table cannot be read.
    #[error(transparent)]
    Table(#[from] tables::Error),
    /// The folder or a file of it is not as it should be.
    #[error("{}: {reason}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
}

/// A folder of embeddings.
#[derive(Debug)]
pub struct Folder {
    dim: usize,
    rows: usize,
    partitions: Vec<Partition>,
}

/// Some rows of a folder: an array, and a table with their paths.
#[derive(Debug)]
pub struct Partition {
    array: PathBuf,
    table: PathBuf,
    rows: usize,
    fingerprint: Option<String>,
}

impl Folder {
    /// Looks through a folder; embeddings are not read yet.
    ///
    /// # Errors
    /// It has no arrays of photos, an array has no table or other rows than its table, or embeddings of another length.
    pub fn open(path: &Path) -> Result<Folder, Error> {
        let refused = |path: PathBuf, reason: String| Err(Error::Folder { path, reason });
        let numbers = |part: Part| match part.numbers(path) {
            Ok(numbers) => Ok(numbers),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => {
                Err(Error::Folder { path: path.join(part.folder), reason: format!("it cannot be read: {error}") })
            }
        };
        let (arrays, tables) = (numbers(IMAGE_ARRAY)?, numbers(METADATA)?);
        if arrays.is_empty() {
            let file = IMAGE_ARRAY.file("0");
            return refused(path.to_owned(), format!("it has no {file}; name a folder that clip-retrieval wrote"));
        }
        if let Some(number) = tables.iter().find(|number| !arrays.contains(number)) {
            let (table, array) = (METADATA.file(number), IMAGE_ARRAY.file(number));
            return refused(path.join(table), format!("there is no {array} to it; the folder is not complete"));
        }
        let mut folder = Folder { dim: 0, rows: 0, partitions: Vec::new() };
        for number in &arrays {
            let (array, table) = (path.join(IMAGE_ARRAY.file(number)), path.join(METADATA.file(number)));
            if !tables.contains(number) {
                let table = METADATA.file(number);
                return refused(array, format!("there is no {table} with its paths; the folder is not complete"));
            }
            let (rows, dim) = npy::shape(&array)?;
            let paths = Reader::open(&table)?;
            if paths.rows() != rows as u64 {
                let said = paths.rows();
                return refused(
                    table,
                    format!("it has {said} rows, and its array has {rows}; they do not belong together"),
                );
            }
            if !paths.has_column(IMAGE_PATH) {
                return refused(
                    table,
                    format!("it has no column {IMAGE_PATH}; these are not the embeddings of photos"),
                );
            }
            if folder.partitions.is_empty() {
                folder.dim = dim;
            } else if folder.dim != dim {
                let first = folder.dim;
                return refused(array, format!("it has vectors of {dim} values, and the first array of {first}"));
            }
            folder.rows += rows;
            let fingerprint = paths.metadata(FINGERPRINT).map(str::to_owned);
            folder.partitions.push(Partition { array, table, rows, fingerprint });
        }
        Ok(folder)
    }

    /// Length of each embedding.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of embeddings.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The partitions, in the order of their numbers.
    #[must_use]
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }
}

impl Partition {
    /// The array.
    #[must_use]
    pub fn array(&self) -> &Path {
        &self.array
    }

    /// The table of paths.
    #[must_use]
    pub fn table(&self) -> &Path {
        &self.table
    }

    /// The fingerprint that the table states.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// Reads the paths and the embeddings: one of each per row.
    ///
    /// # Errors
    /// A file cannot be read, or a row has no path.
    pub fn read(&self) -> Result<(Vec<PathBuf>, npy::Vectors), Error> {
        let reader = Reader::open(&self.table)?;
        let mut columns = vec![IMAGE_PATH];
        if reader.has_column(PATH_BYTES) {
            columns.push(PATH_BYTES);
        }
        let mut paths = Vec::new();
        reader.read(&columns, |row| {
            let Some(path) = path_of_row(row) else {
                let row = paths.len() + 1;
                return Err(Error::Folder { path: self.table.clone(), reason: format!("row {row} has no path") });
            };
            paths.push(path);
            Ok(())
        })?;
        let vectors = npy::read(&self.array)?;
        if vectors.rows != paths.len() || paths.len() != self.rows {
            let reason = "it has other rows than its array; the folder changes while it is read".into();
            return Err(Error::Folder { path: self.table.clone(), reason });
        }
        Ok((paths, vectors))
    }
}

/// The path of a row of the columns of paths and, if there is one, of their bytes, which have precedence.
#[must_use]
pub fn path_of_row(row: &[Cell<'_>]) -> Option<PathBuf> {
    row.iter().rev().find_map(|cell| match cell {
        Cell::Bytes(bytes) => path_of(bytes),
        Cell::Text(text) => Some(PathBuf::from(text)),
        _ => None,
    })
}
