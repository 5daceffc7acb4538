//! The vocabulary beside a checkpoint of transformers: `vocab.json`, `merges.txt` and `tokenizer.json` must be CLIP's.
//!
//! A text that is split by one vocabulary and read with another's table gets an embedding like any other, but a wrong
//! one. Ids beyond CLIP's, of tokens that somebody added, are not looked at: no text has them here.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::pipeline;
use super::tokenizer::{END_NAMES, START_NAMES};
use crate::import::bytes::open_regular;
use crate::import::error::{Error, printable, printable_error};
use crate::tokenizer::{END, Published, START, VOCAB_SIZE};

/// Compares the content of the file at a path.
type Check = fn(&Path, &[u8]) -> Result<(), Error>;

/// transformers' files of a vocabulary, and what compares each.
const FILES: [(&str, Check); 3] =
    [("tokenizer.json", pipeline::check), ("vocab.json", vocab_json), ("merges.txt", merges_txt)];

/// Longest file to read, in bytes. CLIP's have up to 4 MB.
const MAX_LEN: u64 = 16 << 20;

/// Compares the files of a vocabulary in the first of these folders that has one.
pub(super) fn check_folders(folders: &[&Path]) -> Result<(), Error> {
    for folder in folders {
        let mut found = false;
        for path in FILES.map(|(name, _)| folder.join(name)).iter().filter(|path| path.is_file()) {
            found |= check(path)?;
        }
        if found {
            break;
        }
    }
    Ok(())
}

/// Compares the file at `path`, if it has the name of a file of a vocabulary. Returns whether it has.
pub(super) fn check(path: &Path) -> Result<bool, Error> {
    match of_name(path) {
        Some(_) => check_text(path, &read(path)?),
        None => Ok(false),
    }
}

/// Whether the file at `path` has the name of a file of a vocabulary.
pub(super) fn is_vocabulary(path: &Path) -> bool {
    of_name(path).is_some()
}

/// Compares the content of the file at `path`, as [`check`] does. A byte order mark is skipped.
pub(super) fn check_text(path: &Path, text: &[u8]) -> Result<bool, Error> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    of_name(path).map_or(Ok(false), |check| check(path, text).map(|()| true))
}

fn of_name(path: &Path) -> Option<Check> {
    let name = path.file_name()?;
    FILES.iter().find(|(file, _)| name == *file).map(|(_, check)| *check)
}

/// Reads the file at `path`.
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    let read = open_regular(path)?.take(MAX_LEN + 1).read_to_end(&mut text);
    read.map_err(|source| Error::Read { path: path.to_owned(), source })?;
    match text.len() as u64 <= MAX_LEN {
        true => Ok(text),
        false => differs(path, &format!("it has more than {MAX_LEN} bytes, several times as many as CLIP's")),
    }
}

/// Refuses a `vocab.json` of another vocabulary.
fn vocab_json(path: &Path, text: &[u8]) -> Result<(), Error> {
    let mut parser = serde_json::Deserializer::from_slice(text);
    let published = Published::new();
    let difference = Names(&published).deserialize(&mut parser).and_then(|found| parser.end().map(|()| found));
    same(path, difference.or_else(|error| not_json(path, error))?)
}

/// Refuses a `merges.txt` of another vocabulary. Its first line states a version. CLIP's own list goes on after the
/// merges that its tokenizers read.
fn merges_txt(path: &Path, text: &[u8]) -> Result<(), Error> {
    let published = Published::new();
    let Ok(text) = std::str::from_utf8(text) else {
        return differs(path, "it is not UTF-8");
    };
    let lines = text.lines().skip_while(|line| line.starts_with("#version") || line.starts_with('"'));
    let mut found = Merges::new(&published);
    for line in lines.take(published.merges()) {
        found.add(line.trim_end().split_once(' '));
    }
    same(path, found.end())
}

/// The error of a file that is not JSON.
pub(super) fn not_json<T>(path: &Path, error: serde_json::Error) -> Result<T, Error> {
    let reason = format!("is not valid JSON of a vocabulary ({}); download it again", printable_error(error));
    Err(Error::Config { path: path.to_owned(), reason })
}

/// Refuses the file at `path` if there is a first difference.
pub(super) fn same(path: &Path, difference: Option<String>) -> Result<(), Error> {
    difference.map_or(Ok(()), |difference| differs(path, &difference))
}

