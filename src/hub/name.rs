//! Parses model names: a catalogue name, or `hf-hub:ORG/REPO[@REV]` for any repository; `:f16` or `:int8` after it for
//! these precisions.

use std::fmt;
use std::str::FromStr;

use crate::catalog::{self, Model};
use crate::weights::Precision;

/// Prefix of repositories.
pub const PREFIX: &str = "hf-hub:";

/// Maximum length of an owner, a repository name (both as on Hugging Face) and a revision.
const MAX_PART: usize = 96;

/// Name of a model that can be pulled.
///
/// ```
/// use clippie_rs::hub::ModelName;
///
/// let name: ModelName = "mobileclip2-s2".parse()?;
/// assert_eq!(name.repository(), "timm/MobileCLIP2-S2-OpenCLIP");
/// let name: ModelName = "hf-hub:laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K@main".parse()?;
/// assert_eq!(name.revision(), Some("main"));
/// let name: ModelName = "mobileclip2-s2:f16".parse()?;
/// assert_eq!(name.precision().name(), "f16");
/// # Ok::<(), clippie_rs::hub::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ModelName {
    named: Named,
    precision: Precision,
}

#[derive(Clone, Debug, PartialEq)]
enum Named {
    Known(&'static Model),
    Repository { repository: String, revision: Option<String> },
}

/// Why a text is not a model name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// No model has this name.
    #[error("no model is called `{name}`{}; `clippie-rs models` lists those that have a name", similar_name(.similar))]
    Unknown {
        /// The text.
        name: String,
        /// A similar name.
        similar: Option<&'static str>,
    },
    /// A model has this name, and files in other precisions.
    #[error("`{name}` names no precision that there is: `{model}`, `{model}:f16` and `{model}:int8` are known")]
    Precision {
        /// The text.
        name: String,
        /// The model that it begins with.
        model: &'static str,
    },
    /// The compiled-in model, in a precision of which it has no file.
    #[error(
        "`{name}`: the model `demo` is compiled in, in f32 alone; use `demo`, or another model in this precision, such as \
         `mobileclip2-s2:{}`", precision.name()
    )]
    Demo {
        /// The text.
        name: String,
        /// The precision.
        precision: Precision,
    },
    /// No repository can have this name.
    #[error("`{name}` {reason}; a repository is given as hf-hub:ORG/REPO or hf-hub:ORG/REPO@REVISION")]
    Repository {
        /// The text.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

fn similar_name(name: &Option<&'static str>) -> String {
    name.map_or_else(String::new, |name| format!(" (but one is called `{name}`)"))
}

impl ModelName {
    /// The catalogue entry, if the model has one.
    pub fn known(&self) -> Option<&'static Model> {
        match self.named {
            Named::Known(model) => Some(model),
            Named::Repository { .. } => None,
        }
    }

    /// The repository: `owner/name` on Hugging Face.
    pub fn repository(&self) -> &str {
        match &self.named {
            Named::Known(model) => model.repository,
            Named::Repository { repository, .. } => repository,
        }
    }

    /// The precision of the weights file. Files of two precisions of a model are installed beside each other.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The same model in another precision.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> ModelName {
        ModelName { precision, ..self }
    }

    /// The branch, tag or commit; `None` means `main`.
    pub fn revision(&self) -> Option<&str> {
        match &self.named {
            Named::Known(model) => model.revision,
            Named::Repository { revision, .. } => revision.as_deref(),
        }
    }
}

