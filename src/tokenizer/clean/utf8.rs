//! Decodes bytes that should be UTF-8: repairs reversible damage and accepts the variants in use.
//!
//! The patterns are facts from ftfy (`chardata.py`, `fixes.py`, `bad_codecs/utf8_variants.py`, Apache-2.0).

/// Looks at bytes one by one for what is no UTF-8 and stays so in whatever is restored or replaced here: four tails in a
/// row, of which at most three belong to anything, and a lead byte before a byte that is neither a tail nor stands for one.
/// Long texts that are repaired a character at a time are full of them, and most attempts then end at once.
#[derive(Default)]
pub(super) struct Hope {
    tails: u8,
    after_lead: bool,
}

impl Hope {
    /// Whether the bytes up to this one may become UTF-8.
    pub(super) fn allows(&mut self, byte: u8) -> bool {
        let is_tail = matches!(byte, 0x80..=0xbf);
        let is_torn = self.after_lead && !is_tail && !matches!(byte, b' ' | b'?' | 0x1a);
        self.tails = if is_tail { self.tails.saturating_add(1) } else { 0 };
        self.after_lead = matches!(byte, 0xc2..=0xf4);
        !is_torn && self.tails < 4
    }
}

/// Restores byte A0 where a program has replaced it by a plain space inside a sequence; `None` if there is no such
/// sequence.
pub(super) fn restore_nbsp(bytes: &[u8]) -> Option<Vec<u8>> {
    find(bytes, spaced_sequence)?;
    // "à" is a word of its own (French "à la"), so the space after it is kept in addition to A0; except in Portuguese
    // contractions, which their endings identify.
    let mut words = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        words.push(byte);
        if let (0xc3, Some(word)) = (byte, after.strip_prefix(b" ")) {
            let contraction = [&b" "[..], b"quele", b"quela", b"quilo", b"s "].iter().any(|end| word.starts_with(end));
            if !contraction {
                words.extend([0xa0, b' ']);
                rest = word;
                continue;
            }
        }
        rest = after;
    }
    Some(replace(&words, spaced_sequence, |sequence, out| {
        out.extend(sequence.iter().map(|&b| if b == b' ' { 0xa0 } else { b }));
    }))
}

/// Replaces sequences with lost bytes (0x1A, sometimes `?`) by U+FFFD.
pub(super) fn replace_lossy(bytes: &[u8]) -> Vec<u8> {
    replace(bytes, lossy_sequence, |_, out| out.extend("\u{fffd}".as_bytes()))
}

/// Decodes strict UTF-8; where ED or C0 occurs, also the variants of Java and of CESU-8: U+0000 as C0 80, and
/// characters above U+FFFF as two encoded surrogates.
pub(super) fn decode(bytes: Vec<u8>) -> Option<String> {
    if !bytes.iter().any(|b| matches!(b, 0xc0 | 0xed)) {
        return String::from_utf8(bytes).ok();
    }
    let mut out = String::with_capacity(bytes.len());
    let mut rest = &bytes[..];
    while let Some(at) = find(rest, variant) {
        let (known, special) = rest.split_at_checked(at)?;
        out.push_str(std::str::from_utf8(known).ok()?);
        rest = match *special {
            // ftfy's pattern for the end of the text also matches before a final line feed, and then consumes it.
            [0xc0, 0x80, ref rest @ ..] | [0xc0, b'\n', ref rest @ ..] => {
                out.push('\0');
                rest
            }
            [0xed, a @ 0xa0..=0xaf, b @ 0x80..=0xbf, 0xed, c @ 0xb0..=0xbf, d, ref rest @ ..]
                if matches!(d, 0x80..=0xbf) || (d == b'\n' && rest.is_empty()) =>
            {
                let bits = |byte: u8, mask: u8, shift: u32| u32::from(byte & mask) << shift;
                let offset = bits(a, 0x0f, 16) + bits(b, 0x3f, 10) + bits(c, 0x0f, 6) + bits(d, 0x3f, 0);
                out.push(char::from_u32(0x10000 + offset)?);
                rest
            }
            _ => return None,
        };
    }
    out.push_str(std::str::from_utf8(rest).ok()?);
    Some(out)
}

/// Length of the sequence at the start of `bytes` that only the variants allow.
fn variant(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [0xc0, 0x80, ..] | [0xc0, b'\n'] => Some(2),
        [0xed, 0xa0..=0xbf, ..] => Some(3),
        _ => None,
    }
}

/// Length of a sequence at the start of `bytes` that is UTF-8 once its space is replaced by A0. Accepts lead bytes of
/// likely characters: U+00A0 and a few two-byte letters, three-byte scripts, and F0 for four bytes.
fn spaced_sequence(bytes: &[u8]) -> Option<usize> {
    let tail = |b: u8| matches!(b, 0x80..=0xbf);
    let likely = |b: u8| matches!(b, 0x80..=0x84 | 0x86..=0x9f | 0xa1..=0xbf);
    match *bytes {
        [0xc2 | 0xc3 | 0xc5 | 0xce | 0xd0 | 0xd9, b' ', ..] => Some(2),
        [0xe2 | 0xe3, b' ', b, ..] if likely(b) => Some(3),
        [0xe0..=0xe3, b, b' ', ..] if likely(b) => Some(3),
        [0xf0, b' ', b, c, ..] | [0xf0, b, b' ', c, ..] | [0xf0, b, c, b' ', ..] if tail(b) && tail(c) => Some(4),
        _ => None,
    }
}

