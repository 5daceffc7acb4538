//! Vocabularies beside a checkpoint: CLIP's in every form in which it is published, and others.

use super::*;
use crate::import::describe::{pipeline, words};
use crate::tokenizer::{Published, VOCAB_SIZE};

/// Names of all tokens by id.
fn names() -> Vec<String> {
    let published = Published::new();
    let mut names: Vec<_> = (0..49_406).map(|id| published.name(id).unwrap().to_owned()).collect();
    names.extend(["<|startoftext|>", "<|endoftext|>"].map(str::to_owned));
    names
}

/// The two tokens of a merge.
type Merge = (String, String);

fn merges() -> Vec<Merge> {
    let published = Published::new();
    let merge = |rank| published.merge(rank).map(|(left, right)| (left.to_owned(), right.to_owned())).unwrap();
    (0..published.merges()).map(merge).collect()
}

fn vocab_json(names: &[String]) -> Value {
    names.iter().enumerate().map(|(id, name)| (name.clone(), json!(id))).collect::<serde_json::Map<_, _>>().into()
}

fn merges_txt(merges: &[Merge]) -> String {
    merges.iter().map(|(left, right)| format!("{left} {right}\n")).collect()
}

/// What `CLIPTokenizer` of transformers 5.24 writes, without the vocabulary.
pub(super) fn tokenizer_json() -> Value {
    let token = |id: u32, name: &str| {
        json!({
            "id": id, "content": name, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            "special": true,
        })
    };
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [token(49406, "<|startoftext|>"), token(49407, "<|endoftext|>")],
        "normalizer": { "type": "Sequence", "normalizers": [
            { "type": "NFC" }, { "type": "Replace", "pattern": { "Regex": "\\s+" }, "content": " " },
            { "type": "Lowercase" },
        ] },
        "pre_tokenizer": { "type": "Sequence", "pretokenizers": [
            {
                "type": "Split", "behavior": "Removed", "invert": true, "pattern": { "Regex":
                    "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+" },
            },
            { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
        ] },
        "post_processor": {
            "type": "RobertaProcessing", "sep": ["<|endoftext|>", 49407], "cls": ["<|startoftext|>", 49406],
            "trim_offsets": false, "add_prefix_space": false,
        },
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": {
            "type": "BPE", "dropout": null, "unk_token": "<|endoftext|>", "continuing_subword_prefix": "",
            "end_of_word_suffix": "</w>", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
        },
    })
}

/// What a file of this name and content gives.
fn check(name: &str, text: &str) -> Result<(), String> {
    let known = words::check_text(&Path::new("folder").join(name), text.as_bytes());
    known.map(|known| assert!(known, "{name}")).map_err(|error| error.to_string())
}

#[track_caller]
fn refused(name: &str, text: &str, difference: &str) {
    let error = check(name, text).unwrap_err();
    let start = format!("folder/{name}: is not CLIP's vocabulary: {difference}. clippie-rs has CLIP's alone");
    assert!(error.starts_with(&start), "{error}");
    assert!(error.ends_with("give a folder of copies of the other configuration files with --config"), "{error}");
}

