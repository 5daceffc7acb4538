//! Rows of some columns of a table, one after another, some of them decoded at a time.

use std::fmt;

use super::decoder::{contained_fault, of_fault};
use super::error::Error;
use super::guard::{Allowance, Fault};
use super::read::{Column, Kind, Reader};
use super::schema::Cell;
use super::values::{Batch, Values};

/// Rows that are decoded at once.
const BATCH: usize = 256;
/// The same of columns of bytes, which may be photos: a row can have megabytes.
const BATCH_OF_BYTES: usize = 16;
/// Bytes of texts that need no justification.
const FREE_TEXT: u64 = 64 << 20;
/// Most bytes of texts per byte of the file, above [`FREE_TEXT`].
const TEXT_PER_BYTE: u64 = 256;

/// Rows of a table: see [`Reader::rows_of`]. One row group is open at a time, and the rows of one batch are in memory.
pub struct Rows<'a> {
    table: &'a Reader,
    columns: Vec<&'a Column>,
    allowance: Allowance,
    text_left: u64,
    /// Most rows of a batch.
    batch: usize,
    /// The row group to open next.
    group: usize,
    values: Vec<Values>,
    /// Rows of the open group that are still to be decoded.
    left: u64,
    batches: Vec<Batch>,
    /// Rows of the batches, and the next one.
    count: usize,
    at: usize,
    /// Rows that were returned or skipped.
    passed: u64,
}

impl fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("table", self.table).field("passed", &self.passed).finish_non_exhaustive()
    }
}

impl<'a> Rows<'a> {
    pub(super) fn new(table: &'a Reader, columns: Vec<&'a Column>) -> Rows<'a> {
        let bytes = columns.iter().any(|column| matches!(column.kind, Kind::Bytes(_)));
        Rows {
            table,
            columns,
            allowance: Allowance::of(table.len()),
            text_left: FREE_TEXT.saturating_add(TEXT_PER_BYTE.saturating_mul(table.len())),
            batch: if bytes { BATCH_OF_BYTES } else { BATCH },
            group: 0,
            values: Vec::new(),
            left: 0,
            batches: Vec::new(),
            count: 0,
            at: 0,
            passed: 0,
        }
    }

    /// The next row: a cell of each column; `None` after the last row.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn next_row(&mut self) -> Result<Option<Vec<Cell<'_>>>, Error> {
        if self.columns.is_empty() {
            return Ok(None);
        }
        if self.at == self.count && !self.decode()? {
            let said = self.table.rows();
            if self.passed != said {
                let rows = self.passed;
                return Err(self.failed(Fault::Refused(format!("it has {rows} rows and says {said}"))));
            }
            return Ok(None);
        }
        let (row, mut cells) = (self.at, Vec::with_capacity(self.columns.len()));
        self.at += 1;
        self.passed += 1;
        for (column, batch) in self.columns.iter().zip(&self.batches) {
            let cell = batch.cell(row).map_err(|reason| {
                let (row, name) = (self.passed, &column.name);
                self.failed(Fault::Refused(format!("row {row} of its column {name}: {reason}")))
            })?;
            let len = match cell {
                Cell::Text(text) => text.len(),
                Cell::Bytes(bytes) => bytes.len(),
                Cell::Null | Cell::Vector(_) => 0,
            };
            self.text_left = self
                .text_left
                .checked_sub(len as u64)
                .ok_or_else(|| self.failed(Fault::Refused("its texts are longer than its length allows".into())))?;
            cells.push(cell);
        }
        Ok(Some(cells))
    }

    /// Passes over some rows. Row groups without other rows are not opened.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn skip_rows(&mut self, rows: u64) -> Result<(), Error> {
        let target = self.passed.saturating_add(rows);
        while self.passed < target {
            let missing = target - self.passed;
            if self.at < self.count {
                let step = missing.min((self.count - self.at) as u64);
                self.at += step as usize;
                self.passed += step;
            } else if self.left == 0
                && self.group < self.table.groups()
                && self.table.rows_of_group(self.group) <= missing
            {
                self.passed += self.table.rows_of_group(self.group);
                self.group += 1;
            } else if !self.decode()? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Decodes the next batch; says whether there is one.
    fn decode(&mut self) -> Result<bool, Error> {
        while self.left == 0 {
            if self.group >= self.table.groups() {
                return Ok(false);
            }
            self.values.clear();
            for column in &self.columns {
                let values = self.table.values(self.group, column, &mut self.allowance);
                self.values.push(values.map_err(|fault| of_fault(self.table.path(), fault))?);
            }
            self.left = self.table.rows_of_group(self.group);
            self.group += 1;
        }
        let count = self.left.min(self.batch as u64) as usize;
        (self.count, self.at) = (0, 0);
        self.batches.clear();
        for values in &mut self.values {
            let batch = contained_fault(|| values.read(count));
            self.batches.push(batch.map_err(|fault| of_fault(self.table.path(), fault))?);
        }
        self.left -= count as u64;
        self.count = count;
        Ok(true)
    }

    fn failed(&self, fault: Fault) -> Error {
        of_fault(self.table.path(), fault)
    }
}
