//! Writes comma-separated values: a header, then a row per embedding.
//!
//! Paths are written byte for byte, unless to a terminal. Floats have the fewest digits that parse back to the same f32.

use std::borrow::Cow;
use std::io::{self, Write};

use super::{Destination, Head, Row, RowWriter};
use crate::cli::messages::{path_bytes, text_bytes};

pub(super) struct Csv {
    out: csv::Writer<Destination>,
    fingerprint: String,
    photos: bool,
    texts: bool,
    number: Vec<u8>,
    /// Whether the output is a terminal, which control characters could change.
    terminal: bool,
}

impl Csv {
    pub fn new(head: &Head<'_>, out: Destination) -> io::Result<Self> {
        let terminal = out.is_terminal();
        let mut csv = Csv {
            out: csv::Writer::from_writer(out),
            fingerprint: head.fingerprint.to_owned(),
            photos: head.photos || !head.texts,
            texts: head.texts,
            number: Vec::new(),
            terminal,
        };
        if csv.photos {
            csv.field(b"path")?;
        }
        if csv.texts {
            csv.field(b"text")?;
        }
        csv.field(b"fingerprint")?;
        for i in 0..head.embed_dim {
            csv.field(format!("e{i}").as_bytes())?;
        }
        csv.end()?;
        Ok(csv)
    }

    fn field(&mut self, field: &[u8]) -> io::Result<()> {
        self.out.write_field(field).map_err(io_error)
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.write_record(None::<&[u8]>).map_err(io_error)
    }
}

impl RowWriter for Csv {
    fn write(&mut self, row: &Row<'_>) -> io::Result<()> {
        let Ok(embedding) = row.outcome else { return Ok(()) };
        let path = row.source.path().map_or_else(Cow::default, |path| path_bytes(path, self.terminal));
        let text = row.source.text().map_or_else(Cow::default, |text| text_bytes(text, self.terminal));
        if self.photos {
            self.field(&path)?;
        }
        if self.texts {
            self.field(&text)?;
        }
        self.out.write_field(&self.fingerprint).map_err(io_error)?;
        for value in embedding {
            self.number.clear();
            write!(self.number, "{value:?}")?;
            self.out.write_field(&self.number).map_err(io_error)?;
        }
        self.end()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        let out = self.out.into_inner().map_err(csv::IntoInnerError::into_error)?;
        out.commit()
    }
}

/// The error of the file behind a CSV writer.
pub(in crate::cli) fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}
