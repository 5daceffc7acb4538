//! Splits the bodies of forms into their fields: `multipart/form-data` (RFC 7578) and
//! `application/x-www-form-urlencoded`. The content of a field stays where it is.

use std::borrow::Cow;
use std::ops::Range;

/// Bodies beyond this are split into their fields on another thread than that of the connections.
pub(super) const INLINE: usize = 256 << 10;

/// Most fields of a form.
const MAX_FIELDS: usize = 64;
/// Most bytes of the headers of a field.
const MAX_HEADERS: usize = 8 << 10;

/// A field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub name: String,
    pub content: Content,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A part of the body.
    Part(Range<usize>),
    /// What a part of the body stands for.
    Decoded(Vec<u8>),
}

/// A body that is no form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The fields of a body with this `Content-Type`; `None` for a type that is no form.
pub(super) fn fields(content_type: &str, body: &[u8]) -> Option<Result<Vec<Field>, Malformed>> {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let kind = kind.trim();
    if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Some(url_encoded(body));
    }
    kind.eq_ignore_ascii_case("multipart/form-data").then(|| {
        let boundary = parameter(parameters, "boundary").filter(|boundary| (1..=200).contains(&boundary.len()));
        multipart(body, boundary.ok_or(Malformed)?.as_bytes())
    })
}

/// The first field of this name.
pub(super) fn first<'a>(fields: &'a [Field], name: &str) -> Option<&'a Content> {
    fields.iter().find(|field| field.name == name).map(|field| &field.content)
}

impl Content {
    pub fn bytes<'a>(&'a self, body: &'a [u8]) -> &'a [u8] {
        match self {
            Content::Part(range) => body.get(range.clone()).unwrap_or(&[]),
            Content::Decoded(bytes) => bytes,
        }
    }
}

/// What stands before the first delimiter and after the last one means nothing.
fn multipart(body: &[u8], boundary: &[u8]) -> Result<Vec<Field>, Malformed> {
    let delimiter = [b"\r\n--", boundary].concat();
    let mut fields = Vec::new();
    let mut at = match body.starts_with(&delimiter[2..]) {
        true => delimiter.len() - 2,
        false => find(body, &delimiter).ok_or(Malformed)? + delimiter.len(),
    };
    loop {
        let rest = &body[at..];
        if rest.starts_with(b"--") {
            return Ok(fields);
        }
        let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        if !rest[padding..].starts_with(b"\r\n") || fields.len() == MAX_FIELDS {
            return Err(Malformed);
        }
        // From the line break on, so that a field without headers has its empty line.
        let headers_at = at + padding;
        let head = &body[headers_at..body.len().min(headers_at + MAX_HEADERS)];
        let headers = &head[..find(head, b"\r\n\r\n").ok_or(Malformed)?];
        let start = headers_at + headers.len() + 4;
        // An empty content shares its line break with the empty line.
        let end = match body[start - 2..].starts_with(&delimiter) {
            true => start,
            false => start + find(&body[start..], &delimiter).ok_or(Malformed)?,
        };
        at = if body[start - 2..].starts_with(&delimiter) { start - 2 } else { end } + delimiter.len();
        fields.push(Field { name: name(headers)?, content: Content::Part(start..end) });
    }
}

/// The name of a field, from its headers.
fn name(headers: &[u8]) -> Result<String, Malformed> {
    let headers = std::str::from_utf8(headers).map_err(|_| Malformed)?;
    let disposition = headers.split("\r\n").find_map(|line| {
        let (header, value) = line.split_once(':')?;
        header.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    });
    let (kind, parameters) = disposition.and_then(|value| value.split_once(';')).ok_or(Malformed)?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err(Malformed);
    }
    parameter(parameters, "name").map(Cow::into_owned).ok_or(Malformed)
}

/// A parameter of a header, such as `; name="a"`.
fn parameter<'a>(parameters: &'a str, wanted: &str) -> Option<Cow<'a, str>> {
    let mut rest = parameters;
    loop {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        let (name, after) = rest.split_once('=')?;
        let value = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, after) = unquote(quoted)?;
                rest = after;
                Cow::Owned(value)
            }
            None => {
                let (value, after) = after.split_once(';').unwrap_or((after, ""));
                rest = after;
                Cow::Borrowed(value.trim())
            }
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
    }
}

/// A text up to its closing quote, and what follows.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            c => value.push(c),
        }
    }
    None
}

fn url_encoded(body: &[u8]) -> Result<Vec<Field>, Malformed> {
    let decoded = |text: &[u8]| {
        let spaced: Vec<u8> = text.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
        percent_encoding::percent_decode(&spaced).collect::<Vec<u8>>()
    };
    let pairs = body.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty());
    let mut fields = Vec::new();
    for pair in pairs {
        if fields.len() == MAX_FIELDS {
            return Err(Malformed);
        }
        let equals = pair.iter().position(|&byte| byte == b'=');
        let (name, value) = equals.map_or((pair, &[][..]), |at| (&pair[..at], &pair[at + 1..]));
        let name = String::from_utf8(decoded(name)).map_err(|_| Malformed)?;
        fields.push(Field { name, content: Content::Decoded(decoded(value)) });
    }
    Ok(fields)
}