#[cfg(any(test, not(feature = "hub")))]
impl ModelName {
    /// How to get the model without the feature `hub`.
    pub(crate) fn by_hand(&self) -> String {
        let repository = self.repository();
        let tree = self.revision().map_or_else(String::new, |revision| format!("/tree/{revision}"));
        let (file, model_option) = match self.known() {
            Some(model) => (model.file, format!(" --model {}", model.name)),
            None => ("the checkpoint", String::new()),
        };
        let precision = match self.precision {
            Precision::F32 => String::new(),
            precision => format!(" --precision {}", precision.name()),
        };
        format!(
            "download {file} and the .json files beside it from https://huggingface.co/{repository}{tree} into a \
             folder, convert it with `clippie-rs convert FOLDER OUT.clippie{model_option}{precision}`, and give the path \
             OUT.clippie instead"
        )
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.named {
            Named::Known(model) => f.write_str(model.name),
            Named::Repository { repository, revision: None } => write!(f, "{PREFIX}{repository}"),
            Named::Repository { repository, revision: Some(revision) } => write!(f, "{PREFIX}{repository}@{revision}"),
        }?;
        match self.precision {
            Precision::F32 => Ok(()),
            precision => write!(f, ":{}", precision.name()),
        }
    }
}

impl FromStr for ModelName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let precision = text.rsplit_once(':').and_then(|(name, end)| Some((name, Precision::named(end)?)));
        match precision {
            Some(("demo", precision)) if cfg!(feature = "demo") => {
                Err(NameError::Demo { name: printable(text), precision })
            }
            Some((name, precision)) => Ok(ModelName { named: Named::parse(name)?, precision }),
            None => {
                let model = text.rsplit_once(':').and_then(|(name, _)| catalog::find(name));
                match model {
                    Some(model) => Err(NameError::Precision { name: printable(text), model: model.name }),
                    None => Ok(ModelName { named: Named::parse(text)?, precision: Precision::F32 }),
                }
            }
        }
    }
}

impl Named {
    fn parse(text: &str) -> Result<Self, NameError> {
        let Some(repository) = text.strip_prefix(PREFIX) else {
            return by_name(text);
        };
        let (repository, revision) = match repository.split_once('@') {
            Some((repository, revision)) => (repository, Some(revision)),
            None => (repository, None),
        };
        let refuse = |reason| Err(NameError::Repository { name: printable(text), reason });
        let Some((owner, name)) = repository.split_once('/') else {
            return refuse("names no repository of an owner");
        };
        if !is_part(owner) || !is_part(name) {
            return refuse("is no name that a repository can have");
        }
        if revision.is_some_and(|revision| !is_revision(revision)) {
            return refuse("has no branch, tag or commit after its @");
        }
        // A catalogue model has one name only, so that it is stored once.
        let same = catalog::models().iter().find(|model| model.repository == repository && model.revision == revision);
        Ok(match same {
            Some(model) => Named::Known(model),
            None => Named::Repository { repository: repository.to_owned(), revision: revision.map(str::to_owned) },
        })
    }
}

fn by_name(text: &str) -> Result<Named, NameError> {
    if let Some(model) = catalog::find(text) {
        return Ok(Named::Known(model));
    }
    let name = printable(text);
    Err(NameError::Unknown { name, similar: catalog::suggest(text).map(|model| model.name) })
}

/// Whether `part` is a valid owner or repository name by Hugging Face's rules.
fn is_part(part: &str) -> bool {
    let is_edge = |c: char| matches!(c, '-' | '.');
    (1..=MAX_PART).contains(&part.len())
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && !part.starts_with(is_edge)
        && !part.ends_with(is_edge)
        && !part.contains("--")
        && !part.contains("..")
}

/// Whether `revision` can be a branch, tag or commit. Stricter than git, and safe in URLs and paths.
fn is_revision(revision: &str) -> bool {
    let is_name = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && !part.ends_with('.')
            && !part.contains("..")
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+'))
    };
    revision.len() <= MAX_PART && revision.split('/').all(is_name)
}

