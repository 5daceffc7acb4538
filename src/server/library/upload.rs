//! The parts of `multipart/form-data` (RFC 7578).

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};

use super::super::refusal::Refusal;
use super::terms::Part;

/// Most parts of a form.
const MOST: usize = 64;

/// The boundary of a form.
pub(super) fn boundary(headers: &HeaderMap) -> Result<String, Refusal> {
    let other = || {
        let message = "the body is to be multipart/form-data with a boundary, and photos as its parts `photo`";
        Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
    };
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).ok_or_else(other)?;
    let mut fields = value.split(';').map(str::trim);
    if !fields.next().is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/form-data")) {
        return Err(other());
    }
    let boundary = fields.find_map(|field| {
        let (name, value) = field.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
    });
    // RFC 2046: 1 to 70 characters.
    boundary.filter(|boundary| (1..=70).contains(&boundary.len())).ok_or_else(other)
}

/// The parts of a form, in order.
pub(super) fn parts(body: &[u8], boundary: &str) -> Result<Vec<Part>, Refusal> {
    let malformed = |what: &str| Refusal::bad(format!("the form is malformed: {what}"));
    let line = format!("--{boundary}");
    let between = format!("\r\n--{boundary}");
    let mut parts = Vec::new();
    let mut rest = match body.strip_prefix(line.as_bytes()) {
        Some(rest) => rest,
        None => {
            let at = find(body, between.as_bytes()).ok_or_else(|| malformed("it has no boundary"))?;
            &body[at + between.len()..]
        }
    };
    while !rest.starts_with(b"--") {
        let end = find(rest, b"\r\n").ok_or_else(|| malformed("a boundary has no end"))?;
        if !rest[..end].iter().all(|byte| matches!(byte, b' ' | b'\t')) {
            return Err(malformed("a boundary has something behind it"));
        }
        // The empty line may come at once.
        let head_end = find(&rest[end..], b"\r\n\r\n").ok_or_else(|| malformed("a part has no content"))?;
        let (head, content) = rest[end..].split_at(head_end);
        let content = &content[4..];
        let length = find(content, between.as_bytes()).ok_or_else(|| malformed("it ends early"))?;
        if parts.len() == MOST {
            return Err(malformed(&format!("it has more than {MOST} parts")));
        }
        parts.push((name(head).ok_or_else(|| malformed("a part has no name"))?, content[..length].to_vec()));
        rest = &content[length + between.len()..];
    }
    Ok(parts)
}

/// The name of a part, from its headers.
fn name(head: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(head).ok()?;
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value.trim())
    })?;
    // Names here have neither quotes nor semicolons; names of files may.
    let at = disposition.match_indices("name=").find(|(at, _)| disposition[..*at].ends_with([' ', ';', '\t']))?.0;
    let value = &disposition[at + "name=".len()..];
    match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().map(str::to_owned),
        None => value.split(';').next().map(|value| value.trim().to_owned()),
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let first = *what.first()?;
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|&byte| byte == first)?;
        if bytes[at..].starts_with(what) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_split_at_their_boundary() {
        let body = b"preamble\r\n--x\r\nContent-Disposition: form-data; filename=\"a;name=b\"; name=\"photo\"\r\n\
            Content-Type: image/png\r\n\r\n\x89PNG\r\n--y\r\n\r\n--x \r\ncontent-disposition: form-data; name=terms\r\n\r\n[]\
            \r\n--x--\r\nepilogue";
        let parts = super::parts(body, "x").unwrap();
        let expected = [("photo".to_owned(), b"\x89PNG\r\n--y\r\n".to_vec()), ("terms".to_owned(), b"[]".to_vec())];
        assert_eq!(parts, expected);
        assert_eq!(super::parts(b"--x--", "x").unwrap(), []);
        // Every cut is an error and no panic.
        for end in 0..body.len() - b"--\r\nepilogue".len() {
            assert!(super::parts(&body[..end], "x").is_err(), "{end}");
        }
    }

    #[test]
    fn boundaries_are_parameters() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, value.parse().unwrap());
            boundary(&headers).map_err(|refusal| refusal.status.as_u16())
        };
        assert_eq!(of("multipart/form-data; boundary=abc").unwrap(), "abc");
        assert_eq!(of("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\"").unwrap(), "a b");
        for other in
            ["application/json", "multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=a"]
        {
            assert_eq!(of(other), Err(415), "{other}");
        }
    }
}
