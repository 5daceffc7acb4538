//! Detects mojibake: neighbouring characters that hardly ever occur unless bytes were decoded in the wrong code page.
//!
//! The combinations are facts from ftfy (`badness.py`, Apache-2.0). Most are defined by sets of characters
//! ([`super::category`]), the rest by single characters.

use super::category::*;
use super::wide::wide_chars;
use crate::tokenizer::unicode::{WORD, classes, is_space};
use std::str::Chars;

const ACCENTED: u32 = UPPER_ACCENTED | LOWER_ACCENTED;
const PUNCTUATION: u32 = START_PUNCTUATION | END_PUNCTUATION;
/// Characters that do not occur next to a character of [`BAD`].
const BESIDE_BAD: u32 = ACCENTED | BOX | PUNCTUATION | CURRENCY | NUMERIC | LAW;

/// Pairs of sets whose members do not follow each other: (first character, second character).
const PAIRS: [(u32, u32); 9] = [
    (BESIDE_BAD | BAD, BAD),
    (BAD, BESIDE_BAD),
    (LOWER_ACCENTED | LOWER_COMMON | BOX | END_PUNCTUATION | CURRENCY | NUMERIC, UPPER_ACCENTED),
    (BOX | END_PUNCTUATION | CURRENCY | NUMERIC, LOWER_ACCENTED),
    (LOWER_ACCENTED | BOX | END_PUNCTUATION, CURRENCY),
    (UPPER_ACCENTED | BOX, NUMERIC | LAW),
    (CURRENCY | NUMERIC | BOX, START_PUNCTUATION),
    (BOX, KAOMOJI | END_PUNCTUATION),
    (ACCENTED | CURRENCY | NUMERIC | PUNCTUATION | LAW, BOX),
];

/// Sets for three characters in a row.
const TRIPLES: [(u32, u32, u32); 2] = [
    (ACCENTED | BOX | CURRENCY | END_PUNCTUATION, START_PUNCTUATION, NUMERIC),
    (ACCENTED | CURRENCY | NUMERIC | BOX | LAW, END_PUNCTUATION, START_PUNCTUATION),
];

/// Whether any such combination occurs.
pub(super) fn is_bad(text: &str) -> bool {
    wide_chars(text).filter(|&(_, c)| category(c) != 0).any(|(at, c)| {
        let (past, rest) = (text.get(..at), text.get(at + c.len_utf8()..));
        let mut past = past.unwrap_or_default().chars().rev();
        let last = past.next();
        is_bad_at(past.next(), last, c, rest.unwrap_or_default().chars())
    })
}

/// Whether a combination occurs whose first character above ASCII, or a characteristic one, is `c`. Every combination
/// has such a character in one of the sets.
fn is_bad_at(before: Option<char>, last: Option<char>, c: char, mut rest: Chars) -> bool {
    let sets = category(c);
    if sets & C1 != 0 {
        return true;
    }
    let (true, Some(next)) = (sets != 0, rest.next()) else {
        return false;
    };
    let next_sets = category(next);
    let third = rest.clone().next();
    PAIRS.iter().any(|&(a, b)| sets & a != 0 && next_sets & b != 0)
        || next_sets & PUNCTUATION != 0 && is_bad_triple(sets, next_sets, third)
        || is_bad_after(last, sets, next_sets)
        || is_lone_capital(before, last, c, next, next_sets)
        || is_bad_by_name(c, next, next_sets, rest)
        || sets & UPPER_ACCENTED != 0 && next == '°'
}

fn is_bad_triple(sets: u32, next_sets: u32, third: Option<char>) -> bool {
    let Some(third) = third else { return false };
    let third_sets = category(third);
    TRIPLES.iter().any(|&(a, b, c)| sets & a != 0 && next_sets & b != 0 && third_sets & c != 0)
        || sets & ACCENTED != 0 && classes(third) & WORD != 0
}

/// Pairs that count only after a Latin letter or white space.
fn is_bad_after(last: Option<char>, sets: u32, next_sets: u32) -> bool {
    let Some(last) = last else { return false };
    let follows = |a: u32, b: u32| sets & a != 0 && next_sets & b != 0;
    last.is_ascii_alphabetic() && follows(LOWER_COMMON | UPPER_COMMON, BAD)
        || last.is_ascii_lowercase() && follows(UPPER_ACCENTED, START_PUNCTUATION | CURRENCY)
        || is_space(last) && follows(UPPER_ACCENTED, CURRENCY)
}

/// `Ã` and `Â`, the lead bytes of most of Latin-1, if the byte after them has become a space or a punctuation mark.
fn is_lone_capital(before: Option<char>, last: Option<char>, c: char, next: char, next_sets: u32) -> bool {
    let lower = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase());
    match (c, next) {
        ('Ã' | 'Â', ' ') if last.is_none() || lower(last) => true,
        ('Ã' | 'Â', ' ') if last.is_some_and(is_space) && lower(before) => true,
        ('Â', _) if next == ' ' || next_sets & PUNCTUATION != 0 => {
            lower(last)
                || last.is_some_and(|c| matches!(c, '.' | ',' | '?' | '!') || category(c) & END_PUNCTUATION != 0)
        }
        _ => false,
    }
}

