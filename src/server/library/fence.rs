//! What keeps other web sites away from a library: a browser sends their requests to this computer too.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::super::refusal::Refusal;
use super::Shelf;

/// Headers of every answer: the page runs nothing but its own files and asks nobody else; no other site can show a photo
/// or the page inside of its own.
const HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("x-frame-options", "DENY"),
];

/// Wraps the routes of a library.
pub(super) async fn fence(State(shelf): State<Arc<Shelf>>, request: Request, next: Next) -> Response {
    let refused = match request.headers() {
        headers if is_foreign(headers) => Some("a page of another site asks for this"),
        // A token is what no other site has.
        headers if shelf.server.token.is_none() && !is_local(headers) => Some(
            "without --token-file, the library answers to localhost and to addresses in numbers only, since another site \
             could have any other name lead here",
        ),
        _ => None,
    };
    let mut response = match refused {
        Some(reason) => Refusal::new(StatusCode::FORBIDDEN, reason).into_response(),
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// Whether a browser says that a page of another site sent the request, other than by a link to here.
fn is_foreign(headers: &HeaderMap) -> bool {
    let is = |name: &str, values: &[&str]| {
        headers.get(name).is_some_and(|value| values.iter().any(|known| value.as_bytes() == known.as_bytes()))
    };
    headers.contains_key("sec-fetch-site")
        && !is("sec-fetch-site", &["same-origin", "none"])
        && !(is("sec-fetch-mode", &["navigate"]) && is("sec-fetch-dest", &["document"]))
}

/// Whether the name by which the server was reached is one that nobody can have lead elsewhere.
fn is_local(headers: &HeaderMap) -> bool {
    // HTTP/1.0 has no such header, and a browser does not speak it.
    let Some(host) = headers.get(HOST) else { return true };
    let Ok(host) = host.to_str() else { return false };
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn names_that_can_be_rebound_are_not_local() {
        for host in
            ["localhost", "LOCALHOST:8080", "127.0.0.1:80", "192.168.1.2", "[::1]:8080", "[fe80::1]", "a.localhost"]
        {
            assert!(is_local(&headers(&[("host", host)])), "{host}");
        }
        for host in
            ["evil.example", "localhost.evil.example:80", "127.0.0.1.evil.example", "", "[evil]:80", "notlocalhost"]
        {
            assert!(!is_local(&headers(&[("host", host)])), "{host}");
        }
        assert!(is_local(&HeaderMap::new()));
    }

    #[test]
    fn other_sites_may_link_and_nothing_else() {
        let site = |site, mode, dest| {
            is_foreign(&headers(&[("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", dest)]))
        };
        assert!(site("cross-site", "no-cors", "image") && site("same-site", "cors", "empty"));
        assert!(site("cross-site", "navigate", "iframe"));
        assert!(!site("cross-site", "navigate", "document") && !site("none", "navigate", "document"));
        assert!(!site("same-origin", "cors", "empty") && !is_foreign(&HeaderMap::new()));
    }
}
