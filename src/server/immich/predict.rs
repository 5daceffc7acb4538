//! `POST /predict`: statuses, bodies and their order as Immich's own service has them.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::entries::{self, Entries, Entry, Tower};
use super::{find_model, open_model};
use crate::server::body::{Received, receive};
use crate::server::encode;
use crate::server::models::{Missing, Served};
use crate::server::multipart::{self, Content, INLINE, Malformed};
use crate::server::refusal::{Reason, Refusal, printable};
use crate::server::state::Server;
use crate::server::upstream::Upstream;
use crate::server::work::blocking;

/// Answers a request, or says why not.
pub(super) async fn predict(
    server: &Arc<Server>,
    upstream: Option<&Upstream>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let content_type = headers.get(CONTENT_TYPE).cloned().unwrap_or_else(|| HeaderValue::from_static(""));
    let answer = match receive(server, &headers, body).await {
        Ok(body) => answer(server, upstream, content_type, body).await,
        Err(refusal) => Err(Error::Refused(refusal)),
    };
    answer.unwrap_or_else(IntoResponse::into_response)
}

/// What the form holds.
struct Form {
    entries: Option<Entries>,
    input: Option<Input>,
}

enum Input {
    Photo(Content),
    Text(String),
}

async fn answer(
    server: &Arc<Server>,
    upstream: Option<&Upstream>,
    content_type: HeaderValue,
    body: Received,
) -> Result<Response, Error> {
    let kind = content_type.to_str().unwrap_or("").to_owned();
    let (form, body) = if body.bytes.len() <= INLINE {
        (form(&kind, &body.bytes), body)
    } else {
        blocking(move || (form(&kind, &body.bytes), body)).await?
    };
    let form = form?;
    let wanted = match form.entries.ok_or(Error::Entries)? {
        Entries::Clip(entries) => entries,
        others => {
            if let Some(upstream) = upstream {
                return Ok(upstream.forward(&server.admission, "/predict", content_type, body).await?);
            }
            return Err(match others {
                Entries::Unknown(what) => Error::Internal(format!("unknown task {what:?}")),
                Entries::Others(tasks) => Error::NotClip(tasks),
                Entries::Clip(_) => Error::Entries,
            });
        }
    };
    let input = form.input.ok_or(Error::NoInput)?;
    let _admitted = server.admission.enter().await?;
    match input {
        Input::Photo(content) => photo(server, &wanted, Part { body, content }).await,
        Input::Text(text) => self::text(server, &wanted, &text).await,
    }
}

/// Reads the form. A field that is empty counts as absent.
fn form(kind: &str, body: &[u8]) -> Result<Form, Error> {
    let fields = match multipart::fields(kind, body) {
        Some(fields) => fields.map_err(|Malformed| Error::Form)?,
        None => Vec::new(),
    };
    // Of two requests in one, only one would be answered.
    if ["entries", "image", "text"].iter().any(|name| fields.iter().filter(|field| field.name == *name).count() > 1) {
        return Err(Error::Entries);
    }
    let filled = |name: &str| multipart::first(&fields, name).filter(|content| !content.bytes(body).is_empty());
    let entries = filled("entries").ok_or(Error::NoEntries)?;
    let entries = entries::parse(entries.bytes(body));
    let text = |content: &Content| match std::str::from_utf8(content.bytes(body)) {
        Ok(text) => Ok(Input::Text(text.to_owned())),
        Err(_) => Err(Error::Form),
    };
    let input = match (multipart::first(&fields, "image"), filled("text")) {
        (Some(photo), _) => Some(Input::Photo(photo.clone())),
        (None, Some(content)) => Some(text(content)?),
        (None, None) => None,
    };
    Ok(Form { entries, input })
}

/// The photo in a body.
struct Part {
    body: Received,
    content: Content,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        self.content.bytes(&self.body.bytes)
    }
}

async fn photo(server: &Arc<Server>, wanted: &[Entry], part: Part) -> Result<Response, Error> {
    // Immich asks for one embedding at a time. Several of one photo would each decode it.
    let part = Arc::new(part);
    let mut embedding = None;
    let mut size = None;
    for entry in wanted {
        if entry.tower == Tower::Textual {
            return Err(Error::Internal(format!("the text tower of {:?} was asked for a photo", entry.model)));
        }
        let model = model(server, &entry.model).await?;
        let photo = encode::photo(server, &model, Shared(Arc::clone(&part))).await.map_err(Error::input)?;
        size = Some((photo.width, photo.height));
        embedding = Some(photo.row);
    }
    let (width, height) = match size {
        Some(size) => size,
        // Nothing was asked for but the size.
        None => {
            let limits = server.limits.photo;
            let metadata = blocking(move || encode::metadata((*part).as_ref(), &limits, "the photo")).await?;
            metadata.map(|metadata| (metadata.width, metadata.height)).map_err(Error::input)?
        }
    };
    let clip = embedding.map_or(String::new(), |row| format!("\"clip\":\"{}\",", floats(&row)));
    Ok(json_response(StatusCode::OK, format!("{{{clip}\"imageHeight\":{height},\"imageWidth\":{width}}}")))
}

