//! Photos that requests name by their addresses: fetched from hosts that the operator named, and from nowhere else.
//!
//! The request chooses the path and nothing else: hosts and ports are exact, redirects stay on their host, and a name that
//! stands for a private network is refused. Bytes count as those of bodies, and the time is a body's.

mod addresses;
mod hosts;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use ureq::Agent;
use ureq::http::header::{CONTENT_LENGTH, HOST, LOCATION};
use ureq::http::{HeaderMap, Response};

pub use hosts::FetchHost;

use super::body::Received;
use super::limits::Held;
use super::refusal::{Refusal, printable};
use super::state::Server;
use super::upstream::Connection;
use super::work;
use crate::hub::{self, Url};

/// Photos that are fetched at the same time; more wait in the queue.
const MOST: usize = 16;
/// Of them, those of one request.
const OF_REQUEST: usize = 4;
/// Redirects of a photo.
const REDIRECTS: usize = 3;
/// Bytes of the headers of an answer.
const MAX_HEADERS: usize = 64 << 10;
/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;

/// Fetches photos.
#[derive(Debug)]
pub(super) struct Fetcher {
    hosts: Vec<FetchHost>,
    config: ureq::config::Config,
    places: Arc<Semaphore>,
}

impl Fetcher {
    /// Fetches from these hosts, whose certificates are signed by the authorities of a file, or by those of Mozilla's list.
    pub fn new(
        hosts: Vec<FetchHost>,
        authorities: Option<&Path>,
        limits: &super::Limits,
    ) -> Result<Fetcher, hub::Error> {
        let config = Agent::config_builder()
            .tls_config(hub::tls(authorities)?)
            // One would find the host by itself.
            .proxy(None)
            .max_redirects(0)
            // A host may end a connection after any answer, also when a redirect is about to be followed on it.
            .max_idle_connections(0)
            .http_status_as_error(false)
            .user_agent(concat!("clippie-rs/", env!("CARGO_PKG_VERSION")))
            // A photo that grows while it is unpacked has no size that could be checked.
            .accept_encoding("identity")
            .max_response_header_size(MAX_HEADERS)
            .timeout_connect(Some(limits.patience))
            .timeout_recv_response(Some(limits.patience))
            .timeout_per_read(Some(limits.patience))
            .timeout_per_write(Some(limits.patience))
            .build();
        Ok(Fetcher { hosts, config, places: Arc::new(Semaphore::new(MOST)) })
    }

    /// Checks an address, before any is asked.
    pub fn check(&self, text: &str) -> Result<Url, Refusal> {
        let refused = |reason| Refusal::bad(format!("the address of the photo {reason}: {}", without_secrets(text)));
        let url = Url::parse(text).map_err(refused)?;
        match self.hosts.iter().any(|host| host.has(&url)) {
            true => Ok(url),
            false => Err(Refusal::bad(format!("{url} is not fetched: --allow-fetch does not name its host"))),
        }
    }

    /// Fetches a photo.
    async fn fetch(self: Arc<Self>, server: Arc<Server>, url: Url) -> Result<Received, Refusal> {
        let place = server.admission.wait(&self.places).await?;
        let agent = self.config.new_agent();
        // Ended when nobody waits for the photo any more.
        let _connection = Connection::of(&agent);
        let (answer, photo) = oneshot::channel();
        let (total, shown) = (server.limits.total, url.to_string());
        work::waiting(move || {
            let _place = place;
            let _ = answer.send(self.get(&agent, &server, url));
        })?;
        // A name server may be silent for longer than all else.
        match tokio::time::timeout(total, photo).await {
            Ok(Ok(photo)) => photo,
            Ok(Err(_)) => Err(Refusal::internal("a photo was not fetched")),
            Err(_) => Err(failed(&shown, "it did not arrive in time")),
        }
    }

