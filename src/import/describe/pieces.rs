//! The tokenizer of a model whose texts are SentencePiece pieces: the files of it that lie beside its checkpoint.
//!
//! Sources: open_clip 3.3.0 (`tokenizer.py`), transformers 5.24 (`tokenization_siglip.py`, `tokenization_siglip2.py`,
//! `tokenization_xlm_roberta.py`, `tokenization_nllb.py`).

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::facts::{Facts, Quantity};
use super::json::{self, Fields};
use super::tables::pieces as tables;
use super::tokenizer::{content, longest_texts};
use crate::import::error::{Error, printable};
use crate::import::recipes::siglip::GEMMA_ROWS;
use crate::import::recipes::{Mapped, SourceLayout};
use crate::models::config::TextConfig;
use crate::tokenizer::{self, Clean, TokenizerConfig, TokenizerFile};

/// Files of a SentencePiece model, and of the library `tokenizers`.
const SPIECE: &str = "spiece.model";
const MODEL: &str = "tokenizer.model";
const BPE_MODEL: &str = "sentencepiece.bpe.model";
const JSON: &str = "tokenizer.json";

/// A token by its name, and the id that it must have.
type Token = (&'static str, u32);

/// What surrounds the texts of a family of models.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// Files of the pieces, in the order in which the reference takes them.
    files: &'static [&'static str],
    start: Start,
    /// The token after each text.
    end: Token,
    /// The token that fills the positions after it.
    pad: Token,
    /// Whether fairseq has renumbered the pieces of a SentencePiece model.
    fairseq: bool,
    /// The cleaning of the reference, if no configuration states one.
    clean: Clean,
    /// Whether the reference makes texts lower case, as a configuration may say.
    lower_case: bool,
    /// Whether the model is a MetaCLIP 2.
    is_metaclip: bool,
}

/// What a text begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Nothing,
    Token(Token),
    /// The token of its language: English, unless a caller says another.
    Language,
}

/// The language of texts whose language nobody states, as FLORES-200 calls it.
const ENGLISH: &str = "eng_Latn";

/// A tokenizer as a weights file holds it.
#[derive(Debug)]
pub(in crate::import) struct Stored {
    pub words: Vec<u32>,
    pub config: TokenizerConfig,
}

impl Family {
    /// That of a model; `None` for one with CLIP's vocabulary, or another that is not known.
    pub(super) fn of(mapped: &Mapped) -> Option<Family> {
        let text = mapped.draft.text.as_ref()?;
        let hugging_face = mapped.layout == SourceLayout::HuggingFace;
        Some(match (text, mapped.end_of_pieces()) {
            (TextConfig::XlmRoberta(_), _) => Family::fairseq(Clean::Whitespace),
            // NLLB.
            _ if mapped.has_own_text() => Family {
                // The names of its languages are in no other file.
                files: &[JSON],
                start: Start::Language,
                ..Family::fairseq(Clean::Whitespace)
            },
            _ if mapped.sigmoid => Family::siglip(hugging_face, text.vocab_size() == GEMMA_ROWS),
            // MetaCLIP 2: XLM-V's vocabulary, or mT5's.
            (_, Some(2)) => {
                let clean = if hugging_face { Clean::None } else { Clean::Whitespace };
                Family { is_metaclip: true, ..Family::fairseq(clean) }
            }
            (_, Some(_)) => Family { is_metaclip: true, ..Family::siglip(hugging_face, false) },
            _ => return None,
        })
    }

    pub(super) fn siglip(hugging_face: bool, gemma: bool) -> Family {
        let (end, pad) = if gemma { (("<eos>", 1), ("<pad>", 0)) } else { (("</s>", 1), ("</s>", 1)) };
        let (files, clean): (&[&str], _) = match (hugging_face, gemma) {
            (true, true) => (&[JSON, MODEL, SPIECE], Clean::LowerOnly),
            // transformers has no class for it that reads `tokenizer.json`.
            (true, false) => (&[SPIECE, MODEL, JSON], Clean::Punctuation),
            (false, _) => (&[JSON, MODEL, SPIECE], Clean::Canonicalize),
        };
        Family { files, start: Start::Nothing, end, pad, fairseq: false, clean, lower_case: true, is_metaclip: false }
    }

    /// XLM-RoBERTa's and XLM-V's.
    fn fairseq(clean: Clean) -> Family {
        let files = &[JSON, BPE_MODEL, MODEL];
        let (start, end, pad) = (Start::Token(("<s>", 0)), ("</s>", 2), ("<pad>", 1));
        Family { files, start, end, pad, fairseq: true, clean, lower_case: false, is_metaclip: false }
    }

