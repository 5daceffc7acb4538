//! Which web pages may use the server: those of the origins that it allows, and none that reach it under a name that is
//! not its own.
//!
//! A browser lets any page send requests to this computer. What the page may not do is read the answers: unless it is of
//! an allowed origin (CORS), or makes its own name stand for this computer (DNS rebinding). Its requests would be worked on
//! all the same, so they are refused, as far as the browser says whose they are. Programs say nothing of that kind.

use std::net::IpAddr;

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

/// Names and origins that are allowed.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins {
    /// Origins whose pages may read answers, such as `https://photos.example`.
    cors: Vec<String>,
    /// Names besides those of this computer; any, if it is `None`.
    hosts: Option<Vec<String>>,
}

impl Origins {
    /// `hosts` are further names under which the server may be reached, where only those of this computer are.
    pub fn new(cors: Vec<String>, hosts: Option<Vec<String>>) -> Origins {
        Origins { cors, hosts }
    }

    /// Whether a request came under a name that is allowed.
    pub fn allows_host(&self, headers: &HeaderMap) -> bool {
        let Some(hosts) = &self.hosts else { return true };
        // Only ancient clients send none, and no browser.
        let Some(host) = headers.get(HOST) else { return true };
        let Some(name) = host.to_str().ok().map(without_port) else { return false };
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        address.is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// The answer to a browser that asks whether a page may send a request.
    pub fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response> {
        if method != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        self.allowed(headers)?;
        let mut response = StatusCode::NO_CONTENT.into_response();
        let answer = response.headers_mut();
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type"));
        answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        Some(response)
    }

    /// The origin of a request, if its pages may read answers.
    pub fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        self.cors.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
    }

    /// Whether a browser says that a page of another site sent the request, which is not of an allowed origin.
    pub fn is_foreign(&self, method: &Method, headers: &HeaderMap) -> bool {
        let is = |name: &str, value: &str| headers.get(name).is_some_and(|found| found.as_bytes() == value.as_bytes());
        // A browser knows better than names tell, which a proxy may have changed.
        let is_ours = is("sec-fetch-site", "same-origin") || is("sec-fetch-site", "none");
        if is_ours || self.allowed(headers).is_some() {
            return false;
        }
        let is_link = (method == Method::GET || method == Method::HEAD)
            && is("sec-fetch-mode", "navigate")
            && is("sec-fetch-dest", "document");
        (is("sec-fetch-site", "cross-site") && !is_link)
            || headers.get(ORIGIN).is_some_and(|origin| !is_own(origin, headers.get(HOST)))
    }

    /// Tells a browser that a page of this origin may read the answer.
    pub fn mark(&self, origin: Option<HeaderValue>, response: &mut Response) {
        if !self.cors.is_empty() {
            response.headers_mut().append(VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = origin {
            response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
    }
}

/// Whether an origin is that of the server, by the name that the request came under. A proxy may speak another scheme.
fn is_own(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let host = host.and_then(|host| host.to_str().ok());
    origin.zip(host).is_some_and(|((scheme, name), host)| {
        // Browsers leave the usual port out of both; some proxies add it.
        let usual = if scheme == "https" { ":443" } else { ":80" };
        let bare = |name: &str| name.strip_suffix(usual).unwrap_or(name).to_ascii_lowercase();
        bare(name) == bare(host)
    })
}

/// What to do about a name that is not allowed. It is quoted only if it is one: pages of others choose it, too.
pub(super) fn unknown_host(headers: &HeaderMap) -> String {
    let name = headers.get(HOST).and_then(|host| host.to_str().ok()).map(without_port);
    let is_name = |name: &&str| {
        (1..=253).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    match name.filter(is_name) {
        Some(name) => format!("this server is not reached as {name}; start it with --allow-host {name}"),
        None => "this server is not reached under this name; --allow-host NAME allows one".into(),
    }
}

/// The name in a `Host` header.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    #[test]
    fn names_of_this_computer_and_given_ones_are_allowed() {
        let origins = Origins::new(vec![], Some(vec!["photos.lan".into()]));
        let allows = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            origins.allows_host(&headers)
        };
        for host in
            ["localhost", "LOCALHOST:8080", "127.0.0.1:80", "[::1]:8080", "[::1]", "photos.lan", "Photos.LAN:80"]
        {
            assert!(allows(host), "{host}");
        }
        for host in ["evil.example", "evil.example:8080", "localhost.evil.example", "photos.lan.evil", "", ":80"] {
            assert!(!allows(host), "{host}");
        }
        let mut headers = HeaderMap::new();
        for (host, end) in [("nas.local:8080", "start it with --allow-host nas.local"), ("-a b", "NAME allows one")] {
            headers.insert(HOST, host.parse().unwrap());
            assert!(unknown_host(&headers).ends_with(end), "{host}");
        }
        assert!(origins.allows_host(&HeaderMap::new()) && Origins::default().allows_host(&HeaderMap::new()));
    }

    #[test]
    fn pages_of_other_sites_are_told_apart() {
        let origins = Origins::new(vec!["https://photos.example".into()], None);
        let is_foreign = |method: Method, pairs: &[(&'static str, &'static str)]| {
            let mut headers: HeaderMap = pairs
                .iter()
                .map(|&(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
                .collect();
            headers.insert(HOST, "Nas.local:8080".parse().unwrap());
            origins.is_foreign(&method, &headers)
        };
        let (cross, link) = (("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"));
        let document = ("sec-fetch-dest", "document");
        for (method, pairs) in [
            (Method::POST, &[cross][..]),
            (Method::GET, &[cross, link]),
            (Method::POST, &[cross, link, document]),
            (Method::POST, &[("origin", "null")]),
            (Method::GET, &[("origin", "https://evil.example")]),
            (Method::GET, &[("origin", "http://nas.local")]),
            (Method::GET, &[("origin", "http://nas.local:8080.evil.example")]),
        ] {
            assert!(is_foreign(method, pairs), "{pairs:?}");
        }
        for (method, pairs) in [
            (Method::POST, &[][..]),
            (Method::GET, &[cross, link, document]),
            (Method::POST, &[cross, ("origin", "https://photos.example")]),
            (Method::POST, &[("sec-fetch-site", "same-origin"), ("origin", "http://nas.local:8080")]),
            (Method::POST, &[("origin", "https://nas.local:8080")]),
            // Behind a proxy that states its own name.
            (Method::POST, &[("sec-fetch-site", "same-origin"), ("origin", "https://photos.lan")]),
            (Method::GET, &[("sec-fetch-site", "none")]),
        ] {
            assert!(!is_foreign(method, pairs), "{pairs:?}");
        }
    }
}
