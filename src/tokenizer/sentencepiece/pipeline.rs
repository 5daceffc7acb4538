//! Normalisation and splitting as `tokenizers` does it: the steps of a `tokenizer.json`, as [`Rules`].
//!
//! Source: `normalizers` and `pre_tokenizers` of huggingface/tokenizers.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;

use super::charsmap::Charsmap;
use super::rules::Rules;
use super::store::View;
use super::trie::Found;

const SPACE: char = '\u{2581}';
/// Clusters of this many bytes and more are normalised one character at a time.
const LONG_CLUSTER: usize = 6;

/// A part of a text: a user-defined piece, or text between them with its place.
pub(super) enum Part<'t> {
    Piece(Found),
    Text(&'t str),
}

/// Cuts a text at its user-defined pieces, of which the longest is taken, from the left.
pub(super) fn parts<'t>(view: &View<'t>, text: &'t str) -> impl Iterator<Item = Part<'t>> {
    let user = view.user;
    let mut rest = text;
    let mut found = None;
    std::iter::from_fn(move || {
        if let Some(found) = found.take() {
            return Some(Part::Piece(found));
        }
        if rest.is_empty() {
            return None;
        }
        let place = match user.is_empty() {
            true => None,
            false => rest.char_indices().find_map(|(at, _)| {
                let (len, found) = user.longest(rest.as_bytes().get(at..)?)?;
                // Pieces are whole characters; only those of a damaged file are not.
                rest.is_char_boundary(at + len).then_some((at, len, found))
            }),
        };
        let Some((at, len, piece)) = place else {
            return Some(Part::Text(std::mem::take(&mut rest)));
        };
        let before = rest.get(..at).unwrap_or_default();
        rest = rest.get(at + len..).unwrap_or_default();
        if before.is_empty() {
            return Some(Part::Piece(piece));
        }
        found = Some(piece);
        Some(Part::Text(before))
    })
}

/// Normalises a part.
pub(super) fn normalize<'t>(view: &View<'_>, text: &'t str) -> Cow<'t, str> {
    let rules = view.rules;
    let mut text = Cow::Borrowed(text);
    if rules.has(Rules::LOWERCASE) {
        text = Cow::Owned(text.chars().flat_map(char::to_lowercase).collect());
    }
    if !view.charsmap.is_empty() {
        text = Cow::Owned(map(view.charsmap, &text));
    }
    if rules.has(Rules::STRIP_LEFT) {
        text = Cow::Owned(text.trim_start().to_owned());
    }
    if rules.has(Rules::STRIP_RIGHT) {
        text = Cow::Owned(text.trim_end().to_owned());
    }
    if rules.has(Rules::COLLAPSE) {
        text = Cow::Owned(collapse(&text));
    }
    if rules.has(Rules::ESCAPE) {
        text = Cow::Owned(text.replace(' ', "\u{2581}"));
    }
    text
}

/// Applies the charsmap to each grapheme cluster, or to its characters if the cluster is long or has no rule.
fn map(charsmap: Charsmap<'_>, text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + text.len() / 4);
    let mut rest = text;
    while !rest.is_empty() {
        let alone = leading(rest, true);
        for character in rest.as_bytes().iter().take(alone) {
            let character = std::slice::from_ref(character);
            out.extend_from_slice(charsmap.shortest(character).unwrap_or(character));
        }
        rest = rest.get(alone..).unwrap_or_default();
        let (mixed, after) = rest.split_at_checked(leading(rest, false) + 1).unwrap_or((rest, ""));
        rest = after;
        for cluster in mixed.graphemes(true) {
            let rule = if cluster.len() < LONG_CLUSTER { charsmap.shortest(cluster.as_bytes()) } else { None };
            if let Some(becomes) = rule {
                out.extend_from_slice(becomes);
                continue;
            }
            let mut bytes = [0; 4];
            for character in cluster.chars() {
                let character = character.encode_utf8(&mut bytes).as_bytes();
                out.extend_from_slice(charsmap.shortest(character).unwrap_or(character));
            }
        }
    }
    // Only a damaged charsmap has anything else.
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Number of leading bytes that are each followed by the end of a cluster between two characters of ASCII, or that are
/// each not. Such characters are never in one cluster, but for a line end, so that most are found without looking for
/// clusters.
fn leading(text: &str, is_end: bool) -> usize {
    let is_cut = |pair: &&[u8]| pair.is_ascii() && *pair != b"\r\n";
    text.as_bytes().windows(2).take_while(|pair| is_cut(pair) == is_end).count()
}

fn collapse(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for part in text.split_inclusive(' ') {
        if part != " " || !out.ends_with(' ') {
            out.push_str(part);
        }
    }
    out
}

/// Cuts a normalised part into words, and gives each its prefix.
pub(super) fn words(rules: Rules, text: &str, is_first: bool, mut each: impl FnMut(&str) -> bool) {
    if rules.has(Rules::SPLIT_WHITESPACE) {
        for word in text.split(char::is_whitespace).filter(|word| !word.is_empty()) {
            if !metaspace(rules, word, is_first, &mut each) {
                return;
            }
        }
    } else {
        metaspace(rules, text, is_first, &mut each);
    }
}

/// Returns whether `each` wants more.
fn metaspace(rules: Rules, text: &str, is_first: bool, each: &mut impl FnMut(&str) -> bool) -> bool {
    if !rules.has(Rules::METASPACE) {
        return text.is_empty() || each(text);
    }
    let mut text = text.replace(' ', "\u{2581}");
    let has_prefix = rules.has(Rules::DUMMY_PREFIX) && (is_first || !rules.has(Rules::PREFIX_FIRST));
    if has_prefix && !text.is_empty() && !text.starts_with(SPACE) {
        text.insert(0, SPACE);
    }
    if !rules.has(Rules::SPLIT_METASPACE) {
        return text.is_empty() || each(&text);
    }
    let mut start = 0;
    for (at, _) in text.match_indices(SPACE).filter(|&(at, _)| at > 0) {
        if !text.get(start..at).is_none_or(&mut *each) {
            return false;
        }
        start = at;
    }
    text.get(start..).filter(|word| !word.is_empty()).is_none_or(each)
}
