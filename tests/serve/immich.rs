//! Conversations as Immich's server has them with its machine-learning container.

use std::fmt::Write as _;

use clippie_rs::Options;
use clippie_rs::preprocess::ResizeMode;
use clippie_rs::weights::WeightsFile;
use serde_json::json;

use crate::support::{Answer, Server, demo, form, golden, literal, photo};

const VISUAL: &str = r#"{"clip":{"visual":{"modelName":"demo"}}}"#;
const TEXTUAL: &str = r#"{"clip":{"textual":{"modelName":"demo","options":{"language":"de"}}}}"#;
const FACES: &str = r#"{"facial-recognition":{"detection":{"modelName":"buffalo_l","options":{"minScore":0.7}},"recognition":{"modelName":"buffalo_l"}}}"#;
const OCR: &str = r#"{"ocr":{"detection":{"modelName":"PP-OCRv5_mobile","options":{"minScore":0.5,"maxResolution":736}},"recognition":{"modelName":"PP-OCRv5_mobile","options":{"minScore":0.8}}}}"#;

fn predict(server: &Server, fields: &[(&str, &str)], image: Option<&[u8]>) -> Answer {
    let (content_type, body) = form(fields, image);
    server.post("/predict", &content_type, &body)
}

#[test]
fn embeddings_are_those_of_the_library_in_immichs_form() {
    let server = Server::start(&["--immich"]);
    let greeting = server.get("/");
    assert_eq!((greeting.status, greeting.text().as_str()), (200, r#"{"message":"Immich ML"}"#));
    let ping = server.get("/ping");
    assert_eq!(
        (ping.status, ping.text().as_str(), ping.header("content-type")),
        (200, "pong", Some("text/plain; charset=utf-8"))
    );

    for bytes in [photo(1, 120, 80), golden("64x48-0.jpg"), photo(3, 900, 700)] {
        let (width, height) = {
            let metadata = clippie_rs::photo::metadata(&bytes, "").unwrap();
            (metadata.width, metadata.height)
        };
        let row = demo().encode_image(&bytes).unwrap();
        let answer = predict(&server, &[("entries", VISUAL)], Some(&bytes));
        let expected = format!(r#"{{"clip":"{}","imageHeight":{height},"imageWidth":{width}}}"#, literal(&row));
        assert_eq!((answer.status, answer.text()), (200, expected));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    // The size is that of the stored photo, although it is encoded upright.
    let turned = golden("orientation-6.jpg");
    let metadata = clippie_rs::photo::metadata(&turned, "").unwrap();
    assert_ne!(metadata.upright_size(), (metadata.width, metadata.height));
    let answer = predict(&server, &[("entries", VISUAL)], Some(&turned)).json();
    assert_eq!(
        (answer["imageHeight"].as_u64(), answer["imageWidth"].as_u64()),
        (Some(metadata.height as u64), Some(metadata.width as u64))
    );

    let row = demo().encode_text("a red circle").unwrap();
    let expected = format!(r#"{{"clip":"{}"}}"#, literal(&row));
    assert_eq!(predict(&server, &[("entries", TEXTUAL), ("text", "a red circle")], None).text(), expected);
    // Texts may come in the other kind of form, and again from the cache.
    let mut encoded = String::new();
    TEXTUAL.bytes().for_each(|byte| write!(encoded, "%{byte:02X}").unwrap());
    let body = format!("text=a+red%20circle&entries={encoded}");
    let answer = server.post("/predict", "application/x-www-form-urlencoded", body.as_bytes());
    assert_eq!((answer.status, answer.text()), (200, expected));
    assert!(server.metric("clippie_text_cache_hits_total") >= 1.0);
    // If both come, the photo counts.
    let both = predict(&server, &[("entries", VISUAL), ("text", "a")], Some(&photo(1, 120, 80)));
    assert!(both.text().ends_with(r#""imageHeight":80,"imageWidth":120}"#));
}

#[test]
fn errors_have_immichs_statuses_and_bodies() {
    let server = Server::start(&["--immich"]);
    let image = photo(1, 40, 30);
    let other = |entries: &str| entries.replace("demo", "ViT-B-32__openai");
    let missing = r#"{"detail":[{"input":null,"loc":["body","entries"],"msg":"Field required","type":"missing"}]}"#;
    let invalid = r#"{"detail":"Invalid request format."}"#;
    let neither = r#"{"detail":"Either image or text must be provided"}"#;
    let failed = "Internal Server Error";
    let (not_here, unnamed) = (other(VISUAL), r#"{"clip":{"visual":{}}}"#);
    let (unknown, mclip) = (VISUAL.replace("demo", "no-such-model"), VISUAL.replace("demo", "LABSE-Vit-L-14"));
    let path = VISUAL.replace("demo", "../../etc/passwd");
    type Case<'a> = (&'a [(&'a str, &'a str)], Option<&'a [u8]>, u16, &'a str);
    let cases: [Case<'_>; 15] = [
        (&[("text", "a")], None, 422, missing),
        (&[("entries", ""), ("text", "a")], None, 422, missing),
        (&[("entries", "{"), ("text", "a")], None, 422, invalid),
        (&[("entries", unnamed)], Some(&image), 422, invalid),
        (&[("entries", VISUAL)], None, 400, neither),
        (&[("entries", TEXTUAL), ("text", "")], None, 400, neither),
        (&[("entries", &not_here)], Some(&image), 500, r#"{"detail":"Failed to load model 'ViT-B-32__openai'"}"#),
        (&[("entries", &mclip)], Some(&image), 500, r#"{"detail":"Failed to load model 'LABSE-Vit-L-14'"}"#),
        (&[("entries", &unknown)], Some(&image), 500, failed),
        (&[("entries", &path)], Some(&image), 500, failed),
        (&[("entries", VISUAL)], Some(b"not a photo"), 500, failed),
        (&[("entries", VISUAL)], Some(b""), 500, failed),
        (&[("entries", VISUAL), ("text", "a")], None, 500, failed),
        (&[("entries", TEXTUAL)], Some(&image), 500, failed),
        (&[("entries", r#"{"clip":{"audio":{"modelName":"demo"}}}"#)], Some(&image), 500, failed),
    ];
    for (fields, image, status, body) in cases {
        let answer = predict(&server, fields, image);
        assert_eq!((answer.status, answer.text().as_str()), (status, body), "{fields:?}");
        let kind = if body == failed { "text/plain; charset=utf-8" } else { "application/json" };
        assert_eq!(answer.header("content-type"), Some(kind));
    }
    server.says("`clippie-rs pull vit-b-32-openai` installs it");
    let parse = r#"{"detail":"There was an error parsing the body"}"#;
    let broken = server.post("/predict", "multipart/form-data; boundary=x", b"--x\r\n");
    assert_eq!((broken.status, broken.text().as_str()), (400, parse));
    let json = server.post("/predict", "application/json", b"{}");
    assert_eq!((json.status, json.text().as_str()), (422, missing));
    let method = server.get("/predict");
    assert_eq!(method.status, 405);
}

/// An empty list of faces makes Immich forget those that it has.
#[test]
fn no_request_for_faces_or_texts_in_photos_is_ever_answered() {
    let server = Server::start(&["--immich"]);
    let image = photo(1, 40, 30);
    let mut requests: Vec<String> = [FACES, OCR].map(str::to_owned).into();
    for task in ["facial-recognition", "ocr"] {
        for types in [
            json!({}),
            json!({ "detection": { "modelName": "m" } }),
            json!({ "recognition": { "modelName": "m" } }),
            json!({ "recognition": { "modelName": "demo", "options": {} } }),
            json!({ "visual": { "modelName": "demo" } }),
            json!({ "other": { "modelName": "m" } }),
            json!({ "detection": {} }),
            json!({ "detection": [] }),
            json!([]),
            json!(null),
            json!("detection"),
        ] {
            for clip in [
                None,
                Some(json!({ "visual": { "modelName": "demo" } })),
                Some(json!({ "textual": { "modelName": "demo" } })),
            ] {
                let mut entries = json!({ task: types });
                if let Some(clip) = clip {
                    entries["clip"] = clip;
                }
                requests.push(entries.to_string());
                // With the name of the task in other letters, or twice.
                requests.push(entries.to_string().replace(task, &task.to_uppercase()));
                requests.push(entries.to_string().replacen('{', &format!("{{\"{task}\":{{}},"), 1));
                requests.push(format!(" {}\n", entries.to_string().replace('-', "\\u002d")));
            }
        }
    }
    for entries in &requests {
        for (text, image) in [(None, Some(&image[..])), (Some("a"), None), (Some("a"), Some(&image)), (None, None)] {
            let mut fields = vec![("entries", entries.as_str())];
            fields.extend(text.map(|text| ("text", text)));
            let answer = predict(&server, &fields, image);
            assert!([422, 500, 501].contains(&answer.status), "{entries}: {} {}", answer.status, answer.text());
        }
        // Neither beside a field for CLIP, before or after it.
        for fields in [[("entries", VISUAL), ("entries", entries)], [("entries", entries), ("entries", VISUAL)]] {
            let answer = predict(&server, &fields, Some(&image));
            assert_eq!(answer.status, 422, "{entries}");
        }
    }
    let twice = r#"{"clip":{"detection":{"modelName":"m"}},"clip":{"visual":{"modelName":"demo"}}}"#;
    assert_eq!(predict(&server, &[("entries", twice)], Some(&image)).status, 422);
    assert_eq!(predict(&server, &[("entries", VISUAL), ("text", "a"), ("text", "b")], Some(&image)).status, 422);
    let refused = predict(&server, &[("entries", FACES)], Some(&image));
    assert_eq!(refused.status, 501);
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("facial-recognition") && detail.contains("--upstream"), "{detail}");
}

#[test]
fn photos_can_be_prepared_as_immichs_container_does() {
    // A photo that the two ways crop at different columns.
    let bytes = photo(2, 101, 96);
    let reference = demo().preprocess().clone();
    let floor = reference.clone().with_resize(ResizeMode::ShortestFloor);
    let options = Options::new().preprocess(floor).orient(false).repair_texts(false);
    let compatible = options.open_weights(WeightsFile::demo().unwrap()).unwrap();
    assert_ne!(compatible.fingerprint(), demo().fingerprint());
    let rows = [demo(), &compatible].map(|clip| clip.encode_image(&bytes).unwrap());
    assert_ne!(rows[0], rows[1]);
    let turned = golden("orientation-6.jpg");
    // Typographic quotes, which the reference straightens.
    let quoted = "a \u{201c}red\u{201d} circle";
    let words = compatible.encode_text(quoted).unwrap();
    assert_ne!(words, demo().encode_text(quoted).unwrap());
    for way in ["--immich-compat", "--immich-compat=config"] {
        let server = Server::start(&["--immich", way]);
        let answer = predict(&server, &[("entries", TEXTUAL), ("text", quoted)], None).json();
        assert_eq!(answer["clip"], json!(literal(&words)), "{way}");
        for (bytes, row) in [(&bytes, &rows[1]), (&turned, &compatible.encode_image(&turned).unwrap())] {
            let answer = predict(&server, &[("entries", VISUAL)], Some(bytes)).json();
            assert_eq!(answer["clip"], json!(literal(row)), "{way}");
        }
    }
}

#[test]
fn models_have_aliases_of_the_same_length() {
    let server = Server::start(&["--immich", "--alias", "photos__mine=demo"]);
    for name in ["photos__mine", "photos::mine", "someone/photos__mine", "demo"] {
        let answer = predict(&server, &[("entries", &TEXTUAL.replace("demo", name)), ("text", "a star")], None);
        assert_eq!(answer.json()["clip"], json!(literal(&demo().encode_text("a star").unwrap())), "{name}");
    }
    let models = server.get("/v1/models").json();
    let names: Vec<&str> =
        models["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["demo", "photos__mine"]);
}
