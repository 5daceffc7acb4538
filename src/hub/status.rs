//! Turns HTTP error statuses into errors with a remedy.
//!
//! `X-Error-Code` and `X-Error-Message` mean what they mean in `huggingface_hub`'s `hf_raise_for_status`.

use std::time::Duration;

use ureq::http::HeaderMap;

use super::error::{Error, printable};
use super::settings::ENDPOINT;

/// What a request is for.
pub(super) struct Target<'a> {
    pub(super) repository: &'a str,
    pub(super) revision: &'a str,
    /// The file; `None` for the file list.
    pub(super) file: Option<&'a str>,
}

/// A failed request.
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) retry: RetryWhen,
    /// The wait that the server requests.
    pub(super) after: Option<Duration>,
}

/// When a retry may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetryWhen {
    Never,
    /// Only after an earlier success: without one the computer has no network, which should be reported at once.
    IfReached,
    Always,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { error, retry: RetryWhen::Never, after: None }
    }
}

/// The server that responded.
pub(super) struct Responder<'a> {
    /// The URL without its query.
    pub(super) url: &'a str,
    /// Whether it is the endpoint itself.
    pub(super) is_endpoint: bool,
    /// Whether it received a token.
    pub(super) had_token: bool,
    /// Whether there is a token that it did not receive, because the connection is not encrypted.
    pub(super) withheld: bool,
}

/// The failure that `status`, an error status, means.
pub(super) fn failure(target: &Target<'_>, from: &Responder<'_>, status: u16, headers: &HeaderMap) -> Failure {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (code, message) = (header("x-error-code"), printable(header("x-error-message")));
    let url = from.url.to_owned();
    let later = |error, after| Failure { error, retry: RetryWhen::Always, after };
    match status {
        // An expired signed URL; another request to the endpoint gives a new one.
        401 | 403 if !from.is_endpoint => {
            let reason = format!("the store behind the hub refuses the download ({status}); try again later");
            later(Error::Denied { url, reason }, None)
        }
        401 | 403 => Error::Denied { url, reason: denied(target, from, status, code, &message) }.into(),
        404 | 410 => Error::NotFound { url, reason: missing(target, code) }.into(),
        429 => {
            let seconds = header("retry-after").trim().parse().ok();
            later(Error::TooManyRequests { url, seconds }, seconds.map(Duration::from_secs))
        }
        408 | 500..=599 => later(Error::Server { url, status }, None),
        _ => Error::Protocol { url, reason: format!("answers with status {status}") }.into(),
    }
}

fn denied(target: &Target<'_>, from: &Responder<'_>, status: u16, code: &str, message: &str) -> String {
    let repository = target.repository;
    if from.withheld {
        return format!(
            "{repository} may need the token ({status}), which is not sent without encryption; check the name, and set \
             HF_ENDPOINT to an https:// address"
        );
    }
    let page = format!("{ENDPOINT}/{repository}");
    let tokens = format!("{ENDPOINT}/settings/tokens");
    if code == "GatedRepo" {
        return match from.had_token {
            false => format!(
                "{repository} is gated ({status}): accept its terms at {page}, then set HF_TOKEN to a token of your \
                 account ({tokens})"
            ),
            true => format!(
                "{repository} is gated ({status}) and the account of your token has no access: accept its terms at \
                 {page}"
            ),
        };
    }
    let invalid = message.to_ascii_lowercase().contains("credentials") || (status == 401 && code != "RepoNotFound");
    match (status, from.had_token) {
        (401, true) if invalid => format!(
            "the token is not accepted (401): set HF_TOKEN to a valid one ({tokens}), or set \
             HF_HUB_DISABLE_IMPLICIT_TOKEN=1 to ask without one"
        ),
        // Without a valid token, Hugging Face does not reveal which of these applies.
        (401, _) => format!(
            "there is no public repository {repository} (401): check the name, and if it is private or gated, set \
             HF_TOKEN to a token that may read it ({tokens})"
        ),
        (_, true) if message.is_empty() => {
            format!("your token may not read {repository} (403): check its permissions at {tokens}")
        }
        (_, true) => {
            format!("your token may not read {repository} (403, \"{message}\"): check its permissions at {tokens}")
        }
        (_, false) => {
            format!("{repository} may not be read without a token (403): see {page} and set HF_TOKEN ({tokens})")
        }
    }
}

fn missing(target: &Target<'_>, code: &str) -> String {
    let Target { repository, revision, file } = target;
    match (code, file) {
        ("RevisionNotFound", _) => format!("{repository} has no revision `{revision}` (404); check the part after @"),
        ("RepoNotFound", _) => format!("there is no repository {repository} (404); check the name"),
        (_, Some(file)) => format!("{repository} has no file {file} at revision {revision} (404)"),
        (_, None) => {
            format!("there is no repository {repository} with a revision `{revision}` (404); check the name")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(status: u16, had_token: bool, is_endpoint: bool, headers: &[(&'static str, &str)]) -> (String, bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let target = Target { repository: "org/repo", revision: "v9", file: None };
        let from = Responder { url: "https://hub.test/x", is_endpoint, had_token, withheld: false };
        let failure = failure(&target, &from, status, &map);
        (failure.error.to_string(), failure.retry == RetryWhen::Always)
    }

    /// Asserts that the message contains all of `parts`, and whether the request is retried.
    #[track_caller]
    fn assert_says(got: (String, bool), retried: bool, parts: &[&str]) {
        assert_eq!(got.1, retried, "{}", got.0);
        for part in parts.iter().chain(&["https://hub.test/x"]) {
            assert!(got.0.contains(part), "{part:?} is not in: {}", got.0);
        }
    }

    #[test]
    fn every_refusal_has_its_own_remedy() {
        let code = |code: &'static str| [("x-error-code", code)];
        assert_says(
            message(401, false, true, &code("GatedRepo")),
            false,
            &["is gated (401)", "accept its terms", "HF_TOKEN"],
        );
        assert_says(message(403, true, true, &code("GatedRepo")), false, &["is gated (403)", "has no access"]);
        assert_says(
            message(401, false, true, &code("RepoNotFound")),
            false,
            &["no public repository org/repo (401)", "HF_TOKEN"],
        );
        assert_says(message(401, true, true, &code("RepoNotFound")), false, &["no public repository org/repo (401)"]);
        assert_says(
            message(401, true, true, &[]),
            false,
            &["token is not accepted (401)", "HF_HUB_DISABLE_IMPLICIT_TOKEN"],
        );
        assert_says(message(403, true, true, &[]), false, &["may not read org/repo (403)"]);
        assert_says(message(403, true, true, &[("x-error-message", "no scope")]), false, &["(403, \"no scope\")"]);
        assert_says(message(403, false, true, &[]), false, &["without a token (403)", "HF_TOKEN"]);
        assert_says(message(404, false, true, &[]), false, &["no repository org/repo with a revision `v9` (404)"]);
        assert_says(message(404, false, true, &code("RepoNotFound")), false, &["no repository org/repo (404)"]);
        assert_says(message(404, false, true, &code("RevisionNotFound")), false, &["no revision `v9` (404)"]);
        assert_says(message(429, false, true, &[]), true, &["too many requests", "(429);"]);
        assert_says(message(429, false, true, &[("retry-after", "7")]), true, &["(429), for another 7 s;"]);
        assert_says(message(503, false, true, &[]), true, &["the server failed (503)"]);
        assert_says(message(418, false, true, &[]), false, &["answers with status 418", "HF_ENDPOINT"]);
        // A store with an expired signature.
        assert_says(message(403, false, false, &[]), true, &["the store behind the hub", "(403)"]);
    }
}
