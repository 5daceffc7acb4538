//! Rows of some columns of a table, one after another, some of them decoded at a time.

use std::fmt;

use super::decoder::{contained_fault, of_fault};
use super::error::Error;
use super::guard::{Allowance, Fault};
use super::read::{Column, Reader};
use super::schema::Cell;
use super::values::{Batch, Values};

/// Most rows that are decoded at once.
const BATCH: u64 = 256;
/// Bytes of pages that the rows of a batch may keep in memory, unless one row has more. Values are parts of their
/// pages, so a row keeps a page of each column at most, be it as large as its header claims.
const BATCH_BYTES: u64 = 64 << 20;

/// Rows of a table: see [`Reader::rows_of`]. One row group is open at a time, and the rows of one batch are in memory.
pub struct Rows<'a> {
    table: &'a Reader,
    columns: Vec<&'a Column>,
    allowance: Allowance,
    /// Most rows of a batch of the open group.
    batch: u64,
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
        Rows {
            table,
            columns,
            allowance: Allowance::of(table.len()),
            batch: 1,
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
            let mut row: u64 = 1;
            for column in &self.columns {
                let values = self.table.values(self.group, column, &mut self.allowance);
                let (values, page) = values.map_err(|fault| of_fault(self.table.path(), fault))?;
                self.values.push(values);
                row = row.saturating_add(page);
            }
            self.batch = (BATCH_BYTES / row).clamp(1, BATCH);
            self.left = self.table.rows_of_group(self.group);
            self.group += 1;
        }
        let count = self.left.min(self.batch) as usize;
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

    /// Rows of the batch at hand.
    #[cfg(all(test, repository))]
    pub(super) fn decoded(&self) -> usize {
        self.count
    }

    fn failed(&self, fault: Fault) -> Error {
        of_fault(self.table.path(), fault)
    }
}
