//! OpenAI's requests for embeddings, and the forms in which other servers take photos.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Server, demo, photo};

/// The rows of an answer, bit for bit.
fn rows(answer: &Value) -> Vec<Vec<f32>> {
    let data = answer["data"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let row = |(index, item): (usize, &Value)| {
        assert_eq!((item["object"].as_str(), item["index"].as_u64()), (Some("embedding"), Some(index as u64)));
        match &item["embedding"] {
            Value::String(code) => {
                let bytes = STANDARD.decode(code).unwrap();
                bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
            }
            list => list.as_array().unwrap().iter().map(|value| value.to_string().parse().unwrap()).collect(),
        }
    };
    data.iter().enumerate().map(row).collect()
}

#[test]
fn texts_and_photos_in_every_form() {
    let server = Server::start(&[]);
    let texts = ["a red circle", "", "two blue squares"].map(str::to_owned);
    let expected: Vec<Vec<f32>> = texts.iter().map(|text| demo().encode_text(text).unwrap()).collect();
    for path in ["/v1/embeddings", "/embeddings"] {
        for format in ["float", "base64"] {
            let answer = server.post_json(path, &json!({ "input": texts, "model": "demo", "encoding_format": format }));
            assert_eq!(answer.status, 200, "{}", answer.text());
            let answer = answer.json();
            assert_eq!(rows(&answer), expected);
            assert_eq!((answer["object"].as_str(), answer["model"].as_str()), (Some("list"), Some("demo")));
            // Start and end of each text are tokens.
            assert_eq!(answer["usage"]["prompt_tokens"].as_u64(), Some(3 + 2 + 3 + 2 + 2));
            assert_eq!(answer["usage"]["total_tokens"], answer["usage"]["prompt_tokens"]);
        }
    }
    let bytes = photo(2, 90, 60);
    let code = STANDARD.encode(&bytes);
    let uri = format!("data:image/bmp;base64,{code}");
    let row = demo().encode_image(&bytes).unwrap();
    for body in [
        json!({ "input": uri }),
        json!({ "input": [uri], "modality": "image", "model": "demo", "dimensions": 64 }),
        json!({ "input": [code], "modality": "image" }),
        json!({ "input": [{ "image": code }] }),
        json!({ "input": [{ "image": uri }], "embedding_type": "base64", "normalized": true }),
        json!({ "input": [{ "prompt_string": "<__media__>", "multimodal_data": [code] }] }),
        json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": uri } }] }] }),
    ] {
        let answer = server.post_json("/v1/embeddings", &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(rows(&answer.json()), std::slice::from_ref(&row), "{body:.80}");
    }
    // Photos and texts keep their order.
    let mixed = json!({ "input": [{ "image": code }, { "text": "a red circle" }, { "image": code }] });
    assert_eq!(rows(&server.post_json("/v1/embeddings", &mixed).json()), [row.clone(), expected[0].clone(), row]);

    // What is there again is encoded once.
    let passed = || server.metric("clippie_batch_size_sum{tower=\"text\"}");
    let before = passed();
    let again = json!({ "input": ["a", "b", "a", "a red circle", "b", "a"] });
    let answer = server.post_json("/v1/embeddings", &again).json();
    let row = |text: &str| demo().encode_text(text).unwrap();
    assert_eq!(rows(&answer), [row("a"), row("b"), row("a"), row("a red circle"), row("b"), row("a")]);
    assert_eq!(passed() - before, 2.0);

    let models = server.get("/v1/models").json();
    assert_eq!(models["data"][0]["id"].as_str(), Some("demo"));
    assert_eq!(server.get("/v1/models/demo").json()["object"].as_str(), Some("model"));
    assert_eq!(server.get("/v1/models/other/one").status, 404);
}

#[test]
fn refusals_are_openais_error_objects() {
    let server = Server::start(&["--max-texts", "3", "--max-photos", "1"]);
    let code = STANDARD.encode(photo(1, 10, 10));
    for (body, status, part) in [
        (
            json!({ "input": "a", "model": "text-embedding-3-small" }),
            404,
            "; start the server with --alias text-embedding-3-small=MODEL, or name one of: demo",
        ),
        (json!({ "input": "a", "model": "vit-b-32-openai" }), 404, "`clippie-rs pull vit-b-32-openai` installs it"),
        (json!({ "input": "a", "model": "../weights/demo.clippie" }), 404, "--alias NAME=MODEL"),
        (json!({ "input": "a", "dimensions": 32 }), 400, "64 values"),
        (json!({ "input": [1, 2, 3] }), 400, "token ids"),
        (json!({ "input": ["a", "b", "c", "d"] }), 400, "at most 3 are taken at a time (--max-texts)"),
        (json!({ "input": [code, code], "modality": "image" }), 400, "at most 1 are taken at a time (--max-photos)"),
        (json!({ "input": "http://127.0.0.1/a.jpg", "modality": "image" }), 400, "is not fetched"),
        (json!({ "input": STANDARD.encode("no photo"), "modality": "image" }), 400, "input[0]: "),
        (json!({ "input": ["a", { "image": STANDARD.encode("no photo") }] }), 400, "input[1]: "),
        (
            json!({ "input": ["a", "a".repeat((1 << 20) + 1)] }),
            400,
            "input[1]: a text has 1048577 bytes; at most 1048576",
        ),
        (json!({ "input": ["a", 5] }), 400, "input[1]: a number"),
        (json!({}), 400, "no input"),
    ] {
        let answer = server.post_json("/v1/embeddings", &body);
        assert_eq!(answer.status, status, "{body:.80}: {}", answer.text());
        assert!(answer.error().contains(part), "{body:.80}: {}", answer.text());
        assert_eq!(answer.json()["error"]["type"].as_str(), Some("invalid_request_error"));
    }
    let param = |body| server.post_json("/v1/embeddings", &body).json()["error"]["param"].clone();
    assert_eq!(param(json!({ "input": ["a", 5] })).as_str(), Some("input[1]"));
    assert_eq!(param(json!({ "input": "a", "model": "x\ny" })).as_str(), Some("model"));
    for sentence in [
        " WARN clippie_rs::server::openai::embeddings: vit-b-32-openai is not installed; `clippie-rs pull",
        " refused: input[1]: a number is no text and no photo ",
        " there is no model x\u{fffd}y; ",
    ] {
        server.says(sentence);
    }
    assert_eq!(server.post("/v1/embeddings", "application/json", b"\xff").status, 400);
    for kind in ["text/plain", "Text/Plain; charset=utf-8", "application/x-www-form-urlencoded", "multipart/form-data"]
    {
        let refused = server.post("/v1/embeddings", kind, b"{\"input\":\"a\"}");
        assert_eq!(refused.status, 415, "{kind}");
        assert!(refused.error().contains("`Content-Type: application/json`"), "{}", refused.text());
    }
    assert_eq!(server.get("/v1/embeddings").status, 405);
    assert!(server.get("/nothing").error().contains("nothing here"));
    // Immich's requests are answered only if that is asked for.
    assert_eq!(server.post("/predict", "application/json", b"{}").status, 404);
}
