//! Writes a folder as clip-retrieval's `inference` does (clip_retrieval/clip_inference/writer.py): an array of the
//! photos' embeddings, one of their captions', and a table of paths and captions with a row for each.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use super::npy::{header_of, write_floats};
use super::parquet::identified;
use super::{Head, Row, RowWriter, Source};
use crate::files::{PartialFolder, follow, sync_folder};
use crate::library::clip_retrieval::{CAPTION, IMAGE_ARRAY, IMAGE_PATH, METADATA, PATH_BYTES, TEXT_ARRAY};
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
    captions: Option<Captions>,
    embed_dim: usize,
    odd_paths: bool,
}

/// The captions' part of a folder.
struct Captions {
    /// `[rows, embed_dim]`
    vectors: BufWriter<File>,
    rows: usize,
    /// The photos with an embedding whose captions are still to come, in order.
    photos: VecDeque<PathBuf>,
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
        let captions = match head.texts {
            true => {
                schema = schema.text(CAPTION);
                let mut vectors = create(&TEXT_ARRAY.file("0"))?;
                vectors.write_all(&header_of(&[0, head.embed_dim])?)?;
                Some(Captions { vectors, rows: 0, photos: VecDeque::new() })
            }
            false => None,
        };
        let paths = Writer::new(&identified(schema, head), create(&METADATA.file("0"))?)?;
        let (embed_dim, odd_paths) = (head.embed_dim, head.odd_paths);
        Ok(ClipRetrieval { out, vectors, paths, rows: 0, captions, embed_dim, odd_paths })
    }

    /// Adds a row to the table.
    fn describe(&mut self, path: &Path, caption: Option<&str>) -> io::Result<()> {
        let shown = path.to_string_lossy();
        let odd = path.to_str().is_none().then_some(path.as_os_str().as_encoded_bytes());
        let mut cells = vec![Cell::Text(&shown)];
        if self.odd_paths {
            cells.push(odd.map_or(Cell::Null, Cell::Bytes));
        }
        cells.extend(caption.map(Cell::Text));
        Ok(self.paths.write(&cells)?)
    }
}

impl RowWriter for ClipRetrieval {
    fn write(&mut self, row: &Row<'_>) -> io::Result<()> {
        let Ok(embedding) = row.outcome else { return Ok(()) };
        match (row.source, &mut self.captions) {
            (Source::Path(path), None) => self.describe(path, None)?,
            // Its row in the table has the caption, too.
            (Source::Path(path), Some(captions)) => captions.photos.push_back(path.to_owned()),
            (Source::Caption(path, caption), Some(captions)) => {
                // The photo failed.
                if captions.photos.front().is_none_or(|photo| photo != path) {
                    return Ok(());
                }
                captions.photos.pop_front();
                write_floats(&mut captions.vectors, embedding)?;
                captions.rows += 1;
                return self.describe(path, Some(caption));
            }
            (Source::Text(_) | Source::Caption(..), _) => return Ok(()),
        }
        write_floats(&mut self.vectors, embedding)?;
        self.rows += 1;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        let mut arrays = vec![(self.vectors, self.rows)];
        let mut parts = vec![IMAGE_ARRAY.folder, METADATA.folder];
        if let Some(captions) = self.captions {
            if captions.rows != self.rows {
                return Err(io::Error::other("photos and captions do not belong together"));
            }
            arrays.push((captions.vectors, captions.rows));
            parts.push(TEXT_ARRAY.folder);
        }
        let mut outs = vec![self.paths.finish()?];
        for (mut vectors, rows) in arrays {
            vectors.rewind()?;
            vectors.write_all(&header_of(&[rows, self.embed_dim])?)?;
            outs.push(vectors);
        }
        for out in outs {
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        }
        let NewFolder { folder, target } = self.out;
        let path = folder.path()?;
        for part in parts {
            sync_folder(&path.join(part))?;
        }
        sync_folder(path)?;
        folder.rename(&target)
    }
}
