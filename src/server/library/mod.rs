//! The page and the interface of a photo library.

use std::path::Path;
use std::sync::Arc;

use axum::Router;

use super::Error;
use super::state::Server;

/// The routes of a library: `/` for the page, `/api/…` for what it asks. All paths are relative to where they are put.
pub(super) fn routes(_server: &Arc<Server>, _file: &Path) -> Result<Router, Error> {
    Ok(Router::new())
}
