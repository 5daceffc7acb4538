//! `clippie-rs info`: shows the content of a weights file, and verifies it; or what a photo is and what a model sees of it.

mod photo;

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::cli::args::Info;
use crate::cli::messages::{Failure, Messages, Outcome, one_line, size};
use crate::cli::model;
use crate::cli::output::{plain_json, print};
use crate::weights::{self, Dtype, Header, Provenance, TowerInfo, VerifyReport, WeightsFile};
use crate::{Error, Options};

/// Output of `--json`. Fields may be added, never renamed or removed.
#[derive(Serialize)]
struct Summary<'a> {
    file: String,
    bytes: u64,
    /// Hash of the weights, independent of the checkpoint format.
    content_hash: &'a str,
    /// Fingerprint of embeddings with default options.
    fingerprint: String,
    precision: &'static str,
    model: &'a Value,
    towers: Vec<Tower>,
    preprocess: &'a Value,
    tokenizer: &'a Value,
    provenance: &'a Provenance,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<Verify<'a>>,
}

#[derive(Serialize)]
struct Tower {
    tower: &'static str,
    tensors: usize,
    parameters: u64,
    bytes: u64,
    /// Element type of the token table, of text towers.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_table: Option<&'static str>,
}

#[derive(Serialize)]
struct Verify<'a> {
    intact: bool,
    damaged: &'a [String],
    padding_intact: bool,
}

pub(super) fn run(args: &Info, messages: &Messages) -> Result<Outcome, Failure> {
    if photo::is_photo(&args.what) {
        return photo::run(args, messages);
    }
    if args.output.is_some() {
        return Err(Failure::Usage("-o is for photos: it writes what a model sees of one".into()));
    }
    let weights = model::open(Some(&args.what))?;
    let fingerprint = fingerprint(&weights)?;
    let report = args.verify.then(|| weights.verify()).transpose().map_err(Error::from)?;

    let Header { meta, .. } = weights.header();
    let summary = Summary {
        file: weights.path().to_string_lossy().into_owned(),
        bytes: weights.file_len(),
        content_hash: weights.content_hash(),
        fingerprint,
        precision: weights.header().precision().name(),
        model: &meta.model,
        towers: weights.header().towers().into_iter().map(|info| Tower::of(info, weights.header())).collect(),
        preprocess: &meta.preprocess,
        tokenizer: &meta.tokenizer,
        provenance: &meta.provenance,
        verify: report.as_ref().map(Verify::from),
    };
    let text = if args.json {
        plain_json::pretty(&summary).map_err(|error| Failure::Error(error.to_string()))? + "\n"
    } else {
        // The compiled-in file states no name.
        let name = meta.provenance.model_name.as_deref().or(model::is_demo(&args.what).then_some("demo"));
        describe(&summary, name)
    };
    print(&text)?;
    match &report {
        Some(report) if !report.is_intact() => {
            report_damage(weights.path(), report, messages);
            Err(Failure::Reported)
        }
        _ => Ok(Outcome::Complete),
    }
}

/// Opens the model as an encoder, which shows that it can be used, and returns its fingerprint.
fn fingerprint(weights: &WeightsFile) -> Result<String, Error> {
    let has_image = weights.header().meta.model.get("image").is_some();
    Ok(if has_image {
        Options::new().open_weights_image(weights.clone())?.fingerprint().to_string()
    } else {
        Options::new().open_weights_text(weights.clone())?.fingerprint().to_string()
    })
}

fn report_damage(file: &Path, report: &VerifyReport, messages: &Messages) {
    let file = file.display();
    for name in &report.damaged {
        messages.error(&format!("{file}: tensor {name} is damaged"));
    }
    if !report.padding_intact {
        messages.error(&format!("{file}: the space between the tensors is damaged"));
    }
    messages.error(&format!("{file} is not as it was written; copy or convert it again"));
}

