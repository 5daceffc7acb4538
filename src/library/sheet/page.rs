//! The page as a whole: head, sections, and what is open at any moment.

use std::io::{self, Write};
use std::path::Path;

use super::card::{self, Card};
use super::escape::Text;

/// The look of every page.
pub(crate) const STYLE: &str = include_str!("style.css");

/// Nothing but the page itself: no script, no request, pictures from data in the page.
const POLICY: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// What a page begins with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    /// The heading of the page, such as the query.
    pub title: &'a str,
    /// Facts under the heading as names and values, such as `("Model", "mobileclip2-s2")`. A name may be empty.
    pub facts: &'a [(&'a str, &'a str)],
    /// The folder in which the page will lie, as an absolute path. Photos below it are linked relative to it, so that
    /// the folder can be moved with its page; without it, links are absolute.
    pub folder: Option<&'a Path>,
}

/// The start of a part of a page, such as a group of duplicates.
#[derive(Clone, Copy, Debug, Default)]
pub struct Section<'a> {
    /// The heading.
    pub heading: &'a str,
    /// A line below the heading; none if empty.
    pub note: &'a str,
}

/// A page that is being written.
///
/// Parts appear in the order of the calls. After an error, what was written is unusable. Writes are small: give a
/// [`std::io::BufWriter`] for a file.
#[derive(Debug)]
pub struct Page<'a, W: Write> {
    pub(super) out: W,
    folder: Option<&'a Path>,
    /// Number of sections so far, which names their headings.
    sections: usize,
    in_section: bool,
    in_cards: bool,
    /// Number of figures so far, which names their titles.
    pub(super) figures: usize,
    /// Whether the colours of heat maps are part of the page already.
    pub(super) heat_colours: bool,
}

impl<'a, W: Write> Page<'a, W> {
    /// Writes the start of a page.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn begin(mut out: W, head: &Head<'a>) -> io::Result<Self> {
        let title = Text(head.title);
        write!(
            out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n\
             <meta name=\"generator\" content=\"clippie-rs\">\n\
             <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
             <header>\n<h1><bdi>{title}</bdi></h1>\n"
        )?;
        if !head.facts.is_empty() {
            out.write_all(b"<dl class=\"facts\">\n")?;
            for (name, value) in head.facts {
                out.write_all(b"<div>")?;
                // A list of descriptions needs a term for each description.
                let hidden = if name.is_empty() { " hidden" } else { "" };
                writeln!(out, "<dt{hidden}>{}</dt> <dd><bdi>{}</bdi></dd></div>", Text(name), Text(value))?;
            }
            out.write_all(b"</dl>\n")?;
        }
        out.write_all(b"</header>\n<main>\n")?;
        Ok(Page {
            out,
            folder: head.folder,
            sections: 0,
            in_section: false,
            in_cards: false,
            figures: 0,
            heat_colours: false,
        })
    }

    /// Starts a section, which ends the one before.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn section(&mut self, section: &Section<'_>) -> io::Result<()> {
        self.end_section()?;
        self.sections += 1;
        let number = self.sections;
        writeln!(
            self.out,
            "<section aria-labelledby=\"s{number}\">\n<h2 id=\"s{number}\"><bdi>{}</bdi></h2>",
            Text(section.heading)
        )?;
        if !section.note.is_empty() {
            writeln!(self.out, "<p class=\"note\"><bdi>{}</bdi></p>", Text(section.note))?;
        }
        self.in_section = true;
        Ok(())
    }

    /// Adds a photo. Cards without anything between them form a grid.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn card(&mut self, card: &Card<'_>) -> io::Result<()> {
        if !self.in_cards {
            self.out.write_all(b"<ul class=\"cards\" role=\"list\">\n")?;
            self.in_cards = true;
        }
        card::write(&mut self.out, card, self.folder)
    }

    /// Adds a paragraph.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn paragraph(&mut self, text: &str) -> io::Result<()> {
        self.end_cards()?;
        writeln!(self.out, "<p class=\"text\" dir=\"auto\">{}</p>", Text(text))
    }

    /// Adds a paragraph that stands for what is missing, such as photos that fit.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn nothing(&mut self, text: &str) -> io::Result<()> {
        self.end_cards()?;
        writeln!(self.out, "<p class=\"nothing\" dir=\"auto\">{}</p>", Text(text))
    }

    /// Writes the end of the page and returns the output, flushed.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.end_section()?;
        self.out.write_all(b"</main>\n<footer>Made with clippie-rs</footer>\n</body>\n</html>\n")?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// Ends the grid of cards, if one is open.
    pub(super) fn end_cards(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.in_cards) {
            self.out.write_all(b"</ul>\n")?;
        }
        Ok(())
    }

    fn end_section(&mut self) -> io::Result<()> {
        self.end_cards()?;
        if std::mem::take(&mut self.in_section) {
            self.out.write_all(b"</section>\n")?;
        }
        Ok(())
    }
}
