//! Writes JSON Lines: one self-contained object per row.

use std::io::{self, Write};

use super::row::JsonRow;
use super::{Destination, Head, Row, RowWriter, plain_json};

pub(super) struct Jsonl {
    out: Destination,
    fingerprint: String,
}

impl Jsonl {
    pub fn new(head: &Head<'_>, out: Destination) -> Self {
        Jsonl { out, fingerprint: head.fingerprint.to_owned() }
    }
}

impl RowWriter for Jsonl {
    fn write(&mut self, row: &Row<'_>) -> io::Result<()> {
        plain_json::write(&mut self.out, &JsonRow::new(row).with_fingerprint(&self.fingerprint))?;
        self.out.write_all(b"\n")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.out.commit()
    }
}