#[test]
fn names_and_ids_must_be_clips() {
    let file = |edit: &dyn Fn(&mut Vec<String>)| {
        let mut names = names();
        edit(&mut names);
        vocab_json(&names).to_string()
    };
    assert_eq!(check("vocab.json", &file(&|_| {})), Ok(()));
    assert_eq!(check("vocab.json", &serde_json::to_string_pretty(&vocab_json(&names())).unwrap()), Ok(()));
    // Tokens that somebody added, and open_clip's names of the first and last one.
    assert_eq!(check("vocab.json", &file(&|names| names.push("<cat>".into()))), Ok(()));
    let open_clip = |names: &mut Vec<String>| names[49406] = "<start_of_text>".into();
    assert_eq!(check("vocab.json", &file(&open_clip)), Ok(()));

    refused("vocab.json", &file(&|names| names.swap(2368, 320)), "its token 320 is `cat</w>`, that of CLIP is `a</w>`");
    refused(
        "vocab.json",
        &file(&|names| names[7] = "\u{1b}x".into()),
        "its token 7 is `\u{fffd}x`, that of CLIP is `(`",
    );
    refused("vocab.json", &file(&|names| drop(names.pop())), "it has no token 49407, that of CLIP is `<|endoftext|>`");
    refused("vocab.json", "{}", "it has no token 0, that of CLIP is `!`");
    refused("vocab.json", r#"{"<s>": 0}"#, "its token 0 is `<s>`, that of CLIP is `!`");
    refused("vocab.json", "[]", "its tokens are a list, as those of another kind of tokenizer");
    for broken in ["", "words", "7", r#"{"a": -1}"#, r#"{"a": {}}"#, r#"{"a": 1} 2"#] {
        let error = check("vocab.json", broken).unwrap_err();
        assert!(error.starts_with("folder/vocab.json: is not valid JSON of a vocabulary ("), "{error}");
    }
}

#[test]
fn merges_must_be_clips_in_their_order() {
    let plain = merges_txt(&merges());
    for start in ["#version: 0.2\n", "\"bpe_simple_vocab_16e6.txt#version: 0.2\n", ""] {
        assert_eq!(check("merges.txt", &format!("{start}{plain}")), Ok(()), "{start}");
        assert_eq!(check("merges.txt", &format!("{start}{plain}").replace('\n', "\r\n")), Ok(()), "{start}");
        // As OpenAI's own list goes on.
        assert_eq!(check("merges.txt", &format!("{start}{plain}jeky ll</w>\nx y z\n")), Ok(()), "{start}");
    }
    let file = |edit: &dyn Fn(&mut Vec<Merge>)| {
        let mut merges = merges();
        edit(&mut merges);
        format!("#version: 0.2\n{}", merges_txt(&merges))
    };
    refused("merges.txt", &file(&|merges| merges.swap(1, 2)), "its merge 2 is `a n`, that of CLIP is `t h`");
    refused("merges.txt", &file(&|merges| merges.truncate(40_000)), "it has 40000 merges, CLIP has 48894");
    refused("merges.txt", &file(&|merges| drop(merges.remove(0))), "its merge 1 is `t h`, that of CLIP is `i n`");
    refused("merges.txt", "words\n", "its merge 1 is no pair of tokens, that of CLIP is `i n`");
    refused("merges.txt", "", "it has 0 merges, CLIP has 48894");
}

/// The whole file, with this vocabulary.
fn whole(mut file: Value, names: &[String], merges: Value) -> String {
    file["model"]["vocab"] = vocab_json(names);
    file["model"]["merges"] = merges;
    file.to_string()
}

#[test]
fn a_whole_tokenizer_must_be_clips() {
    let (names, merges) = (names(), merges());
    let lines: Value = merges.iter().map(|(left, right)| json!(format!("{left} {right}"))).collect();
    let pairs = json!(merges);
    assert_eq!(check("tokenizer.json", &whole(tokenizer_json(), &names, lines.clone())), Ok(()));
    assert_eq!(check("tokenizer.json", &whole(tokenizer_json(), &names, pairs.clone())), Ok(()));

    let mut other = names.clone();
    other.swap(320, 321);
    let text = whole(tokenizer_json(), &other, pairs.clone());
    refused("tokenizer.json", &text, "its token 320 is `b</w>`, that of CLIP is `a</w>`");
    for (merge, found) in [
        (json!("a b c"), "`a b c`"),
        (json!(["a"]), "no pair of tokens"),
        (json!(["a", "b", "c"]), "no pair of tokens"),
    ] {
        let mut changed = pairs.clone();
        changed[9] = merge;
        let (left, right) = &merges[9];
        let difference = format!("its merge 10 is {found}, that of CLIP is `{left} {right}`");
        refused("tokenizer.json", &whole(tokenizer_json(), &names, changed), &difference);
    }
    let mut more = merges.clone();
    more.push(("c".into(), "at</w>".into()));
    refused(
        "tokenizer.json",
        &whole(tokenizer_json(), &names, json!(more)),
        "it has more than the 48894 merges of CLIP",
    );
    refused("tokenizer.json", &tokenizer_json().to_string(), "the file has no `model.vocab`");
    let mut sentencepiece = tokenizer_json();
    sentencepiece["model"] = json!({ "type": "Unigram", "vocab": [["<s>", 0.0], ["a", -1.5]] });
    let error = check("tokenizer.json", &sentencepiece.to_string()).unwrap_err();
    assert!(error.starts_with("folder/tokenizer.json: `model.type` is \"Unigram\", which is not supported"), "{error}");
}

fn steps(edit: impl Fn(&mut Value)) -> Result<(), String> {
    let mut file = tokenizer_json();
    edit(&mut file);
    pipeline::fields(Path::new("tokenizer.json"), &file, &Published::new()).map_err(|error| error.to_string())
}

#[test]
fn steps_of_a_tokenizer_must_be_clips() {
    let plain = json!("'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+");
    let template = json!({
        "type": "TemplateProcessing", "pair": [],
        "single": [
            { "SpecialToken": { "id": "<|startoftext|>", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } },
            { "SpecialToken": { "id": "<|endoftext|>", "type_id": 0 } },
        ],
        "special_tokens": {
            "<|startoftext|>": { "id": "<|startoftext|>", "ids": [49406], "tokens": ["<|startoftext|>"] },
            "<|endoftext|>": { "id": "<|endoftext|>", "ids": [49407], "tokens": ["<|endoftext|>"] },
        },
    });
    assert_eq!(steps(|_| {}), Ok(()));
    // transformers 4.17 to 4.57, a template, fewer steps that change no text, tokens that somebody added.
    assert_eq!(steps(|file| file["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = plain.clone()), Ok(()));
    assert_eq!(steps(|file| file["post_processor"] = template.clone()), Ok(()));
    assert_eq!(steps(|file| file["normalizer"] = json!({ "type": "Lowercase" })), Ok(()));
    let added = |file: &mut Value| {
        let tokens = file["added_tokens"].as_array_mut().unwrap();
        tokens.extend([json!({ "id": VOCAB_SIZE, "content": "<cat>" }), json!({ "id": 0, "content": "!" })]);
    };
    assert_eq!(steps(added), Ok(()));
    // Before 4.17 the file had the vocabulary alone.
    let old = |file: &mut Value| {
        file["normalizer"] = Value::Null;
        file["pre_tokenizer"] = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true });
        file["post_processor"] = json!({ "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false });
    };
    assert_eq!(steps(old), Ok(()));

    type Edit<'a> = &'a dyn Fn(&mut Value);
    let refused: [(Edit<'_>, &str); 12] = [
        (&|file| file["normalizer"]["normalizers"][2]["type"] = json!("NFC"), "`normalizer` keeps capitals"),
        (&|file| file["normalizer"] = Value::Null, "`normalizer` keeps capitals"),
        (
            &|file| file["normalizer"]["normalizers"][0]["type"] = json!("NFKC"),
            "`normalizer.normalizers.0.type` is `NFKC`",
        ),
        (
            &|file| file["normalizer"]["normalizers"][1]["content"] = json!(""),
            "`normalizer.normalizers.1.content` is \"\"",
        ),
        (
            &|file| file["normalizer"]["normalizers"][1]["pattern"] = json!({ "String": "x" }),
            "pattern.String` is \"x\"",
        ),
        (
            &|file| file["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = json!("\\w+"),
            "pattern.Regex` is `\\w+`",
        ),
        (
            &|file| file["pre_tokenizer"]["pretokenizers"][0]["behavior"] = json!("Isolated"),
            "0.behavior` is \"Isolated\"",
        ),
        (
            &|file| file["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = json!(true),
            "add_prefix_space` is true",
        ),
        (&|file| file["pre_tokenizer"]["pretokenizers"] = json!([]), "`pre_tokenizer` is not a split into words and"),
        (&|file| file["post_processor"] = Value::Null, "`post_processor` is missing, so that texts have neither"),
        (&|file| file["post_processor"]["cls"][1] = json!(0), "`post_processor.cls` does not have the id 49406"),
        (&|file| file["added_tokens"][1]["id"] = json!(2), "`added_tokens` gives the id 2 to `<|endoftext|>`"),
    ];
    for (edit, expected) in refused {
        let error = steps(edit).unwrap_err();
        assert!(error.starts_with("tokenizer.json: `") && error.contains(expected), "{error}");
    }
    let mut other = template.clone();
    other["special_tokens"]["<|endoftext|>"]["ids"] = json!([49406]);
    let error = steps(|file| file["post_processor"] = other.clone()).unwrap_err();
    assert!(
        error.contains("`post_processor.special_tokens` does not have the id 49407 for `<|endoftext|>`"),
        "{error}"
    );
    other["single"][1] = json!({ "Sequences": 1 });
    assert!(
        steps(|file| file["post_processor"] = other.clone()).unwrap_err().contains("`post_processor.single` is not")
    );
}
