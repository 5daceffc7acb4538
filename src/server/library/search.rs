//! Searches: by words, by numbers of photos, by uploaded photos, and by sums of these.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::super::body::receive;
use super::super::multipart::{self, INLINE};
use super::super::refusal::Refusal;
use super::super::work::blocking;
use super::answers::Results;
use super::folders::Folders;
use super::parameters::Parameters;
use super::photos::{Id, number};
use super::terms::{MOST_TERMS, MOST_WORDS};
use super::{Shelf, json, of_library, terms, unusable};
use crate::cancel::CancelToken;
use crate::library::{Encoders, Filter, Query, Search, Term, What};
use crate::photo::Limits;

/// Parameters of every search, and of those with words.
const FILTERS: [&str; 8] = ["n", "all", "in", "after", "before", "min", "near", "radius"];
const WITH_WORDS: [&str; 9] = ["q", "n", "all", "in", "after", "before", "min", "near", "radius"];

/// Most results, and results unless a request says how many.
const MOST: usize = 1000;
const USUAL: usize = 50;

/// Kilometres around a place, unless a request says how many: those of the command `search`.
const RADIUS: f64 = 5.0;

/// Beyond it is no place.
const MOST_RADIUS: f64 = 30_000.0;

/// Most folders of a filter.
const MOST_FOLDERS: usize = 32;

/// The type of posted searches.
const FORM: &str = "multipart/form-data";

/// By words.
pub(super) async fn words(State(shelf): State<Arc<Shelf>>, RawQuery(query): RawQuery) -> Result<Response, Refusal> {
    let parameters = Parameters::parse(query.as_deref(), &WITH_WORDS)?;
    if parameters.one("q")?.is_none() {
        return Err(Refusal::bad("the parameter `q` is missing: what to find"));
    }
    run(&shelf, parameters, Vec::new()).await
}

/// By a photo of the library.
pub(super) async fn similar(
    State(shelf): State<Arc<Shelf>>,
    id: Id,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let parameters = Parameters::parse(query.as_deref(), &FILTERS)?;
    let what = What::Known(number(id)?);
    run(&shelf, parameters, vec![Term { weight: 1.0, what }]).await
}

/// By all that a form has, and words.
pub(super) async fn sum(
    State(shelf): State<Arc<Shelf>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let parameters = Parameters::parse(query.as_deref(), &WITH_WORDS)?;
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(FORM)) {
        let message = format!("the body is to be {FORM}, and photos its fields `photo`");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let received = receive(&shelf.server, &headers, body).await?;
    let (kind, limits) = (kind.to_owned(), shelf.server.limits.photo);
    let (terms, received) = match received.bytes.len() <= INLINE {
        true => (form(&kind, &received.bytes, &limits), received),
        false => blocking(move || (form(&kind, &received.bytes, &limits), received)).await?,
    };
    let terms = terms?;
    // Held until the photos are encoded, which have as many bytes.
    let answer = run(&shelf, parameters, terms).await;
    drop(received);
    answer
}

/// The terms of a form.
fn form(kind: &str, body: &[u8], limits: &Limits) -> Result<Vec<Term>, Refusal> {
    let fields = multipart::fields(kind, body).and_then(Result::ok);
    let fields = fields.ok_or_else(|| Refusal::bad("the form is malformed"))?;
    terms::terms(fields.iter().map(|field| (field.name.as_str(), field.content.bytes(body))), limits)
}

async fn run(shelf: &Arc<Shelf>, parameters: Parameters, terms: Vec<Term>) -> Result<Response, Refusal> {
    let _admitted = shelf.server.admission.enter().await?;
    let model = shelf.server.models.get(&shelf.model);
    let model = model.ok_or_else(|| Refusal::internal(format!("the model {} is not open", shelf.model)))?;
    let _used = model.used();
    let decodes = terms.iter().any(|term| matches!(term.what, What::PhotoBytes(..)));
    let turn = match decodes {
        true => Some(Arc::clone(&shelf.server.decoders).acquire_owned().await.map_err(Refusal::internal)?),
        false => None,
    };
    let (shelf, cancel) = (Arc::clone(shelf), CancelOnDrop(CancelToken::new()));
    let token = cancel.0.clone();
    blocking(move || {
        let _turn = turn;
        let folders = shelf.folders()?;
        let query = query(&parameters, terms)?;
        let search = Search::new(&shelf.library, Encoders::from(&model.clip))
            .model_name(&shelf.model)
            .allow_precisions(shelf.allowed.iter().copied())
            .cancel(&token);
        let found = options(search, &parameters, &folders)?.run(&query).map_err(|error| of_library(&error))?;
        json(&Results::new(query.to_string(), &shelf.model, &found, &folders))
    })
    .await?
}

