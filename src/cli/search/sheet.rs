//! The contact sheet of results: one HTML file.

use std::io;
use std::path::Path;

use super::output::date;
use crate::cli::output::Destination;
use crate::cli::thumbnail;
use crate::library::sheet::{Card, Head, Page};
use crate::library::{Found, Hit, Query};

pub(super) fn write(query: &Query, model: &str, found: &Found, path: &Path, out: Destination) -> io::Result<()> {
    let title = query.to_string();
    let (photos, compared) = (found.hits.len().to_string(), found.compared.to_string());
    let facts = [("Model", model), ("Photos", photos.as_str()), ("Compared", compared.as_str())];
    let folder = thumbnail::folder_of_page(path);
    let head = Head { title: &title, facts: &facts, folder: folder.as_deref() };
    let mut page = Page::begin(out, &head)?;
    if found.hits.is_empty() {
        page.nothing("Nothing fits.")?;
    }
    for hit in &found.hits {
        card(&mut page, hit)?;
    }
    page.finish()?.commit()
}

fn card(page: &mut Page<'_, Destination>, hit: &Hit) -> io::Result<()> {
    let small = thumbnail::of_page(&hit.path);
    let date = date(hit);
    let fit = hit.fit.map(|fit| format!("fit {fit:.2}"));
    let copies = (!hit.copies.is_empty()).then(|| format!("and {} with the same bytes", hit.copies.len()));
    let captions: Vec<&str> = fit.iter().chain(&copies).map(String::as_str).collect();
    let mut card = Card::new(&hit.path);
    card.picture = thumbnail::picture(&small);
    card.cosine = Some(hit.score);
    card.date = Some(&date);
    card.pixels = Some((hit.width.into(), hit.height.into()));
    card.bytes = Some(hit.bytes);
    card.captions = &captions;
    page.card(&card)
}
