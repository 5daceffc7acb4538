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

/// Speed, memory and agreement of a model in half precision, beside single precision and in this order.
#[test]
fn precisions_of_a_model_are_compared() {
    let sandbox = Sandbox::new();
    let (whole, folder) = (sandbox.model(), sandbox.checkpoint());
    let (whole, folder) = (whole.to_str().unwrap(), folder.to_str().unwrap());
    sandbox.run(["convert", folder, "half.clippie", "--precision", "f16"]).code(0);
    let both = ["bench", "-m", whole, "-m", "half.clippie", "--threads", "2"];
    let ran = sandbox.run(both.iter().chain(&QUICK)).ok();
    let lines: Vec<&str> = ran.text().lines().collect();
    let at = lines.iter().position(|line| line.contains(" beside ")).unwrap_or_else(|| panic!("{}", ran.text()));
    assert_eq!((at, lines[at]), (13, "half (f16) beside tiny (f32), times as fast"), "{}", ran.text());
    let starts = [
        "  image, 32 x 32  ",
        "  text, 10 tokens ",
        "  text, 77 tokens ",
        "  mapped file ",
        "  private memory ",
        "  cosine, images  ",
        "  cosine, texts  ",
        "  ranking  ",
    ];
    assert_eq!(lines.len(), at + 1 + starts.len(), "{}", ran.text());
    for (line, start) in lines[at + 1..].iter().zip(starts) {
        assert!(line.starts_with(start) && line.len() <= 120, "{line}");
    }
    assert!(lines[at + 6].contains(" at least, ") && lines[at + 6].ends_with(" of 40"), "{}", lines[at + 6]);

    let ran = sandbox.run(both.iter().chain(&["--json", "--seconds", "0"])).ok();
    let report: Value = serde_json::from_str(ran.text()).unwrap();
    let [first, second] = &report["precisions"].as_array().unwrap()[..] else { panic!("{report}") };
    assert_eq!((&first["precision"], &second["precision"]), (&"f32".into(), &"f16".into()));
    assert_eq!((&first["model"], &second["model"]), (&"tiny".into(), &"half".into()));
    assert!(first["agreement"].is_null() && first["image_speed"] == 1.0 && first["text_speed"] == 1.0, "{report}");
    assert!(second["image_speed"].as_f64().unwrap() > 0.0 && second["text_speed"].as_f64().unwrap() > 0.0);
    assert!(second["file_bytes"].as_u64().unwrap() < first["file_bytes"].as_u64().unwrap());
    assert_eq!(second["private_bytes"].is_u64(), cfg!(target_os = "linux"));
    let agreement = &second["agreement"];
    for cosines in [&agreement["images"], &agreement["texts"]] {
        let [least, mean] = ["least", "mean"].map(|name| cosines[name].as_f64().unwrap());
        assert!(cosines["inputs"] == 40 && least > 1.0 - 1e-5 && mean >= least && mean < 1.0, "{cosines}");
    }
    let ranks = &agreement["ranks"];
    assert_eq!((&ranks["queries"], &ranks["targets"]), (&40.into(), &40.into()));
    assert!(ranks["top10"].as_f64().unwrap() > 0.9 && ranks["top1"].as_f64().unwrap() > 0.9, "{ranks}");

    // Another model is none of its precisions, and one precision is not compared with itself.
    let args = ["bench", "--json", "-m", whole, "-m", "half.clippie", "-m", whole];
    sandbox.run(args).fails(2, &["several precisions of it"]);
    let ran = sandbox.run(["bench", "-m", whole, "-m", whole].iter().chain(&QUICK)).ok();
    assert!(!ran.text().contains(" beside "), "{}", ran.text());
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
    sandbox
        .run(["bench", "--json", "-m", model, "-m", model])
        .fails(2, &["one -m", "several precisions", "Usage: clippie-rs bench"]);
    for (option, value) in [("--batch", "0"), ("--seconds", "-1"), ("--text-tokens", "1"), ("--threads", "0")] {
        sandbox.run(["bench", "-m", model, &format!("{option}={value}")]).fails(2, &[option]);
    }
    let ran = sandbox.command(["bench", "-m", model]).env("CLIPPIE_ISA", "mmx").output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8(ran.stderr).unwrap().contains("CLIPPIE_ISA is \"mmx\""));
    sandbox
        .run(["encode", "-m", "demo:int8", "--text", "a"])
        .fails(1, &["`demo` is compiled in, in f32 alone", "s2:int8"]);
    sandbox.run(["info", "a.jpg", "--max-pixels", "1e-300"]).fails(2, &["--max-pixels", "from 0.000001 to "]);
    let best = clippie_rs::Isa::detect().unwrap();
    let mut bench = sandbox.command(["bench", "-m", model, "--json", "--seconds", "0.01", "--threads", "1"]);
    let ran = bench.env("CLIPPIE_ISA", best.without_dot().full_name()).output().unwrap();
    let set = format!("\"isa\":\"{}\"", best.without_dot().full_name());
    assert!(String::from_utf8(ran.stdout).unwrap().contains(&set), "{set}");
}

