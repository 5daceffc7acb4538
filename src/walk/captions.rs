//! The captions of a tar archive: the files beside photos that WebDataset, and img2dataset, keep them in.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::tar::{Member, Members};

/// Longest file with a caption. A model reads 77 tokens of it.
const MOST: u64 = 1 << 20;

/// Captions by the names of their samples: from `.txt`, and from `.json`.
#[derive(Default)]
pub(super) struct Captions([HashMap<Vec<u8>, Arc<str>>; 2]);

/// What is read of an object; numbers, lists and others in place of texts count as none.
#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    caption: Option<serde_json::Value>,
    #[serde(default)]
    text: Option<serde_json::Value>,
}

/// The name of a sample: that of a file up to the first dot after its folder.
pub(super) fn sample(name: &[u8]) -> &[u8] {
    let name = name.strip_prefix(b"./").unwrap_or(name);
    let start = name.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let end = name[start..].iter().position(|&byte| byte == b'.').map_or(name.len(), |dot| start + dot);
    &name[..end]
}

impl Captions {
    /// Adds the caption that a file holds, if it is one.
    pub fn add(&mut self, members: &mut Members, member: &Member) {
        let Captions([texts, objects]) = self;
        let name = member.name.strip_prefix(b"./").unwrap_or(&member.name);
        let sample = sample(name);
        let (of, is_json) = match name.get(sample.len()..) {
            Some(b".txt") => (texts, false),
            Some(b".json") => (objects, true),
            _ => return,
        };
        // An archive that cannot be read shows it at the next file.
        let Some(Ok(bytes)) = member.unusable.is_none().then(|| members.content(member, MOST)) else { return };
        let caption = match is_json {
            // A list would be taken for the fields in order.
            true if bytes.trim_ascii_start().first() != Some(&b'{') => None,
            true => serde_json::from_slice::<Object>(&bytes).ok().and_then(|object| {
                [object.caption, object.text].into_iter().flatten().find_map(|value| value.as_str().map(Arc::from))
            }),
            false => {
                std::str::from_utf8(&bytes).ok().map(|text| Arc::from(text.trim_start_matches('\u{feff}').trim_end()))
            }
        };
        if let Some(caption) = caption {
            of.entry(sample.to_vec()).or_insert(caption);
        }
    }

    /// The caption of a sample.
    pub fn of(&self, sample: &[u8]) -> Option<Arc<str>> {
        self.0.iter().find_map(|captions| captions.get(sample)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_end_at_the_first_dot_of_their_file() {
        for (name, expected) in
            [("a.jpg", "a"), ("./a.seg.png", "a"), ("x.y/a.txt", "x.y/a"), ("a", "a"), (".a", ""), ("x/", "x/")]
        {
            assert_eq!(sample(name.as_bytes()), expected.as_bytes(), "{name}");
        }
    }
}
