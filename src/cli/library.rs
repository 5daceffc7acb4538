//! What the commands of the photo library share: its file, and the model that it was made with.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::args::{self, Command, Photos};
use super::messages::{Failure, Messages};
use super::model::{self, Chosen};
use super::named;
use super::output::{is_stdout, same_file, same_place, sidecar};
use crate::hub::ModelName;
use crate::library::{self, Filter, Library, LibraryModel, Precisions, default_path};
use crate::weights::{Precision, Reason, Tower, WeightsFile};
use crate::{Error, ImageEncoder, ModelSource, Options, Reading, TextEncoder};

/// Digits of a fingerprint that `-m` takes for all.
const FINGERPRINT_START: usize = 8;

/// The library's file.
pub(super) fn path(library: &args::Library) -> Result<PathBuf, Failure> {
    let path = library.library.clone().or_else(default_path).ok_or_else(|| {
        Failure::Usage("there is no home folder to keep the photo library in; name its file with --library".into())
    })?;
    // Nothing in the sentence about files that are no library would help.
    if path.is_dir() {
        return Err(Failure::Usage(format!("{} is a folder; --library takes the library's file", path.display())));
    }
    Ok(path)
}

/// Says that queries of a model are compared with embeddings in another precision, if they are.
pub(super) fn report_precisions(precisions: Option<Precisions>, library: &Library, model: &str, messages: &Messages) {
    let Some(Precisions { query, stored, .. }) = precisions else { return };
    let (library, query, stored) = (library.path().display(), query.name(), stored.name());
    messages.warning(&format!(
        "the embeddings of {library} are in {stored} and {model} is in {query}: scores differ a little from those of either"
    ));
}

/// A command for users to run with this library: `clippie-rs index --library photos.sqlite`.
pub(super) fn command(command: &str, library: &args::Library) -> String {
    let option = library.library.as_ref().map_or_else(String::new, |path| format!(" --library {}", path.display()));
    format!("clippie-rs {command}{option}")
}

/// Opens the library for a command that reads: for writing if possible, since texts are kept and files beside it go.
pub(super) fn open(library: &args::Library) -> Result<Library, Failure> {
    let path = path(library)?;
    match Library::open(&path) {
        Err(library::Error::ReadOnly { .. } | library::Error::Open { .. }) => Ok(Library::open_read_only(&path)?),
        opened => Ok(opened?),
    }
}

/// The filter of `--in`.
///
/// A folder that no folder of the library has, and that has none of them, could never find anything: a mistyped name,
/// which must not look like an answer, or replace one.
pub(super) fn in_folders(folders: &[PathBuf], library: &Library) -> Result<Filter, Failure> {
    let mut filter = Filter::new();
    if folders.is_empty() {
        return Ok(filter);
    }
    let known: Vec<PathBuf> = library.folders()?;
    for folder in folders {
        // As the filter takes it.
        let real = fs::canonicalize(folder).or_else(|_| std::path::absolute(folder)).unwrap_or_else(|_| folder.clone());
        if !known.iter().any(|known| known.starts_with(&real) || real.starts_with(known)) {
            return Err(Failure::Usage(format!(
                "--in {} is in no folder of the library; `clippie-rs status` lists them, and `clippie-rs index` adds one",
                folder.display()
            )));
        }
        filter = filter.folder(folder)?;
    }
    Ok(filter)
}

/// Refuses outputs that would replace the library of the command, or a file beside it that belongs to it.
///
/// A command without an option for the library is kept from the default one.
pub(super) fn refuse_to_replace(command: &Command) -> Result<(), Failure> {
    let (library, mut outputs) = outputs(command);
    let Some(library) = library.cloned().or_else(default_path) else { return Ok(()) };
    outputs.retain(|output| !is_stdout(output));
    for output in outputs {
        let (shown, place) = (output.display(), library.display());
        if same_place(&output, &library) || same_file(&output, &library) {
            return Err(Failure::Usage(format!("{shown} is the photo library {place}; write to another file")));
        }
        if belongs_to(&output, &library) {
            return Err(Failure::Usage(format!(
                "{shown} is a file of the photo library {place}; write to another file"
            )));
        }
    }
    Ok(())
}

