//! `clippie-rs index`: brings the photo library up to date with folders.

use std::cell::RefCell;
use std::fs;

use serde::Serialize;

use super::args;
use super::library::Purpose;
use super::messages::{Failure, Messages, Outcome, count};
use super::model::Chosen;
use super::output::Source;
use super::report::{Passed, Report};
use super::{inputs, passed_over, signals};
use crate::library::{self, Index, IndexReport, Library};
use crate::{ImageEncoder, TextEncoder};

/// The report of `--report`, apart from the list of failures. Fields may be added, never renamed or removed.
#[derive(Serialize)]
struct Summary<'a> {
    version: &'static str,
    library: String,
    model: &'a str,
    fingerprint: &'a str,
    found: u64,
    unchanged: u64,
    new: u64,
    new_to_model: u64,
    changed: u64,
    /// The sum of the next three.
    recognised: u64,
    moved: u64,
    copied: u64,
    found_again: u64,
    failed: u64,
    failed_before: u64,
    missing: u64,
    pruned_files: u64,
    pruned_photos: u64,
    unreachable: Vec<String>,
    compared: u64,
    unreadable: u64,
    passed_over: Passed<'a>,
    opened: u64,
    encoded: u64,
    bytes: u64,
    commits: u64,
    seconds: f64,
    database_seconds: f64,
    cancelled: bool,
}

pub(super) fn run(args: &args::Index, messages: &Messages) -> Result<Outcome, Failure> {
    if args.report.as_deref().is_some_and(inputs::is_stdin) {
        return Err(Failure::Usage("--report writes to a file; name one".into()));
    }
    let path = super::library::path(&args.library)?;
    let known = match Library::open(&path) {
        // It is made once everything else is known to be right. Without folders nothing could be in it.
        Err(library::Error::Missing { .. }) if !args.folders.is_empty() && args.forget.is_empty() => None,
        library => Some(library?),
    };
    if known.is_none() {
        for folder in &args.folders {
            let cannot_read = |error: std::io::Error| {
                let (folder, reason) = (folder.display(), crate::files::reason(&error));
                Failure::Error(format!("cannot read {folder}: {reason}"))
            };
            fs::metadata(folder).map_err(cannot_read)?;
        }
    }
    let report = args.report.clone().map(Report::open).transpose()?;
    for (folder, library) in args.forget.iter().zip(known.iter().cycle()) {
        let (files, photos) = library.forget(folder)?;
        let (files, photos) = (count(files as usize, "file"), count(photos as usize, "photo"));
        messages.result(&format!("forgot {}: {files}, {photos}", folder.display()));
    }
    if args.folders.is_empty() && !args.forget.is_empty() {
        return Ok(Outcome::Complete);
    }
    let (encoder, texts, name) = encoder(args, known.as_ref(), messages)?;
    let library = known.map_or_else(|| Library::create(&path), Ok)?;
    let stop = signals::stop();
    let report = RefCell::new(report);
    let broken = RefCell::new(None);
    let progress = messages.progress_photos();
    let mut index = Index::new(&library, &encoder)
        .retry(args.retry)
        .prune(args.prune)
        .cancel(stop.token())
        .progress(|now| match now.total {
            Some(total) => progress.set("indexing", now.done, total),
            None => progress.set("comparing", now.found, now.found),
        })
        .failures(|path, reason| {
            messages.error(&format!("{}: {reason}", path.display()));
            if let Some(report) = &mut *report.borrow_mut()
                && let Err(failure) = report.failure(Source::Path(path), reason)
            {
                broken.borrow_mut().get_or_insert(failure);
            }
        });
    if !args.exclude.is_empty() {
        index = index.exclude(&args.exclude).map_err(|error| Failure::Usage(format!("--exclude: {error}")))?;
    }
    if let Some(indexed) = args.raw_twins {
        index = index.raw_twins(indexed);
    }
    if let Some(respected) = args.ignore_files {
        index = index.ignore_files(respected);
    }
    if let Some(texts) = &texts {
        index = index.texts(texts)?;
    }
    if args.watch {
        let mut first = true;
        let watched = index.watch(&args.folders, |done| {
            if first {
                passed_over::report(&done.passed_over, "indexed", messages);
            }
            if first || !done.is_unchanged() {
                messages.result(&sentence(done));
            }
            first = false;
        });
        drop(index);
        drop(progress);
        watched?;
        stop.end();
        return Ok(Outcome::Complete);
    }
    let done = index.run(&args.folders);
    drop(index);
    drop(progress);
    let done = done?;
    passed_over::report(&done.passed_over, "indexed", messages);
    messages.result(&sentence(&done));
    if let Some(failure) = broken.into_inner() {
        return Err(failure);
    }
    if let Some(report) = report.into_inner() {
        report.finish(&summary(&done, &library, &name, &encoder))?;
    }
    if done.cancelled {
        stop.end();
    }
    // A drive that is not named may well be unplugged, as long as there is another one.
    let unreachable = !done.unreachable.is_empty() && (!args.folders.is_empty() || done.compared == 0);
    if unreachable && args.folders.is_empty() {
        messages.partial_failure("none of the library's folders can be reached now; what is known of them is kept");
    }
    match unreachable {
        true if done.found == 0 && !args.folders.is_empty() => Err(Failure::Reported),
        _ if unreachable || done.unreadable > 0 || done.failed > 0 => Ok(Outcome::Partial),
        _ => Ok(Outcome::Complete),
    }
}

