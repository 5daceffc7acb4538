//! What embeddings are imported from: an array and a list of paths, a Parquet table, or a folder of clip-retrieval.

use std::path::{Path, PathBuf};

use super::super::args;
use super::super::messages::Failure;
use super::lines;
use crate::library;
use crate::library::npy::{self, Vectors};

pub(super) enum Source {
    /// An array and the list of its paths. Both are read when they are checked, so that an array of another number of rows
    /// than the list is not read at all.
    Array { path: PathBuf, rows: usize, vectors: Vectors, list: PathBuf, files: Vec<PathBuf> },
    /// A table, and the numbers of its rows that have both a path and an embedding.
    #[cfg(feature = "parquet")]
    Table { path: PathBuf, files: Vec<PathBuf>, vectors: Vectors, numbers: Vec<u64>, stated: Option<String> },
    #[cfg(feature = "parquet")]
    Folder(crate::library::clip_retrieval::Folder),
}

/// Some files and their embeddings, as much as fits into memory.
pub(super) struct Part<'a> {
    pub files: &'a [PathBuf],
    pub vectors: &'a Vectors,
    /// The file that has the embeddings.
    path: &'a Path,
    /// The numbers of their rows in it, from 1; none if each row has an embedding.
    numbers: &'a [u64],
}

impl Part<'_> {
    /// The error for embeddings that cannot be added.
    pub fn failure(&self, error: library::Error) -> Failure {
        let path = self.path.display();
        match error {
            library::Error::Given { row: Some(row), reason } => {
                let number = self.numbers.get(row).copied().unwrap_or(row as u64 + 1);
                Failure::Error(format!("{path}: row {number} {reason}"))
            }
            library::Error::Given { row: None, reason } => Failure::Error(format!("{path}: {reason}")),
            error => error.into(),
        }
    }
}

fn failed(error: impl ToString) -> Failure {
    Failure::Error(error.to_string())
}