/// Ends a search whose client went away.
struct CancelOnDrop(CancelToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The words of a query, then its other terms.
fn query(parameters: &Parameters, terms: Vec<Term>) -> Result<Query, Refusal> {
    let mut query = match parameters.one("q")? {
        Some(words) if words.chars().count() > MOST_WORDS => {
            return Err(Refusal::bad(format!("the query has more than {MOST_WORDS} characters")));
        }
        Some(words) => Query::parse_sentences(words).map_err(|error| of_library(&error))?,
        None => Query::new(),
    };
    for term in terms {
        query = query.with(term);
    }
    match query.terms().len() {
        0 => Err(unusable("the query is empty; describe what to find, or give a photo")),
        terms if terms > MOST_TERMS => Err(unusable(format!("a search takes {MOST_TERMS} terms at most"))),
        _ => Ok(query),
    }
}

/// A search with the filters and limits of a request.
fn options(search: Search, parameters: &Parameters, folders: &Folders) -> Result<Search, Refusal> {
    let bad = |error: crate::library::Error| Refusal::bad(error.to_string());
    let mut filter = Filter::new();
    if parameters.all("in").count() > MOST_FOLDERS {
        return Err(Refusal::bad(format!("a search takes {MOST_FOLDERS} folders at most")));
    }
    for folder in parameters.all("in") {
        filter = filter.folder(folders.find(folder)?).map_err(bad)?;
    }
    if let Some(date) = date(parameters, "after")? {
        filter = filter.after(date).map_err(bad)?;
    }
    if let Some(date) = date(parameters, "before")? {
        filter = filter.before(date).map_err(bad)?;
    }
    let radius = parameters.number("radius")?;
    match parameters.one("near")? {
        _ if radius.is_some_and(|radius| !(0.0..=MOST_RADIUS).contains(&radius)) => {
            return Err(Refusal::bad(format!("`radius` is a number of kilometres from 0 to {MOST_RADIUS}")));
        }
        Some(place) => {
            let (latitude, longitude) = degrees(place)?;
            filter = filter.near(latitude, longitude, radius.unwrap_or(RADIUS)).map_err(bad)?;
        }
        None => {}
    }
    let limit = parameters.whole("n", (1, MOST))?.unwrap_or(USUAL);
    let search = search.filter(filter).limit(limit).all(parameters.is("all")?);
    match parameters.number("min")? {
        None => Ok(search),
        Some(min) if (-1.0..=1.0).contains(&min) => Ok(search.min_score(min as f32)),
        Some(min) => Err(Refusal::bad(format!("`min={min}` is no cosine, which is from -1 to 1"))),
    }
}

/// A date, which the filter reads; spaces around it are not part of one.
fn date<'a>(parameters: &'a Parameters, name: &'static str) -> Result<Option<&'a str>, Refusal> {
    match parameters.one(name)? {
        Some(date) if date.trim() != date => Err(Refusal::bad(format!("`{name}={date}` has spaces around the date"))),
        date => Ok(date),
    }
}

fn degrees(place: &str) -> Result<(f64, f64), Refusal> {
    // Digits alone, so that a pattern can say what is a place.
    let plain = |text: &str| text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = |text: &str| text.parse::<f64>().ok().filter(|_| plain(text));
    let pair = place.split_once(',').and_then(|(latitude, longitude)| Some((number(latitude)?, number(longitude)?)));
    pair.ok_or_else(|| Refusal::bad(format!("`near={place}` is not two numbers, such as 48.85,2.35")))
}
