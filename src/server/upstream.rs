//! Passes requests on to another server, and its answers back as they arrive.

use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::Response;
use hyper::body::Frame;
use tokio::sync::{Semaphore, mpsc, oneshot};
use ureq::Agent;
use ureq::config::Config;
use ureq::http;

use super::body::Received;
use super::limits::Admission;
use super::refusal::Refusal;
use super::work;

/// Requests that are passed on at the same time; more wait in the queue.
const MOST: usize = 16;
/// Time for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Time for an answer: that of Immich's server.
const ANSWER: Duration = Duration::from_secs(300);
/// Bytes that are passed on together.
const CHUNK: usize = 32 << 10;
/// Chunks that wait for a client.
const CHUNKS: usize = 4;

/// Another server.
#[derive(Clone, Debug)]
pub(super) struct Upstream {
    /// Without `/` at its end.
    url: Arc<str>,
    config: Config,
    places: Arc<Semaphore>,
}

/// The connection of a request, which is closed when nobody waits for the answer any more. Its thread, and the place that
/// it has, are free then.
pub(super) struct Connection(Agent);

impl Connection {
    pub fn of(agent: &Agent) -> Connection {
        Connection(agent.clone())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.clone().shutdown();
    }
}

impl Upstream {
    /// Takes the address of a server, such as `http://immich-machine-learning:3003`.
    pub fn new(url: &str) -> Result<Upstream, String> {
        let refused = || format!("--upstream {url} is not an address such as http://immich-machine-learning:3003");
        let parsed: Uri = url.parse().map_err(|_| refused())?;
        let is_plain = parsed.query().is_none() && !url.contains('@');
        if !matches!(parsed.scheme_str(), Some("http" | "https"))
            || parsed.host().is_none_or(str::is_empty)
            || !is_plain
        {
            return Err(refused());
        }
        let config = Agent::config_builder()
            // The server is named by the operator, and is usually in the same network.
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_per_read(Some(ANSWER))
            .timeout_per_write(Some(CONNECT))
            .user_agent(concat!("clippie-rs/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Upstream { url: url.trim_end_matches('/').into(), config, places: Arc::new(Semaphore::new(MOST)) })
    }

    /// Sends a body with its type to a path, once there is a place for it, and passes on the answer: its status, its type,
    /// and its body as it arrives.
    pub async fn forward(
        &self,
        admission: &Admission,
        path: &str,
        content_type: HeaderValue,
        body: Received,
    ) -> Result<Response, Refusal> {
        let place = admission.wait(&self.places).await?;
        let (agent, url) = (self.config.new_agent(), format!("{}{path}", self.url));
        let connection = Connection::of(&agent);
        let (head, answered) = oneshot::channel();
        let (chunks, received) = mpsc::channel(CHUNKS);
        work::waiting(move || {
            let _place = place;
            let request = agent.post(&url).header(CONTENT_TYPE, content_type);
            let answer = request.send(&body.bytes[..]);
            drop(body);
            match answer {
                Ok(answer) => {
                    let (parts, body) = answer.into_parts();
                    if head.send(Ok(parts)).is_ok() {
                        pass_on(body.into_reader(), &chunks);
                    }
                }
                Err(error) => drop(head.send(Err(error))),
            }
        })?;
        let parts = match answered.await {
            Ok(Ok(parts)) => parts,
            Ok(Err(error)) => {
                tracing::warn!("{} does not answer: {error}", self.url);
                let message = "the server that --upstream names does not answer; the log says why";
                return Err(Refusal::new(StatusCode::BAD_GATEWAY, message));
            }
            Err(_) => return Err(Refusal::internal("a request was not passed on")),
        };
        if parts.status.is_informational() || parts.status.is_redirection() {
            tracing::warn!("{} answers with the status {}, which is no answer", self.url, parts.status.as_u16());
            let message =
                "the server that --upstream names answers with something else than an answer; the log says why";
            return Err(Refusal::new(StatusCode::BAD_GATEWAY, message));
        }
        Ok(response(parts, Chunks(received, connection)))
    }
}

/// The answer of the other server, with the headers without which it cannot be read or obeyed.
fn response(parts: http::response::Parts, chunks: Chunks) -> Response {
    let mut response = Response::new(Body::new(chunks));
    *response.status_mut() = parts.status;
    for name in [CONTENT_TYPE, CONTENT_ENCODING, RETRY_AFTER] {
        if let Some(value) = parts.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// Reads a body to its end, or until nobody wants the rest. A body that ends early ends the answer early too: the client
/// must not take a part for the whole.
fn pass_on(mut body: impl Read, chunks: &mpsc::Sender<Result<Bytes, std::io::Error>>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let chunk = match body.read(&mut buffer) {
            Ok(0) => return,
            Ok(len) => Ok(Bytes::copy_from_slice(&buffer[..len])),
            Err(error) => Err(error),
        };
        let failed = chunk.is_err();
        if chunks.blocking_send(chunk).is_err() || failed {
            return;
        }
    }
}

/// A body of chunks that another thread sends.
struct Chunks(
    mpsc::Receiver<Result<Bytes, std::io::Error>>,
    #[expect(dead_code, reason = "dropped with it")] Connection,
);

impl axum::body::HttpBody for Chunks {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(cx).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_servers() {
        for good in ["http://a:3003", "https://ml.example/", "http://[::1]:3003/path/"] {
            assert!(Upstream::new(good).is_ok_and(|upstream| !upstream.url.ends_with('/')), "{good}");
        }
        for bad in ["", "a:3003", "ftp://a", "http://", "/path", "http://a?b=c", "http://user:secret@a"] {
            assert!(Upstream::new(bad).unwrap_err().contains("--upstream"), "{bad}");
        }
    }
}
