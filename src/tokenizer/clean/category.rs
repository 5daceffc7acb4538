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
        _ => match (FIRST.get(c as usize), u16::try_from(c as u32)) {
            (Some(&sets), _) => sets,
            (None, Ok(code)) => {
                let after = CATEGORIES.partition_point(|&(first, _)| first <= code);
                CATEGORIES.get(after.wrapping_sub(1)).map_or(0, |&(_, sets)| sets)
            }
            (None, Err(_)) => 0,
        },
    }
}

/// The sets of the first characters, which most mojibake consists of: 1 ns for each instead of 6.
static FIRST: [u32; 0x500] = first();

const fn first() -> [u32; 0x500] {
    let mut out = [0; 0x500];
    let (mut run, mut code) = (0, 0);
    while code < out.len() {
        while run < CATEGORIES.len() && CATEGORIES[run].0 as usize <= code {
            run += 1;
        }
        if run > 0 {
            out[code] = CATEGORIES[run - 1].1;
        }
        code += 1;
    }
    out
}

/// The code pages that can encode a character, one bit each.
pub(super) fn code_pages(c: char) -> u32 {
    category(c) >> ENCODABLE_SHIFT
}
