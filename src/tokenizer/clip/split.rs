//! Splits cleaned text into the pieces that are encoded one by one.
//!
//! Implements the regular expression of the reference. At each position the first matching rule applies: an English
//! ending `'s 't 're 've 'm 'll 'd`; a run of letters; a single number; a run of characters that are neither letter,
//! number nor white space. Anything else is dropped. Knows no bytes or ids.

use crate::tokenizer::unicode::{self, LETTER, NUMBER, OTHER};

/// The pieces of a text, in order.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let first = rest.chars().next()?;
            let class = class(first);
            let length = match ending(rest) {
                Some(length) => length,
                None if class == LETTER || class == OTHER => run(rest, class),
                None => first.len_utf8(),
            };
            let (piece, after) = rest.split_at_checked(length)?;
            rest = after;
            if class != 0 {
                return Some(piece);
            }
        }
    })
}

fn class(c: char) -> u8 {
    unicode::classes(c) & (LETTER | NUMBER | OTHER)
}

/// Length of the run of a class at the start of a text.
fn run(text: &str, wanted: u8) -> usize {
    text.find(|c| class(c) != wanted).unwrap_or(text.len())
}

/// Length of an English ending at the start of a text. The pattern ignores case, so `S` and `ſ` count as `s`.
fn ending(text: &str) -> Option<usize> {
    let after = text.strip_prefix('\'')?;
    let length = match after.as_bytes() {
        [b's' | b't' | b'm' | b'd' | b'S' | b'T' | b'M' | b'D', ..] => 1,
        [b'r' | b'v' | b'R' | b'V', b'e' | b'E', ..] | [b'l' | b'L', b'l' | b'L', ..] => 2,
        _ if after.starts_with('ſ') => 'ſ'.len_utf8(),
        _ => return None,
    };
    Some(1 + length)
}

#[cfg(test)]
mod tests {
    use super::pieces;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(pieces(text).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn rules_apply_in_order() {
        check("", &[]);
        check(" \n", &[]);
        check("a cat", &["a", "cat"]);
        check("don't we've i'll", &["don", "'t", "we", "'ve", "i", "'ll"]);
        check("'salt' 'twas 'r 'v 'l", &["'s", "alt", "'", "'t", "was", "'", "r", "'", "v", "'", "l"]);
        check("!!'s", &["!!'", "s"]);
        check("'ſx", &["'ſ", "x"]);
        check("DON'T WE'Ve I'LL", &["DON", "'T", "WE", "'Ve", "I", "'LL"]);
        check("2023 3.14", &["2", "0", "2", "3", "3", ".", "1", "4"]);
        check("snake_case", &["snake", "_", "case"]);
        check("क्षि", &["क", "\u{94d}", "ष", "\u{93f}"]);
        check("½ⅷ²", &["½", "ⅷ", "²"]);
        check("a\u{345}b", &["a", "b"]);
        check("😀👍 ok", &["😀👍", "ok"]);
    }
}
