//! HTTP requests: follows redirects, sends the token to the endpoint only, retries failures.
//!
//! Knows HTTP but no models. Servers may be hostile: redirects, headers and waits are limited, URLs checked, and bodies
//! are left to the caller.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::header::{AUTHORIZATION, LOCATION, RANGE};
use ureq::http::{HeaderMap, Request};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Proxy};

use super::checksum::Checksum;
use super::error::{Error, printable};
use super::progress::{Event, Reporter};
use super::settings::{Remote, Token};
use super::status::{Failure, Responder, RetryWhen, Target, failure};
use super::url::Url;
use super::wire::{self, Incoming, Pace, Stop};
use crate::files::open_regular;

/// Maximum redirects of a request; the hub needs two.
const MAX_REDIRECTS: usize = 10;
/// Maximum consecutive failures.
const MAX_FAILURES: u32 = 5;
/// Maximum failures in total; more indicate a misbehaving server.
const MAX_TOTAL_FAILURES: u32 = 200;
/// Maximum wait before a retry that we schedule.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// Maximum wait that a server may request.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Maximum size of the headers of a response; the hub sends three kilobytes.
const MAX_HEADERS: usize = 64 << 10;
/// Maximum size of a file of certificates.
const MAX_CA_FILE: u64 = 16 << 20;
/// Maximum transfers that are given up because too little arrives, without a better one between them.
const MAX_SLOW: u32 = 3;

/// An HTTP client for one hub.
pub(super) struct Client {
    agent: Agent,
    endpoint: Url,
    token: Option<Token>,
    /// Whether there is a token that is not sent, because anyone could read it on the way.
    token_withheld: bool,
    first_wait: Duration,
    stall: Duration,
}

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// Headers only; follows redirects until the hub has stated size and checksum.
    Head,
    /// Content, starting at this byte.
    Get { from: u64 },
}

/// A successful response.
pub(super) struct Response {
    /// The URL that responded, without its query.
    pub(super) url: String,
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    /// What the headers of all redirects state about the file.
    pub(super) file_headers: FileHeaders,
}

/// What headers state about a file. The first statement counts: a store behind a redirect has its own ETags.
#[derive(Clone, Debug, Default)]
pub(super) struct FileHeaders {
    pub(super) commit: Option<String>,
    pub(super) checksum: Option<Checksum>,
    pub(super) size: Option<u64>,
}

