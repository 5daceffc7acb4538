//! Compares token ids of pieces with those of `sentencepiece` and `tokenizers` (goldens by
//! `tools/sentencepiece_goldens.py`), and bounds the time of crafted texts.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clippie_rs::tokenizer::{Clean, Error, Overflow, Tokenizer, TokenizerConfig, TokenizerFile};

/// Files of the repository, or of `CLIPPIE_SENTENCEPIECE`, a folder with more lines.
struct Goldens(Option<PathBuf>);

impl Goldens {
    fn read(&self, name: &str) -> Vec<u8> {
        let Some(folder) = &self.0 else {
            let path =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/sentencepiece").join(format!("{name}.gz"));
            let file = fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let mut bytes = Vec::new();
            flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
            return bytes;
        };
        let path = folder.join(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn file(&self, name: &str) -> TokenizerFile {
        TokenizerFile::from_bytes(&self.read(name), Path::new(name)).unwrap()
    }

    fn tokenizer(&self, name: &str) -> Tokenizer {
        self.file(name).tokenizer().unwrap()
    }

    /// Texts with the ids of each kind: those of sentencepiece; those of tokenizers, if they are to be compared, or none if
    /// they are the same.
    fn lines(&self) -> Vec<(String, BTreeMap<String, Lists>)> {
        let text = String::from_utf8(self.read("lines.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Ids of a text by either library.
type Lists = Vec<Option<Vec<u32>>>;

const KINDS: [&str; 4] = ["t5", "xlmr", "gemma", "nllb"];

/// Whether the ids of a kind are those of fairseq.
fn is_fairseq(kind: &str) -> bool {
    matches!(kind, "xlmr" | "nllb")
}

fn fairseq(ids: &[u32]) -> Vec<u32> {
    ids.iter().map(|&id| if id == 0 { 3 } else { id + 1 }).collect()
}

/// Returns what is wrong.
#[must_use]
fn compare<'a>(what: &str, tokenizer: &Tokenizer, lines: impl Iterator<Item = (&'a str, Vec<u32>)>) -> String {
    let mut count = 0;
    let mut wrong = Vec::new();
    for (text, expected) in lines {
        count += 1;
        let ids = tokenizer.encode(text).unwrap();
        if ids != expected {
            wrong.push(format!("{text:?}\n    ours   {ids:?}\n    theirs {expected:?}"));
        }
    }
    assert!(count >= 1400, "{what}: {count}");
    if wrong.is_empty() {
        println!("{what}: {count} lines agree");
        return String::new();
    }
    format!("{what}: {} of {count} differ:\n{}\n", wrong.len(), wrong[..wrong.len().min(5)].join("\n"))
}

fn compare_all(goldens: &Goldens) {
    let lines = goldens.lines();
    let mut wrong = String::new();
    for kind in KINDS {
        let own = goldens.tokenizer(&format!("{kind}.model"));
        let ids = |lists: &Lists| lists[0].clone().unwrap();
        let lines = lines.iter().map(|(text, all)| (text.as_str(), ids(&all[kind])));
        wrong += &compare(&format!("{kind}, sentencepiece"), &own, lines);
    }
    for kind in lines[0].1.keys() {
        let theirs = goldens.tokenizer(&format!("{kind}.json"));
        let ids = |lists: &Lists| match lists.as_slice() {
            [_, Some(ids)] => Some(ids.clone()),
            [Some(ids), None] if is_fairseq(kind) => Some(fairseq(ids)),
            [Some(ids), None] => Some(ids.clone()),
            _ => None,
        };
        let lines = lines.iter().filter_map(|(text, all)| Some((text.as_str(), ids(&all[kind])?)));
        wrong += &compare(&format!("{kind}, tokenizers"), &theirs, lines);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn ids_match_both_libraries() {
    compare_all(&Goldens(None));
    // A folder of the same form, for comparisons too large to keep.
    if let Some(folder) = std::env::var_os("CLIPPIE_SENTENCEPIECE") {
        compare_all(&Goldens(Some(folder.into())));
    }
}

/// Bytes at a multiple of 4.
struct Words(Vec<u32>);

impl AsRef<[u8]> for Words {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

#[test]
fn the_stored_form_gives_the_same_ids() {
    for name in ["t5.json", "gemma.model"] {
        let file = Goldens(None).file(name).with_clean(Clean::Canonicalize);
        let (bytes, config) = file.store().unwrap();
        assert_eq!((config.kind.as_str(), config.clean), (TokenizerConfig::SENTENCEPIECE, Clean::Canonicalize));
        // A file holds the configuration as JSON.
        let json = serde_json::to_value(&config).unwrap();
        assert_eq!(TokenizerConfig::from_json(&json), Ok(config.clone()));
        assert_eq!(bytes.len() % 64, 0);
        let words: Vec<u32> = bytes.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
        let stored = Tokenizer::stored(Arc::new(Words(words.clone())), &config).unwrap();
        let text = "A Dog, on the BEACH!";
        assert_eq!(stored.encode(text), file.tokenizer().unwrap().encode("a dog on the beach"));
        assert_eq!((stored.config(), stored.vocab_size()), (config.clone(), file.vocab_size()));
        assert_eq!(stored.config().data_sha256.len(), 64);
        let other = TokenizerConfig::clip();
        assert!(matches!(Tokenizer::stored(Arc::new(Words(words.clone())), &other), Err(Error::UnknownKind { .. })));
        assert!(matches!(Tokenizer::of(&config), Err(Error::UnknownKind { .. })));
        assert!(matches!(Tokenizer::stored(Arc::new(Words(vec![0; 64])), &config), Err(Error::Config(_))));
    }
}

/// SigLIP pads to 64 positions with the id of `pad_id` and cuts before its end; XLM-RoBERTa has both ends; NLLB has the
/// language first.
#[test]
fn ids_around_texts_and_cuts() {
    let goldens = Goldens(None);
    let long = "a dog on a beach ".repeat(40);

    let siglip = goldens.file("t5.model").with_bounds(None, Some(1), Some(1)).tokenizer().unwrap();
    assert_eq!((siglip.start_id(), siglip.end_id(), siglip.pad_id()), (None, Some(1), Some(1)));
    assert_eq!(around(&siglip, "", 64), [1]);
    let cut = around(&siglip, &long, 64);
    assert_eq!((cut.len(), cut[63]), (64, 1));
    assert_eq!(cut[..63], siglip.encode(&long).unwrap()[..63]);
    assert_eq!(around(&siglip, &long, 1), [1]);
    assert_eq!(siglip.tokenize("", 0, Overflow::Truncate), Err(Error::ContextTooShort { context_length: 0 }));
    let tokens = siglip.encode(&long).unwrap().len() + 1;
    assert_eq!(siglip.tokenize(&long, 64, Overflow::Refuse), Err(Error::TooLong { tokens, context_length: 64 }));

    let siglip2 = goldens.file("siglip2.json").with_bounds(None, Some(1), Some(0)).tokenizer().unwrap();
    assert_eq!(around(&siglip2, "A DOG", 64), [siglip2.encode("a dog").unwrap(), vec![1]].concat());
    assert_eq!(siglip2.pad_id(), Some(0));

    // The published JSON of XLM-RoBERTa and the file of SentencePiece, renumbered, are one tokenizer.
    let json = goldens.tokenizer("xlmr.json");
    let own = goldens.file("xlmr.model").fairseq(&["<mask>"]).unwrap().tokenizer().unwrap();
    for text in ["", "a dog on a beach", "日本語 テキスト", &long] {
        let ids = around(&json, text, 77);
        assert_eq!((ids.first(), ids.last(), ids.len() <= 77), (Some(&0), Some(&2), true));
        assert_eq!(ids, around(&own, text, 77));
        assert!(!ids[1..ids.len() - 1].contains(&2), "a model that pools at the first end id would stop early");
    }
    assert_eq!((own.pad_id(), own.vocab_size()), (Some(1), json.vocab_size()));

    let nllb = goldens.file("nllb.json");
    let [english, german] = ["eng_Latn", "deu_Latn"].map(|name| nllb.id(name).unwrap());
    let nllb = nllb.tokenizer().unwrap();
    let german_ids = around(&nllb.with_language("deu_Latn").unwrap(), "ein Hund", 77);
    let english_ids = around(&nllb, "ein Hund", 77);
    assert_eq!((english_ids[0], german_ids[0]), (english, german));
    assert_eq!((english_ids.last(), &english_ids[1..]), (Some(&2), &german_ids[1..]));
    for name in ["dog", "<none>", ""] {
        assert!(matches!(nllb.with_language(name), Err(Error::UnknownLanguage { .. })), "{name}");
    }
    assert!(Tokenizer::clip().with_language("eng_Latn").is_err());
}

fn around(tokenizer: &Tokenizer, text: &str, context: usize) -> Vec<u32> {
    tokenizer.tokenize(text, context, Overflow::Truncate).unwrap()
}

/// The cleanings of SigLIP differ by layout.
#[test]
fn cleanings_differ_by_layout() {
    let file = Goldens(None).file("t5.model");
    let with = |clean| file.clone().with_clean(clean).tokenizer().unwrap();
    let plain = with(Clean::None);
    for (clean, text, cleaned) in [
        (Clean::Canonicalize, "A snake_case Dog!", "a snake case dog"),
        (Clean::Punctuation, "A snake_case Dog!", "a snakecase dog"),
        (Clean::LowerOnly, "A snake_case Dog!", "a snake_case dog!"),
        (Clean::Whitespace, "A \n &amp; Dog", "A & Dog"),
        (Clean::Lower, "A &amp; Dog", "a & dog"),
    ] {
        assert_eq!(with(clean).encode(text), plain.encode(cleaned), "{clean:?}");
        assert_ne!(with(clean).encode(text), plain.encode(text), "{clean:?}");
    }
}

/// Long texts are read as far as a number of ids needs; these are the first ids of the whole text.
#[test]
fn enough_ids_are_the_first_of_all() {
    let parts = [
        "a",
        "ab",
        " ",
        "  ",
        "the dog ",
        "\u{2581}",
        "日本語",
        "e\u{301}",
        "\u{fdfa}",
        "ing",
        "7",
        "\n",
        "😀",
        "ß",
        "-",
    ];
    let mut seed = 11_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for name in
        ["t5.model", "t5.json", "xlmr.model", "xlmr.json", "gemma.model", "siglip2.json", "nllb.model", "nllb.json"]
    {
        let tokenizer = Goldens(None).tokenizer(name);
        let around = usize::from(tokenizer.start_id().is_some()) + usize::from(tokenizer.end_id().is_some());
        for round in 0..12 {
            // Words of a few letters up to one of the whole text.
            let kinds: Vec<&str> = (0..1 + round % 5).map(|_| parts[random(parts.len())]).collect();
            let mut text = String::new();
            while text.len() < 20_000 {
                text.push_str(kinds[random(kinds.len())]);
                if random(40) == 0 {
                    text.push_str(parts[random(parts.len())]);
                }
            }
            let ids = tokenizer.encode(&text).unwrap();
            for count in [1, 5, 62, 300, 3000, 40_000] {
                let cut = inner_ids(&tokenizer, &text, count + around);
                assert_eq!(cut, ids[..count.min(ids.len())], "{name} {count} {text:?}");
            }
        }
    }
}

/// The ids of a text in a context of this length, without those around it.
fn inner_ids(tokenizer: &Tokenizer, text: &str, context: usize) -> Vec<u32> {
    let ids = around(tokenizer, text, context);
    let start = usize::from(tokenizer.start_id().is_some());
    ids[start..ids.len() - usize::from(tokenizer.end_id().is_some())].to_vec()
}

/// Far above the time of any of these texts on a slow machine, far below that of quadratic work.
const TIME_LIMIT: Duration = Duration::from_secs(20);

#[test]
fn crafted_texts_finish_in_time() {
    // Without optimisation every step takes ten times longer.
    let mega = if cfg!(debug_assertions) { 1 << 17 } else { 1 << 20 };
    let parts = [
        "a",
        "ab",
        "abcdefghijklmnopqrstuvwxyz",
        "0",
        " ",
        "\n",
        "\u{2581}",
        "\u{2581}a",
        "\u{301}",
        "e\u{301}",
        "\u{fffd}",
        "\0",
        "\u{fdfa}",
        "!",
        "<b>",
        "<",
        "👩\u{200d}",
        "🇫🇷",
        "क\u{94d}",
        "日本語",
        "the",
        "\u{10ffff}",
        "a b",
        "\u{1100}",
        "<s>",
        "\u{200c}",
        // Many short words, and characters that become several.
        "ab c",
        "½",
        "㍿",
        "ﷺ ",
    ];
    for name in ["t5.model", "t5.json", "xlmr.json", "gemma.model", "siglip2.json", "nllb.model", "nllb.json"] {
        let tokenizer = Goldens(None).tokenizer(name);
        for part in parts {
            let text = part.repeat(mega / part.len());
            let started = Instant::now();
            let ids = tokenizer.encode(&text).unwrap();
            let taken = started.elapsed();
            println!("{name} {part:?} of {} bytes: {taken:?}", text.len());
            assert!(taken < TIME_LIMIT, "{name} {part:?}");
            let cut = tokenizer.tokenize(&text, 64, Overflow::Truncate).unwrap();
            let start = usize::from(tokenizer.start_id().is_some());
            assert_eq!(cut[start..].iter().zip(&ids).take(60).filter(|(a, b)| a != b).count(), 0, "{name} {part:?}");
        }
    }
}