    fn get(&self, agent: &Agent, server: &Server, mut url: Url) -> Result<Received, Refusal> {
        let until = Instant::now() + server.limits.total;
        for _ in 0..=REDIRECTS {
            let shown = url.to_string();
            let answer = self.once(agent, &url, until).map_err(|reason| failed(&shown, &reason))?;
            let (head, body) = answer.into_parts();
            let next = match (head.status.as_u16(), head.headers.get(LOCATION)) {
                (200, _) => return receive(server, &shown, &head.headers, body.into_reader()),
                (301 | 302 | 303 | 307 | 308, Some(next)) => next.to_str().unwrap_or_default(),
                (status, _) => return Err(failed(&shown, &format!("its host answers with status {status}"))),
            };
            let next = if next.is_empty() { None } else { url.join(next).ok() };
            let next = next.ok_or_else(|| failed(&shown, "it leads to what is no address"))?;
            if next.host() != url.host() || !self.hosts.iter().any(|host| host.has(&next)) {
                return Err(failed(&shown, "it leads to another host; give the address of the photo itself"));
            }
            url = next;
        }
        Err(failed(&url.to_string(), &format!("it leads on more than {REDIRECTS} times")))
    }

    /// Asks once.
    fn once(&self, agent: &Agent, url: &Url, until: Instant) -> Result<Response<ureq::Body>, String> {
        let addresses = hosts::resolve(url)?;
        let left = until.checked_duration_since(Instant::now()).ok_or("it did not arrive in time")?;
        // Without encryption, the address that was checked is asked and no other. With it, a name that stands for another
        // computer meanwhile leads nowhere: that computer has no certificate of the name.
        let (asked, host) = match addresses.first() {
            Some(address) if !url.is_https() => (url.with_host(address.ip()).full(), Some(url.authority())),
            _ => (url.full(), None),
        };
        let mut request = agent.get(asked);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        let answer = request.config().timeout_global(Some(left)).build().call();
        answer.map_err(|error| match error {
            ureq::Error::Timeout(_) => "it did not arrive in time".to_owned(),
            ureq::Error::HostNotFound => "there is no such host".to_owned(),
            error => printable(&error.to_string()),
        })
    }
}

/// Reads the body of an answer.
fn receive(server: &Server, shown: &str, headers: &HeaderMap, mut body: impl Read) -> Result<Received, Refusal> {
    let most = server.limits.body;
    let too_large = || failed(shown, &format!("it has more than {most} bytes (--max-body)"));
    let stated = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if stated.is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    let (mut bytes, mut held) = (Vec::new(), Held::default());
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = body.read(&mut chunk).map_err(|error| match error.kind() {
            std::io::ErrorKind::TimedOut => failed(shown, "it did not arrive in time"),
            _ => failed(shown, "it ends early"),
        })?;
        if read == 0 {
            return Ok(Received::new(bytes, held));
        }
        if bytes.len() + read > most {
            return Err(too_large());
        }
        server.admission.hold(&mut held, read)?;
        bytes.try_reserve(read).map_err(|_| Refusal::busy("it has no memory left"))?;
        bytes.extend_from_slice(&chunk[..read]);
    }
}

/// Fetches the photos of one request, a few at a time. Each comes with its place in the field `input`; the order is any.
pub(super) async fn photos(
    fetcher: &Arc<Fetcher>,
    server: &Arc<Server>,
    urls: Vec<(usize, Url)>,
) -> Result<Vec<(usize, Received)>, Refusal> {
    let mut fetched = Vec::with_capacity(urls.len());
    let (mut running, mut waiting) = (JoinSet::new(), urls.into_iter());
    loop {
        while running.len() < OF_REQUEST {
            let Some((place, url)) = waiting.next() else { break };
            let photo = Arc::clone(fetcher).fetch(Arc::clone(server), url);
            running.spawn(async move { (place, photo.await) });
        }
        let Some(done) = running.join_next().await else { return Ok(fetched) };
        let (place, photo) = done.map_err(Refusal::internal)?;
        fetched.push((place, photo.map_err(|refusal| refusal.at(format!("input[{place}]")))?));
    }
}

/// What may be shown of an address that is none: neither its query nor a name and a password.
fn without_secrets(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let start = text.find("//").map_or(0, |slashes| slashes + 2);
    let (scheme, rest) = text.split_at(start);
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    printable(&format!("{scheme}{place}"))
}

/// A photo that cannot be had. Its address has no query, which may hold a secret.
fn failed(shown: &str, reason: &str) -> Refusal {
    Refusal::bad(format!("{shown} cannot be fetched: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_none_are_shown_without_secrets() {
        for (text, shown) in [
            ("http://user:pass@host/a?sig=secret", "http://host/a"),
            ("https://host/a b?sig=SE CRET", "https://host/a b"),
            ("user:p@ss@host#secret", "host"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(text), printable(shown), "{text}");
        }
    }
}
