//! Converts a word to lower case like Python's `str.lower`: by character, except for the capital sigma, which depends
//! on its position, and the capital I with a dot, which becomes two characters.

use crate::tokenizer::unicode::{CASE_IGNORABLE, CASED, classes, lower};

/// Appends a word in lower case. A word is enough context for a final sigma: the rule does not look past white space.
pub(super) fn push_lower(word: &str, out: &mut String) {
    if word.is_ascii() {
        out.extend(word.chars().map(|c| c.to_ascii_lowercase()));
        return;
    }
    for (at, c) in word.char_indices() {
        match c {
            'Σ' => out.push(if is_final(word, at) { 'ς' } else { 'σ' }),
            'İ' => out.push_str("i\u{307}"),
            _ => out.push(lower(c)),
        }
    }
}

/// Whether the sigma at `at` is final: a cased character before it and none after, skipping case-ignorable characters.
fn is_final(word: &str, at: usize) -> bool {
    let cased = |c: Option<char>| c.is_some_and(|c| classes(c) & CASED != 0);
    let skipped = |c: &char| classes(*c) & CASE_IGNORABLE != 0;
    let before = word.get(..at).unwrap_or_default();
    let after = word.get(at + 'Σ'.len_utf8()..).unwrap_or_default();
    cased(before.chars().rev().find(|c| !skipped(c))) && !cased(after.chars().find(|c| !skipped(c)))
}

#[cfg(test)]
mod tests {
    use super::push_lower;

    #[track_caller]
    fn check(word: &str, expected: &str) {
        let mut out = String::new();
        push_lower(word, &mut out);
        assert_eq!(out, expected);
    }

    #[test]
    fn sigma_depends_on_its_position() {
        check("ΣΟΦΟΣ", "σοφος");
        check("Σ", "σ");
        check("ΣΣ", "σς");
        check("ΑΣ'", "ας'");
        check("ΑΣ'Α", "ας'α".replace('ς', "σ").as_str());
        check("1Σ", "1σ");
        check("Α\u{301}Σ\u{301}", "α\u{301}ς\u{301}");
        check("ΑΣ1", "ας1");
    }

    #[test]
    fn other_scripts() {
        check("MiXeD", "mixed");
        check("İSTANBUL", "i\u{307}stanbul");
        check("ÀÉǅẞ", "àéǆß");
        check("ЖЁ", "жё");
        check("Ⅷ", "ⅷ");
        check("\u{10400}", "\u{10428}");
    }
}
