//! Classes on the page: their accuracy, what they are taken for, how similar their photos are.

use std::io;

use super::{best, columns, cosine, percent};
use crate::cli::evaluate::{Evaluated, has_five};
use crate::cli::output::Destination;
use crate::library::evaluate::{Class, Classified};
use crate::library::sheet::{Bars, Column, HeatMap, Page, Section, Table};

/// Classes of a heat map; labels of more are hard to read, and the page grows with their square.
const MOST_SHOWN: usize = 48;
/// Classes with bars.
const MOST_BARS: usize = 24;
/// Classes that a class is taken for, by name.
const MOST_TAKEN: usize = 3;

pub(super) fn write(page: &mut Page<'_, Destination>, found: &Classified, of: &str) -> io::Result<()> {
    accuracy(page, found, of)?;
    let shown = shown(found);
    let names: Vec<String> = shown.iter().map(|&class| found.classes[class].name.clone()).collect();
    let all = found.classes.len();
    let part = match shown.len() < all {
        true => format!("; the {} classes with the most mistakes, of {all}", shown.len()),
        false => String::new(),
    };
    confusion(page, found, of, &shown, &names, &part)?;
    similarity(page, found, of, &shown, &names, &part)
}

/// Accuracy of each class with each model.
pub(super) fn compare(page: &mut Page<'_, Destination>, models: &[Evaluated]) -> io::Result<()> {
    let found: Vec<(&str, &Classified)> =
        models.iter().filter_map(|model| Some((&*model.report.model, model.report.classification.as_ref()?))).collect();
    let Some((_, first)) = found.first().filter(|_| found.len() > 1) else { return Ok(()) };
    let names: Vec<&str> = std::iter::once("Photos").chain(found.iter().map(|(name, _)| *name)).collect();
    let row = |(at, class): (usize, &Class)| {
        let shares = found.iter().map(|(_, found)| percent(found.classes[at].accuracy.top1));
        [class.name.clone(), class.accuracy.count.to_string()].into_iter().chain(shares).collect()
    };
    page.table(&Table {
        caption: "Accuracy by class".to_owned(),
        columns: columns("Class", &names),
        rows: first.classes.iter().enumerate().map(row).collect(),
        marked: None,
    })
}

/// The classes that a heat map shows: all, or those with the most mistakes, in the order of the data set.
fn shown(found: &Classified) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..found.classes.len()).collect();
    if classes.len() > MOST_SHOWN {
        let mut mistakes = vec![0; classes.len()];
        for (class, row) in found.confusion.iter().enumerate() {
            for (taken, times) in row.iter().enumerate().filter(|(taken, _)| *taken != class) {
                mistakes[class] += times;
                mistakes[taken] += times;
            }
        }
        classes.sort_by_key(|&class| std::cmp::Reverse(mistakes[class]));
        classes.truncate(MOST_SHOWN);
        classes.sort_unstable();
    }
    classes
}

