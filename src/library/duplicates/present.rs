//! Which files of a content are there now. Only those of groups are looked at.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
#[cfg(not(unix))]
use std::path::PathBuf;

use super::super::store::FoundFile;
use super::material::Content;

/// Looks at files, each content's once.
pub(super) struct Present<'a> {
    contents: &'a [Content],
    known: HashMap<usize, Vec<usize>>,
    absent: usize,
    changed: usize,
}

impl<'a> Present<'a> {
    pub fn new(contents: &'a [Content]) -> Self {
        Present { contents, known: HashMap::new(), absent: 0, changed: 0 }
    }

    /// All files of a content.
    pub fn all(&self, content: usize) -> &'a [FoundFile] {
        &self.contents[content].files
    }

    /// The files of a content that are there with the size that they had, as places among all of its files, in order. Of
    /// several names of one file, there is one: a name that leads through no link if there is one, else the first.
    pub fn files(&mut self, content: usize) -> &[usize] {
        let (absent, changed) = (&mut self.absent, &mut self.changed);
        let files = &self.contents[content].files;
        self.known.entry(content).or_insert_with(|| {
            // The place and whether the name is a real one, by identity.
            let mut found: HashMap<Identity, (usize, bool)> = HashMap::new();
            for (place, file) in files.iter().enumerate() {
                let Some((identity, bytes)) = identity(&file.path) else {
                    *absent += 1;
                    continue;
                };
                if bytes != file.bytes {
                    *changed += 1;
                    continue;
                }
                let real = fs::canonicalize(&file.path).is_ok_and(|real| real == file.path);
                let best = found.entry(identity).or_insert((place, real));
                if real && !best.1 {
                    *best = (place, real);
                }
            }
            let mut places: Vec<usize> = found.into_values().map(|(place, _)| place).collect();
            places.sort_unstable();
            places
        })
    }

    /// Whether one of these contents has no file. Then it is known, and left out of the next groups.
    pub fn any_gone(&mut self, contents: impl Iterator<Item = usize>) -> bool {
        // All of them are looked at, so that one more round is enough.
        contents.filter(|&content| self.files(content).is_empty()).count() > 0
    }

    /// Whether a content is known to have no file.
    pub fn is_gone(&self, content: usize) -> bool {
        self.known.get(&content).is_some_and(Vec::is_empty)
    }

    /// Says how many files were left out.
    pub fn warn(&self) {
        let files = |count| if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        if self.absent > 0 {
            let (files, they) = (files(self.absent), if self.absent == 1 { "it is" } else { "they are" });
            tracing::warn!("{files} left out of the groups: {they} not where the library knows them; index again");
        }
        if self.changed > 0 {
            let (files, they) = (files(self.changed), if self.changed == 1 { "it has" } else { "they have" });
            tracing::warn!("{files} left out of the groups: {they} changed since they were indexed; index again");
        }
    }
}

/// The same for all names of a file.
#[derive(PartialEq, Eq, Hash)]
struct Identity(#[cfg(unix)] (u64, u64), #[cfg(not(unix))] PathBuf);

/// The identity of a file and its size; `None` if there is none.
fn identity(path: &Path) -> Option<(Identity, u64)> {
    let data = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    #[cfg(unix)]
    let identity = {
        use std::os::unix::fs::MetadataExt;
        (data.dev(), data.ino())
    };
    #[cfg(not(unix))]
    let identity: PathBuf = fs::canonicalize(path).ok()?;
    Some((Identity(identity), data.len()))
}
