//! `models`: the list of known models, as a table and as JSON.

use serde_json::Value;

use crate::support::Sandbox;

#[test]
fn the_table_fits_and_agrees_with_json() {
    let sandbox = Sandbox::new();
    let json = sandbox.run(["models", "--json"]).ok();
    let json: Vec<Value> = serde_json::from_slice(&json.stdout).unwrap();
    let table = sandbox.run(["models"]).ok();
    let lines: Vec<&str> = table.text().lines().collect();
    // A heading, a line per model, a legend, and the note that none is installed.
    let below = if cfg!(feature = "hub") { 2 } else { 0 };
    assert_eq!(lines.len(), 1 + json.len() + 1 + below);
    for line in &lines {
        assert!(line.chars().count() <= 120 && line.trim_end() == *line, "{line:?}");
    }
    let source = lines[0].find("Hugging Face repository").unwrap();
    for (line, row) in lines[1..].iter().zip(&json) {
        assert_eq!(line.split(' ').next(), row["name"].as_str());
        // What does not fit is cut.
        let (shown, whole) = (&line[source..], row["source"].as_str().unwrap());
        let cut = shown.strip_suffix('…').is_some_and(|start| line.chars().count() == 120 && whole.starts_with(start));
        assert!(shown == whole || cut, "{line}");
        let columns: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(columns[1], row["image_size_px"].to_string());
        assert_eq!(columns[2], row["embed_dim"].to_string());
    }
    assert!(lines[1 + json.len()].contains("2 x GMAC"));
    if cfg!(feature = "hub") {
        assert!(lines[lines.len() - 1].starts_with("No model is installed yet: `clippie-rs pull NAME`"));
    }
}

#[test]
fn json_has_stable_fields() {
    let sandbox = Sandbox::new();
    let json = sandbox.run(["models", "--json"]).ok();
    let json: Vec<Value> = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json.len(), if cfg!(feature = "demo") { 109 } else { 108 });
    let find = |name: &str| json.iter().find(|row| row["name"] == name).unwrap();
    let expected = serde_json::json!({
        "name": "mobileclip2-s0",
        "image_size_px": 256,
        "embed_dim": 512,
        "image_parameters": 11_406_976,
        "text_parameters": 63_428_096,
        "total_parameters": 74_835_073,
        "gflop_per_image": 4.77,
        "license": "apple-amlr",
        "license_note": null,
        "source": "timm/MobileCLIP2-S0-OpenCLIP",
        "file": "open_clip_model.safetensors",
        "revision": null,
        "download_bytes": 299_340_292,
        "preprocess": {
            "image_size": 256,
            "resize": "shortest",
            "interpolation": "bilinear",
            "mean": [0.0, 0.0, 0.0],
            "std": [1.0, 1.0, 1.0],
        },
        "path": null,
        "bytes": null,
    });
    assert_eq!(*find("mobileclip2-s0"), expected);
    // Every model has these fields.
    for row in json.iter().filter(|row| row["name"] != "demo") {
        for field in ["file", "download_bytes", "preprocess", "license"] {
            assert!(!row[field].is_null(), "{row}");
        }
    }
    assert_eq!(find("mobileclip-s3")["file"], "mobileclip_s3.pt");
    assert_eq!(find("vit-l-14-laion2b")["preprocess"]["mean"], serde_json::json!([0.5, 0.5, 0.5]));
    assert!(find("vit-b-32-openai")["license_note"].as_str().unwrap().contains("repository"));
    if cfg!(feature = "demo") {
        let demo = find("demo");
        assert_eq!(demo["source"], "compiled in");
        assert_eq!(demo["image_size_px"], 64);
        assert!(demo["image_parameters"].as_u64().unwrap() > 0 && demo["text_parameters"].as_u64().unwrap() > 0);
        assert_eq!(demo["gflop_per_image"], Value::Null);
    }
}
