//! `info`: the summary of a weights file, and its verification.

use std::fs;

use serde_json::Value;

use crate::support::{EMBED_DIM, IMAGE_SIZE, Sandbox};

#[test]
fn the_summary_describes_model_and_provenance() {
    let sandbox = Sandbox::new();
    let own = sandbox.own_model();
    let text = sandbox.run(["info", "own.clippie"]).ok();
    for part in [
        "own.clippie",
        "image tower",
        "text tower",
        "quick_gelu",
        "context length     77",
        "vocab size       49408",
        "bicubic",
        "shortest",
        "tokenizer kind clip revision 1",
        "open_clip_model.safetensors",
        "clippie-rs 0",
        "fingerprint",
        "content hash",
    ] {
        let part = part.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            text.text().split_whitespace().collect::<Vec<_>>().join(" ").contains(&part),
            "{part}: {}",
            text.text()
        );
    }
    let json = sandbox.run(["info", "own.clippie", "--json"]).ok();
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["file"], "own.clippie");
    assert_eq!(json["bytes"], fs::metadata(own).unwrap().len());
    assert_eq!(json["model"]["embed_dim"], EMBED_DIM);
    assert_eq!(json["preprocess"]["image_size"], IMAGE_SIZE);
    assert_eq!(json["towers"][0]["tower"], "image");
    assert_eq!(json["towers"][1]["tower"], "text");
    assert_eq!(json["provenance"]["source_layout"], "open_clip");
    assert_eq!(json["content_hash"].as_str().unwrap().len(), 64);
    assert!(json.get("verify").is_none());
    let row = sandbox.encode(["--text", "a"]).ok().rows().remove(0);
    assert_eq!(json["fingerprint"], row["fingerprint"]);
}

#[cfg(feature = "demo")]
#[test]
fn the_compiled_in_model_has_a_name() {
    let text = Sandbox::new().run(["info", "demo"]).ok();
    assert!(text.text().lines().any(|line| line.split_whitespace().eq(["model", "demo"])), "{}", text.text());
}

#[test]
fn verify_names_the_damaged_parts() {
    let sandbox = Sandbox::new();
    let own = sandbox.own_model();
    let whole = fs::read(&own).unwrap();
    sandbox.run(["info", "--verify", "own.clippie"]).ok();
    let json = sandbox.run(["info", "--verify", "--json", "own.clippie"]).ok();
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["verify"]["intact"], true);

    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&own, flipped).unwrap();
    let ran = sandbox.run(["info", "--verify", "own.clippie"]).code(1);
    assert!(ran.text().contains("damaged"));
    ran.says(&["error: own.clippie: tensor text.proj.bias is damaged", "copy or convert it again"]);
    let json = sandbox.run(["info", "--verify", "--json", "own.clippie"]).code(1);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["verify"]["intact"], false);
    assert_eq!(json["verify"]["damaged"], serde_json::json!(["text.proj.bias"]));
    // Without --verify, tensors are not read and damage is not noticed.
    sandbox.run(["info", "own.clippie"]).ok();

    // The byte before the first tensor is padding.
    let first = json_first_tensor(&whole);
    let mut flipped = whole;
    flipped[first - 1] ^= 1;
    fs::write(&own, flipped).unwrap();
    sandbox.run(["info", "--verify", "own.clippie"]).code(1).says(&["the space between the tensors is damaged"]);
}

/// Offset of the first tensor: the first multiple of 65536 after prelude and header.
fn json_first_tensor(file: &[u8]) -> usize {
    let header = u32::from_le_bytes(file[12..16].try_into().unwrap()) as usize;
    (64 + header).next_multiple_of(65_536)
}

