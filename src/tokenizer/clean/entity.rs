//! Decodes HTML character references like Python's `html.unescape` and, more strictly, like ftfy.
//!
//! `entities.txt` holds the names: sorted lines of a name and its code points, with `+` before names that only the
//! strict form knows (ftfy adds upper-case names). It is searched in place; nothing is built at run time.

use super::encoding::windows_1252;

static ENTITIES: &str = include_str!("entities.txt");

/// Maximum length of a name that is valid without semicolon.
const LONGEST_BARE_NAME: usize = 6;
/// Maximum length of any name, with its semicolon.
const LONGEST_NAME: usize = 32;
/// Maximum length between `&` or `&#` and `;` in the strict form.
const LONGEST_STRICT: usize = 24;

/// Replaces every reference like `html.unescape`; `None` if there is none.
pub(super) fn unescape(text: &str) -> Option<String> {
    replace(text, |after, out| {
        if let Some(digits) = after.strip_prefix('#') {
            let (number, length) = number(digits)?;
            let closed = usize::from(digits.as_bytes().get(length) == Some(&b';'));
            out.extend(numeric(number));
            return Some(1 + length + closed);
        }
        let name = after.get(..alphanumeric(after))?;
        if let Some(points) = after.get(..name.len() + 1).filter(|n| n.ends_with(';')).and_then(named) {
            out.extend(points);
            return Some(name.len() + 1);
        }
        let bare = (2..=name.len().min(LONGEST_BARE_NAME)).rev().find_map(|length| {
            let name = name.get(..length)?;
            Some((named(name)?, length))
        });
        let (points, length) = bare?;
        out.extend(points);
        Some(length)
    })
}

/// Replaces references like ftfy: they end with a semicolon and are a known name or a complete number.
pub(super) fn unescape_strict(text: &str) -> Option<String> {
    replace(text, |after, out| {
        let hash = usize::from(after.starts_with('#'));
        let body = after.get(hash..)?;
        let length = alphanumeric(body);
        if !(1..=LONGEST_STRICT).contains(&length) || body.as_bytes().get(length) != Some(&b';') {
            return None;
        }
        if hash == 1 {
            let (number, digits) = number(body)?;
            // Keep a reference to the semicolon itself, and one that continues after its digits.
            if digits != length || number == u32::from(';') {
                return None;
            }
            out.extend(numeric(number));
        } else {
            out.extend(named_or_upper(body.get(..=length)?)?);
        }
        Some(hash + length + 1)
    })
}

/// Calls `reference` with the text after each `&`; it appends the replacement and returns the length of the reference.
fn replace(text: &str, reference: impl Fn(&str, &mut String) -> Option<usize>) -> Option<String> {
    let mut out: Option<String> = None;
    let mut copied = 0;
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find('&')).map(|i| from + i) {
        from = at + 1;
        let mut found = String::new();
        if let Some(length) = reference(text.get(from..)?, &mut found) {
            let out = out.get_or_insert_with(|| String::with_capacity(text.len()));
            out.push_str(text.get(copied..at)?);
            out.push_str(&found);
            from += length;
            copied = from;
        }
    }
    let mut out = out?;
    out.push_str(text.get(copied..)?);
    Some(out)
}

/// Length of the leading ASCII letters and digits.
fn alphanumeric(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_alphanumeric).take(LONGEST_STRICT + 9).count()
}

/// The number after `&#`, decimal or hexadecimal with `x`, and its length. Overflow gives `u32::MAX`.
fn number(digits: &str) -> Option<(u32, usize)> {
    let (radix, skipped) = match digits.as_bytes() {
        [b'x' | b'X', ..] => (16, 1),
        _ => (10, 0),
    };
    let mut value: u32 = 0;
    let mut length = skipped;
    for digit in digits.bytes().skip(skipped).map_while(|b| char::from(b).to_digit(radix)) {
        value = value.saturating_mul(radix).saturating_add(digit);
        length += 1;
    }
    (length > skipped).then_some((value, length))
}

/// Decodes a numeric reference by the rules of HTML 5 as Python applies them; some decode to nothing.
fn numeric(number: u32) -> Option<char> {
    match number {
        0 => Some('\u{fffd}'),
        0x0d => Some('\r'),
        0x80..=0x9f => char::from_u32(number).map(windows_1252),
        0x01..=0x08 | 0x0b | 0x0e..=0x1f | 0x7f | 0xfdd0..=0xfdef => None,
        _ => match char::from_u32(number) {
            // The last two code points of every plane are noncharacters.
            Some(_) if number & 0xfffe == 0xfffe => None,
            Some(c) => Some(c),
            None => Some('\u{fffd}'),
        },
    }
}

/// The characters of a name that `html.unescape` knows, including its semicolon if it has one.
fn named(name: &str) -> Option<impl Iterator<Item = char>> {
    line_of(name).filter(|points| !points.starts_with('+')).map(characters)
}