/// Where `needle` begins.
fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.iter().position(|byte| *byte == needle[0]) {
        if bytes[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Names and contents.
    type Named = Vec<(String, Vec<u8>)>;

    fn named(content_type: &str, body: &[u8]) -> Option<Result<Named, Malformed>> {
        let own = |fields: Vec<Field>| {
            fields.into_iter().map(|field| (field.name.clone(), field.content.bytes(body).to_vec())).collect()
        };
        fields(content_type, body).map(|fields| fields.map(own))
    }

    #[test]
    fn forms_as_clients_write_them() {
        let kind = "multipart/form-data; boundary=----formdata-undici-012345678901";
        let body = "------formdata-undici-012345678901\r\nContent-Disposition: form-data; name=\"entries\"\r\n\r\n{}\r\n\
                    ------formdata-undici-012345678901\r\nContent-Disposition: form-data; name=\"image\"; \
                    filename=\"blob\"\r\nContent-Type: application/octet-stream\r\n\r\n\0\r\n--\u{ff}\r\n\
                    ------formdata-undici-012345678901--\r\n";
        let expected = vec![("entries".to_owned(), b"{}".to_vec()), ("image".to_owned(), "\0\r\n--\u{ff}".into())];
        assert_eq!(named(kind, body.as_bytes()), Some(Ok(expected)));
        // Quoted boundaries, preambles, padding, empty contents, escaped names.
        let body = b"hello\r\n--a b \t\r\ncontent-disposition:form-data;x=1; NAME=\"a\\\"b\"\r\n\r\n\r\n--a b\r\n\
                     Content-Disposition: form-data; name=c\r\n\r\n\r\n\r\n--a b--";
        let expected = vec![("a\"b".to_owned(), vec![]), ("c".to_owned(), b"\r\n".to_vec())];
        assert_eq!(named("Multipart/Form-Data; charset=x; boundary=\"a b\"", body), Some(Ok(expected)));
        let pairs =
            named("application/x-www-form-urlencoded; charset=UTF-8", b"a=b+c%21&&d&e%3D=%e4=").unwrap().unwrap();
        let expected = [("a", &b"b c!"[..]), ("d", b""), ("e=", b"\xe4=")];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_vec())));
        assert_eq!(named("application/json", b"{}"), None);
    }

    #[test]
    fn malformed_forms_are_refused() {
        let part = "Content-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n";
        for (kind, body) in [
            ("multipart/form-data", format!("--x\r\n{part}--x--")),
            ("multipart/form-data; boundary=", format!("--\r\n{part}----")),
            ("multipart/form-data; boundary=x", String::new()),
            ("multipart/form-data; boundary=x", "--x".into()),
            ("multipart/form-data; boundary=x", "--x\r\n".into()),
            ("multipart/form-data; boundary=x", format!("--x\r\n{part}")),
            ("multipart/form-data; boundary=x", format!("--x\r\n{part}--x")),
            ("multipart/form-data; boundary=x", format!("--xy\r\n{part}--xy--")),
            ("multipart/form-data; boundary=x", "--x\r\n\r\n1\r\n--x--".into()),
            ("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: file; name=a\r\n\r\n1\r\n--x--".into()),
            ("multipart/form-data; boundary=x", format!("--x\r\n{}", format!("{part}--x\r\n").repeat(70))),
            ("multipart/form-data; boundary=x", format!("--x\r\nA: {}\r\n{part}--x--", "b".repeat(10_000))),
            ("application/x-www-form-urlencoded", "%ff=1".into()),
            ("application/x-www-form-urlencoded", "a=1&".repeat(70)),
        ] {
            assert_eq!(fields(kind, body.as_bytes()), Some(Err(Malformed)), "{kind} {body:.80}");
        }
        let good = format!("--x\r\n{part}--x--");
        assert!(fields("multipart/form-data; boundary=x", good.as_bytes()).unwrap().is_ok());
    }

    proptest! {
        #[test]
        fn contents_come_back(contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5)) {
            let mut body = Vec::new();
            for content in &contents {
                body.extend(b"--frontier\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n");
                body.extend(content);
                body.extend(b"\r\n");
            }
            body.extend(b"--frontier--\r\n");
            let found = named("multipart/form-data; boundary=frontier", &body).unwrap().unwrap();
            prop_assert_eq!(found.into_iter().map(|(_, content)| content).collect::<Vec<_>>(), contents);
        }

        #[test]
        fn nothing_panics(body in "(--x|\r\n|:|;|name=|\"|content-disposition|form-data|a|-){0,30}") {
            let _ = fields("multipart/form-data; boundary=x", body.as_bytes());
            let _ = fields("application/x-www-form-urlencoded", body.as_bytes());
            let _ = fields(&body, b"--x");
        }
    }
}
