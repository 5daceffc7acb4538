//! What keeps other web sites away from a library: a browser sends their requests to this computer too. Names that such a
//! site makes stand for this computer are refused before (`origins`).

use std::sync::Arc;

use axum::extract::{Request, State};
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
    // A page of an origin that may read answers says so itself.
    let is_allowed = shelf.server.origins.allowed(request.headers()).is_some();
    let mut response = match is_foreign(request.headers()) && !is_allowed {
        true => Refusal::new(StatusCode::FORBIDDEN, "a page of another site asks for this").into_response(),
        false => next.run(request).await,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
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