#[test]
fn a_photo_is_described_and_seen_as_the_model_does() {
    let sandbox = Sandbox::new();
    let photo = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/preprocess/files/orientation-6.jpg");
    fs::copy(photo, sandbox.path("a.jpg")).unwrap();
    sandbox.own_model();
    let ran = sandbox.run(["info", "a.jpg"]).ok();
    let text = ran.text();
    for part in [
        "JPEG",
        "23 x 12, as stored",
        "6: turned by 90 degrees clockwise, then 12 x 23",
        // A JPEG has no transparency, and without a profile there is nothing to convert.
        "not stated; levels are read as sRGB's\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let ran = sandbox.run(["info", "a.jpg", "--json", "-m", "own.clippie", "-o", "seen.png"]).ok();
    let json: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((&json["format"], &json["orientation"], &json["upright"][1]), (&"JPEG".into(), &6.into(), &23.into()));
    assert!(json["colours"].is_object() && json["colours"]["stated"].is_null(), "{json}");
    let wide = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/preprocess/icc/in-p3.jpg");
    let ran = sandbox.run(["info", wide]).ok();
    let said = "Display P3 (ICC profile); levels are read as sRGB's, with --icc converted if the profile allows it\n";
    assert!(ran.text().contains(said), "{}", ran.text());
    // Code points, with and without something to convert.
    let coded = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/preprocess/cicp/9-16.png");
    let ran = sandbox.run(["info", coded]).ok();
    let said = "BT.2020 with PQ (CICP 9/16/0); levels are read as sRGB's, with --icc converted; transparency";
    assert!(ran.text().contains(said), "{}", ran.text());
    let ran = sandbox.run(["info", coded, "--json"]).ok();
    let colours: Value = serde_json::from_slice::<Value>(&ran.stdout).unwrap()["colours"].take();
    assert_eq!((&colours["converted_from"], &colours["cicp"][1]), (&"description".into(), &16.into()));
    let mut plain = fs::read(coded).unwrap();
    let at = plain.windows(4).position(|kind| kind == b"cICP").unwrap() + 4;
    plain[at..at + 2].copy_from_slice(&[1, 13]);
    let mut checksum = flate2::Crc::new();
    checksum.update(&plain[at - 4..at + 4]);
    plain[at + 4..at + 8].copy_from_slice(&checksum.sum().to_be_bytes());
    sandbox.write("plain.png", &plain);
    let ran = sandbox.run(["info", "plain.png"]).ok();
    assert!(ran.text().contains("sRGB (CICP 1/13/0); levels are read as sRGB's; transparency"), "{}", ran.text());
    assert_eq!(json["seen"]["image_size"], IMAGE_SIZE);
    let seen = clippie_rs::photo::decode(&fs::read(sandbox.path("seen.png")).unwrap(), true, "seen.png").unwrap();
    assert_eq!((seen.width(), seen.height()), (IMAGE_SIZE, IMAGE_SIZE));
    // A photo that cannot be read, and options of the other kind.
    sandbox.write("cut.jpg", &fs::read(sandbox.path("a.jpg")).unwrap()[..200]);
    sandbox.run(["info", "cut.jpg"]).code(1).says(&["cut.jpg is a truncated JPEG image"]);
    sandbox.run(["info", "a.jpg", "--verify"]).code(2).says(&["--verify is for weights files"]);
    sandbox.run(["info", "own.clippie", "-o", "x.png"]).code(2).says(&["-o is for photos"]);
}

/// With --icc, a profile that the file states and that cannot be had is warned of, as one that cannot be applied.
#[test]
fn lost_profiles_are_warned_of() {
    let sandbox = Sandbox::new();
    sandbox.own_model();
    let golden =
        |name: &str| fs::read(format!("{}/tests/goldens/preprocess/icc/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let at = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|part| part == what).unwrap();
    let mut png = golden("in-p3.png");
    let stream = at(&png, b"iCCP") + 4;
    let stream = stream + png[stream..].iter().position(|&byte| byte == 0).unwrap() + 2;
    png[stream..stream + 8].fill(0xff);
    let mut jpeg = golden("in-p3.jpg");
    let parts = at(&jpeg, b"ICC_PROFILE\0") + 13;
    jpeg[parts] += 1;
    let mut tiff = golden("in-p3.tif");
    // Its type, which no entry has, in an entry of the first directory.
    let entry = at(&tiff, &34675u16.to_le_bytes());
    tiff[entry + 8..entry + 12].fill(0xff);
    for (name, bytes, reason) in [
        ("a.png", png, "its chunk is damaged"),
        ("a.jpg", jpeg, "a part of it is missing"),
        ("a.tif", tiff, "it is not where the file says"),
    ] {
        sandbox.write(name, &bytes);
        let args = ["preprocess", name, "-m", "own.clippie", "-o", "out.npy"];
        let warned = sandbox.run(args.iter().chain(&["--icc"])).code(0);
        warned.says(&[&format!(
            "{name} states colours that cannot be converted ({reason}); its levels are read as sRGB's"
        )]);
        assert!(!sandbox.run(args).code(0).stderr.contains("colours"), "{name}");
        // A photo without pixels has one reason only.
        sandbox.write(name, &bytes[..bytes.len() / 2]);
        let failed = sandbox.run(args.iter().chain(&["--icc"]));
        assert!(failed.code(1).stderr.lines().count() == 1, "{name}");
    }
}
