//! Requests: redirects by hand, the token for the endpoint alone, patience with servers that fail.
//!
//! Knows HTTP and nothing of models. Whatever a server says may be hostile: redirects are counted, addresses checked,
//! and nobody here reads a body.

use std::fs;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use ureq::http::header::{AUTHORIZATION, LOCATION, RANGE};
use ureq::http::{HeaderMap, Request};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Proxy};

use super::checksum::Checksum;
use super::error::{Error, printable};
use super::progress::{Event, Teller};
use super::refusal::{Answerer, Asked, Hope, Setback, refusal};
use super::settings::{Remote, Token};
use super::url::Url;

/// Most redirects of a request; the hub needs two.
const MAX_REDIRECTS: usize = 10;
/// Failures in a row before it is given up.
const MAX_FAILURES: u32 = 5;
/// Failures in all; more than that is a server that plays.
const MAX_SETBACKS: u32 = 200;
/// Longest that is waited between two tries of our own.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// Longest that a server can make us wait.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(120);
/// Longest without a byte.
const SILENCE: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(15);

/// Asks a hub.
pub(super) struct Client {
    agent: Agent,
    endpoint: Url,
    token: Option<Token>,
    first_wait: Duration,
}

/// What is asked of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// The headers, up to where the hub says all of a file.
    Head,
    /// The content, from this byte on.
    Get { from: u64 },
}

/// An answer with success.
pub(super) struct Answer {
    /// Who gave it; without query.
    pub(super) url: String,
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    /// What the hub said of the file on the way.
    pub(super) linked: Linked,
}

/// What the hub says of a file in headers. The first that says something is believed: what stands behind a redirect
/// to a store has other ETags.
#[derive(Clone, Debug, Default)]
pub(super) struct Linked {
    pub(super) commit: Option<String>,
    pub(super) checksum: Option<Checksum>,
    pub(super) size: Option<u64>,
}