/// Formats the summary of the model `name` as text.
fn describe(summary: &Summary<'_>, name: Option<&str>) -> String {
    let mut text = Text(String::new());
    let provenance = summary.provenance;
    text.line("file", &summary.file);
    text.line("size", &size(summary.bytes));
    text.line("model", name.unwrap_or("not a known one"));
    text.line("content hash", summary.content_hash);
    text.line("fingerprint", &summary.fingerprint);
    text.line("precision", summary.precision);
    match &summary.verify {
        None => {}
        Some(verify) if verify.intact => text.line("verified", "intact: every byte is as it was written"),
        Some(verify) => {
            let tensors = format!("damaged: {} of the tensors", verify.damaged.len());
            text.line("verified", if verify.damaged.is_empty() { "damaged between the tensors" } else { &tensors });
        }
    }
    text.fields("", summary.model, &["image", "text", "logit_scale", "logit_bias"]);
    if let Some(logarithm) = summary.model.get("logit_scale").and_then(Value::as_f64) {
        text.line("logit scale", &format!("{:.2}, stored as its logarithm {logarithm:.4}", logarithm.exp()));
    }
    if let Some(bias) = summary.model.get("logit_bias").and_then(Value::as_f64) {
        text.line("logit bias", &format!("{bias:.4}; a cosine has a probability by itself, the sigmoid of its logit"));
    }
    for tower in &summary.towers {
        text.heading(&format!("{} tower", tower.tower));
        text.line(
            "  parameters",
            &format!("{:.1} million in {} tensors", tower.parameters as f64 / 1e6, tower.tensors),
        );
        text.line("  size", &size(tower.bytes));
        if let Some(dtype) = tower.token_table {
            let is_inexact = dtype == Dtype::I8.name();
            text.line("  token table", &format!("{dtype}{}", if is_inexact { ", a scale for each row" } else { "" }));
        }
        if let Some(config) = summary.model.get(tower.tower) {
            text.fields("  ", config, &[]);
        }
    }
    text.heading("photos");
    text.fields("  ", summary.preprocess, &[]);
    // A file without a text tower has none.
    if summary.tokenizer.is_object() {
        text.heading("tokenizer");
        text.fields("  ", summary.tokenizer, &["data_sha256"]);
    }
    text.heading("converted from");
    text.line("  file", &format!("{}, {}", provenance.source, size(provenance.source_bytes)));
    text.line("  sha-256", &provenance.source_sha256);
    text.line("  layout", &provenance.source_layout);
    text.line("  by", &provenance.converter);
    text.0
}

struct Text(String);

impl Text {
    fn heading(&mut self, name: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{}", one_line(name));
    }

    /// Appends a name and a value. Both may come from the file, so control characters are escaped.
    fn line(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.0, "{:<18} {}", one_line(name), one_line(value));
    }

    /// Appends the fields of a JSON object, except `excluded`.
    fn fields(&mut self, indent: &str, object: &Value, excluded: &[&str]) {
        let mut fields: Vec<_> = object.as_object().into_iter().flatten().collect();
        fields.retain(|(name, _)| !excluded.contains(&name.as_str()));
        // Put the architecture first.
        fields.sort_by_key(|(name, _)| *name != "architecture");
        for (name, value) in fields {
            let name = format!("{indent}{}", name.replace('_', " "));
            let list = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ");
            match value {
                Value::String(text) => self.line(&name, text),
                Value::Bool(yes) => self.line(&name, if *yes { "yes" } else { "no" }),
                Value::Array(values) => self.line(&name, &list(values)),
                Value::Object(_) => {
                    self.heading(&name);
                    self.fields(&format!("{indent}  "), value, &[]);
                }
                Value::Null => {}
                other => self.line(&name, &other.to_string()),
            }
        }
    }
}

impl Tower {
    fn of(info: TowerInfo, header: &Header) -> Self {
        let table = header.token_table().filter(|_| info.tower == weights::Tower::Text);
        Tower {
            token_table: table.map(Dtype::name),
            tower: info.tower.name(),
            tensors: info.tensors,
            parameters: info.parameters,
            bytes: info.bytes.end - info.bytes.start,
        }
    }
}

impl<'a> From<&'a VerifyReport> for Verify<'a> {
    fn from(report: &'a VerifyReport) -> Self {
        Verify { intact: report.is_intact(), damaged: &report.damaged, padding_intact: report.padding_intact }
    }
}