/// The library that a command names, and the files that it writes.
fn outputs(command: &Command) -> (Option<&PathBuf>, Vec<PathBuf>) {
    let all = |outputs: &[&Option<PathBuf>]| outputs.iter().filter_map(|output| (*output).clone()).collect();
    match command {
        Command::Encode(args) => {
            let mut outputs: Vec<PathBuf> = all(&[&args.output, &args.report]);
            let has_sidecar = args.format() == Ok(args::Format::Npy);
            outputs.extend(args.output.as_deref().filter(|_| has_sidecar).map(sidecar));
            (None, outputs)
        }
        Command::Classify(args) => (args.library.as_ref().and_then(Option::as_ref), all(&[&args.output])),
        Command::Evaluate(args) => (None, all(&[&args.output, &args.html])),
        Command::Preprocess(args) => (None, all(&[&args.output])),
        Command::Index(args) => (args.library.library.as_ref(), all(&[&args.report])),
        Command::Search(args) => results(&args.results),
        Command::Similar(args) => results(&args.results),
        Command::Duplicates(args) => (args.library.library.as_ref(), all(&[&args.output, &args.html])),
        Command::Export(args) => (args.library.library.as_ref(), vec![args.output.clone(), sidecar(&args.output)]),
        _ => (None, Vec::new()),
    }
}

fn results(args: &args::Results) -> (Option<&PathBuf>, Vec<PathBuf>) {
    (args.library.library.as_ref(), args.output.iter().chain(&args.html).cloned().collect())
}

/// Whether `output` is one of the files that are beside a library: SQLite's, and the vectors of searches.
fn belongs_to(output: &Path, library: &Path) -> bool {
    let real = |path: &Path| {
        let path = crate::files::follow(path).ok()?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(fs::canonicalize(folder).ok()?.join(path.file_name()?))
    };
    let Some(output) = real(output) else { return false };
    // They are beside the name that was given, or beside the file that a link leads to.
    let given = std::path::absolute(library)
        .ok()
        .and_then(|library| Some(fs::canonicalize(library.parent()?).ok()?.join(library.file_name()?)));
    given.into_iter().chain(real(library)).any(|library| {
        let (output, library) = (output.as_os_str().as_encoded_bytes(), library.as_os_str().as_encoded_bytes());
        output.strip_prefix(library).is_some_and(|end| {
            matches!(end, b"-wal" | b"-shm" | b"-journal") || end.starts_with(b".") && end.ends_with(b".vectors")
        })
    })
}

/// What a model is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Its queries are compared with embeddings of the library.
    Queries,
    /// It gives the library embeddings.
    Photos,
}

/// Opens the model: that of the library, unless one is named. A name or fingerprint that the library knows means its model,
/// from the file where that was last, or an installed one of its name. Only a name that the user wrote is pulled. The model
/// reads photos as it did when the library got its embeddings; for queries, also if these are of another precision.
pub(super) fn model(
    model: &args::Model,
    threads: Option<usize>,
    library: Option<&Library>,
    purpose: Purpose,
    messages: &Messages,
) -> Result<Chosen, Failure> {
    let models = library.map(Library::models).transpose()?.unwrap_or_default();
    let place = || library.map_or_else(|| "the library".into(), |library| library.path().display().to_string());
    let named = model.model.as_deref().filter(|model| !model.is_empty());
    if named.is_none() && models.len() > 1 {
        return Err(Failure::Usage(format!("{} has embeddings of {}; choose with -m", place(), names(&models))));
    }
    let meant: Vec<&LibraryModel> = match named {
        None => models.iter().collect(),
        Some(named) => models.iter().filter(|known| is_called(known, named)).collect(),
    };
    let known = match (&meant[..], named) {
        ([], _) => None,
        ([known], _) => Some(*known),
        (_, None) => None,
        (_, Some(named)) => of_several(named, &meant, purpose).ok_or_else(|| ambiguous(&place(), named, &meant))?,
    };
    let finish = |Chosen { weights, options, name }| {
        let is_meant = |fingerprint: &str| match known {
            Some(known) => known.fingerprint == fingerprint,
            None => models.iter().any(|known| known.fingerprint == fingerprint),
        };
        // A file that describes no model is an error where it is opened.
        let own = options.clone().read_as(&weights, |fingerprint| is_meant(fingerprint.as_str())).ok().flatten();
        let library = library.filter(|_| purpose == Purpose::Queries);
        let other = || library.and_then(|library| library.read_as(options.clone(), &weights).ok().flatten());
        let options = own.or_else(other).unwrap_or(options);
        Chosen { weights, options: options.threads(model::threads(threads)), name }
    };
    let Some(known) = known else { return model::preprocessing(named, &Photos::default(), messages).map(finish) };
    let its_own = |weights: WeightsFile| {
        let name = weights.model_name();
        finish(Chosen { weights, options: Options::new(), name })
    };
    let why = match remembered(known) {
        Ok((weights, _)) => return Ok(its_own(weights)),
        Err(why) => why,
    };
    let lost = || {
        let LibraryModel { name, fingerprint, .. } = known;
        Failure::Error(format!(
            "the model of {}, {name} (fingerprint {fingerprint}), {why}; give its file with -m",
            place()
        ))
    };
    // A name that the user wrote means what it does without a library.
    if let Some(named) = named.filter(|named| *named == known.name.as_str()) {
        let chosen = model::preprocessing(Some(named), &Photos::default(), messages).map(finish);
        return chosen.map_err(|failure| if is_published(&known.name) { failure } else { lost() });
    }
    match installed(&known.name) {
        Some(Ok(weights)) => Ok(its_own(weights)),
        Some(Err(failure)) => {
            let (place, reason) = (place(), failure.text());
            Err(Failure::Error(format!("the model of {place} cannot be opened: {reason}; or name it with -m")))
        }
        None => Err(lost()),
    }
}

