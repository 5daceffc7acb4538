//! The spelling of queries: terms joined by `+` and `-`, with factors, as rclip's users know it.

use std::path::{Path, PathBuf};

use super::super::error::Error;
use super::{Query, Term, What};
use crate::walk::is_photo;

pub(super) fn query<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Result<Query, Error> {
    let words: Vec<S> = words.into_iter().collect();
    match &words[..] {
        // Joined again by the same spaces.
        [whole] if is_sum(whole.as_ref()) => of_words(whole.as_ref().split(' '), term),
        _ => of_words(words.iter().map(AsRef::as_ref), term),
    }
}

pub(super) fn sentences(line: &str) -> Result<Query, Error> {
    of_words(line.split(' '), sentence)
}

/// Whether a query in one argument has operators between spaces, and is not the path of a file that is there.
fn is_sum(text: &str) -> bool {
    text.split(' ').any(is_operator) && {
        let path = text.split_once(':').filter(|(factor, _)| is_factor(factor)).map_or(text, |(_, rest)| rest);
        !(is_path(path.trim()) && expanded(path.trim()).is_file())
    }
}

fn is_operator(word: &str) -> bool {
    matches!(word, "+" | "-")
}

/// Parses one term.
type ParseTerm = fn(&str) -> Result<Term, Error>;

fn of_words<'a>(words: impl IntoIterator<Item = &'a str>, parse: ParseTerm) -> Result<Query, Error> {
    let mut query = Query::new();
    let mut sign = 1.0;
    let mut operator: Option<String> = None;
    let mut text = String::new();
    for word in words {
        match word.trim() {
            next if is_operator(next) => {
                query = push(query, (sign, operator.as_deref()), parse, &text, next)?;
                text.clear();
                sign = if next == "+" { 1.0 } else { -1.0 };
                operator = Some(next.to_owned());
            }
            _ => {
                if !text.is_empty() {
                    text.push(' ');
                }
                text += word;
            }
        }
    }
    if text.trim().is_empty() {
        return Err(match operator {
            Some(operator) => Error::Query(format!("nothing follows `{operator}` in the query")),
            None => Error::Query("the query is empty; describe what to find, or name a photo".into()),
        });
    }
    push(query, (sign, operator.as_deref()), parse, &text, "")
}

/// Adds the term that ends at an operator. Before the first operator there may be none.
fn push(
    query: Query,
    (sign, operator): (f32, Option<&str>),
    parse: ParseTerm,
    text: &str,
    next: &str,
) -> Result<Query, Error> {
    match (text.trim().is_empty(), operator) {
        (true, None) => Ok(query),
        (true, Some(operator)) => {
            Err(Error::Query(format!("nothing stands between `{operator}` and `{next}` in the query")))
        }
        (false, _) => {
            let mut term = parse(text)?;
            term.weight *= sign;
            Ok(query.with(term))
        }
    }
}

pub(super) fn term(text: &str) -> Result<Term, Error> {
    let Term { weight, what } = sentence(text)?;
    let what = match what {
        What::Text(text) if is_path(&text) => What::Photo(expanded(&text)),
        what => what,
    };
    Ok(Term { weight, what })
}

/// A term that is a sentence, whatever it looks like.
fn sentence(text: &str) -> Result<Term, Error> {
    let (weight, rest) = match text.split_once(':') {
        Some((factor, rest)) if is_factor(factor) => {
            let weight: f32 = factor.trim().parse().unwrap_or(f32::NAN);
            if !weight.is_finite() || weight == 0.0 {
                return Err(Error::Query(format!("the factor {factor} in `{text}` is not a number other than zero")));
            }
            (weight, rest)
        }
        _ => (1.0, text),
    };
    let rest = rest.trim();
    if rest.is_empty() {
        return Err(Error::Query(format!("`{text}` is an empty term; describe what to find, or name a photo")));
    }
    Ok(Term { weight, what: What::Text(rest.to_owned()) })
}

/// Digits with a point at most: `2`, `0.5`, `.5`.
fn is_factor(text: &str) -> bool {
    let text = text.trim();
    text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && text.bytes().filter(|&byte| byte == b'.').count() <= 1
}

fn is_path(text: &str) -> bool {
    const STARTS: [&str; 4] = ["./", "../", "/", "~/"];
    let windows = cfg!(windows)
        && (text.starts_with('\\')
            || text.starts_with(".\\")
            || text.starts_with("..\\")
            || text.get(1..3) == Some(":\\"));
    // Nobody describes a photo by the name of a file that is there.
    windows
        || STARTS.iter().any(|start| text.starts_with(start))
        || is_photo(Path::new(text)) && Path::new(text).is_file()
}

