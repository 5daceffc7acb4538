//! Writes Parquet: a row per input, with the embedding as a list of floats, null if the input failed.

use std::io;

use super::{Destination, Head, Row, RowWriter};
use crate::tables::{Cell, Schema, Writer};

pub(super) struct Parquet {
    table: Writer<Destination>,
    /// Which columns there are, besides that of embeddings.
    photos: bool,
    odd_paths: bool,
    texts: bool,
    errors: bool,
}

impl Parquet {
    pub fn new(head: &Head<'_>, out: Destination) -> io::Result<Self> {
        let (photos, odd_paths) = (head.photos || !head.texts, head.photos && head.odd_paths);
        let mut schema = Schema::new();
        if photos {
            schema = schema.text("path");
        }
        if odd_paths {
            schema = schema.bytes("path_bytes");
        }
        if head.texts {
            schema = schema.text("text");
        }
        schema = match head.fixed_size {
            true => schema.vectors_of_fixed_size(head.column, head.embed_dim),
            false => schema.vectors(head.column, head.embed_dim),
        };
        if head.errors {
            schema = schema.text("error");
        }
        let table = Writer::new(&identified(schema, head), out)?;
        Ok(Parquet { table, photos, odd_paths, texts: head.texts, errors: head.errors })
    }
}

/// Adds the model and the fingerprint to the metadata of a table.
pub(super) fn identified(schema: Schema, head: &Head<'_>) -> Schema {
    schema.metadata("clippie.model", head.model).metadata("clippie.fingerprint", head.fingerprint)
}

impl RowWriter for Parquet {
    fn write(&mut self, row: &Row<'_>) -> io::Result<()> {
        let (path, text) = (row.source.path(), row.source.text());
        let shown = path.map(|path| path.to_string_lossy());
        let mut cells = Vec::with_capacity(5);
        if self.photos {
            cells.push(shown.as_deref().map_or(Cell::Null, Cell::Text));
        }
        if self.odd_paths {
            let odd = path.filter(|path| path.to_str().is_none());
            cells.push(odd.map_or(Cell::Null, |path| Cell::Bytes(path.as_os_str().as_encoded_bytes())));
        }
        if self.texts {
            cells.push(text.map_or(Cell::Null, Cell::Text));
        }
        cells.push(row.outcome.map_or(Cell::Null, Cell::Vector));
        if self.errors {
            cells.push(row.outcome.err().map_or(Cell::Null, Cell::Text));
        }
        Ok(self.table.write(&cells)?)
    }

    /// Row groups are written when they are full: small ones would make the table slow to read.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.table.finish()?.commit()
    }
}
