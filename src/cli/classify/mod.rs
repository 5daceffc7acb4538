//! `clippie-rs classify`: tell which of several labels each photo shows.

mod rows;
#[cfg(feature = "library")]
mod stored;

use std::path::{Path, PathBuf};

use super::args::{Classify, Sentences, TableFormat, TemplateSet};
use super::inputs::{self, Photo};
use super::messages::{Failure, Messages, Outcome, one_line};
use super::output::{Destination, cannot_write};
use super::tally::Tally;
use super::{model, passed_over, photos};
use crate::{Classifier, Error, Label, Scoring, Templates, TextEncoder};
use rows::Rows;

pub(super) fn run(args: &Classify, messages: &Messages) -> Result<Outcome, Failure> {
    #[cfg(feature = "library")]
    if let Some(file) = &args.library {
        return stored::run(args, file.clone(), messages);
    }
    if args.inputs.is_empty() {
        return Err(Failure::Usage("nothing to classify: name photos or folders, or give --files-from".into()));
    }
    inputs::read_stdin_once(&args.inputs, [&args.labels_from, &args.sentences.templates_from])?;
    let walk = inputs::walk(&args.inputs)?;
    let path = args.output.as_deref();
    // Before any work, so that an output that cannot be written fails at once.
    let out = Destination::open(path).map_err(|error| cannot_write(path, &error))?;
    let labels = labels(args)?;
    let templates = templates(&args.sentences)?;
    let chosen = model::choose(&args.running, messages)?;
    let weights = chosen.weights.path().to_owned();
    let clip = model::in_language(chosen.options.open_weights(chosen.weights)?, &args.running)?;
    let classifier = classifier(args, clip.text(), labels, templates)?;
    let found = inputs::photos(&args.inputs, &walk, false, messages)?;
    let lists = [&args.inputs.files_from, &args.labels_from, &args.sentences.templates_from];
    let outputs: Vec<PathBuf> = args.output.iter().filter(|path| !inputs::is_stdin(path)).cloned().collect();
    let lists: Vec<&Path> = lists.into_iter().filter_map(|list| list.as_deref()).collect();
    photos::Replaced::of(&outputs).refuse_all(&weights, &found.photos, &lists)?;
    tracing::info!(model = chosen.name, labels = classifier.labels().len(), photos = found.photos.len(), "classifying");

    let mut sink = Sink::start(args, &classifier, out, found.photos.iter().map(Photo::path), messages)?;
    let result = photos::encode(clip.image(), found.photos, |path, embedding, waits| {
        sink.add(path, embedding)?;
        if waits { sink.flush() } else { Ok(()) }
    });
    let outcome = sink.finish(result);
    passed_over::report(&found.passed_over, "classified", messages);
    outcome
}

/// The labels of `--label` and `--labels-from`.
fn labels(args: &Classify) -> Result<Vec<Label>, Failure> {
    let mut labels: Vec<Label> = args.labels.iter().map(|label| Label::new(label)).collect();
    labels.extend(labels_from(args.labels_from.as_deref())?.unwrap_or_default());
    if labels.is_empty() {
        return Err(Failure::Usage("no labels: name what the photos may show with --label or --labels-from".into()));
    }
    Ok(labels)
}

/// The labels of `--labels-from`, if it is given.
pub(super) fn labels_from(list: Option<&Path>) -> Result<Option<Vec<Label>>, Failure> {
    let Some(list) = list else { return Ok(None) };
    let lines = inputs::texts(&[], Some(list))?;
    Ok(Some(lines.iter().filter(|line| !line.trim().is_empty()).map(|line| Label::parse(line)).collect()))
}

/// The templates of the arguments.
pub(super) fn templates(sentences: &Sentences) -> Result<Templates, Failure> {
    let lines = inputs::texts(&sentences.template, sentences.templates_from.as_deref())?;
    let from_file = sentences.templates_from.is_some();
    let lines: Vec<&String> = lines.iter().filter(|line| !from_file || !line.trim().is_empty()).collect();
    match sentences.templates {
        Some(TemplateSet::General) => Ok(Templates::general()),
        Some(TemplateSet::Bare) => Ok(Templates::bare()),
        None if lines.is_empty() && !from_file => Ok(Templates::default()),
        None => Templates::new(lines).map_err(usage),
    }
}

/// Encodes the labels.
fn classifier(
    args: &Classify,
    text: &TextEncoder,
    labels: Vec<Label>,
    templates: Templates,
) -> Result<Classifier, Failure> {
    let classifier = text
        .classifier(labels)
        .templates(templates)
        .scoring(if args.sigmoid { Scoring::Sigmoid } else { Scoring::Softmax })
        .temperature(args.temperature)
        .top(args.top as usize)
        .min_probability(args.min_probability)
        .min_margin(args.min_margin);
    classifier.build().map_err(usage)
}

/// Labels, templates and settings come from the arguments.
pub(super) fn usage(error: Error) -> Failure {
    match error {
        Error::Classifier(reason) => Failure::Usage(reason),
        error => error.into(),
    }
}

/// Classifies embeddings as they arrive, wherever they come from, and writes and counts the results.
struct Sink<'a> {
    classifier: &'a Classifier,
    rows: Box<dyn Rows + 'a>,
    path: Option<PathBuf>,
    /// Whether rows go straight to a reader, so that they cannot be taken back.
    streams: bool,
    messages: &'a Messages,
    tally: Tally<'a>,
}

impl<'a> Sink<'a> {
    /// Starts the output of rows with these `paths`.
    fn start<'p>(
        args: &Classify,
        classifier: &'a Classifier,
        out: Destination,
        paths: impl ExactSizeIterator<Item = &'p Path>,
        messages: &'a Messages,
    ) -> Result<Self, Failure> {
        let path = args.output.clone();
        let tally = Tally::start("classified", paths.len(), out.is_terminal(), messages);
        let streams = out.is_stream();
        let top = (args.top as usize).min(classifier.labels().len());
        let rows = match args.format {
            TableFormat::Table => rows::table(classifier, top, paths, out),
            TableFormat::Jsonl => rows::jsonl(classifier, out),
            TableFormat::Csv => rows::csv(classifier, top, out),
        };
        let rows = rows.map_err(|error| cannot_write(path.as_deref(), &error))?;
        Ok(Sink { classifier, rows, path, streams, messages, tally })
    }

    /// Adds a photo: its embedding, or why it has none.
    fn add(&mut self, path: &Path, embedding: Result<&[f32], &str>) -> Result<(), Failure> {
        let written = match embedding {
            Ok(embedding) => {
                self.tally.done();
                self.rows.row(path, &self.classifier.classify_one(embedding)?)
            }
            Err(error) => {
                let error = one_line(error);
                self.tally.failed(&error);
                self.rows.failed(path, &error)
            }
        };
        written.map_err(|error| cannot_write(self.path.as_deref(), &error))
    }

    /// Passes complete rows on to the reader.
    fn flush(&mut self) -> Result<(), Failure> {
        self.rows.flush().map_err(|error| cannot_write(self.path.as_deref(), &error))
    }

    /// Completes the output and says how many photos failed; `result` says whether all were handled.
    fn finish(self, result: Result<(), Failure>) -> Result<Outcome, Failure> {
        let Sink { rows, path, streams, messages, tally, .. } = self;
        let tally = tally.stop();
        let complete = || rows.finish().map_err(|error| cannot_write(path.as_deref(), &error));
        let outcome = tally.outcome(result, streams, complete);
        tally.announce(&outcome, messages);
        outcome
    }
}
