//! What is known of a photo, by its number.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::super::refusal::Refusal;
use super::parameters::Parameters;
use super::{Shelf, answers, json, no_photo, of_library};
use crate::library::LibraryPhoto;

/// The number of a photo in an address.
pub(super) type Id = Result<Path<String>, PathRejection>;

pub(super) async fn photo(
    State(shelf): State<Arc<Shelf>>,
    id: Id,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    Parameters::parse(query.as_deref(), &[])?;
    let id = number(id)?;
    shelf.work(move |shelf| json(&answers::Photo::new(&shelf.photo(id)?, &shelf.folders()?))).await
}

/// The number of a photo. What is no number is no photo's.
pub(super) fn number(id: Id) -> Result<i64, Refusal> {
    let Path(id) = id.map_err(|_| Refusal::new(StatusCode::NOT_FOUND, "the library has no such photo"))?;
    let number = id.parse().ok().filter(|_| id.bytes().all(|byte| byte.is_ascii_digit()));
    number.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, no_photo(&format!("`{id}`"))))
}

impl Shelf {
    pub(super) fn photo(&self, id: i64) -> Result<LibraryPhoto, Refusal> {
        let photo = self.library.photo(id).map_err(|error| of_library(&error))?;
        photo.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, no_photo(&id.to_string())))
    }
}