/// A shell expands `~/` at the start of a word only, not in `2:~/beach.jpg`.
fn expanded(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Vec<(f32, String)> {
        let query = query(words).unwrap();
        let what = |what: &What| match what {
            What::Text(text) => text.clone(),
            What::Photo(path) => format!("<{}>", path.display()),
            What::Known(_) | What::PhotoBytes(..) | What::Vector(_) => unreachable!("nothing spells one"),
        };
        query.terms().iter().map(|term| (term.weight, what(&term.what))).collect()
    }

    #[test]
    fn sums_and_differences() {
        type Case = (&'static [&'static str], &'static [(f32, &'static str)]);
        let cases: [Case; 15] = [
            (&["a dog"], &[(1.0, "a dog")]),
            (&["a", "dog", "on", "a beach"], &[(1.0, "a dog on a beach")]),
            (
                &["a dog", "+", "0.5:./beach.jpg", "-", "people"],
                &[(1.0, "a dog"), (0.5, "<./beach.jpg>"), (-1.0, "people")],
            ),
            (&["-", "people"], &[(-1.0, "people")]),
            (&["+", "2:a dog"], &[(2.0, "a dog")]),
            (&["/a b.jpg", "-", ".5:../c.png"], &[(1.0, "</a b.jpg>"), (-0.5, "<../c.png>")]),
            (&["at 10:30"], &[(1.0, "at 10:30")]),
            (&["1:10:30 train"], &[(1.0, "10:30 train")]),
            (&["nothing.jpg"], &[(1.0, "nothing.jpg")]),
            (&["one-way street"], &[(1.0, "one-way street")]),
            (&["1.2.3:x"], &[(1.0, "1.2.3:x")]),
            // In one argument, too.
            (&["./05.png + red background"], &[(1.0, "<./05.png>"), (1.0, "red background")]),
            (
                &["2:a t-shirt -  0.5:a  star + -5 degrees"],
                &[(2.0, "a t-shirt"), (-0.5, "a  star"), (1.0, "-5 degrees")],
            ),
            (&["- people"], &[(-1.0, "people")]),
            (&["a dog - people", "+", "b"], &[(1.0, "a dog - people"), (1.0, "b")]),
        ];
        for (words, terms) in cases {
            let expected: Vec<(f32, String)> = terms.iter().map(|&(weight, text)| (weight, text.into())).collect();
            assert_eq!(parsed(words), expected, "{words:?}");
        }
        let shown = query(["a dog", "+", "0.5:./beach.jpg", "-", "people\u{1b}"]).unwrap().to_string();
        assert_eq!(shown, "a dog + 0.5:./beach.jpg - people\\u{1b}");
    }

    #[test]
    fn the_name_of_a_photo_is_a_path() {
        let existing = "examples/drawings/01.png";
        assert_eq!(parsed(&[existing]), [(1.0, format!("<{existing}>"))]);
        assert_eq!(parsed(&["Cargo.toml"]), [(1.0, "Cargo.toml".into())]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("beach - 2019.png");
        let path = path.to_str().unwrap();
        assert_eq!(parsed(&[path]).len(), 2);
        std::fs::write(path, "").unwrap();
        assert_eq!(parsed(&[path]), [(1.0, format!("<{path}>"))]);
        assert_eq!(parsed(&[&format!("2:{path}")]), [(2.0, format!("<{path}>"))]);
    }

    #[test]
    fn sentences_are_no_paths() {
        let line = "/etc/passwd - 2:./a.jpg + ~/b.png + examples/drawings/01.png";
        let query = sentences(line).unwrap();
        let texts = query.terms().iter().map(|term| (term.weight, term.what.clone()));
        let expected = [(1.0, "/etc/passwd"), (-2.0, "./a.jpg"), (1.0, "~/b.png"), (1.0, "examples/drawings/01.png")];
        assert!(texts.eq(expected.map(|(weight, text)| (weight, What::Text(text.into())))), "{query}");
        for same in ["a dog", "2:a t-shirt -  0.5:a  star + -5 degrees", "- people", "1.2.3:x", "one-way street"] {
            assert_eq!(sentences(same).unwrap(), query_of(same), "{same}");
        }
        for (line, reason) in [("", "the query is empty"), ("a +", "nothing follows `+`"), ("0:a", "the factor 0")] {
            assert!(sentences(line).unwrap_err().to_string().contains(reason), "{line}");
        }
    }

    fn query_of(line: &str) -> Query {
        query([line]).unwrap()
    }

    #[test]
    fn what_is_no_query() {
        for (words, reason) in [
            (&[][..], "the query is empty"),
            (&["  "], "the query is empty"),
            (&["a", "+"], "nothing follows `+`"),
            (&["a", "+", "-", "b"], "nothing stands between `+` and `-`"),
            (&["2:"], "empty term"),
            (&["0:a"], "the factor 0"),
            (&["a", "-", "0.0:b"], "the factor 0.0"),
            (&["a +"], "nothing follows `+`"),
            (&["a - + b"], "nothing stands between `-` and `+`"),
        ] {
            let error = query(words).unwrap_err().to_string();
            assert!(error.contains(reason), "{words:?}: {error}");
        }
    }
}
