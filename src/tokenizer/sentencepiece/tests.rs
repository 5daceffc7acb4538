//! Both formats give one model; what cannot be obeyed is refused by name; damage is harmless.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::model::{Model, Value};
use super::rules::Rules;
use super::store::{Bounds, HEADER};
use super::trie::Class;
use super::*;

fn golden(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/sentencepiece").join(format!("{name}.gz"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

fn model(name: &str) -> Model {
    read::read(&golden(name)).unwrap()
}

fn json(name: &str) -> Json {
    serde_json::from_slice(&golden(name)).unwrap()
}

fn ids(model: &Model, text: &str) -> Vec<u32> {
    // The allocator aligns far more than a byte.
    let bytes = build(model).unwrap();
    let mut ids = Vec::new();
    encode(&open(&bytes).unwrap(), text, usize::MAX, &mut ids);
    ids
}

/// A field of a message.
fn field(number: u32, value: &[u8]) -> Vec<u8> {
    let mut out = vec![(number << 3 | 2) as u8, (value.len() & 0x7f | 0x80) as u8, (value.len() >> 7) as u8];
    out.extend(value);
    out
}

fn number(number: u32, value: u8) -> Vec<u8> {
    let tag = number << 3;
    if tag < 0x80 { vec![tag as u8, value] } else { vec![tag as u8 | 0x80, (tag >> 7) as u8, value] }
}

fn piece(text: &str, score: f32, kind: u8) -> Vec<u8> {
    let mut out = field(1, text.as_bytes());
    out.push(2 << 3 | 5);
    out.extend(score.to_le_bytes());
    out.extend(number(3, kind));
    field(1, &out)
}

/// A SentencePiece file: pieces after `<unk>`, fields of the trainer and of the normaliser.
fn spiece(pieces: &[(&str, f32, u8)], trainer: &[Vec<u8>], normalizer: &[Vec<u8>]) -> Vec<u8> {
    let mut out = piece("<unk>", 0.0, 2);
    out.extend(pieces.iter().flat_map(|&(text, score, kind)| piece(text, score, kind)));
    out.extend(field(2, &trainer.concat()));
    out.extend(field(3, &normalizer.concat()));
    out
}

#[track_caller]
fn refused(file: &[u8], what: &[&str]) {
    let error = read::read(file).and_then(|model| build(&model)).unwrap_err().to_string();
    for what in what {
        assert!(error.contains(what), "{error}");
    }
    assert!(!error.contains(char::is_control) && error.len() < 300, "{error}");
}

#[test]
fn both_formats_give_one_model() {
    for kind in ["t5", "xlmr", "gemma", "nllb"] {
        let theirs = model(&format!("{kind}.json"));
        let mut own = model(&format!("{kind}.model"));
        match kind {
            "xlmr" => own = own.fairseq(&["<mask>"]).unwrap(),
            "nllb" => own = own.fairseq(&["eng_Latn", "deu_Latn", "jpn_Jpan", "zho_Hans", "<mask>"]).unwrap(),
            _ => {}
        }
        assert_eq!((own.ids(), own.unknown, &own.user), (theirs.ids(), theirs.unknown, &theirs.user), "{kind}");
        assert_eq!(own.charsmap, theirs.charsmap, "{kind}");
        assert_eq!(own.bounds.pad, theirs.bounds.pad, "{kind}");
        let [own_values, their_values] = [&own, &theirs].map(|model| {
            let bytes = build(model).unwrap();
            let view = open(&bytes).unwrap();
            view.values.to_vec()
        });
        for (id, (a, b)) in own.pieces.iter().zip(&theirs.pieces).enumerate() {
            assert_eq!(a.text, b.text, "{kind} {id}");
            // tokenizers finds user-defined pieces before the model sees them, which has them all the same.
            let same = a.class == b.class || a.class == Class::UserDefined && b.class == Class::Normal;
            assert!(same, "{kind} {id}: {:?} {:?}", a.class, b.class);
            if a.class == Class::Normal && !own.rules.has(Rules::BPE) {
                assert_eq!(own_values[id], their_values[id], "{kind} {id}");
            }
        }
        if own.rules.has(Rules::BPE) {
            // The ranks have one order.
            let order = |values: &[u32]| {
                let mut ids: Vec<usize> = (0..values.len())
                    .filter(|&id| own.pieces[id].class == Class::Normal && own.pieces[id].text.chars().count() > 1)
                    .collect();
                ids.sort_by_key(|&id| values[id]);
                ids
            };
            assert_eq!(order(&own_values), order(&their_values), "{kind}");
        }
    }
}

#[test]
fn ids_around_texts_are_those_of_the_file() {
    let around = |name: &str| {
        let Bounds { start, end, pad } = model(name).bounds;
        (start, end, pad)
    };
    assert_eq!(around("t5.json"), (None, Some(1), Some(0)));
    assert_eq!(around("xlmr.json"), (Some(0), Some(2), Some(1)));
    assert_eq!(around("gemma.json"), (Some(2), None, Some(0)));
    let nllb = model("nllb.json");
    assert_eq!((nllb.bounds.start, nllb.bounds.end), (nllb.id("eng_Latn"), Some(2)));
    assert_eq!(around("t5.model"), (None, None, Some(0)));
    assert_eq!(around("xlmr.model"), (None, None, None));
    let mut padded = json("t5.json");
    padded["padding"] = json!({"strategy": "BatchLongest", "direction": "Right", "pad_id": 2, "pad_token": "<unk>"});
    assert_eq!(read::read(padded.to_string().as_bytes()).unwrap().bounds.pad, Some(2));
}

/// The kinds of pieces that no published model of the goldens has.
#[test]
fn unused_pieces_are_taken_apart_again() {
    let plain =
        [("a", -3.0, 1), ("b", -4.0, 1), ("ab", -1.0, 1), ("abc", -2.0, 5), ("c", -5.0, 1), ("abcabc", -6.0, 5)];
    let prefix = [number(3, 0)];
    let bpe = read::read(&spiece(&plain, &[number(3, 2)], &prefix)).unwrap();
    assert_eq!(ids(&bpe, "abc"), [3, 5]);
    assert_eq!(ids(&bpe, "abcabc"), [3, 5, 3, 5]);
    let unigram = read::read(&spiece(&plain, &[number(3, 1)], &prefix)).unwrap();
    assert_eq!(ids(&unigram, "abcab"), [3, 5, 3]);
    // Equal scores: the leftmost pair is first.
    let equal = [("a", -3.0, 1), ("b", -3.0, 1), ("ab", -1.0, 1), ("ba", -1.0, 1)];
    let equal = read::read(&spiece(&equal, &[number(3, 2)], &prefix)).unwrap();
    assert_eq!(ids(&equal, "abab"), [3, 3]);
    assert_eq!(ids(&equal, "baba"), [4, 4]);
}

#[test]
fn special_tokens_in_a_text_are_text() {
    for kind in ["t5", "xlmr", "gemma", "nllb"] {
        for name in [format!("{kind}.model"), format!("{kind}.json")] {
            let model = model(&name);
            let special: Vec<u32> = (0..)
                .zip(&model.pieces)
                .filter(|(id, piece)| piece.class == Class::Control && *id != model.unknown)
                .map(|(id, _)| id)
                .collect();
            for text in ["<s>", "</s>", "<pad>", "<mask>", "eng_Latn", "a</s>b", "<bos>"] {
                let ids = ids(&model, text);
                assert!(!ids.is_empty() && ids.iter().all(|id| !special.contains(id)), "{name} {text}: {ids:?}");
            }
        }
    }
}

#[test]
fn what_a_sentencepiece_file_asks_for_is_obeyed_or_refused_by_name() {
    let pieces = [("a", -1.0, 1)];
    refused(b"", &["0 pieces for what is unknown"]);
    refused(b"\x0a\x7fPNG", &["damaged or no SentencePiece model"]);
    refused(&spiece(&pieces, &[number(3, 3)], &[]), &["words or characters"]);
    refused(&spiece(&pieces, &[number(3, 4)], &[]), &["words or characters"]);
    refused(&spiece(&pieces, &[number(24, 1)], &[]), &["treat_whitespace_as_suffix"]);
    refused(&spiece(&pieces, &[number(60, 1)], &[]), &["field 60 of trainer_spec", "update"]);
    refused(&spiece(&pieces, &[], &[number(5, 0)]), &["escape_whitespaces"]);
    refused(&spiece(&pieces, &[], &[number(9, 0)]), &["field 9 of normalizer_spec"]);
    refused(&spiece(&pieces, &[], &[field(2, b"\xff\0\0\0abc")]), &["precompiled_charsmap is damaged"]);
    refused(&spiece(&pieces, &[number(35, 1)], &[]), &["byte_fallback", "<0x00>"]);
    refused(&spiece(&[("a", 0.0, 1), ("a", 0.0, 1)], &[], &[]), &["\"a\" twice"]);
    refused(&spiece(&[("", 0.0, 1)], &[], &[]), &["is empty"]);
    refused(&spiece(&[("a", f32::NAN, 1)], &[], &[]), &["score of the piece \"a\""]);
    refused(&spiece(&[("a", 0.0, 7)], &[], &[]), &["\"a\" is of a type"]);
    refused(&spiece(&[("\u{1b}[31m", 0.0, 7)], &[], &[]), &["is of a type"]);
    refused(&spiece(&[("<unk>", 0.0, 2)], &[], &[]), &["2 pieces for what is unknown"]);
    refused(&spiece(&[("<0xZZ>", 0.0, 6)], &[number(35, 1)], &[]), &["of no byte"]);
    refused(&spiece(&[(&"x".repeat(300), 0.0, 1)], &[], &[]), &["300 bytes"]);
    let mut longer = spiece(&pieces, &[], &[]);
    longer.extend(number(9, 1));
    refused(&longer, &["field 9 of the model"]);
    assert!(model("t5.model").fairseq(&[]).is_err());
    // What is not stated has its default: unigram, a prefix, spaces at the ends dropped.
    let read = read::read(&spiece(&[("a", -1.0, 1), ("\u{2581}a", -1.0, 1)], &[], &[])).unwrap();
    assert_eq!(ids(&read, "  a a  "), [2, 2]);
}

/// Removes one of several merges that make the same piece.
fn one_of_two(json: &mut Json) -> Json {
    let merges = json["model"]["merges"].as_array_mut().unwrap();
    let both = |merge: &Json| format!("{}{}", merge[0].as_str().unwrap(), merge[1].as_str().unwrap());
    let at = merges.windows(2).position(|pair| both(&pair[0]) == both(&pair[1])).unwrap();
    merges.remove(at)
}

/// Changes a file.
type Change = dyn Fn(&mut Json);

/// Every field of a `tokenizer.json`, changed.
#[test]
fn what_a_tokenizer_json_asks_for_is_obeyed_or_refused_by_name() {
    let changed = |name: &str, change: &Change| {
        let mut json = json(name);
        change(&mut json);
        json.to_string().into_bytes()
    };
    let bad: [(&str, &Change, &str); 32] = [
        ("t5.json", &|j| j["version"] = json!("2.0"), "version"),
        ("t5.json", &|j| j["surprise"] = json!(1), "surprise"),
        ("t5.json", &|j| j["model"]["surprise"] = json!(1), "surprise"),
        ("t5.json", &|j| j["model"]["type"] = json!("WordPiece"), "WordPiece"),
        ("t5.json", &|j| j["model"]["type"] = json!("BPE"), "model.type"),
        ("t5.json", &|j| j["model"]["unk_id"] = json!(null), "model.unk_id"),
        ("t5.json", &|j| j["model"]["unk_id"] = json!(100_000), "100000"),
        ("t5.json", &|j| j["model"]["byte_fallback"] = json!(true), "<0x00>"),
        ("t5.json", &|j| j["model"]["alpha"] = json!(0.1), "random"),
        ("t5.json", &|j| j["model"]["vocab"][9][1] = json!(0.1), "32 bits"),
        ("t5.json", &|j| j["model"]["vocab"][9][0] = j["model"]["vocab"][10][0].clone(), "twice"),
        ("t5.json", &|j| j["normalizer"] = json!({"type": "NFKC"}), "NFKC"),
        ("t5.json", &|j| j["normalizer"]["normalizers"].as_array_mut().unwrap().reverse(), "order"),
        ("t5.json", &|j| j["normalizer"]["normalizers"][0]["precompiled_charsmap"] = json!("!"), "base64"),
        (
            "t5.json",
            &|j| j["normalizer"]["normalizers"][0]["precompiled_charsmap"] = json!("AAAA"),
            "precompiled_charsmap",
        ),
        ("t5.json", &|j| j["normalizer"]["normalizers"][2]["content"] = json!("x"), "Replace"),
        ("t5.json", &|j| j["pre_tokenizer"] = json!(null), "Metaspace"),
        ("t5.json", &|j| j["pre_tokenizer"]["replacement"] = json!("_"), "\"_\""),
        ("t5.json", &|j| j["pre_tokenizer"]["prepend_scheme"] = json!("sometimes"), "prepend_scheme"),
        ("t5.json", &|j| j["pre_tokenizer"]["surprise"] = json!(1), "surprise"),
        ("t5.json", &|j| j["pre_tokenizer"] = json!({"type": "Whitespace"}), "Whitespace"),
        (
            "t5.json",
            &|j| j["post_processor"]["single"][0] = json!({"Sequence": {"id": "B", "type_id": 0}}),
            "post_processor",
        ),
        ("t5.json", &|j| j["post_processor"] = json!({"type": "ByteLevel"}), "ByteLevel"),
        ("t5.json", &|j| j["added_tokens"][0]["id"] = json!(7), "added_tokens"),
        ("t5.json", &|j| j["added_tokens"][3]["lstrip"] = json!(true), "lstrip"),
        ("t5.json", &|j| j["added_tokens"][3]["normalized"] = json!(true), "normalized"),
        ("gemma.json", &|j| j["model"]["dropout"] = json!(0.1), "random"),
        ("gemma.json", &|j| j["model"]["end_of_word_suffix"] = json!("</w>"), "affixes"),
        ("gemma.json", &|j| j["model"]["ignore_merges"] = json!(true), "ignore_merges"),
        ("gemma.json", &|j| j["normalizer"] = json!(null), "order"),
        ("gemma.json", &|j| drop(one_of_two(j)), "not all that make"),
        (
            "gemma.json",
            &|j| {
                let merge = one_of_two(j);
                j["model"]["merges"].as_array_mut().unwrap().push(merge);
            },
            "not one after the other",
        ),
    ];
    for (name, change, what) in bad {
        refused(&changed(name, change), &[what]);
    }
    // Of no effect.
    let plain = ids(&model("gemma.json"), "a dog  \n on");
    let same: [&Change; 5] = [
        &|j| j["decoder"] = json!(null),
        &|j| j["pre_tokenizer"] = json!(null),
        &|j| j["truncation"] = json!({"max_length": 2, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}),
        &|j| {
            j["model"]["merges"] = j["model"]["merges"]
                .as_array()
                .unwrap()
                .iter()
                .map(|m| json!(format!("{} {}", m[0].as_str().unwrap(), m[1].as_str().unwrap())))
                .collect()
        },
        &|j| drop(j["model"].as_object_mut().unwrap().remove("type")),
    ];
    for change in same {
        assert_eq!(ids(&read::read(&changed("gemma.json", change)).unwrap(), "a dog  \n on"), plain);
    }
    // Obeyed: no prefix.
    let without = changed("t5.json", &|j| j["pre_tokenizer"]["prepend_scheme"] = json!("never"));
    assert_ne!(ids(&read::read(&without).unwrap(), "dog"), ids(&model("t5.json"), "dog"));
    refused(b"{", &["EOF"]);
    refused(b"{\"version\": \"1.0\", \"model\": {\"vocab\": 1}}", &["pieces"]);
}

/// A damaged file is refused or gives some tokenizer, and any stored form gives some ids.
#[test]
fn damage_is_harmless() {
    let texts = [
        "",
        "a dog on  a beach",
        "日本語 e\u{301}\u{200c} <b>\n\n",
        "\0\u{10ffff}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ];
    let mut seed = 5_u32;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 4) as usize % below
    };
    for name in ["t5.model", "gemma.model", "gemma.json"] {
        let file = golden(name);
        for _ in 0..60 {
            let mut damaged = file.clone();
            for _ in 0..=next(3) {
                let at = next(damaged.len());
                damaged[at] = next(256) as u8;
            }
            damaged.truncate(if next(3) == 0 { next(file.len()) } else { file.len() });
            let _ = read::read(&damaged).and_then(|model| build(&model));
        }
    }
    for name in ["t5.model", "t5.json", "gemma.model", "nllb.json"] {
        let stored = build(&model(name)).unwrap();
        assert_eq!(stored.as_ptr().addr() % 4, 0);
        for len in [0, 7, HEADER - 1, HEADER, HEADER + 1, stored.len() - 1] {
            assert!(open(&stored[..len]).is_err(), "{name} {len}");
        }
        let mut longer = stored.clone();
        longer.extend([0; 64]);
        assert!(open(&longer).is_err());
        assert!(open(&stored[..stored.len() - 64]).is_err());
        for round in 0..300 {
            let mut damaged = stored.clone();
            if round % 3 == 0 {
                damaged[next(HEADER)] = next(256) as u8;
            }
            for _ in 0..500 {
                let at = HEADER + next(damaged.len() - HEADER);
                damaged[at] = next(256) as u8;
            }
            let Ok(view) = open(&damaged) else { continue };
            for text in texts {
                let mut ids = Vec::new();
                encode(&view, text, usize::MAX, &mut ids);
                assert!(ids.iter().all(|&id| (id as usize) < view.ids()));
            }
        }
    }
}

