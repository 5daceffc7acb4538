//! `POST /v1/embeddings`.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::input::{self, Input, Request, not_fetched};
use crate::server::batch::Row;
use crate::server::body::receive;
use crate::server::models::{Missing, Models, Served};
use crate::server::refusal::{Refusal, printable};
use crate::server::state::Server;
use crate::server::work::blocking;
use crate::server::{encode, fetch};
use crate::tokenizer::Overflow;

/// Most models that a refusal names.
const MOST_NAMES: usize = 20;

/// Encodes the inputs of a request.
pub(super) async fn embeddings(server: &Arc<Server>, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    check_type(&headers)?;
    let mut body = receive(server, &headers, body).await?;
    let mut admitted = server.admission.enter().await?;
    // What was received stays counted while its copies are in use.
    let bytes = std::mem::take(&mut body.bytes);
    let request = blocking(move || input::parse(&bytes)).await??;
    let model = model(server, request.model.as_deref()).await?;
    let embed_dim = model.clip.embed_dim();
    if let Some(asked) = request.dimensions
        && asked != embed_dim as u64
    {
        let message = format!(
            "dimensions is {asked}, but embeddings of {} have {embed_dim} values, all of which are needed",
            model.name
        );
        return Err(Refusal { param: Some("dimensions".into()), ..Refusal::bad(message) });
    }
    let Request { inputs, base64, .. } = request;
    let is_text: Vec<bool> = inputs.iter().map(|input| matches!(input, Input::Text(_))).collect();
    let (mut texts, mut photos, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
    for (index, input) in inputs.into_iter().enumerate() {
        match input {
            Input::Text(text) => {
                encode::check_text(&text).map_err(|refusal| refusal.at(format!("input[{index}]")))?;
                texts.push(text);
            }
            Input::Photo(bytes) => photos.push((index, bytes)),
            Input::Address(address) => {
                let checked =
                    server.fetcher.as_ref().map_or_else(|| Err(not_fetched()), |fetcher| fetcher.check(&address));
                addresses.push((index, checked.map_err(|refusal| refusal.at(format!("input[{index}]")))?));
            }
        }
    }
    let limits = &server.limits;
    let named = photos.len() + addresses.len();
    for (found, most, what, option) in
        [(texts.len(), limits.texts, "texts", "--max-texts"), (named, limits.photos, "photos", "--max-photos")]
    {
        if found > most {
            let message = format!("the request has {found} {what}; at most {most} are taken at a time ({option})");
            return Err(Refusal { param: Some("input".into()), ..Refusal::bad(message) });
        }
    }
    let mut fetched = Vec::new();
    if let Some(fetcher) = server.fetcher.as_ref().filter(|_| !addresses.is_empty()) {
        // Hosts that are slow must not keep other requests waiting.
        drop(admitted);
        fetched = fetch::photos(fetcher, server, addresses).await?;
        admitted = server.admission.enter().await?;
        photos.extend(fetched.iter_mut().map(|(index, photo)| (*index, std::mem::take(&mut photo.bytes))));
        photos.sort_by_key(|&(index, _)| index);
    }
    let mut text_rows = match texts.is_empty() {
        true => Vec::new(),
        false => encode::texts(server, &model, texts.clone(), None).await?,
    }
    .into_iter();
    let mut photo_rows = encode::photos(server, &model, photos).await?.into_iter().map(|photo| photo.row);
    let rows = is_text.into_iter().map(|is_text| if is_text { text_rows.next() } else { photo_rows.next() });
    let rows: Vec<Row> = rows.flatten().collect();
    let reserved = server.admission.reserve(longest(&rows, base64)).await?;
    let answer = blocking(move || reserved.bytes(answer(&model, &rows, &texts, base64).into_bytes())).await?;
    // Fetched photos counted while their copies were in use, as the body did.
    drop((fetched, admitted));
    Ok(([(CONTENT_TYPE, "application/json")], answer).into_response())
}

/// Refuses the types that a web page of any site can send unasked. Other types are taken for JSON, and none at all.
fn check_type(headers: &HeaderMap) -> Result<(), Refusal> {
    const UNASKED: [&str; 3] = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"];
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match UNASKED.iter().find(|unasked| kind.eq_ignore_ascii_case(unasked)) {
        Some(kind) => {
            let message = format!("the body is {kind}; send JSON, with the header `Content-Type: application/json`");
            Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
        }
        None => Ok(()),
    }
}

/// The model of a request, which need not be named.
async fn model(server: &Arc<Server>, name: Option<&str>) -> Result<Arc<Served>, Refusal> {
    let Some(name) = name.or_else(|| server.models.default_name()) else {
        return Err(Refusal::bad("the request names no model, and the server was started without -m"));
    };
    if let Some(model) = server.models.get(name) {
        return Ok(model);
    }
    let (shared, wanted) = (Arc::clone(server), name.to_owned());
    let find = move || shared.models.find(&wanted).map_err(|missing| refusal(&shared.models, &wanted, missing));
    blocking(find).await?
}

/// Why a model cannot be had, and what to do; also for the log.
fn refusal(models: &Models, name: &str, missing: Missing) -> Refusal {
    let name = printable(name);
    let refusal = match missing {
        Missing::Unknown { remedy: Some(remedy) } => Refusal::new(StatusCode::NOT_FOUND, remedy),
        Missing::Unknown { remedy: None } => {
            let mut names = models.names();
            if names.len() > MOST_NAMES {
                names.truncate(MOST_NAMES);
                names.push("others, which GET /v1/models lists".into());
            }
            let others = match names.is_empty() {
                true => "install one with `clippie-rs pull`".into(),
                false => format!("name one of: {}", names.join(", ")),
            };
            let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
            let alias = if is_word { &name } else { "NAME" };
            let message = format!("there is no model {name}; start the server with --alias {alias}=MODEL, or {others}");
            Refusal::new(StatusCode::NOT_FOUND, message)
        }
        Missing::Failed(reason) => {
            tracing::error!("{name} cannot be opened: {reason}");
            let message = format!("the model {name} cannot be opened; the log says why");
            return Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, message);
        }
    };
    tracing::warn!("{}", refusal.message);
    Refusal { param: Some("model".into()), ..refusal }
}

