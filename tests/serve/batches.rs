//! Clients at the same time share passes, and get the bits that each would get alone.

use std::thread;

use serde_json::json;

use crate::support::{Server, demo, form, literal, photo};

#[test]
fn clients_at_the_same_time_get_the_bits_of_one_alone() {
    let server = Server::start(&["--immich"]);
    let entries = r#"{"clip":{"visual":{"modelName":"demo"}}}"#;
    thread::scope(|scope| {
        for client in 0..8 {
            let server = &server;
            scope.spawn(move || {
                for turn in 0..6 {
                    let seed = client * 6 + turn;
                    let bytes = photo(seed, 60 + seed, 100 - seed);
                    let (content_type, body) = form(&[("entries", entries)], Some(&bytes));
                    let answer = server.post("/predict", &content_type, &body).json();
                    assert_eq!(answer["clip"], json!(literal(&demo().encode_image(&bytes).unwrap())), "{seed}");
                    let texts: Vec<String> = (0..5).map(|i| format!("{} things, {i}", seed / 2)).collect();
                    let answer = server.post_json("/v1/embeddings", &json!({ "input": texts })).json();
                    for (text, item) in texts.iter().zip(answer["data"].as_array().unwrap()) {
                        let row = demo().encode_text(text).unwrap();
                        assert_eq!(item["embedding"].to_string(), literal(&row), "{text}");
                    }
                }
            });
        }
    });
    let photos = server.metric("clippie_batch_size_sum{tower=\"image\"}");
    assert_eq!(photos, 48.0);
    assert!(
        server.metric("clippie_batch_size_count{tower=\"text\"}")
            < server.metric("clippie_batch_size_sum{tower=\"text\"}")
    );
}
