//! `bench`: its two output formats, and invalid arguments. The figures themselves are not tested.

use serde_json::Value;

use crate::support::Sandbox;

/// Measure with the minimum number of calls.
const QUICK: [&str; 2] = ["--seconds", "0"];

fn report(sandbox: &Sandbox, model: &str, args: &[&str]) -> Value {
    let ran = sandbox.run(["bench", "--json", "-m", model].iter().chain(&QUICK).chain(args)).ok();
    assert_eq!(ran.text().lines().count(), 1);
    serde_json::from_str(ran.text()).unwrap()
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn json_is_one_object_with_stable_fields() {
    let sandbox = Sandbox::new();
    let model = sandbox.model();
    let report = report(&sandbox, model.to_str().unwrap(), &["--threads", "2", "--batch", "3"]);
    let expected = ["batch", "image_ms", "isa", "model", "peak_gflops", "repeats", "text_ms", "text_tokens", "threads"];
    assert_eq!(keys(&report), expected);
    for name in ["image_ms", "text_ms", "peak_gflops"] {
        assert!(report[name].as_f64().unwrap() > 0.0, "{name}: {report}");
    }
    assert_eq!((&report["threads"], &report["batch"], &report["text_tokens"]), (&2.into(), &3.into(), &10.into()));
    assert_eq!(report["repeats"], serde_json::json!({ "image": 5, "text": 5 }));
    assert_eq!(report["model"], "tiny");
    let sets = ["avx512", "avx2", "sse", "neon", "portable"];
    assert!(sets.contains(&report["isa"].as_str().unwrap()), "{report}");
}

#[test]
fn text_length_threads_and_instruction_set_can_be_chosen() {
    let sandbox = Sandbox::new();
    let model = sandbox.model();
    let args = ["bench", "--json", "--text-tokens", "77", "--seconds", "0"];
    let mut command = sandbox.command(args);
    command.env("CLIPPIE_MODEL", &model).env("CLIPPIE_THREADS", "1").env("CLIPPIE_ISA", "portable");
    let ran = command.output().unwrap();
    assert!(ran.status.success() && ran.stderr.is_empty(), "{ran:?}");
    let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((&report["isa"], &report["threads"]), (&"portable".into(), &1.into()));
    assert_eq!((&report["text_tokens"], &report["batch"]), (&77.into(), &1.into()));
}

#[test]
fn the_table_has_a_line_per_quantity() {
    let sandbox = Sandbox::new();
    let model = sandbox.model();
    let model = model.to_str().unwrap();
    let ran = sandbox.run(["bench", "-m", model, "-m", model, "--threads", "2"].iter().chain(&QUICK)).ok();
    let lines: Vec<&str> = ran.text().lines().collect();
    assert_eq!(lines.len(), 4 + 2 * 4, "{}", ran.text());
    assert!(lines[0].contains("GFLOP/s") && lines[2].ends_with("2 threads"), "{}", ran.text());
    assert!(lines[3].ends_with("batch 1   batch 8"));
    for (line, name) in
        lines[4..].iter().zip(["tiny", "image, 32 x 32", "text, 10 tokens", "text, 77 tokens"].repeat(2))
    {
        let figures = line.trim_start().strip_prefix(name).unwrap();
        let figures: Vec<f64> = figures.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
        assert_eq!(figures.len(), if name == "tiny" { 0 } else { 2 }, "{line:?}");
        assert!(figures.iter().all(|&figure| figure >= 0.0) && line.len() <= 120);
    }
}

#[cfg(feature = "demo")]
#[test]
fn the_compiled_in_model_is_measured_by_default() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(["bench", "--batch", "2", "--text-tokens", "5", "--seconds", "0.01"]).ok();
    let lines: Vec<&str> = ran.text().lines().collect();
    assert_eq!(lines[4], "demo");
    assert!(lines[5].starts_with("  image, 64 x 64 ") && lines[6].starts_with("  text, 5 tokens "), "{}", ran.text());
    assert_eq!(lines.len(), 7);
    let report = report(&sandbox, "demo", &["--threads", "1"]);
    assert!(report["image_ms"].as_f64().unwrap() > 0.0 && report["text_ms"].as_f64().unwrap() > 0.0, "{report}");
}

#[test]
fn invalid_models_and_arguments_are_errors() {
    let sandbox = Sandbox::new();
    sandbox.write("words.clippie", "no weights");
    let model = sandbox.model();
    let model = model.to_str().unwrap();
    sandbox.run(["bench", "-m", "missing.clippie"]).fails(1, &["missing.clippie"]);
    sandbox.run(["bench", "--json", "-m", "words.clippie"]).fails(1, &["words.clippie"]);
    // All models are opened before the first is measured.
    sandbox.run(["bench", "-m", model, "-m", "missing.clippie"]).fails(1, &["missing.clippie"]);
    sandbox.run(["bench", "-m", model, "--text-tokens", "78"]).fails(1, &["at most 77", "--text-tokens"]);
    sandbox.run(["bench", "--json", "-m", model, "-m", model]).fails(2, &["one -m", "Usage: clippie-rs bench"]);
    for (option, value) in [("--batch", "0"), ("--seconds", "-1"), ("--text-tokens", "1"), ("--threads", "0")] {
        sandbox.run(["bench", "-m", model, &format!("{option}={value}")]).fails(2, &[option]);
    }
    let ran = sandbox.command(["bench", "-m", model]).env("CLIPPIE_ISA", "mmx").output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8(ran.stderr).unwrap().contains("CLIPPIE_ISA is \"mmx\""));
}
