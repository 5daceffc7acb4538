//! The numbers that a report is read for, in large type.

use std::io::{self, Write};

use super::escape::Text;
use super::page::Page;

/// A number that a page is read for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Number<'a> {
    /// What it is, such as `accuracy`.
    pub name: &'a str,
    /// The number as it is to be shown, such as `87.1 %`.
    pub value: &'a str,
    /// A few words below; none if empty.
    pub note: &'a str,
}

impl<W: Write> Page<'_, W> {
    /// Adds numbers in large type, side by side.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn numbers(&mut self, numbers: &[Number<'_>]) -> io::Result<()> {
        self.end_cards()?;
        let out = &mut self.out;
        out.write_all(b"<dl class=\"numbers\">\n")?;
        for number in numbers {
            write!(out, "<div><dt>{}</dt><dd><b><bdi>{}</bdi></b>", Text(number.name), Text(number.value))?;
            if !number.note.is_empty() {
                write!(out, "<span><bdi>{}</bdi></span>", Text(number.note))?;
            }
            out.write_all(b"</dd></div>\n")?;
        }
        out.write_all(b"</dl>\n")
    }
}
