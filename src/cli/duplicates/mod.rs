//! `clippie-rs duplicates`: finds photos that the library has more than once.

mod output;
mod sheet;

use std::time::Duration;

use super::args::{self, Class};
use super::library;
use super::messages::{Failure, Messages, Outcome, count, size};
use super::output::{Destination, cannot_write, same_place};
use super::signals;
use crate::library::scan::Threads;
use crate::library::{DuplicateClass, DuplicateGroup, Duplicates, Error};

pub(super) fn run(args: &args::Duplicates, messages: &Messages) -> Result<Outcome, Failure> {
    let path = args.output.as_deref();
    let html = args.html.as_deref();
    if let (Some(html), Some(path)) = (html, path)
        && same_place(html, path)
    {
        return Err(Failure::Usage("--html and -o name the same file; name two".into()));
    }
    if path.is_none() && html.is_some_and(super::output::is_stdout) {
        return Err(Failure::Usage("--html and the groups both go to standard output; name a file for one".into()));
    }
    // Before any work, so that an output that cannot be written fails at once.
    let out = Destination::open(path).map_err(|error| cannot_write(path, &error))?;
    let sheet = html.map(|html| Destination::open(Some(html)).map_err(|error| cannot_write(Some(html), &error)));
    let sheet = sheet.transpose()?;
    let library = library::open(&args.library)?;
    let filter = library::in_folders(&args.folders, &library)?;
    let classes: Vec<DuplicateClass> = args.classes.iter().map(|&class| class.into()).collect();
    let classes = if classes.is_empty() { &DuplicateClass::ALL[..] } else { &classes };
    let fingerprint = match classes.contains(&DuplicateClass::Scene) {
        true => library::fingerprint(args.model.as_deref(), &library)?,
        false => None,
    };
    let stop = signals::stop();
    let groups = {
        let progress = messages.progress_photos();
        let mut search = Duplicates::new(&library)
            .classes(classes)
            .filter(filter)
            .within(Duration::from_secs_f64(args.within * 60.0))
            .threads(&Threads::new(args.threads.unwrap_or(0)))
            .cancel(stop.token())
            .progress(|now| progress.set(now.class.name(), now.done, now.total));
        match fingerprint {
            Some(fingerprint) => search.fingerprint(&fingerprint).run(),
            None => search.run(),
        }
    };
    let groups = match groups {
        Err(Error::Cancelled) => {
            stop.end();
            return Err(Failure::Error("interrupted".into()));
        }
        groups => groups?,
    };
    if let (Some(html), Some(sheet)) = (html, sheet) {
        match sheet::write(&groups, html, sheet, stop.token(), messages) {
            Ok(true) => {}
            Ok(false) => {
                stop.end();
                return Err(Failure::Error("interrupted".into()));
            }
            Err(error) => return Err(cannot_write(Some(html), &error)),
        }
    }
    output::write(args.format, &groups, out).map_err(|error| cannot_write(path, &error))?;
    match groups.is_empty() {
        true => messages.result("no duplicates"),
        false => messages.summary(&summary(&groups)),
    }
    Ok(Outcome::Complete)
}

impl From<Class> for DuplicateClass {
    fn from(class: Class) -> Self {
        match class {
            Class::File => DuplicateClass::File,
            Class::Picture => DuplicateClass::Picture,
            Class::Scene => DuplicateClass::Scene,
        }
    }
}

/// What was found, in a line.
fn summary(groups: &[DuplicateGroup]) -> String {
    let others: usize = groups.iter().map(|group| group.photos.len() - 1).sum();
    let bytes = groups.iter().map(|group| group.bytes).sum();
    format!("{}: {} and {} to spare", count(groups.len(), "group"), count(others, "photo"), size(bytes))
}
