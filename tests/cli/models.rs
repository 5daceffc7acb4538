//! `models`: the list of known models, as a table and as JSON.

use serde_json::Value;

use crate::support::Sandbox;

#[test]
fn the_table_is_whole_and_agrees_with_json() {
    let sandbox = Sandbox::new();
    let json = sandbox.run(["models", "--json"]).ok();
    let json: Vec<Value> = serde_json::from_slice(&json.stdout).unwrap();
    let table = sandbox.run(["models"]).ok();
    let lines: Vec<&str> = table.text().lines().collect();
    // A heading, a line per model, a legend of two lines, and the note that none is installed.
    let below = if cfg!(feature = "hub") { 2 } else { 0 };
    assert_eq!(lines.len(), 1 + json.len() + 2 + below);
    for line in &lines {
        assert_eq!(line.trim_end(), *line);
    }
    let source = lines[0].find("Hugging Face repository").unwrap();
    for (line, row) in lines[1..].iter().zip(&json) {
        assert_eq!(line.split(' ').next(), row["name"].as_str());
        // Nothing is cut outside of a terminal.
        assert_eq!(Some(&line[source..]), row["source"].as_str());
        let columns: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(columns[1], row["image_size_px"].to_string());
        assert_eq!(columns[2], row["embed_dim"].to_string());
        assert_eq!(
            columns[7],
            row["download_bytes"].as_u64().map_or("-".to_owned(), |bytes| (bytes / 1_000_000).to_string())
        );
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
    assert_eq!(json.len(), if cfg!(feature = "demo") { 118 } else { 117 });
    let find = |name: &str| json.iter().find(|row| row["name"] == name).unwrap();
    let expected = serde_json::json!({
        "name": "mobileclip2-s0",
        "image_size_px": 256,
        "embed_dim": 512,
        "image_parameters": 11_406_976,
        "text_parameters": 63_428_096,
        "total_parameters": 74_835_073,
        "gflop_per_image": 4.77,
        "languages": "english",
        "coco_recall_percent": 43.7,
        "flickr_recall_percent": 69.2,
        "crossmodal_recall_percent": null,
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

#[test]
fn models_are_filtered_and_sorted() {
    let sandbox = Sandbox::new();
    let rows = |args: &[&str]| -> Vec<Value> {
        let json = sandbox.run([&["models", "--json"], args].concat()).ok();
        serde_json::from_slice(&json.stdout).unwrap()
    };
    let names = |args: &[&str]| -> Vec<String> {
        rows(args).iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    let german = names(&["--for-language", "de", "--license", "permissive", "--max-gflop", "40", "--sort", "recall"]);
    assert_eq!(german[..2], ["siglip2-b-16-224", "siglip2-b-32-256"]);
    assert!(german.iter().any(|name| name == "xlm-r-base-vit-b-32"));
    assert!(!german.iter().any(|name| name.starts_with("vit-") || name.starts_with("metaclip2")), "{german:?}");
    // What European models know badly.
    let japanese = names(&["--for-language", "ja"]);
    assert!(japanese.iter().all(|name| ["xlm", "nllb", "metaclip2"].iter().any(|start| name.starts_with(start))));
    assert!(names(&["--for-language", "en"]).len() >= 117);
    for row in rows(&["--license", "apple-amlr", "--max-gflop", "10", "--sort", "size"]).windows(2) {
        assert!(
            row.iter().all(|row| row["license"] == "apple-amlr" && row["gflop_per_image"].as_f64().unwrap() <= 10.0)
        );
        assert!(row[0]["total_parameters"].as_u64() <= row[1]["total_parameters"].as_u64());
    }
    let cost: Vec<Option<f64>> = rows(&["--sort", "gflop"]).iter().map(|row| row["gflop_per_image"].as_f64()).collect();
    assert!(cost.iter().flatten().is_sorted() && cost[0].is_some());
    // The table has the same rows, and none of the installed ones.
    let table = sandbox.run(["models", "--for-language", "ja"]).ok();
    assert_eq!(table.text().lines().count(), japanese.len() + 3);
    let none = sandbox.run(["models", "--max-gflop", "0.5"]).code(0);
    assert!(none.stderr.contains("no known model is like this"), "{}", none.stderr);
    for wrong in [["--for-language", "german"], ["--max-gflop", "-3"], ["--sort", "name"]] {
        sandbox.run([&["models"], &wrong[..]].concat()).code(2);
    }
}
