//! Repeats the repairs line by line until none of them changes anything.
//!
//! Equals `ftfy.fix_text` with its defaults. Knows the order of the repairs and the work limit of a text.

use super::{character, entity, mojibake};
use std::borrow::Cow;

/// Maximum line length in characters, as in the reference; repairs do not cross lines.
const LONGEST_LINE: usize = 1_000_000;

/// Limit of the bytes that all rounds over a text may read.
///
/// Usual texts need two rounds; mojibake needs one more for each wrong decoding. A crafted text needs as many rounds as
/// it has characters; the limit prevents quadratic time. Short texts never reach it.
pub(super) struct Budget {
    left: usize,
}

impl Budget {
    /// Rounds for any text.
    const ROUNDS: usize = 16;
    /// Extra bytes for every text: enough for one round per byte of a text of 4,096 bytes.
    const BASE: usize = 1 << 24;

    pub(super) fn new(text: &str) -> Budget {
        Budget { left: text.len().saturating_mul(Self::ROUNDS).saturating_add(Self::BASE) }
    }

    /// Spends a round over `bytes` bytes; false if the budget is exhausted.
    pub(super) fn spend(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

/// Applies all repairs.
pub(super) fn fix_text(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut budget = Budget::new(text);
    let mut out = String::with_capacity(text.len());
    // From the first `<` on, the text counts as HTML, in which entities are intended.
    let mut entities = true;
    for line in lines(text) {
        entities &= !line.contains('<');
        match is_plain(line) {
            true => out.push_str(line),
            false => out.push_str(&fix_line(line, entities, &mut budget)),
        }
    }
    Cow::Owned(out)
}

/// Splits into lines with their ends, and splits lines that are too long.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').flat_map(|line| {
        let mut rest = line;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let cut = match rest.len() > LONGEST_LINE {
                true => rest.char_indices().nth(LONGEST_LINE).map_or(rest.len(), |(at, _)| at),
                false => rest.len(),
            };
            let (line, after) = rest.split_at_checked(cut)?;
            rest = after;
            Some(line)
        })
    })
}

/// Whether no repair can change a text: printable ASCII except `&`, and white space that is kept.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' '..=b'%' | b'\''..=b'~' | b'\t' | b'\n' | b'\x0c'))
}

fn fix_line<'a>(line: &'a str, entities: bool, budget: &mut Budget) -> Cow<'a, str> {
    let mut line = Cow::Borrowed(line);
    while budget.spend(line.len()) {
        match round(&line, entities, budget) {
            Some(fixed) if fixed != *line => line = Cow::Owned(fixed),
            _ => break,
        }
    }
    line
}

/// Runs one round; `None` if no repair changed anything.
fn round(line: &str, entities: bool, budget: &mut Budget) -> Option<String> {
    let mut fixed: Option<String> = None;
    let mut apply = |fix: &mut dyn FnMut(&str) -> Option<String>| {
        if let Some(next) = fix(fixed.as_deref().unwrap_or(line)) {
            fixed = Some(next);
        }
    };
    if entities {
        apply(&mut entity::unescape_strict);
    }
    apply(&mut |text| mojibake::fix_encoding(text, budget));
    apply(&mut character::fix_characters);
    apply(&mut character::remove_escapes);
    apply(&mut character::remove_controls);
    apply(&mut character::compose);
    fixed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(fix_text(text), expected);
    }

    #[test]
    fn rounds_repeat_until_nothing_changes() {
        check("plain <b>&", "plain <b>&");
        check("&amp;lt; &amp;#x26;gt;", "< >");
        check("wait&hellip; it&#x2019;s my oﬃce", "wait… it's my office");
        check("ＷＩＤＥ　＆amp； ｶﾞ", "WIDE & ガ");
        check("hÃ´tel &eacute;t&Eacute;", "hôtel étÉ");
        check("\u{1b}[1;32mgreen\u{1b}[m\u{feff}", "green");
    }

    #[test]
    fn short_texts_are_repaired_completely() {
        check(&format!("&{}", "amp;".repeat(1000)), "&");
        check(&format!("日 &{}Ã{}", "amp;".repeat(500), "ƒ".repeat(500)), "日 &Ã");
    }

    #[test]
    fn html_keeps_its_entities() {
        check("&lt;\n<b>&lt;\n&lt;", "<\n<b>&lt;\n&lt;");
    }

    #[test]
    fn lines_are_split_like_the_reference() {
        let text = format!("{}e\u{301}\né", "x".repeat(LONGEST_LINE - 1));
        let lengths: Vec<usize> = lines(&text).map(|line| line.chars().count()).collect();
        assert_eq!(lengths, [LONGEST_LINE, 2, 1]);
        assert_eq!(fix_text(&text), text, "nothing is combined across the cut");
        assert_eq!(lines("").count(), 0);
        assert_eq!(lines("a\n\nb").collect::<Vec<_>>(), ["a\n", "\n", "b"]);
    }
}
