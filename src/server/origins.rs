//! Which web pages may use the server: those of the origins that it allows, and none that reach it under a name that is
//! not its own.
//!
//! A browser lets any page send requests to this computer. What the page may not do is read the answers: unless it is of
//! an allowed origin (CORS), or makes its own name stand for this computer (DNS rebinding).

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
}
