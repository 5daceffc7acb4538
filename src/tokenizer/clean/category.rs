//! Properties of characters for mojibake detection: the sets of the detectors, and the code pages that can encode them.

pub(super) use super::category_tables::*;

/// The code pages to try, in order; each is one bit of a character's mask, from [`ENCODABLE_SHIFT`] on.
pub(super) const CODE_PAGES: u32 = 10;
/// Code pages that encode U+001A; the others use that byte for U+FFFD.
const WITH_SUBSTITUTE: u32 = 1 | 1 << 7 | 1 << 8 | 1 << 9;
const ALL_PAGES: u32 = (1 << CODE_PAGES) - 1;

/// The sets of a character.
pub(super) fn category(c: char) -> u32 {
    match c {
        ' ' => ALL_PAGES << ENCODABLE_SHIFT | UTF8_CONTINUATION,
        '\u{1a}' => WITH_SUBSTITUTE << ENCODABLE_SHIFT,
        '\0'..='\u{7f}' => ALL_PAGES << ENCODABLE_SHIFT,
        _ => match u16::try_from(c as u32) {
            Ok(code) => {
                let after = CATEGORIES.partition_point(|&(first, _)| first <= code);
                CATEGORIES.get(after.wrapping_sub(1)).map_or(0, |&(_, sets)| sets)
            }
            Err(_) => 0,
        },
    }
}

/// The code pages that can encode a character, one bit each.
pub(super) fn code_pages(c: char) -> u32 {
    category(c) >> ENCODABLE_SHIFT
}
