//! SentencePiece models of any number of pieces, as SigLIP's repositories publish them: small words, then numbered ones.

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

/// The file of a model with so many pieces: of T5 (unigram, lower case as SigLIP cleans it), or of Gemma (merged pairs,
/// bytes for unknown characters) as SigLIP 2 has it. It has at least 40 pieces, and Gemma's at least 300.
pub fn model(pieces: usize, gemma: bool) -> Vec<u8> {
    let mut all: Vec<(String, u64)> = match gemma {
        false => vec![("<pad>".into(), CONTROL), ("</s>".into(), CONTROL), ("<unk>".into(), UNKNOWN)],
        true => {
            let names = [("<pad>", CONTROL), ("<eos>", CONTROL), ("<bos>", CONTROL), ("<unk>", UNKNOWN)];
            let bytes = (0..256).map(|byte| (format!("<0x{byte:02X}>"), BYTE));
            names.map(|(name, kind)| (name.to_owned(), kind)).into_iter().chain(bytes).collect()
        }
    };
    // Longer pieces first: a merge needs a better rank than those that it leads to.
    let words = ["\u{2581}a", "\u{2581}d", "\u{2581}dog", "\u{2581}c", "og", "\u{2581}"];
    all.extend(words.map(|word| (word.to_owned(), NORMAL)));
    all.extend(('a'..='z').map(|letter| (letter.to_string(), NORMAL)));
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