/// Opens the model: that of the library, unless one is named. Photos are read as for the library's embeddings of it, unless
/// the arguments say how.
fn encoder(
    args: &args::Index,
    library: Option<&Library>,
    messages: &Messages,
) -> Result<(ImageEncoder, Option<TextEncoder>, String), Failure> {
    let models = library.map(Library::models).transpose()?.unwrap_or_default();
    let named = args.model.model.as_ref().is_some_and(|model| !model.is_empty());
    let only = models.first().filter(|_| models.len() == 1 && !named);
    let Chosen { weights, options, name } =
        super::library::model(&args.model, args.threads, library, Purpose::Photos, messages)?;
    let mut options = options.batch_size(args.batch_size as usize).limits(args.limits.limits());
    if let Some(fast) = args.fast_decode {
        options = options.fast_decode(fast);
    }
    if let Some(icc) = args.icc {
        options = options.icc(icc);
    }
    let is_known = |fingerprint: &str| models.iter().any(|model| model.fingerprint == fingerprint);
    // In any way of reading photos.
    let has_model = options.clone().read_as(&weights, |fingerprint| is_known(fingerprint.as_str()))?.is_some();
    let (image, texts) = super::library::towers(options, weights)?;
    let encoder = image?;
    let fingerprint = encoder.fingerprint().as_str();
    if let Some(only) = only.filter(|_| !has_model) {
        return Err(Failure::Error(format!(
            "the library has embeddings of {} with the fingerprint {}, and the model of this name has {fingerprint}; \
             name a model with -m",
            only.name, only.fingerprint
        )));
    }
    if !models.is_empty() && !is_known(fingerprint) {
        let known = super::library::names(&models);
        messages.warning(&match has_model {
            true => format!(
                "photos are read in another way than for the embeddings that the library has of {known}, so it gets \
                 others of {name} beside them; `clippie-rs status` shows their fingerprints, which -m takes"
            ),
            false => format!("the library gets embeddings of a further model, {name}, beside those of {known}"),
        });
    }
    Ok((encoder, texts, name))
}

/// `indexed 5 photos in 1.2 s: 3 new, 2 unchanged`
fn sentence(done: &IndexReport) -> String {
    let numbers = [
        (done.new, "new"),
        (done.new_to_model, "new to this model"),
        (done.changed, "changed"),
        (done.moved, "moved"),
        (done.copied, if done.copied == 1 { "copy" } else { "copies" }),
        (done.found_again, "found again"),
        (done.unchanged, "unchanged"),
        (done.failed, "failed"),
        (done.failed_before, "failed before"),
        (done.missing, "missing"),
        (done.pruned.0, "pruned"),
    ];
    let parts: Vec<String> =
        numbers.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    let verb = if done.cancelled { "interrupted after" } else { "indexed" };
    let photos = done.found.saturating_sub(done.failed + done.failed_before);
    format!("{verb} {} in {:.1} s{parts}", count(photos as usize, "photo"), done.seconds)
}

fn summary<'a>(done: &'a IndexReport, library: &Library, name: &'a str, encoder: &'a ImageEncoder) -> Summary<'a> {
    Summary {
        version: env!("CARGO_PKG_VERSION"),
        library: library.path().to_string_lossy().into_owned(),
        model: name,
        fingerprint: encoder.fingerprint().as_str(),
        found: done.found,
        unchanged: done.unchanged,
        new: done.new,
        new_to_model: done.new_to_model,
        changed: done.changed,
        recognised: done.moved + done.copied + done.found_again,
        moved: done.moved,
        copied: done.copied,
        found_again: done.found_again,
        failed: done.failed,
        failed_before: done.failed_before,
        missing: done.missing,
        pruned_files: done.pruned.0,
        pruned_photos: done.pruned.1,
        unreachable: done.unreachable.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
        compared: done.compared,
        unreadable: done.unreadable,
        passed_over: (&done.passed_over).into(),
        opened: done.opened,
        encoded: done.encoded,
        bytes: done.bytes,
        commits: done.commits,
        seconds: done.seconds,
        database_seconds: done.database_seconds,
        cancelled: done.cancelled,
    }
}
