//! `clippie-rs status`: shows what the photo library has.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args;
use super::library;
use super::messages::{Failure, Outcome, count, one_line, size};
use super::output::{plain_json, print};
use crate::Reading;
use crate::library::{LibraryFolder, LibraryModel, LibraryStatus};
use crate::weights::Precision;

/// Failures that are listed without `--failed`.
const MOST_FAILURES: usize = 5;

/// Output of `--json`. Fields may be added, never renamed or removed.
#[derive(Serialize)]
struct Json<'a> {
    library: String,
    bytes: u64,
    photos: u64,
    texts: u64,
    models: Vec<Model<'a>>,
    folders: Vec<Folder>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<Vec<File<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Vec<File<'a>>>,
}

#[derive(Serialize)]
struct Model<'a> {
    name: &'a str,
    fingerprint: &'a str,
    embed_dim: usize,
    photos: u64,
    /// Null until the model is used by a version that notes it.
    precision: Option<&'static str>,
    /// How photos were read; null if its weights file is not on this computer any more.
    reading: Option<Way>,
    /// Where its weights file was when it was used last.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

#[derive(Serialize)]
struct Way {
    orient: bool,
    fast_decode: bool,
    icc: bool,
}

impl From<Reading> for Way {
    fn from(reading: Reading) -> Way {
        Way { orient: reading.orient, fast_decode: reading.fast, icc: reading.icc }
    }
}

#[derive(Serialize)]
struct Folder {
    path: String,
    reachable: bool,
    photos: u64,
    failed: u64,
    missing: u64,
    exclude: Vec<String>,
    ignore_files: bool,
    raw_twins: bool,
}

#[derive(Serialize)]
struct File<'a> {
    path: String,
    /// Bytes in hexadecimal of a path that is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl<'a> File<'a> {
    fn new(path: &Path, error: Option<&'a str>) -> Self {
        let hex = || path.as_os_str().as_encoded_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let path_bytes = path.to_str().is_none().then(hex);
        File { path: path.to_string_lossy().into_owned(), path_bytes, error }
    }
}

pub(super) fn run(args: &args::Status) -> Result<Outcome, Failure> {
    // For writing if possible: who only reads leaves SQLite's log and index of it behind.
    let library = library::open(&args.library)?;
    let status = library.status()?;
    let failed = status.folders.iter().any(|folder| folder.failed > 0);
    let failed = if failed { library.failures()? } else { Vec::new() };
    let missing = if args.missing { library.missing()? } else { Vec::new() };
    let text =
        if args.json { json(args, &status, &failed, &missing)? } else { describe(args, &status, &failed, &missing) };
    print(&text)?;
    Ok(Outcome::Complete)
}

fn json(
    args: &args::Status,
    status: &LibraryStatus,
    failed: &[(PathBuf, String)],
    missing: &[PathBuf],
) -> Result<String, Failure> {
    let json = Json {
        library: status.path.to_string_lossy().into_owned(),
        bytes: status.bytes,
        photos: status.photos,
        texts: status.texts,
        models: status
            .models
            .iter()
            .map(|known| Model {
                name: &known.name,
                fingerprint: &known.fingerprint,
                embed_dim: known.embed_dim,
                photos: known.photos,
                precision: known.precision.map(Precision::name),
                reading: library::reading(known).map(Way::from),
                file: known.file.as_ref().map(|file| file.to_string_lossy().into_owned()),
            })
            .collect(),
        folders: status.folders.iter().map(Folder::from).collect(),
        failed: args
            .failed
            .then(|| failed.iter().map(|(path, reason)| File::new(path, Some(reason.as_str()))).collect()),
        missing: args.missing.then(|| missing.iter().map(|path| File::new(path, None)).collect()),
    };
    Ok(plain_json::pretty(&json).map_err(|error| Failure::Error(error.to_string()))? + "\n")
}

impl From<&LibraryFolder> for Folder {
    fn from(folder: &LibraryFolder) -> Self {
        Folder {
            path: folder.path.to_string_lossy().into_owned(),
            reachable: folder.reachable,
            photos: folder.photos,
            failed: folder.failed,
            missing: folder.missing,
            exclude: folder.exclude.clone(),
            ignore_files: folder.ignore_files,
            raw_twins: folder.raw_twins,
        }
    }
}

fn describe(args: &args::Status, status: &LibraryStatus, failed: &[(PathBuf, String)], missing: &[PathBuf]) -> String {
    let mut text = String::new();
    // Names come from file systems. Writing to a string cannot fail.
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<8} {}", one_line(value));
    };
    let path = |path: &Path| path.display().to_string();
    line("library", &format!("{}, {}", path(&status.path), size(status.bytes)));
    let files: u64 = status.folders.iter().map(|folder| folder.photos).sum();
    let (photos, files) = (count(status.photos as usize, "different photo"), count(files as usize, "file"));
    line("photos", &format!("{photos} in {files}"));
    for model in &status.models {
        let LibraryModel { name, fingerprint, photos, precision, .. } = model;
        let precision = precision.map_or_else(String::new, |precision| format!(" in {}", precision.name()));
        let photos = count(*photos as usize, "photo");
        let read = match library::reading(model) {
            Some(reading) => library::read_how(reading).map_or_else(String::new, |how| format!(" {how}")),
            None => "; how they were read is not known without its weights file".into(),
        };
        line("model", &format!("{name}{precision}, fingerprint {fingerprint}, {photos}{read}"));
    }
    for folder in &status.folders {
        let mut about = count(folder.photos as usize, "photo");
        for (number, what) in [(folder.failed, "failed"), (folder.missing, "missing")] {
            if number > 0 {
                let _ = write!(about, ", {number} {what}");
            }
        }
        if !folder.exclude.is_empty() {
            let _ = write!(about, ", excluding {}", folder.exclude.join(", "));
        }
        if folder.ignore_files {
            about += ", ignore files respected";
        }
        if folder.raw_twins {
            about += ", raw files beside pictures too";
        }
        let there = if folder.reachable { "" } else { ", cannot be reached now" };
        line("folder", &format!("{}: {about}{there}", path(&folder.path)));
    }
    line("texts", &status.texts.to_string());
    let shown = if args.failed { failed.len() } else { failed.len().min(MOST_FAILURES) };
    for (file, reason) in failed.iter().take(shown) {
        line("failed", &format!("{}: {reason}", path(file)));
    }
    if failed.len() > shown {
        line("failed", &format!("and {} more; `clippie-rs status --failed` lists all", failed.len() - shown));
    }
    for file in missing {
        line("missing", &path(file));
    }
    text
}
