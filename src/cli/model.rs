//! Opens the model given with `-m` and its options.

use std::ffi::OsStr;
use std::path::Path;
use std::thread;

use super::args::{Photos, Running};
use super::messages::{Failure, Messages};
use super::named;
use crate::hub::ModelName;
use crate::preprocess::PreprocessConfig;
use crate::weights::{Reason, WeightsFile};
use crate::{Clip, ModelSource, Options, TextEncoder};

/// The chosen weights file and the options to run it with.
pub(super) struct Chosen {
    pub weights: WeightsFile,
    pub options: Options,
    /// See [`WeightsFile::model_name`].
    pub name: String,
}

/// Opens the weights file and sets options from the arguments. Reads only the file's header, unless the model has to be
/// pulled first.
pub(super) fn choose(running: &Running, messages: &Messages) -> Result<Chosen, Failure> {
    choose_named(running.model.model.as_deref(), running, messages)
}

/// As [`choose`], with another model than that of the arguments.
pub(super) fn choose_named(model: Option<&OsStr>, running: &Running, messages: &Messages) -> Result<Chosen, Failure> {
    let chosen = preprocessing(model, &running.photos, messages)?;
    let options = chosen.options.threads(threads(running.threads)).batch_size(running.batch_size as usize);
    Ok(Chosen { options, ..chosen })
}

/// A text tower, if there is one, for texts of the language that was given.
pub(super) fn text_in(language: Option<&str>, text: Option<TextEncoder>) -> Result<Option<TextEncoder>, crate::Error> {
    match (language, text) {
        (Some(language), Some(text)) => text.with_language(language).map(Some),
        (_, text) => Ok(text),
    }
}

/// The model with texts of the language that the arguments name.
pub(super) fn in_language(clip: Clip, running: &Running) -> Result<Clip, Failure> {
    match &running.language {
        Some(language) => Ok(clip.with_language(language)?),
        None => Ok(clip),
    }
}

/// Number of threads: as given, else one per core.
pub(super) fn threads(given: Option<usize>) -> usize {
    given.filter(|&threads| threads > 0).unwrap_or_else(|| thread::available_parallelism().map_or(1, Into::into))
}

/// Opens the weights file and merges its preprocessing with the command line's.
pub(super) fn preprocessing(model: Option<&OsStr>, photos: &Photos, messages: &Messages) -> Result<Chosen, Failure> {
    let weights = match parse_arg(model)? {
        ModelSource::Name(name) => open_installed(&name, &named::find_or_pull(&name, messages)?)?,
        source => open_source(source)?,
    };
    let meta = &weights.header().meta;
    let mut options = Options::new()
        .orient(!photos.no_orient)
        .fast_decode(photos.fast_decode)
        .icc(photos.icc)
        .limits(photos.limits.limits());
    // An invalid description is reported when the model is opened.
    if let Ok(stated) = serde_json::from_value::<PreprocessConfig>(meta.preprocess.clone()) {
        let mut config = stated.clone();
        photos.apply(&mut config);
        if config != stated {
            options = options.preprocess(config);
        }
    }
    let name = weights.model_name();
    Ok(Chosen { weights, options, name })
}

/// Opens the model that `-m` or an argument names, if it is installed; pulls nothing.
pub(super) fn open(model: Option<&OsStr>) -> Result<WeightsFile, Failure> {
    open_source(parse_arg(model)?)
}

/// What `-m` takes for an opened model: its name if that leads to this file, else the file.
#[cfg(feature = "library")]
pub(super) fn argument(weights: &WeightsFile) -> String {
    let name = weights.model_name();
    let leads_here = match name.parse::<ModelName>() {
        Ok(name) => named::find(&name).is_ok_and(|path| super::output::same_file(&path, weights.path())),
        // Compiled in, it has no file.
        Err(_) => is_demo(name.as_ref()) && !weights.path().exists(),
    };
    if leads_here { name } else { weights.path().display().to_string() }
}

/// Whether a model argument means the compiled-in model.
pub(super) fn is_demo(model: &OsStr) -> bool {
    cfg!(feature = "demo") && model == "demo"
}

/// Parses the model argument.
fn parse_arg(model: Option<&OsStr>) -> Result<ModelSource, Failure> {
    match model {
        Some(model) if !model.is_empty() => Ok(ModelSource::parse(model)?),
        _ => Err(Failure::Usage(
            "no model given: name one with -m or in CLIPPIE_MODEL, a name that `clippie-rs models` lists or a weights \
             file that `clippie-rs convert` made; or try -m demo, which knows drawings only"
                .into(),
        )),
    }
}

/// Opens a model, if it is installed.
fn open_source(source: ModelSource) -> Result<WeightsFile, Failure> {
    match source {
        #[cfg(feature = "demo")]
        ModelSource::Demo => Ok(WeightsFile::demo().map_err(crate::Error::from)?),
        ModelSource::Name(name) => open_installed(&name, &named::find(&name)?),
        ModelSource::File(path) => open_file(&path),
    }
}

/// Opens an installed model, of which nobody may have the checkpoint.
fn open_installed(name: &ModelName, path: &Path) -> Result<WeightsFile, Failure> {
    WeightsFile::open(path).map_err(|error| match error.reason() {
        Reason::Open(_) | Reason::Read(_) | Reason::Map(_) => crate::Error::from(error).into(),
        _ => Failure::Error(format!("{error}; or fetch it again with `clippie-rs pull --force {name}`")),
    })
}

fn open_file(path: &Path) -> Result<WeightsFile, Failure> {
    WeightsFile::open(path).map_err(|error| {
        let hint = path.to_str().filter(|_| !path.exists()).and_then(repository_hint);
        match hint {
            Some(hint) => Failure::Error(format!("{error}; {hint}")),
            None => crate::Error::from(error).into(),
        }
    })
}

/// What to write instead of `text`, if it may be meant as a repository of Hugging Face: its address or `ORG/REPO`.
pub(super) fn repository_hint(text: &str) -> Option<String> {
    let address = ["https://", "http://"].into_iter().find_map(|scheme| text.strip_prefix(scheme));
    let address = address
        .and_then(|address| ["huggingface.co/", "hf.co/"].into_iter().find_map(|host| address.strip_prefix(host)));
    let mut parts = address.unwrap_or(text).split('/');
    let (owner, name) = (parts.next()?, parts.next()?);
    let more = parts.next().is_some();
    if address.is_none() && (more || name.ends_with(".clippie")) {
        return None;
    }
    let name: ModelName = format!("hf-hub:{owner}/{name}").parse().ok()?;
    Some(format!("if it is a repository on Hugging Face, its model is called {name} here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_recognised_by_their_addresses() {
        let hint = |text: &str| repository_hint(text);
        let expected = "if it is a repository on Hugging Face, its model is called hf-hub:openai/clip here";
        for text in [
            "openai/clip",
            "https://huggingface.co/openai/clip",
            "http://hf.co/openai/clip/",
            "https://huggingface.co/openai/clip/tree/main",
        ] {
            assert_eq!(hint(text).as_deref(), Some(expected), "{text}");
        }
        for text in
            ["", "clip", "./clip", "../clip", "/clip", "a/b/c", "models/x.clippie", "https://huggingface.co/openai"]
        {
            assert_eq!(hint(text), None, "{text}");
        }
        // A model with a name of its own.
        let known = hint("https://huggingface.co/timm/MobileCLIP2-S2-OpenCLIP").unwrap();
        assert!(known.ends_with(" called mobileclip2-s2 here"), "{known}");
    }
}
