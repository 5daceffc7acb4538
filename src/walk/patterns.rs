//! Patterns that exclude files and folders: those of the caller, and those of ignore files in the folders.
//!
//! Both have the syntax of `.gitignore`.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::files::open_regular;

/// Ignore files with patterns, from weak to strong: the last match decides. Git's, that of ripgrep and fd, PhotoPrism's.
const PATTERN_FILES: [&str; 3] = [".gitignore", ".ignore", ".ppignore"];
/// Files that say that the photos of their folder and its subfolders are not to be shown: Android's and Nextcloud's.
const MARKERS: [&str; 2] = [".nomedia", ".noimage"];
/// Largest ignore file that is read.
const MAX_FILE: u64 = 1 << 20;

/// A pattern that cannot be used.
#[derive(Clone, Debug)]
pub struct PatternError {
    pattern: String,
    reason: String,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a pattern of files: {}; put a backslash before a character that has no special meaning",
            self.pattern, self.reason
        )
    }
}

impl std::error::Error for PatternError {}

impl PatternError {
    /// The pattern.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }
}

/// The patterns of a caller, which hold for all folders.
#[derive(Clone, Debug)]
pub(super) struct Patterns {
    builder: GitignoreBuilder,
    matcher: Gitignore,
}

impl Patterns {
    pub fn new() -> Self {
        let mut builder = GitignoreBuilder::new("");
        // Git takes `[a` as a name, which is hardly what the caller of this one pattern means.
        builder.allow_unclosed_class(false);
        Patterns { builder, matcher: Gitignore::empty() }
    }

    /// Adds patterns. A later one takes precedence.
    pub fn add<S: AsRef<str>>(&mut self, patterns: impl IntoIterator<Item = S>) -> Result<(), PatternError> {
        let mut last = String::new();
        let fail =
            |pattern: &str, error: &ignore::Error| PatternError { pattern: pattern.to_owned(), reason: reason(error) };
        for pattern in patterns {
            let pattern = pattern.as_ref();
            // Only files have comments.
            let comment = pattern.starts_with('#').then(|| format!("\\{pattern}"));
            self.builder
                .add_line(None, comment.as_deref().unwrap_or(pattern))
                .map_err(|error| fail(pattern, &error))?;
            last.replace_range(.., pattern);
        }
        self.matcher = self.builder.build().map_err(|error| fail(&last, &error))?;
        Ok(())
    }

    /// Whether a path relative to the walked folder is excluded.
    pub fn exclude(&self, relative: &Path, is_dir: bool) -> bool {
        self.matcher.matched(relative, is_dir).is_ignore()
    }
}

/// The patterns of the ignore files in the folders from the walked one to the current one.
#[derive(Default)]
pub(super) struct IgnoreFiles {
    /// The depth of each folder that has patterns, and its patterns.
    folders: Vec<(usize, Gitignore)>,
}

impl IgnoreFiles {
    /// Whether an ignore file excludes `path`, at this depth below the walked folder. Call it in the order of the walk.
    pub fn exclude(&mut self, path: &Path, depth: usize, is_dir: bool) -> bool {
        while self.folders.last().is_some_and(|(folder, _)| *folder >= depth) {
            self.folders.pop();
        }
        for (folder, matcher) in self.folders.iter().rev() {
            let found = matcher.matched(below(path, depth - folder), is_dir);
            if !found.is_none() {
                return found.is_ignore();
            }
        }
        false
    }

    /// Reads the ignore files of `folder`, which is at this depth.
    pub fn enter(&mut self, folder: &Path, depth: usize) {
        let mut builder = GitignoreBuilder::new("");
        for name in PATTERN_FILES {
            let path = folder.join(name);
            match read(&path) {
                Ok(text) => add_lines(&mut builder, &path, &text),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => tracing::warn!("cannot read {}, so its patterns have no effect: {error}", path.display()),
            }
        }
        match builder.build() {
            Ok(matcher) if matcher.is_empty() => {}
            Ok(matcher) => self.folders.push((depth, matcher)),
            Err(error) => {
                tracing::warn!("the ignore files of {} have no effect: {}", folder.display(), reason(&error));
            }
        }
    }
}

