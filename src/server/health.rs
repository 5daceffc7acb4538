//! Whether the server is there, and what it counts: `/ping`, `/health`, `/metrics`.

use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::json;

use super::state::Server;

pub(super) fn routes(server: &Arc<Server>) -> Router {
    let (health, metrics) = (Arc::clone(server), Arc::clone(server));
    Router::new()
        .route("/ping", get(async || ([(CONTENT_TYPE, "text/plain; charset=utf-8")], "pong")))
        .route("/health", get(async move || self::health(&health)))
        .route("/metrics", get(async move || self::metrics(&metrics)))
}

fn health(server: &Server) -> impl IntoResponse + use<> {
    let health = json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": server.started.elapsed().as_secs(),
    });
    ([(CONTENT_TYPE, "application/json")], health.to_string())
}

fn metrics(server: &Server) -> impl IntoResponse + use<> {
    let text = server.metrics.text(&server.gauges());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