impl Client {
    pub(super) fn new(remote: &Remote) -> Result<Client, Error> {
        let proxy = if remote.proxy_from_env { Proxy::try_from_env() } else { None };
        let agent = Agent::config_builder()
            .tls_config(tls(remote.ca_file.as_deref())?)
            .proxy(proxy)
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!("clippie-rs/", env!("CARGO_PKG_VERSION")))
            // Sizes and ranges must be those of the content itself.
            .accept_encoding("identity")
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .max_response_header_size(MAX_HEADERS)
            .timeout_recv_response(Some(remote.stall))
            // Bodies are watched by their pace; this ends a reader that was left behind.
            .timeout_per_read(Some(remote.stall.saturating_mul(2)))
            .timeout_per_write(Some(remote.stall))
            .build()
            .new_agent();
        let Remote { endpoint, mut token, first_wait, stall, .. } = remote.clone();
        let token_withheld = token.is_some() && !endpoint.is_private();
        if token_withheld {
            tracing::warn!(
                "the token is not sent to {endpoint}, because anyone on the way could read it; for repositories that \
                 need it, set HF_ENDPOINT to an https:// address"
            );
            token = None;
        }
        Ok(Client { agent, endpoint, token, token_withheld, first_wait, stall })
    }

    pub(super) fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    pub(super) fn retries(&self) -> Retries {
        let quota = self.pace().quota();
        Retries { first_wait: self.first_wait, failures: 0, slow: 0, total: 0, reached: false, quota }
    }

    /// Watches the pace of a file.
    pub(super) fn pace(&self) -> Pace {
        Pace::new(self.stall)
    }

    /// The failure of a transfer from `url` that stopped.
    pub(super) fn stopped(&self, url: &str, stop: Stop) -> Failure {
        let url = url.to_owned();
        match stop {
            Stop::Cancelled(error) => error.into(),
            Stop::Broken(error) => broken(url, &error),
            Stop::TooSlow => {
                let error = Error::TooSlow { url, seconds: self.stall.as_secs().max(1) };
                Failure { error, retry: RetryWhen::Always, after: None }
            }
        }
    }

    /// Sends a request until it succeeds, fails for good, or retries are exhausted.
    pub(super) fn request(
        &self,
        method: Method,
        url: &Url,
        target: &Target<'_>,
        retries: &mut Retries,
        reporter: &mut Reporter<'_>,
    ) -> Result<Response, Error> {
        loop {
            match self.send(method, url, target, reporter) {
                Ok(response) => {
                    retries.reached = true;
                    return Ok(response);
                }
                Err(failure) => retries.wait(failure, reporter)?,
            }
        }
    }

    /// Reads a whole response of at most `limit` bytes.
    pub(super) fn read(
        &self,
        url: &Url,
        target: &Target<'_>,
        limit: u64,
        retries: &mut Retries,
        reporter: &mut Reporter<'_>,
    ) -> Result<Vec<u8>, Error> {
        loop {
            let Response { url, body, .. } = self.request(Method::Get { from: 0 }, url, target, retries, reporter)?;
            let mut body = Incoming::new(body, Pace::of_page(self.stall));
            let mut bytes = Vec::new();
            let stop = loop {
                match body.next(reporter) {
                    Ok(piece) if piece.is_empty() => return Ok(bytes),
                    Ok(piece) => bytes.extend(piece),
                    Err(stop) => break stop,
                }
                if bytes.len() as u64 > limit {
                    let reason = format!("answers with more than the {limit} bytes allowed");
                    return Err(Error::Protocol { url, reason });
                }
            };
            retries.wait(self.stopped(&url, stop), reporter)?;
        }
    }

    /// Sends a request once, following redirects.
    fn send(
        &self,
        method: Method,
        url: &Url,
        target: &Target<'_>,
        reporter: &mut Reporter<'_>,
    ) -> Result<Response, Failure> {
        let mut url = url.clone();
        let mut file_headers = FileHeaders::default();
        for _ in 0..=MAX_REDIRECTS {
            let shown = url.to_string();
            let response = self.send_once(method, &url, reporter)?;
            let (head, body) = response.into_parts();
            let status = head.status.as_u16();
            let is_endpoint = url.same_origin(&self.endpoint);
            file_headers.add(&head.headers, (200..300).contains(&status), is_endpoint);
            if let (301 | 302 | 303 | 307 | 308, Some(location)) = (status, head.headers.get(LOCATION)) {
                let next = redirect(&url, location.to_str().unwrap_or_default())?;
                // A HEAD request needs nothing from the store behind the redirect.
                if method == Method::Head && file_headers.is_complete() && !next.same_origin(&url) {
                    return Ok(Response { url: shown, status, headers: head.headers, body, file_headers });
                }
                url = next;
                continue;
            }
            // The range is past the end of the file; the caller handles that.
            let beyond = status == 416 && matches!(method, Method::Get { from } if from > 0);
            if (200..300).contains(&status) || beyond {
                return Ok(Response { url: shown, status, headers: head.headers, body, file_headers });
            }
            let had_token = is_endpoint && self.token.is_some();
            let withheld = is_endpoint && self.token_withheld;
            let from = Responder { url: &shown, is_endpoint, had_token, withheld };
            return Err(failure(target, &from, status, &head.headers));
        }
        let reason = format!("redirects more than {MAX_REDIRECTS} times");
        Err(Error::Protocol { url: url.to_string(), reason }.into())
    }

    /// Sends one request and returns its response, whatever its status.
    fn send_once(
        &self,
        method: Method,
        url: &Url,
        reporter: &mut Reporter<'_>,
    ) -> Result<ureq::http::Response<Body>, Failure> {
        let mut request = Request::builder().uri(url.full());
        request = match method {
            Method::Head => request.method("HEAD"),
            Method::Get { .. } => request.method("GET"),
        };
        if let Method::Get { from: from @ 1.. } = method {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        // Redirects to another origin never receive the token.
        if let Some(token) = self.token.as_ref().filter(|_| url.same_origin(&self.endpoint)) {
            request = request.header(AUTHORIZATION, token.header());
        }
        let request = request.body(()).map_err(|error| Error::Protocol {
            url: url.to_string(),
            reason: format!("is an address that cannot be asked for ({error})"),
        })?;
        let agent = self.agent.clone();
        wire::wait(reporter, move || agent.run(request))?.map_err(|error| network(url, error))
    }
}

/// Whom connections trust: the authorities of a file, else Mozilla's, which are compiled in, so that the system needs no
/// certificate store.
pub(crate) fn tls(ca_file: Option<&Path>) -> Result<TlsConfig, Error> {
    let roots = match ca_file {
        None => RootCerts::WebPki,
        Some(file) => {
            let mut pem = Vec::new();
            let read = open_regular(file).and_then(|file| file.take(MAX_CA_FILE).read_to_end(&mut pem));
            read.map_err(Error::file("read", file))?;
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
    Ok(TlsConfig::builder().root_certs(roots).build())
}

/// Resolves a redirect, if it may be followed.
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

/// Classifies a request without response; temporary failures are retried.
fn network(url: &Url, error: ureq::Error) -> Failure {
    use ureq::Error::{ConnectionFailed, HostNotFound, Io, Protocol, Timeout};
    let (retry, reason) = match error {
        HostNotFound => (RetryWhen::IfReached, format!("there is no host {}", url.host())),
        Timeout(_) => (RetryWhen::Always, "it does not answer".to_owned()),
        Io(error) if is_unreachable(&error) => (RetryWhen::IfReached, printable(&error.to_string())),
        error @ (Io(_) | ConnectionFailed | Protocol(_)) => (RetryWhen::Always, printable(&error.to_string())),
        error => (RetryWhen::Never, printable(&error.to_string())),
    };
    Failure { error: Error::Network { url: url.to_string(), reason }, retry, after: None }
}

/// Whether the host cannot be reached at all.
fn is_unreachable(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkDown | NetworkUnreachable)
        // The standard library has no kind for names that cannot be resolved.
        || error.to_string().starts_with("failed to lookup address")
}

/// The failure of a connection that broke during a transfer.
fn broken(url: String, error: &io::Error) -> Failure {
    let reason = match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "no more data arrives".to_owned(),
        _ => format!("the connection broke ({})", printable(&error.to_string())),
    };
    Failure { error: Error::Network { url, reason }, retry: RetryWhen::Always, after: None }
}