#[test]
fn lists_stop_when_there_are_enough_ids() {
    for name in ["t5.model", "t5.json", "gemma.model", "gemma.json", "nllb.json"] {
        let stored = build(&model(name)).unwrap();
        let view = open(&stored).unwrap();
        let text = "a dog on a beach <b> ".repeat(500);
        let (mut all, mut some) = (Vec::new(), Vec::new());
        encode(&view, &text, usize::MAX, &mut all);
        encode(&view, &text, 20, &mut some);
        assert!(some.len() >= 20 && some.len() < 100 && all.len() > 2000, "{name} {} {}", some.len(), all.len());
        assert_eq!(some[..20], all[..20], "{name}");
    }
}

#[test]
fn values_of_ranks_are_those_of_scores() {
    let model = model("gemma.model");
    let stored = build(&model).unwrap();
    let view = open(&stored).unwrap();
    let mut scored: Vec<(f32, u32)> = (0..)
        .zip(&model.pieces)
        .filter(|(_, piece)| piece.class == Class::Normal)
        .map(|(id, piece)| match piece.value {
            Value::Score(score) => (score, view.rank(id)),
            other => panic!("{other:?}"),
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    assert!(scored.is_sorted_by(|a, b| a.1 <= b.1 && (a.0 == b.0) == (a.1 == b.1)));
}
