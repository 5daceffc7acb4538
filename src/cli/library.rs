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
use crate::weights::{Reason, Tower, WeightsFile};
use crate::{Error, ImageEncoder, ModelSource, Options, TextEncoder};

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

/// Opens the model: that of the library, unless one is named. A name or fingerprint that the library knows means its model,
/// from the file where that was last, or an installed one of its name. Only a name that the user wrote is pulled. The model
/// reads photos as it did when the library got its embeddings.
pub(super) fn model(
    model: &args::Model,
    threads: Option<usize>,
    library: Option<&Library>,
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
    let known = match meant[..] {
        [known] => Some(known),
        _ => None,
    };
    let finish = |Chosen { weights, options, name }| {
        let is_meant = |fingerprint: &str| match known {
            Some(known) => known.fingerprint == fingerprint,
            None => models.iter().any(|known| known.fingerprint == fingerprint),
        };
        let options = read_as(options, &weights, is_meant).threads(model::threads(threads));
        Chosen { weights, options, name }
    };
    let Some(known) = known else { return model::preprocessing(named, &Photos::default(), messages).map(finish) };
    let its_own = |weights: WeightsFile| {
        let name = weights.model_name();
        finish(Chosen { weights, options: Options::new(), name })
    };
    let why = match remembered(known) {
        Ok(weights) => return Ok(its_own(weights)),
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
fn is_called(known: &LibraryModel, named: &OsStr) -> bool {
    let named = named.to_string_lossy();
    known.name == named || (named.len() >= 8 && known.fingerprint.starts_with(&*named))
}

/// The weights file of a model where it was last, if it is still that model's; else why not: the end of a sentence about
/// the model.
fn remembered(known: &LibraryModel) -> Result<WeightsFile, String> {
    let Some(file) = &known.file else { return Err("is not on this computer".into()) };
    let gone = || format!("is not at {} any more", file.display());
    let weights = WeightsFile::open(file).map_err(|error| match error.reason() {
        Reason::NotFound => gone(),
        _ => format!("cannot be opened: {error}"),
    })?;
    let options = Options::new().read_as(&weights, |fingerprint| fingerprint.as_str() == known.fingerprint);
    let options = options.map_err(|error| format!("cannot be opened: {error}"))?;
    options.is_some().then_some(weights).ok_or_else(gone)
}

/// The options with photos read as for the embeddings of a fingerprint that `is_known`, if this model has some.
pub(super) fn read_as(options: Options, weights: &WeightsFile, is_known: impl Fn(&str) -> bool) -> Options {
    // A file that describes no model is an error where it is opened.
    let known = options.clone().read_as(weights, |fingerprint| is_known(fingerprint.as_str()));
    known.ok().flatten().unwrap_or(options)
}

/// The models of a library in a sentence, such that `-m` can name each.
pub(super) fn names(models: &[LibraryModel]) -> String {
    let name = |model: &LibraryModel| match models.iter().filter(|other| other.name == model.name).count() {
        1 => model.name.clone(),
        _ => format!("{} ({})", model.name, model.fingerprint),
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
    let mut meant: Vec<&LibraryModel> = models.iter().filter(|known| is_called(known, named)).collect();
    let named = named.to_string_lossy();
    match (meant.pop(), meant.is_empty()) {
        (Some(model), true) => Ok(Some(model.fingerprint.clone())),
        (Some(_), false) => {
            let path = library.path().display();
            Err(Failure::Usage(format!("{path} has several models called {named}; name one by its fingerprint")))
        }
        (None, _) => {
            let known = models.iter().map(|model| model.name.clone()).collect();
            let path = library.path().to_owned();
            Err(library::Error::Fingerprint { path, name: named.into_owned(), fingerprint: None, known }.into())
        }
    }
}
