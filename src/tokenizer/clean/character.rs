//! Repairs of single characters and pairs: C1 controls, ligatures, widths, quotes, line ends, terminal escapes, control
//! characters, and the normal form. Each returns `None` if it changes nothing.
//!
//! Rules and lists are ftfy's (`fixes.py`, `chardata.py`, Apache-2.0; facts only).

use super::encoding::windows_1252;
use super::wide::{wide_chars, without_ascii_runs};
use crate::tokenizer::unicode::{DIGIT, UNASSIGNED, classes};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Decodes C1 controls as Windows-1252, expands Latin ligatures, replaces full and half width by normal width, curly by
/// straight quotes, and all line ends by `\n`.
pub(super) fn fix_characters(text: &str) -> Option<String> {
    if !text.as_bytes().contains(&b'\r') && !wide_chars(text).any(|(_, c)| is_fixed(c)) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // CR LF becomes LF.
            '\r' if chars.peek() == Some(&'\n') => {}
            '\0'..='\u{7f}' if c != '\r' => out.push(c),
            '\u{80}'..='\u{9f}' => out.push(straight(windows_1252(c))),
            _ => match ligature(c) {
                Some(letters) => out.push_str(letters),
                None if is_other_width(c) => out.extend([c].into_iter().nfkc()),
                None => out.push(straight(c)),
            },
        }
    }
    (out != text).then_some(out)
}

fn is_fixed(c: char) -> bool {
    match c {
        '\0'..='\u{7f}' => c == '\r',
        _ => ('\u{80}'..='\u{9f}').contains(&c) || straight(c) != c || is_other_width(c) || ligature(c).is_some(),
    }
}

fn straight(c: char) -> char {
    match c {
        '\u{2bc}' | '\u{2018}'..='\u{201b}' => '\'',
        '\u{201c}'..='\u{201f}' => '"',
        '\r' | '\u{2028}' | '\u{2029}' => '\n',
        _ => c,
    }
}

/// Whether a character is a halfwidth or fullwidth form or the ideographic space: those have a compatibility form of
/// normal width.
fn is_other_width(c: char) -> bool {
    matches!(c, '\u{3000}' | '\u{ff01}'..='\u{ffef}')
}

/// Letters of a Latin ligature or digraph, with straight quotes.
fn ligature(c: char) -> Option<&'static str> {
    Some(match c {
        'Ĳ' => "IJ",
        'ĳ' => "ij",
        'ŉ' => "'n",
        'Ǆ' => "DŽ",
        'ǅ' => "Dž",
        'ǆ' => "dž",
        'Ǉ' => "LJ",
        'ǈ' => "Lj",
        'ǉ' => "lj",
        'Ǌ' => "NJ",
        'ǋ' => "Nj",
        'ǌ' => "nj",
        'Ǳ' => "DZ",
        'ǲ' => "Dz",
        'ǳ' => "dz",
        'ﬀ' => "ff",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        'ﬃ' => "ffi",
        'ﬄ' => "ffl",
        'ﬅ' => "ſt",
        'ﬆ' => "st",
        _ => return None,
    })
}

/// Removes terminal escapes: ESC, `[`, digits and semicolons, a letter.
pub(super) fn remove_escapes(text: &str) -> Option<String> {
    if !text.as_bytes().contains(&b'\x1b') {
        return None;
    }
    let mut out = String::new();
    let mut copied = 0;
    for (at, _) in text.match_indices("\u{1b}[") {
        let parameters = text.get(at + 2..)?;
        let is_parameter = |c: char| c == ';' || classes(c) & DIGIT != 0;
        let end = at + 2 + parameters.find(|c| !is_parameter(c)).unwrap_or(parameters.len());
        if text.as_bytes().get(end).is_some_and(u8::is_ascii_alphabetic) {
            out.push_str(text.get(copied..at)?);
            copied = end + 1;
        }
    }
    if copied == 0 {
        return None;
    }
    out.push_str(text.get(copied..)?);
    Some(out)
}

/// Removes control characters and marks without a visible effect; keeps white space.
pub(super) fn remove_controls(text: &str) -> Option<String> {
    let is_plain = |&byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\x0c' | b'\r' | 0x80..);
    let has_control = !text.as_bytes().iter().all(is_plain) || wide_chars(text).any(|(_, c)| is_control(c));
    has_control.then(|| text.chars().filter(|&c| !is_control(c)).collect())
}

fn is_control(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{b}' | '\u{e}'..='\u{1f}' | '\u{7f}'
        | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}')
}

/// Converts to normal form C.
///
/// The crate normalises with a newer Unicode version than the reference. Characters assigned in both normalise alike
/// (Unicode's stability policy). The reference leaves the others alone, so nothing is combined across them.
pub(super) fn compose(text: &str) -> Option<String> {
    // No character below U+0300 combines.
    if wide_chars(text).all(|(_, c)| c < '\u{300}') || is_nfc_quick(without_ascii_runs(text)) == IsNormalized::Yes {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    for stretch in text.split_inclusive(|c| classes(c) & UNASSIGNED != 0) {
        let known = stretch.trim_end_matches(|c| classes(c) & UNASSIGNED != 0);
        out.extend(known.nfc());
        out.push_str(stretch.get(known.len()..).unwrap_or_default());
    }
    (out != text).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fix: fn(&str) -> Option<String>, text: &str, expected: &str) {
        assert_eq!(fix(text).as_deref().unwrap_or(text), expected);
        assert_eq!(fix(expected), None, "fixed again");
    }

    #[test]
    fn characters() {
        check(fix_characters, "plain é\n", "plain é\n");
        check(fix_characters, "a\r\nb\rc\u{2028}d\u{85}e\r", "a\nb\nc\nd…e\n");
        check(fix_characters, "\u{93}x\u{94}", "\"x\"");
        assert_eq!(fix_characters("\u{81}\u{9d}"), None, "Windows-1252 leaves these open");
    }

    #[test]
    fn letters_and_widths() {
        check(fix_characters, "ﬁﬀŉ Ǆǆ", "fiff'n DŽdž");
        check(fix_characters, "‘a’ “b” ʼ", "'a' \"b\" '");
        check(fix_characters, "ＦＵＬＬ　ｶﾞ＇", "FULL カ\u{3099}'");
    }

    #[test]
    fn escapes_and_controls() {
        check(remove_escapes, "\u{1b}[31mred\u{1b}[0;1m\u{1b}[m.", "red.");
        check(remove_escapes, "\u{1b}[;;;\u{1b}[\u{1b}]x\u{1b}[٣m", "\u{1b}[;;;\u{1b}[\u{1b}]x");
        check(remove_controls, "a\0\u{b}\u{1b}\u{7f}\u{feff}\u{206a}\u{fffc}b\t\n\u{c}\u{85}", "ab\t\n\u{c}\u{85}");
    }

    #[test]
    fn normal_form() {
        check(compose, "e\u{301}", "é");
        check(compose, "q\u{307}\u{323}", "q\u{323}\u{307}");
        check(compose, "\u{1100}\u{1161}\u{11a8}", "각");
        check(compose, "\u{212b}", "Å");
        // U+11382 and U+113C9 combine to U+11383 only since Unicode 16.
        check(compose, "\u{11382}\u{113c9}", "\u{11382}\u{113c9}");
        check(compose, "e\u{301}\u{11382}\u{113c9}e\u{301}", "é\u{11382}\u{113c9}é");
    }
}
