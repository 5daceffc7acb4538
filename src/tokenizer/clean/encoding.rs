//! Encodes characters in the code pages that cause mojibake.
//!
//! Windows pages are "sloppy" as in ftfy: undefined bytes map to themselves, and byte 0x1A to U+FFFD, so that text that
//! has already lost characters can still be recognised.

use super::code_pages::UPPER_HALVES;

/// A code page, by its index in the order of attempts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct CodePage(u32);

impl CodePage {
    pub(super) const MACROMAN: CodePage = CodePage(8);

    /// The pages of a mask of [`super::category::code_pages`], in the order of attempts.
    pub(super) fn of_mask(mask: u32) -> impl Iterator<Item = CodePage> {
        (0..super::category::CODE_PAGES).filter(move |page| mask >> page & 1 == 1).map(CodePage)
    }

    /// Whether U+FFFD has a byte in this page.
    pub(super) fn is_sloppy(self) -> bool {
        (1..=6).contains(&self.0)
    }

    /// The bytes of a text as far as `allows` does, if every character has one.
    pub(super) fn encode(self, text: &str, mut allows: impl FnMut(u8) -> bool) -> Option<Vec<u8>> {
        let table = REVERSED.get((self.0 as usize).wrapping_sub(1));
        let byte = |c: char| match (c, table) {
            ('\u{1a}', _) if self.is_sloppy() => None,
            ('\0'..='\u{7f}', _) => Some(c as u8),
            ('\u{fffd}', _) if self.is_sloppy() => Some(0x1a),
            (_, None) => u8::try_from(c).ok(),
            (_, Some(table)) => {
                let code = u16::try_from(c as u32).ok()?;
                let found = table.binary_search_by_key(&code, |&(code, _)| code).ok()?;
                table.get(found).map(|&(_, byte)| byte)
            }
        };
        text.chars().map(|c| byte(c).filter(|&byte| allows(byte))).collect()
    }
}

/// Decodes a C1 control as Windows-1252; undefined bytes map to themselves.
pub(super) fn windows_1252(c1: char) -> char {
    let byte = (c1 as usize).wrapping_sub(0x80);
    let code = UPPER_HALVES.first().and_then(|page| page.get(byte));
    code.and_then(|&code| char::from_u32(u32::from(code))).unwrap_or(c1)
}

/// (character, byte) for each page but Latin-1, sorted by character.
static REVERSED: [[(u16, u8); 128]; UPPER_HALVES.len()] = reversed();

const fn reversed() -> [[(u16, u8); 128]; UPPER_HALVES.len()] {
    let mut out = [[(0, 0); 128]; UPPER_HALVES.len()];
    let mut page = 0;
    while page < UPPER_HALVES.len() {
        // Insertion sort.
        let mut i = 0;
        while i < 128 {
            let code = UPPER_HALVES[page][i];
            let mut at = i;
            while at > 0 && out[page][at - 1].0 > code {
                out[page][at] = out[page][at - 1];
                at -= 1;
            }
            out[page][at] = (code, 0x80 + i as u8);
            i += 1;
        }
        page += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::clean::category::code_pages;

    #[test]
    fn pages_hold_what_their_masks_say() {
        for c in char::MIN..=char::MAX {
            let holding: u32 = CodePage::of_mask(u32::MAX)
                .filter(|page| page.encode(c.encode_utf8(&mut [0; 4]), |_| true).is_some())
                .map(|page| 1 << page.0)
                .sum();
            assert_eq!(holding, code_pages(c), "{c:?}");
        }
    }

    #[test]
    fn known_bytes() {
        let encode = |page: CodePage, text: &str| page.encode(text, |_| true);
        assert_eq!(encode(CodePage(1), "€Ã\u{81}\u{fffd}a").as_deref(), Some(&[0x80, 0xc3, 0x81, 0x1a, b'a'][..]));
        assert_eq!(encode(CodePage(2), "Ж"), Some(vec![0xc6]));
        assert_eq!(encode(CodePage::MACROMAN, "√\u{f8ff}"), Some(vec![0xc3, 0xf0]));
        assert_eq!(encode(CodePage(9), "├\u{1a}"), Some(vec![0xc3, 0x1a]));
        assert_eq!(encode(CodePage(0), "é\u{100}"), None);
        assert_eq!(CodePage(0).encode("ab", |byte| byte != b'b'), None);
        assert_eq!(windows_1252('\u{80}'), '€');
        assert_eq!(windows_1252('\u{9d}'), '\u{9d}');
    }
}
