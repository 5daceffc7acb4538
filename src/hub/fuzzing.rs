//! What a hub answers, for the fuzz targets: lists of files, redirects, checksums, ranges, names.

use super::api::list_of_files;
use super::checksum::Checksum;
use super::download::content_range;
use super::layout::choose;
use super::name::ModelName;
use super::url::Url;

/// Reads `answer` as each kind of answer.
pub fn answer(answer: &[u8]) {
    let Ok(base) = Url::parse("https://hub.example/api/models/a/b") else { return };
    let text = String::from_utf8_lossy(answer);
    if let (Ok(list), Ok(name)) = (list_of_files(&base, answer), "hf-hub:a/b".parse::<ModelName>())
        && let Ok(files) = choose(&name, &list.files)
    {
        // What is fetched becomes a file of this name.
        for name in files.configs.iter().chain([&files.checkpoint]) {
            assert!(!name.contains(['/', '\\', ':', '\0']) && !name.starts_with('.'), "{name:?}");
        }
    }
    if let Ok(url) = base.join(&text) {
        assert_eq!(Url::parse(&url.full()).map(|again| again.full()), Ok(url.full()));
    }
    if let Some(checksum) = Checksum::from_etag(&text) {
        assert!(checksum.digits().bytes().all(|digit| digit.is_ascii_hexdigit()));
    }
    let _ = content_range(&text);
    if let Ok(name) = text.parse::<ModelName>() {
        assert_eq!(name.to_string().parse::<ModelName>().as_ref(), Ok(&name));
    }
}
