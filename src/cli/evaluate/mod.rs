//! `clippie-rs evaluate`: measure models, templates and labels on photos with known answers.

mod page;
mod table;

use std::ffi::OsStr;
use std::io::Write as _;

use serde::Serialize;

use super::args::Evaluate;
use super::bench::measure::{Cost, Subject};
use super::classify::{labels_from, templates, usage};
use super::messages::{Failure, Messages, Outcome, count};
use super::output::{Destination, cannot_write, is_stdout, plain_json, same_place};
use super::{inputs, model};
use crate::library::evaluate::{Classified, Dataset, Embedded, EvaluateError, Evaluation, Report};

/// Seconds for which photos are encoded to time a model.
const SECONDS: f64 = 1.0;

/// A model and its figures. Fields may be added, never renamed or removed.
#[derive(Serialize)]
struct Evaluated {
    #[serde(flatten)]
    report: Report,
    /// With `--models`.
    cost: Option<Cost>,
}

/// The object of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    models: &'a [Evaluated],
}

pub(super) fn run(args: &Evaluate, messages: &Messages) -> Result<Outcome, Failure> {
    let lists = [&args.labels_from, &args.sentences.templates_from].into_iter().flatten();
    if lists.filter(|list| inputs::is_stdin(list)).count() > 1 {
        return Err(Failure::Usage("standard input can be only one of the lists; put the other into a file".into()));
    }
    let (path, html) = (args.output.as_deref(), args.html.as_deref());
    if html.is_some_and(|html| path.is_some_and(|path| same_place(html, path))) {
        return Err(Failure::Usage("--html and -o name the same file; name two".into()));
    }
    if path.is_none() && html.is_some_and(is_stdout) {
        return Err(Failure::Usage("--html and the figures both go to standard output; name a file for one".into()));
    }
    // Before any work, so that an output that cannot be written fails at once.
    let mut out = Destination::open(path).map_err(|error| cannot_write(path, &error))?;
    let page = html.map(|html| Destination::open(Some(html)).map_err(|error| cannot_write(Some(html), &error)));
    let page = page.transpose()?;
    let labels = labels_from(args.labels_from.as_deref())?;
    let templates = templates(&args.sentences)?;
    let limit = args.limit.map(|limit| limit as usize);
    let dataset = Dataset::open(&args.dataset, args.split.into(), limit).map_err(failure)?;
    let total = dataset.len() as u64;

    let mut models: Vec<Evaluated> = Vec::new();
    // The first precision of each model.
    let mut kept: Vec<Embedded> = Vec::new();
    for name in names(args) {
        let chosen = model::choose_named(name, &args.running, messages)?;
        let cost = (!args.models.is_empty()).then(|| {
            let subject = Subject::new(chosen.weights.clone(), None)?;
            subject.cost(model::threads(args.running.threads), SECONDS).map_err(Failure::from)
        });
        let cost = cost.transpose()?.flatten();
        let clip = model::in_language(chosen.options.open_weights(chosen.weights)?, &args.running)?;
        tracing::info!(model = chosen.name, photos = total, "evaluating");
        let progress = messages.progress(total, "photos", out.is_terminal());
        let evaluation = Evaluation::new(&dataset).templates(templates.clone());
        let evaluation = match &labels {
            Some(labels) => evaluation.labels(labels).map_err(failure)?,
            None => evaluation,
        };
        let other = kept.iter().find(|kept| kept.is_other_form_of(&clip));
        let evaluation = match other {
            Some(other) => evaluation.against(other),
            None => evaluation,
        };
        let mut evaluation = evaluation.progress(|at| progress.set("", at.done as u64, total));
        let (report, embedded) = evaluation.run_keeping(&clip).map_err(failure)?;
        drop(evaluation);
        drop(progress);
        if other.is_none() {
            kept.push(embedded);
        }
        // The same photos fail for every model.
        if models.is_empty() {
            report.failures.iter().for_each(|failed| messages.error(&failed.error));
        }
        models.push(Evaluated { report, cost });
    }

    if let (Some(html), Some(page)) = (html, page) {
        page::write(&models, html, page).map_err(|error| cannot_write(Some(html), &error))?;
    }
    let text = if args.json {
        plain_json::compact(&Document { models: &models }).map_err(|error| Failure::Error(error.to_string()))? + "\n"
    } else {
        table::text(&models, &out)
    };
    let print = || {
        out.write_all(text.as_bytes())?;
        out.commit()
    };
    print().map_err(|error| cannot_write(path, &error))?;
    let failed = models.first().map_or(0, |model| model.report.failures.len());
    if failed == 0 {
        return Ok(Outcome::Complete);
    }
    let photos = count(dataset.len(), "photo");
    messages.partial_failure(&format!("evaluated {} of {photos}; {failed} failed", dataset.len() - failed));
    Ok(Outcome::Partial)
}

/// Whether the accuracy among five says anything: of five classes at most, the right one is always among them.
fn has_five(found: &Classified) -> bool {
    found.classes.len() > 5
}

/// The models of `--models`, else of `-m`.
fn names(args: &Evaluate) -> Vec<Option<&OsStr>> {
    if args.models.is_empty() {
        return vec![args.running.model.model.as_deref()];
    }
    args.models.iter().map(|name| Some(name.as_os_str())).collect()
}

/// Labels and templates that do not fit come from the arguments.
fn failure(error: EvaluateError) -> Failure {
    match error {
        EvaluateError::Option(reason) => Failure::Usage(reason),
        EvaluateError::Clip(error) => usage(error),
        error => Failure::Error(error.to_string()),
    }
}
