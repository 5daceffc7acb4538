//! Checkpoints in several files: the index that names them, or the numbers in their names. Knows no tensors.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::bytes::open_regular;
use super::error::{Error, printable, printable_error};
use super::listing::MAX_NAME;

/// End of the name of an index.
pub(super) const INDEX: &str = ".index.json";
/// Longest index to read, in bytes. One of 10,000 tensors takes about 1 MiB.
const MAX_INDEX: u64 = 16 << 20;
/// Maximum number of tensors of an index, about a hundred bytes each beside their names. The largest published
/// checkpoints have some thousand.
const MAX_INDEXED: usize = 1 << 18;
/// Maximum number of files of a checkpoint.
const MAX_PARTS: usize = 1024;

/// The files of a checkpoint.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Located {
    /// The file that stands for the checkpoint: the only one, or the index, or the first of several.
    pub path: PathBuf,
    /// All files with tensors, in the order of their names.
    pub parts: Vec<PathBuf>,
    /// The part that holds each tensor, by its number, if there is an index.
    pub index: Option<BTreeMap<String, usize>>,
}

/// The part of the format that is read. Other fields are totals for progress bars.
#[derive(Deserialize)]
struct Index {
    weight_map: WeightMap,
}

/// The file of each tensor. Every file's name is kept once.
#[derive(Default)]
struct WeightMap {
    /// The files in the order of their names, and the number of each in `tensors`.
    files: BTreeMap<String, usize>,
    /// The tensors and the numbers of their files.
    tensors: BTreeMap<String, usize>,
}

impl<'de> Deserialize<'de> for WeightMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(WeightMap::default())
    }
}

impl<'de> Visitor<'de> for WeightMap {
    type Value = WeightMap;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a file name for each tensor")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<WeightMap, A::Error> {
        while let Some((Name(tensor), Name(file))) = map.next_entry::<Name<'_>, Name<'_>>()? {
            if tensor.len() > MAX_NAME || file.len() > MAX_NAME {
                return Err(de::Error::custom(format_args!("a name in it has more than {MAX_NAME} bytes")));
            }
            let number = match self.files.get(&*file) {
                Some(&number) => number,
                None if self.files.len() == MAX_PARTS => {
                    return Err(de::Error::custom(format_args!("it names more than {MAX_PARTS} files")));
                }
                None => {
                    let number = self.files.len();
                    self.files.insert(file.into_owned(), number);
                    number
                }
            };
            self.tensors.insert(tensor.into_owned(), number);
            if self.tensors.len() > MAX_INDEXED {
                return Err(de::Error::custom(format_args!("it names more than {MAX_INDEXED} tensors")));
            }
        }
        Ok(self)
    }
}

/// A string of the index, which is copied only if it has escapes or is kept.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Whether `name` is that of an index.
pub(crate) fn is_index(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(INDEX)
}

