//! Writes the report of `--report`: what became of all inputs, as one JSON object.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::messages::Failure;
use super::output::{Destination, JsonPath, Row, Source, cannot_write, plain_json, write_json_row};
use crate::walk::PassedOver;

/// [`PassedOver`] as JSON.
#[derive(Serialize)]
pub(super) struct Passed<'a> {
    unread: &'a std::collections::BTreeMap<String, usize>,
    unread_paths: Vec<JsonPath<'a>>,
    other: &'a std::collections::BTreeMap<String, usize>,
    side: &'a std::collections::BTreeMap<&'static str, usize>,
    hidden: usize,
    excluded: usize,
    ignored: usize,
    raw_twins: usize,
}

impl<'a> From<&'a PassedOver> for Passed<'a> {
    fn from(passed: &'a PassedOver) -> Self {
        Passed {
            unread: &passed.unread,
            unread_paths: passed.unread_paths.iter().map(|path| JsonPath::new(path)).collect(),
            other: &passed.other,
            side: &passed.side,
            hidden: passed.hidden,
            excluded: passed.excluded,
            ignored: passed.ignored,
            raw_twins: passed.raw_twins,
        }
    }
}

/// A report that is being written. The failures come first, as they happen: their number has no bound.
pub(super) struct Report {
    out: Destination,
    path: PathBuf,
    empty: bool,
}

impl Report {
    /// Opens the file, so that one that cannot be written is found out before any work.
    pub fn open(path: PathBuf) -> Result<Report, Failure> {
        let open = || {
            let mut out = Destination::open(Some(&path))?;
            out.write_all(b"{\"failures\":[")?;
            Ok(out)
        };
        match open() {
            Ok(out) => Ok(Report { out, path, empty: true }),
            Err(error) => Err(cannot_write(Some(&path), &error)),
        }
    }

    /// Adds an input that failed.
    pub fn failure(&mut self, source: Source<'_>, error: &str) -> Result<(), Failure> {
        let separator = if self.empty { "\n" } else { ",\n" };
        self.empty = false;
        let row = Row { source, outcome: Err(error) };
        let write = |out: &mut Destination| -> io::Result<()> {
            out.write_all(separator.as_bytes())?;
            write_json_row(out, &row)
        };
        write(&mut self.out).map_err(|error| cannot_write(Some(&self.path), &error))
    }

    /// Completes the file with the fields of `summary`: a struct.
    pub fn finish(mut self, summary: &impl Serialize) -> Result<(), Failure> {
        let write = || {
            // The fields of the summary follow in the same object.
            let fields = plain_json::compact(summary)?;
            let fields = fields.strip_prefix('{').unwrap_or(&fields);
            self.out.write_all(if self.empty { b"]," } else { b"\n]," })?;
            self.out.write_all(fields.as_bytes())?;
            self.out.write_all(b"\n")?;
            self.out.commit()
        };
        write().map_err(|error| cannot_write(Some(&self.path), &error))
    }
}
