//! `clippie-rs models`: lists the known models and the installed ones.

use serde::Serialize;

use super::args::Models;
use super::messages::{Failure, Messages, Outcome};
use super::output::{Destination, cannot_write, plain_json, print};
use super::table::{Column, Kind, Table, terminal_width};
use crate::catalog::{self, Model};
use crate::preprocess::PreprocessConfig;
use crate::weights::Header;

mod filter;
#[cfg(feature = "hub")]
mod installed;

/// A row of `--json`. Fields may be added, never renamed or removed. Unknown values are null.
#[derive(Clone, Serialize)]
struct Row {
    name: String,
    image_size_px: Option<u64>,
    embed_dim: Option<u64>,
    /// For a known model, this and the next two count parameters as published, before branches are folded.
    image_parameters: Option<u64>,
    text_parameters: Option<u64>,
    /// Parameters of both towers and the logit scale.
    total_parameters: Option<u64>,
    /// A multiply-add counts as two.
    gflop_per_image: Option<f64>,
    /// Languages of its texts: `english`, `european`, `worldwide`.
    languages: Option<&'static str>,
    /// Published recall at 1 of photos by captions, in percent: English captions of COCO and of Flickr30k, captions in 36
    /// languages of Crossmodal-3600.
    coco_recall_percent: Option<f32>,
    flickr_recall_percent: Option<f32>,
    crossmodal_recall_percent: Option<f32>,
    license: Option<&'static str>,
    /// Remark on the license.
    license_note: Option<&'static str>,
    /// Repository on Hugging Face, or `compiled in`.
    source: String,
    /// File name of the checkpoint in the repository.
    file: Option<&'static str>,
    /// Revision of the repository; null for the newest.
    revision: Option<String>,
    /// Approximate size of the download.
    download_bytes: Option<u64>,
    /// Preprocessing of photos.
    preprocess: Option<PreprocessConfig>,
    /// Path of the weights file, if the model is installed.
    path: Option<String>,
    /// Size of the weights file.
    bytes: Option<u64>,
}

/// Explanation of the columns, printed below the table.
const LEGEND: [&str; 2] = [
    "image, text: million parameters; GFLOP: a photo, 2 x GMAC; MB: download",
    "recall: COCO, English, in percent; *: not confirmed, see repository",
];

#[cfg_attr(not(feature = "hub"), allow(unused_variables))]
pub(super) fn run(args: &Models, messages: &Messages) -> Result<Outcome, Failure> {
    #[cfg(feature = "hub")]
    if !args.remove.is_empty() {
        return installed::remove(&args.remove, messages);
    }
    let mut rows = rows()?;
    let known = rows.len();
    let installed = add_installed(&mut rows)?;
    let others = rows.split_off(known);
    filter::apply(args, &mut rows);
    let text = if args.json {
        if !filter::is_some(args) {
            rows.extend(others);
        }
        plain_json::pretty(&rows).map_err(|error| Failure::Error(error.to_string()))? + "\n"
    } else {
        let installed = if filter::is_some(args) { String::new() } else { installed };
        let out = Destination::open(None).map_err(|error| cannot_write(None, &error))?;
        table(&rows, terminal_width(&out)) + &installed
    };
    if rows.is_empty() {
        messages.warning("no known model is like this; leave out a condition");
    }
    print(&text)?;
    Ok(Outcome::Complete)
}

/// Adds the installed models to the rows, and returns their description as text.
#[cfg(feature = "hub")]
fn add_installed(rows: &mut Vec<Row>) -> Result<String, Failure> {
    let installed = installed::Installed::load()?;
    installed.add_to(rows);
    Ok(installed.describe())
}

/// Without the feature `hub` no model is installed.
#[cfg(not(feature = "hub"))]
fn add_installed(_rows: &mut Vec<Row>) -> Result<String, Failure> {
    Ok(String::new())
}

#[cfg(not(feature = "demo"))]
fn rows() -> Result<Vec<Row>, Failure> {
    Ok(catalog::models().iter().map(Row::from).collect())
}

#[cfg(feature = "demo")]
fn rows() -> Result<Vec<Row>, Failure> {
    let mut rows: Vec<Row> = catalog::models().iter().map(Row::from).collect();
    rows.push(demo()?);
    Ok(rows)
}

/// Describes the compiled-in model.
#[cfg(feature = "demo")]
fn demo() -> Result<Row, Failure> {
    let weights = crate::weights::WeightsFile::demo().map_err(crate::Error::from)?;
    let license = Some(env!("CARGO_PKG_LICENSE"));
    Ok(Row { license, ..Row::of_file("demo".into(), "compiled in".into(), weights.header()) })
}

