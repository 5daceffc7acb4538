//! Templates and wordings on the page, each as if there were no other.

use std::io;

use super::{best, columns, percent};
use crate::cli::evaluate::has_five;
use crate::cli::output::Destination;
use crate::library::evaluate::{Classified, RankedWording};
use crate::library::sheet::{Column, Page, Section, Table};

pub(super) fn write(page: &mut Page<'_, Destination>, found: &Classified, of: &str) -> io::Result<()> {
    templates(page, found, of)?;
    wordings(page, found, of)
}

fn templates(page: &mut Page<'_, Destination>, found: &Classified, of: &str) -> io::Result<()> {
    if found.template_ranking.is_empty() {
        return Ok(());
    }
    let note = "Each template alone, from the best, and all of them averaged";
    page.section(&Section { heading: &format!("Templates{of}"), note })?;
    let row = |name: &str, top1, top5| {
        let mut row = vec![name.to_owned(), percent(top1)];
        row.extend(has_five(found).then(|| percent(top5)));
        row
    };
    let names = ["Accuracy", "Among five"];
    let all = row("all, averaged", found.top1, found.top5);
    let alone = found.template_ranking.iter().map(|ranked| row(&ranked.template, ranked.top1, ranked.top5));
    let shares = std::iter::once(found.top1).chain(found.template_ranking.iter().map(|ranked| ranked.top1));
    page.table(&Table {
        caption: "Accuracy by template".to_owned(),
        columns: columns("Template", if has_five(found) { &names } else { &names[..1] }),
        marked: best(shares),
        rows: std::iter::once(all).chain(alone).collect(),
    })
}

fn wordings(page: &mut Page<'_, Destination>, found: &Classified, of: &str) -> io::Result<()> {
    if found.wording_ranking.is_empty() {
        return Ok(());
    }
    let note = "Each wording as the only one of its class, while other classes keep all of theirs";
    page.section(&Section { heading: &format!("Wordings{of}"), note })?;
    let row = |ranked: &RankedWording| {
        let (top1, class_top1) = (percent(ranked.top1), percent(ranked.class_top1));
        vec![ranked.class.clone(), ranked.wording.clone(), class_top1, top1]
    };
    page.table(&Table {
        caption: "Accuracy by wording, from the best of each class".to_owned(),
        columns: vec![
            Column::words("Class"),
            Column::words("Wording"),
            Column::numbers("Of the class"),
            Column::numbers("Of all photos"),
        ],
        rows: found.wording_ranking.iter().map(row).collect(),
        marked: None,
    })
}
