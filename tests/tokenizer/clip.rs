//! Compares token ids of thousands of texts with open_clip's (goldens by `tools/tokenizer_goldens.py`), and bounds the
//! time of crafted texts.

use clippie_rs::tokenizer::{Clean, END, Overflow, START, Tokenizer, TokenizerConfig};
use std::time::{Duration, Instant};

/// Far above the time of any of these texts on a slow machine, far below that of quadratic work.
const TIME_LIMIT: Duration = Duration::from_secs(60);

fn compare(clip: &Tokenizer, lines: &str) -> usize {
    let mut count = 0;
    let mut wrong = Vec::new();
    for line in lines.lines() {
        let (text, expected): (String, Vec<u32>) = serde_json::from_str(line).expect("a line of text and ids");
        let ids = clip.encode(&text).unwrap();
        if ids != expected {
            wrong.push(format!("{text:?}\n    ours   {ids:?}\n    theirs {expected:?}"));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    count
}

#[test]
fn ids_match_open_clip() {
    assert!(compare(Tokenizer::clip(), include_str!("../goldens/tokenizer/lines.jsonl")) >= 4000);
    // A file with more lines of the same form, for comparisons too large to keep.
    if let Ok(path) = std::env::var("CLIPPIE_TOKENIZER_LINES") {
        let lines = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        println!("{} further lines agree", compare(Tokenizer::clip(), &lines));
    }
}

#[test]
fn other_cleanings_match_open_clip() {
    for (clean, lines) in [
        (Clean::Canonicalize, include_str!("../goldens/tokenizer/canonicalize.jsonl")),
        (Clean::Whitespace, include_str!("../goldens/tokenizer/whitespace.jsonl")),
    ] {
        let tokenizer = Tokenizer::of(&TokenizerConfig::clip().with_clean(clean)).unwrap();
        assert_eq!(tokenizer.config().clean, clean);
        assert_eq!(compare(tokenizer, lines), 1000);
    }
}

#[test]
fn truncation_keeps_the_first_ids() {
    let clip = Tokenizer::clip();
    for line in include_str!("../goldens/tokenizer/lines.jsonl").lines().step_by(7) {
        let (text, ids): (String, Vec<u32>) = serde_json::from_str(line).expect("a line of text and ids");
        for context_length in [2, 5, 16, 77] {
            let cut = clip.tokenize(&text, context_length, Overflow::Truncate).expect("truncation always works");
            let kept = ids.len().min(context_length - 2);
            assert_eq!(cut.first(), Some(&START));
            assert_eq!(cut.last(), Some(&END));
            assert_eq!(cut[1..cut.len() - 1], ids[..kept]);
        }
    }
}

#[test]
fn crafted_texts_finish_in_time() {
    // Without optimisation every step takes ten times longer.
    let mega = if cfg!(debug_assertions) { 1 << 16 } else { 1 << 20 };
    let texts = [
        "a".repeat(10 * mega),
        "ab".repeat(5 * mega),
        "\u{3042}".repeat(3 * mega),
        "日本語".repeat(mega),
        "!".repeat(10 * mega),
        "7".repeat(mega),
        "&".repeat(mega),
        format!("&{}", "amp;".repeat(mega / 4)),
        "&#38;#38;".repeat(mega / 8),
        format!("&#{};", "9".repeat(mega)),
        "&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;".repeat(mega / 32),
        "\u{1b}".repeat(mega),
        "\u{1b}[".repeat(mega / 2),
        format!("\u{1b}[{}", ";".repeat(mega)),
        "\u{1b}[;;;;;;;;;;;;;;;;;;;;;;;".repeat(mega / 32),
        "\u{301}".repeat(mega),
        "\u{301}\u{323}".repeat(mega),
        format!("e{}", "\u{315}\u{300}\u{5ae}\u{327}".repeat(mega / 2)),
        "\u{10d50}\u{301}".repeat(mega / 4),
        "Σ".repeat(mega),
        format!("Α{}", "Σ'".repeat(mega)),
        format!("Α{}Σ", "'".repeat(mega)),
        "'s".repeat(mega),
        " ".repeat(10 * mega),
        "\n".repeat(mega),
        "\r".repeat(mega),
        "é\n".repeat(mega / 2),
        "<\n&amp;\n".repeat(mega / 8),
        format!("日Ã{}", "ƒ".repeat(mega)),
        format!("Ã{}", "ƒ".repeat(mega)),
        "Ã¶".repeat(mega / 2),
        "日Ã¶ ".repeat(mega / 4),
        "Ãƒâ€šÃ‚Â©".repeat(mega / 16),
        "Ã ".repeat(mega / 2),
        "â€".repeat(mega / 2),
        "â€\u{fffd}".repeat(mega / 4),
        "ð".repeat(mega),
        "í\u{a0}".repeat(mega / 2),
        "\u{85}".repeat(mega),
        "ﬃ".repeat(mega),
        "\u{ffe3}".repeat(mega),
        "ｶﾞ".repeat(mega / 2),
        "\u{1100}".repeat(mega),
        "\u{fdfa}".repeat(mega / 8),
        "\0".repeat(mega),
        "\u{10ffff}".repeat(mega),
    ];
    for text in &texts {
        let started = Instant::now();
        let ids = Tokenizer::clip().tokenize(text, 77, Overflow::Truncate).expect("truncation always works");
        let start: String = text.chars().take(12).collect();
        println!("{start:?} of {} bytes: {:?}", text.len(), started.elapsed());
        assert!(ids.len() <= 77);
        assert!(started.elapsed() < TIME_LIMIT, "{start:?}");
    }
}
