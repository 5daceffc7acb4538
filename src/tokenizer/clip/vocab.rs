//! CLIP's vocabulary, compiled into the binary: ids of single bytes and the merge table.
//!
//! The table is `vocab/clip-bpe.bin`; its README gives layout, provenance and checksums. It is sorted, so lookups need
//! no index built at run time. The id of a token is also its rank: merges with lower ids apply first.

/// Number of ids, special tokens included.
pub const VOCAB_SIZE: usize = 49_408;
/// Lower-case hex SHA-256 of the table.
pub(in crate::tokenizer) const TABLE_SHA256: &str = "edc733dfcd1e172ec0eac504852e22013a806d98359f0f4769ed9bbf1671f7e3";
/// Id that fills unused token positions.
pub(in crate::tokenizer) const PAD: u32 = 0;
/// Id of the start token, before every text.
pub const START: u32 = 49_406;
/// Id of the end token, after every text; text towers pool here.
pub const END: u32 = 49_407;

/// Number of single-byte ids: 256 inside a word, then the same 256 at the end of a word.
pub(super) const BYTES: usize = 512;
/// Number of merges.
pub(super) const MERGES: usize = START as usize - BYTES;
const TABLE: &[u8; 2 * (START as usize + 1 + 2 * MERGES)] = include_bytes!("../../../vocab/clip-bpe.bin");

/// For each left id the start of its merges in `RIGHT` and `MERGED`; then the end of the last.
static STARTS: [u16; START as usize + 1] = numbers(0);
/// Right ids of the merges of each left id, ascending.
static RIGHT: [u16; MERGES] = numbers(START as usize + 1);
/// Result of each merge.
static MERGED: [u16; MERGES] = numbers(START as usize + 1 + MERGES);
/// Id of each byte inside a word.
static BYTE_IDS: [u16; 256] = byte_ids();

/// Id of a byte; `last` if it ends a word.
pub(super) fn byte_id(byte: u8, last: bool) -> u16 {
    BYTE_IDS[byte as usize] + if last { 256 } else { 0 }
}

/// Id of the merge of two neighbours, if there is one.
pub(super) fn merge(left: u16, right: u16) -> Option<u16> {
    let left = usize::from(left);
    let start = usize::from(*STARTS.get(left)?);
    let end = usize::from(*STARTS.get(left + 1)?);
    let found = RIGHT.get(start..end)?.binary_search(&right).ok()?;
    MERGED.get(start + found).copied()
}

/// Every merge: left id, right id, result.
#[cfg(any(feature = "import", test))]
pub(super) fn merges() -> impl Iterator<Item = (u16, u16, u16)> {
    let of = |left: usize| {
        let [from, to] = [left, left + 1].map(|at| STARTS.get(at).copied().map_or(0, usize::from));
        let rows = RIGHT.get(from..to).unwrap_or_default().iter().zip(MERGED.get(from..to).unwrap_or_default());
        rows.map(move |(right, merged)| (left as u16, *right, *merged))
    };
    (0..START as usize).flat_map(of)
}

/// Whether files name a byte by the character of Latin-1 with its number.
pub(super) const fn prints(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff)
}

const fn numbers<const N: usize>(from: usize) -> [u16; N] {
    let mut out = [0; N];
    let mut i = 0;
    while i < N {
        let at = 2 * (from + i);
        out[i] = u16::from_le_bytes([TABLE[at], TABLE[at + 1]]);
        i += 1;
    }
    out
}

/// The order of GPT-2's byte alphabet (openai/CLIP `simple_tokenizer.py`): printable bytes first, then the others.
const fn byte_ids() -> [u16; 256] {
    let mut out = [0; 256];
    let mut next = 0;
    let mut pass = 0;
    while pass < 2 {
        let mut byte = 0;
        while byte < 256 {
            if prints(byte as u8) == (pass == 0) {
                out[byte] = next;
                next += 1;
            }
            byte += 1;
        }
        pass += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};
    use std::collections::HashSet;

    fn sha256(bytes: &[u8]) -> String {
        Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Left and right id of every merge, by rank.
    fn by_rank() -> Vec<(u16, u16)> {
        let mut out = vec![None; MERGES];
        for (left, right, merged) in merges() {
            let rank = usize::from(merged) - BYTES;
            assert_eq!(out[rank], None, "rank {rank} twice");
            out[rank] = Some((left, right));
        }
        out.into_iter().map(|m| m.expect("a rank is missing")).collect()
    }

    #[test]
    fn the_table_has_the_documented_checksum() {
        let readme = include_str!("../../../vocab/README.md");
        assert!(readme.contains(&sha256(TABLE)), "{}", sha256(TABLE));
        assert_eq!(sha256(TABLE), TABLE_SHA256);
    }

    #[test]
    fn rows_are_sorted_and_merges_need_only_earlier_tokens() {
        for left in 0..START as usize {
            let row = &RIGHT[usize::from(STARTS[left])..usize::from(STARTS[left + 1])];
            assert!(row.is_sorted_by(|a, b| a < b));
        }
        for (rank, &(left, right)) in by_rank().iter().enumerate() {
            // `bpe` relies on this: a merge ranks higher than the merges that made its halves.
            assert!(usize::from(left.max(right)) < BYTES + rank);
            assert_eq!(merge(left, right), Some((BYTES + rank) as u16));
        }
        assert_eq!(merge(0, u16::MAX), None);
        assert_eq!(merge(u16::MAX, 0), None);
        assert_eq!(merge(START as u16, 0), None);
    }

    #[test]
    fn the_table_reproduces_the_published_merges() {
        let mut symbols = vec![String::new(); 256];
        let mut other = 0x100;
        for byte in 0..=255u8 {
            let c = if matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) {
                char::from(byte)
            } else {
                other += 1;
                char::from_u32(other - 1).unwrap()
            };
            symbols[usize::from(byte_id(byte, false))] = c.to_string();
        }
        for id in 0..256 {
            symbols.push(format!("{}</w>", symbols[id]));
        }
        let mut text = String::new();
        for (left, right) in by_rank() {
            let (left, right) = (&symbols[usize::from(left)], &symbols[usize::from(right)]);
            text.push_str(&format!("{left} {right}\n"));
            symbols.push(format!("{left}{right}"));
        }
        let readme = include_str!("../../../vocab/README.md");
        assert!(readme.contains(&sha256(text.as_bytes())));
        assert_eq!(symbols.len(), START as usize);
        assert_eq!(symbols.iter().collect::<HashSet<_>>().len(), symbols.len());
        assert_eq!(symbols[320], "a</w>");
        assert_eq!(symbols[2368], "cat</w>");
    }
}
