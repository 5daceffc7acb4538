//! Why a request is not answered: a status and a sentence, which each dialect puts in its own words' form.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::{Error, ErrorKind};

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub status: StatusCode,
    /// For the one who sent the request: never a path of this machine.
    pub message: String,
    /// The part of the request that it is about, such as `input[1]`.
    pub param: Option<String>,
}

/// The sentence of a refusal, beside its answer: for the log.
#[derive(Clone, Debug)]
pub(super) struct Reason(pub String);

/// Makes text of a request fit for the log and for messages: no control characters, at most 300 characters.
pub(super) fn printable(text: &str) -> String {
    const MAX_CHARS: usize = 300;
    let mut shown: String = text.chars().take(MAX_CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

impl Refusal {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Refusal {
        Refusal { status, message: message.into(), param: None }
    }

    /// A request that makes no sense.
    pub fn bad(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, message)
    }

    /// More work than is taken.
    pub fn busy(what: &str) -> Refusal {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, format!("the server is busy: {what}; try again"))
    }

    /// Something failed that the request did not cause. The reason goes to the log.
    pub fn internal(reason: impl std::fmt::Display) -> Refusal {
        tracing::error!("a request failed: {reason}");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; its log says why")
    }

    /// An input that the engine did not encode.
    pub fn of_input(error: &Error) -> Refusal {
        match error.kind() {
            ErrorKind::Image | ErrorKind::Text => Refusal::bad(error.to_string()),
            ErrorKind::Memory => Refusal::busy("it has no memory left"),
            _ => Refusal::internal(error),
        }
    }

    /// The same about a part of the request, such as `input[1]`, which its sentence begins with.
    pub fn at(self, param: String) -> Refusal {
        Refusal { message: format!("{param}: {}", self.message), param: Some(param), ..self }
    }

    /// The status in a word, for programs.
    fn kind(&self) -> &'static str {
        match self.status.as_u16() {
            400 => "request",
            401 => "token",
            403 | 421 => "site",
            404 => "missing",
            405 => "method",
            408 => "timeout",
            413 => "too_large",
            415 => "media_type",
            416 => "range",
            422 => "unusable",
            501 => "unsupported",
            503 => "busy",
            _ => "internal",
        }
    }

    /// An answer with this body, and the headers that belong to the status.
    pub fn response(&self, content_type: &'static str, body: String) -> Response {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        response.extensions_mut().insert(Reason(self.message.clone()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"clippie-rs\", charset=\"UTF-8\""));
        }
        response
    }
}

/// OpenAI's form, which is that of all answers but Immich's: `{"error": {"message": "…", …}}`. `kind` is the status in a word.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let kind = match self.status {
            StatusCode::UNAUTHORIZED => "authentication_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        let error = json!({
            "message": self.message, "type": kind, "param": self.param, "code": null, "kind": self.kind(),
        });
        self.response("application/json", json!({ "error": error }).to_string())
    }
}
