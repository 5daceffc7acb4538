//! The tokenizer of a model whose texts are SentencePiece pieces: the files of it that lie beside its checkpoint.
//!
//! Sources: open_clip 3.3.0 (`tokenizer.py`), transformers 5.24 (`tokenization_siglip.py`, `tokenization_siglip2.py`).

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::facts::{Facts, Quantity};
use super::json::{self, Fields};
use super::tables::pieces as tables;
use super::tokenizer::content;
use crate::import::error::{Error, printable};
use crate::import::recipes::siglip::GEMMA_ROWS;
use crate::import::recipes::{Mapped, SourceLayout};
use crate::tokenizer::{self, Clean, TokenizerConfig, TokenizerFile};

/// Files of a SentencePiece model, and of the library `tokenizers`.
const SPIECE: &str = "spiece.model";
const MODEL: &str = "tokenizer.model";
const JSON: &str = "tokenizer.json";

/// What surrounds the texts of SigLIP's models.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// Files of the pieces, in the order in which the reference takes them.
    files: [&'static str; 3],
    /// Name of the token after each text, whose id is [`END`].
    end: &'static str,
    /// Name and id of the token that fills the positions after it.
    pad: (&'static str, u32),
    /// The cleaning of the reference, if no configuration states one.
    clean: Clean,
}

/// The id after each text.
const END: u32 = 1;

/// A tokenizer as a weights file holds it.
#[derive(Debug)]
pub(in crate::import) struct Stored {
    pub words: Vec<u32>,
    pub config: TokenizerConfig,
}

impl Family {
    /// That of a model with a sigmoid. `rows` are those of its token embedding, which tell the generation.
    pub(super) fn of(layout: SourceLayout, rows: usize) -> Family {
        let (end, pad) = if rows == GEMMA_ROWS { ("<eos>", ("<pad>", 0)) } else { ("</s>", ("</s>", END)) };
        let (files, clean) = match (layout, rows == GEMMA_ROWS) {
            (SourceLayout::HuggingFace, true) => ([JSON, MODEL, SPIECE], Clean::LowerOnly),
            // transformers has no class for it that reads `tokenizer.json`.
            (SourceLayout::HuggingFace, false) => ([SPIECE, MODEL, JSON], Clean::Punctuation),
            _ => ([JSON, MODEL, SPIECE], Clean::Canonicalize),
        };
        Family { files, end, pad, clean }
    }

    /// Reads a `tokenizer_config.json` or `special_tokens_map.json`. It states nothing but claims.
    pub(super) fn facts(&self, path: &Path, root: &Value) -> Result<Facts, Error> {
        let cfg = Fields::root(path, root, &tables::FIELDS)?;
        for (field, wanted) in [("eos_token", self.end), ("pad_token", self.pad.0)] {
            if let Some(token) = cfg.get(field) {
                let name = content(&cfg, field, token)?;
                if name != wanted {
                    return cfg.error(field, &format!("is `{}`; that of this model is `{wanted}`", printable(name)));
                }
            }
        }
        let mut facts = Facts::new(path.display().to_string());
        for field in ["model_max_length", "max_len", "max_length"] {
            // Python writes "no limit" as a number with 31 digits.
            let longest = cfg.f64(field)?.map(|longest| longest as usize);
            facts.claim_at_most(cfg.name(field), Quantity::ContextLength, longest);
        }
        Ok(facts)
    }

    /// The file of the pieces: the one that the user `named`, or else the first in these folders.
    fn find(&self, named: Option<&Path>, folders: &[&Path]) -> Option<PathBuf> {
        if let Some(named) = named.filter(|path| is_file_of_pieces(path) && path.is_file()) {
            return Some(named.to_owned());
        }
        let paths = folders.iter().flat_map(|folder| self.files.map(|name| folder.join(name)));
        paths.into_iter().find(|path| path.is_file())
    }

    /// Reads the file of the pieces. `clean` is what the configuration states.
    fn read(&self, path: &Path, clean: Option<Clean>, rows: usize) -> Result<Stored, Error> {
        let refused = |reason: String| Error::Config { path: path.to_owned(), reason };
        let file = TokenizerFile::read(path).map_err(|error| match error {
            tokenizer::Error::File { reason, .. } => refused(reason),
            other => refused(other.to_string()),
        })?;
        if file.id(self.end) != Some(END) || file.id(self.pad.0) != Some(self.pad.1) {
            return Err(refused(format!(
                "is not the tokenizer of this model, whose texts end with `{}` of id {END} and are filled up with `{}` \
                 of id {}; put the one of its repository in its place, or name it with --config",
                self.end, self.pad.0, self.pad.1
            )));
        }
        let file = file.with_clean(clean.unwrap_or(self.clean)).with_bounds(None, Some(END), Some(self.pad.1));
        if !file.serves(rows) {
            return Err(refused(format!(
                "is not the tokenizer of this model: it has {} pieces, and the token embedding {rows} rows; put the one \
                 of its repository in its place, or name it with --config",
                file.vocab_size()
            )));
        }
        let (bytes, config) = file.store().map_err(|error| refused(error.to_string()))?;
        let (words, _) = bytes.as_chunks::<4>();
        Ok(Stored { words: words.iter().map(|word| u32::from_le_bytes(*word)).collect(), config })
    }
}

/// Whether the file at `path` has the name of a file of pieces.
pub(super) fn is_file_of_pieces(path: &Path) -> bool {
    path.file_name().is_some_and(|name| [SPIECE, MODEL, JSON].iter().any(|file| name == *file))
}

/// Reads the tokenizer of a model with a sigmoid, of those that lie in `folders` or that the user `named`.
pub(super) fn read(
    mapped: &Mapped,
    checkpoint: &Path,
    clean: Option<Clean>,
    named: Option<&Path>,
    folders: &[&Path],
) -> Result<Option<Stored>, Error> {
    let Some(text) = &mapped.draft.text else { return Ok(None) };
    let family = Family::of(mapped.layout, text.vocab_size());
    match family.find(named, folders) {
        Some(path) => family.read(&path, clean, text.vocab_size()).map(Some),
        None => Err(Error::Undetermined {
            path: checkpoint.to_owned(),
            reason: format!(
                "its texts need a tokenizer, and none lies beside it; put `{JSON}`, `{MODEL}` or `{SPIECE}` of its \
                 repository there, or name the file with --config. With --without-tokenizer the model takes photos, and \
                 ids that a program gives, but no text"
            ),
        }),
    }
}

/// Reads the configuration files of a tokenizer in the first folder that has one.
pub(super) fn facts(family: Family, folders: &[&Path], names: &[&str]) -> Result<Vec<Facts>, Error> {
    let paths = |folder: &&Path| names.iter().map(|name| folder.join(name)).filter(|path| path.is_file()).collect();
    let found: Option<Vec<PathBuf>> = folders.iter().map(paths).find(|paths: &Vec<PathBuf>| !paths.is_empty());
    found.unwrap_or_default().iter().map(|path| family.facts(path, &json::read(path)?)).collect()
}
