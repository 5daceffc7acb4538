//! The table of `bench`: one line per model and quantity, printed as soon as it is measured.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use super::super::args::Bench;
use super::super::messages::{Failure, count, one_line};
use super::super::output::{Destination, cannot_write};
use super::LARGE_BATCH;
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
    out.line(&format!("instruction set {}, {:.1} GFLOP/s at most on one core", isa.name(), isa.peak_gflops()))?;
    out.line("")?;
    out.line(&heading("milliseconds each", threads.iter().map(|&threads| count(threads, "thread")), batches.len()))?;
    out.line(&heading("", columns.iter().map(|(_, batch)| format!("batch {batch}")), 1))?;
    for subject in subjects {
        out.line(&one_line(&subject.name))?;
        if let Some(size) = subject.image_size() {
            let times = columns.iter().map(|&(threads, batch)| {
                let timing = subject.image(threads, batch, args.seconds)?;
                Ok(timing.as_ref().map_or(f64::NAN, Timing::milliseconds))
            });
            out.line(&row(&format!("image, {size} x {size}"), times)?)?;
        }
        for tokens in subject.text_lengths(args.text_tokens) {
            let times = columns
                .iter()
                .map(|&(threads, batch)| Ok(subject.text(threads, batch, tokens, args.seconds)?.milliseconds()));
            out.line(&row(&format!("text, {tokens} tokens"), times)?)?;
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

fn row(name: &str, times: impl Iterator<Item = Result<f64, Failure>>) -> Result<String, Failure> {
    let mut line = format!("{:<NAME_WIDTH$}", format!("  {name}"));
    for time in times {
        let _ = write!(line, "{:>FIGURE_WIDTH$}", figure(time?));
    }
    Ok(line)
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
        let row = row("image, 224 x 224", [41.8, 38.2, 22.1, 20.0].map(Ok).into_iter()).unwrap();
        assert_eq!(threads.len(), row.len());
        assert_eq!(row, "  image, 224 x 224          41.8      38.2      22.1      20.0");
    }
}
