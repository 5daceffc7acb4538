//! Bodies of requests, for the fuzz targets: forms, what Immich asks for, and what OpenAI's clients ask for.

use super::{immich, multipart, openai};

/// Reads `body` as each kind of body.
pub fn request(body: &[u8]) {
    for kind in ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded"] {
        for field in multipart::fields(kind, body).into_iter().flatten().flatten() {
            let content = field.content.bytes(body);
            assert!(content.len() <= body.len());
            immich::read_entries(content);
        }
    }
    let _ = multipart::fields(&String::from_utf8_lossy(body), body);
    immich::read_entries(body);
    openai::read(body);
}
