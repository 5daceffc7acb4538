//! Photos and texts to rows, off the thread of the connections.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::http::StatusCode;
use ndarray::Array3;
use tokio::task::JoinSet;

use super::batch::Row;
use super::models::{Served, Text};
use super::refusal::Refusal;
use super::state::Server;
use super::work::blocking;
use crate::photo;

/// Most bytes of a text. A model reads some hundred of them, but all are cleaned.
const MAX_TEXT: usize = 1 << 20;

/// Texts of one request that wait for their model at the same time: two passes, so that it is never idle between them.
const TOGETHER: usize = 64;

/// The row of a photo, and its size as stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Photo {
    pub row: Row,
    pub width: usize,
    pub height: usize,
}

/// Encodes a photo. `bytes` may be the body of a request, or a part of it.
pub(super) async fn photo<B>(server: &Server, model: &Arc<Served>, bytes: B) -> Result<Photo, Refusal>
where
    B: AsRef<[u8]> + Send + 'static,
{
    let _used = model.used();
    let turn = Arc::clone(&server.decoders).acquire_owned().await.map_err(Refusal::internal)?;
    let (clip, limits) = (model.clip.clone(), server.limits.photo);
    let prepared = blocking(move || {
        // A photo that nobody waits for any more is still decoded to its end, and counts as long.
        let _turn = turn;
        prepare(&clip, bytes.as_ref(), &limits)
    });
    let (pixels, width, height) = prepared.await??;
    let mut rows = model.photos.encode([pixels]).await?;
    let row = rows.pop().ok_or_else(|| Refusal::internal("a photo has no row"))?;
    Ok(Photo { row, width, height })
}

/// Encodes photos of one request, in order; decodes as many at the same time as there are cores. Each comes with its
/// place in the field `input`.
pub(super) async fn photos(
    server: &Arc<Server>,
    model: &Arc<Served>,
    photos: Vec<(usize, Vec<u8>)>,
) -> Result<Vec<Photo>, Refusal> {
    let mut encoded = vec![None; photos.len()];
    let mut running = JoinSet::new();
    let mut waiting = photos.into_iter().enumerate();
    loop {
        // Twice the cores: one photo is decoded while another one is in the tower.
        while running.len() < 2 * super::state::cores() {
            let Some((index, (place, bytes))) = waiting.next() else { break };
            let (server, model) = (Arc::clone(server), Arc::clone(model));
            running.spawn(async move { (index, place, photo(&server, &model, bytes).await) });
        }
        let Some(done) = running.join_next().await else { break };
        let (index, place, result) = done.map_err(Refusal::internal)?;
        encoded[index] = Some(result.map_err(|refusal| match refusal.status.is_client_error() {
            true => refusal.at(format!("input[{place}]")),
            false => refusal,
        })?);
    }
    encoded.into_iter().map(|photo| photo.ok_or_else(|| Refusal::internal("a photo was left out"))).collect()
}

/// Refuses a text that is too long to be cleaned.
pub(super) fn check_text(text: &str) -> Result<(), Refusal> {
    match text.len() {
        length if length > MAX_TEXT => {
            Err(Refusal::bad(format!("a text has {length} bytes; at most {MAX_TEXT} are read")))
        }
        _ => Ok(()),
    }
}

/// Encodes texts, in order. What the cache knows is not encoded again.
pub(super) async fn texts(
    server: &Server,
    model: &Arc<Served>,
    texts: Vec<String>,
    language: Option<Arc<str>>,
) -> Result<Vec<Row>, Refusal> {
    texts.iter().try_for_each(|text| check_text(text))?;
    let _used = model.used();
    let encoder = match &language {
        Some(language) => &model.clip.text().with_language(language).map_err(|error| Refusal::of_input(&error))?,
        None => model.clip.text(),
    };
    let known = |text: &String| server.cache.get(encoder.fingerprint(), &encoder.cached_as(text));
    let mut rows: Vec<Option<Row>> = texts.iter().map(known).collect();
    // Of a text that is there again, only the first is encoded.
    let mut first = HashMap::new();
    let firsts: Vec<usize> =
        texts.iter().enumerate().map(|(place, text)| *first.entry(text).or_insert(place)).collect();
    let missing: Vec<usize> =
        (0..rows.len()).filter(|&place| rows[place].is_none() && firsts[place] == place).collect();
    server.metrics.cache_hits.fetch_add((rows.len() - missing.len()) as u64, Ordering::Relaxed);
    server.metrics.cache_misses.fetch_add(missing.len() as u64, Ordering::Relaxed);
    let mut texts = texts;
    // A few at a time, so that a request of many does not keep the others waiting.
    for places in missing.chunks(TOGETHER) {
        let taken = places.iter().map(|&place| std::mem::take(&mut texts[place]));
        let inputs: Vec<Text> = taken.map(|text| Text { text, language: language.clone() }).collect();
        for (&place, row) in places.iter().zip(model.texts.encode(inputs).await?) {
            rows[place] = Some(row);
        }
    }
    let row = |&first: &usize| rows[first].clone().ok_or_else(|| Refusal::internal("a text was left out"));
    firsts.iter().map(row).collect()
}

/// Decodes a photo to the pixels that the tower takes, with its size as stored.
fn prepare(
    clip: &crate::clip::Clip,
    bytes: &[u8],
    limits: &photo::Limits,
) -> Result<(Array3<f32>, usize, usize), Refusal> {
    let metadata = metadata(bytes, limits, "the photo")?;
    let pixels = clip.image().preprocess_image(bytes).map_err(|error| Refusal::of_input(&error))?;
    Ok((pixels, metadata.width, metadata.height))
}

/// Reads what a photo says of itself. One that is too large is refused before it is decoded.
pub(super) fn metadata(bytes: &[u8], limits: &photo::Limits, name: &str) -> Result<photo::Metadata, Refusal> {
    photo::metadata_within(bytes, limits, name).map_err(|error| match error {
        photo::Error::TooManyPixels { .. } | photo::Error::TooManyBytes { .. } => {
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
        }
        _ => Refusal::bad(error.to_string()),
    })
}
