//! The vocabulary as files publish it: the name of each token, and the merges in the order in which they apply.
//!
//! Files name a byte by a printable character: itself if it is one of Latin-1, else the next from U+0100 on. A token at
//! the end of a word ends with `</w>`. For comparing such files with this program's vocabulary; no text needs it.

use super::vocab::{self, BYTES, MERGES, START};

/// Names of all tokens but the first and the last of a text, and all merges.
#[derive(Debug)]
pub(crate) struct Published {
    names: Vec<String>,
    /// Left and right id by rank.
    merges: Vec<(u16, u16)>,
}

impl Published {
    /// Builds the names, in some milliseconds.
    pub fn new() -> Published {
        let mut merges = vec![(0, 0); MERGES];
        for (left, right, merged) in vocab::merges() {
            if let Some(merge) = usize::from(merged).checked_sub(BYTES).and_then(|rank| merges.get_mut(rank)) {
                *merge = (left, right);
            }
        }
        let mut names = vec![String::new(); BYTES];
        let mut other = 0x100..;
        for byte in 0..=255u8 {
            let shown = match vocab::prints(byte) {
                true => Some(char::from(byte)),
                false => other.next().and_then(char::from_u32),
            };
            for (end, suffix) in [(false, ""), (true, "</w>")] {
                if let Some(name) = names.get_mut(usize::from(vocab::byte_id(byte, end))) {
                    name.extend(shown);
                    name.push_str(suffix);
                }
            }
        }
        for &(left, right) in &merges {
            let name = [left, right].map(|id| names.get(usize::from(id)).map_or("", String::as_str)).concat();
            names.push(name);
        }
        Published { names, merges }
    }

    /// The name of the token with this id; `None` for [`START`], [`END`](super::vocab::END) and all above.
    pub fn name(&self, id: u64) -> Option<&str> {
        debug_assert_eq!(self.names.len(), START as usize);
        self.names.get(usize::try_from(id).ok()?).map(String::as_str)
    }

    /// The names of the two tokens of the merge with this rank, from 0.
    pub fn merge(&self, rank: usize) -> Option<(&str, &str)> {
        let &(left, right) = self.merges.get(rank)?;
        Some((self.name(left.into())?, self.name(right.into())?))
    }

    /// Number of merges.
    pub fn merges(&self) -> usize {
        self.merges.len()
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn names_and_merges_are_the_published_ones() {
        let published = Published::new();
        let lines = (0..published.merges()).map(|rank| published.merge(rank).unwrap());
        let text: String = lines.map(|(left, right)| format!("{left} {right}\n")).collect();
        let sum: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(include_str!("../../../vocab/README.md").contains(&sum), "{sum}");
        let named = [0, 94, 187, 188, 256, 320, 512, 2368, 49_405].map(|id| published.name(id).unwrap());
        assert_eq!(named, ["!", "¡", "ÿ", "Ā", "!</w>", "a</w>", "in", "cat</w>", "jekyll</w>"]);
        assert_eq!(
            (published.name(START.into()), published.name(u64::MAX), published.merge(MERGES)),
            (None, None, None)
        );
    }
}
