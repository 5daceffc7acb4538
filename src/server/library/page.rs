//! The page: files that are compiled in.

use std::fmt::Write;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::header::IF_NONE_MATCH;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::super::refusal::Refusal;
use crate::library::sheet;

const HTML: &str = include_str!("../page/index.html");

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// What the page loads: name, type and content.
const ASSETS: [(&str, &str, &str); 8] = [
    // The look of a contact sheet.
    ("sheet.css", CSS, sheet::STYLE),
    ("page.css", CSS, include_str!("../page/page.css")),
    ("page.js", SCRIPT, include_str!("../page/page.js")),
    ("api.js", SCRIPT, include_str!("../page/api.js")),
    ("query.js", SCRIPT, include_str!("../page/query.js")),
    ("grid.js", SCRIPT, include_str!("../page/grid.js")),
    ("viewer.js", SCRIPT, include_str!("../page/viewer.js")),
    ("icon.svg", "image/svg+xml", include_str!("../page/icon.svg")),
];

pub(super) async fn page(headers: HeaderMap) -> Response {
    file("text/html; charset=utf-8", HTML, &headers)
}

pub(super) async fn asset(name: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Response {
    let found = name.ok().and_then(|Path(name)| ASSETS.iter().find(|(known, ..)| *known == name));
    match found {
        Some((_, kind, content)) => file(kind, content, &headers),
        None => Refusal::new(StatusCode::NOT_FOUND, "the page has no such file").into_response(),
    }
}

/// A file that a browser keeps, and asks about before it uses it: another version of the program may have another one.
fn file(kind: &'static str, content: &'static str, headers: &HeaderMap) -> Response {
    let digest = Sha256::digest(content.as_bytes());
    let tag = digest.iter().take(16).fold(String::new(), |mut tag, byte| {
        let _ = write!(tag, "{byte:02x}");
        tag
    });
    kept(headers, &tag).unwrap_or_else(|tag| {
        ([("content-type", kind), ("cache-control", "no-cache"), ("etag", tag.as_str())], content).into_response()
    })
}

/// The answer to a browser that has this content already; else the header for it.
pub(super) fn kept(headers: &HeaderMap, tag: &str) -> Result<Response, String> {
    let tag = format!("\"{tag}\"");
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = known.flat_map(|value| value.split(',')).map(|known| known.trim());
    match known.any(|known| known == "*" || known.trim_start_matches("W/") == tag) {
        true => Ok((StatusCode::NOT_MODIFIED, [("etag", tag.as_str()), ("cache-control", "no-cache")]).into_response()),
        false => Err(tag),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_for_its_own_files_alone() {
        for (name, _, content) in ASSETS.iter().chain(&[("index.html", "", HTML)]) {
            for word in content.split(['"', '\'', '`', '(', ' ', '\n']) {
                let elsewhere = word.starts_with("http:") || word.starts_with("https:") || word.starts_with("//");
                let namespace = word == "http://www.w3.org/2000/svg" || word == "//";
                assert!(!elsewhere || namespace, "{name} asks for {word}");
                if let Some(asked) = word.strip_prefix("assets/").or(word.strip_prefix("./")) {
                    assert!(ASSETS.iter().any(|(known, ..)| *known == asked), "{name} asks for {asked}");
                }
            }
            // What the policy of the page forbids.
            assert!(
                !content.contains(" style=\"") && !content.contains("<style") && !content.contains(" onclick"),
                "{name}"
            );
            assert!(!content.contains("innerHTML"), "{name}");
        }
    }

    #[test]
    fn what_a_browser_has_is_not_sent_again() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, value.parse().unwrap());
            kept(&headers, "ab").is_ok()
        };
        assert!(with("\"ab\"") && with("W/\"ab\"") && with("\"x\", \"ab\"") && with("*"));
        assert!(!with("\"abc\"") && !with("ab") && kept(&HeaderMap::new(), "ab").is_err());
    }
}
