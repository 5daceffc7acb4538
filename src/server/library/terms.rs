//! The terms of a posted search: numbers of photos, sentences and uploaded photos, with weights.
//!
//! The body is `multipart/form-data` with photos as `photo` and, optionally, a JSON array as `terms`:
//! `[{"id": 5}, {"text": "snow", "weight": 0.5}, {"photo": 0, "weight": -1}]`. Without it, every photo is a term of weight 1.

use axum::http::StatusCode;
use serde::Deserialize;

use super::super::encode::metadata;
use super::super::refusal::Refusal;
use super::unusable;
use crate::library::{Term, What};
use crate::photo;

/// Most terms of a search, and most photos.
pub(super) const MOST_TERMS: usize = 64;
pub(super) const MOST_PHOTOS: usize = 8;

/// Most characters of a sentence, or of all words of a query.
pub(super) const MOST_WORDS: usize = 2000;

/// Most bytes of the part `terms`: all terms with sentences of a thousand characters.
const MOST_BYTES: usize = 64 << 10;

/// A term as a request spells it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spelt {
    id: Option<i64>,
    text: Option<String>,
    /// Which of the photos of the request, from 0.
    photo: Option<usize>,
    weight: Option<f64>,
}

/// The terms of the fields of a form with their bytes; photos beyond the limits are refused before they are decoded.
pub(super) fn terms<'a>(
    fields: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    limits: &photo::Limits,
) -> Result<Vec<Term>, Refusal> {
    let mut photos: Vec<&[u8]> = Vec::new();
    let mut spelt: Option<Vec<Spelt>> = None;
    for (name, bytes) in fields {
        match name {
            "photo" if photos.len() == MOST_PHOTOS => {
                return Err(unusable(format!("a search takes {MOST_PHOTOS} photos at most")));
            }
            "photo" => photos.push(bytes),
            "terms" if spelt.is_some() => return Err(Refusal::bad("the part `terms` is there twice")),
            "terms" if bytes.len() > MOST_BYTES => {
                return Err(Refusal::bad(format!("the part `terms` has more than {MOST_BYTES} bytes")));
            }
            "terms" => {
                let read = serde_json::from_slice(bytes);
                spelt =
                    Some(read.map_err(|error| Refusal::bad(format!("the part `terms` is not as described: {error}")))?);
            }
            name => return Err(Refusal::bad(format!("there is no part `{name}`; `photo` and `terms` are known here"))),
        }
    }
    for (number, bytes) in photos.iter().enumerate() {
        check(bytes, number, limits)?;
    }
    let all = || {
        let one = |photo| Spelt { id: None, text: None, photo: Some(photo), weight: None };
        (0..photos.len()).map(one).collect()
    };
    let spelt = spelt.unwrap_or_else(all);
    if spelt.len() > MOST_TERMS {
        return Err(unusable(format!("a search takes {MOST_TERMS} terms at most")));
    }
    let mut used = vec![false; photos.len()];
    let terms = spelt
        .into_iter()
        .enumerate()
        .map(|(at, spelt)| term(at, spelt, &photos, &mut used))
        .collect::<Result<_, _>>()?;
    match used.iter().position(|used| !used) {
        Some(number) => {
            Err(unusable(format!("no term names photo {number}; leave it out, or add {{\"photo\": {number}}}")))
        }
        None => Ok(terms),
    }
}

/// The term at a place of the list, which errors name.
fn term(at: usize, spelt: Spelt, photos: &[&[u8]], used: &mut [bool]) -> Result<Term, Refusal> {
    let weight = spelt.weight.unwrap_or(1.0);
    if !WEIGHTS.contains(&weight.abs()) {
        return Err(Refusal::bad(format!(
            "the weight of terms[{at}] is to be a number from 0.001 to 1000, or from -1000 to -0.001"
        )));
    }
    let what = match (spelt.id, spelt.text, spelt.photo) {
        (Some(id), None, None) if id > 0 => What::Known(id),
        (None, Some(text), None) if text.chars().count() > MOST_WORDS => {
            return Err(Refusal::bad(format!("the text of terms[{at}] has more than {MOST_WORDS} characters")));
        }
        (None, Some(text), None) if !text.trim().is_empty() => What::Text(text.trim().to_owned()),
        (None, None, Some(number)) => {
            let Some(bytes) = photos.get(number) else {
                let has = match photos.len() {
                    0 => "no field `photo`".to_owned(),
                    count => format!("photos 0 to {}", count - 1),
                };
                return Err(unusable(format!("terms[{at}] names photo {number}; the request has {has}")));
            };
            // Each would have the bytes of the photo again.
            if std::mem::replace(&mut used[number], true) {
                return Err(unusable(format!("two terms name photo {number}; add their weights")));
            }
            What::PhotoBytes(bytes.to_vec(), called(number))
        }
        _ => {
            let message = format!("terms[{at}] is to have one of `id` (from 1), `text` (not empty) and `photo`");
            return Err(Refusal::bad(message));
        }
    };
    Ok(Term { weight: weight as f32, what })
}