/// Makes a name fit for a message.
fn printable(text: &str) -> String {
    text.chars().take(2 * MAX_PART).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ModelName, NameError> {
        text.parse()
    }

    #[test]
    fn names_round_trip() {
        for model in catalog::models() {
            let name = parse(model.name).unwrap();
            assert_eq!((name.known(), name.repository(), name.revision()), (Some(model), model.repository, None));
            assert_eq!(name.to_string(), model.name);
        }
        for text in
            ["hf-hub:a/b", "hf-hub:a/b@main", "hf-hub:A.b-c/d_e@refs/pr/1", "hf-hub:a/b@v1.0+x", "hf-hub:a/b@c:f16"]
        {
            let name = parse(text).unwrap();
            assert_eq!((name.to_string(), name.known()), (text.to_owned(), None));
        }
        let half = parse("mobileclip2-s2:f16").unwrap();
        assert_eq!((half.precision(), half.to_string().as_str()), (Precision::F16, "mobileclip2-s2:f16"));
        assert_eq!(half.with_precision(Precision::F32), parse("mobileclip2-s2").unwrap());
        assert_eq!(parse("mobileclip2-s2:f32"), parse("mobileclip2-s2"));
        for text in ["mobileclip2-s2:int8", "hf-hub:a/b:int8", "hf-hub:a/b@main:int8"] {
            let name = parse(text).unwrap();
            assert_eq!((name.precision(), name.to_string().as_str()), (Precision::Int8, text));
        }
    }

    #[test]
    fn models_can_be_fetched_by_hand() {
        let how = parse("mobileclip2-s2").unwrap().by_hand();
        assert!(how.contains(" from https://huggingface.co/timm/MobileCLIP2-S2-OpenCLIP into "), "{how}");
        assert!(how.contains("`clippie-rs convert FOLDER OUT.clippie --model mobileclip2-s2`"), "{how}");
        let how = parse("hf-hub:a/b@v1").unwrap().by_hand();
        assert!(how.starts_with("download the checkpoint and the .json files"), "{how}");
        assert!(how.contains(" from https://huggingface.co/a/b/tree/v1 into "), "{how}");
        assert!(how.contains("`clippie-rs convert FOLDER OUT.clippie`"), "{how}");
    }

    #[test]
    fn a_known_repository_is_the_known_model() {
        let name = parse("hf-hub:timm/MobileCLIP2-S2-OpenCLIP").unwrap();
        assert_eq!(name.to_string(), "mobileclip2-s2");
        // Another revision is another model.
        assert_eq!(parse("hf-hub:timm/MobileCLIP2-S2-OpenCLIP@v2").unwrap().known(), None);
    }

    #[test]
    fn invalid_names_are_refused() {
        let error = parse("mobileclip2-s2:f8").unwrap_err().to_string();
        assert!(
            error.contains("`mobileclip2-s2`, `mobileclip2-s2:f16` and `mobileclip2-s2:int8` are known"),
            "{error}"
        );
        for text in ["", "vit", "mobileclip2-s5", "demo", "a/b", "models/x.clippie", "hf-hub", "\u{1b}[31m"] {
            assert!(matches!(parse(text), Err(NameError::Unknown { similar: None, .. })), "{text:?}");
        }
        for (text, meant) in
            [("MobileCLIP2_S2", "mobileclip2-s2"), ("ViT-B-32", "vit-b-32-openai"), ("RN50x64", "rn50x64-openai")]
        {
            let error = parse(text).unwrap_err();
            assert!(error.to_string().contains(&format!("`{meant}`")), "{error}");
        }
        for text in [
            "hf-hub:",
            "hf-hub:a",
            "hf-hub:a/",
            "hf-hub:/b",
            "hf-hub:a/b/c",
            "hf-hub:a/..",
            "hf-hub:../b",
            "hf-hub:a/b?c",
            "hf-hub:a/b c",
            "hf-hub:a/-b",
            "hf-hub:a/b--c",
            "hf-hub:a/b@",
            "hf-hub:a/b@../../x",
            "hf-hub:a/b@/x",
            "hf-hub:a/b@x//y",
            "hf-hub:a/b@x\r\ny",
            "hf-hub:a/b@.git",
        ] {
            assert!(matches!(parse(text), Err(NameError::Repository { .. })), "{text:?}");
        }
        assert!(parse(&format!("hf-hub:a/{}", "b".repeat(97))).is_err());
    }
}
