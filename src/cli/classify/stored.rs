//! Classifies the photos of the library by their stored embeddings.

use std::path::PathBuf;

use super::{Sink, classifier, labels, templates};
use crate::cli::args::{self, Classify};
use crate::cli::inputs;
use crate::cli::library::{self, Purpose};
use crate::cli::messages::{Failure, Messages, Outcome};
use crate::cli::model;
use crate::cli::output::{Destination, cannot_write};
use crate::library::Embeddings;

/// `classify --library`, of a file or the default one.
pub(super) fn run(args: &Classify, file: Option<PathBuf>, messages: &Messages) -> Result<Outcome, Failure> {
    inputs::read_stdin_once(&args.inputs, [&args.labels_from, &args.sentences.templates_from])?;
    let path = args.output.as_deref();
    // Before any work, so that an output that cannot be written fails at once.
    let out = Destination::open(path).map_err(|error| cannot_write(path, &error))?;
    let labels = labels(args)?;
    let templates = templates(&args.sentences)?;
    let library =
        library::open(&args::Library { library: file }).map_err(|failure| match (failure, &args.library) {
            (Failure::Usage(reason), Some(Some(folder))) if folder.is_dir() => {
                Failure::Usage(format!("{reason}; `--library --in {}` takes a folder of its photos", folder.display()))
            }
            (failure, _) => failure,
        })?;
    let filter = library::in_folders(&args.folders, &library)?;
    let chosen = library::model(&args.running.model, args.running.threads, Some(&library), Purpose::Queries, messages)?;
    let argument = model::argument(&chosen.weights);
    let (_, Some(text)) = library::towers(chosen.options, chosen.weights)? else {
        let name = chosen.name;
        return Err(Failure::Error(format!("{name} has no text tower, which labels need; use a model with both")));
    };
    let allowed = args::precisions(&args.allow_precision);
    let comparable = library.comparable(&text, &argument, &allowed)?;
    let stored = Embeddings::of(&library, Some(&comparable.fingerprint), &filter)?;
    let classifier = classifier(args, &text, labels, templates)?;
    library::report_precisions(comparable.precisions, &library, &chosen.name, messages);
    if stored.is_empty() {
        messages.warning("no photo of the library passes the filters");
    }
    let mut sink = Sink::start(args, &classifier, out, stored.paths(), messages)?;
    let result = stored.paths().enumerate().try_for_each(|(row, path)| sink.add(path, Ok(stored.vector(row)?)));
    sink.finish(result)
}
