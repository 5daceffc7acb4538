//! Writes a folder as clip-retrieval's `inference` does (clip_retrieval/clip_inference/writer.py): an array of the
//! photos' embeddings, and a table of their paths with a row for each.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use super::npy::{header_of, write_floats};
use super::parquet::identified;
use super::{Head, Row, RowWriter, Source};
use crate::files::{PartialFolder, follow, sync_folder};
use crate::library::clip_retrieval::{IMAGE_ARRAY, IMAGE_PATH, METADATA, PATH_BYTES};
use crate::tables::{Cell, Schema, Writer};

/// A folder that appears when it is complete.
pub(in crate::cli) struct NewFolder {
    folder: PartialFolder,
    target: PathBuf,
}

impl NewFolder {
    /// Creates a folder that will be `target`, which has to be free or an empty folder.
    pub fn create(target: &Path) -> io::Result<NewFolder> {
        let target = follow(target)?;
        Ok(NewFolder { folder: PartialFolder::create(&target)?, target })
    }
}

pub(super) struct ClipRetrieval {
    out: NewFolder,
    /// `[rows, embed_dim]`
    vectors: BufWriter<File>,
    paths: Writer<BufWriter<File>>,
    rows: usize,
    embed_dim: usize,
    odd_paths: bool,
}

impl ClipRetrieval {
    pub fn new(head: &Head<'_>, out: NewFolder) -> io::Result<Self> {
        let create = |file: &str| {
            let path = out.folder.path()?.join(file);
            fs::create_dir_all(crate::files::folder(&path))?;
            Ok::<_, io::Error>(BufWriter::new(File::create_new(path)?))
        };
        let mut vectors = create(&IMAGE_ARRAY.file("0"))?;
        vectors.write_all(&header_of(&[0, head.embed_dim])?)?;
        let mut schema = Schema::new().text(IMAGE_PATH);
        if head.odd_paths {
            schema = schema.bytes(PATH_BYTES);
        }
        let paths = Writer::new(&identified(schema, head), create(&METADATA.file("0"))?)?;
        let (embed_dim, odd_paths) = (head.embed_dim, head.odd_paths);
        Ok(ClipRetrieval { out, vectors, paths, rows: 0, embed_dim, odd_paths })
    }
}

impl RowWriter for ClipRetrieval {
    fn write(&mut self, row: &Row<'_>) -> io::Result<()> {
        let (Source::Path(path), Ok(embedding)) = (row.source, row.outcome) else { return Ok(()) };
        let shown = path.to_string_lossy();
        let odd = path.to_str().is_none().then_some(path.as_os_str().as_encoded_bytes());
        let cells = [Cell::Text(&shown), odd.map_or(Cell::Null, Cell::Bytes)];
        self.paths.write(if self.odd_paths { &cells } else { &cells[..1] })?;
        write_floats(&mut self.vectors, embedding)?;
        self.rows += 1;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.vectors.rewind()?;
        self.vectors.write_all(&header_of(&[self.rows, self.embed_dim])?)?;
        for out in [self.vectors, self.paths.finish()?] {
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        }
        let NewFolder { folder, target } = self.out;
        let path = folder.path()?;
        for part in [IMAGE_ARRAY.folder, METADATA.folder] {
            sync_folder(&path.join(part))?;
        }
        sync_folder(path)?;
        folder.rename(&target)
    }
}