impl FileHeaders {
    /// Adds what `headers` state. ETags count only from a hub, because a store has its own.
    fn add(&mut self, headers: &HeaderMap, is_content: bool, is_endpoint: bool) {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let commit = text("x-repo-commit");
        let is_hub = is_endpoint || commit.is_some();
        let etag = text("x-linked-etag").or_else(|| text("etag").filter(|_| is_content && is_hub));
        let size = text("x-linked-size").or_else(|| text("content-length").filter(|_| is_content));
        self.commit = self.commit.take().or_else(|| commit.map(str::to_owned));
        self.checksum = self.checksum.take().or_else(|| Checksum::from_etag(etag?));
        self.size = self.size.or_else(|| size?.trim().parse().ok());
    }

    fn is_complete(&self) -> bool {
        self.checksum.is_some() && self.size.is_some()
    }
}

/// Counts failures and decides on retries.
pub(super) struct Retries {
    first_wait: Duration,
    /// Consecutive failures.
    failures: u32,
    /// Consecutive transfers that were too slow.
    slow: u32,
    total: u32,
    /// Whether any request ever succeeded.
    reached: bool,
    /// Bytes of a transfer that is not slow.
    quota: u64,
}

impl Retries {
    /// Restarts the count after progress: a transfer has brought `received` bytes.
    pub(super) fn reset(&mut self, received: u64) {
        self.failures = 0;
        self.reached = true;
        if received >= self.quota {
            self.slow = 0;
        }
    }

    /// Waits before a retry, or returns the error if retries are exhausted.
    pub(super) fn wait(&mut self, failure: Failure, reporter: &mut Reporter<'_>) -> Result<(), Error> {
        let Failure { error, retry, after } = failure;
        self.failures += 1;
        self.total += 1;
        self.slow += u32::from(matches!(error, Error::TooSlow { .. }));
        let permanent = retry == RetryWhen::Never || (retry == RetryWhen::IfReached && !self.reached);
        let too_long = after.is_some_and(|after| after > MAX_RETRY_AFTER);
        if permanent
            || too_long
            || self.failures > MAX_FAILURES
            || self.slow >= MAX_SLOW
            || self.total > MAX_TOTAL_FAILURES
        {
            return Err(error);
        }
        let own = self.first_wait.saturating_mul(1 << (self.failures - 1)).min(MAX_WAIT);
        let wait = after.unwrap_or(own);
        tracing::info!(%error, ?wait, "retrying");
        reporter.report(Event::Retry { reason: &error.to_string(), wait })?;
        reporter.sleep(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn https_never_redirects_to_http() {
        assert!(redirect(&url("https://hub.test/a"), "http://hub.test/a").is_err());
        assert!(redirect(&url("https://hub.test/a"), "https://cdn.test/a").is_ok());
        assert!(redirect(&url("http://hub.test/a"), "https://hub.test/a").is_ok());
    }

    /// Headers of Hugging Face for a large file, and those of the store behind it.
    #[test]
    fn the_first_statement_about_a_file_counts() {
        let headers = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            headers
        };
        let (sum, other) = ("a".repeat(64), "b".repeat(64));
        let mut file_headers = FileHeaders::default();
        let redirect = [("x-linked-etag", sum.as_str()), ("x-linked-size", "7"), ("content-length", "1234")];
        file_headers.add(&headers(&redirect), false, true);
        assert!(file_headers.is_complete());
        file_headers.add(&headers(&[("etag", &other), ("content-length", "8"), ("x-repo-commit", "c")]), true, false);
        assert_eq!((file_headers.size, file_headers.checksum), (Some(7), Some(Checksum::Sha256(sum))));

        // The ETag of a store is not a checksum, but its length counts.
        let mut file_headers = FileHeaders::default();
        file_headers.add(&headers(&[("etag", &other), ("content-length", "8")]), true, false);
        assert_eq!((file_headers.size, file_headers.checksum), (Some(8), None));
        // A hub behind a mirror states the checksum itself.
        let mut file_headers = FileHeaders::default();
        file_headers.add(&headers(&[("etag", &other), ("x-repo-commit", "c")]), true, false);
        assert_eq!(file_headers.checksum, Some(Checksum::Sha256(other)));
    }
}
