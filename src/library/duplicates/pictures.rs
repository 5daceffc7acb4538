//! The same pictures among contents.

use std::collections::BTreeMap;

use super::Likeness;
use super::material::Content;
use super::present::Present;
use crate::pixels::{Match, PictureHash, same_pictures};

/// Which contents show the same picture.
#[derive(Debug, Default)]
pub(super) struct Same {
    /// For a content that is not the first of its group: the first, and how the two relate.
    others: BTreeMap<usize, (usize, Match)>,
}

/// Finds the contents that show the same picture, without those that are known to have no file. A photo whose hash is not
/// known is like no other.
pub(super) fn same(contents: &[Content], present: &Present<'_>) -> Same {
    let there = contents.iter().enumerate().filter(|(at, _)| !present.is_gone(*at));
    let hashed = there.filter_map(|(at, content)| Some((at, content.picture?)));
    let (places, hashes): (Vec<usize>, Vec<PictureHash>) = hashed.unzip();
    let found = same_pictures(&hashes).into_iter();
    Same { others: found.map(|same| (places[same.other], (places[same.first], same.found))).collect() }
}

impl Same {
    /// The contents of each group, the first one first, then in order.
    pub fn groups(&self) -> impl Iterator<Item = Vec<usize>> + use<> {
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (&other, &(first, _)) in &self.others {
            groups.entry(first).or_insert_with(|| vec![first]).push(other);
        }
        groups.into_values()
    }

    /// The first content of a content's group: itself if it is that or in none.
    pub fn first(&self, content: usize) -> usize {
        self.others.get(&content).map_or(content, |&(first, _)| first)
    }

    /// What a content has in common with the first one of its group.
    pub fn likeness(&self, content: usize) -> Likeness {
        match self.others.get(&content) {
            Some((_, found)) => Likeness::Picture { turned: found.turned, distance: found.distance },
            None => Likeness::First,
        }
    }
}