/// Weights without their sign: beyond these, the other terms are lost.
const WEIGHTS: std::ops::RangeInclusive<f64> = 0.001..=1000.0;

/// What messages call an uploaded photo.
fn called(number: usize) -> String {
    format!("photo {number} of the request")
}

/// Refuses what is no photo, or too large a one.
fn check(bytes: &[u8], number: usize, limits: &photo::Limits) -> Result<(), Refusal> {
    metadata(bytes, limits, &called(number)).map(drop).map_err(|refusal| match refusal.status {
        StatusCode::BAD_REQUEST => unusable(refusal.message),
        _ => refusal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawing() -> Vec<u8> {
        std::fs::read("examples/drawings/01.png").unwrap()
    }

    fn of(json: &str, photos: usize) -> Result<Vec<Term>, Refusal> {
        let drawing = drawing();
        let photos = (0..photos).map(|_| ("photo", drawing.as_slice()));
        terms(photos.chain([("terms", json.as_bytes())]), &photo::Limits::new())
    }

    #[test]
    fn terms_have_signs_and_weights() {
        let terms = of(r#"[{"id": 5}, {"text": " snow ", "weight": 0.5}, {"photo": 0, "weight": -1}]"#, 1).unwrap();
        let shown: Vec<(f32, What)> = terms.into_iter().map(|term| (term.weight, term.what)).collect();
        let photo = What::PhotoBytes(drawing(), "photo 0 of the request".into());
        assert_eq!(shown, [(1.0, What::Known(5)), (0.5, What::Text("snow".into())), (-1.0, photo)]);
        let alone = super::terms([("photo", drawing().as_slice())], &photo::Limits::new()).unwrap();
        assert!(matches!(&alone[..], [Term { weight: 1.0, what: What::PhotoBytes(..) }]));
        assert!(super::terms([], &photo::Limits::new()).unwrap().is_empty());
    }

    #[test]
    fn malformed_terms_are_refused() {
        for (json, photos, reason) in [
            ("{}", 0, "not as described"),
            ("[{}]", 0, "one of"),
            (r#"[{"id": 1, "text": "a"}]"#, 0, "one of"),
            (r#"[{"text": " "}]"#, 0, "one of"),
            (r#"[{"id": 1.5}]"#, 0, "not as described"),
            (r#"[{"id": 1, "path": "/etc/passwd"}]"#, 0, "unknown field"),
            (r#"[{"id": 1, "weight": 0}]"#, 0, "0.001 to 1000"),
            (r#"[{"id": 1, "weight": 1e300}]"#, 0, "0.001 to 1000"),
            (r#"[{"photo": 1}]"#, 1, "terms[0] names photo 1; the request has photos 0 to 0"),
            (r#"[{"id": 1}, {"photo": 3}]"#, 0, "terms[1] names photo 3; the request has no field `photo`"),
            (r#"[{"photo": -1}]"#, 1, "not as described"),
            ("[]", 1, "no term names photo 0"),
            (r#"[{"photo": 0}, {"photo": 0}]"#, 1, "two terms name photo 0"),
            (&format!("[{{\"text\": \"{}\"}}]", "a".repeat(2001)), 0, "2000 characters"),
            (&" ".repeat((64 << 10) + 1), 0, "65536 bytes"),
            (&format!("[{}{{}}]", "{},".repeat(30_000)), 0, "65536 bytes"),
            (&format!("[{}]", vec!["{\"id\": 1}"; 65].join(",")), 0, "64 terms at most"),
            ("[]", 9, "8 photos at most"),
        ] {
            let error = of(json, photos).unwrap_err();
            assert!(
                error.message.contains(reason) && [400, 422].contains(&error.status.as_u16()),
                "{json}: {}",
                error.message
            );
        }
        let refused = |name: &str, bytes: &[u8], most| {
            super::terms([(name, bytes)], &photo::Limits::new().pixels(most)).unwrap_err()
        };
        assert!(refused("path", b"", 1).message.contains("no part `path`"));
        assert!(refused("photo", b"GIF", 1).message.contains("photo 0 of the request"));
        assert_eq!(refused("photo", &drawing(), 100).status.as_u16(), 413);
    }
}
