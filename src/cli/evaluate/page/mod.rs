//! The figures of `evaluate` as a page: what was measured, then a section for each question that it answers.

mod classes;
mod prompts;

use std::io;
use std::path::Path;

use super::table::ten_best;
use super::{Evaluated, has_five};
use crate::cli::messages::{close_cosine, count, size};
use crate::cli::output::Destination;
use crate::cli::thumbnail;
use crate::library::evaluate::{Agreement, Classified, Report, Retrieval};
use crate::library::sheet::{Column, Head, Lines, Number, Page, Section, Series, Table};

/// Photos that could not be read and are named; the rest is counted.
const MOST_FAILURES: usize = 100;
/// Difference of two calibration errors that is worth a word.
const WORTH_A_WORD: f64 = 0.005;

/// Writes the page of one model, or of several that are compared, to `path`.
pub(super) fn write(models: &[Evaluated], path: &Path, out: Destination) -> io::Result<()> {
    let Some(Evaluated { report: first, .. }) = models.first() else { return Ok(()) };
    let set = &first.dataset;
    let name = Path::new(&set.path).file_name().map_or(set.path.clone(), |name| name.to_string_lossy().into_owned());
    let title = match models {
        [only] => format!("{} on {name}", only.report.model),
        _ => format!("{} on {name}", count(models.len(), "model")),
    };
    let photos = count(set.photos - first.failures.len(), "photo");
    let seconds = format!("{:.1} s", models.iter().map(|model| model.report.seconds).sum::<f64>());
    let mut facts = vec![("", photos.as_str())];
    let number = if set.captions > 0 { count(set.captions, "caption") } else { format!("{} classes", set.classes) };
    facts.extend([("", number.as_str()), ("Data set", set.path.as_str()), ("Kind", set.kind)]);
    facts.extend([("Encoded in", seconds.as_str()), ("Version", first.version)]);
    let folder = thumbnail::folder_of_page(path);
    let mut page = Page::begin(out, &Head { title: &title, facts: &facts, folder: folder.as_deref() })?;
    match models {
        [Evaluated { report, cost: None }] => {
            if let Some(found) = &report.classification {
                summary(&mut page, found)?;
            }
            if let Some(found) = &report.retrieval {
                recalls(&mut page, found)?;
            }
        }
        models => comparison(&mut page, models)?,
    }
    if models.iter().any(|model| model.report.classification.is_some()) {
        calibration(&mut page, models)?;
    }
    for Evaluated { report, .. } in models {
        if let Some(found) = &report.classification {
            let of = if models.len() > 1 { format!(" · {}", report.model) } else { String::new() };
            prompts::write(&mut page, found, &of)?;
            classes::write(&mut page, found, &of)?;
        }
    }
    failures(&mut page, first)?;
    page.finish()?.commit()
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn cosine(value: f64) -> String {
    if value.is_nan() { "–".into() } else { format!("{value:.3}") }
}

/// Columns: one of words, and one of numbers for each name.
fn columns(words: &str, numbers: &[&str]) -> Vec<Column> {
    std::iter::once(Column::words(words)).chain(numbers.iter().copied().map(Column::numbers)).collect()
}

/// The place of the largest value.
fn best(values: impl Iterator<Item = f64>) -> Option<usize> {
    values.enumerate().filter(|(_, value)| !value.is_nan()).reduce(|a, b| if b.1 > a.1 { b } else { a }).map(|at| at.0)
}

fn summary(page: &mut Page<'_, Destination>, found: &Classified) -> io::Result<()> {
    let photos: usize = found.classes.iter().map(|class| class.accuracy.count).sum();
    let right: usize = (0..found.classes.len()).map(|class| found.confusion[class][class]).sum();
    let calibration = &found.calibration;
    let top = [percent(found.top1), percent(found.top5), percent(found.mean_class_top1)];
    let (of, error) = (format!("{right} of {}", count(photos, "photo")), percent(calibration.plain.error));
    let with = format!("{} at temperature {:.2}", percent(calibration.best.error), calibration.best.temperature);
    let mut numbers = vec![
        Number { name: "Accuracy", value: &top[0], note: &of },
        Number { name: "Among five", value: &top[1], note: "own class among the five best" },
        Number { name: "Mean of classes", value: &top[2], note: "each class counts the same" },
        Number { name: "Calibration error", value: &error, note: &with },
    ];
    if !has_five(found) {
        numbers.remove(1);
    }
    page.numbers(&numbers)?;
    page.paragraph(&format!(
        "Each photo is compared with a description of each class and taken for the one that is most similar. {}",
        match &found.templates[..] {
            [template] => format!("The descriptions are class names in the template “{template}”."),
            templates => format!("The descriptions are class names in {} templates, averaged.", templates.len()),
        }
    ))
}

fn recalls(page: &mut Page<'_, Destination>, found: &Retrieval) -> io::Result<()> {
    let directions = [("Photo of a caption", &found.text_to_photo), ("Caption of a photo", &found.photo_to_text)];
    for (name, recall) in directions {
        let note = match name {
            "Photo of a caption" => format!("Each of {} looks for its photo", count(found.captions, "caption")),
            _ => format!("Each of {} looks for one of its captions", count(found.photos, "photo")),
        };
        page.section(&Section { heading: name, note: &note })?;
        let [at1, at5, at10] = [recall.at1, recall.at5, recall.at10].map(percent);
        page.numbers(&[
            Number { name: "Recall at 1", value: &at1, note: "found first" },
            Number { name: "Recall at 5", value: &at5, note: "among the first five" },
            Number { name: "Recall at 10", value: &at10, note: "among the first ten" },
        ])?;
    }
    Ok(())
}

/// Models in one table: what they are worth and what they cost.
fn comparison(page: &mut Page<'_, Destination>, models: &[Evaluated]) -> io::Result<()> {
    let captions = models.iter().any(|model| model.report.retrieval.is_some());
    let five = models.iter().filter_map(|model| model.report.classification.as_ref()).any(has_five);
    let quality: &[&str] = match (captions, five) {
        (true, _) => &["Photo at 1", "at 5", "at 10", "Caption at 1", "at 5", "at 10"],
        (false, true) => &["Accuracy", "Among five", "Mean of classes", "Calibration error"],
        (false, false) => &["Accuracy", "Mean of classes", "Calibration error"],
    };
    let costs = ["ms a photo", "Memory", "File"];
    let row = |Evaluated { report, cost }: &Evaluated| {
        let mut row = vec![report.model.clone()];
        if let Some(found) = &report.classification {
            let (top5, error) = (five.then_some(found.top5), found.calibration.plain.error);
            let shares = [Some(found.top1), top5, Some(found.mean_class_top1), Some(error)];
            row.extend(shares.into_iter().flatten().map(percent));
        }
        if let Some(Retrieval { photo_to_text: text, text_to_photo: photo, .. }) = &report.retrieval {
            row.extend([photo.at1, photo.at5, photo.at10, text.at1, text.at5, text.at10].map(percent));
        }
        let dash = || "–".to_owned();
        row.push(cost.as_ref().map_or_else(dash, |cost| format!("{:.2}", cost.image_ms)));
        row.push(cost.as_ref().and_then(|cost| cost.private_bytes).map_or_else(dash, size));
        row.push(cost.as_ref().map_or_else(dash, |cost| size(cost.file_bytes)));
        row
    };
    let worth = |model: &Evaluated| match (&model.report.classification, &model.report.retrieval) {
        (Some(found), _) => found.top1,
        (None, Some(found)) => found.text_to_photo.at1,
        (None, None) => f64::NAN,
    };
    let threads = models.iter().find_map(|model| model.cost.as_ref()).map(|cost| count(cost.threads, "thread"));
    let note = match &threads {
        Some(threads) => format!("Milliseconds are those of one photo on {threads}, without decoding"),
        None => String::new(),
    };
    page.section(&Section { heading: "Models", note: &note })?;
    page.table(&Table {
        caption: if captions { "Recall and cost" } else { "Accuracy and cost" }.to_owned(),
        columns: columns("Model", &[quality, &costs].concat()),
        rows: models.iter().map(row).collect(),
        marked: best(models.iter().map(worth)).filter(|_| models.len() > 1),
    })?;
    agreements(page, models, captions)?;
    classes::compare(page, models)
}

/// How far precisions of a model agree with its first one.
fn agreements(page: &mut Page<'_, Destination>, models: &[Evaluated], captions: bool) -> io::Result<()> {
    let found = || models.iter().filter_map(|model| Some((&model.report, model.report.agreement.as_ref()?)));
    if found().next().is_none() {
        return Ok(());
    }
    let note = match captions {
        true => {
            "Cosines of the embeddings of the same photos and captions, captions whose best photo is the same, and the share of their ten best photos that both find"
        }
        false => {
            "Cosines of the embeddings of the same photos and labels, photos that are taken for the same class, and the share of the ten best photos of a label that both find"
        }
    };
    page.section(&Section { heading: "Precisions", note })?;
    let row = |(report, agreement): (&Report, &Agreement)| {
        let Agreement { with, photos, texts, top1, top10 } = agreement;
        let cosines = [photos.least, photos.mean, texts.least, texts.mean].map(close_cosine);
        let name = format!("{} ({})", report.model, report.precision);
        [name, with.clone()].into_iter().chain(cosines).chain([percent(*top1), ten_best(report, *top10)]).collect()
    };
    let same = if captions { "Same photo" } else { "Same class" };
    let names = ["Least cosine", "Mean cosine", "Texts, least", "Texts, mean", same, "Ten best"];
    page.table(&Table {
        caption: "Agreement of precisions".to_owned(),
        columns: [Column::words("Model"), Column::words("Compared with")]
            .into_iter()
            .chain(names.map(Column::numbers))
            .collect(),
        rows: found().map(row).collect(),
        marked: None,
    })
}

/// How honest probabilities are, over temperatures.
fn calibration(page: &mut Page<'_, Destination>, models: &[Evaluated]) -> io::Result<()> {
    let found = || models.iter().filter_map(|Evaluated { report, .. }| Some((report, report.classification.as_ref()?)));
    let note = "How far probabilities are from the share of photos for which they are right";
    page.section(&Section { heading: "Calibration", note })?;
    let single = match models {
        [Evaluated { report: Report { classification: Some(found), .. }, .. }] => Some(&found.calibration),
        _ => None,
    };
    if let Some(calibration) = single {
        let best = &calibration.best;
        let (plain_error, best_error) = (percent(calibration.plain.error), percent(best.error));
        page.paragraph(&if calibration.plain.error - best.error < WORTH_A_WORD {
            format!("The model's own probabilities are as good as any temperature makes them: the error is {plain_error}.")
        } else {
            let sure = if best.temperature > 1.0 { "too sure of itself" } else { "less sure of itself than it could be" };
            format!(
                "The model is {sure}: a temperature of {:.2}, an option of classify, takes the error from {plain_error} to {best_error}.",
                best.temperature
            )
        })?;
    }
    page.lines(&Lines {
        title: "Expected calibration error in per cent, over temperatures".to_owned(),
        x: "temperature".to_owned(),
        y: "error, per cent".to_owned(),
        log_x: true,
        series: found()
            .map(|(report, found)| Series {
                name: if models.len() > 1 { report.model.clone() } else { String::new() },
                points: found.calibration.grid.iter().map(|at| (at.temperature, at.error * 100.0)).collect(),
            })
            .collect(),
        marker: Some(match single {
            Some(calibration) => {
                (calibration.best.temperature, format!("lowest at {:.2}", calibration.best.temperature))
            }
            None => (1.0, "models' own probabilities".to_owned()),
        }),
    })?;
    let row = |(report, found): (&Report, &Classified)| {
        let (plain, best) = (&found.calibration.plain, &found.calibration.best);
        vec![
            report.model.clone(),
            percent(plain.error),
            format!("{:.3}", plain.log_loss),
            format!("{:.2}", best.temperature),
            percent(best.error),
            format!("{:.3}", best.log_loss),
        ]
    };
    let bins = found().next().map_or(0, |(_, found)| found.calibration.bins);
    page.table(&Table {
        caption: format!("At temperature 1 and where the error is lowest ({bins} bins)"),
        columns: columns("Model", &["Error", "Log loss", "Temperature", "Error there", "Log loss there"]),
        rows: found().map(row).collect(),
        marked: None,
    })
}

fn failures(page: &mut Page<'_, Destination>, report: &Report) -> io::Result<()> {
    let failed = report.failures.len();
    if failed == 0 {
        return Ok(());
    }
    let note = format!("{} of {} photos, which count in no figure", failed, report.dataset.photos);
    page.section(&Section { heading: "Photos that could not be read", note: &note })?;
    let rows =
        report.failures.iter().take(MOST_FAILURES).map(|failed| vec![failed.photo.clone(), failed.error.clone()]);
    let caption = match failed > MOST_FAILURES {
        true => format!("The first {MOST_FAILURES}"),
        false => "All of them".to_owned(),
    };
    page.table(&Table {
        caption,
        columns: vec![Column::words("Photo"), Column::words("Reason")],
        rows: rows.collect(),
        marked: None,
    })
}
