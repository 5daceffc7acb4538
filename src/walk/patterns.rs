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
/// Largest ignore file that is read, and most bytes of a caller's patterns.
const MAX_FILE: u64 = 1 << 20;
/// Longest pattern of a caller: some times as long as any path.
const MAX_PATTERN: usize = 16 << 10;
/// Characters of a pattern that messages show.
const SHOWN: usize = 100;

/// A pattern that cannot be used.
#[derive(Clone, Debug)]
pub struct PatternError {
    pattern: String,
    /// What is wrong with it, and what to do: the end of a sentence about the pattern.
    reason: String,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pattern.char_indices().nth(SHOWN) {
            Some((end, _)) => write!(f, "{:?}... {}", self.pattern.get(..end).unwrap_or_default(), self.reason),
            None => write!(f, "{:?} {}", self.pattern, self.reason),
        }
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
    /// Length of all patterns.
    bytes: usize,
    matcher: Gitignore,
}

impl Patterns {
    pub fn new() -> Self {
        let mut builder = GitignoreBuilder::new("");
        // Git takes `[a` as a name, which is hardly what the caller of this one pattern means.
        builder.allow_unclosed_class(false);
        Patterns { builder, bytes: 0, matcher: Gitignore::empty() }
    }

    /// Adds patterns. A later one takes precedence.
    pub fn add<S: AsRef<str>>(&mut self, patterns: impl IntoIterator<Item = S>) -> Result<(), PatternError> {
        let mut last = String::new();
        let refused = |pattern: &str, reason| PatternError { pattern: pattern.to_owned(), reason };
        let fail = |pattern: &str, error: &ignore::Error| {
            let reason = reason(error);
            let remedy = "put a backslash before a character that has no special meaning";
            refused(pattern, format!("is not a pattern of files: {reason}; {remedy}"))
        };
        for pattern in patterns {
            let pattern = pattern.as_ref();
            let len = pattern.len();
            if len > MAX_PATTERN {
                let reason = format!("is not a pattern of files: it has {len} bytes; give {MAX_PATTERN} at most");
                return Err(refused(pattern, reason));
            }
            self.bytes = self.bytes.saturating_add(len);
            if self.bytes as u64 > MAX_FILE {
                let reason = format!("is too much: patterns may have {MAX_FILE} bytes together; give fewer");
                return Err(refused(pattern, reason));
            }
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

/// Whether patterns of so many bytes together are few enough for a walk, each of at most `longest`.
#[cfg(feature = "library")]
pub(crate) fn are_few(bytes: u64, longest: u64) -> bool {
    bytes <= MAX_FILE && longest <= MAX_PATTERN as u64
}

/// The pattern that means in a folder what `pattern` means in `part` of it; `None` if the path of the part is not UTF-8.
#[cfg(feature = "library")]
pub(crate) fn in_part(pattern: &str, part: &Path) -> Option<String> {
    if part.as_os_str().is_empty() {
        return Some(pattern.to_owned());
    }
    let (not, pattern) = pattern.strip_prefix('!').map_or(("", pattern), |pattern| ("!", pattern));
    let anywhere = if pattern.trim_end_matches('/').contains('/') { "" } else { "**/" };
    Some(format!("{not}{}{anywhere}{}", start(part)?, pattern.trim_start_matches('/')))
}

/// Whether [`in_part`] made a pattern for this part.
#[cfg(feature = "library")]
pub(crate) fn is_in_part(pattern: &str, part: &Path) -> bool {
    let pattern = pattern.strip_prefix('!').unwrap_or(pattern);
    part.as_os_str().is_empty() || start(part).is_some_and(|start| pattern.starts_with(&start))
}

/// What patterns of a part begin with: `/`, its path, with a backslash before each character with a meaning, and `/`.
#[cfg(feature = "library")]
fn start(part: &Path) -> Option<String> {
    let mut start = "/".to_owned();
    for name in part {
        for c in name.to_str()?.chars() {
            if matches!(c, '\\' | '*' | '?' | '[' | ']' | '{' | '}' | '!' | '#' | ' ') {
                start.push('\\');
            }
            start.push(c);
        }
        start.push('/');
    }
    Some(start)
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
    fn long_and_many_patterns_are_refused_with_short_messages() {
        let long = "é".repeat(MAX_PATTERN);
        let error = Patterns::new().add([&long]).unwrap_err();
        assert_eq!(error.pattern(), long);
        let expected =
            format!("\"{}\"... is not a pattern of files: it has 32768 bytes; give 16384 at most", "é".repeat(100));
        assert_eq!(error.to_string(), expected);
        let mut patterns = Patterns::new();
        let pattern = "a".repeat(MAX_PATTERN);
        patterns.add([&pattern; 60]).unwrap();
        let error = patterns.add([&pattern; 5]).unwrap_err().to_string();
        assert!(error.ends_with("... is too much: patterns may have 1048576 bytes together; give fewer"), "{error}");
    }

    #[cfg(feature = "library")]
    #[test]
    fn patterns_of_a_part_mean_the_same_in_the_whole() {
        let part = Path::new("20[24]/a {trip}*, & \\more! #1");
        for (pattern, path, is_dir, expected) in [
            ("*.png", "b.png", false, true),
            ("*.png", "c/d/b.png", false, true),
            ("raw/", "c/raw", true, true),
            ("raw/", "c/raw", false, false),
            ("/raw", "raw", true, true),
            ("/raw", "c/raw", true, false),
            ("a/*.png", "a/b.png", false, true),
            ("a/*.png", "c/a/b.png", false, false),
            ("**/a/*.png", "c/a/b.png", false, true),
            ("\\!b", "b", false, false),
            ("\\!b", "!b", false, true),
            ("#b", "c/#b", false, true),
        ] {
            let (mut alone, mut whole) = (Patterns::new(), Patterns::new());
            alone.add([pattern]).unwrap();
            let pattern = in_part(pattern, part).unwrap();
            assert!(is_in_part(&pattern, part) && !is_in_part(&pattern, Path::new("2024")), "{pattern}");
            whole.add([&pattern]).unwrap();
            assert_eq!(alone.exclude(Path::new(path), is_dir), expected, "{pattern} {path}");
            assert_eq!(whole.exclude(&part.join(path), is_dir), expected, "{pattern} {path}");
            assert!(!whole.exclude(Path::new(path), is_dir), "{pattern} {path}");
        }
        assert_eq!(in_part("!*.png", Path::new("a")).as_deref(), Some("!/a/**/*.png"));
        assert!(is_in_part("!/a/**/*.png", Path::new("a")) && !is_in_part("/ab/c", Path::new("a")));
        assert_eq!(in_part("raw", Path::new("")).as_deref(), Some("raw"));
    }

    #[test]
    fn names_below_a_folder() {
        for (path, names, expected) in [("a/b/c", 1, "c"), ("a/b/c", 2, "b/c"), ("/a", 1, "a"), ("./a/b", 2, "a/b")] {
            assert_eq!(below(Path::new(path), names), Path::new(expected));
        }
    }
}
