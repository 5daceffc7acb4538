//! From `-m` and the options beside it to an opened model.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use super::args::{self, Photos};
use super::messages::Stop;
use crate::Options;
use crate::preprocess::PreprocessConfig;
use crate::weights::WeightsFile;

/// A weights file that was chosen, and how its model shall be run.
pub(super) struct Chosen {
    pub weights: WeightsFile,
    pub options: Options,
    /// See [`name`].
    pub name: String,
}

/// Opens the weights file and merges what it states with what was asked for. Reads the file's header alone.
pub(super) fn choose(model: &args::Model, photos: &Photos) -> Result<Chosen, Stop> {
    let weights = open(model.model.as_deref())?;
    let meta = &weights.header().meta;
    let mut options = Options::new().orient(!photos.no_orient);
    // A description that cannot be understood is reported when the model is opened.
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

/// What to call a model: its published name if it has one, else the file's.
pub(super) fn name(weights: &WeightsFile) -> String {
    let stated = weights.header().meta.provenance.model_name.clone();
    stated.unwrap_or_else(|| weights.path().file_stem().unwrap_or_default().to_string_lossy().into_owned())
}

/// Opens what `-m` or an argument names: a weights file, or `demo`, the compiled-in model. A file called `demo` is
/// reached as `./demo`.
pub(super) fn open(model: Option<&OsStr>) -> Result<WeightsFile, Stop> {
    let path = match model {
        Some(path) if !path.is_empty() => Path::new(path),
        _ => {
            return Err(Stop::Usage(
                "no model given: name a weights file with -m FILE.clippie or in CLIPPIE_MODEL (`clippie-rs convert` \
                 makes one from a checkpoint), or try -m demo, which knows drawings only"
                    .into(),
            ));
        }
    };
    #[cfg(feature = "demo")]
    if path == Path::new("demo") {
        return Ok(WeightsFile::demo().map_err(crate::Error::from)?);
    }
    if is_name(path) && fs::symlink_metadata(path).is_err() {
        return Err(Stop::Failed(format!(
            "there is no file {}, and models cannot be given by name in this version: download the checkpoint, turn \
             it into a weights file with `clippie-rs convert CHECKPOINT`, and give that with -m",
            path.display()
        )));
    }
    Ok(WeightsFile::open(path).map_err(crate::Error::from)?)
}

/// Whether this looks like the name of a published model, and not like a path that was mistyped.
fn is_name(path: &Path) -> bool {
    path.to_str().is_some_and(|name| name.starts_with("hf-hub:") || !name.contains(['/', '\\', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_paths() {
        for name in ["vit-b-32-openai", "hf-hub:apple/MobileCLIP2-S2", "demo"] {
            assert!(is_name(Path::new(name)), "{name}");
        }
        for path in ["vit.clippie", "./vit", "models/vit", "/vit", r"C:\vit"] {
            assert!(!is_name(Path::new(path)), "{path}");
        }
    }
}