/// The characters of such a name, or of one of ftfy's upper-case names.
fn named_or_upper(name: &str) -> Option<impl Iterator<Item = char>> {
    line_of(name).map(|points| characters(points.trim_start_matches('+')))
}

fn characters(points: &'static str) -> impl Iterator<Item = char> {
    points.split(' ').filter_map(|hex| char::from_u32(u32::from_str_radix(hex, 16).ok()?))
}

/// Looks up the code points of a name, by bisection over the lines of the table that begin with its first character.
fn line_of(name: &str) -> Option<&'static str> {
    let first = *name.as_bytes().first()?;
    if name.len() > LONGEST_NAME {
        return None;
    }
    let bounds = STARTS.get(usize::from(first)..)?;
    let (mut low, mut high) = (usize::from(*bounds.first()?), usize::from(*bounds.get(1)?));
    while low < high {
        // `low` and `high` are starts of lines; so is `start`, and `end` the next.
        let middle = low + (high - low) / 2;
        let before = ENTITIES.as_bytes().get(low..middle)?;
        let start = before.iter().rposition(|&byte| byte == b'\n').map_or(low, |i| low + i + 1);
        let line = ENTITIES.as_bytes().get(start..high)?;
        let tab = line.iter().position(|&byte| byte == b'\t')?;
        let end = start + tab + line.get(tab..)?.iter().position(|&byte| byte == b'\n')? + 1;
        match line.get(..tab)?.cmp(name.as_bytes()) {
            std::cmp::Ordering::Equal => return ENTITIES.get(start + tab + 1..end - 1),
            std::cmp::Ordering::Less => low = end,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    None
}

/// Where the lines begin whose names have this first character or a later one; the last is the end.
static STARTS: [u16; 129] = starts();

const fn starts() -> [u16; 129] {
    let text = ENTITIES.as_bytes();
    let mut out = [text.len() as u16; 129];
    let (mut at, mut next) = (0, 0);
    while at < text.len() {
        while next <= text[at] as usize {
            out[next] = at as u16;
            next += 1;
        }
        while text[at] != b'\n' {
            at += 1;
        }
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_table_is_found() {
        let mut count = 0;
        for line in ENTITIES.lines() {
            let (name, points) = line.split_once('\t').unwrap();
            assert_eq!(line_of(name), Some(points));
            assert!(characters(points.trim_start_matches('+')).count() >= 1);
            assert!(name.ends_with(';') || name.len() <= LONGEST_BARE_NAME);
            assert!(name.len() <= LONGEST_NAME);
            count += 1;
        }
        assert_eq!(count, 3607);
        for absent in ["", ";", "A", "zzzz;", "amp;;", "\u{e9}", "AMP;\t"] {
            assert_eq!(line_of(absent), None, "{absent}");
        }
    }

    #[track_caller]
    fn loose(text: &str, expected: &str) {
        assert_eq!(unescape(text).as_deref().unwrap_or(text), expected);
    }

    #[track_caller]
    fn strict(text: &str, expected: &str) {
        assert_eq!(unescape_strict(text).as_deref().unwrap_or(text), expected);
    }

    #[test]
    fn as_html_unescape() {
        assert_eq!(unescape("none"), None);
        loose("&amp;&amp &AMP &copy2 &notit &notin; &notinva;", "&& & ©2 ¬it ∉ ∉");
        loose("&notina; &am &a &; & &", "¬ina; &am &a &; & &");
        loose("&#65;&#65 &#x41;&#X4a;&#x;&#;&#x", "AA AJ&#x;&#;&#x");
        loose("&#0;&#1;&#11;&#13;|&#128;&#x9d;&#xD800;&#x110000;", "\u{fffd}\r|€\u{9d}\u{fffd}\u{fffd}");
        loose("&#xFFFE;&#x1FFFF;&#xFDD0;&#x10FFFD;", "\u{10fffd}");
        loose("&#99999999999999999999999;", "\u{fffd}");
        loose("&NotEqualTilde;", "\u{2242}\u{338}");
        loose("&EACUTE;", "&EACUTE;");
        loose("&é; &ampé", "&é; &é");
    }

    #[test]
    fn as_ftfy_unescapes() {
        strict("&amp;&amp &copy2 &notit;", "&&amp &copy2 &notit;");
        strict("CAF&EACUTE; GRO&SZLIG; &nTILDE;", "CAFÉ GROSS &nTILDE;");
        strict("&#65; &#65 &#12a; &#x41; &#59; &#x3b; &#1;|", "A &#65 &#12a; A &#59; &#x3b; |");
        strict("&#0000000000000000000000065;", "&#0000000000000000000000065;");
        strict("&#000000000000000000000065;", "A");
    }
}