impl Source {
    pub fn open(args: &args::ImportVectors) -> Result<Source, Failure> {
        let path = &args.vectors;
        let is_folder = path.is_dir();
        if is_folder || path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet")) {
            if let Some(list) = &args.paths {
                let (path, list) = (path.display(), list.display());
                return Err(Failure::Usage(format!("{path} has the paths as well; leave {list} out")));
            }
            return open_tables(path, is_folder);
        }
        match &args.paths {
            Some(list) => {
                let (rows, dim) = npy::shape(path).map_err(failed)?;
                let vectors = Vectors::new(Vec::new(), dim);
                Ok(Source::Array { path: path.clone(), rows, vectors, list: list.clone(), files: Vec::new() })
            }
            // Such as a folder whose name is misspelt.
            None if !path.exists() => {
                Err(Failure::Error(format!("cannot read {}: no such file; check the path", path.display())))
            }
            None if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) => {
                Err(Failure::Usage(format!(
                    "{} is CSV, which is not read; write the vectors as an array or a Parquet table, as `export photos.npy` \
                     and `export photos.parquet` do",
                    path.display()
                )))
            }
            None => Err(Failure::Usage(format!(
                "nothing says what files the vectors of {} belong to: name a list with a JSON line per row, such as \
                 {{\"path\":\"a.jpg\"}}",
                path.display()
            ))),
        }
    }

    /// Length of the vectors.
    pub fn dim(&self) -> usize {
        match self {
            Source::Array { vectors, .. } => vectors.dim,
            #[cfg(feature = "parquet")]
            Source::Table { vectors, .. } => vectors.dim,
            #[cfg(feature = "parquet")]
            Source::Folder(folder) => folder.dim(),
        }
    }

    /// Number of vectors.
    pub fn rows(&self) -> usize {
        match self {
            Source::Array { rows, .. } => *rows,
            #[cfg(feature = "parquet")]
            Source::Table { vectors, .. } => vectors.rows,
            #[cfg(feature = "parquet")]
            Source::Folder(folder) => folder.rows(),
        }
    }

    /// Refuses lists and tables that state another fingerprint, and a list of another length than its array.
    pub fn check(&mut self, fingerprint: &str) -> Result<(), Failure> {
        let stated: Vec<(&Path, &str)> = match self {
            Source::Array { path, rows, vectors, list, files } => {
                *files = lines::paths(list, fingerprint)?;
                if *rows != files.len() {
                    let (path, paths) = (path.display(), files.len());
                    return Err(Failure::Error(format!(
                        "{path}: there are {rows} vectors and {paths} paths; one path belongs to each vector"
                    )));
                }
                *vectors = npy::read(path).map_err(failed)?;
                Vec::new()
            }
            #[cfg(feature = "parquet")]
            Source::Table { path, stated, .. } => stated.iter().map(|other| (path.as_path(), other.as_str())).collect(),
            #[cfg(feature = "parquet")]
            Source::Folder(folder) => {
                let stated = |part: &crate::library::clip_retrieval::Partition| part.fingerprint().is_some();
                let stating = folder.partitions().iter().filter(|part| stated(part));
                stating.map(|part| (part.table(), part.fingerprint().unwrap_or_default())).collect()
            }
        };
        match stated.into_iter().find(|(_, other)| *other != fingerprint) {
            Some((path, other)) => {
                let path = path.display();
                Err(Failure::Error(format!(
                    "{path} states the fingerprint {other}, not {fingerprint}; name that model"
                )))
            }
            None => Ok(()),
        }
    }

    /// Reads it part by part; `take` says whether to go on.
    pub fn read(&self, mut take: impl FnMut(&Part<'_>) -> Result<bool, Failure>) -> Result<(), Failure> {
        match self {
            Source::Array { path, files, vectors, .. } => {
                take(&Part { files, vectors, path, numbers: &[] })?;
            }
            #[cfg(feature = "parquet")]
            Source::Table { path, files, vectors, numbers, .. } => {
                take(&Part { files, vectors, path, numbers })?;
            }
            #[cfg(feature = "parquet")]
            Source::Folder(folder) => {
                for part in folder.partitions() {
                    let (files, vectors) = part.read().map_err(failed)?;
                    let part = Part { files: &files, vectors: &vectors, path: part.array(), numbers: &[] };
                    if !take(&part)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(feature = "parquet")]
fn open_tables(path: &Path, is_folder: bool) -> Result<Source, Failure> {
    use crate::library::clip_retrieval::{FINGERPRINT, Folder, PATH_BYTES, path_of_row};
    use crate::tables::{Cell, Reader};

    if is_folder {
        return Ok(Source::Folder(Folder::open(path).map_err(failed)?));
    }
    let reader = Reader::open(path).map_err(failed)?;
    let stated = reader.metadata(FINGERPRINT).map(str::to_owned);
    let mut columns = vec!["embedding", "path"];
    if reader.has_column(PATH_BYTES) {
        columns.push(PATH_BYTES);
    }
    let (mut files, mut values, mut numbers, mut dim, mut number) = (Vec::new(), Vec::new(), Vec::new(), 0, 0);
    reader.read(&columns, |row| {
        number += 1;
        let wrong = |what: &str| Failure::Error(format!("{}: row {number} {what}", path.display()));
        // Rows of texts, and of photos that failed.
        let (Cell::Vector(vector), Some(file)) = (row[0], path_of_row(&row[1..])) else { return Ok(()) };
        if files.is_empty() {
            dim = vector.len();
        }
        if vector.len() != dim {
            return Err(wrong(&format!("has an embedding of {} values, and the first has {dim}", vector.len())));
        }
        files.push(file);
        values.extend_from_slice(vector);
        numbers.push(number);
        Ok(())
    })?;
    if files.is_empty() {
        let path = path.display();
        return Err(Failure::Error(format!(
            "{path} has no row with both a path and an embedding; nothing can be added"
        )));
    }
    Ok(Source::Table { path: path.to_owned(), vectors: Vectors::new(values, dim), files, numbers, stated })
}

#[cfg(not(feature = "parquet"))]
fn open_tables(path: &Path, _is_folder: bool) -> Result<Source, Failure> {
    let path = path.display();
    Err(Failure::Usage(format!(
        "{path} needs a build of clippie-rs with the feature `parquet`; name an array and a list"
    )))
}