fn accuracy(page: &mut Page<'_, Destination>, found: &Classified, of: &str) -> io::Result<()> {
    let note = "What each class is found by, and what it is taken for";
    page.section(&Section { heading: &format!("Classes{of}"), note })?;
    let seen = found.classes.iter().filter(|class| class.accuracy.count > 0);
    let mut bars: Vec<(String, f64)> = seen.map(|class| (class.name.clone(), class.accuracy.top1 * 100.0)).collect();
    bars.sort_by(|a, b| a.1.total_cmp(&b.1));
    let title = match bars.len() > MOST_BARS {
        true => format!("Accuracy in per cent, the {MOST_BARS} lowest of {} classes", bars.len()),
        false => "Accuracy in per cent, the lowest first".to_owned(),
    };
    bars.truncate(MOST_BARS);
    page.bars(&Bars { title, bars, full: Some(100.0), decimals: 1 })?;
    let row = |(index, class): (usize, &Class)| {
        let others = found.confusion[index].iter().enumerate();
        let mut taken: Vec<(usize, usize)> = others
            .map(|(other, &times)| (other, times))
            .filter(|&(other, times)| other != index && times > 0)
            .collect();
        taken.sort_by_key(|&(_, times)| std::cmp::Reverse(times));
        let more = if taken.len() > MOST_TAKEN { ", …" } else { "" };
        let taken: Vec<String> = taken
            .iter()
            .take(MOST_TAKEN)
            .map(|&(other, times)| format!("{} ({times})", found.classes[other].name))
            .collect();
        let mut row = vec![class.name.clone(), class.accuracy.count.to_string(), percent(class.accuracy.top1)];
        row.extend(has_five(found).then(|| percent(class.accuracy.top5)));
        row.extend([taken.join(", ") + more, class.wordings.join(" | ")]);
        row
    };
    let names = ["Photos", "Accuracy", "Among five"];
    let mut columns = columns("Class", if has_five(found) { &names } else { &names[..2] });
    columns.extend([Column::words("Taken for (photos)"), Column::words("Described as")]);
    page.table(&Table {
        caption: "All classes".to_owned(),
        columns,
        rows: found.classes.iter().enumerate().map(row).collect(),
        marked: None,
    })
}

/// All pairs of the classes that are shown, row by row.
fn pairs(shown: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    shown.iter().flat_map(|&row| shown.iter().map(move |&column| (row, column)))
}

fn confusion(
    page: &mut Page<'_, Destination>,
    found: &Classified,
    of: &str,
    shown: &[usize],
    names: &[String],
    part: &str,
) -> io::Result<()> {
    let note = format!("Rows: the class of a photo. Columns: what it was taken for{part}");
    page.section(&Section { heading: &format!("Confusion{of}"), note: &note })?;
    let value = |(row, column): (usize, usize)| {
        let photos = found.classes[row].accuracy.count;
        if photos == 0 { f32::NAN } else { (found.confusion[row][column] as f64 * 100.0 / photos as f64) as f32 }
    };
    page.heat_map(&HeatMap {
        title: "Photos of a class, in per cent".to_owned(),
        rows: names.to_vec(),
        columns: names.to_vec(),
        values: pairs(shown).map(value).collect(),
        range: Some((0.0, 100.0)),
        decimals: 0,
    })
}

fn similarity(
    page: &mut Page<'_, Destination>,
    found: &Classified,
    of: &str,
    shown: &[usize],
    names: &[String],
    part: &str,
) -> io::Result<()> {
    let note =
        format!("Mean cosine of the photos of two classes; on the diagonal, of different photos of the class{part}");
    page.section(&Section { heading: &format!("Similarity{of}"), note: &note })?;
    page.heat_map(&HeatMap {
        title: "Mean cosine".to_owned(),
        rows: names.to_vec(),
        columns: names.to_vec(),
        values: pairs(shown).map(|(row, column)| found.similarity[row][column] as f32).collect(),
        range: None,
        decimals: 2,
    })?;
    let row = |(index, class): (usize, &Class)| {
        let similar = &found.similarity[index];
        let others = || similar.iter().enumerate().map(|(at, &value)| if at == index { f64::NAN } else { value });
        let (sum, number) = others()
            .filter(|value| !value.is_nan())
            .fold((0.0, 0usize), |(sum, number), value| (sum + value, number + 1));
        let between = if number == 0 { f64::NAN } else { sum / number as f64 };
        let closest = best(others());
        vec![
            class.name.clone(),
            cosine(similar[index]),
            cosine(between),
            cosine(closest.map_or(f64::NAN, |at| similar[at])),
            closest.map_or_else(|| "–".to_owned(), |at| found.classes[at].name.clone()),
        ]
    };
    let mut columns = columns("Class", &["Within", "Between", "Closest"]);
    columns.push(Column::words("Closest class"));
    page.table(&Table {
        caption: "Within each class, and between it and the others".to_owned(),
        columns,
        rows: found.classes.iter().enumerate().map(row).collect(),
        marked: None,
    })
}
