//! The long tables of a model, parsed without an intermediate form: pieces and merges. Their number is limited, and so is
//! the memory for each.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use super::super::super::store::MAX_IDS;

/// Most merges. Gemma has 580,604.
const MAX_MERGES: usize = 1 << 22;

/// The pieces of a model.
pub(super) enum Vocabulary {
    /// BPE: ids by name.
    Ids(Vec<(String, u32)>),
    /// Unigram: scores, in the order of the ids.
    Scores(Vec<(String, f64)>),
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pieces;

        impl<'de> Visitor<'de> for Pieces {
            type Value = Vocabulary;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("pieces with ids or scores")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocabulary, A::Error> {
                let mut list = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    limit(list.len(), MAX_IDS, "pieces")?;
                    list.push(entry);
                }
                Ok(Vocabulary::Ids(list))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vocabulary, A::Error> {
                let mut list = Vec::new();
                while let Some(entry) = seq.next_element()? {
                    limit(list.len(), MAX_IDS, "pieces")?;
                    list.push(entry);
                }
                Ok(Vocabulary::Scores(list))
            }
        }

        deserializer.deserialize_any(Pieces)
    }
}

/// Pairs of pieces in the order in which they merge, as one text.
#[derive(Default)]
pub(super) struct Merges {
    text: String,
    /// Ends of the left and the right piece of each pair.
    ends: Vec<[u32; 2]>,
}

impl Merges {
    fn push<E: de::Error>(&mut self, left: &str, right: &str) -> Result<(), E> {
        limit(self.ends.len(), MAX_MERGES, "merges")?;
        let end = |text: &String| u32::try_from(text.len()).map_err(|_| E::custom("its merges are too long"));
        self.text.push_str(left);
        let middle = end(&self.text)?;
        self.text.push_str(right);
        self.ends.push([middle, end(&self.text)?]);
        Ok(())
    }

    /// Both pieces together, and the left one.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |&[middle, end]| {
            let part = |end: u32| self.text.get(start..end as usize).unwrap_or_default();
            let pair = (part(end), part(middle));
            start = end as usize;
            pair
        })
    }
}

impl<'de> Deserialize<'de> for Merges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Merges;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of merges")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Merges, A::Error> {
                let mut merges = Merges::default();
                while let Some(Pair(left, right)) = seq.next_element()? {
                    merges.push(&left, &right)?;
                }
                Ok(merges)
            }
        }

        deserializer.deserialize_seq(Pairs)
    }
}

/// One merge: `"left right"` or `["left", "right"]`.
struct Pair(String, String);

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Pair;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("two pieces")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Pair, E> {
                match text.split_once(' ') {
                    Some((left, right)) if !right.contains(' ') => Ok(Pair(left.to_owned(), right.to_owned())),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pair, A::Error> {
                match (seq.next_element()?, seq.next_element()?, seq.next_element::<de::IgnoredAny>()?) {
                    (Some(left), Some(right), None) => Ok(Pair(left, right)),
                    _ => Err(de::Error::invalid_length(0, &self)),
                }
            }
        }

        deserializer.deserialize_any(Either)
    }
}

fn limit<E: de::Error>(len: usize, most: usize, what: &str) -> Result<(), E> {
    if len < most { Ok(()) } else { Err(E::custom(format_args!("it has more than {most} {what}"))) }
}
