//! The table of `bench`: one line per model and quantity, printed as soon as it is measured.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use super::super::args::Bench;
use super::super::messages::{Failure, close_cosine, count, one_line, size};
use super::super::output::{Destination, cannot_write};
use super::LARGE_BATCH;
use super::compare::{self, Agreement, Compared};
use super::measure::{Subject, Timing};
use crate::Isa;

/// Width of the first column.
const NAME_WIDTH: usize = 22;

/// Width of the other columns.
const FIGURE_WIDTH: usize = 10;

/// A column: number of threads and batch size.
type Column = (usize, usize);

pub(super) fn run(args: &Bench, isa: Isa, subjects: &[Subject], threads: &[usize]) -> Result<(), Failure> {
    let batches = args.batch.map_or(vec![1, LARGE_BATCH], |batch| vec![batch as usize]);
    let columns: Vec<Column> =
        threads.iter().flat_map(|&threads| batches.iter().map(move |&batch| (threads, batch))).collect();
    let mut out = Lines(Destination::open(None).map_err(|error| cannot_write(None, &error))?);
    out.line(&format!("instruction set {}, {:.1} GFLOP/s at most on one core", isa.full_name(), isa.peak_gflops()))?;
    out.line("")?;
    out.line(&heading("milliseconds each", threads.iter().map(|&threads| count(threads, "thread")), batches.len()))?;
    out.line(&heading("", columns.iter().map(|(_, batch)| format!("batch {batch}")), 1))?;
    let mut measured = Vec::new();
    for subject in subjects {
        let mut rows: Vec<Row> = Vec::new();
        let own = subject.isa()?;
        let beside = if own == isa { String::new() } else { format!(" ({})", own.full_name()) };
        out.line(&(one_line(&subject.name).into_owned() + &beside))?;
        if let Some(size) = subject.image_size() {
            let times = columns.iter().map(|&(threads, batch)| {
                let timing = subject.image(threads, batch, args.seconds)?;
                Ok(timing.as_ref().map_or(f64::NAN, Timing::milliseconds))
            });
            let row = Row::new(format!("image, {size} x {size}"), times)?;
            out.line(&row.line(figure))?;
            rows.push(row);
        }
        for tokens in subject.text_lengths(args.text_tokens) {
            let times = columns
                .iter()
                .map(|&(threads, batch)| Ok(subject.text(threads, batch, tokens, args.seconds)?.milliseconds()));
            let row = Row::new(format!("text, {tokens} tokens"), times)?;
            out.line(&row.line(figure))?;
            rows.push(row);
        }
        measured.push(rows);
    }
    for places in compare::precisions(subjects) {
        let precisions: Vec<&Subject> = places.iter().map(|&at| &subjects[at]).collect();
        let compared = compare::compare(&precisions, threads.iter().copied().max().unwrap_or(1))?;
        for (at, (subject, of)) in precisions.iter().zip(&compared).enumerate().skip(1) {
            out.line("")?;
            let (name, first) = (one_line(&subject.name), one_line(&precisions[0].name));
            let first = format!("{first} ({})", compared[0].precision);
            out.line(&format!("{name} ({}) beside {first}, times as fast", of.precision))?;
            for (first, row) in measured[places[0]].iter().zip(&measured[places[at]]) {
                out.line(&first.over(row).line(|factor| format!("{factor:.2}")))?;
            }
            for line in figures(of, &compared[0]) {
                out.line(&line)?;
            }
        }
    }
    out.0.commit().map_err(|error| cannot_write(None, &error))
}

/// Line writer that flushes every line.
struct Lines(Destination);

impl Lines {
    fn line(&mut self, line: &str) -> Result<(), Failure> {
        let mut write = || -> io::Result<()> {
            writeln!(self.0, "{line}")?;
            self.0.flush()
        };
        write().map_err(|error| cannot_write(None, &error))
    }
}

/// Formats a heading whose cells are right-aligned over `span` columns each.
fn heading(name: &str, cells: impl Iterator<Item = String>, span: usize) -> String {
    let mut line = format!("{name:<NAME_WIDTH$}");
    for cell in cells {
        let _ = write!(line, "{cell:>width$}", width = FIGURE_WIDTH * span);
    }
    line
}

/// Figures of a quantity, one for each column.
struct Row {
    name: String,
    figures: Vec<f64>,
}

impl Row {
    fn new(name: String, figures: impl Iterator<Item = Result<f64, Failure>>) -> Result<Row, Failure> {
        Ok(Row { name, figures: figures.collect::<Result<_, _>>()? })
    }

    /// The quotients of these times and others.
    fn over(&self, other: &Row) -> Row {
        let figures = self.figures.iter().zip(&other.figures).map(|(ours, theirs)| ours / theirs).collect();
        Row { name: self.name.clone(), figures }
    }

    fn line(&self, format: impl Fn(f64) -> String) -> String {
        let mut line = named(&self.name);
        for &figure in &self.figures {
            let _ = write!(line, "{:>FIGURE_WIDTH$}", format(figure));
        }
        line
    }
}

/// The start of a line.
fn named(name: &str) -> String {
    format!("{:<NAME_WIDTH$}", format!("  {name}"))
}

/// Memory and agreement of a precision beside the first.
fn figures(of: &Compared, first: &Compared) -> Vec<String> {
    let private = |of: &Compared| of.private_bytes.map_or_else(|| "-".to_owned(), size);
    let mut lines = vec![
        format!("{}  {}, of the first {}", named("mapped file"), size(of.file_bytes), size(first.file_bytes)),
        format!("{}  {}, of the first {}", named("private memory"), private(of), private(first)),
    ];
    let Some(Agreement { images, texts, ranks }) = &of.agreement else { return lines };
    for (name, cosines) in [("cosine, images", images), ("cosine, texts", texts)] {
        if let Some(found) = cosines {
            let (least, mean) = (close_cosine(found.least), close_cosine(found.mean));
            lines.push(format!("{}  {least} at least, {mean} on average, of {}", named(name), found.inputs));
        }
    }
    if let Some(found) = ranks {
        let [top1, top10] = [found.top1, found.top10].map(|share| share * 100.0);
        lines.push(format!(
            "{}  {top1:.1} % of texts find the same image first, {top10:.1} % of their ten best are the same",
            named("ranking")
        ));
    }
    lines
}

/// Formats milliseconds with three or four significant digits.
fn figure(milliseconds: f64) -> String {
    let decimals = match milliseconds {
        ms if ms < 1.0 => 3,
        ms if ms < 10.0 => 2,
        ms if ms < 1000.0 => 1,
        _ => 0,
    };
    format!("{milliseconds:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_with_their_headings() {
        assert_eq!(
            [0.0123, 0.5, 1.234, 41.76, 123.45, 2175.3].map(figure),
            ["0.012", "0.500", "1.23", "41.8", "123.5", "2175"]
        );
        let threads = heading("ms", ["1 thread".to_owned(), "2 threads".to_owned()].into_iter(), 2);
        let times = Row { name: "image, 224 x 224".into(), figures: vec![41.8, 38.2, 22.1, 20.0] };
        let row = times.line(figure);
        assert_eq!(threads.len(), row.len());
        assert_eq!(row, "  image, 224 x 224          41.8      38.2      22.1      20.0");
    }
}
