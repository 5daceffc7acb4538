//! OpenAI's requests for embeddings, and the forms in which other servers take photos.

mod embeddings;
mod input;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::state::Server;
use super::work::blocking;

/// With and without OpenAI's prefix, which infinity does not have.
pub(super) fn routes(server: &Arc<Server>) -> Router {
    let mut router = Router::new();
    for prefix in ["/v1", ""] {
        let (one, all, encode) = (Arc::clone(server), Arc::clone(server), Arc::clone(server));
        let embeddings =
            async move |headers: HeaderMap, body: Body| embeddings::embeddings(&encode, headers, body).await;
        router = router
            .route(&format!("{prefix}/embeddings"), post(embeddings))
            .route(&format!("{prefix}/models"), get(async move || models(all).await))
            .route(&format!("{prefix}/models/{{*id}}"), get(async move |Path(id): Path<String>| model(one, id).await));
    }
    router
}

/// Reads the body of a request for embeddings.
#[cfg(fuzzing)]
pub(super) fn read(body: &[u8]) {
    let _ = input::parse(body);
}

/// The models that requests may name.
async fn models(server: Arc<Server>) -> Result<Response, Refusal> {
    let names = blocking(move || server.models.names()).await?;
    let models: Vec<Value> = names.iter().map(|name| described(name)).collect();
    Ok(json_response(&json!({ "object": "list", "data": models })))
}

async fn model(server: Arc<Server>, id: String) -> Result<Response, Refusal> {
    let names = blocking(move || server.models.names()).await?;
    match names.contains(&id) {
        true => Ok(json_response(&described(&id))),
        false => Err(Refusal::new(StatusCode::NOT_FOUND, format!("there is no model {id}"))),
    }
}

fn described(name: &str) -> Value {
    json!({ "id": name, "object": "model", "created": 0, "owned_by": "clippie-rs" })
}

fn json_response(value: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
