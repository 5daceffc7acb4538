//! What a status other than success means, in words that say what to do.
//!
//! The meaning of `X-Error-Code` and `X-Error-Message` is that of `huggingface_hub`'s `hf_raise_for_status`.

use std::time::Duration;

use ureq::http::HeaderMap;

use super::error::{Error, printable};
use super::settings::ENDPOINT;

/// What was asked for.
pub(super) struct Asked<'a> {
    pub(super) repository: &'a str,
    pub(super) revision: &'a str,
    /// The file, or the list of all.
    pub(super) file: Option<&'a str>,
}

/// A request that failed.
pub(super) struct Setback {
    pub(super) error: Error,
    pub(super) hope: Hope,
    /// When to ask again, if the server says so.
    pub(super) after: Option<Duration>,
}

/// Whether asking again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hope {
    No,
    /// If it worked before: otherwise this computer has no network, and should say so at once.
    IfReached,
    Yes,
}

impl From<Error> for Setback {
    fn from(error: Error) -> Self {
        Setback { error, hope: Hope::No, after: None }
    }
}

/// Whoever answered.
pub(super) struct Answerer<'a> {
    /// The address without its query.
    pub(super) url: &'a str,
    /// Whether it is the endpoint itself.
    pub(super) is_endpoint: bool,
    /// Whether it was shown a token.
    pub(super) had_token: bool,
}

/// What `status`, which is no success, means.
pub(super) fn refusal(asked: &Asked<'_>, from: &Answerer<'_>, status: u16, headers: &HeaderMap) -> Setback {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (code, message) = (header("x-error-code"), printable(header("x-error-message")));
    let url = from.url.to_owned();
    let later = |error, after| Setback { error, hope: Hope::Yes, after };
    match status {
        // A signed address that expired; asking the endpoint again gives a fresh one.
        401 | 403 if !from.is_endpoint => {
            let reason = format!("the store behind the hub refuses the download ({status}); try again later");
            later(Error::Denied { url, reason }, None)
        }
        401 | 403 => Error::Denied { url, reason: denied(asked, from, status, code, &message) }.into(),
        404 | 410 => Error::NotFound { url, reason: missing(asked, code) }.into(),
        429 => {
            let seconds = header("retry-after").trim().parse().ok();
            later(Error::TooManyRequests { url, seconds }, seconds.map(Duration::from_secs))
        }
        408 | 500..=599 => later(Error::Server { url, status }, None),
        _ => Error::Protocol { url, reason: format!("answers with status {status}") }.into(),
    }
}

fn denied(asked: &Asked<'_>, from: &Answerer<'_>, status: u16, code: &str, message: &str) -> String {
    let repository = asked.repository;
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
        // Hugging Face does not tell strangers which of these it is.
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

fn missing(asked: &Asked<'_>, code: &str) -> String {
    let Asked { repository, revision, file } = asked;
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

    fn said(status: u16, had_token: bool, is_endpoint: bool, headers: &[(&'static str, &str)]) -> (String, bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let asked = Asked { repository: "org/repo", revision: "v9", file: None };
        let from = Answerer { url: "https://hub.test/x", is_endpoint, had_token };
        let setback = refusal(&asked, &from, status, &map);
        (setback.error.to_string(), setback.hope == Hope::Yes)
    }

    /// Asserts all of `parts` in what is said, and whether it is tried again.
    #[track_caller]
    fn says(got: (String, bool), passing: bool, parts: &[&str]) {
        assert_eq!(got.1, passing, "{}", got.0);
        for part in parts.iter().chain(&["https://hub.test/x"]) {
            assert!(got.0.contains(part), "{part:?} is not in: {}", got.0);
        }
    }

    #[test]
    fn every_no_has_its_own_remedy() {
        let code = |code: &'static str| [("x-error-code", code)];
        says(said(401, false, true, &code("GatedRepo")), false, &["is gated (401)", "accept its terms", "HF_TOKEN"]);
        says(said(403, true, true, &code("GatedRepo")), false, &["is gated (403)", "has no access"]);
        says(
            said(401, false, true, &code("RepoNotFound")),
            false,
            &["no public repository org/repo (401)", "HF_TOKEN"],
        );
        says(said(401, true, true, &code("RepoNotFound")), false, &["no public repository org/repo (401)"]);
        says(said(401, true, true, &[]), false, &["token is not accepted (401)", "HF_HUB_DISABLE_IMPLICIT_TOKEN"]);
        says(said(403, true, true, &[]), false, &["may not read org/repo (403)"]);
        says(said(403, true, true, &[("x-error-message", "no scope")]), false, &["(403, \"no scope\")"]);
        says(said(403, false, true, &[]), false, &["without a token (403)", "HF_TOKEN"]);
        says(said(404, false, true, &[]), false, &["no repository org/repo with a revision `v9` (404)"]);
        says(said(404, false, true, &code("RepoNotFound")), false, &["no repository org/repo (404)"]);
        says(said(404, false, true, &code("RevisionNotFound")), false, &["no revision `v9` (404)"]);
        says(said(429, false, true, &[]), true, &["too many requests", "(429);"]);
        says(said(429, false, true, &[("retry-after", "7")]), true, &["(429), for another 7 s;"]);
        says(said(503, false, true, &[]), true, &["the server failed (503)"]);
        says(said(418, false, true, &[]), false, &["answers with status 418", "HF_ENDPOINT"]);
        // A store whose signatures expired.
        says(said(403, false, false, &[]), true, &["the store behind the hub", "(403)"]);
    }
}
