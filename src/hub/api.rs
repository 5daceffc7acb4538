//! Queries the hub: the files, commit and license of a repository; the size and checksum of a file.

use serde::Deserialize;
use serde_json::Value;

use super::checksum::Checksum;
use super::error::{Error, printable};
use super::http::{Client, Method, Retries};
use super::name::ModelName;
use super::progress::Reporter;
use super::status::Target;
use super::url::{Url, escape};
use crate::bounded_json;

/// Maximum length of a file list in bytes.
const MAX_LIST: u64 = 16 << 20;

/// What a file is for, which limits its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Checkpoint,
    Configuration,
    /// A vocabulary, which is not fetched if it is too large to be CLIP's.
    Vocabulary,
}

impl Purpose {
    /// Maximum size in bytes; published configurations have a few kilobytes.
    fn limit(self) -> u64 {
        match self {
            Purpose::Checkpoint | Purpose::Vocabulary => 200_000_000_000,
            Purpose::Configuration => 16 << 20,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Purpose::Checkpoint => "checkpoint",
            Purpose::Configuration => "configuration",
            Purpose::Vocabulary => "vocabulary",
        }
    }
}
/// Maximum length of a license name.
const MAX_LICENSE: usize = 60;

/// The default revision.
pub(super) const MAIN: &str = "main";

/// A repository at one commit.
#[derive(Debug)]
pub(super) struct Repository {
    /// 40 hexadecimal digits.
    pub(super) commit: String,
    /// Names of all files, unchecked.
    pub(super) files: Vec<String>,
    pub(super) license: Option<String>,
}

/// A file of a repository.
#[derive(Clone, Debug)]
pub(super) struct RemoteFile {
    /// Where it is: `owner/name`, and the commit.
    pub(super) repository: String,
    pub(super) commit: String,
    pub(super) name: String,
    pub(super) url: Url,
    pub(super) size: u64,
    pub(super) checksum: Option<Checksum>,
}

#[derive(Deserialize)]
struct List {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
    #[serde(default, rename = "cardData", deserialize_with = "bounded_json::value")]
    card: Value,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

/// Lists the files of a repository at one commit.
pub(super) fn repository(
    client: &Client,
    name: &ModelName,
    retries: &mut Retries,
    reporter: &mut Reporter<'_>,
) -> Result<Repository, Error> {
    let (repository, revision) = (name.repository(), name.revision().unwrap_or(MAIN));
    let url = client.endpoint().with(&format!("api/models/{repository}/revision/{}", escape(revision)));
    let target = Target { repository, revision, file: None };
    let text = client.read(&url, &target, MAX_LIST, retries, reporter)?;
    list_of_files(&url, &text)
}

/// Parses the answer with the list of files.
pub(super) fn list_of_files(url: &Url, text: &[u8]) -> Result<Repository, Error> {
    let malformed = |reason: String| Error::Protocol { url: url.to_string(), reason };
    // The parser limits nesting to 128.
    let list: List = serde_json::from_slice(text)
        .map_err(|error| malformed(format!("answers with no list of files ({})", printable(&error.to_string()))))?;
    if !is_commit(&list.sha) {
        return Err(malformed(format!("answers with `{}` in place of a commit", printable(&list.sha))));
    }
    let license = license(&list.card);
    let files = list.siblings.into_iter().map(|sibling| sibling.rfilename).collect();
    Ok(Repository { commit: list.sha, files, license })
}

/// Requests size and checksum of a file at a commit.
pub(super) fn file(
    client: &Client,
    name: &ModelName,
    commit: &str,
    (file, purpose): (&str, Purpose),
    retries: &mut Retries,
    reporter: &mut Reporter<'_>,
) -> Result<RemoteFile, Error> {
    let repository = name.repository();
    let url = client.endpoint().with(&format!("{repository}/resolve/{commit}/{}", escape(file)));
    let target = Target { repository, revision: commit, file: Some(file) };
    let response = client.request(Method::Head, &url, &target, retries, reporter)?;
    let malformed = |reason: String| Err(Error::Protocol { url: response.url.clone(), reason });
    if let Some(other) = response.file_headers.commit.as_deref().filter(|other| *other != commit) {
        return malformed(format!("answers for commit {} instead of {commit}", printable(other)));
    }
    match response.file_headers.size {
        None => malformed("does not say how large the file is".into()),
        Some(size) if size > purpose.limit() => {
            malformed(format!("says that {file} has {size} bytes, which no {} has", purpose.name()))
        }
        Some(size) => Ok(RemoteFile {
            repository: repository.to_owned(),
            commit: commit.to_owned(),
            name: file.to_owned(),
            url,
            size,
            checksum: response.file_headers.checksum,
        }),
    }
}

/// Whether `text` is a full commit hash.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The license of a model card. A license without identifier on Hugging Face is `other` with a `license_name`.
fn license(card: &Value) -> Option<String> {
    let text = |field: &str| card.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let license = match text("license") {
        Some("other") => text("license_name").unwrap_or("other"),
        license => license?,
    };
    Some(printable(license).chars().take(MAX_LICENSE).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn licenses_come_from_the_card() {
        assert_eq!(license(&json!({"license": "mit"})).as_deref(), Some("mit"));
        let apple = json!({"license": "other", "license_name": "apple-amlr", "license_link": "LICENSE"});
        assert_eq!(license(&apple).as_deref(), Some("apple-amlr"));
        assert_eq!(license(&json!({"license": "other"})).as_deref(), Some("other"));
        for none in [json!(null), json!({}), json!({"license": ["mit"]}), json!({"license": ""}), json!("mit")] {
            assert_eq!(license(&none), None, "{none}");
        }
        assert_eq!(license(&json!({"license": "x\u{1b}[31m"})).as_deref(), Some("x\u{fffd}[31m"));
    }

    #[test]
    fn commits_are_full_hashes() {
        assert!(is_commit("0123456789abcdef0123456789ABCDEF01234567"));
        for no in ["main", "", "0123456", "../../../../../../../../../../etc/passwd0", &"g".repeat(40)] {
            assert!(!is_commit(no), "{no}");
        }
    }
}
