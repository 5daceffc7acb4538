//! SentencePiece tokenizers of any number of pieces, as the repositories of models publish them: small words, then
//! numbered ones.

use serde_json::{Map, json};

use super::model::{Architecture, Model};
use super::multilingual::Text;

/// Kinds of pieces in `sentencepiece_model.proto`.
const NORMAL: u64 = 1;
const UNKNOWN: u64 = 2;
const CONTROL: u64 = 3;
const BYTE: u64 = 6;

/// A message of protobuf.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value > 127 {
            self.0.push(value as u8 | 128);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, field: u64, value: u64) {
        self.varint(field << 3);
        self.varint(value);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn piece(&mut self, text: &str, score: f32, kind: u64) {
        let mut piece = Message::default();
        piece.bytes(1, text.as_bytes());
        piece.float(2, score);
        if kind != NORMAL {
            piece.number(3, kind);
        }
        self.bytes(1, &piece.0);
    }
}

/// The name and content of the tokenizer's file of a model that has one of its own.
pub fn file(model: &Model) -> Option<(&'static str, Vec<u8>)> {
    let rows = model.vocab_size();
    Some(match &model.architecture {
        Architecture::Siglip(size) if size.has_gemma() => ("tokenizer.model", self::model(rows, true)),
        Architecture::Siglip(_) => ("spiece.model", self::model(rows, false)),
        Architecture::Multilingual(size) => match size.text {
            Text::Nllb => ("tokenizer.json", nllb(rows)),
            Text::Worldwide { end: 1, .. } => ("spiece.model", self::model(rows, false)),
            // fairseq adds a piece before them, and one after them.
            Text::XlmRoberta { .. } | Text::Worldwide { .. } => ("sentencepiece.bpe.model", xlm_roberta(rows - 2)),
        },
        Architecture::Vit(_) | Architecture::MobileClip(_) | Architecture::Resnet(_) | Architecture::Perception(_) => {
            return None;
        }
    })
}

/// Short pieces, before numbered ones. Longer ones come first: a merge needs a better rank than those that it leads to.
fn words() -> impl Iterator<Item = String> {
    let words = ["\u{2581}a", "\u{2581}d", "\u{2581}dog", "\u{2581}c", "og", "\u{2581}"];
    words.into_iter().map(str::to_owned).chain(('a'..='z').map(String::from))
}

/// `tokenizer.json` of NLLB: merged pairs, English as the last token but four, and German after it.
fn nllb(rows: usize) -> Vec<u8> {
    let mut vocab = Map::new();
    for name in ["<s>", "<pad>", "</s>", "<unk>"].into_iter().map(str::to_owned).chain(words()) {
        vocab.insert(name, vocab.len().into());
    }
    let english = rows - 5;
    assert!(vocab.len() <= english, "so few pieces are not supported");
    for id in vocab.len()..rows {
        let name = match id - english.min(id) {
            0 if id == english => "eng_Latn".to_owned(),
            1 => "deu_Latn".to_owned(),
            _ => format!("\u{2581}word{id}"),
        };
        vocab.insert(name, id.into());
    }
    let special = |name: &str, id: usize| {
        json!({"id": id, "content": name, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            "special": true})
    };
    let file = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [
            special("<s>", 0), special("<pad>", 1), special("</s>", 2), special("<unk>", 3), special("eng_Latn", english),
            special("deu_Latn", english + 1),
        ],
        "normalizer": null,
        "pre_tokenizer": {"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always", "split": true},
        "post_processor": null,
        "decoder": null,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": false, "vocab": vocab,
            "merges": [["o", "g"], ["\u{2581}", "d"], ["\u{2581}d", "og"], ["\u{2581}", "a"], ["\u{2581}", "c"]],
        },
    });
    file.to_string().into_bytes()
}

/// A unigram model that fairseq renumbers.
fn xlm_roberta(pieces: usize) -> Vec<u8> {
    let names = [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)];
    written(names.map(|(name, kind)| (name.to_owned(), kind)).into(), pieces, false)
}

/// The file of a model with so many pieces: of T5 (unigram, lower case as SigLIP cleans it), or of Gemma (merged pairs,
/// bytes for unknown characters) as SigLIP 2 has it. It has at least 40 pieces, and Gemma's at least 300.
pub fn model(pieces: usize, gemma: bool) -> Vec<u8> {
    let all: Vec<(String, u64)> = match gemma {
        false => vec![("<pad>".into(), CONTROL), ("</s>".into(), CONTROL), ("<unk>".into(), UNKNOWN)],
        true => {
            let names = [("<pad>", CONTROL), ("<eos>", CONTROL), ("<bos>", CONTROL), ("<unk>", UNKNOWN)];
            let bytes = (0..256).map(|byte| (format!("<0x{byte:02X}>"), BYTE));
            names.map(|(name, kind)| (name.to_owned(), kind)).into_iter().chain(bytes).collect()
        }
    };
    written(all, pieces, gemma)
}

/// A file of these pieces, and further ones until there are `pieces`.
fn written(mut all: Vec<(String, u64)>, pieces: usize, gemma: bool) -> Vec<u8> {
    all.extend(words().map(|word| (word, NORMAL)));
    let filler = (0..pieces.saturating_sub(all.len())).map(|number| (format!("\u{2581}word{number}"), NORMAL));
    all.extend(filler.collect::<Vec<_>>());
    assert_eq!(all.len(), pieces, "so few pieces are not supported");

    let mut file = Message::default();
    for (id, (text, kind)) in all.iter().enumerate() {
        file.piece(text, if *kind == NORMAL { -1.0 - id as f32 / 1024.0 } else { 0.0 }, *kind);
    }
    let mut trainer = Message::default();
    trainer.number(3, if gemma { 2 } else { 1 });
    trainer.number(35, gemma.into());
    file.bytes(2, &trainer.0);
    let mut normalizer = Message::default();
    normalizer.number(3, (!gemma).into());
    normalizer.number(4, (!gemma).into());
    file.bytes(3, &normalizer.0);
    file.0
}
