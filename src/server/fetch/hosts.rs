//! Which hosts photos may be fetched from, as the operator names them.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use super::addresses::is_public;
use crate::hub::Url;

/// A host that photos may be fetched from: `HOST` or `HOST:PORT` by https, `http://HOST` without encryption. A host that is
/// this computer may be asked in both ways.
#[derive(Clone, PartialEq)]
pub struct FetchHost {
    /// Schemes with the host and its port.
    origins: Vec<Url>,
}

impl FetchHost {
    /// Reads the name of a host.
    ///
    /// # Errors
    /// A sentence: it is not a host, or has more than a scheme and a port.
    pub fn parse(text: &str) -> Result<FetchHost, String> {
        let refused = || "not a host such as photos.example, photos.example:8443 or http://192.168.1.5:8000".to_owned();
        let text = text.trim();
        let parse = |text: &str| Url::parse(text).ok().filter(Url::is_origin).ok_or_else(refused);
        if text.contains("://") {
            return Ok(FetchHost { origins: vec![parse(text)?] });
        }
        // A path would promise more than is checked.
        if text.contains(['/', '?', '#']) {
            return Err(refused());
        }
        let https = parse(&format!("https://{text}"))?;
        let mut origins = vec![https];
        if origins[0].is_loopback() {
            origins.push(parse(&format!("http://{text}"))?);
        }
        Ok(FetchHost { origins })
    }

    /// Whether this URL is one of the host's.
    pub(super) fn has(&self, url: &Url) -> bool {
        self.origins.iter().any(|origin| origin.same_origin(url))
    }
}

impl fmt::Debug for FetchHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.origins.iter().map(Url::to_string)).finish()
    }
}

/// The addresses of the host of a URL. A name must not stand for computers of a private network: whoever runs its name server
/// would choose which of them are asked. Who means one names its address, or localhost.
pub(super) fn resolve(url: &Url) -> Result<Vec<SocketAddr>, &'static str> {
    let bare = url.host().trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, url.port())]);
    }
    let found = (bare, url.port()).to_socket_addrs().map_err(|_| "there is no such host")?;
    let found: Vec<SocketAddr> = found.collect();
    let is_fit = |address: IpAddr| match url.is_loopback() {
        true => address.is_loopback(),
        false => is_public(address),
    };
    match found.iter().all(|found| is_fit(found.ip())) {
        _ if found.is_empty() => Err("there is no such host"),
        true => Ok(found),
        false => {
            Err("its name stands for a computer of a private network; --allow-fetch takes such a one by its address")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn hosts_are_exact() {
        for (host, allowed, refused) in [
            (
                "photos.example",
                &["https://photos.example/a.jpg", "https://PHOTOS.example:443/a?b#c"][..],
                &[
                    "http://photos.example/",
                    "https://photos.example:8443/",
                    "https://a.photos.example/",
                    "https://photos.example.evil/",
                    "https://photos.example./",
                ][..],
            ),
            ("photos.example:8443", &["https://photos.example:8443/"], &["https://photos.example/"]),
            ("http://photos.example", &["http://photos.example/"], &["https://photos.example/"]),
            ("http://192.168.1.5:8000/", &["http://192.168.1.5:8000/x"], &["http://192.168.1.5/x"]),
            ("localhost:90", &["http://localhost:90/", "https://localhost:90/"], &["http://127.0.0.1:90/"]),
            ("[::1]:90", &["http://[::1]:90/"], &["http://[::2]:90/"]),
            ("127.0.0.1", &["http://127.0.0.1/", "https://127.0.0.1/"], &["http://127.0.0.2/"]),
        ] {
            let host = FetchHost::parse(host).unwrap();
            assert!(allowed.iter().all(|allowed| host.has(&url(allowed))), "{host:?}");
            assert!(!refused.iter().any(|refused| host.has(&url(refused))), "{host:?}");
        }
        for text in
            ["", "*", "*.example", "a/b", "https://a/b", "ftp://a", "user@a", "a:x", "a b", "http://", "a?b", "::1"]
        {
            assert!(FetchHost::parse(text).unwrap_err().contains("not a host such as"), "{text}");
        }
    }

    #[test]
    fn addresses_are_taken_as_they_are_named() {
        for named in ["http://192.168.1.5:8000/", "http://127.0.0.1/", "https://[fd00::1]/", "http://localhost:90/"] {
            assert!(!resolve(&url(named)).unwrap().is_empty(), "{named}");
        }
        assert!(resolve(&url("https://no.such.host.invalid/")).is_err());
    }
}
