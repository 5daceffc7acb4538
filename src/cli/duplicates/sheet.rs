//! The contact sheet of groups.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use super::output::{date, reason};
use crate::CancelToken;
use crate::cli::messages::{Messages, count, one_line, size};
use crate::cli::output::Destination;
use crate::library::DuplicateGroup;
use crate::library::sheet::{Card, Head, Page, Picture, Section, THUMBNAIL_SIDE, thumbnail_jpeg};

/// Largest file that is read for a thumbnail: larger than any photo.
const MAX_FILE: u64 = 1 << 29;

/// Writes the groups to `html`; returns whether it was not cancelled.
pub(super) fn write(
    groups: &[DuplicateGroup],
    html: &Path,
    out: Destination,
    cancel: &CancelToken,
    messages: &Messages,
) -> io::Result<bool> {
    let folder = std::path::absolute(html).ok().and_then(|html| Some(html.parent()?.to_owned()));
    let folder = folder.map(|folder| fs::canonicalize(&folder).unwrap_or(folder));
    let photos: usize = groups.iter().map(|group| group.photos.len()).sum();
    let bytes = groups.iter().map(|group| group.bytes).sum();
    let (number, spare) = (groups.len().to_string(), size(bytes));
    let facts = [("Groups", number.as_str()), ("To spare", spare.as_str())];
    let mut page = Page::begin(out, &Head { title: "Duplicates", facts: &facts, folder: folder.as_deref() })?;
    if groups.is_empty() {
        page.nothing("There are no duplicates.")?;
    }
    let progress = messages.progress(photos as u64, "thumbnails", false);
    for group in groups {
        let heading = match group.class.name() {
            "file" => "Same bytes",
            "picture" => "Same picture",
            _ => "Same scene",
        };
        let note = format!("{}, {} to spare", count(group.photos.len(), "photo"), size(group.bytes));
        page.section(&Section { heading, note: &note })?;
        for (place, photo) in group.photos.iter().enumerate() {
            if cancel.is_cancelled() {
                return Ok(false);
            }
            let small = thumbnail(&photo.path);
            let (date, reason) = (date(photo), reason(photo));
            let captions = [reason.as_str()];
            let mut card = Card::new(&photo.path);
            card.picture = match &small {
                Ok((bytes, width, height)) => Picture::Jpeg { bytes, width: *width, height: *height },
                Err(reason) => Picture::Missing(reason),
            };
            card.mark = (place == 0).then_some("keep");
            card.date = Some(&date);
            card.pixels = Some((photo.width.into(), photo.height.into()));
            card.bytes = Some(photo.bytes);
            card.captions = if reason.is_empty() { &[] } else { &captions };
            page.card(&card)?;
            progress.advance(1);
        }
    }
    page.finish()?.commit()?;
    Ok(true)
}

/// The thumbnail of a photo, or why there is none.
fn thumbnail(path: &Path) -> Result<(Vec<u8>, usize, usize), String> {
    let read = || {
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error: io::Error| format!("it cannot be read: {error}"))?;
    let small = crate::photo::thumbnail(&bytes, THUMBNAIL_SIDE, "it")
        .map_err(|error| one_line(&error.to_string()).into_owned())?;
    let (width, height) = (small.width(), small.height());
    let jpeg = thumbnail_jpeg(&small).map_err(|error| error.to_string())?;
    Ok((jpeg, width, height))
}
