//! Parses URLs as far as redirects and the token rules need them.
//!
//! Refuses everything from a server but plain `http` and `https` URLs: no user names and passwords, no spaces, no
//! control characters.

use std::fmt;

/// An absolute `http` or `https` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    https: bool,
    /// Lower case; an IPv6 address in brackets.
    host: String,
    port: u16,
    /// Path and query; starts with a slash.
    rest: String,
}

impl Url {
    /// Parses an absolute URL and drops its fragment.
    pub(crate) fn parse(text: &str) -> Result<Url, &'static str> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("has spaces, control characters or letters beyond ASCII");
        }
        let (scheme, after) = text.split_once("://").ok_or("does not start with https:// or http://")?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err("is neither https nor http"),
        };
        let after = after.split('#').next().unwrap_or_default();
        let end = after.find(['/', '?']).unwrap_or(after.len());
        let (authority, rest) = after.split_at(end);
        let (host, port) = host_and_port(authority)?;
        let port = port.unwrap_or(if https { 443 } else { 80 });
        let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
        Ok(Url { https, host, port, rest })
    }

    /// Resolves `location`, the header of a redirect from this URL.
    pub(crate) fn join(&self, location: &str) -> Result<Url, &'static str> {
        // A colon marks a scheme only before the path.
        let path = location.find(['/', '?', '#']).unwrap_or(location.len());
        if location.find(':').is_some_and(|colon| colon < path) {
            return Url::parse(location);
        }
        if location.starts_with("//") {
            return Url::parse(&format!("{}:{location}", self.scheme()));
        }
        let path = self.rest.split('?').next().unwrap_or_default();
        let folder = &path[..path.rfind('/').map_or(0, |slash| slash + 1)];
        let rest = match location.bytes().next() {
            Some(b'/') => location.to_owned(),
            Some(b'?') => format!("{path}{location}"),
            _ => format!("{folder}{location}"),
        };
        Url::parse(&format!("{}{rest}", self.origin()))
    }

    /// Appends `path` to this URL, whose own path counts as a folder.
    pub(super) fn with(&self, path: &str) -> Url {
        let own = self.rest.split('?').next().unwrap_or_default().trim_end_matches('/');
        Url { rest: format!("{own}/{path}"), ..self.clone() }
    }

    /// Whether both URLs have the same scheme, host and port.
    pub(crate) fn same_origin(&self, other: &Url) -> bool {
        self.https == other.https && self.host == other.host && self.port == other.port
    }

    pub(crate) fn is_https(&self) -> bool {
        self.https
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    #[cfg(feature = "serve")]
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The same with another host: an address in the place of a name.
    #[cfg(feature = "serve")]
    pub(crate) fn with_host(&self, address: std::net::IpAddr) -> Url {
        let host = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
        Url { host, ..self.clone() }
    }

    /// Host and port as the header `Host` states them.
    #[cfg(feature = "serve")]
    pub(crate) fn authority(&self) -> String {
        let origin = self.origin();
        origin.split_once("://").map_or(origin.clone(), |(_, authority)| authority.to_owned())
    }

    /// Whether there is nothing behind the host and its port.
    #[cfg(feature = "serve")]
    pub(crate) fn is_origin(&self) -> bool {
        self.rest == "/"
    }

    /// Whether nobody between here and the host can read along: it is encrypted, or it does not leave this computer.
    pub(super) fn is_private(&self) -> bool {
        self.https || self.is_loopback()
    }

    /// Whether the host is this computer.
    pub(crate) fn is_loopback(&self) -> bool {
        let address = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host);
        let loopback = address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        loopback || self.host == "localhost" || self.host.ends_with(".localhost")
    }

    /// The full URL, for requests. Not for messages: the query of a signed URL is a temporary secret.
    pub(crate) fn full(&self) -> String {
        format!("{}{}", self.origin(), self.rest)
    }

    fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    fn origin(&self) -> String {
        let usual = if self.https { 443 } else { 80 };
        let port = if self.port == usual { String::new() } else { format!(":{}", self.port) };
        format!("{}://{}{port}", self.scheme(), self.host)
    }
}