/// A photo that several models take.
struct Shared(Arc<Part>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

async fn text(server: &Arc<Server>, wanted: &[Entry], text: &str) -> Result<Response, Error> {
    let mut embedding = None;
    for entry in wanted {
        if entry.tower == Tower::Visual {
            return Err(Error::Internal(format!("the image tower of {:?} was asked for a text", entry.model)));
        }
        let model = model(server, &entry.model).await?;
        let language = language(&model, entry.language.as_deref());
        let mut rows = encode::texts(server, &model, vec![text.to_owned()], language).await.map_err(Error::input)?;
        embedding = rows.pop();
    }
    let clip = embedding.map_or(String::new(), |row| format!("\"clip\":\"{}\"", floats(&row)));
    Ok(json_response(StatusCode::OK, format!("{{{clip}}}")))
}

/// The model of an entry.
async fn model(server: &Arc<Server>, name: &str) -> Result<Arc<Served>, Error> {
    if let Some(model) = open_model(&server.models, name) {
        return Ok(model);
    }
    let (shared, wanted) = (Arc::clone(server), name.to_owned());
    let found = blocking(move || find_model(&shared.models, &wanted)).await?;
    found.map_err(|missing| match missing {
        Missing::Unknown { remedy: None } => Error::Internal(format!(
            "there is no model {}; start the server with --alias NAME=MODEL to put one in its place",
            printable(name)
        )),
        Missing::Unknown { remedy: Some(remedy) } => {
            tracing::error!("{remedy}");
            Error::Model(name.to_owned())
        }
        Missing::Failed(reason) => {
            tracing::error!("{} cannot be opened: {reason}", printable(name));
            Error::Model(name.to_owned())
        }
    })
}

/// The language of a text as the model knows it; English for a model that does not know it, or any. Immich names
/// languages by their locale, such as `de` or `zh-Hant`, and sometimes `de-null`.
fn language(model: &Served, locale: Option<&str>) -> Option<Arc<str>> {
    let locale = locale?;
    let knows = |language: &str| model.clip.text().with_language(language).is_ok();
    if !knows("eng_Latn") {
        return None;
    }
    let code = locale.split(['-', '_']).next().unwrap_or(locale);
    let is_traditional = ["Hant", "TW", "HK"].iter().any(|script| locale.contains(script));
    let code = if code == "zh" && is_traditional { "zho_Hant" } else { code };
    let known = [locale, code].into_iter().find(|language| knows(language));
    if known.is_none() {
        let locale = printable(locale);
        tracing::warn!("{} does not know the language {locale}; the text is taken as English", model.name);
    }
    known.map(Arc::from)
}

/// Numbers as JSON, each with the fewest digits that are read back as the same float, without spaces.
fn floats(row: &[f32]) -> String {
    // Floats of an embedding are finite, and nothing else can fail.
    serde_json::to_string(row).unwrap_or_default()
}

fn json_response(status: StatusCode, body: String) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}

/// Why a request is not answered, in the words of Immich's service.
#[derive(Debug)]
enum Error {
    /// The body is not the form that its type says.
    Form,
    NoEntries,
    Entries,
    NoInput,
    /// Tasks that CLIP does not do.
    NotClip(Vec<String>),
    /// A model that cannot be had.
    Model(String),
    /// What Immich's service fails with, with the reason for the log.
    Internal(String),
    Refused(Refusal),
}

impl Error {
    /// A photo or text that cannot be used, with which Immich's service fails.
    fn input(refusal: Refusal) -> Error {
        if refusal.status == StatusCode::BAD_REQUEST {
            Error::Internal(refusal.message)
        } else {
            Error::Refused(refusal)
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::Refused(refusal)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let detail = |status, detail: &str| {
            let mut response = json_response(status, json!({ "detail": detail }).to_string());
            response.extensions_mut().insert(Reason(detail.to_owned()));
            response
        };
        match self {
            Error::Form => detail(StatusCode::BAD_REQUEST, "There was an error parsing the body"),
            Error::NoEntries => {
                let missing = json!({ "detail": [{
                    "type": "missing", "loc": ["body", "entries"], "msg": "Field required", "input": null,
                }] });
                json_response(StatusCode::UNPROCESSABLE_ENTITY, missing.to_string())
            }
            Error::Entries => detail(StatusCode::UNPROCESSABLE_ENTITY, "Invalid request format."),
            Error::NoInput => detail(StatusCode::BAD_REQUEST, "Either image or text must be provided"),
            Error::NotClip(tasks) => {
                let message = format!(
                    "this server does CLIP only, not {}; start it with --upstream and the address of Immich's own \
                     machine-learning container, or switch these off in Immich",
                    tasks.join(" and ")
                );
                tracing::warn!("refused: {message}");
                detail(StatusCode::NOT_IMPLEMENTED, &message)
            }
            Error::Model(name) => detail(StatusCode::INTERNAL_SERVER_ERROR, &format!("Failed to load model '{name}'")),
            Error::Internal(reason) => {
                tracing::error!("a request failed: {reason}");
                let plain = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
                (StatusCode::INTERNAL_SERVER_ERROR, plain, "Internal Server Error").into_response()
            }
            Error::Refused(refusal) => {
                let body = json!({ "detail": refusal.message }).to_string();
                refusal.response("application/json", body)
            }
        }
    }
}
