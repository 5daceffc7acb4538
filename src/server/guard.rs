//! What happens to every request before and after its route: names, origins, the token, counting, the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::refusal::{Reason, Refusal, printable};
use super::state::Server;

/// Answers that need no token: they say that the server is there, and nothing else.
const OPEN: [&str; 2] = ["/ping", "/health"];

/// Routes that are asked every few seconds.
const WATCHED: [&str; 3] = ["/ping", "/health", "/metrics"];

/// Whether a route needs no token.
fn is_open(server: &Server, route: &str) -> bool {
    #[cfg(feature = "library")]
    if server.library.is_some() && super::library::is_open(route) {
        return true;
    }
    #[cfg(not(feature = "library"))]
    let _ = server;
    OPEN.contains(&route)
}

/// Wraps every route.
pub(super) async fn guard(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let _counted = InFlight::begin(&server.metrics.in_flight);
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let (headers, origins) = (request.headers(), &server.origins);
    let origin = origins.allowed(headers);
    let is_known = || server.token.as_ref().is_none_or(|token| token.accepts(headers));
    let mut response = if !origins.allows_host(headers) {
        Refusal::new(StatusCode::MISDIRECTED_REQUEST, super::origins::unknown_host(headers)).into_response()
    } else if let Some(answer) = origins.preflight(&method, headers) {
        answer
    } else if origins.is_foreign(&method, headers) {
        let message = "a page of another site asks for this; --cors ORIGIN allows the pages of one";
        Refusal::new(StatusCode::FORBIDDEN, message).into_response()
    } else if is_open(&server, &route) || is_known() {
        next.run(request).await
    } else {
        Refusal::new(StatusCode::UNAUTHORIZED, "the request carries no token, or a wrong one").into_response()
    };
    origins.mark(origin, &mut response);
    let (status, time) = (response.status().as_u16(), started.elapsed());
    server.metrics.answered(&route, status, time);
    let milliseconds = time.as_micros() as f64 / 1e3;
    // A failure of the server has a line of its own.
    let reason = response.extensions().get::<Reason>().filter(|_| status < 500 || status == 503);
    if let Some(Reason(reason)) = reason {
        tracing::info!(%method, route, status, milliseconds, "refused: {}", printable(reason));
    // Those who watch ask again and again.
    } else if WATCHED.contains(&route.as_str()) {
        tracing::debug!(%method, route, status, milliseconds, "answered");
    } else {
        tracing::info!(%method, route, status, milliseconds, "answered");
    }
    response
}

/// A request without an answer yet, until it is dropped: also if its client goes away.
struct InFlight<'a>(&'a AtomicUsize);

impl<'a> InFlight<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        InFlight(count)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
