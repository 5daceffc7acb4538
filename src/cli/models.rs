//! `clippie-rs models`: the table of known models.

use std::io::Write as _;

use serde::Serialize;

use super::args::Models;
use super::messages::{Done, Stop};
use super::output::{Destination, cannot_write};
use crate::hub::known::{KnownModel, known};

/// A row of `--json`. Fields may be added, never renamed or removed.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    image_size_px: u64,
    embed_dim: u64,
    /// In the published form, before branches are folded; so are the next two.
    image_parameters: u64,
    text_parameters: u64,
    /// Both towers and the logit scale.
    total_parameters: u64,
    /// Two for each multiply-add; null where nobody counted.
    gflop_per_image: Option<f64>,
    license: &'static str,
    /// What is to be said of the license, if anything.
    license_note: Option<&'static str>,
    /// A repository of Hugging Face, or `compiled in`.
    source: &'static str,
}

/// What the columns mean; below the table.
const LEGEND: &str = "image, text: million parameters as published; GFLOP: a photo, 2 x GMAC; \
                      apple-amlr: research only; *: see repository";

pub(super) fn run(args: &Models) -> Result<Done, Stop> {
    let rows = rows()?;
    let text = if args.json {
        serde_json::to_string_pretty(&rows).map_err(|error| Stop::Failed(error.to_string()))? + "\n"
    } else {
        table(&rows)
    };
    let print = || {
        let mut out = Destination::open(None)?;
        out.write_all(text.as_bytes())?;
        out.commit()
    };
    print().map_err(|error| cannot_write(None, &error))?;
    Ok(Done::All)
}

#[cfg(not(feature = "demo"))]
fn rows() -> Result<Vec<Row>, Stop> {
    Ok(known().iter().map(Row::from).collect())
}

#[cfg(feature = "demo")]
fn rows() -> Result<Vec<Row>, Stop> {
    let mut rows: Vec<Row> = known().iter().map(Row::from).collect();
    rows.push(demo()?);
    Ok(rows)
}

/// The compiled-in model, as its file describes it.
#[cfg(feature = "demo")]
fn demo() -> Result<Row, Stop> {
    let weights = crate::weights::WeightsFile::demo().map_err(crate::Error::from)?;
    let header = weights.header();
    let number = |object: &serde_json::Value, name: &str| object.get(name).and_then(serde_json::Value::as_u64);
    let missing = || Stop::Failed("the compiled-in model does not state its sizes".into());
    let parameters = |name: &str| {
        header.towers().iter().filter(|tower| tower.tower.name() == name).map(|tower| tower.parameters).sum::<u64>()
    };
    let (image_parameters, text_parameters) = (parameters("image"), parameters("text"));
    Ok(Row {
        name: "demo",
        image_size_px: number(&header.meta.preprocess, "image_size").ok_or_else(missing)?,
        embed_dim: number(&header.meta.model, "embed_dim").ok_or_else(missing)?,
        image_parameters,
        text_parameters,
        total_parameters: image_parameters + text_parameters + 1,
        gflop_per_image: None,
        license: env!("CARGO_PKG_LICENSE"),
        license_note: None,
        source: "compiled in",
    })
}

impl From<&KnownModel> for Row {
    fn from(model: &KnownModel) -> Self {
        Row {
            name: model.name,
            image_size_px: model.image_size.into(),
            embed_dim: model.embed_dim.into(),
            image_parameters: model.image_parameters,
            text_parameters: model.text_parameters,
            total_parameters: model.total_parameters(),
            gflop_per_image: Some(model.gflop_per_image()),
            license: model.license.id,
            license_note: (!model.license.confirmed).then_some("not confirmed: see the repository"),
            source: model.repository,
        }
    }
}

/// The table for people.
fn table(rows: &[Row]) -> String {
    let heading = ["name", "px", "embed", "image", "text", "GFLOP", "license", "Hugging Face repository"];
    let mut lines = vec![heading.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        [
            row.name.to_owned(),
            row.image_size_px.to_string(),
            row.embed_dim.to_string(),
            millions(row.image_parameters),
            millions(row.text_parameters),
            row.gflop_per_image.map_or_else(|| "-".to_owned(), |gflop| format!("{gflop:.1}")),
            row.license.to_owned() + if row.license_note.is_some() { " *" } else { "" },
            row.source.to_owned(),
        ]
    }));
    let mut widths = [0; 8];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.len().max(*width);
        }
    }
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
            1..=5 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text + LEGEND + "\n"
}

fn millions(parameters: u64) -> String {
    format!("{:.1}", parameters as f64 / 1e6)
}
