//! Distinguishes model names from paths of weights files. Opens and downloads nothing.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::hub::{ModelName, NameError};

/// A model as users give it, parsed: a name or a path. `clippie-rs -m` and [`Clip::load`](super::Clip::load) follow
/// this rule.
///
/// Names take precedence: a file called `demo` must be given as `./demo`.
///
/// ```
/// use clippie_rs::ModelSource;
///
/// assert!(matches!(ModelSource::parse("mobileclip2-s2")?, ModelSource::Name(_)));
/// assert!(matches!(ModelSource::parse("hf-hub:apple/MobileCLIP2-S2")?, ModelSource::Name(_)));
/// assert!(matches!(ModelSource::parse("./mobileclip2-s2")?, ModelSource::File(_)));
/// # Ok::<(), clippie_rs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ModelSource {
    /// The compiled-in model: `demo`.
    #[cfg(feature = "demo")]
    Demo,
    /// A published model: a name of the [catalogue](crate::catalog), `hf-hub:ORG/REPO` or `hf-hub:ORG/REPO@REVISION`.
    Name(ModelName),
    /// A weights file.
    File(PathBuf),
}

impl ModelSource {
    /// Parses a name or a path. Looks whether the file exists only to tell a mistyped name from a path.
    ///
    /// # Errors
    /// [`Error::NoModel`]: a text that looks like a name but is neither the name of a model nor an existing file.
    pub fn parse(model: impl AsRef<Path>) -> Result<ModelSource, Error> {
        let path = model.as_ref();
        match path.to_str().map(Self::parse_name) {
            Some(Ok(source)) => Ok(source),
            Some(Err(error)) if is_name(path) && fs::symlink_metadata(path).is_err() => {
                Err(Error::NoModel { name: path.display().to_string(), error })
            }
            _ => Ok(ModelSource::File(path.to_owned())),
        }
    }

    /// Parses a name; never returns a file.
    pub(super) fn parse_name(name: &str) -> Result<ModelSource, NameError> {
        #[cfg(feature = "demo")]
        if name == "demo" {
            return Ok(ModelSource::Demo);
        }
        name.parse().map(ModelSource::Name)
    }
}

/// Whether this looks like the name of a published model rather than a mistyped path.
fn is_name(path: &Path) -> bool {
    path.to_str()
        .is_some_and(|name| name.starts_with("hf-hub:") || (!name.is_empty() && !name.contains(['/', '\\', '.'])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn names_differ_from_paths() {
        for name in ["vit-b-32-openai", "hf-hub:apple/MobileCLIP2-S2", "demo"] {
            assert!(is_name(Path::new(name)), "{name}");
        }
        for path in ["", "vit.clippie", "./vit", "models/vit", "/vit", r"C:\vit"] {
            assert!(!is_name(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn names_precede_files() {
        let parse = |model: &str| ModelSource::parse(model);
        assert!(matches!(parse("vit-b-32-openai"), Ok(ModelSource::Name(name)) if name.known().is_some()));
        assert!(matches!(parse("hf-hub:a/b@c"), Ok(ModelSource::Name(name)) if name.known().is_none()));
        #[cfg(feature = "demo")]
        assert!(matches!(parse("demo"), Ok(ModelSource::Demo)));
        // The last one is a folder of this repository, not a mistyped name.
        for path in ["./demo", "./vit-b-32-openai", "missing.clippie", "", "src"] {
            assert!(matches!(parse(path), Ok(ModelSource::File(file)) if file == Path::new(path)), "{path}");
        }
        for name in ["mobileclip2-s9", "hf-hub:a"] {
            let error = parse(name).unwrap_err();
            assert!(error.to_string().starts_with(&format!("there is no file {name}, and ")), "{error}");
            assert_eq!((error.kind(), error.path()), (ErrorKind::Option, None));
        }
    }
}