/// Whether `folder` has a file that says that its photos are not to be shown.
pub(super) fn is_marked(folder: &Path) -> bool {
    MARKERS.iter().any(|marker| folder.join(marker).symlink_metadata().is_ok())
}

/// The last `names` names of a path.
pub(super) fn below(path: &Path, names: usize) -> &Path {
    let above = path.ancestors().nth(names);
    above.and_then(|above| path.strip_prefix(above).ok()).unwrap_or(path)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    open_regular(path)?.take(MAX_FILE + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 1 MiB"));
    }
    Ok(text)
}

fn add_lines(builder: &mut GitignoreBuilder, path: &Path, text: &[u8]) {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let added = match std::str::from_utf8(line) {
            Ok(line) => builder.add_line(None, line.trim_end_matches('\r')).map(|_| ()).map_err(|error| reason(&error)),
            Err(_) => Err("it is not UTF-8".to_owned()),
        };
        if let Err(reason) = added {
            tracing::warn!("line {} of {} has no effect: {reason}", number + 1, path.display());
        }
    }
}

/// The reason alone, without the pattern.
fn reason(error: &ignore::Error) -> String {
    match error {
        ignore::Error::Glob { err, .. } => err.clone(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_gits_syntax() {
        for (pattern, path, is_dir, expected) in [
            ("*.png", "a/b.png", false, true),
            ("*.png", "a/b.PNG", false, false),
            ("raw", "a/raw", true, true),
            ("raw", "a/raw", false, true),
            ("raw/", "a/raw", false, false),
            ("raw/", "a/raw", true, true),
            ("/raw", "a/raw", true, false),
            ("/raw", "raw", true, true),
            ("a/*.png", "a/b.png", false, true),
            ("a/*.png", "x/a/b.png", false, false),
            ("**/a/*.png", "x/a/b.png", false, true),
            ("a/**", "a/b/c.png", false, true),
            ("20[01]?", "2009", true, true),
            ("*.{png,gif}", "b.gif", false, true),
            ("\\[a].png", "[a].png", false, true),
            ("#a.png", "b/#a.png", false, true),
            ("#a.png", "a.png", false, false),
            ("\\#a.png", "b/#a.png", false, true),
            ("#a/", "b/#a", true, true),
            ("#a/", "b/#a", false, false),
        ] {
            let mut patterns = Patterns::new();
            patterns.add([pattern]).unwrap();
            assert_eq!(patterns.exclude(Path::new(path), is_dir), expected, "{pattern} {path}");
        }
        let mut patterns = Patterns::new();
        patterns.add(["*.png", "!keep.png"]).unwrap();
        assert!(patterns.exclude(Path::new("a/b.png"), false) && !patterns.exclude(Path::new("a/keep.png"), false));
        for (malformed, escaped) in [("{a", "\\{a"), ("[a", "\\[a"), ("#[a", "#\\[a")] {
            let error = patterns.add([malformed]).unwrap_err();
            assert_eq!(error.pattern(), malformed);
            assert!(error.to_string().starts_with(&format!("{malformed:?} is not a pattern of files: ")), "{error}");
            // What the message advises.
            patterns.add([escaped]).unwrap();
            let name = Path::new("b").join(malformed);
            assert!(patterns.exclude(&name, false) && patterns.exclude(Path::new("b.png"), false), "{escaped}");
        }
    }

    #[test]
    fn names_below_a_folder() {
        for (path, names, expected) in [("a/b/c", 1, "c"), ("a/b/c", 2, "b/c"), ("/a", 1, "a"), ("./a/b", 2, "a/b")] {
            assert_eq!(below(Path::new(path), names), Path::new(expected));
        }
    }
}
