//! Cleans a text before it is split: repair, HTML entities, punctuation, white space, lower case, in this order; a
//! [`Clean`] leaves some out.
//!
//! Equals the cleaning of this name in open_clip: `ftfy.fix_text` with its defaults (`repair`), Python's `html.unescape`
//! twice (`entity`), white space runs to single spaces, `str.lower` (`lower`); `canonicalize` turns `_` into a space and
//! removes the rest of Python's `string.punctuation`, which is that of ASCII. Knows no pieces or ids.

mod badness;
mod category;
mod category_tables;
mod character;
mod code_pages;
mod encoding;
mod entity;
mod lower;
mod mojibake;
mod repair;
mod utf8;
mod wide;

use super::config::Clean;
use super::unicode::is_space;
use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;

/// Returns the text that is split and encoded.
pub(super) fn clean(text: &str, clean: Clean) -> Cow<'_, str> {
    match clean {
        Clean::Lower | Clean::Whitespace | Clean::Canonicalize => Cow::Owned(repaired(text, clean)),
        Clean::Punctuation => {
            let mut lower_case = String::with_capacity(text.len());
            // White space stays: words are what lower case depends on.
            for word in text.split_inclusive(is_space) {
                lower::push_lower(word, &mut lower_case);
            }
            lower_case.retain(|c| !c.is_ascii_punctuation());
            let mut out = String::with_capacity(lower_case.len());
            words(&lower_case, is_space, &mut out, |word, out| out.push_str(word));
            Cow::Owned(out)
        }
        // As the library `tokenizers`, whose tables are Rust's.
        Clean::LowerOnly => Cow::Owned(text.chars().flat_map(char::to_lowercase).collect()),
        Clean::PlainLower => {
            let mut out = String::with_capacity(text.len());
            let composed: String = text.nfc().collect();
            words(&composed, is_space, &mut out, |word, out| out.extend(word.chars().flat_map(char::to_lowercase)));
            Cow::Owned(out)
        }
        Clean::PlainWhitespace => {
            let mut out = String::with_capacity(text.len());
            words(text, is_space, &mut out, |word, out| out.push_str(word));
            Cow::Owned(out)
        }
        Clean::None => Cow::Borrowed(text),
    }
}

/// The cleanings that begin with repair.
fn repaired(text: &str, clean: Clean) -> String {
    let mut text = repair::fix_text(text);
    for _ in 0..2 {
        if let Some(unescaped) = entity::unescape(&text) {
            text = Cow::Owned(unescaped);
        }
    }
    let mut out = String::with_capacity(text.len());
    match clean {
        Clean::Lower => words(&text, is_space, &mut out, lower::push_lower),
        Clean::Whitespace
        | Clean::Punctuation
        | Clean::LowerOnly
        | Clean::None
        | Clean::PlainLower
        | Clean::PlainWhitespace => {
            words(&text, is_space, &mut out, |word, out| out.push_str(word));
        }
        Clean::Canonicalize => {
            // Lower case comes last: it looks at neighbours, which the punctuation would hide.
            let mut kept = String::new();
            words(
                &text,
                |c| is_space(c) || c == '_',
                &mut out,
                |word, out| {
                    kept.clear();
                    kept.extend(word.chars().filter(|c| !c.is_ascii_punctuation()));
                    lower::push_lower(&kept, out);
                },
            );
        }
    }
    out
}

/// Appends each word of a text, as `push` writes it, with single spaces between those that are not empty.
fn words(text: &str, is_gap: impl Fn(char) -> bool, out: &mut String, mut push: impl FnMut(&str, &mut String)) {
    for word in text.split(is_gap).filter(|word| !word.is_empty()) {
        let before = out.len();
        if before > 0 {
            out.push(' ');
        }
        let start = out.len();
        push(word, out);
        if out.len() == start {
            out.truncate(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Clean::{self, Canonicalize, Lower, LowerOnly, Punctuation, Whitespace};
    use super::clean;

    #[test]
    fn steps_in_their_order() {
        assert_eq!(clean("", Lower), "");
        assert_eq!(clean(" \n\t\u{3000}", Lower), "");
        assert_eq!(clean("  A  Photo\u{a0}of\r\n a CAT ", Lower), "a photo of a cat");
        // The repair unescapes until nothing changes; without it there are two levels.
        assert_eq!(clean("&amp;amp;amp;amp;lt;", Lower), "<");
        assert_eq!(clean("<b> &amp;amp;lt; &amp;lt;", Lower), "<b> &lt; <");
        // White space from entities is collapsed, capitals become lower case.
        assert_eq!(clean("<x>&nbsp;&Aacute;&nbsp;&#x3A3;", Lower), "<x> á σ");
        assert_eq!(clean("ΟΔΟΣ ΣΟΦΟΣ, Σ", Lower), "οδος σοφος, σ");
    }

    #[test]
    fn other_cleanings_leave_out_or_add_steps() {
        assert_eq!(clean("  A  Photo\u{a0}of\r\n a CAT's &Aacute; ", Whitespace), "A Photo of a CAT's Á");
        assert_eq!(clean("A Dog, on the BEACH!", Canonicalize), "a dog on the beach");
        assert_eq!(clean("snake_case - [x] ... __a__ it's", Canonicalize), "snake case x a its");
        assert_eq!(clean(" !? _ ", Canonicalize), "");
        // Only ASCII punctuation goes, and what entities stand for counts.
        assert_eq!(clean("“Ja” – ¿No? &lt;b&gt;", Canonicalize), "ja – ¿no b");
        // The end of a word is found after its punctuation is gone.
        assert_eq!(clean("ΑΣ'Α ΑΣ.", Canonicalize), "ασα ας");
    }

    #[test]
    fn cleanings_of_transformers_repair_nothing() {
        assert_eq!(clean(" A Dog,  on_the BEACH!\n&amp; “Ja” ΑΣ. ", Punctuation), "a dog onthe beach amp “ja” ας");
        assert_eq!(clean("snake_case it's ΑΣ'Α", Punctuation), "snakecase its ασα");
        assert_eq!(clean(" !? _ ", Punctuation), "");
        assert_eq!(clean(" A_b!\n ΣΑΣ İ ", LowerOnly), " a_b!\n σασ i\u{307} ");
        assert_eq!(clean(" A_b!\n &lt; ", Clean::None), " A_b!\n &lt; ");
    }

    #[test]
    fn plain_cleanings_repair_nothing_else_either() {
        let text = " It\u{2019}s  a \u{201c}CAFE\u{301}\u{201d}\n&amp; sÃ©ance ";
        assert_eq!(clean(text, Clean::PlainLower), "it\u{2019}s a \u{201c}caf\u{e9}\u{201d} &amp; sã©ance");
        assert_eq!(clean(text, Clean::PlainWhitespace), "It\u{2019}s a \u{201c}CAFE\u{301}\u{201d} &amp; sÃ©ance");
        assert_eq!(clean(text, Lower), "it's a \"café\" & séance");
        for plain in [Clean::PlainLower, Clean::PlainWhitespace] {
            assert_eq!((clean("", plain), clean(" \n\u{3000}", plain)), ("".into(), "".into()));
        }
    }
}
