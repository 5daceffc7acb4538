//! `tokenize`: token ids without a model.

use crate::support::{Sandbox, feed};

#[test]
fn ids_go_from_start_to_end() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(["tokenize", "a dog on a beach", ""]).ok();
    // Ids of open_clip's tokenizer.
    let expected = "{\"text\":\"a dog on a beach\",\"ids\":[49406,320,1929,525,320,2117,49407]}\n\
                    {\"text\":\"\",\"ids\":[49406,49407]}\n";
    assert_eq!(ran.text(), expected);
    let ran = feed(sandbox.command(["tokenize", "--texts-from", "-"]), b"a dog on a beach\n\n").ok();
    assert_eq!(ran.text(), expected);
    let ran = sandbox.run(["tokenize", "--", "--help"]).ok();
    assert_eq!(ran.rows()[0]["text"], "--help");
}

#[test]
fn long_texts_are_truncated_or_rejected() {
    let sandbox = Sandbox::new();
    let ids = |args: &[&str]| {
        let row = sandbox.run(["tokenize"].iter().chain(args)).ok().rows().remove(0);
        row["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect::<Vec<_>>()
    };
    let long = "dog ".repeat(100);
    let cut = ids(&[&long]);
    assert_eq!((cut.len(), cut[0], cut[1], cut[76]), (77, 49406, 1929, 49407));
    assert_eq!(ids(&["a dog on a beach", "--context-length", "4"]), [49406, 320, 1929, 49407]);
    assert_eq!(ids(&[&long, "--context-length", "1000"]).len(), 102);

    let ran = sandbox.run(["tokenize", "dog", &long, "--refuse-long"]).code(3);
    let ran = ran.says(&["error: text 2: ", "102 tokens", "tokenized 1 of 2 texts; 1 failed"]);
    let rows = ran.rows();
    assert!(rows[0]["ids"].is_array() && rows[1]["error"].is_string() && rows[1].get("ids").is_none());
    sandbox.run(["tokenize", &long, "--refuse-long"]).code(1);
}
