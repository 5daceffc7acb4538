//! Known answers of open_clip 3.3.0, and guarantees of this tokenizer.

use super::*;

fn ids(text: &str) -> Vec<u32> {
    Tokenizer::clip().encode(text).unwrap()
}

#[test]
fn known_answers() {
    let cases: [(&str, &[u32]); 14] = [
        ("a photo of a cat", &[320, 1125, 539, 320, 2368]),
        ("A Photo of a CAT!!", &[320, 1125, 539, 320, 2368, 748]),
        ("I'm don't we've they'll", &[328, 880, 847, 713, 649, 1200, 889, 1342]),
        ("it’s 12°C – naïve café", &[585, 568, 272, 273, 6858, 322, 1224, 1097, 35689, 563, 15304]),
        ("hello &amp;amp; goodbye", &[3306, 261, 6968]),
        ("‘quoted’", &[262, 27706, 262]),
        ("x<b>y</b> &lt;", &[343, 283, 321, 285, 344, 34308, 321, 285, 283]),
        ("日本語 テキスト", &[39121, 44353, 34002, 508, 2429, 228, 47121, 32421, 486]),
        ("newline\n\ttab", &[1218, 1148, 14724]),
        ("ΣΟΦΟΣ", &[139, 225, 138, 123, 139, 228, 138, 123, 139, 480]),
        ("2023 3.14 1,000", &[273, 271, 273, 274, 274, 269, 272, 275, 272, 267, 271, 271, 271]),
        ("emoji 😀👍", &[16327, 12832, 4201]),
        ("İstanbul", &[328, 16384, 11231]),
        ("", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(ids(text), expected, "{text}");
    }
    assert_eq!(ids("ﬁne"), [3797]);
    assert_eq!(ids("ＦＵＬＬ"), [1476]);
}

#[test]
fn start_and_end_surround_the_text() {
    let clip = Tokenizer::clip();
    for overflow in [Overflow::Truncate, Overflow::Refuse] {
        assert_eq!(clip.tokenize("", 77, overflow), Ok(vec![START, END]));
        assert_eq!(clip.tokenize("a cat", 77, overflow), Ok(vec![START, 320, 2368, END]));
        assert_eq!(clip.tokenize("a cat", 4, overflow), Ok(vec![START, 320, 2368, END]));
        assert_eq!(clip.tokenize("", 2, overflow), Ok(vec![START, END]));
        for context_length in [0, 1] {
            assert_eq!(clip.tokenize("", context_length, overflow), Err(Error::ContextTooShort { context_length }));
        }
    }
}

#[test]
fn long_texts_are_truncated_or_refused() {
    let clip = Tokenizer::clip();
    let text = "x ".repeat(100);
    let cut = clip.tokenize(&text, 77, Overflow::Truncate).unwrap();
    assert_eq!(cut.len(), 77);
    assert_eq!((cut[0], cut[75], cut[76]), (START, 343, END));
    let refused = clip.tokenize(&text, 77, Overflow::Refuse);
    assert_eq!(refused, Err(Error::TooLong { tokens: 102, context_length: 77 }));
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the text has 102 tokens with start and end, the model takes 77: shorten it or let it be truncated"
    );
    // Truncate inside a word of many tokens, and just not.
    let word = "zqxj".repeat(40);
    let all = clip.encode(&word).unwrap();
    for context_length in 2..all.len() + 4 {
        let cut = clip.tokenize(&word, context_length, Overflow::Truncate).unwrap();
        let kept = all.len().min(context_length - 2);
        assert_eq!(cut[1..=kept], all[..kept]);
        assert_eq!(cut.len(), kept + 2);
    }
}

#[test]
fn special_tokens_in_a_text_are_ordinary_text() {
    for text in [
        "<start_of_text>",
        "<end_of_text>",
        "<|startoftext|>",
        "<|endoftext|>",
        "&lt;END_OF_TEXT&gt;",
        "＜end_of_text＞",
    ] {
        assert!(ids(text).iter().all(|&id| id < START), "{text}");
    }
    assert_eq!(ids("<end_of_text>"), ids("< end _ of _ text >"));
}

#[test]
fn special_ids_are_fixed() {
    assert_eq!((START, END, VOCAB_SIZE), (49_406, 49_407, 49_408));
    let clip = Tokenizer::clip();
    assert_eq!(
        (clip.start_id(), clip.end_id(), clip.pad_id(), clip.vocab_size()),
        (Some(START), Some(END), Some(0), VOCAB_SIZE)
    );
    assert!(std::ptr::eq(clip, Tokenizer::clip()));
}
