//! `clippie-rs import-vectors`: adds embeddings to the library that another program made.

mod lines;
mod source;

use std::cell::Cell;

use super::args;
use super::library::Purpose;
use super::messages::{Failure, Messages, Outcome, count};
use super::model::Chosen;
use super::{library, signals};
use crate::library::{Error, GivenEmbeddings, GivenReport, Library};
use crate::{Fingerprint, TextEncoder};
use source::{Part, Source};

pub(super) fn run(args: &args::ImportVectors, messages: &Messages) -> Result<Outcome, Failure> {
    let mut source = Source::open(args)?;
    let Identity { fingerprint, name, texts } = identity(args, source.dim(), messages)?;
    source.check(fingerprint.as_str())?;
    let path = library::path(&args.library)?;
    // Nothing is added of a folder that has something wrong in its last part.
    source.read(|part| {
        let Part { files, vectors, .. } = part;
        GivenEmbeddings::check(files, &vectors.values, vectors.dim).map_err(|error| part.failure(error))?;
        Ok(true)
    })?;
    // A library without folders has no place for files.
    let library = match args.roots[..] {
        [] => Library::open(path).map_err(|error| match error {
            Error::Missing { path } => Failure::Error(format!(
                "there is no photo library {}; name the folder of the photos with --root DIR, which makes it",
                path.display()
            )),
            error => error.into(),
        })?,
        _ => Library::create(path)?,
    };
    let stop = signals::stop();
    let progress = messages.progress(source.rows() as u64, "photos", false);
    let mut report = GivenReport::default();
    // Of the files of the present part, those that are done.
    let done = Cell::new(0);
    let mut given = GivenEmbeddings::new(&library, &fingerprint, &name)
        .cancel(stop.token())
        .progress(|now| progress.advance((now - done.replace(now)) as u64))
        .failures(|path, reason| messages.error(&format!("{}: {reason}", path.display())));
    for root in &args.roots {
        given = given.root(root);
    }
    if let Some(texts) = &texts {
        given = given.texts(texts)?;
    }
    source.read(|part| {
        done.set(0);
        let Part { files, vectors, .. } = part;
        let added = given.run(files, &vectors.values, vectors.dim).map_err(|error| part.failure(error))?;
        report.added += added.added;
        report.known += added.known;
        report.failed += added.failed;
        report.outside += added.outside;
        report.scaled += added.scaled;
        report.cancelled = added.cancelled;
        Ok(!added.cancelled)
    })?;
    drop(given);
    drop(progress);
    if report.scaled > 0 {
        messages
            .warning(&format!("{} did not have unit length and were scaled", count(report.scaled as usize, "vector")));
    }
    if report.outside > 1 {
        let others = report.outside - 1;
        let are = if others == 1 { "file is" } else { "files are" };
        messages.error(&format!("{others} more {are} in no folder of the library; name their folder with --root"));
    }
    messages.result(&sentence(&report));
    if report.cancelled {
        stop.end();
    }
    match report {
        GivenReport { failed: 0, .. } => Ok(Outcome::Complete),
        GivenReport { added: 0, known: 0, .. } => Err(Failure::Reported),
        _ => Ok(Outcome::Partial),
    }
}

fn sentence(report: &GivenReport) -> String {
    let mut sentence = format!("added {}", count(report.added as usize, "embedding"));
    for (number, what) in [(report.known, "known"), (report.failed, "failed")] {
        if number > 0 {
            sentence += &format!(", {number} {what}");
        }
    }
    sentence
}

/// Whose embeddings the user vouches for.
struct Identity {
    fingerprint: Fingerprint,
    /// Of the model.
    name: String,
    /// The text tower of a model that was named.
    texts: Option<TextEncoder>,
}

fn identity(args: &args::ImportVectors, dim: usize, messages: &Messages) -> Result<Identity, Failure> {
    if let Some(text) = &args.fingerprint {
        let fingerprint = text.parse().map_err(|error| Failure::Usage(format!("--fingerprint {text}: {error}")))?;
        return Ok(Identity { fingerprint, name: "imported".into(), texts: None });
    }
    if args.model.model.as_ref().is_none_or(|model| model.is_empty()) {
        return Err(Failure::Usage(
            "nothing says whose embeddings the vectors are: name the model with -m, or give its --fingerprint".into(),
        ));
    }
    // If there is a library, `-m` may name one of its models.
    let library = Library::open(library::path(&args.library)?).ok();
    let Chosen { weights, options, name } =
        library::model(&args.model, None, library.as_ref(), Purpose::Photos, messages)?;
    let (image, text) = library::towers(options, weights)?;
    let (fingerprint, expected) = match (&image, &text) {
        (Ok(image), _) => (image.fingerprint().clone(), image.embed_dim()),
        (Err(_), Some(text)) => (text.fingerprint().clone(), text.embed_dim()),
        (Err(error), None) => return Err(Failure::Error(error.to_string())),
    };
    if expected != dim {
        let path = args.vectors.display();
        return Err(Failure::Error(format!(
            "{path} has vectors of {dim} values, and the embeddings of {name} have {expected}; they are another model's"
        )));
    }
    Ok(Identity { fingerprint, name, texts: text })
}