/// Sequences of specific characters.
fn is_bad_by_name(c: char, next: char, next_sets: u32, mut rest: Chars) -> bool {
    match c {
        // A ligature before anything but an unaccented letter.
        'Œ' | 'œ' => !next.is_ascii_alphabetic(),
        // Two-byte sequences of UTF-8 in Windows-1252.
        'Â' | 'Ã' | 'Î' | 'Ð' => {
            next_sets & PUNCTUATION != 0
                || matches!(next, '€' | 'œ' | 'Š' | 'š' | '¢' | '£' | 'Ÿ' | 'ž' | '\u{a0}' | '\u{ad}' | '®' | '©')
                || matches!(next, '°' | '·' | '»' | '–' | '—' | '´')
        }
        '×' => matches!(next, '²' | '³'),
        // Arabic in Windows-1252. Its marks are common, so this needs two letters.
        'Ø' | 'Ù' => {
            is_arabic_tail(next) && matches!(rest.next(), Some('Ø' | 'Ù')) && rest.next().is_some_and(is_arabic_tail)
        }
        // South Asian scripts in Windows-1252.
        'à' => matches!(next, '²' | 'µ' | '¹' | '¼' | '½' | '¾'),
        // MacRoman.
        '√' => matches!(next, '±' | '∂' | '†' | '≠' | '®' | '™' | '´' | '≤' | '≥' | '¥' | 'µ' | 'ø'),
        '≈' => matches!(next, '°' | '¢'),
        '‚' => match (next, rest.next()) {
            ('Ä', Some(third)) => "ìîïòôúùû†°¢π".contains(third),
            ('â' | 'ó', Some(third)) => matches!(third, 'à' | 'ä' | '°' | 'ê'),
            _ => false,
        },
        // Windows-1251: punctuation, Latin-1 or Cyrillic, and Latin-1 decoded twice.
        'в' => next == 'Ђ',
        'В' | 'Г' | 'Р' | 'С' => {
            let third = rest.next();
            let between = C1 | BAD | PUNCTUATION | CURRENCY;
            (next_sets & between != 0 || matches!(next, '°' | 'µ')) && matches!(third, Some('В' | 'Г' | 'Р' | 'С'))
                || c == 'Г' && is_double_cyrillic(next, third, rest)
        }
        // Windows-1253: punctuation, Latin-1 or Greek.
        'β' => next == '€' && matches!(rest.next(), Some('™' | '\u{a0}' | 'Ά' | '\u{ad}' | '®' | '°')),
        'Β' | 'Γ' | 'Ξ' | 'Ο' => {
            let between = C1 | BAD | PUNCTUATION | CURRENCY;
            (next_sets & between != 0 || next == '°') && matches!(rest.next(), Some('Β' | 'Γ' | 'Ξ' | 'Ο'))
        }
        // Windows-1257: punctuation.
        'ā' => next == '€',
        _ => false,
    }
}

fn is_arabic_tail(c: char) -> bool {
    category(c) & (COMMON | CURRENCY | BAD | NUMERIC | START_PUNCTUATION) != 0
        || matches!(c, 'Ÿ' | 'Š' | '®' | '°' | 'µ' | '»')
}

/// `ГўВЂВ`, any character of the line, a Latin letter or a space; the first character is already consumed.
fn is_double_cyrillic(next: char, third: Option<char>, mut rest: Chars) -> bool {
    (next, third, rest.next(), rest.next()) == ('ў', Some('В'), Some('Ђ'), Some('В'))
        && rest.next().is_some_and(|c| c != '\n')
        && rest.next().is_some_and(|c| c == ' ' || c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::is_bad;

    #[test]
    fn mojibake_is_bad() {
        for text in [
            "schÃ¶n",
            "â€œquoteâ€\u{9d}",
            "l’humanitÃ©",
            "Ã la",
            "jÃ vu",
            "Ã\u{a0}",
            "x Â ",
            "ok.Â ok",
            "âœ” ja",
            "РєРѕС‚РёРє В°",
            "В°В",
            "ГўВЂВ™ x",
            "Ξ°Ξ",
            "β€™",
            "ā€™",
            "√©t√©®",
            "√±",
            "≈°",
            "‚Äì",
            "‚âà",
            "Ø§Ù„",
            "à²•à²¨",
            "œ ",
            "É°",
            "×²",
            "a\u{85}",
            "├®",
            "caf├⌐",
            "é\u{201d}“",
            "é“x",
        ] {
            assert!(is_bad(text), "{text}");
        }
    }

    #[test]
    fn good_text_is_not() {
        for text in [
            "",
            "plain",
            "schön",
            "Œuvre œuvre",
            "ÀÉÎ",
            "“quoted” — l’été",
            "Ÿ",
            "5 €",
            "¡Olé!",
            "привет",
            "Γειά σου",
            "日本語",
            "Ø",
            "x² × y³",
            "à la carte",
            "Ã\n",
            "№ 5",
            "┌┐",
            "(╯°□°)╯︵ ┻━┻",
            "ГўВЂВ\nxy",
            "Øا",
        ] {
            assert!(!is_bad(text), "{text}");
        }
    }
}
