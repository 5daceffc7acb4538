//! The normalisation rules of SentencePiece as models publish them: a double array of Darts-clone, and the texts that
//! replace what it finds.
//!
//! Layout: u32 size of the array in bytes; the array, u32 units; then texts that end with a zero byte. Every access is
//! checked, so a damaged table gives wrong texts and nothing worse.

/// Most bytes of a text that replaces another; those of published models have 33.
pub(super) const MAX_TEXT: usize = 128;

/// Rules; without any, every text stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Charsmap<'a> {
    units: &'a [[u8; 4]],
    texts: &'a [u8],
}

impl<'a> Charsmap<'a> {
    /// Splits the table into its parts; no bytes are no rules. `None` if the parts do not fit.
    pub fn new(bytes: &'a [u8]) -> Option<Charsmap<'a>> {
        if bytes.is_empty() {
            return Some(Charsmap::default());
        }
        let (size, rest) = bytes.split_first_chunk::<4>()?;
        let size = u32::from_le_bytes(*size) as usize;
        let (units, texts) = rest.split_at_checked(size)?;
        let (units, left) = units.as_chunks::<4>();
        (left.is_empty() && !units.is_empty()).then_some(Charsmap { units, texts })
    }

    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// The texts that replace others, in one.
    #[cfg(feature = "import")]
    pub fn texts(&self) -> &'a [u8] {
        self.texts
    }

    fn unit(&self, at: u32) -> Option<u32> {
        self.units.get(at as usize).map(|unit| u32::from_le_bytes(*unit))
    }

    /// Lengths of the rules that `text` begins with, shortest first, and where their texts begin.
    fn rules(&self, text: &[u8]) -> impl Iterator<Item = (usize, u32)> {
        let offset = |unit: u32| (unit >> 10) << ((unit & 0x200) >> 6);
        let mut at = self.unit(0).map(offset);
        let mut bytes = text.iter().enumerate();
        std::iter::from_fn(move || {
            loop {
                let (index, &byte) = bytes.next()?;
                let here = at? ^ u32::from(byte);
                let unit = self.unit(here)?;
                if unit & 0x8000_00ff != u32::from(byte) {
                    at = None;
                    return None;
                }
                let next = here ^ offset(unit);
                at = Some(next);
                if unit >> 8 & 1 == 1 {
                    return Some((index + 1, self.unit(next)? & 0x7fff_ffff));
                }
            }
        })
    }

    fn replacement(&self, at: u32) -> &'a [u8] {
        let rest = self.texts.get(at as usize..).unwrap_or_default();
        let rest = rest.get(..MAX_TEXT).unwrap_or(rest);
        rest.split(|&byte| byte == 0).next().unwrap_or_default()
    }

    /// The longest rule that `text` begins with: its length, and the text instead.
    pub fn longest(&self, text: &[u8]) -> Option<(usize, &'a [u8])> {
        self.rules(text).last().map(|(len, at)| (len, self.replacement(at)))
    }

    /// The text instead of `text` by its shortest rule, which is what `tokenizers` uses, whatever follows.
    pub fn shortest(&self, text: &[u8]) -> Option<&'a [u8]> {
        self.rules(text).next().map(|(_, at)| self.replacement(at))
    }
}

#[cfg(test)]
mod tests {
    use super::Charsmap;

    #[test]
    fn parts_must_fit() {
        assert!(Charsmap::new(b"").unwrap().is_empty());
        for bytes in
            [&b"\0"[..], b"\0\0\0\0", b"\x04\0\0\0", b"\x03\0\0\0abc", b"\xff\xff\xff\xff1234", b"\x05\0\0\x0012345"]
        {
            assert!(Charsmap::new(bytes).is_none(), "{bytes:?}");
        }
        assert!(!Charsmap::new(b"\x04\0\0\x001234").unwrap().is_empty());
    }

    #[test]
    fn damaged_rules_are_harmless() {
        let mut seed = 7_u32;
        for _ in 0..2000 {
            let mut bytes = vec![64, 0, 0, 0];
            for _ in 0..40 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Small offsets that stay inside, with any flags.
                bytes.extend(((seed >> 22 << 10 & 0xfc00) | (seed & 0x8000_0361)).to_le_bytes());
            }
            let map = Charsmap::new(&bytes).unwrap();
            for text in [&b"a"[..], b"aa\0", "é\u{301}".as_bytes(), b"\xff\xff\xff"] {
                let _ = (map.longest(text), map.shortest(text));
            }
        }
    }
}