/// Which of several models of a library that are called so is meant: that of the file to which the name leads, which may be
/// none of them. `None` if it leads to no file, or to one whose photos were read in several ways, of which none is the usual.
fn of_several<'a>(named: &OsStr, meant: &[&'a LibraryModel], purpose: Purpose) -> Option<Option<&'a LibraryModel>> {
    let weights = model::open(Some(named)).ok()?;
    let fits = |known: &&&LibraryModel| way_of_reading(known, &weights).ok().flatten();
    let fitting: Vec<(&'a LibraryModel, Reading)> =
        meant.iter().filter_map(|known| Some((*known, fits(&known)?.reading()))).collect();
    match fitting[..] {
        [] => Some(None),
        [(only, _)] => Some(Some(only)),
        _ => match fitting.iter().find(|(_, reading)| *reading == Reading::USUAL) {
            Some((usual, _)) => Some(Some(usual)),
            // The arguments of `index` say how photos are read.
            None => (purpose == Purpose::Photos).then_some(None),
        },
    }
}

/// Says that a library has several models of a name, and how to choose.
fn ambiguous(place: &str, named: &OsStr, meant: &[&LibraryModel]) -> Failure {
    let each: Vec<String> = meant.iter().map(|known| format!("{} ({})", known.fingerprint, about(known))).collect();
    let example = meant.last().map_or("", |known| known.fingerprint.get(..FINGERPRINT_START).unwrap_or_default());
    Failure::Usage(format!(
        "{place} has {} models called {}: {}; choose one by the start of its fingerprint, such as -m {example}",
        meant.len(),
        named.display(),
        each.join(" and ")
    ))
}

/// What tells models of one name apart, for people: `f32, photos decoded fast`.
fn about(known: &LibraryModel) -> String {
    let precision = known.precision.map_or("a precision that is not noted", Precision::name);
    match reading(known) {
        Some(way) => format!("{precision}, photos {}", read_how(way).unwrap_or_else(|| "read as usual".into())),
        None => precision.to_owned(),
    }
}

/// What differs from the usual way of reading photos: the end of a sentence about them; `None` if nothing does.
pub(super) fn read_how(Reading { orient, fast, icc, .. }: Reading) -> Option<String> {
    let differences =
        [(!orient, "not turned upright"), (fast, "decoded fast"), (icc, "with their colours converted to sRGB")];
    let differences: Vec<&str> = differences.iter().filter(|(differs, _)| *differs).map(|(_, words)| *words).collect();
    (!differences.is_empty()).then(|| differences.join(", "))
}

/// How photos were read for a model of a library; `None` if its weights file is not on this computer any more.
pub(super) fn reading(known: &LibraryModel) -> Option<Reading> {
    if let Ok((_, options)) = remembered(known) {
        return Some(options.reading());
    }
    let weights = installed(&known.name)?.ok()?;
    Some(way_of_reading(known, &weights).ok()??.reading())
}

