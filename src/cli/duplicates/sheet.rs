//! The contact sheet of groups.

use std::io;
use std::path::Path;

use super::output::{date, reason};
use crate::CancelToken;
use crate::cli::messages::{Messages, count, size};
use crate::cli::output::Destination;
use crate::cli::thumbnail;
use crate::library::DuplicateGroup;
use crate::library::sheet::{Card, Head, Page, Section};

/// Writes the groups to `html`; returns whether it was not cancelled.
pub(super) fn write(
    groups: &[DuplicateGroup],
    html: &Path,
    out: Destination,
    cancel: &CancelToken,
    messages: &Messages,
) -> io::Result<bool> {
    let folder = thumbnail::folder_of_page(html);
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
            let small = thumbnail::of_page(&photo.path);
            let (date, reason) = (date(photo), reason(photo));
            let captions = [reason.as_str()];
            let mut card = Card::new(&photo.path);
            card.picture = thumbnail::picture(&small);
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
