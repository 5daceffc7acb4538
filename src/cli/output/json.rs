//! Writes one JSON object with the model, the fingerprint and all rows, one row per line.

use std::io::{self, Write};

use super::row::JsonRow;
use super::{Destination, Head, Row, RowWriter, plain_json};

pub(super) struct Json {
    out: Destination,
    empty: bool,
}

impl Json {
    pub fn new(head: &Head<'_>, mut out: Destination) -> io::Result<Self> {
        let (model, fingerprint) = (plain_json::compact(&head.model)?, plain_json::compact(&head.fingerprint)?);
        let embed_dim = head.embed_dim;
        // Written incrementally, so that rows are not kept in memory.
        write!(out, "{{\"model\":{model},\"fingerprint\":{fingerprint},\"embed_dim\":{embed_dim},\"rows\":[")?;
        Ok(Json { out, empty: true })
    }
}

impl RowWriter for Json {
    fn write(&mut self, row: &Row<'_>) -> io::Result<()> {
        self.out.write_all(if self.empty { b"\n" } else { b",\n" })?;
        self.empty = false;
        plain_json::write(&mut self.out, &JsonRow::new(row))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.out.write_all(if self.empty { b"]}\n" } else { b"\n]}\n" })?;
        self.out.commit()
    }
}
