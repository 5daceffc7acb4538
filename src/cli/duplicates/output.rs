//! Groups as a table and as JSON lines.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::cli::args::GroupFormat;
use crate::cli::messages::{count, size};
use crate::cli::output::{Destination, JsonPath, plain_json};
use crate::cli::table::{Column, Kind, Table, terminal_width};
use crate::library::{DuplicateGroup, DuplicatePhoto, Likeness};

/// A line of `--format jsonl`. Fields may be added, never renamed or removed.
#[derive(Serialize)]
struct JsonGroup<'a> {
    class: &'static str,
    /// Of the other photos.
    bytes: u64,
    keep: JsonPhoto<'a>,
    others: Vec<JsonPhoto<'a>>,
}

#[derive(Serialize)]
struct JsonPhoto<'a> {
    #[serde(flatten)]
    path: JsonPath<'a>,
    width: u32,
    height: u32,
    bytes: u64,
    taken: &'a str,
    /// Whether the photo states the date; else it is the file's.
    dated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    turned: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    distance: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cosine: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    copies: Vec<JsonPath<'a>>,
}

impl<'a> JsonPhoto<'a> {
    fn new(photo: &'a DuplicatePhoto) -> Self {
        let (mut turned, mut distance, mut cosine, mut seconds) = (None, None, None, None);
        match photo.likeness {
            Likeness::Picture { turned: how, distance: far } => (turned, distance) = (Some(how), Some(far)),
            Likeness::Scene { cosine: alike, seconds: apart } => (cosine, seconds) = (Some(alike), apart),
            _ => {}
        }
        JsonPhoto {
            path: JsonPath::new(&photo.path),
            width: photo.width,
            height: photo.height,
            bytes: photo.bytes,
            taken: &photo.taken,
            dated: photo.dated,
            turned,
            distance,
            cosine,
            seconds,
            copies: photo.copies.iter().map(|path| JsonPath::new(path)).collect(),
        }
    }
}

pub(super) fn write(format: GroupFormat, groups: &[DuplicateGroup], mut out: Destination) -> io::Result<()> {
    match format {
        GroupFormat::Jsonl => {
            for group in groups {
                let Some((first, others)) = group.photos.split_first() else { continue };
                let group = JsonGroup {
                    class: group.class.name(),
                    bytes: group.bytes,
                    keep: JsonPhoto::new(first),
                    others: others.iter().map(JsonPhoto::new).collect(),
                };
                plain_json::write(&mut out, &group)?;
                out.write_all(b"\n")?;
            }
        }
        GroupFormat::Table => table(groups, &mut out)?,
    }
    out.commit()
}

fn table(groups: &[DuplicateGroup], out: &mut Destination) -> io::Result<()> {
    if groups.is_empty() {
        return Ok(());
    }
    let here = std::env::current_dir().ok();
    let mut columns = vec![
        Column::new("", Kind::Words),
        Column::new("photo", Kind::Path),
        Column::new("pixels", Kind::Number),
        Column::new("size", Kind::Number),
        Column::new("date", Kind::Number),
        Column::new("", Kind::Words),
    ];
    for photo in groups.iter().flat_map(|group| &group.photos) {
        columns.iter_mut().zip(cells(photo, here.as_deref())).for_each(|(column, cell)| column.widen(&cell));
    }
    let table = Table::new(columns, terminal_width(out));
    for (number, group) in groups.iter().enumerate() {
        let (photos, bytes) = (count(group.photos.len(), "photo"), size(group.bytes));
        let line = if number == 0 { "" } else { "\n" };
        writeln!(out, "{line}{}: {photos}, {bytes} to spare", group.class.name())?;
        if number == 0 {
            writeln!(out, "{}", table.heading())?;
        }
        for photo in &group.photos {
            writeln!(out, "{}", table.line(&cells(photo, here.as_deref())))?;
        }
    }
    Ok(())
}

fn cells(photo: &DuplicatePhoto, here: Option<&Path>) -> [String; 6] {
    let path = here.and_then(|here| photo.path.strip_prefix(here).ok()).unwrap_or(&photo.path);
    let keep = if photo.likeness == Likeness::First { "keep" } else { "" };
    [
        keep.into(),
        path.display().to_string(),
        format!("{} x {}", photo.width, photo.height),
        size(photo.bytes),
        date(photo),
        reason(photo),
    ]
}

/// The date to the second, as shots of a burst need it; in brackets if it is the file's.
pub(super) fn date(photo: &DuplicatePhoto) -> String {
    let taken = photo.taken.replace('T', " ");
    if photo.dated { taken } else { format!("({taken})") }
}

/// What a photo has in common with the one to keep, and how many copies it has.
pub(super) fn reason(photo: &DuplicatePhoto) -> String {
    let mut reason = match photo.likeness {
        Likeness::Bytes => "same bytes".to_owned(),
        Likeness::Picture { turned, .. } => match turned {
            1 => "same picture".into(),
            2 | 4 | 5 | 7 => "same picture, mirrored".into(),
            _ => "same picture, rotated".into(),
        },
        Likeness::Scene { cosine, seconds: Some(seconds) } => {
            let apart = match seconds {
                0..120 => format!("{seconds} s"),
                120..7200 => format!("{} min", seconds / 60),
                _ => format!("{} h", seconds / 3600),
            };
            format!("cosine {cosine:.3}, {apart} apart")
        }
        Likeness::Scene { cosine, seconds: None } => format!("cosine {cosine:.3}, by name"),
        _ => String::new(),
    };
    if !photo.copies.is_empty() {
        let copies = match photo.copies.len() {
            1 => "1 copy".to_owned(),
            copies => format!("{copies} copies"),
        };
        reason = if reason.is_empty() { copies } else { format!("{reason}; {copies}") };
    }
    reason
}
