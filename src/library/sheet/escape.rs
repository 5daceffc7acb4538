//! Text in HTML: escaped, and without characters that act on what surrounds them. Knows no page.

use std::fmt::{self, Display, Formatter, Write};

/// Displays a text as the content of an element or of a quoted attribute.
///
/// `&`, `<`, `>` and both quotes become references. Control characters and the characters that force a direction on
/// what follows are shown as `\n`, `\u{1b}` or `\u{202e}`, so that no name can hide or reorder its surroundings.
pub(super) struct Text<'a>(pub &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut plain = 0;
        for (at, c) in self.0.char_indices() {
            let reference = match c {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                '"' => "&quot;",
                '\'' => "&#39;",
                _ if is_hostile(c) => "",
                _ => continue,
            };
            f.write_str(&self.0[plain..at])?;
            plain = at + c.len_utf8();
            match reference {
                "" => write!(f, "{}", c.escape_default())?,
                _ => f.write_str(reference)?,
            }
        }
        f.write_str(&self.0[plain..])
    }
}

/// Whether a character acts on its surroundings instead of being shown: controls, separators of lines and paragraphs,
/// embeddings, overrides and isolates of the bidirectional algorithm (Unicode UAX #9), and noncharacters that HTML
/// refuses.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fdd0}'..='\u{fdef}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// Displays a text cut to a number of characters, with an ellipsis in place of the rest.
pub(super) struct Short<'a>(pub &'a str, pub usize);

impl Display for Short<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Short(text, max) = *self;
        // An ellipsis in place of one character would not save anything.
        match text.char_indices().nth(max) {
            None => Display::fmt(&Text(text), f),
            Some(_) => {
                let end = text.char_indices().nth(max.saturating_sub(1)).map_or(0, |(at, _)| at);
                Display::fmt(&Text(text[..end].trim_end()), f)?;
                f.write_char('…')
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_hostile_characters_are_escaped() {
        let cases = [
            ("plain é 写真 שלום", "plain é 写真 שלום"),
            ("<script>alert('x')</script>", "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"),
            ("a\" onload=\"b && c", "a&quot; onload=&quot;b &amp;&amp; c"),
            ("line\nfeed\0\u{1b}[31m\u{85}", "line\\nfeed\\u{0}\\u{1b}[31m\\u{85}"),
            ("photo\u{202e}gpj.exe", "photo\\u{202e}gpj.exe"),
            ("\u{2066}\u{2028}\u{fdd0}\u{ffff}\u{fffd}", "\\u{2066}\\u{2028}\\u{fdd0}\\u{ffff}\u{fffd}"),
            ("", ""),
        ];
        for (text, html) in cases {
            assert_eq!(Text(text).to_string(), html);
        }
    }

    #[test]
    fn a_cut_text_has_an_ellipsis_and_at_most_that_many_characters() {
        assert_eq!(Short("beach", 5).to_string(), "beach");
        assert_eq!(Short("beaches", 5).to_string(), "beac…");
        assert_eq!(Short("été & <i>", 6).to_string(), "été &amp;…");
        assert_eq!(Short("abc", 0).to_string(), "…");
        assert_eq!(Short("abc", 1).to_string(), "…");
    }
}
