//! `clippie-rs search` and `clippie-rs similar`: find photos in the library.

mod output;
mod sheet;

use super::args::{self, ResultFormat, Results};
use super::inputs;
use super::library::{self, Purpose};
use super::messages::{Failure, Messages, Outcome, count};
use super::model;
use super::output::{Destination, cannot_write};
use crate::library::{Encoders, Filter, Found, Library, Query, Search, Term, What};

pub(super) fn search(args: &args::Search, messages: &Messages) -> Result<Outcome, Failure> {
    let usage = |error: crate::library::Error| Failure::Usage(error.to_string());
    let mut query = match args.query.is_empty() && !(args.add.is_empty() && args.subtract.is_empty()) {
        true => Query::new(),
        false => Query::parse(&args.query).map_err(usage)?,
    };
    for term in &args.add {
        query = query.with(Query::parse_term(term).map_err(usage)?);
    }
    for term in &args.subtract {
        let Term { weight, what } = Query::parse_term(term).map_err(usage)?;
        query = query.with(Term { weight: -weight, what });
    }
    for term in query.terms() {
        if let What::Text(text) = &term.what
            && crate::walk::is_photo(text)
        {
            messages.warning(&format!("there is no file {text}; it was searched for as a description"));
        }
    }
    run(&args.results, &query, "fits", messages)
}

pub(super) fn similar(args: &args::Similar, messages: &Messages) -> Result<Outcome, Failure> {
    if args.results.language.is_some() {
        return Err(Failure::Usage("--language is that of sentences, and a photo has none; leave it out".into()));
    }
    let query = match inputs::is_stdin(&args.photo) {
        true => Query::photo_bytes(inputs::read_stdin_photo()?, "standard input"),
        false => Query::photo(&args.photo),
    };
    run(&args.results, &query, "is similar to", messages)
}

fn run(args: &Results, query: &Query, fits: &str, messages: &Messages) -> Result<Outcome, Failure> {
    check(args)?;
    let path = args.html.as_deref().or(args.output.as_deref());
    // Before any work, so that an output that cannot be written fails at once.
    let out = Destination::open(path).map_err(|error| cannot_write(path, &error))?;
    let library = library::open(&args.library)?;
    let filter = filter(args, library::in_folders(&args.folders, &library)?)?;
    let (encoders, name, argument) = encoders(args, &library, messages)?;
    let search = Search::new(&library, encoders)
        .model_name(&argument)
        .allow_precisions(args::precisions(&args.allow_precision))
        .filter(filter)
        .limit(args.limit as usize)
        .all(args.all);
    let search = match args.min_score {
        Some(score) => search.min_score(score),
        None => search,
    };
    let found = search.run(query)?;
    library::report_precisions(found.precisions, &library, &name, messages);
    report_few(args, query, &found, fits, &search, messages)?;
    let written = match &args.html {
        Some(html) => sheet::write(query, &name, &found, html, out),
        None => output::write(args, &found, out),
    };
    written.map_err(|error| cannot_write(path, &error))?;
    report_absent(args, &found, messages);
    if let Some(html) = &args.html {
        messages.result(&format!("wrote {} with {}", html.display(), count(found.hits.len(), "photo")));
    }
    Ok(Outcome::Complete)
}

/// Says how many of the results are not there any more.
fn report_absent(args: &Results, found: &Found, messages: &Messages) {
    let absent = found.hits.iter().filter(|hit| !hit.path.is_file()).count();
    let (are, them) = if absent == 1 { ("is", "it") } else { ("are", "them") };
    if absent > 0 {
        let index = library::command("index", &args.library);
        messages.warning(&format!("{absent} of these {are} not where the library knows {them}; run `{index}`"));
    }
}

/// Most photos that pass filters and are counted, where none of them fits.
const COUNTED: usize = 1000;

