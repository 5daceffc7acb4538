//! Normalisation as sentencepiece does it: the rules of the charsmap, spaces as U+2581.
//!
//! Source: `Normalizer::Normalize` in sentencepiece's `normalizer.cc`.

use super::rules::Rules;
use super::store::View;
use super::unigram::char_len;

/// What stands for a space in pieces.
pub(super) const SPACE: &[u8] = "\u{2581}".as_bytes();

/// Length of the next part of a text, and what it becomes: a user-defined piece or a character without rule itself.
fn next<'t>(view: &View<'t>, text: &'t [u8]) -> (usize, &'t [u8]) {
    if let Some((len, _)) = view.user.longest(text) {
        return (len, text.get(..len).unwrap_or_default());
    }
    match view.charsmap.longest(text) {
        Some(found) => found,
        None => {
            let len = char_len(text, 0);
            (len, text.get(..len).unwrap_or_default())
        }
    }
}

/// A text as pieces spell it, part by part.
pub(super) struct Normalizer<'t> {
    view: View<'t>,
    /// What is left of the text.
    rest: &'t [u8],
    has_begun: bool,
    after_space: bool,
}

impl<'t> Normalizer<'t> {
    pub fn new(view: &View<'t>, text: &'t str) -> Normalizer<'t> {
        let after_space = view.rules.has(Rules::REMOVE_EXTRA_SPACES);
        Normalizer { view: *view, rest: text.as_bytes(), has_begun: false, after_space }
    }

    /// Appends what `len` more bytes of the text and perhaps a few more become. Returns whether that was all of it; spaces
    /// at its end are gone then.
    pub fn read(&mut self, len: usize, out: &mut Vec<u8>) -> bool {
        let trims = self.view.rules.has(Rules::REMOVE_EXTRA_SPACES);
        if !self.has_begun {
            self.has_begun = true;
            self.skip_spaces(trims);
            if self.rest.is_empty() {
                return true;
            }
            if self.view.rules.has(Rules::DUMMY_PREFIX) {
                out.extend_from_slice(SPACE);
            }
        }
        let end = self.rest.len().saturating_sub(len);
        while self.rest.len() > end {
            let (len, mut becomes) = next(&self.view, self.rest);
            self.rest = self.rest.get(len..).unwrap_or_default();
            if self.after_space {
                becomes = becomes.trim_start_matches_space();
            }
            for part in becomes.split_inclusive(|&byte| byte == b' ') {
                match part.strip_suffix(b" ") {
                    Some(part) => {
                        out.extend_from_slice(part);
                        out.extend_from_slice(SPACE);
                    }
                    None => out.extend_from_slice(part),
                }
            }
            if let Some(&last) = becomes.last() {
                self.after_space = trims && last == b' ';
            }
        }
        let is_all = self.rest.is_empty();
        while trims && is_all && out.ends_with(SPACE) {
            out.truncate(out.len() - SPACE.len());
        }
        is_all
    }

    fn skip_spaces(&mut self, trims: bool) {
        while trims && !self.rest.is_empty() {
            let (len, becomes) = next(&self.view, self.rest);
            if becomes != b" " {
                break;
            }
            self.rest = self.rest.get(len..).unwrap_or_default();
        }
    }
}

trait TrimSpace {
    fn trim_start_matches_space(&self) -> &Self;
}

impl TrimSpace for [u8] {
    fn trim_start_matches_space(&self) -> &[u8] {
        let spaces = self.iter().take_while(|&&byte| byte == b' ').count();
        self.get(spaces..).unwrap_or_default()
    }
}

/// Parts of a text that can be encoded one by one: each but the first begins with a space that follows something else.
pub(super) fn words(text: &[u8], split: bool) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut at = 0;
        let mut in_word = false;
        if split {
            while at < rest.len() {
                match rest.get(at..).is_some_and(|rest| rest.starts_with(SPACE)) {
                    true if in_word => break,
                    true => at += SPACE.len(),
                    false => {
                        in_word = true;
                        at += 1;
                    }
                }
            }
        } else {
            at = rest.len();
        }
        let (word, after) = rest.split_at_checked(at)?;
        rest = after;
        Some(word)
    })
}
