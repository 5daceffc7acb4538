//! What is searched for: a weighted sum of sentences, photos and vectors.
//!
//! Each term is a unit vector times its weight. The sum is scaled to length one again, so that scores stay cosines.

mod parse;

use std::path::{Path, PathBuf};

use super::error::Error;

/// A query: a sum of terms.
///
/// ```
/// use clippie_rs::library::Query;
///
/// let query = Query::text("a dog").add_photo(0.5, "./beach.jpg").add_text(-1.0, "people");
/// assert_eq!(query, Query::parse(["a dog", "+", "0.5:./beach.jpg", "-", "people"])?);
/// # Ok::<(), clippie_rs::library::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    terms: Vec<Term>,
}

/// A term of a [`Query`].
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// What its unit vector is multiplied with; negative to search for the opposite.
    pub weight: f32,
    /// What it stands for.
    pub what: What,
}

/// What a [`Term`] stands for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum What {
    /// A sentence.
    Text(String),
    /// A photo: any file, in the library or not.
    Photo(PathBuf),
    /// A photo of the library, by its [id](crate::library::Hit::id).
    Known(i64),
    /// The bytes of a photo file, and what messages call it.
    PhotoBytes(Vec<u8>, String),
    /// An embedding of the library's model. It need not be of unit length.
    Vector(Vec<f32>),
}

impl Query {
    /// A query without terms.
    #[must_use]
    pub fn new() -> Query {
        Query::default()
    }

    /// Searches for a sentence.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Query {
        Query::new().add_text(1.0, text)
    }

    /// Searches for a photo.
    #[must_use]
    pub fn photo(path: impl AsRef<Path>) -> Query {
        Query::new().add_photo(1.0, path)
    }

    /// Searches for the photo with these bytes; `name` stands for its path in messages.
    #[must_use]
    pub fn photo_bytes(bytes: impl Into<Vec<u8>>, name: impl Into<String>) -> Query {
        Query::new().with(Term { weight: 1.0, what: What::PhotoBytes(bytes.into(), name.into()) })
    }

    /// Adds a sentence; subtracts it if the weight is negative.
    #[must_use]
    pub fn add_text(self, weight: f32, text: impl Into<String>) -> Query {
        self.with(Term { weight, what: What::Text(text.into()) })
    }

    /// Adds a photo; subtracts it if the weight is negative.
    #[must_use]
    pub fn add_photo(self, weight: f32, path: impl AsRef<Path>) -> Query {
        self.with(Term { weight, what: What::Photo(path.as_ref().to_owned()) })
    }

    /// Adds a term.
    #[must_use]
    pub fn with(mut self, term: Term) -> Query {
        self.terms.push(term);
        self
    }

    /// Parses words as a command line gives them; see [`Query::parse_term`] for one term.
    ///
    /// `+` and `-` separate terms that are added and subtracted; the words between them belong together, so a sentence
    /// needs no quotation marks. A single word is a whole query: `+` and `-` between spaces separate its terms too, unless it
    /// is the path of a file that is there.
    ///
    /// # Errors
    /// No words, an operator without a term, and those of [`Query::parse_term`].
    pub fn parse<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Result<Query, Error> {
        parse::query(words)
    }

    /// Parses one term: a sentence or a photo, with a factor before a colon: `2:a dog`, `0.5:./beach.jpg`.
    ///
    /// Paths begin with `./`, `../` or `/` (on Windows also with a drive or a backslash); a text that is the name of an
    /// existing photo file is a path too.
    ///
    /// # Errors
    /// An empty text; a factor that is zero or no number.
    pub fn parse_term(text: &str) -> Result<Term, Error> {
        parse::term(text)
    }

    /// Parses a line of sentences, joined as in [`Query::parse`]. No term of it is a path: what somebody else wrote reads
    /// no file.
    ///
    /// # Errors
    /// Those of [`Query::parse`].
    pub fn parse_sentences(line: &str) -> Result<Query, Error> {
        parse::sentences(line)
    }

    /// The terms, in order.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }
}

/// A query in one line: `a dog + 0.5:beach.jpg - people`. Control characters are escaped.
impl std::fmt::Display for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, term) in self.terms.iter().enumerate() {
            match (number, term.weight < 0.0) {
                (0, false) => {}
                (0, true) => f.write_str("- ")?,
                (_, false) => f.write_str(" + ")?,
                (_, true) => f.write_str(" - ")?,
            }
            if term.weight.abs() != 1.0 {
                write!(f, "{}:", term.weight.abs())?;
            }
            let text = match &term.what {
                What::Text(text) => text.clone(),
                What::Photo(path) => path.display().to_string(),
                What::Known(id) => format!("photo {id}"),
                What::PhotoBytes(_, name) => name.clone(),
                What::Vector(values) => format!("a vector of {} values", values.len()),
            };
            for c in text.chars() {
                if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
            }
        }
        Ok(())
    }
}
