//! JSON that a terminal can show: what could change the terminal, or the order in which characters are shown, is escaped
//! (`\u009b`, `\u202e`), which means the same to every reader. JSON itself asks for U+0000 to U+001F only.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use super::super::messages::is_unsafe;

/// Writes a value without spaces.
pub(in crate::cli) fn write(out: impl io::Write, value: &impl Serialize) -> io::Result<()> {
    Ok(value.serialize(&mut serde_json::Serializer::with_formatter(out, Plain(CompactFormatter)))?)
}

/// A value without spaces.
pub(in crate::cli) fn compact(value: &impl Serialize) -> io::Result<String> {
    text(|out| write(out, value))
}

/// A value on indented lines.
pub(in crate::cli) fn pretty(value: &impl Serialize) -> io::Result<String> {
    text(|out| Ok(value.serialize(&mut serde_json::Serializer::with_formatter(out, Plain(PrettyFormatter::new())))?))
}

fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<String> {
    let mut out = Vec::new();
    write(&mut out)?;
    String::from_utf8(out).map_err(io::Error::other)
}

/// Escapes in strings what the formatter inside would leave.
struct Plain<F>(F);

/// Passes calls on to the formatter inside.
macro_rules! passed_on {
    ($($name:ident($($argument:ident: $kind:ty),*);)*) => {
        $(fn $name<W: ?Sized + io::Write>(&mut self, out: &mut W $(, $argument: $kind)*) -> io::Result<()> {
            self.0.$name(out $(, $argument)*)
        })*
    };
}

impl<F: Formatter> Formatter for Plain<F> {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_unsafe) {
            let (before, after) = rest.split_at(at);
            out.write_all(before.as_bytes())?;
            let mut left = after.chars();
            for unit in left.next().into_iter().flat_map(|c| c.encode_utf16(&mut [0; 2]).to_vec()) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = left.as_str();
        }
        out.write_all(rest.as_bytes())
    }

    passed_on! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_plain_and_mean_the_same() {
        let text = "a\u{1b}[2J\u{7f}\u{9b}31m\u{202e}gpj.exe\u{2066}\u{85}\u{61c}\u{2028}\u{e0041} é \"\\\n\u{1f600}";
        let escaped = r#""a\u001b[2J\u007f\u009b31m\u202egpj.exe\u2066\u0085\u061c\u2028\udb40\udc41 é \"\\\n😀""#;
        let value = serde_json::json!({ "k\u{9b}": [text, 0.1, null], "empty": {} });
        assert_eq!(compact(&text).unwrap(), escaped);
        for json in [compact(&value).unwrap(), pretty(&value).unwrap()] {
            assert!(json.contains(escaped) && json.contains(r#""k\u009b":"#), "{json}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), value);
        }
        let plain = serde_json::json!({ "a": [1, { "b": "c" }], "d": [], "e": {} });
        assert_eq!(compact(&plain).unwrap(), serde_json::to_string(&plain).unwrap());
        assert_eq!(pretty(&plain).unwrap(), serde_json::to_string_pretty(&plain).unwrap());
    }
}
