//! Classes and lower case of code points, as in the reference.
//!
//! Rust's own tables follow another Unicode version than Python's and change with the compiler; these are fixed. Knows
//! single characters only.

use super::unicode_tables::{CLASSES, LOWER};

/// `[\p{L}]` of the tokenizer's pattern.
pub(super) const LETTER: u8 = 1;
/// `[\p{N}]` of the tokenizer's pattern.
pub(super) const NUMBER: u8 = 2;
/// `[^\s\p{L}\p{N}]` of the tokenizer's pattern.
pub(super) const OTHER: u8 = 4;
/// `\w` of Python's `re`.
pub(super) const WORD: u8 = 8;
/// `\d` of Python's `re`.
pub(super) const DIGIT: u8 = 16;
/// Cased and not skipped when `str.lower` looks around a capital sigma.
pub(super) const CASED: u8 = 32;
/// Skipped when `str.lower` looks around a capital sigma.
pub(super) const CASE_IGNORABLE: u8 = 64;
/// Unassigned in the Unicode version with which the reference normalises.
pub(super) const UNASSIGNED: u8 = 128;

static ASCII: [u8; 128] = ascii();

const fn ascii() -> [u8; 128] {
    let mut out = [0; 128];
    let mut run = 0;
    let mut code = 0;
    while code < 128 {
        while CLASSES[run + 1] >> 8 <= code {
            run += 1;
        }
        out[code as usize] = CLASSES[run] as u8;
        code += 1;
    }
    out
}

/// All classes of a character.
pub(super) fn classes(c: char) -> u8 {
    match ASCII.get(c as usize) {
        Some(&known) => known,
        None => {
            let after = CLASSES.partition_point(|&run| run >> 8 <= c as u32);
            CLASSES.get(after.wrapping_sub(1)).map_or(0, |&run| run as u8)
        }
    }
}

/// Lower case of a character, if it is a single character. The caller handles U+0130 and U+03A3.
pub(super) fn lower(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let code = c as u32;
    let after = LOWER.partition_point(|&(first, ..)| first <= code);
    match LOWER.get(after.wrapping_sub(1)) {
        Some(&(first, last, step, distance)) if code <= last && (code - first).is_multiple_of(step) => {
            code.checked_add_signed(distance).and_then(char::from_u32).unwrap_or(c)
        }
        _ => c,
    }
}

/// Python's white space (`str.split`, `str.strip`, `\s` of `re`): Rust's and four separators.
pub(super) fn is_space(c: char) -> bool {
    matches!(c,
        '\t'..='\r' | '\u{1c}'..=' ' | '\u{85}' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}'
        | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_known_characters() {
        assert_eq!(classes('a') & (LETTER | NUMBER | OTHER), LETTER);
        assert_eq!(classes('7') & (LETTER | NUMBER | OTHER | DIGIT), NUMBER | DIGIT);
        assert_eq!(classes('_') & (LETTER | NUMBER | OTHER | WORD), OTHER | WORD);
        assert_eq!(classes(' ') & (LETTER | NUMBER | OTHER), 0);
        assert_eq!(classes('½') & (NUMBER | DIGIT | WORD), NUMBER | WORD);
        assert_eq!(classes('漢') & (LETTER | WORD | CASED), LETTER | WORD);
        assert_eq!(classes('\u{301}') & (OTHER | CASE_IGNORABLE), OTHER | CASE_IGNORABLE);
        assert_eq!(classes('\u{345}') & (LETTER | NUMBER | OTHER), 0);
        assert_eq!(classes('\u{10d50}') & (LETTER | UNASSIGNED), LETTER | UNASSIGNED);
        assert_eq!(classes('\u{10ffff}') & (OTHER | UNASSIGNED), OTHER | UNASSIGNED);
        assert_eq!(classes('Σ') & (CASED | CASE_IGNORABLE), CASED);
    }

    #[test]
    fn lower_case_agrees_with_rust_on_assigned_characters() {
        for c in char::MIN..=char::MAX {
            if classes(c) & UNASSIGNED == 0 && c != 'İ' {
                let mut theirs = c.to_lowercase();
                assert_eq!(
                    (theirs.next(), theirs.next()),
                    (Some(if c == 'Σ' { 'σ' } else { lower(c) }), None),
                    "{c:?}"
                );
            }
        }
        assert_eq!(lower('\u{10d50}'), '\u{10d50}');
    }

    #[test]
    fn space_is_that_of_rust_and_four_separators() {
        for c in char::MIN..=char::MAX {
            assert_eq!(is_space(c), c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c), "{c:?}");
        }
    }
}
