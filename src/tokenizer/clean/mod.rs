//! Cleans a text before it is split: repair, HTML entities, white space, lower case, in this order.
//!
//! Equals open_clip's `clean="lower"`: `ftfy.fix_text` with its defaults (`repair`), Python's `html.unescape` twice
//! (`entity`), white space runs to single spaces, `str.lower` (`lower`). Knows no pieces or ids.

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

use super::unicode::is_space;
use std::borrow::Cow;

/// Returns the text that is split and encoded.
pub(super) fn clean(text: &str) -> String {
    let mut text = repair::fix_text(text);
    for _ in 0..2 {
        if let Some(unescaped) = entity::unescape(&text) {
            text = Cow::Owned(unescaped);
        }
    }
    let mut out = String::with_capacity(text.len());
    for word in text.split(is_space).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        lower::push_lower(word, &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn steps_in_their_order() {
        assert_eq!(clean(""), "");
        assert_eq!(clean(" \n\t\u{3000}"), "");
        assert_eq!(clean("  A  Photo\u{a0}of\r\n a CAT "), "a photo of a cat");
        // The repair unescapes until nothing changes; without it there are two levels.
        assert_eq!(clean("&amp;amp;amp;amp;lt;"), "<");
        assert_eq!(clean("<b> &amp;amp;lt; &amp;lt;"), "<b> &lt; <");
        // White space from entities is collapsed, capitals become lower case.
        assert_eq!(clean("<x>&nbsp;&Aacute;&nbsp;&#x3A3;"), "<x> á σ");
        assert_eq!(clean("ΟΔΟΣ ΣΟΦΟΣ, Σ"), "οδος σοφος, σ");
    }
}
