//! Immich's machine-learning requests, as its server sends them and reads their answers.
//!
//! Only CLIP is done here. A request for anything else goes to another server as it is, or is refused: Immich's server
//! would take an empty answer for a photo without faces or texts, and forget what it knew.

mod compat;
mod entries;
mod environment;
mod names;
mod predict;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::HeaderMap;
use axum::routing::post;

pub use compat::Compat;
pub(super) use compat::options;
pub use environment::Environment;

use super::Error;
use super::models::{Missing, Models, Served};
use super::refusal::printable;
use super::state::Server;
use super::upstream::Upstream;

pub(super) fn routes(server: &Arc<Server>, upstream: Option<Upstream>) -> Router {
    let server = Arc::clone(server);
    Router::new().route(
        "/predict",
        post(async move |headers: HeaderMap, body: Body| {
            predict::predict(&server, upstream.as_ref(), headers, body).await
        }),
    )
}

/// Reads what a request asks for. What CLIP does not do is never taken for CLIP's.
#[cfg(fuzzing)]
pub(super) fn read_entries(field: &[u8]) {
    let read = entries::parse(field);
    let value = serde_json::from_slice::<serde_json::Value>(field).unwrap_or_default();
    let has_other = value.get("facial-recognition").is_some() || value.get("ocr").is_some();
    assert!(!has_other || !matches!(read, Some(entries::Entries::Clip(_))), "{value}");
}

/// The model that a name of a request means, if it is open.
fn open_model(models: &Models, name: &str) -> Option<Arc<Served>> {
    let cleaned = names::clean(name);
    let ours = names::find(&cleaned).and_then(|known| known.ours);
    models.get(name).or_else(|| models.get(&cleaned)).or_else(|| models.get(ours?))
}

/// The model that a name of a request means; opens it if it is installed.
fn find_model(models: &Models, name: &str) -> Result<Arc<Served>, Missing> {
    if let Some(model) = open_model(models, name) {
        return Ok(model);
    }
    match names::find(&names::clean(name)) {
        Some(known) => match known.ours {
            Some(ours) => models.find(ours),
            None => Err(Missing::Unknown {
                remedy: Some(format!("clippie-rs has no model {}; see the table in docs/serve.md", printable(name))),
            }),
        },
        None => models.find(name),
    }
}

/// Refuses another model under one of Immich's names whose vectors have another length: Immich's table has columns for
/// that length.
pub(super) fn check_alias(alias: &str, model: &str, embed_dim: usize) -> Result<(), Error> {
    match names::find(&names::clean(alias)) {
        Some(known) if known.embed_dim != embed_dim => Err(Error::AliasLength {
            alias: alias.to_owned(),
            expected: known.embed_dim,
            model: model.to_owned(),
            found: embed_dim,
        }),
        _ => Ok(()),
    }
}
