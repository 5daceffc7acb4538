//! Characters above ASCII: what most repairs look at, found at the speed of memory where there are few.

/// Bytes that are looked at together; the compiler makes one or two vector instructions of it.
const BLOCK: usize = 32;

/// The characters above ASCII with their places.
pub(super) fn wide_chars(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let bytes = text.as_bytes().get(at..)?;
        let start = match bytes.first()?.is_ascii() {
            false => at,
            true => {
                let blocks = bytes.chunks_exact(BLOCK).take_while(|block| block.is_ascii()).count() * BLOCK;
                at + blocks + bytes.get(blocks..)?.iter().position(|byte| !byte.is_ascii())?
            }
        };
        let c = text.get(start..)?.chars().next()?;
        at = start + c.len_utf8();
        Some((start, c))
    })
}

/// The characters of a text with one of ASCII for each run of them, which are alike in every normal form.
pub(super) fn without_ascii_runs(text: &str) -> impl Iterator<Item = char> {
    let mut end = 0;
    wide_chars(text).flat_map(move |(at, c)| {
        let between = (at > end).then_some('a');
        end = at + c.len_utf8();
        between.into_iter().chain([c])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_ascii_are_skipped() {
        for len in [0, 1, 31, 32, 33, 63, 64, 65, 200] {
            for first in ["", "é", "日本", "\u{10ffff}a"] {
                let text = format!("{first}{}é{0}\u{301}日{0}", "x".repeat(len));
                let expected: Vec<_> = text.char_indices().filter(|(_, c)| !c.is_ascii()).collect();
                assert_eq!(wide_chars(&text).collect::<Vec<_>>(), expected, "{text:?}");
                let runs: String = without_ascii_runs(&text).collect();
                let mut plain: Vec<char> = text.chars().map(|c| if c.is_ascii() { 'a' } else { c }).collect();
                plain.dedup_by(|a, b| *a == 'a' && *b == 'a');
                // What follows the last one does not matter.
                assert_eq!(runs, plain.into_iter().collect::<String>().trim_end_matches('a'), "{text:?}");
            }
        }
        assert_eq!(wide_chars("plain").count(), 0);
    }
}