/// Reads the index at `path`.
pub(super) fn read_index(path: &Path) -> Result<Located, Error> {
    let refuse = |reason: String| Err(Error::Source { path: path.to_owned(), reason });
    let mut text = Vec::new();
    let read = open_regular(path)?.take(MAX_INDEX + 1).read_to_end(&mut text);
    read.map_err(|source| Error::Read { path: path.to_owned(), source })?;
    if text.len() as u64 > MAX_INDEX {
        return refuse(format!("the index is longer than the {MAX_INDEX} bytes that are read"));
    }
    let Index { weight_map } = match serde_json::from_slice(&text) {
        Ok(index) => index,
        Err(error) => {
            return refuse(format!(
                "it is not the index of a checkpoint ({}); give the checkpoint's file or folder",
                printable_error(error)
            ));
        }
    };
    drop(text);
    let WeightMap { files, mut tensors } = weight_map;
    let names = || files.keys().map(String::as_str);
    if let Some(name) = names().find(|name| !is_plain(name)) {
        return refuse(format!(
            "the index names the file `{}`, which is not beside it; download the checkpoint again",
            printable(name)
        ));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let parts: Vec<PathBuf> = names().map(|name| folder.join(name)).collect();
    let absent: Vec<String> =
        names().zip(&parts).filter(|(_, path)| !path.exists()).map(|(name, _)| printable(name)).collect();
    if let Some(first) = absent.first() {
        let more = if absent.len() > 1 { format!(" and {} more", absent.len() - 1) } else { String::new() };
        return refuse(format!(
            "{} of the checkpoint's {} files are missing ({first}{more}); download them to the same folder",
            absent.len(),
            parts.len()
        ));
    }
    // From the order in which the index names the files to the order of their names.
    let mut sorted = vec![0; files.len()];
    for (place, &number) in files.values().enumerate() {
        if let Some(sorted) = sorted.get_mut(number) {
            *sorted = place;
        }
    }
    for number in tensors.values_mut() {
        *number = sorted.get(*number).copied().unwrap_or(0);
    }
    Ok(Located { path: path.to_owned(), parts, index: Some(tensors) })
}

/// Returns the checkpoint of which the file at `path` is a part; `None` if it is one by itself.
///
/// A part is named by an index beside it, or its name says so, as in `model-00001-of-00002.safetensors`.
pub(super) fn of_part(path: &Path) -> Result<Option<Located>, Error> {
    let Some((stem, count, extension)) = path.file_name().and_then(|name| numbered(name.to_str()?)) else {
        return Ok(None);
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let index = folder.join(format!("{stem}{extension}{INDEX}"));
    if index.is_file() {
        let located = read_index(&index)?;
        if located.parts.iter().any(|part| part.file_name() == path.file_name()) {
            return Ok(Some(located));
        }
        let reason =
            format!("the index beside it, {stem}{extension}{INDEX}, does not name it; remove the one or the other");
        return Err(Error::Source { path: path.to_owned(), reason });
    }
    let name = |i: usize| format!("{stem}-{i:05}-of-{count:05}{extension}");
    let parts: Vec<PathBuf> = (1..=count).map(|i| folder.join(name(i))).collect();
    if let Some(i) = parts.iter().position(|part| !part.is_file()) {
        return Err(Error::Source {
            path: path.to_owned(),
            reason: format!(
                "it is one of {count} parts of a checkpoint, of which {} is missing; download all of them to the same \
                 folder",
                name(i + 1)
            ),
        });
    }
    Ok(Some(Located { path: path.to_owned(), parts, index: None }))
}

/// Splits `{stem}-{number}-of-{count}{extension}`.
fn numbered(name: &str) -> Option<(&str, usize, &str)> {
    let (name, extension) = name.split_at(name.rfind('.')?);
    let (rest, count) = name.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let digits = |text: &str| -> Option<usize> {
        (text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
    };
    let (number, count) = (digits(number)?, digits(count)?);
    ((1..=count).contains(&number) && count <= MAX_PARTS).then_some((stem, count, extension))
}

/// Returns the name of the checkpoint that a part or index of this name belongs to.
pub(crate) fn whole_name(name: &str) -> Option<String> {
    if is_index(name) {
        return name.get(..name.len() - INDEX.len()).map(str::to_owned);
    }
    numbered(name).map(|(stem, _, extension)| format!("{stem}{extension}"))
}

/// Returns the other files of the checkpoint that `file` stands for, an index or a part of it, among the `names` of a
/// folder; none if it is a whole one. Fails with the name of a part that is missing.
#[cfg(feature = "hub")]
pub(crate) fn other_parts(file: &str, names: &[String]) -> Result<Vec<String>, String> {
    let Some(whole) = whole_name(file) else { return Ok(Vec::new()) };
    let parts = names.iter().filter(|name| whole_name(name).as_ref() == Some(&whole) && !is_index(name));
    let Some((stem, count, extension)) = parts.clone().find_map(|name| numbered(name)) else {
        return Err(format!("a part of {whole}"));
    };
    let part = |i: usize| format!("{stem}-{i:05}-of-{count:05}{extension}");
    let parts: Vec<String> = parts.cloned().collect();
    match (1..=count).map(part).find(|part| !parts.contains(part)) {
        Some(missing) => Err(missing),
        None => Ok((1..=count).map(part).filter(|part| part != file).collect()),
    }
}

/// Whether `name` is a plain file name on every system.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', ':', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_known_by_their_numbers() {
        assert_eq!(numbered("model-00001-of-00002.safetensors"), Some(("model", 2, ".safetensors")));
        assert_eq!(numbered("a-b-00012-of-00012.bin"), Some(("a-b", 12, ".bin")));
        for other in ["model.safetensors", "model-1-of-2.bin", "model-00003-of-00002.bin", "model-00000-of-00002.bin"] {
            assert_eq!(numbered(other), None, "{other}");
        }
        assert_eq!(numbered("m-00001-of-99999.bin"), None);
        assert_eq!(whole_name("model-00001-of-00002.safetensors").as_deref(), Some("model.safetensors"));
        assert_eq!(whole_name("model.safetensors.index.json").as_deref(), Some("model.safetensors"));
        assert_eq!(whole_name("model.safetensors"), None);
    }

    #[cfg(feature = "hub")]
    #[test]
    fn a_file_stands_for_the_others() {
        let others = |file: &str, names: &[&str]| {
            other_parts(file, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        };
        let [first, second] = ["m-00001-of-00002.bin", "m-00002-of-00002.bin"];
        let names = ["m.bin.index.json", second, "config.json", first, "n-00001-of-00002.bin"];
        assert_eq!(others("m.bin", &names).unwrap(), [""; 0]);
        assert_eq!(others(first, &names).unwrap(), [second]);
        assert_eq!(others("m.bin.index.json", &names).unwrap(), [first, second]);
        assert_eq!(others("n-00001-of-00002.bin", &names).unwrap_err(), "n-00002-of-00002.bin");
        assert_eq!(others("x.bin.index.json", &names).unwrap_err(), "a part of x.bin");
    }

    /// Reads an index whose files are there.
    fn index(text: &str) -> Result<Located, String> {
        let folder = tempfile::tempdir().unwrap();
        for file in ["a", "b", "c"] {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        let path = folder.path().join("model.safetensors.index.json");
        std::fs::write(&path, text).unwrap();
        read_index(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn an_index_gives_the_files_in_the_order_of_their_names() {
        let located = index(r#"{"metadata": {"x": [1]}, "weight_map": {"w": "b", "v": "a", "\u0075": "c", "w": "c"}}"#);
        let Located { parts, index: tensors, .. } = located.unwrap();
        let names: Vec<_> = parts.iter().map(|part| part.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        let expected = [("u", 2), ("v", 0), ("w", 2)].map(|(name, part)| (name.to_owned(), part));
        assert_eq!(tensors.unwrap(), BTreeMap::from(expected));
    }

    #[test]
    fn an_index_names_so_many_tensors_and_files_of_such_names() {
        let map = |items: &mut dyn Iterator<Item = String>| {
            index(&format!(r#"{{"weight_map": {{{}}}}}"#, items.collect::<Vec<_>>().join(",")))
        };
        let tensors = |count: usize| map(&mut (0..count).map(|i| format!(r#""{i}":"a""#)));
        assert_eq!(tensors(MAX_INDEXED).unwrap().index.unwrap().len(), MAX_INDEXED);
        for (refused, expected) in [
            (tensors(MAX_INDEXED + 1), "it names more than 262144 tensors"),
            (map(&mut (0..=MAX_PARTS).map(|i| format!(r#""t":"{i}""#))), "it names more than 1024 files"),
            (map(&mut [format!(r#""{}":"a""#, "x".repeat(1025))].into_iter()), "a name in it has more than 1024 bytes"),
            (map(&mut [r#""t":7"#.to_owned()].into_iter()), "invalid type: integer"),
        ] {
            let error = refused.unwrap_err();
            assert!(error.contains("model.safetensors.index.json: it is not the index of a checkpoint ("), "{error}");
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_not_plain() {
        for name in ["", ".", "..", "../x", "/x", "a/b", r"a\b", "C:x", ".hidden", "a\0b"] {
            assert!(!is_plain(name), "{name:?}");
        }
        assert!(is_plain("model-00001-of-00002.safetensors"));
    }
}
