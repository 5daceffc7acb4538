//! Which request goes where.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::routing::get;

use super::Error;
use super::guard::guard;
use super::health;
use super::immich;
use super::openai;
use super::refusal::Refusal;
use super::state::Server;
use super::upstream::Upstream;

/// All routes. `/` is Immich's greeting with `immich`, else the page of the library if there is one; with both, the page
/// is under `/library/`.
pub(super) fn routes(server: &Arc<Server>, immich: bool, upstream: Option<&str>) -> Result<Router, Error> {
    let mut router = health::routes(server).merge(openai::routes(server));
    let upstream = upstream.map(Upstream::new).transpose().map_err(Error::Upstream)?;
    if immich {
        router = router.merge(immich::routes(server, upstream));
    }
    #[cfg_attr(not(feature = "library"), expect(unused_mut, reason = "there is no page"))]
    let mut has_page = false;
    #[cfg(feature = "library")]
    if let Some(library) = &server.library {
        let page = super::library::routes(server, library, if immich { "/library" } else { "" });
        // A library has paths relative to its page alone, so that it may be anywhere.
        router = match immich {
            true => router
                .route("/library", get(async || axum::response::Redirect::permanent("library/")))
                .nest("/library/", page),
            false => router.merge(page),
        };
        has_page = !immich;
    }
    if !has_page {
        let greeting = if immich { r#"{"message":"Immich ML"}"# } else { r#"{"message":"clippie-rs"}"# };
        router = router.route("/", get(async move || ([(CONTENT_TYPE, "application/json")], greeting)));
    }
    let missing = async || Refusal::new(StatusCode::NOT_FOUND, "there is nothing here; see docs/serve.md");
    let other = async || Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this address takes another method");
    let router = router.fallback(missing).method_not_allowed_fallback(other);
    Ok(router.layer(from_fn_with_state(Arc::clone(server), guard)))
}