/// Length of a sequence at the start of `bytes` with lost bytes. `?` counts as lost once per sequence.
fn lossy_sequence(bytes: &[u8]) -> Option<usize> {
    const LOST: u8 = 0x1a;
    let lost = |b: u8| b == LOST || b == b'?';
    let tail = |b: u8| b == LOST || matches!(b, 0x80..=0xbf);
    let any = |b: u8| lost(b) || tail(b);
    match *bytes {
        [0xc2..=0xdf, LOST, ..] | [0xc2 | 0xc3, b'?', ..] => Some(2),
        [0xed, 0xa0..=0xaf, b, 0xed, 0xb0..=0xbf, c, ..] if lost(b) && any(c) || any(b) && lost(c) => Some(6),
        [0xe0..=0xef, b, c, ..] if lost(b) && tail(c) || tail(b) && lost(c) => Some(3),
        [0xf0..=0xf4, b, c, d, ..]
            if lost(b) && tail(c) && tail(d) || tail(b) && lost(c) && tail(d) || tail(b) && tail(c) && lost(d) =>
        {
            Some(4)
        }
        [LOST, ..] => Some(1),
        _ => None,
    }
}

/// Offset of the first sequence of a kind.
fn find(bytes: &[u8], sequence: fn(&[u8]) -> Option<usize>) -> Option<usize> {
    (0..bytes.len()).find(|&at| bytes.get(at..).and_then(sequence).is_some())
}

/// Copies bytes and calls `put` for the sequences of a kind.
fn replace(bytes: &[u8], sequence: fn(&[u8]) -> Option<usize>, put: impl Fn(&[u8], &mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        match sequence(rest).and_then(|length| rest.split_at_checked(length)) {
            Some((found, after)) => {
                put(found, &mut out);
                rest = after;
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hope_is_given_up_only_where_nothing_helps() {
        let has_hope = |bytes: &[u8]| {
            let mut hope = Hope::default();
            bytes.iter().all(|&byte| hope.allows(byte))
        };
        // All that is made of these bytes, up to six of them, and most texts that become something.
        let bytes = [b' ', b'?', 0x1a, b'a', b'\n', 0x80, 0xa0, 0xbd, 0xc0, 0xc3, 0xe2, 0xed, 0xf0];
        for count in 0..=5 {
            for number in 0..bytes.len().pow(count) {
                let digits = (0..count).map(|place| bytes[number / bytes.len().pow(place) % bytes.len()]);
                let text: Vec<u8> = digits.collect();
                if has_hope(&text) {
                    continue;
                }
                let restored = restore_nbsp(&text).unwrap_or(text.clone());
                for made in [text.clone(), restored.clone(), replace_lossy(&restored), replace_lossy(&text)] {
                    assert_eq!(decode(made), None, "{text:x?}");
                }
            }
        }
        assert!(has_hope("é€😀".as_bytes()) && !has_hope(b"\xc3\x83\x83\x83\x83") && !has_hope(b"\xc3\xc3"));
    }

    #[test]
    fn spaces_are_restored() {
        let restored = |bytes: &[u8]| restore_nbsp(bytes);
        assert_eq!(restored(b"plain \xc3\xa9"), None);
        assert_eq!(restored(b"\xc3 la"), Some(b"\xc3\xa0 la".to_vec()));
        assert_eq!(restored(b"\xc3 quele \xc3 s x\xc3  y"), Some(b"\xc3\xa0quele \xc3\xa0s x\xc3\xa0 y".to_vec()));
        assert_eq!(restored(b"\xe2 \x96\xe3\x81 "), Some(b"\xe2\xa0\x96\xe3\x81\xa0".to_vec()));
        assert_eq!(restored(b"\xf0\x9f\x98 \xf0 \x9f\x98"), Some(b"\xf0\x9f\x98\xa0\xf0\xa0\x9f\x98".to_vec()));
        assert_eq!(restored(b"\xe2 \x85 \xe4\x81 "), None);
    }

    #[test]
    fn lost_bytes_become_one_character() {
        let lossy = |bytes: &[u8]| String::from_utf8(replace_lossy(bytes)).unwrap();
        assert_eq!(lossy(b"a\xe2\x80\x1ab\xc3?c\x1a?\xf0\x1a\x1a\x1a"), "a\u{fffd}b\u{fffd}c\u{fffd}?\u{fffd}");
        assert_eq!(lossy(b"\xed\xa0?\xed\xb0\x80"), "\u{fffd}");
        assert_eq!(replace_lossy(b"\xc4?\xe2??"), b"\xc4?\xe2??");
    }

    #[test]
    fn variants_of_utf_8() {
        let decoded = |bytes: &[u8]| decode(bytes.to_vec());
        assert_eq!(decoded("é€😀".as_bytes()).as_deref(), Some("é€😀"));
        assert_eq!(decoded(b"x\xc0\x80y\xed\xa0\xbd\xed\xb8\x8d\xed\x95\x9c").as_deref(), Some("x\0y😍한"));
        assert_eq!(decoded(b"\xc0"), None);
        assert_eq!(decoded(b"\xc0\n").as_deref(), Some("\0"));
        assert_eq!(decoded(b"\xc0\n "), None);
        assert_eq!(decoded(b"\xed\xa0\xbd"), None);
        assert_eq!(decoded(b"\xed\xa0\xbd\xed\xb8\n").as_deref(), Some("\u{1f60a}"));
        assert_eq!(decoded(b"\xed\xb8\x8d\xed\xb8\x8d"), None);
        assert_eq!(decoded(b"\xff"), None);
    }
}
