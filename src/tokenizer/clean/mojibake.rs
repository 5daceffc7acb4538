//! Undoes mojibake: UTF-8 that was decoded in a single-byte code page, in whole or in part, once or repeatedly.
//!
//! The order of attempts is that of ftfy (`fix_encoding`; facts only). Knows no lines and no other repairs.

use super::badness::is_bad;
use super::category::{
    UTF8_CONTINUATION, UTF8_CONTINUATION_STRICT, UTF8_FIRST_OF_2, UTF8_FIRST_OF_3, UTF8_FIRST_OF_4, category,
    code_pages,
};
use super::encoding::{CodePage, windows_1252};
use super::repair::Budget;
use super::utf8;
use super::wide::wide_chars;

/// Characters of a text, from the first one above ASCII on, at which all code pages are tried first.
const GLANCE: usize = 64;

/// Returns the text with its mojibake undone; `None` if nothing can be undone.
pub(super) fn fix_encoding(text: &str, budget: &mut Budget) -> Option<String> {
    let mut fixed: Option<String> = None;
    loop {
        let current = fixed.as_deref().unwrap_or(text);
        if current.is_ascii() || !is_bad(current) || !budget.spend(current.len()) {
            return fixed;
        }
        match one_step(current, budget) {
            Some(next) if next != current => fixed = Some(next),
            _ => return fixed,
        }
    }
}

/// The first attempt that succeeds on a text with mojibake.
fn one_step(text: &str, budget: &mut Budget) -> Option<String> {
    let encode = |page: CodePage, text: &str| {
        let mut hope = utf8::Hope::default();
        page.encode(text, |byte| hope.allows(byte))
    };
    // A glance tells most of the long texts that no code page helps, without looking through them.
    let glance = wide_chars(text).next().and_then(|(at, _)| text.get(at..));
    let glance = glance.map_or("", |rest| rest.char_indices().nth(GLANCE).map_or(rest, |(at, _)| &rest[..at]));
    let has_hope = CodePage::of_mask(u32::MAX).any(|page| encode(page, glance).is_some());
    for page in CodePage::of_mask(if has_hope { pages_of(text) } else { 0 }) {
        let Some(mut bytes) = encode(page, text) else { continue };
        // In MacRoman the pattern means an en dash and a space.
        if page != CodePage::MACROMAN {
            bytes = utf8::restore_nbsp(&bytes).unwrap_or(bytes);
        }
        if page.is_sloppy() {
            bytes = utf8::replace_lossy(&bytes);
        }
        if let Some(decoded) = utf8::decode(bytes) {
            return Some(decoded);
        }
    }
    if let Some(fixed) = fix_embedded(text, budget) {
        return Some(fixed);
    }
    // C1 controls show that Windows-1252 was decoded as Latin-1. Byte by byte gives the same as all at once.
    text.contains(is_c1).then(|| text.chars().map(|c| if is_c1(c) { windows_1252(c) } else { c }).collect())
}

/// The code pages that can encode every character of a text, one bit each.
fn pages_of(text: &str) -> u32 {
    let mut mask = u32::MAX;
    for c in text.chars() {
        mask &= code_pages(c);
        if mask == 0 {
            break;
        }
    }
    mask
}

fn is_c1(c: char) -> bool {
    ('\u{80}'..='\u{9f}').contains(&c)
}

/// Repairs each part that looks like UTF-8 on its own, for texts that no code page can encode as a whole.
fn fix_embedded(text: &str, budget: &mut Budget) -> Option<String> {
    let mut out = String::new();
    let mut copied = 0;
    let mut torn = false;
    let mut chars = text.chars();
    loop {
        let rest = chars.as_str();
        let Some(c) = chars.next() else { break };
        // After a character that looks like the tail of a sequence, a repair would break more than it fixes.
        let length = if torn { 0 } else { sequences(rest) };
        let mut last = c;
        if length > 0 {
            let start = text.len() - rest.len();
            let (stretch, after) = rest.split_at_checked(length)?;
            // A part is shorter than the text, so the recursion ends.
            if length < text.len()
                && let Some(fixed) = fix_encoding(stretch, budget)
            {
                out.push_str(text.get(copied..start)?);
                out.push_str(&fixed);
                copied = start + length;
            }
            last = stretch.chars().next_back()?;
            chars = after.chars();
        }
        torn = category(last) & UTF8_CONTINUATION_STRICT != 0;
    }
    if copied == 0 {
        return None;
    }
    out.push_str(text.get(copied..)?);
    (out != text).then_some(out)
}

/// Length of the leading characters that look like consecutive UTF-8 sequences.
fn sequences(text: &str) -> usize {
    let mut length = 0;
    while let Some(next) = text.get(length..).and_then(sequence) {
        length += next;
    }
    length
}

fn sequence(text: &str) -> Option<usize> {
    let first = text.chars().next().filter(|c| !c.is_ascii())?;
    let sets = category(first);
    [(UTF8_FIRST_OF_2, 1), (UTF8_FIRST_OF_3, 2), (UTF8_FIRST_OF_4, 3)].into_iter().find_map(|(lead, tails)| {
        if sets & lead == 0 {
            return None;
        }
        let mut chars = text.chars().skip(1);
        let mut length = first.len_utf8();
        for _ in 0..tails {
            length += chars.next().filter(|&c| category(c) & UTF8_CONTINUATION != 0)?.len_utf8();
        }
        Some(length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let fixed = fix_encoding(text, &mut Budget::new(text));
        assert_eq!(fixed.as_deref().unwrap_or(text), expected);
    }

    #[test]
    fn whole_texts() {
        check("", "");
        check("schön", "schön");
        check("schÃ¶n", "schön");
        check("tout Ã coup", "tout à coup");
        check("âœ” erledigt", "✔ erledigt");
        check("ÃƒÂ©tÃƒÂ©", "été");
        check("â€œhalloâ€\u{fffd}", "“hallo\u{fffd}");
        check("РїСЂРёРІРµС‚", "привет");
        check("√©t√© ‚Äì", "été –");
        check("caf├⌐", "café");
        check("\u{93}curly\u{94}", "“curly”");
    }

    #[test]
    fn parts_of_other_text() {
        check("日本 schÃ¶n", "日本 schön");
        check("日本 \u{93}", "日本 “");
        check("日本 Ã¶ \u{81}", "日本 ö \u{81}");
    }

    #[test]
    fn work_is_bounded() {
        // Each round repairs one more character.
        let text = format!("日Ã{}", "ƒ".repeat(300_000));
        let mut budget = Budget::new(&text);
        fix_encoding(&text, &mut budget);
        assert!(!budget.spend(text.len()));
    }
}
