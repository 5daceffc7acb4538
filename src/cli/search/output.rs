//! The formats of results.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::args::{ResultFormat, Results};
use crate::cli::messages::path_bytes;
use crate::cli::output::{Destination, JsonPath, plain_json};
use crate::cli::preview::Protocol;
use crate::cli::table::{Column, Kind, Table, terminal_width};
use crate::cli::thumbnail;
use crate::library::{Found, Hit};

/// Pixels of a preview, which is reduced further to what the terminal shows.
const PREVIEW_SIDE: usize = 640;
/// Largest preview in columns and rows of the terminal.
const PREVIEW_COLUMNS: usize = 60;
const PREVIEW_ROWS: usize = 20;

/// A line of `--format jsonl`. Fields may be added, never renamed or removed.
#[derive(Serialize)]
struct Json<'a> {
    #[serde(flatten)]
    path: JsonPath<'a>,
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    fit: Option<f32>,
    taken: &'a str,
    /// Whether the photo states the date; else it is the file's.
    dated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    latitude: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    longitude: Option<f64>,
    width: u32,
    height: u32,
    bytes: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    copies: Vec<JsonPath<'a>>,
}

impl<'a> Json<'a> {
    fn new(hit: &'a Hit) -> Self {
        Json {
            path: JsonPath::new(&hit.path),
            score: hit.score,
            fit: hit.fit,
            taken: &hit.taken,
            dated: hit.dated,
            latitude: hit.place.map(|place| degrees(place.0)),
            longitude: hit.place.map(|place| degrees(place.1)),
            width: hit.width,
            height: hit.height,
            bytes: hit.bytes,
            copies: hit.copies.iter().map(|path| JsonPath::new(path)).collect(),
        }
    }
}

/// Seven decimals at most, which is a centimetre: more are those of a division, as in 52.519999999999996.
fn degrees(value: f64) -> f64 {
    (value * 1e7).round() / 1e7
}

pub(super) fn write(args: &Results, found: &Found, mut out: Destination) -> io::Result<()> {
    let end = if args.null { b"\0" } else { b"\n" };
    match args.format {
        ResultFormat::Jsonl => {
            for hit in &found.hits {
                plain_json::write(&mut out, &Json::new(hit))?;
                out.write_all(b"\n")?;
            }
        }
        ResultFormat::Table if !args.null => table(args, &found.hits, &mut out)?,
        _ => {
            let terminal = out.is_terminal();
            for hit in &found.hits {
                out.write_all(&path_bytes(&hit.path, terminal))?;
                out.write_all(end)?;
            }
        }
    }
    out.commit()
}

/// The date to the minute; in brackets if it is the file's.
pub(super) fn date(hit: &Hit) -> String {
    let taken = hit.taken.get(..16).unwrap_or(&hit.taken).replace('T', " ");
    if hit.dated { taken } else { format!("({taken})") }
}

fn table(args: &Results, hits: &[Hit], out: &mut Destination) -> io::Result<()> {
    if hits.is_empty() {
        return Ok(());
    }
    let here = std::env::current_dir().ok();
    let rows: Vec<[String; 5]> = hits
        .iter()
        .map(|hit| {
            let fit = hit.fit.map_or_else(|| "-".into(), |fit| format!("{fit:.2}"));
            let path = here.as_deref().and_then(|here| hit.path.strip_prefix(here).ok()).unwrap_or(&hit.path);
            let copies = match hit.copies.len() {
                0 => String::new(),
                1 => "+1 copy".into(),
                more => format!("+{more} copies"),
            };
            [fit, format!("{:.3}", hit.score), date(hit), path.display().to_string(), copies]
        })
        .collect();
    let mut columns = [
        Column::new("fit", Kind::Number),
        Column::new("score", Kind::Number),
        Column::new("date", Kind::Number),
        Column::new("photo", Kind::Path),
        // Of the same bytes.
        Column::new("", Kind::Number),
    ];
    for row in &rows {
        columns.iter_mut().zip(row).for_each(|(column, cell)| column.widen(cell));
    }
    let shown = if hits.iter().any(|hit| !hit.copies.is_empty()) { 5 } else { 4 };
    let table = Table::new(columns[..shown].to_vec(), terminal_width(out));
    writeln!(out, "{}", table.heading())?;
    for (hit, row) in hits.iter().zip(&rows) {
        if let Some(protocol) = args.preview {
            let protocol = protocol.unwrap_or_else(|| Protocol::detect(|name| std::env::var_os(name)));
            if let Ok(photo) = thumbnail::read(&hit.path, PREVIEW_SIDE) {
                protocol.preview(
                    &photo,
                    terminal_width(out).unwrap_or(PREVIEW_COLUMNS).min(PREVIEW_COLUMNS),
                    PREVIEW_ROWS,
                    out,
                )?;
            }
        }
        writeln!(out, "{}", table.line(row))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_have_seven_decimals() {
        for (value, text) in [
            (52.519999999999996, "52.52"),
            (-13.123456749, "-13.1234567"),
            (1.0 / 3.0, "0.3333333"),
            (179.99999999, "180.0"),
            (0.0, "0.0"),
        ] {
            assert_eq!(serde_json::to_string(&degrees(value)).unwrap(), text);
        }
    }
}