impl Row {
    /// Describes a model that is not in the table of known models, from its file.
    #[cfg_attr(not(any(feature = "demo", feature = "hub")), allow(dead_code))]
    fn of_file(name: String, source: String, header: &Header) -> Row {
        let number = |object: &serde_json::Value, name: &str| object.get(name).and_then(serde_json::Value::as_u64);
        let parameters = |name: &str| {
            header.towers().iter().filter(|tower| tower.tower.name() == name).map(|tower| tower.parameters).sum::<u64>()
        };
        let (image, text) = (parameters("image"), parameters("text"));
        Row {
            name,
            image_size_px: number(&header.meta.preprocess, "image_size"),
            embed_dim: number(&header.meta.model, "embed_dim"),
            image_parameters: Some(image),
            text_parameters: Some(text),
            total_parameters: Some(image + text + 1),
            gflop_per_image: None,
            languages: None,
            coco_recall_percent: None,
            flickr_recall_percent: None,
            crossmodal_recall_percent: None,
            license: None,
            license_note: None,
            source,
            file: None,
            revision: None,
            download_bytes: None,
            preprocess: serde_json::from_value(header.meta.preprocess.clone()).ok(),
            path: None,
            bytes: None,
        }
    }
}

impl From<&Model> for Row {
    fn from(model: &Model) -> Self {
        Row {
            name: model.name.into(),
            image_size_px: Some(model.image_size() as u64),
            embed_dim: Some(model.embed_dim() as u64),
            image_parameters: Some(model.image_parameters()),
            text_parameters: Some(model.text_parameters()),
            total_parameters: Some(model.total_parameters()),
            gflop_per_image: Some(model.gflop_per_image()),
            languages: Some(model.languages.name()),
            coco_recall_percent: model.recall.coco,
            flickr_recall_percent: model.recall.flickr,
            crossmodal_recall_percent: model.recall.crossmodal,
            license: Some(model.license.id),
            license_note: (!model.license.confirmed).then_some("not confirmed: see the repository"),
            source: model.repository.into(),
            file: Some(model.file),
            revision: model.revision.map(str::to_owned),
            download_bytes: Some(model.download_bytes()),
            preprocess: Some(model.preprocess()),
            path: None,
            bytes: None,
        }
    }
}

/// Columns of a terminal below which repositories are left out, which `--json` has.
const NARROW: usize = 110;

/// The table, as wide as the terminal if it is one.
fn table(rows: &[Row], most: Option<usize>) -> String {
    const COLUMNS: [(&str, Kind); 10] = [
        ("name", Kind::Name),
        ("px", Kind::Number),
        ("embed", Kind::Number),
        ("image", Kind::Number),
        ("text", Kind::Number),
        ("GFLOP", Kind::Number),
        ("recall", Kind::Number),
        ("MB", Kind::Number),
        ("license", Kind::Words),
        ("Hugging Face repository", Kind::Words),
    ];
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let lines = rows.iter().map(|row| {
        [
            row.name.clone(),
            or_dash(row.image_size_px.map(|px| px.to_string())),
            or_dash(row.embed_dim.map(|dim| dim.to_string())),
            or_dash(row.image_parameters.map(millions)),
            or_dash(row.text_parameters.map(millions)),
            or_dash(row.gflop_per_image.map(short)),
            or_dash(row.coco_recall_percent.map(|percent| format!("{percent:.1}"))),
            or_dash(row.download_bytes.map(|bytes| (bytes / 1_000_000).to_string())),
            row.license.unwrap_or("?").to_owned() + if row.license_note.is_some() { " *" } else { "" },
            row.source.clone(),
        ]
    });
    let lines: Vec<_> = lines.collect();
    let shown = if most.is_some_and(|most| most < NARROW) { COLUMNS.len() - 1 } else { COLUMNS.len() };
    let mut columns: Vec<Column> =
        COLUMNS.into_iter().take(shown).map(|(heading, kind)| Column::new(heading, kind)).collect();
    for line in &lines {
        columns.iter_mut().zip(line).for_each(|(column, cell)| column.widen(cell));
    }
    let table = Table::new(columns, most);
    let mut text = table.heading() + "\n";
    for line in &lines {
        text += &table.line(line);
        text.push('\n');
    }
    text + &LEGEND.join("\n") + "\n"
}

/// A number with one decimal, or with none from a thousand on.
fn short(number: f64) -> String {
    if number < 999.95 { format!("{number:.1}") } else { format!("{number:.0}") }
}

fn millions(parameters: u64) -> String {
    short(parameters as f64 / 1e6)
}
