//! Rows of `classify` as a table, JSON lines or CSV.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::cli::messages::{one_line, path_bytes, text_bytes};
use crate::cli::output::csv::io_error;
use crate::cli::output::{Destination, JsonPath, plain_json};
use crate::cli::table::{Column, Kind, Table, terminal_width};
use crate::{Classification, Classifier, Guess};

/// In the table, for photos that show none of the labels.
const NONE: &str = "(none of these)";

/// Widest list of labels in the table, where no terminal is narrower.
const MAX_LIST: usize = 1 << 12;

/// Writes results in one format.
pub(super) trait Rows {
    /// Writes what a photo shows.
    fn row(&mut self, path: &Path, found: &Classification) -> io::Result<()>;

    /// Writes that a photo failed, if the format has a place for it.
    fn failed(&mut self, path: &Path, error: &str) -> io::Result<()>;

    /// Flushes complete rows to the reader.
    fn flush(&mut self) -> io::Result<()>;

    /// Completes the output. Without this call, no file remains.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

type Started<'a> = io::Result<Box<dyn Rows + 'a>>;

/// Three decimals: a thousandth is below what any calibration can tell.
fn number(value: f32) -> String {
    format!("{value:.3}")
}

// --- Table

struct ForPeople<'a> {
    classifier: &'a Classifier,
    /// Number of labels listed.
    top: usize,
    table: Table,
    out: Destination,
}

/// Starts a table. Its columns are as wide as `paths` and the labels, so that rows can be printed as they arrive.
pub(super) fn table<'a, 'p>(
    classifier: &'a Classifier,
    top: usize,
    paths: impl Iterator<Item = &'p Path>,
    mut out: Destination,
) -> Started<'a> {
    let mut photo = Column::new("photo", Kind::Path);
    paths.for_each(|path| photo.widen(&path.to_string_lossy()));
    let mut label = Column::new("label", Kind::Words);
    label.widen(NONE);
    classifier.labels().iter().for_each(|known| label.widen(known.name()));
    let mut columns = vec![photo, label, Column::new("probability", Kind::Number), Column::new("margin", Kind::Number)];
    if top > 1 {
        let longest = classifier.labels().iter().map(|known| one_line(known.name()).width()).max().unwrap_or(0);
        // Names with a number each, and commas.
        let list = " ".repeat((longest + " 0.000, ".len()).saturating_mul(top).min(MAX_LIST) - ", ".len());
        let mut column = Column::new("most probable", Kind::Words);
        column.widen(&list);
        columns.push(column);
    }
    let table = Table::new(columns, terminal_width(&out));
    writeln!(out, "{}", table.heading())?;
    Ok(Box::new(ForPeople { classifier, top, table, out }))
}

impl Rows for ForPeople<'_> {
    fn row(&mut self, path: &Path, found: &Classification) -> io::Result<()> {
        let label = found.label().map_or(NONE, |label| self.classifier.name(label));
        let best = found.guesses.first().map_or(0.0, |guess| guess.probability);
        let mut cells = vec![path.to_string_lossy().into_owned(), label.to_owned(), number(best), number(found.margin)];
        if self.top > 1 {
            let list = |guess: &Guess| format!("{} {}", self.classifier.name(guess.label), number(guess.probability));
            cells.push(found.guesses.iter().map(list).collect::<Vec<_>>().join(", "));
        }
        writeln!(self.out, "{}", self.table.line(&cells))
    }

    fn failed(&mut self, _: &Path, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.out.commit()
    }
}

// --- JSON lines

struct Jsonl<'a> {
    classifier: &'a Classifier,
    out: Destination,
}

/// A row. Fields may be added, never renamed or removed.
#[derive(Serialize)]
struct JsonRow<'a> {
    #[serde(flatten)]
    path: JsonPath<'a>,
    /// Null if the photo shows none of the labels.
    label: Option<&'a str>,
    probability: f32,
    margin: f32,
    top: Vec<JsonGuess<'a>>,
    fingerprint: &'a str,
}

