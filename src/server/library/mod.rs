//! The page and the interface of a photo library.
//!
//! ```text
//! / , /assets/…   page        what a browser shows; asks for nothing but what follows
//! /api/search     search      words, photos and sums of them -> Library
//! /api/photos/…   photos      what is known of one: thumbnails (kept in memory), originals (checked, then streamed)
//! ```
//! Requests name photos by their numbers and folders by their names, never by paths. All paths are relative to where the
//! routes are put. Opens no model: it has one of the server's.

mod answers;
mod fence;
mod folders;
mod originals;
mod page;
mod parameters;
mod photos;
mod ranges;
mod recent;
mod search;
mod terms;
mod thumbnails;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

use super::refusal::Refusal;
use super::state::Server;
use super::work::blocking;
use crate::clip::Options;
use crate::error::ErrorKind;
use crate::library::{Error, Library};
use crate::weights::{Precision, WeightsFile};
use answers::Status;
use folders::Folders;
use recent::Recent;

/// A library that is served.
#[derive(Clone, Debug)]
pub struct LibraryConfig {
    /// The library.
    pub library: Library,
    /// The name of the model that searches: one of the server's, of which the library has embeddings.
    pub model: String,
    /// Precisions in which it may search embeddings of another precision: see
    /// [`Search::allow_precisions`](crate::library::Search::allow_precisions).
    pub allowed: Vec<Precision>,
    /// The fingerprint of the embeddings that are searched, where the library has several of the model.
    pub fingerprint: Option<String>,
}

impl LibraryConfig {
    /// The options that open the model: photos of requests are read as those of the library were.
    pub(super) fn options(&self, options: Options, weights: &WeightsFile) -> Options {
        // What is wrong shows when the model is opened, and when the library is searched.
        let found = match &self.fingerprint {
            Some(meant) => options.clone().read_as(weights, |fingerprint| fingerprint.as_str() == meant).ok(),
            None => self.library.read_as(options.clone(), weights).ok(),
        };
        found.flatten().unwrap_or(options)
    }
}

/// What the routes of a library share.
#[derive(Debug)]
struct Shelf {
    server: Arc<Server>,
    library: Library,
    model: String,
    allowed: Vec<Precision>,
    thumbnails: Mutex<Recent<thumbnails::Key>>,
    /// The description of the interface.
    openapi: String,
}

/// Whether a route needs no token: the page is the same for everybody, without anything of the library.
pub(super) fn is_open(route: &str) -> bool {
    // Beside Immich's routes, the page is below.
    matches!(route.strip_prefix("/library").unwrap_or(route), "" | "/" | "/assets/{name}")
}

/// The routes of a library: `/` for the page, `/api/…` for what it asks. They are put under `base`, such as `/library`.
pub(super) fn routes(server: &Arc<Server>, config: &LibraryConfig, base: &str) -> Router {
    let LibraryConfig { library, model, allowed, .. } = config.clone();
    let openapi = openapi(server.token.is_some(), base);
    let (server, thumbnails) = (Arc::clone(server), Mutex::default());
    let shelf = Arc::new(Shelf { server, library, model, allowed, thumbnails, openapi });
    let description = async |State(shelf): State<Arc<Shelf>>| json_text(shelf.openapi.clone());
    Router::new()
        .route("/", get(page::page))
        .route("/assets/{name}", get(page::asset))
        .route("/api/openapi.json", get(description))
        .route("/api/library", get(status))
        .route("/api/search", get(search::words).post(search::sum))
        .route("/api/similar/{id}", get(search::similar))
        .route("/api/photos/{id}", get(photos::photo))
        .route("/api/photos/{id}/thumbnail", get(thumbnails::thumbnail))
        .route("/api/photos/{id}/original", get(originals::original))
        .layer(from_fn_with_state(Arc::clone(&shelf), fence::fence))
        .with_state(shelf)
}

/// What the library has.
async fn status(State(shelf): State<Arc<Shelf>>) -> Result<Response, Refusal> {
    shelf
        .work(|shelf| {
            let status = shelf.library.status().map_err(|error| of_library(&error))?;
            let folders = Folders::new(status.folders.iter().map(|folder| folder.path.clone()));
            json(&Status::new(&status, &folders, &shelf.model))
        })
        .await
}

impl Shelf {
    /// Waits until there is room, then runs what reads the library on a thread for it.
    async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Shelf) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let _admitted = self.server.admission.enter().await?;
        let shelf = Arc::clone(self);
        blocking(move || work(&shelf)).await?
    }

    /// The indexed folders by name.
    fn folders(&self) -> Result<Folders, Refusal> {
        Ok(Folders::new(self.library.folders().map_err(|error| of_library(&error))?))
    }
}

/// The description of the interface, which says where it is and whether a token is wanted.
fn openapi(token: bool, base: &str) -> String {
    const DESCRIPTION: &str = include_str!("openapi.json");
    let Ok(mut description) = serde_json::from_str::<serde_json::Value>(DESCRIPTION) else { return DESCRIPTION.into() };
    description["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    description["servers"][0]["url"] = format!("{base}/api").into();
    if !token && let Some(fields) = description.as_object_mut() {
        fields.remove("security");
    }
    description.to_string()
}

/// What a library refused or failed at.
fn of_library(error: &Error) -> Refusal {
    match error {
        // Its client went away: nobody reads this.
        error if error.kind() == ErrorKind::Cancelled => Refusal::busy("the request was given up"),
        Error::NoPhoto { id } => Refusal::new(StatusCode::NOT_FOUND, no_photo(&id.to_string())),
        Error::Query(_) => unusable(error.to_string()),
        Error::Encode(error) if matches!(error.kind(), ErrorKind::Image | ErrorKind::Text) => {
            unusable(error.to_string())
        }
        Error::Encode(error) => Refusal::of_input(error),
        Error::Busy { .. } => Refusal::busy("another program writes to the library"),
        // It was there when the server started.
        Error::Missing { .. } | Error::NotALibrary { .. } | Error::Newer { .. } | Error::Fingerprint { .. } => {
            tracing::error!("{error}");
            let message = "the library was removed, or replaced by one that cannot be searched; the log says why";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message)
        }
        error => Refusal::internal(error),
    }
}

/// A request that is well-formed and cannot be answered: a file that is no photo, terms that cancel each other out.
fn unusable(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, message)
}

fn no_photo(id: &str) -> String {
    format!("the library has no photo {id}")
}

fn json(value: &impl Serialize) -> Result<Response, Refusal> {
    serde_json::to_string(value).map(json_text).map_err(Refusal::internal)
}

fn json_text(text: String) -> Response {
    ([("content-type", "application/json"), ("cache-control", "no-store")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_json_and_says_whether_a_token_is_wanted() {
        let described = |token| serde_json::from_str::<serde_json::Value>(&openapi(token, "/library")).unwrap();
        assert_eq!(described(true)["info"]["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(described(true)["servers"][0]["url"], "/library/api");
        assert!(described(true)["security"].is_array() && described(false)["security"].is_null());
    }
}