impl Client {
    pub(super) fn new(remote: &Remote) -> Result<Client, Error> {
        let tls = match &remote.ca_file {
            // Mozilla's roots are compiled in: no store of certificates is needed where this runs.
            None => RootCerts::WebPki,
            Some(file) => {
                let pem = fs::read(file).map_err(Error::file("read", file))?;
                let certificates: Vec<_> = parse_pem(&pem)
                    .filter_map(|item| match item {
                        Ok(PemItem::Certificate(certificate)) => Some(certificate),
                        _ => None,
                    })
                    .collect();
                if certificates.is_empty() {
                    let reason = format!("names {}, which holds no certificate in PEM", file.display());
                    return Err(Error::Setting { setting: "SSL_CERT_FILE", reason });
                }
                RootCerts::Specific(Arc::new(certificates))
            }
        };
        let proxy = if remote.proxy_from_env { Proxy::try_from_env() } else { None };
        let agent = Agent::config_builder()
            .tls_config(TlsConfig::builder().root_certs(tls).build())
            .proxy(proxy)
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!("clippie-rs/", env!("CARGO_PKG_VERSION")))
            // Sizes and ranges are those of the content itself.
            .accept_encoding("identity")
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .timeout_per_write(Some(SILENCE))
            .build()
            .new_agent();
        let Remote { endpoint, token, first_wait, .. } = remote.clone();
        Ok(Client { agent, endpoint, token, first_wait })
    }

    pub(super) fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    pub(super) fn patience(&self) -> Patience {
        Patience { first_wait: self.first_wait, failures: 0, all: 0, reached: false }
    }

    /// Asks until there is an answer with success, a refusal, or no patience left.
    pub(super) fn ask(
        &self,
        method: Method,
        url: &Url,
        asked: &Asked<'_>,
        patience: &mut Patience,
        teller: &mut Teller<'_>,
    ) -> Result<Answer, Error> {
        loop {
            match self.follow(method, url, asked) {
                Ok(answer) => {
                    patience.reached = true;
                    return Ok(answer);
                }
                Err(setback) => patience.bear(setback, teller)?,
            }
        }
    }

    /// The whole answer, which is to have at most `limit` bytes.
    pub(super) fn read(
        &self,
        url: &Url,
        asked: &Asked<'_>,
        limit: u64,
        patience: &mut Patience,
        teller: &mut Teller<'_>,
    ) -> Result<Vec<u8>, Error> {
        loop {
            let mut answer = self.ask(Method::Get { from: 0 }, url, asked, patience, teller)?;
            let mut bytes = Vec::new();
            let body = answer.body.with_config().limit(u64::MAX).reader();
            match body.take(limit.saturating_add(1)).read_to_end(&mut bytes) {
                Ok(_) if bytes.len() as u64 > limit => {
                    let reason = format!("answers with more than the {limit} bytes that are sensible");
                    return Err(Error::Protocol { url: answer.url, reason });
                }
                Ok(_) => return Ok(bytes),
                Err(error) => patience.bear(broken(answer.url, &error), teller)?,
            }
        }
    }

    /// Asks once, wherever redirects lead.
    fn follow(&self, method: Method, url: &Url, asked: &Asked<'_>) -> Result<Answer, Setback> {
        let mut url = url.clone();
        let mut linked = Linked::default();
        for _ in 0..=MAX_REDIRECTS {
            let shown = url.to_string();
            let answer = self.exchange(method, &url)?;
            let (head, body) = answer.into_parts();
            let status = head.status.as_u16();
            let is_endpoint = url.same_origin(&self.endpoint);
            linked.take(&head.headers, (200..300).contains(&status), is_endpoint);
            if let (301 | 302 | 303 | 307 | 308, Some(location)) = (status, head.headers.get(LOCATION)) {
                let next = redirect(&url, location.to_str().unwrap_or_default())?;
                // The store behind it is asked only for contents.
                if method == Method::Head && linked.is_whole() && !next.same_origin(&url) {
                    return Ok(Answer { url: shown, status, headers: head.headers, body, linked });
                }
                url = next;
                continue;
            }
            // The range is behind the end; who asked knows what to do.
            let beyond = status == 416 && matches!(method, Method::Get { from } if from > 0);
            if (200..300).contains(&status) || beyond {
                return Ok(Answer { url: shown, status, headers: head.headers, body, linked });
            }
            let had_token = is_endpoint && self.token.is_some();
            let from = Answerer { url: &shown, is_endpoint, had_token };
            return Err(refusal(asked, &from, status, &head.headers));
        }
        let reason = format!("redirects more than {MAX_REDIRECTS} times");
        Err(Error::Protocol { url: url.to_string(), reason }.into())
    }

    /// One request and one answer.
    fn exchange(&self, method: Method, url: &Url) -> Result<ureq::http::Response<Body>, Setback> {
        let mut request = Request::builder().uri(url.full());
        request = match method {
            Method::Head => request.method("HEAD"),
            Method::Get { .. } => request.method("GET"),
        };
        if let Method::Get { from: from @ 1.. } = method {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        // Nobody else ever sees it, whatever redirects say.
        if let Some(token) = self.token.as_ref().filter(|_| url.same_origin(&self.endpoint)) {
            request = request.header(AUTHORIZATION, token.header());
        }
        let request = request.body(()).map_err(|error| Error::Protocol {
            url: url.to_string(),
            reason: format!("is an address that cannot be asked for ({error})"),
        })?;
        self.agent.run(request).map_err(|error| network(url, error))
    }
}

/// Where a redirect leads, if it may be followed.
fn redirect(from: &Url, location: &str) -> Result<Url, Error> {
    let refuse = |reason: String| Err(Error::Protocol { url: from.to_string(), reason });
    match from.join(location) {
        Err(reason) => refuse(format!("redirects to `{}`, which {reason}", printable(location))),
        Ok(next) if from.is_https() && !next.is_https() => {
            refuse(format!("redirects from https to {next}, which anyone on the way could change"))
        }
        Ok(next) => Ok(next),
    }
}

/// Why there was no answer. What may pass is worth another try.
fn network(url: &Url, error: ureq::Error) -> Setback {
    use ureq::Error::{ConnectionFailed, HostNotFound, Io, Protocol, Timeout};
    let (hope, reason) = match error {
        HostNotFound => (Hope::IfReached, format!("nobody knows a host {}", url.host())),
        Timeout(_) => (Hope::Yes, "it does not answer".to_owned()),
        Io(error) if is_no_way(&error) => (Hope::IfReached, printable(&error.to_string())),
        error @ (Io(_) | ConnectionFailed | Protocol(_)) => (Hope::Yes, printable(&error.to_string())),
        error => (Hope::No, printable(&error.to_string())),
    };
    Setback { error: Error::Network { url: url.to_string(), reason }, hope, after: None }
}

