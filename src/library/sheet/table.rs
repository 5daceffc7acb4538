//! Tables of a report.

use std::io::{self, Write};

use super::escape::Text;
use super::page::Page;

/// A column of a [`Table`].
#[derive(Clone, Debug, Default)]
pub struct Column {
    /// The heading.
    pub name: String,
    /// Whether the column holds numbers, which are aligned at their end. Give them the same number of decimals.
    pub numbers: bool,
}

impl Column {
    /// A column of words.
    pub fn words(name: impl Into<String>) -> Self {
        Column { name: name.into(), numbers: false }
    }

    /// A column of numbers.
    pub fn numbers(name: impl Into<String>) -> Self {
        Column { name: name.into(), numbers: true }
    }
}

/// A table. The first cell of a row is its heading.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// What the table shows.
    pub caption: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, each with a cell for each column.
    pub rows: Vec<Vec<String>>,
    /// A row to single out, such as the best one.
    pub marked: Option<usize>,
}

impl<W: Write> Page<'_, W> {
    /// Adds a table, which scrolls inside its own box where the page is narrower than it.
    ///
    /// # Errors
    /// The output cannot be written, or a row has not as many cells as there are columns.
    pub fn table(&mut self, table: &Table) -> io::Result<()> {
        let columns = table.columns.len();
        if let Some(at) = table.rows.iter().position(|row| row.len() != columns) {
            let cells = table.rows[at].len();
            let message = format!("row {at} of a table has {cells} cells for {columns} columns");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        self.end_cards()?;
        let out = &mut self.out;
        let caption = Text(&table.caption);
        writeln!(
            out,
            "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{caption}\">\n<table>\n\
             <caption>{caption}</caption>"
        )?;
        out.write_all(b"<thead><tr>")?;
        for column in &table.columns {
            write!(out, "<th scope=\"col\"{}>{}</th>", class(column), Text(&column.name))?;
        }
        out.write_all(b"</tr></thead>\n<tbody>\n")?;
        for (at, row) in table.rows.iter().enumerate() {
            out.write_all(if table.marked == Some(at) { b"<tr class=\"marked\">" } else { b"<tr>" })?;
            for (at, (cell, column)) in row.iter().zip(&table.columns).enumerate() {
                let (tag, scope) = if at == 0 { ("th", " scope=\"row\"") } else { ("td", "") };
                write!(out, "<{tag}{scope}{}><bdi>{}</bdi></{tag}>", class(column), Text(cell))?;
            }
            out.write_all(b"</tr>\n")?;
        }
        out.write_all(b"</tbody>\n</table>\n</div>\n")
    }
}

fn class(column: &Column) -> &'static str {
    if column.numbers { " class=\"number\"" } else { "" }
}