/// More bytes than the answer has.
fn longest(rows: &[Row], base64: bool) -> usize {
    /// Of the fields beside a row, and of those beside all rows.
    const FIELDS: usize = 80;
    // A number has 15 characters at most, and a comma.
    let row = |row: &Row| FIELDS + if base64 { row.len() * 16 / 3 + 4 } else { row.len() * 16 };
    rows.iter().map(row).sum::<usize>() + FIELDS
}

/// The answer as JSON, written row by row.
fn answer(model: &Served, rows: &[Row], texts: &[String], base64: bool) -> String {
    let name = serde_json::Value::from(model.name.as_str());
    let mut out = String::from("{\"object\":\"list\",\"data\":[");
    for (index, row) in rows.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(out, "{comma}{{\"object\":\"embedding\",\"index\":{index},\"embedding\":");
        if base64 {
            let bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
            let _ = write!(out, "\"{}\"}}", STANDARD.encode(bytes));
        } else {
            // Floats of an embedding are finite, and nothing else can fail.
            let _ = write!(out, "{}}}", serde_json::to_string(&row[..]).unwrap_or_default());
        }
    }
    let tokens = tokens(model, texts);
    let _ = write!(out, "],\"model\":{name},\"usage\":{{\"prompt_tokens\":{tokens},\"total_tokens\":{tokens}}}}}");
    out
}

/// Number of tokens of the texts, as far as the model reads them. Photos have none.
fn tokens(model: &Served, texts: &[String]) -> usize {
    let encoder = model.clip.text();
    let Some(tokenizer) = encoder.tokenizer() else { return 0 };
    let length = |text: &String| {
        tokenizer.tokenize(text, encoder.context_length(), Overflow::Truncate).map_or(0, |ids| ids.len())
    };
    texts.iter().map(length).sum()
}