/// Whether there is no way to the host at all.
fn is_no_way(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkDown | NetworkUnreachable)
        // The standard library has no kind for names that cannot be resolved.
        || error.to_string().starts_with("failed to lookup address")
}

/// A connection that broke while something came over it.
pub(super) fn broken(url: String, error: &io::Error) -> Setback {
    let reason = match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "nothing more comes".to_owned(),
        _ => format!("the connection broke ({})", printable(&error.to_string())),
    };
    Setback { error: Error::Network { url, reason }, hope: Hope::Yes, after: None }
}

impl Linked {
    /// Notes what headers say. ETags count only where a hub speaks: a store has its own.
    fn take(&mut self, headers: &HeaderMap, is_content: bool, is_endpoint: bool) {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let commit = text("x-repo-commit");
        let is_hub = is_endpoint || commit.is_some();
        let etag = text("x-linked-etag").or_else(|| text("etag").filter(|_| is_content && is_hub));
        let size = text("x-linked-size").or_else(|| text("content-length").filter(|_| is_content));
        self.commit = self.commit.take().or_else(|| commit.map(str::to_owned));
        self.checksum = self.checksum.take().or_else(|| Checksum::from_etag(etag?));
        self.size = self.size.or_else(|| size?.trim().parse().ok());
    }

    fn is_whole(&self) -> bool {
        self.checksum.is_some() && self.size.is_some()
    }
}

/// How much more is borne.
pub(super) struct Patience {
    first_wait: Duration,
    /// In a row.
    failures: u32,
    all: u32,
    /// Whether anyone ever answered.
    reached: bool,
}

impl Patience {
    /// Something was got.
    pub(super) fn renew(&mut self) {
        self.failures = 0;
        self.reached = true;
    }

    /// Waits before another try, or gives up with the failure.
    pub(super) fn bear(&mut self, setback: Setback, teller: &mut Teller<'_>) -> Result<(), Error> {
        let Setback { error, hope, after } = setback;
        self.failures += 1;
        self.all += 1;
        let hopeless = hope == Hope::No || (hope == Hope::IfReached && !self.reached);
        let too_long = after.is_some_and(|after| after > MAX_RETRY_AFTER);
        if hopeless || too_long || self.failures > MAX_FAILURES || self.all > MAX_SETBACKS {
            return Err(error);
        }
        let own = self.first_wait.saturating_mul(1 << (self.failures - 1)).min(MAX_WAIT);
        let wait = after.unwrap_or(own);
        tracing::info!(%error, ?wait, "trying again");
        teller.tell(Event::Retry { reason: &error.to_string(), wait })?;
        teller.sleep(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn https_does_not_lead_to_http() {
        assert!(redirect(&url("https://hub.test/a"), "http://hub.test/a").is_err());
        assert!(redirect(&url("https://hub.test/a"), "https://cdn.test/a").is_ok());
        assert!(redirect(&url("http://hub.test/a"), "https://hub.test/a").is_ok());
    }

    /// Headers as Hugging Face sends them for a large file, and what a store behind it adds.
    #[test]
    fn the_first_that_speaks_of_a_file_is_believed() {
        let headers = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            headers
        };
        let (sum, other) = ("a".repeat(64), "b".repeat(64));
        let mut linked = Linked::default();
        let redirect = [("x-linked-etag", sum.as_str()), ("x-linked-size", "7"), ("content-length", "1234")];
        linked.take(&headers(&redirect), false, true);
        assert!(linked.is_whole());
        linked.take(&headers(&[("etag", &other), ("content-length", "8"), ("x-repo-commit", "c")]), true, false);
        assert_eq!((linked.size, linked.checksum), (Some(7), Some(Checksum::Sha256(sum))));

        // A store's own ETag is no checksum of the hub's, its length is one.
        let mut linked = Linked::default();
        linked.take(&headers(&[("etag", &other), ("content-length", "8")]), true, false);
        assert_eq!((linked.size, linked.checksum), (Some(8), None));
        // A hub behind a mirror speaks for itself.
        let mut linked = Linked::default();
        linked.take(&headers(&[("etag", &other), ("x-repo-commit", "c")]), true, false);
        assert_eq!(linked.checksum, Some(Checksum::Sha256(other)));
    }
}
