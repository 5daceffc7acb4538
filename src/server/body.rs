//! Receives the body of a request, within the limits of size, memory and time.

use std::future::poll_fn;
use std::pin::Pin;

use axum::body::{Body, HttpBody};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use tokio::time::{Instant, timeout_at};

use super::limits::Held;
use super::refusal::Refusal;
use super::state::Server;

/// The body of a request, counted until it is dropped.
#[derive(Debug)]
pub(super) struct Received {
    pub bytes: Vec<u8>,
    held: Held,
}

impl Received {
    pub fn new(bytes: Vec<u8>, held: Held) -> Received {
        Received { bytes, held }
    }
}

/// Receives a body.
pub(super) async fn receive(server: &Server, headers: &HeaderMap, mut body: Body) -> Result<Received, Refusal> {
    let limits = &server.limits;
    let too_large = || {
        let message = format!("the request has more than {} bytes; raise --max-body, or send less", limits.body);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    let stated = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if stated.is_some_and(|length| length > limits.body as u64) {
        return Err(too_large());
    }
    let end = Instant::now() + limits.total;
    let mut received = Received { bytes: Vec::new(), held: Held::default() };
    loop {
        let next = (Instant::now() + limits.patience).min(end);
        let frame = timeout_at(next, poll_fn(|context| Pin::new(&mut body).poll_frame(context))).await;
        let late = |_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body of the request did not arrive in time");
        let Some(frame) = frame.map_err(late)? else { return Ok(received) };
        let frame = frame.map_err(|_| Refusal::bad("the body of the request is malformed or ends early"))?;
        // Trailers mean nothing here.
        let Ok(data) = frame.into_data() else { continue };
        if received.bytes.len() + data.len() > limits.body {
            return Err(too_large());
        }
        server.admission.hold(&mut received.held, data.len())?;
        let reserve = received.bytes.try_reserve(data.len());
        reserve.map_err(|_| Refusal::busy("it has no memory left"))?;
        received.bytes.extend_from_slice(&data);
    }
}