/// A NumPy array of float32.
#[cfg(feature = "library")]
fn npy([rows, dim]: [usize; 2], values: &[f32]) -> Vec<u8> {
    let shape = format!("({rows}, {dim})");
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

#[cfg(feature = "library")]
#[test]
fn searches_in_vectors_are_measured_and_shown() {
    let sandbox = Sandbox::new();
    // Row i points to angle i: the nearest to angle 30 are 30, then 29 and 31 by the smallest of roundings.
    let vectors: Vec<f32> =
        (0..360).flat_map(|i| [(i as f32).to_radians().cos(), (i as f32).to_radians().sin()]).collect();
    sandbox.write("v.npy", npy([360, 2], &vectors));
    sandbox.write("q.npy", npy([2, 2], &[vectors[60], vectors[61], 0.0, -2.0]));
    let args = ["bench", "--scan", "v.npy", "--queries", "q.npy", "--seconds", "0"];
    let ran = sandbox.run(args.iter().chain(&["--json", "--threads", "2"])).ok();
    let report: Value = serde_json::from_str(ran.text()).unwrap();
    let expected = [
        "batch", "batch_ms", "build_ms", "dim", "isa", "queries", "repeats", "rescored", "rows", "scan_ms", "threads",
        "top",
    ];
    assert_eq!(keys(&report), expected);
    let of = |name: &str| report[name].as_u64().unwrap();
    assert_eq!((of("rows"), of("dim"), of("queries"), of("threads"), of("batch")), (360, 2, 2, 2, 2));
    for name in ["scan_ms", "batch_ms", "build_ms"] {
        assert!(report[name].as_f64().unwrap() > 0.0, "{name}: {report}");
    }
    for (top, nearest) in report["top"].as_array().unwrap().iter().zip([30, 270]) {
        let mut top: Vec<u64> = top.as_array().unwrap().iter().map(|row| row.as_u64().unwrap()).collect();
        assert_eq!((top[0], top.len()), (nearest, 10));
        top.sort_unstable();
        assert!(top[0] >= nearest - 5 && top[9] <= nearest + 5 && top[9] - top[0] == 9, "{top:?}");
    }
    let table = sandbox.run(args).ok();
    assert!(table.text().starts_with("360 vectors of 2 values") && table.text().lines().count() == 6);
    assert!(table.text().contains("a search for one query") && table.text().contains("a batch of 2"));
    // No queries, and no vectors.
    sandbox.write("none.npy", npy([0, 2], &[]));
    let ran = sandbox.run(["bench", "--scan", "v.npy", "--queries", "none.npy", "--json"]).ok();
    let report: Value = serde_json::from_str(ran.text()).unwrap();
    assert_eq!((&report["scan_ms"], &report["top"]), (&Value::Null, &serde_json::json!([])));
    let ran = sandbox.run(["bench", "--scan", "none.npy", "--queries", "q.npy", "--json", "--seconds", "0"]).ok();
    let report: Value = serde_json::from_str(ran.text()).unwrap();
    assert_eq!(report["top"], serde_json::json!([[], []]));
}

#[cfg(feature = "library")]
#[test]
fn vectors_that_cannot_be_searched_are_errors() {
    let sandbox = Sandbox::new();
    sandbox.write("v.npy", npy([2, 2], &[1.0, 2.0, 3.0, 4.0]));
    sandbox.write("q.npy", npy([1, 3], &[1.0, 2.0, 3.0]));
    sandbox.write("nan.npy", npy([2, 2], &[1.0, 2.0, f32::NAN, 1.0]));
    sandbox.write("words.npy", "no array");
    let scan = |vectors: &str, queries: &str| sandbox.run(["bench", "--json", "--scan", vectors, "--queries", queries]);
    scan("v.npy", "missing.npy").fails(1, &["cannot read missing.npy"]);
    scan("words.npy", "v.npy").fails(1, &["words.npy: it is no NumPy array"]);
    scan("v.npy", "q.npy").fails(1, &["q.npy has queries of 3 values and v.npy vectors of 2"]);
    scan("nan.npy", "v.npy").fails(1, &["nan.npy: row 1 has a value that is not a finite number"]);
    scan("v.npy", "nan.npy").fails(1, &["nan.npy: query 1 has a value that is not a finite number"]);
    sandbox.run(["bench", "--scan", "v.npy"]).fails(2, &["--queries"]);
    sandbox.run(["bench", "--queries", "v.npy"]).fails(2, &["--scan"]);
    sandbox.run(["bench", "--scan", "v.npy", "--queries", "v.npy", "--batch", "2"]).fails(2, &["--batch"]);
}