#[derive(Serialize)]
struct JsonGuess<'a> {
    label: &'a str,
    probability: f32,
    cosine: f32,
}

#[derive(Serialize)]
struct JsonError<'a> {
    #[serde(flatten)]
    path: JsonPath<'a>,
    error: &'a str,
}

/// Starts JSON lines.
pub(super) fn jsonl<'a>(classifier: &'a Classifier, out: Destination) -> Started<'a> {
    Ok(Box::new(Jsonl { classifier, out }))
}

impl Jsonl<'_> {
    fn line(&mut self, row: &impl Serialize) -> io::Result<()> {
        plain_json::write(&mut self.out, row)?;
        self.out.write_all(b"\n")
    }
}

impl Rows for Jsonl<'_> {
    fn row(&mut self, path: &Path, found: &Classification) -> io::Result<()> {
        let name = |label| self.classifier.name(label);
        let guess =
            |&Guess { label, probability, cosine, .. }: &Guess| JsonGuess { label: name(label), probability, cosine };
        let row = JsonRow {
            path: JsonPath::new(path),
            label: found.label().map(name),
            probability: found.guesses.first().map_or(0.0, |guess| guess.probability),
            margin: found.margin,
            top: found.guesses.iter().map(guess).collect(),
            fingerprint: self.classifier.fingerprint().as_str(),
        };
        self.line(&row)
    }

    fn failed(&mut self, path: &Path, error: &str) -> io::Result<()> {
        self.line(&JsonError { path: JsonPath::new(path), error })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.out.commit()
    }
}

// --- CSV

struct Csv<'a> {
    classifier: &'a Classifier,
    top: usize,
    out: csv::Writer<Destination>,
    /// Whether the output is a terminal, which control characters could change.
    terminal: bool,
}

/// Starts CSV: a header, then a row per photo.
pub(super) fn csv<'a>(classifier: &'a Classifier, top: usize, out: Destination) -> Started<'a> {
    let terminal = out.is_terminal();
    let mut csv = Csv { classifier, top, out: csv::Writer::from_writer(out), terminal };
    let mut header: Vec<String> = ["path", "label", "probability", "margin", "fingerprint"].map(str::to_owned).into();
    header.extend(csv.listed().flat_map(|place| [format!("label{}", place + 1), format!("probability{}", place + 1)]));
    csv.out.write_record(header).map_err(io_error)?;
    Ok(Box::new(csv))
}

impl Csv<'_> {
    /// Places of the labels that are listed beside the best one.
    fn listed(&self) -> std::ops::Range<usize> {
        0..if self.top > 1 { self.top } else { 0 }
    }
}

impl Rows for Csv<'_> {
    fn row(&mut self, path: &Path, found: &Classification) -> io::Result<()> {
        let name = |label| self.classifier.name(label);
        let best = found.guesses.first().map_or(0.0, |guess| guess.probability);
        // Floats have the fewest digits that parse back to the same f32; paths are written byte for byte, unless to a
        // terminal.
        let (best, margin) = (format!("{best:?}"), format!("{:?}", found.margin));
        let (path, label) = (path_bytes(path, self.terminal), found.label().map_or("", name));
        let fields = [
            &*path,
            &*text_bytes(label, self.terminal),
            best.as_bytes(),
            margin.as_bytes(),
            self.classifier.fingerprint().as_str().as_bytes(),
        ];
        for field in fields {
            self.out.write_field(field).map_err(io_error)?;
        }
        for guess in found.guesses.get(self.listed()).unwrap_or_default() {
            self.out.write_field(text_bytes(name(guess.label), self.terminal)).map_err(io_error)?;
            self.out.write_field(format!("{:?}", guess.probability)).map_err(io_error)?;
        }
        self.out.write_record(None::<&[u8]>).map_err(io_error)
    }

    fn failed(&mut self, _: &Path, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.out.into_inner().map_err(csv::IntoInnerError::into_error)?.commit()
    }
}