/// Opens the model of a name that a library has. The library may come from anywhere: its name is no path, and leads to
/// nothing that is not on this computer. `None` if it is no published name, or that of a repository that is not here.
fn installed(name: &str) -> Option<Result<WeightsFile, Failure>> {
    let is_known = || {
        let name: ModelName = name.parse().ok()?;
        Some(name.known().is_some() || named::find(&name).is_ok())
    };
    let is_installed = model::is_demo(name.as_ref()) || is_known()?;
    is_installed.then(|| model::open(Some(name.as_ref())))
}

fn is_published(name: &str) -> bool {
    ModelSource::parse(name).is_ok_and(|source| !matches!(source, ModelSource::File(_)))
}

/// Whether `-m` means a model of the library: by its name or the start of its fingerprint.
pub(super) fn is_called(known: &LibraryModel, named: &OsStr) -> bool {
    let named = named.to_string_lossy();
    known.name == named || (named.len() >= FINGERPRINT_START && known.fingerprint.starts_with(&*named))
}

/// The options with which a weights file gives the embeddings of a model of a library; `None` if it is another model's.
pub(super) fn way_of_reading(known: &LibraryModel, weights: &WeightsFile) -> Result<Option<Options>, Error> {
    Options::new().read_as(weights, |fingerprint| fingerprint.as_str() == known.fingerprint)
}

/// The weights file of a model where it was last, if it is still that model's, and how photos were read; else why not: the
/// end of a sentence about the model.
fn remembered(known: &LibraryModel) -> Result<(WeightsFile, Options), String> {
    let Some(file) = &known.file else { return Err("is not on this computer".into()) };
    let gone = || format!("is not at {} any more", file.display());
    let weights = WeightsFile::open(file).map_err(|error| match error.reason() {
        Reason::NotFound => gone(),
        _ => format!("cannot be opened: {error}"),
    })?;
    let options = way_of_reading(known, &weights).map_err(|error| format!("cannot be opened: {error}"))?;
    Ok((weights, options.ok_or_else(gone)?))
}

/// The models of a library in a sentence, such that `-m` can name each.
pub(super) fn names(models: &[LibraryModel]) -> String {
    let name = |model: &LibraryModel| match models.iter().filter(|other| other.name == model.name).count() {
        1 => model.name.clone(),
        _ => format!("{} ({}, {})", model.name, model.fingerprint, about(model)),
    };
    models.iter().map(name).collect::<Vec<_>>().join(" and ")
}

/// Opens the towers of a model: the image tower, or why there is none, and the text tower if there is one.
pub(super) fn towers(
    options: Options,
    weights: WeightsFile,
) -> Result<(Result<ImageEncoder, Error>, Option<TextEncoder>), Failure> {
    let has = |tower| weights.header().towers().iter().any(|info| info.tower == tower);
    Ok(match (has(Tower::Image), has(Tower::Text)) {
        (true, true) => {
            let clip = options.open_weights(weights)?;
            (Ok(clip.image().clone()), Some(clip.text().clone()))
        }
        (false, true) => {
            (options.clone().open_weights_image(weights.clone()), Some(options.open_weights_text(weights)?))
        }
        (_, false) => (options.open_weights_image(weights), None),
    })
}

/// The fingerprint of the library's embeddings that `-m` names: by the model's name or by the start of the fingerprint.
pub(super) fn fingerprint(model: Option<&OsStr>, library: &Library) -> Result<Option<String>, Failure> {
    let Some(named) = model.filter(|model| !model.is_empty()) else { return Ok(None) };
    let models = library.models()?;
    let meant: Vec<&LibraryModel> = models.iter().filter(|known| is_called(known, named)).collect();
    match meant[..] {
        [model] => Ok(Some(model.fingerprint.clone())),
        [] => {
            let known = models.iter().map(|model| model.name.clone()).collect();
            let (path, name) = (library.path().to_owned(), named.to_string_lossy().into_owned());
            Err(library::Error::Fingerprint { path, name, fingerprint: None, known }.into())
        }
        _ => Err(ambiguous(&library.path().display().to_string(), named, &meant)),
    }
}