    /// Reads a `tokenizer_config.json` or `special_tokens_map.json`. It states nothing but claims.
    pub(super) fn facts(&self, path: &Path, root: &Value) -> Result<Facts, Error> {
        let cfg = Fields::root(path, root, &tables::FIELDS)?;
        for (field, (wanted, _)) in [("eos_token", self.end), ("pad_token", self.pad)] {
            if let Some(token) = cfg.get(field) {
                let name = content(&cfg, field, token)?;
                if name != wanted {
                    return cfg.error(field, &format!("is `{}`; that of this model is `{wanted}`", printable(name)));
                }
            }
        }
        let flags = [
            ("add_bos_token", self.start != Start::Nothing),
            ("add_eos_token", true),
            ("do_lower_case", self.lower_case),
            ("add_prefix_space", true),
        ];
        for (field, wanted) in flags {
            if cfg.bool(field)?.is_some_and(|stated| stated != wanted) {
                return cfg.error(field, &format!("is {}; that of this model is {wanted}", !wanted));
            }
        }
        if let Some(language) = cfg.str("src_lang")?.filter(|language| *language != ENGLISH) {
            return cfg.error("src_lang", &format!("is `{}`; texts are {ENGLISH} by default", printable(language)));
        }
        let mut facts = Facts::new(path.display().to_string());
        for (name, longest) in longest_texts(&cfg)? {
            // The tokenizer of MetaCLIP 2 with mT5's vocabulary fills fewer positions than the tower has.
            if !self.is_metaclip {
                facts.claim_at_most(name, Quantity::ContextLength, Some(longest));
            }
        }
        Ok(facts)
    }

    /// The file of the pieces: the one that the user `named`, whether it is there or not, or else the first in these
    /// folders.
    fn find(&self, named: Option<&Path>, folders: &[&Path]) -> Option<PathBuf> {
        if let Some(named) = named.filter(|path| is_file_of_pieces(path) && !path.is_dir()) {
            return Some(named.to_owned());
        }
        let mut paths = folders.iter().flat_map(|folder| self.files.iter().map(|name| folder.join(name)));
        paths.find(|path| path.is_file())
    }

    /// Reads the file of the pieces. `clean` is what the configuration states.
    fn read(&self, path: &Path, clean: Option<Clean>, rows: usize) -> Result<Stored, Error> {
        let refused = |reason: String| Error::Config { path: path.to_owned(), reason };
        let file = TokenizerFile::read(path).map_err(|error| match error {
            tokenizer::Error::File { reason, .. } => refused(reason),
            other => refused(other.to_string()),
        })?;
        // In a `tokenizer.json`, ids are final.
        let file = match self.fairseq && path.extension().is_some_and(|extension| extension == "model") {
            true => file.fairseq(&["<mask>"]).map_err(|error| refused(error.to_string()))?,
            false => file,
        };
        let start = match self.start {
            Start::Nothing => None,
            Start::Token(token) => Some(token),
            Start::Language => match file.id(ENGLISH) {
                Some(id) => Some((ENGLISH, id)),
                None => return Err(refused(format!("is not the tokenizer of this model: it has no `{ENGLISH}`"))),
            },
        };
        let tokens = [start, Some(self.end), Some(self.pad)].into_iter().flatten();
        if let Some((name, id)) = tokens.into_iter().find(|(name, id)| file.id(name) != Some(*id)) {
            return Err(refused(format!(
                "is not the tokenizer of this model, in which `{name}` has the id {id}; put the one of its repository in \
                 its place, or name it with --config"
            )));
        }
        let (start, end, pad) = (start.map(|(_, id)| id), Some(self.end.1), Some(self.pad.1));
        let file = file.with_clean(clean.unwrap_or(self.clean)).with_bounds(start, end, pad);
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
    path.file_name().is_some_and(|name| [SPIECE, MODEL, BPE_MODEL, JSON].iter().any(|file| name == *file))
}

/// Reads the tokenizer of a model of the family with `rows` rows of token embeddings, of those that lie in `folders` or
/// that the user `named`.
pub(super) fn read(
    family: Family,
    rows: usize,
    checkpoint: &Path,
    clean: Option<Clean>,
    named: Option<&Path>,
    folders: &[&Path],
) -> Result<Stored, Error> {
    let Some(path) = family.find(named, folders) else {
        let files: Vec<String> = family.files.iter().map(|name| format!("`{name}`")).collect();
        let of = match family.start {
            Start::Language => "facebook/nllb-200-distilled-600M",
            Start::Nothing | Start::Token(_) => "its repository",
        };
        return Err(Error::Undetermined {
            path: checkpoint.to_owned(),
            reason: format!(
                "its texts need a tokenizer, and none lies beside it; put {} of {of} there, or name the file with \
                 --config. With --without-tokenizer the model takes photos, and ids that a program gives, but no text",
                files.join(" or ")
            ),
        });
    };
    family.read(&path, clean, rows)
}

/// Reads the configuration files of a tokenizer in the first folder that has one.
pub(super) fn facts(family: Family, folders: &[&Path], names: &[&str]) -> Result<Vec<Facts>, Error> {
    let paths = |folder: &&Path| names.iter().map(|name| folder.join(name)).filter(|path| path.is_file()).collect();
    let found: Option<Vec<PathBuf>> = folders.iter().map(paths).find(|paths: &Vec<PathBuf>| !paths.is_empty());
    found.unwrap_or_default().iter().map(|path| family.facts(path, &json::read(path)?)).collect()
}
