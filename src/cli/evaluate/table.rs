//! The figures of `evaluate` as text: one section for each question that they answer.

use unicode_width::UnicodeWidthStr;

use super::{Evaluated, has_five};
use crate::cli::messages::{close_cosine, count, size};
use crate::cli::output::Destination;
use crate::cli::table::{Column, Kind, Table, terminal_width};
use crate::library::evaluate::{Agreement, Classified, Report, Retrieval};

/// Matrices of more classes are in JSON alone.
const MOST_CLASSES: usize = 12;
/// Widest number of a matrix: `-0.123`.
const NUMBER: usize = 6;
/// Classes that a class is taken for most often.
const MOST_TAKEN: usize = 3;

/// Formats the figures of one model, or compares several.
pub(super) fn text(models: &[Evaluated], out: &Destination) -> String {
    let width = terminal_width(out);
    let Some(first) = models.first() else { return String::new() };
    let mut text = Text { width, text: String::new() };
    text.line(&dataset(&first.report));
    match models {
        [Evaluated { report, cost: None }] => text.report(report),
        models => text.comparison(models),
    }
    text.text
}

fn dataset(report: &Report) -> String {
    let set = &report.dataset;
    let photos = count(set.photos - report.failures.len(), "photo");
    let of = if set.captions > 0 { count(set.captions, "caption") } else { format!("{} classes", set.classes) };
    format!("{} ({}): {photos}, {of}", set.path, set.kind)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn cosine(value: f64) -> String {
    if value.is_nan() { "-".into() } else { format!("{value:.3}") }
}

/// The share of the ten best photos that two models both find; of ten photos at most, both find all.
pub(super) fn ten_best(report: &Report, share: f64) -> String {
    if report.dataset.photos.saturating_sub(report.failures.len()) > 10 { percent(share) } else { "too few".into() }
}

struct Text {
    width: Option<usize>,
    text: String,
}

impl Text {
    fn line(&mut self, line: &str) {
        self.text += &crate::cli::messages::one_line(line);
        self.text.push('\n');
    }

    /// Adds a table after an empty line.
    fn table(&mut self, headings: &[(&str, Kind)], rows: &[Vec<String>]) {
        let mut columns: Vec<Column> = headings.iter().map(|&(heading, kind)| Column::new(heading, kind)).collect();
        for row in rows {
            columns.iter_mut().zip(row).for_each(|(column, cell)| column.widen(cell));
        }
        let table = Table::new(columns, self.width);
        self.line("");
        self.line(&table.heading());
        rows.iter().for_each(|row| self.line(&table.line(row)));
    }

    fn report(&mut self, report: &Report) {
        self.line(&format!("model {}, encoded in {:.1} s", report.model, report.seconds));
        if let Some(found) = &report.classification {
            self.classified(found);
        }
        if let Some(found) = &report.retrieval {
            self.retrieval(found);
        }
    }

    fn classified(&mut self, found: &Classified) {
        let (plain, best) = (&found.calibration.plain, &found.calibration.best);
        let (top1, top5, mean) = (percent(found.top1), percent(found.top5), percent(found.mean_class_top1));
        self.line("");
        let has_five = has_five(found);
        let among = if has_five { format!("; {top5} among five") } else { String::new() };
        self.line(&format!("accuracy {top1}{among}; {mean} as the mean of classes"));
        self.line(&format!(
            "calibration error {}; {} with --temperature {:.2}",
            percent(plain.error),
            percent(best.error),
            best.temperature
        ));
        let names: Vec<&str> = found.classes.iter().map(|class| class.name.as_str()).collect();
        let rows: Vec<Vec<String>> = found
            .classes
            .iter()
            .zip(&found.confusion)
            .enumerate()
            .map(|(index, (class, taken))| {
                let accuracy = &class.accuracy;
                let mut taken: Vec<(usize, &usize)> =
                    taken.iter().enumerate().filter(|(other, times)| *other != index && **times > 0).collect();
                taken.sort_by(|a, b| b.1.cmp(a.1));
                let taken: Vec<String> =
                    taken.iter().take(MOST_TAKEN).map(|(other, times)| format!("{} {times}", names[*other])).collect();
                let mut row = vec![class.name.clone(), accuracy.count.to_string(), percent(accuracy.top1)];
                row.extend(has_five.then(|| percent(accuracy.top5)));
                row.push(taken.join(", "));
                row
            })
            .collect();
        let among_five = has_five.then_some(("among five", Kind::Number));
        let mut headings = vec![("class", Kind::Words), ("photos", Kind::Number), ("accuracy", Kind::Number)];
        headings.extend(among_five);
        headings.push(("taken for", Kind::Words));
        self.table(&headings, &rows);

        let ranked = |name: &str| [(name.to_owned(), Kind::Words), ("accuracy".into(), Kind::Number)];
        if !found.template_ranking.is_empty() {
            let [template, accuracy] = ranked("template");
            let row = |name: &str, top1, top5| {
                let mut row = vec![name.to_owned(), percent(top1)];
                row.extend(has_five.then(|| percent(top5)));
                row
            };
            let all = row("(all, averaged)", found.top1, found.top5);
            let rows = found.template_ranking.iter().map(|ranked| row(&ranked.template, ranked.top1, ranked.top5));
            let rows: Vec<Vec<String>> = std::iter::once(all).chain(rows).collect();
            let mut headings = vec![(&*template.0, template.1), (&*accuracy.0, accuracy.1)];
            headings.extend(among_five);
            self.table(&headings, &rows);
        }
        if !found.wording_ranking.is_empty() {
            let [wording, accuracy] = ranked("wording alone");
            let rows: Vec<Vec<String>> = found
                .wording_ranking
                .iter()
                .map(|ranked| {
                    vec![ranked.class.clone(), ranked.wording.clone(), percent(ranked.top1), percent(ranked.class_top1)]
                })
                .collect();
            let headings = [
                ("class", Kind::Words),
                (&*wording.0, wording.1),
                (&*accuracy.0, accuracy.1),
                ("of the class", Kind::Number),
            ];
            self.table(&headings, &rows);
        }
        self.similarity(found, &names);
    }

    /// Whether a number for each pair of classes can be read, and fits the terminal.
    fn has_room_for_matrix(&self, names: &[&str]) -> bool {
        let column = |name: &&str| name.width().max(NUMBER) + 2;
        let columns = names.iter().map(column).sum::<usize>();
        let first = names.iter().map(|name| name.width()).max().unwrap_or(0).max("mean cosine".len());
        names.len() <= MOST_CLASSES && self.width.is_none_or(|width| first + columns <= width)
    }

    /// Mean cosines within and between classes: all of them, or those of the closest classes.
    fn similarity(&mut self, found: &Classified, names: &[&str]) {
        if self.has_room_for_matrix(names) {
            let headings =
                std::iter::once(("mean cosine", Kind::Words)).chain(names.iter().map(|&name| (name, Kind::Number)));
            let rows: Vec<Vec<String>> = names
                .iter()
                .zip(&found.similarity)
                .map(|(name, row)| {
                    std::iter::once((*name).to_owned()).chain(row.iter().map(|&value| cosine(value))).collect()
                })
                .collect();
            self.table(&headings.collect::<Vec<_>>(), &rows);
            let headings =
                std::iter::once(("taken for", Kind::Words)).chain(names.iter().map(|&name| (name, Kind::Number)));
            let rows: Vec<Vec<String>> = names
                .iter()
                .zip(&found.confusion)
                .map(|(name, row)| {
                    std::iter::once((*name).to_owned()).chain(row.iter().map(ToString::to_string)).collect()
                })
                .collect();
            self.table(&headings.collect::<Vec<_>>(), &rows);
            return;
        }
        let rows: Vec<Vec<String>> = names
            .iter()
            .zip(&found.similarity)
            .enumerate()
            .map(|(index, (name, row))| {
                let others = row.iter().enumerate().filter(|(other, value)| *other != index && !value.is_nan());
                let closest = others.max_by(|a, b| a.1.total_cmp(b.1));
                let (other, between) = closest.map_or(("-", f64::NAN), |(other, value)| (names[other], *value));
                vec![(*name).to_owned(), cosine(row[index]), cosine(between), other.to_owned()]
            })
            .collect();
        let headings =
            [("mean cosine", Kind::Words), ("within", Kind::Number), ("closest", Kind::Number), ("class", Kind::Words)];
        self.table(&headings, &rows);
    }

    fn retrieval(&mut self, found: &Retrieval) {
        let row = |what: &str, recall: &crate::library::evaluate::Recall| {
            vec![what.to_owned(), percent(recall.at1), percent(recall.at5), percent(recall.at10)]
        };
        let rows = [row("caption of a photo", &found.photo_to_text), row("photo of a caption", &found.text_to_photo)];
        let at = Kind::Number;
        self.table(&[("recall", Kind::Words), ("at 1", at), ("at 5", at), ("at 10", at)], &rows);
    }

    fn comparison(&mut self, models: &[Evaluated]) {
        let captions = models.iter().any(|model| model.report.retrieval.is_some());
        let five = models.iter().filter_map(|model| model.report.classification.as_ref()).any(has_five);
        let quality: &[&str] = match (captions, five) {
            (true, _) => &["caption at 1", "at 10", "photo at 1", "at 10"],
            (false, true) => &["accuracy", "among five", "calibration error"],
            (false, false) => &["accuracy", "calibration error"],
        };
        let mut headings = vec![("model", Kind::Words)];
        headings
            .extend(quality.iter().chain(&["ms a photo", "private memory", "file"]).map(|&name| (name, Kind::Number)));
        let rows: Vec<Vec<String>> = models
            .iter()
            .map(|Evaluated { report, cost }| {
                let mut row = vec![report.model.clone()];
                if let Some(found) = &report.classification {
                    let top5 = five.then_some(found.top5);
                    row.extend(
                        [Some(found.top1), top5, Some(found.calibration.plain.error)]
                            .into_iter()
                            .flatten()
                            .map(percent),
                    );
                }
                if let Some(Retrieval { photo_to_text: text, text_to_photo: photo, .. }) = &report.retrieval {
                    row.extend([text.at1, text.at10, photo.at1, photo.at10].map(percent));
                }
                let dash = || "-".to_owned();
                row.push(cost.as_ref().map_or_else(dash, |cost| format!("{:.2}", cost.image_ms)));
                row.push(cost.as_ref().and_then(|cost| cost.private_bytes).map_or_else(dash, size));
                row.push(cost.as_ref().map_or_else(dash, |cost| size(cost.file_bytes)));
                row
            })
            .collect();
        self.table(&headings, &rows);
        self.agreements(models, captions);
    }

    /// How far precisions of a model agree with its first one.
    fn agreements(&mut self, models: &[Evaluated], captions: bool) {
        let found = || models.iter().filter_map(|model| Some((&model.report, model.report.agreement.as_ref()?)));
        if found().next().is_none() {
            return;
        }
        let same = if captions { "same photo" } else { "same class" };
        let names = ["least cosine", "mean cosine", "texts least", "texts mean", same, "ten best"];
        let mut headings = vec![("model", Kind::Words), ("compared with", Kind::Words)];
        headings.extend(names.map(|name| (name, Kind::Number)));
        let rows: Vec<Vec<String>> = found()
            .map(|(report, Agreement { with, photos, texts, top1, top10 })| {
                let cosines = [photos.least, photos.mean, texts.least, texts.mean].map(close_cosine);
                let shares = [percent(*top1), ten_best(report, *top10)];
                let name = format!("{} ({})", report.model, report.precision);
                [name, with.clone()].into_iter().chain(cosines).chain(shares).collect()
            })
            .collect();
        self.table(&headings, &rows);
    }
}
