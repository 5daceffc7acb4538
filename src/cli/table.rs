//! Tables for people: columns that are aligned, and cut where a terminal is too narrow.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::messages::one_line;
use super::output::Destination;

/// Between columns.
const GAP: &str = "  ";
/// Takes the place of what is cut.
const CUT: &str = "…";
/// Cut columns keep at least this width.
const MIN_WIDTH: usize = 8;

/// The side on which cells have spaces, and how they are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Numbers: aligned to the right, never cut.
    Number,
    /// Names that are copied into commands: never cut.
    Name,
    /// Words: the start is kept.
    Words,
    /// Paths: the end is kept.
    Path,
}

impl Kind {
    /// Whether cells may be cut.
    fn is_cut(self) -> bool {
        matches!(self, Kind::Words | Kind::Path)
    }
}

/// A column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    heading: String,
    kind: Kind,
    width: usize,
}

impl Column {
    /// A column as wide as its heading; see [`Column::widen`].
    pub fn new(heading: impl Into<String>, kind: Kind) -> Column {
        let heading = heading.into();
        Column { width: heading.width(), heading, kind }
    }

    /// Makes the column wide enough for `cell`.
    pub fn widen(&mut self, cell: &str) {
        self.width = self.width.max(one_line(cell).width());
    }
}

/// Columns of fixed widths.
pub(super) struct Table(Vec<Column>);

impl Table {
    /// Fixes the widths so that lines have at most `most` columns of a terminal, if that is possible.
    pub fn new(mut columns: Vec<Column>, most: Option<usize>) -> Table {
        let gaps = GAP.len() * columns.len().saturating_sub(1);
        let Some(most) = most else { return Table(columns) };
        loop {
            let total = columns.iter().map(|column| column.width).sum::<usize>() + gaps;
            let Some(excess) = total.checked_sub(most).filter(|&excess| excess > 0) else { break };
            let cut = columns.iter_mut().filter(|column| column.kind.is_cut() && column.width > MIN_WIDTH);
            let mut cut: Vec<&mut Column> = cut.collect();
            cut.sort_by_key(|column| std::cmp::Reverse(column.width));
            // The widest is cut to the next one's width, then both together.
            let Some((widest, others)) = cut.split_first_mut() else { break };
            let floor = others.first().map_or(MIN_WIDTH, |next| next.width.min(widest.width - 1)).max(MIN_WIDTH);
            widest.width = floor.max(widest.width.saturating_sub(excess));
        }
        Table(columns)
    }

    /// The headings.
    pub fn heading(&self) -> String {
        self.line(&self.0.iter().map(|column| column.heading.as_str()).collect::<Vec<_>>())
    }

    /// A line of cells, one for each column, without spaces at its end. Control characters are escaped.
    pub fn line(&self, cells: &[impl AsRef<str>]) -> String {
        let mut line = String::new();
        for (index, (column, cell)) in self.0.iter().zip(cells).enumerate() {
            if index > 0 {
                line.push_str(GAP);
            }
            let cell = fit(&one_line(cell.as_ref()), column).into_owned();
            let spaces = " ".repeat(column.width.saturating_sub(cell.width()));
            let (before, after) = if column.kind == Kind::Number { (&*spaces, "") } else { ("", &*spaces) };
            line.extend([before, &cell, after]);
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// Cuts a cell to the width of its column.
fn fit<'a>(cell: &'a str, column: &Column) -> Cow<'a, str> {
    if cell.width() <= column.width || !column.kind.is_cut() {
        return Cow::Borrowed(cell);
    }
    let room = column.width.saturating_sub(CUT.width());
    let mut used = 0;
    let mut fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= room
    };
    Cow::Owned(if column.kind == Kind::Path {
        let kept: Vec<char> = cell.chars().rev().take_while(&mut fits).collect();
        CUT.chars().chain(kept.into_iter().rev()).collect()
    } else {
        cell.chars().take_while(&mut fits).chain(CUT.chars()).collect()
    })
}

/// The width of the terminal that `out` is; `None` if it is none.
pub(super) fn terminal_width(out: &Destination) -> Option<usize> {
    let width = out.is_terminal().then(terminal_size::terminal_size)??.0.0;
    Some(usize::from(width)).filter(|&width| width > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_never_cut() {
        let mut columns = vec![Column::new("name", Kind::Name), Column::new("repository", Kind::Words)];
        columns[0].widen("siglip2-so400m-16-384");
        columns[1].widen("timm/ViT-SO400M-16-SigLIP2-384");
        let table = Table::new(columns, Some(40));
        let line = table.line(&["siglip2-so400m-16-384", "timm/ViT-SO400M-16-SigLIP2-384"]);
        assert_eq!(line, "siglip2-so400m-16-384  timm/ViT-SO400M-…");
    }

    fn table(most: Option<usize>) -> Table {
        let mut columns =
            vec![Column::new("photo", Kind::Path), Column::new("label", Kind::Words), Column::new("p", Kind::Number)];
        columns[0].widen("holidays/2024/beach.jpg");
        columns[1].widen("a sunny day");
        columns[2].widen("0.93");
        Table::new(columns, most)
    }

    fn lines(most: Option<usize>) -> [String; 3] {
        let table = table(most);
        [
            table.heading(),
            table.line(&["holidays/2024/beach.jpg", "a sunny day", "0.93"]),
            table.line(&["日本語/写真の長い名前.jpg", "x", "1"]),
        ]
    }

    #[test]
    fn columns_are_aligned() {
        let [heading, first, _] = lines(None);
        assert_eq!(heading, "photo                    label           p");
        assert_eq!(first, "holidays/2024/beach.jpg  a sunny day  0.93");
        assert_eq!(table(None).line(&["a", "b\u{1b}[2J", ""]), "a                        b\\u{1b}[2J");
        // It would be shown as `agpj.exe`.
        let line = table(None).line(&["a\u{202e}exe.jpg", "\u{2066}", ""]);
        assert_eq!(line, "a\\u{202e}exe.jpg         \\u{2066}");
    }

    #[test]
    fn lines_fit_a_terminal() {
        for most in 26..60 {
            for line in lines(Some(most)) {
                assert!(line.width() <= most, "{most}: {line:?}");
            }
        }
        assert_eq!(lines(Some(42)), lines(None));
        let [heading, first, wide] = lines(Some(34));
        assert_eq!(heading, "photo            label           p");
        assert_eq!(first, "…2024/beach.jpg  a sunny day  0.93");
        assert_eq!(wide, "…の長い名前.jpg  x               1");
        assert_eq!(lines(Some(26))[1], "…each.jpg  a sunny …  0.93");
        // Narrower than is possible.
        assert_eq!(lines(Some(0)), lines(Some(24)));
        assert_eq!(Table::new(Vec::new(), Some(1)).heading(), "");
    }
}
