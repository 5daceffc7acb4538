//! Opens the model given with `-m` and its options.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use super::args::{self, Photos};
use super::messages::{Failure, Messages};
use super::named;
use crate::Options;
use crate::hub::ModelName;
use crate::preprocess::PreprocessConfig;
use crate::weights::WeightsFile;

/// The chosen weights file and the options to run it with.
pub(super) struct Chosen {
    pub weights: WeightsFile,
    pub options: Options,
    /// See [`name`].
    pub name: String,
}

/// Opens the weights file and merges its preprocessing with the command line's. Reads only the file's header, unless
/// the model has to be pulled first.
pub(super) fn choose(model: &args::Model, photos: &Photos, messages: &Messages) -> Result<Chosen, Failure> {
    let weights = match parse_arg(model.model.as_deref())? {
        ModelArg::Named(name) => open_file(&named::find_or_pull(&name, messages)?)?,
        given => given.open()?,
    };
    let meta = &weights.header().meta;
    let mut options = Options::new().orient(!photos.no_orient);
    // An invalid description is reported when the model is opened.
    if let Ok(stated) = serde_json::from_value::<PreprocessConfig>(meta.preprocess.clone()) {
        let mut config = stated.clone();
        photos.apply(&mut config);
        if config != stated {
            options = options.preprocess(config);
        }
    }
    let name = name(&weights);
    Ok(Chosen { weights, options, name })
}

/// The name of a model: its published one if it has one, else the file's.
pub(super) fn name(weights: &WeightsFile) -> String {
    let stated = weights.header().meta.provenance.model_name.clone();
    stated.unwrap_or_else(|| weights.path().file_stem().unwrap_or_default().to_string_lossy().into_owned())
}

/// Opens the model that `-m` or an argument names, if it is installed; pulls nothing.
pub(super) fn open(model: Option<&OsStr>) -> Result<WeightsFile, Failure> {
    parse_arg(model)?.open()
}

/// Whether a model argument means the compiled-in model.
pub(super) fn is_demo(model: &OsStr) -> bool {
    cfg!(feature = "demo") && model == "demo"
}

/// A model argument, parsed.
enum ModelArg<'a> {
    /// The compiled-in model.
    #[cfg(feature = "demo")]
    Demo,
    Named(ModelName),
    File(&'a Path),
}

/// Distinguishes names from paths. Names take precedence: a file called `demo` must be given as `./demo`.
fn parse_arg(model: Option<&OsStr>) -> Result<ModelArg<'_>, Failure> {
    let path = match model {
        Some(path) if !path.is_empty() => Path::new(path),
        _ => {
            return Err(Failure::Usage(
                "no model given: name one with -m or in CLIPPIE_MODEL, a name that `clippie-rs models` lists or a \
                 weights file that `clippie-rs convert` made; or try -m demo, which knows drawings only"
                    .into(),
            ));
        }
    };
    #[cfg(feature = "demo")]
    if is_demo(path.as_os_str()) {
        return Ok(ModelArg::Demo);
    }
    match path.to_str().map(str::parse::<ModelName>) {
        Some(Ok(name)) => Ok(ModelArg::Named(name)),
        Some(Err(error)) if is_name(path) && fs::symlink_metadata(path).is_err() => {
            Err(Failure::Error(format!("there is no file {}, and {error}", path.display())))
        }
        _ => Ok(ModelArg::File(path)),
    }
}

impl ModelArg<'_> {
    fn open(self) -> Result<WeightsFile, Failure> {
        match self {
            #[cfg(feature = "demo")]
            ModelArg::Demo => Ok(WeightsFile::demo().map_err(crate::Error::from)?),
            ModelArg::Named(name) => open_file(&named::find(&name)?),
            ModelArg::File(path) => open_file(path),
        }
    }
}

fn open_file(path: &Path) -> Result<WeightsFile, Failure> {
    Ok(WeightsFile::open(path).map_err(crate::Error::from)?)
}

/// Whether this looks like the name of a published model rather than a mistyped path.
fn is_name(path: &Path) -> bool {
    path.to_str().is_some_and(|name| name.starts_with("hf-hub:") || !name.contains(['/', '\\', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_from_paths() {
        for name in ["vit-b-32-openai", "hf-hub:apple/MobileCLIP2-S2", "demo"] {
            assert!(is_name(Path::new(name)), "{name}");
        }
        for path in ["vit.clippie", "./vit", "models/vit", "/vit", r"C:\vit"] {
            assert!(!is_name(Path::new(path)), "{path}");
        }
    }
}