/// Says why there are no results, or that there may be more.
fn report_few(
    args: &Results,
    query: &Query,
    found: &Found,
    fits: &str,
    search: &Search,
    messages: &Messages,
) -> Result<(), Failure> {
    if found.compared == 0 {
        let index = library::command("index DIR", &args.library);
        messages.warning(&format!("the library has no photos; add some with `{index}`"));
    } else if found.hits.is_empty() && !args.all && args.min_score.is_none() {
        let Results { folders, name, after, before, near, .. } = args;
        let filtered =
            !(folders.is_empty() && name.is_empty() && after.is_none() && before.is_none() && near.is_none());
        // Each result costs a look into the library, so not all of a large one are counted.
        let passing = search.clone().limit(if filtered { COUNTED } else { 1 }).all(true).run(query)?.hits.len();
        messages.warning(&match passing {
            0 => nothing_passes(args, query, search)?,
            1 if filtered => {
                format!("the only photo that passes the filters is not one that {fits} `{query}`; --all shows it")
            }
            COUNTED if filtered => {
                format!("none of the photos that pass the filters {fits} `{query}`; --all shows what comes nearest")
            }
            _ if filtered => format!(
                "none of the {passing} photos that pass the filters {fits} `{query}`; --all shows what comes nearest"
            ),
            _ => format!("nothing {fits} `{query}`; --all shows what comes nearest"),
        });
    } else if found.hits.is_empty() {
        messages.warning(&nothing_passes(args, query, search)?);
    }
    Ok(())
}

/// Says that the filters leave no photo, and why that may be.
fn nothing_passes(args: &Results, query: &Query, search: &Search) -> Result<String, Failure> {
    const WILD: [char; 4] = ['*', '?', '[', '{'];
    for folder in &args.folders {
        let only = search.clone().filter(Filter::new().folder(folder)?).limit(1).all(true).min_score(-1.0);
        if only.run(query)?.hits.is_empty() {
            return Ok(format!("the library has no photo in {}, which --in names", folder.display()));
        }
    }
    Ok(match args.name.iter().find(|name| !name.contains(WILD) && !crate::walk::is_photo(name)) {
        Some(name) => {
            format!("no photo passes the filters; --name {name} means the whole name: write '{name}*' for its start")
        }
        None => "no photo passes the filters".into(),
    })
}

fn encoders(args: &Results, library: &Library, messages: &Messages) -> Result<(Encoders, String, String), Failure> {
    let chosen = library::model(&args.model, args.threads, Some(library), Purpose::Queries, messages)?;
    let argument = model::argument(&chosen.weights);
    let (image, text) = library::towers(chosen.options.limits(args.limits.limits()), chosen.weights)?;
    let text = model::text_in(args.language.as_deref(), text)?;
    let encoders = match (image, text) {
        (Ok(image), text) => Encoders::from(&image).with_text(text),
        (Err(_), Some(text)) => Encoders::from(&text),
        (Err(error), None) => return Err(error.into()),
    };
    Ok((encoders, chosen.name, argument))
}

/// Refuses filters that cannot be used, before anything is opened.
fn check(args: &Results) -> Result<(), Failure> {
    filter(args, Filter::new())?;
    // The table is the default, which nobody asked for.
    if args.null && args.format == ResultFormat::Jsonl {
        return Err(Failure::Usage(
            "-0 separates paths, and --format jsonl has lines of JSON; leave one of them out".into(),
        ));
    }
    if let (Some(after), Some(before)) = (&args.after, &args.before) {
        // Both are dates: the filter has parsed them.
        const START: &str = "0000-01-01T00:00:00";
        let first = |date: &str| {
            let date = date.trim().replace(' ', "T");
            let rest = START.get(date.len()..).unwrap_or_default();
            date + rest
        };
        if first(after) >= first(before) {
            return Err(Failure::Usage(format!(
                "no date is {after} or later and before {before}; --before takes the first moment that is too late"
            )));
        }
    }
    Ok(())
}

/// Adds the filters of the arguments to that of the folders.
fn filter(args: &Results, mut filter: Filter) -> Result<Filter, Failure> {
    let usage = |error: crate::library::Error| Failure::Usage(error.to_string());
    for name in &args.name {
        filter = filter.name(name).map_err(usage)?;
    }
    if let Some(date) = &args.after {
        filter = filter.after(date).map_err(usage)?;
    }
    if let Some(date) = &args.before {
        filter = filter.before(date).map_err(usage)?;
    }
    if let Some(place) = &args.near {
        let degrees: Option<Vec<f64>> = place.split(',').map(|number| number.trim().parse().ok()).collect();
        let Some(&[latitude, longitude]) = degrees.as_deref() else {
            return Err(Failure::Usage(format!("--near takes two numbers, such as 48.85,2.35; `{place}` is not that")));
        };
        filter = filter.near(latitude, longitude, args.radius).map_err(usage)?;
    }
    Ok(filter)
}