/// Omits the query.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.rest.split('?').next().unwrap_or_default())
    }
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), &'static str> {
    if authority.contains('@') {
        return Err("has a name or password in it");
    }
    // Skip the colons of an IPv6 address in brackets.
    let bracket = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match authority[bracket..].find(':') {
        Some(colon) => (&authority[..bracket + colon], &authority[bracket + colon + 1..]),
        None => (authority, ""),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(is_name),
    };
    if !is_host {
        return Err("has no host that could be asked");
    }
    let port = match port {
        "" => None,
        digits => Some(digits.parse().map_err(|_| "has an invalid port")?),
    };
    Ok((host.to_ascii_lowercase(), port))
}

/// Escapes `text` as one path segment: everything but letters, digits and `-._~`.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped += &format!("%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn urls_are_parsed_and_formatted() {
        for (text, full) in [
            ("https://huggingface.co", "https://huggingface.co/"),
            ("HTTPS://HuggingFace.co:443/a/b?c=d#e", "https://huggingface.co/a/b?c=d"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/"),
            ("http://[::1]:80?x", "http://[::1]/?x"),
        ] {
            assert_eq!(url(text).full(), full);
        }
        assert_eq!(url("https://cdn/x?signature=secret").to_string(), "https://cdn/x");
    }

    #[test]
    fn other_urls_are_refused() {
        for text in [
            "",
            "huggingface.co",
            "ftp://huggingface.co",
            "file:///etc/passwd",
            "https://",
            "https:///path",
            "https://user:password@host/",
            "https://host:99999/",
            "https://host:x/",
            "https://host/a b",
            "https://host/\r\nX: y",
            "https://höst/",
            "https://[::1/",
            "https://a]b/",
        ] {
            assert!(Url::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn redirects_resolve_as_in_browsers() {
        let base = url("https://hub.test:8443/org/repo/resolve/main/x.bin?download=1");
        for (location, full) in [
            ("https://cdn.test/y?z", "https://cdn.test/y?z"),
            ("//cdn.test/y", "https://cdn.test/y"),
            ("/new/repo/x.bin", "https://hub.test:8443/new/repo/x.bin"),
            ("y.bin", "https://hub.test:8443/org/repo/resolve/main/y.bin"),
            ("?again=1", "https://hub.test:8443/org/repo/resolve/main/x.bin?again=1"),
            ("/a?to=http://b", "https://hub.test:8443/a?to=http://b"),
        ] {
            assert_eq!(base.join(location).unwrap().full(), full);
        }
        assert!(base.join("javascript:x").is_err());
        assert!(base.join("http://user@evil/").is_err());
    }

    #[test]
    fn origins_are_scheme_host_and_port() {
        let hub = url("https://hub.test/a");
        assert!(hub.same_origin(&url("https://HUB.test:443/b")));
        for other in
            ["http://hub.test/a", "https://hub.test:444/a", "https://cdn.hub.test/a", "https://hub.test.evil/a"]
        {
            assert!(!hub.same_origin(&url(other)), "{other}");
        }
    }

    #[test]
    fn only_this_computer_is_private_without_encryption() {
        for private in
            ["https://hub.test", "http://localhost:1", "http://127.0.0.1", "http://127.9.9.9:80", "http://[::1]:80"]
        {
            assert!(url(private).is_private(), "{private}");
        }
        for open in
            ["http://hub.test", "http://10.0.0.1", "http://localhost.test", "http://127.0.0.1.test", "http://[::2]"]
        {
            assert!(!url(open).is_private(), "{open}");
        }
    }

    #[test]
    fn revisions_are_one_path_segment() {
        assert_eq!(escape("refs/pr/1"), "refs%2Fpr%2F1");
        assert_eq!(escape("v1.0-a_b~c"), "v1.0-a_b~c");
        assert_eq!(url("https://mirror.test/hf/").with("a/b").full(), "https://mirror.test/hf/a/b");
    }
}