fn differs<T>(path: &Path, difference: &str) -> Result<T, Error> {
    let reason = format!(
        "is not CLIP's vocabulary: {difference}. clippie-rs has CLIP's alone, with which the texts of this model would \
         get wrong embeddings. For its photos, convert a copy of the checkpoint without the tensors of the text tower. \
         If its texts use CLIP's vocabulary after all, give a folder of copies of the other configuration files with \
         --config"
    );
    Err(Error::Config { path: path.to_owned(), reason })
}

/// A string of the file, copied only if it has escapes.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// Compares an object of names and ids. Gives the first difference by id.
pub(super) struct Names<'p>(pub &'p Published);

impl<'de> DeserializeSeed<'de> for Names<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Names<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with an id for each token")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<String>, A::Error> {
        let Names(published) = self;
        let mut seen = vec![false; VOCAB_SIZE];
        let mut first: Option<(u64, String)> = None;
        while let Some((Text(name), id)) = map.next_entry::<Text<'_>, u64>()? {
            match usize::try_from(id).ok().and_then(|id| seen.get_mut(id)) {
                Some(seen) => *seen = true,
                None => continue,
            }
            if !is_name(published, id, &name) && first.as_ref().is_none_or(|(first, _)| id < *first) {
                first = Some((id, name.into_owned()));
            }
        }
        let absent = seen.iter().position(|seen| !seen).map(|id| id as u64);
        let own =
            |id: u64| published.name(id).unwrap_or(if id == u64::from(START) { START_NAMES[0] } else { END_NAMES[0] });
        Ok(match (first, absent) {
            (Some((id, name)), absent) if absent.is_none_or(|absent| id < absent) => {
                Some(format!("its token {id} is `{}`, that of CLIP is `{}`", printable(&name), own(id)))
            }
            (_, Some(id)) => Some(format!("it has no token {id}, that of CLIP is `{}`", own(id))),
            _ => None,
        })
    }

    /// Other kinds of tokenizers have a list.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<String>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Some("its tokens are a list, as those of another kind of tokenizer".to_owned()))
    }
}

/// Whether `name` is that of the token `id` of CLIP.
pub(super) fn is_name(published: &Published, id: u64, name: &str) -> bool {
    match published.name(id) {
        Some(own) => own == name,
        None if id == u64::from(START) => START_NAMES.contains(&name),
        None if id == u64::from(END) => END_NAMES.contains(&name),
        None => true,
    }
}

/// Compares merges one by one.
pub(super) struct Merges<'p> {
    published: &'p Published,
    seen: usize,
    first: Option<String>,
}

impl<'p> Merges<'p> {
    pub(super) fn new(published: &'p Published) -> Self {
        Merges { published, seen: 0, first: None }
    }

    /// Takes the next merge; `None` if it is no pair.
    fn add(&mut self, pair: Option<(&str, &str)>) {
        let own = self.published.merge(self.seen);
        self.seen += 1;
        if self.first.is_some() || (pair.is_some() && pair == own) {
            return;
        }
        let shown = |pair: Option<(&str, &str)>, none: &str| {
            pair.map_or(none.to_owned(), |(left, right)| format!("`{}`", printable(&format!("{left} {right}"))))
        };
        self.first = Some(match own {
            None => format!("it has more than the {} merges of CLIP", self.published.merges()),
            own => {
                let (found, own) = (shown(pair, "no pair of tokens"), shown(own, ""));
                format!("its merge {} is {found}, that of CLIP is {own}", self.seen)
            }
        });
    }

    /// The first difference.
    fn end(self) -> Option<String> {
        let (seen, all) = (self.seen, self.published.merges());
        self.first.or_else(|| (seen < all).then(|| format!("it has {seen} merges, CLIP has {all}")))
    }
}

impl<'de> DeserializeSeed<'de> for Merges<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Merges<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of merges")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Option<String>, A::Error> {
        while seq.next_element_seed(Merge(&mut self))?.is_some() {}
        Ok(self.end())
    }
}

/// Reads a merge of `tokenizer.json`: a string with a space or, since 2024, a list of two strings.
struct Merge<'a, 'p>(&'a mut Merges<'p>);

impl<'de> DeserializeSeed<'de> for Merge<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Merge<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("two tokens")
    }

    fn visit_str<E>(self, line: &str) -> Result<(), E> {
        self.0.add(line.split_once(' '));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let pair = (seq.next_element::<Text<'_>>()?, seq.next_element::<Text<'_>>()?);
        let more = seq.next_element::<IgnoredAny>()?.is_some();
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        match &pair {
            (Some(Text(left)), Some(Text(right))) if !more => self.0.add(Some((left, right))),
            _ => self.0.add(None),
        }
        Ok(())
    }
}
