//! `clippie-rs import-vectors`: adds embeddings to the library that another program made.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::args::{self, Photos};
use super::messages::{Failure, Messages, Outcome, count};
use super::model::{self, Chosen};
use super::{library, signals};
use crate::Fingerprint;
use crate::library::{GivenEmbeddings, GivenReport, Library, npy};

/// Longest line of the list of paths: a path and what other programs may add.
const MAX_LINE: u64 = 1 << 20;

/// A line of the list of paths.
#[derive(Deserialize)]
struct Line {
    path: String,
    /// Bytes in hexadecimal of a path that is not UTF-8.
    path_bytes: Option<String>,
    fingerprint: Option<String>,
}

pub(super) fn run(args: &args::ImportVectors, messages: &Messages) -> Result<Outcome, Failure> {
    let vectors = npy::read(&args.vectors).map_err(|error| Failure::Error(error.to_string()))?;
    let (fingerprint, name) = fingerprint(args, vectors.dim, messages)?;
    let files = paths(&args.paths, fingerprint.as_str())?;
    let path = library::path(&args.library)?;
    // A library without folders has no place for files.
    let library = if args.roots.is_empty() { Library::open(path)? } else { Library::create(path)? };
    let stop = signals::stop();
    let progress = messages.progress(files.len() as u64, "photos", false);
    let mut last = 0;
    let mut given = GivenEmbeddings::new(&library, &fingerprint, &name)
        .cancel(stop.token())
        .progress(|done| {
            progress.advance((done - last) as u64);
            last = done;
        })
        .failures(|path, reason| messages.error(&format!("{}: {reason}", path.display())));
    for root in &args.roots {
        given = given.root(root);
    }
    let report = given.run(&files, &vectors.values, vectors.dim);
    drop(given);
    drop(progress);
    let report = report?;
    if report.scaled > 0 {
        messages
            .warning(&format!("{} did not have unit length and were scaled", count(report.scaled as usize, "vector")));
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

/// The fingerprint that the user vouches for, and the name of the model.
fn fingerprint(args: &args::ImportVectors, dim: usize, messages: &Messages) -> Result<(Fingerprint, String), Failure> {
    if let Some(text) = &args.fingerprint {
        let fingerprint = text.parse().map_err(|error| Failure::Usage(format!("--fingerprint {text}: {error}")))?;
        return Ok((fingerprint, "imported".into()));
    }
    if args.model.model.as_ref().is_none_or(|model| model.is_empty()) {
        return Err(Failure::Usage(
            "nothing says whose embeddings the vectors are: name the model with -m, or give its --fingerprint".into(),
        ));
    }
    let Chosen { weights, options, name } =
        model::preprocessing(args.model.model.as_deref(), &Photos::default(), messages)?;
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
    Ok((fingerprint, name))
}

/// Reads the list of paths.
fn paths(list: &Path, fingerprint: &str) -> Result<Vec<PathBuf>, Failure> {
    let name = list.display();
    let failed = |error: std::io::Error| Failure::Error(format!("cannot read {name}: {error}"));
    let mut reader = BufReader::new(File::open(list).map_err(failed)?);
    let mut paths = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).map_err(failed)?;
        if read == 0 {
            return Ok(paths);
        }
        let number = paths.len() + 1;
        let refused = |reason: &str| Failure::Error(format!("{name}, line {number}: {reason}"));
        if read as u64 == MAX_LINE {
            return Err(refused("it is longer than any list of paths has; is this another file?"));
        }
        let Ok(row) = serde_json::from_slice::<Line>(&line) else {
            return Err(refused("it is not a JSON object with a path, such as {\"path\":\"a.jpg\"}"));
        };
        if let Some(other) = row.fingerprint.filter(|other| other != fingerprint) {
            return Err(refused(&format!("it states the fingerprint {other}, not {fingerprint}; name that model")));
        }
        let path = match row.path_bytes.as_deref() {
            Some(bytes) => path_of(bytes).ok_or_else(|| refused("its path_bytes are no path in hexadecimal"))?,
            None => PathBuf::from(row.path),
        };
        paths.push(path);
    }
}

/// The path of bytes in hexadecimal.
fn path_of(hex: &str) -> Option<PathBuf> {
    let digits: Option<Vec<u32>> = hex.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect();
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        Some(std::ffi::OsString::from_vec(bytes).into())
    }
    #[cfg(not(unix))]
    {
        String::from_utf8(bytes).ok().map(Into::into)
    }
}
