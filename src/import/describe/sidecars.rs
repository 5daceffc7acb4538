//! Configuration files: those in the checkpoint's folder, and what the user named in their place.
//!
//! There are three kinds: of a model, of an image processor, of a tokenizer. A file that the user names takes the place
//! of those of its kind; a folder takes the place of the checkpoint's folder.

use std::path::Path;

use serde_json::Value;

use super::facts::Facts;
use super::pieces::{self, Family};
use super::{apple, huggingface, json, open_clip, processor, tokenizer, words};
use crate::import::error::Error;
use crate::import::recipes::SourceLayout;

/// open_clip's file.
const OPEN_CLIP: &str = "open_clip_config.json";
/// transformers' and Apple's file. Some repositories publish a bare open_clip `model_cfg` under this name.
const CONFIG: &str = "config.json";
/// transformers' files of an image processor; the first is the usual one.
const PROCESSORS: [&str; 2] = ["preprocessor_config.json", "processor_config.json"];
/// transformers' files of a tokenizer.
const TOKENIZERS: [&str; 2] = ["tokenizer_config.json", "special_tokens_map.json"];

/// What a file configures.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A model with its tokenizer and, if it states it, its preprocessing.
    OpenClip,
    /// An image and a text tower.
    Apple,
    /// transformers' model, whose preprocessing and tokenizer have files of their own.
    HuggingFace,
    Processor,
    Tokenizer,
}

/// What turns the texts of a model into ids.
#[derive(Clone, Copy, Debug)]
pub(super) enum Texts {
    /// CLIP's tokenizer: the files of a vocabulary must hold CLIP's.
    Clip,
    /// Pieces that come with the model.
    Pieces(Family),
    /// Nothing that is known here.
    Unknown,
    /// It has none.
    Absent,
}

/// Reads the configuration files of a checkpoint in `folder`, and the file or folder that the user `named`.
pub(super) fn read(
    named: Option<&Path>,
    folder: Option<&Path>,
    layout: SourceLayout,
    texts: Texts,
) -> Result<Vec<Facts>, Error> {
    let folders = folders(named, folder);
    let pieces = matches!(texts, Texts::Pieces(_));
    let is_config = |path: &&Path| !(path.is_dir() || pieces && pieces::is_file_of_pieces(path));
    let given = match named.filter(is_config) {
        Some(path) => {
            let Some(found) = parse(path, texts)? else { return unknown(path) };
            Some(found)
        }
        None => None,
    };
    let of = |kinds: &[Kind]| given.as_ref().filter(|(kind, _)| kinds.contains(kind)).cloned();
    let model = match of(&[Kind::OpenClip, Kind::Apple, Kind::HuggingFace]) {
        Some(model) => Some(model),
        None => model(&folders, layout, texts)?,
    };
    let kind = model.as_ref().map(|(kind, _)| *kind);
    let mut all: Vec<Facts> = model.into_iter().map(|(_, facts)| facts).collect();

    if let Some((_, facts)) = of(&[Kind::Processor]) {
        // It was named, so it takes precedence over a model's file that states the preprocessing, too.
        all.insert(0, facts);
    } else if all.first().is_none_or(|facts| facts.preprocess.mean.is_none()) {
        all.extend(processor(&folders)?);
    }
    let transformers = kind.unwrap_or(Kind::HuggingFace) == Kind::HuggingFace && layout == SourceLayout::HuggingFace;
    match of(&[Kind::Tokenizer]) {
        Some((_, facts)) => all.push(facts),
        None => match texts {
            Texts::Pieces(family) => all.extend(pieces::facts(family, &folders, &TOKENIZERS)?),
            Texts::Clip | Texts::Unknown if transformers => all.extend(tokenizers(&folders)?),
            Texts::Clip | Texts::Unknown | Texts::Absent => {}
        },
    }
    // A vocabulary that was named takes the place of the one beside the checkpoint, and `parse` has compared it.
    if matches!(texts, Texts::Clip) && transformers && !named.is_some_and(words::is_vocabulary) {
        words::check_folders(&folders)?;
    }
    match named {
        Some(path) if all.is_empty() && !(pieces && pieces::is_file_of_pieces(path)) => unknown(path),
        _ => Ok(all),
    }
}

/// The folders in which files are looked for: that of the checkpoint, after that of a file that the user named, whose
/// neighbours belong to it; or the folder that the user named, in place of both.
pub(super) fn folders<'a>(named: Option<&'a Path>, folder: Option<&'a Path>) -> Vec<&'a Path> {
    match named {
        Some(path) if path.is_dir() => vec![path],
        Some(path) => path.parent().into_iter().chain(folder).collect(),
        None => folder.into_iter().collect(),
    }
}

fn unknown<T>(path: &Path) -> Result<T, Error> {
    let what = if path.is_dir() { "holds no" } else { "is no" };
    Err(Error::Config {
        path: path.to_owned(),
        reason: format!(
            "{what} configuration of open_clip (`model_cfg`), of Apple's MobileCLIP (`image_cfg`) or of a Hugging Face \
             CLIPModel, nor of its image processor or tokenizer; give another file, or leave --config out"
        ),
    })
}

/// Finds the model's file.
fn model(folders: &[&Path], layout: SourceLayout, texts: Texts) -> Result<Option<(Kind, Facts)>, Error> {
    let names = match layout {
        SourceLayout::HuggingFace | SourceLayout::Apple => [CONFIG, OPEN_CLIP],
        SourceLayout::OpenAi | SourceLayout::OpenClip | SourceLayout::Perception => [OPEN_CLIP, CONFIG],
    };
    for path in folders.iter().flat_map(|folder| names.map(|name| folder.join(name))).filter(|path| path.is_file()) {
        match parse(&path, texts)? {
            Some((kind @ (Kind::OpenClip | Kind::Apple | Kind::HuggingFace), facts)) => return Ok(Some((kind, facts))),
            // A `config.json` may belong to something else.
            _ => tracing::warn!(
                "{} is the configuration of no model that is known here; it was not read",
                path.display()
            ),
        }
    }
    Ok(None)
}

/// Reads a configuration file of any known form.
fn parse(path: &Path, texts: Texts) -> Result<Option<(Kind, Facts)>, Error> {
    if words::check(path)? {
        return Ok(Some((Kind::Tokenizer, Facts::new(path.display().to_string()))));
    }
    let value = json::read(path)?;
    match texts {
        Texts::Pieces(family) if value.is_object() && tokenizer::recognise(&value) => {
            Ok(Some((Kind::Tokenizer, family.facts(path, &value)?)))
        }
        _ => parse_value(path, &value),
    }
}

/// Reads the content of a configuration file, for the fuzz targets.
#[cfg(fuzzing)]
pub(in crate::import) fn fuzz(path: &Path, text: &[u8]) -> Result<(), Error> {
    match words::check_text(path, text)? {
        true => Ok(()),
        false => parse_value(path, &json::parse(path, text)?).map(|_| ()),
    }
}

/// Reads a configuration of any known form.
fn parse_value(path: &Path, value: &Value) -> Result<Option<(Kind, Facts)>, Error> {
    type Form = (Kind, fn(&Value) -> bool, fn(&Path, &Value) -> Result<Facts, Error>);
    let forms: [Form; 5] = [
        (Kind::OpenClip, open_clip::recognise, open_clip::facts),
        (Kind::Apple, apple::recognise, apple::facts),
        (Kind::HuggingFace, huggingface::recognise, huggingface::facts),
        (Kind::Processor, processor::recognise, processor::facts),
        (Kind::Tokenizer, tokenizer::recognise, tokenizer::facts),
    ];
    let is_open_clip = path.file_name().is_some_and(|name| name == OPEN_CLIP);
    let form = match value {
        // The first is open_clip's.
        _ if is_open_clip => forms.into_iter().next(),
        Value::Object(_) => forms.into_iter().find(|(_, recognise, _)| recognise(value)),
        _ => return json::not_an_object(path),
    };
    form.map(|(kind, _, facts)| Ok((kind, facts(path, value)?))).transpose()
}

/// Reads the image processor's file, if there is one.
fn processor(folders: &[&Path]) -> Result<Option<Facts>, Error> {
    for folder in folders {
        for name in PROCESSORS {
            let path = folder.join(name);
            if !path.is_file() {
                continue;
            }
            let value = json::read(&path)?;
            // The second name may be of a file about other parts only.
            if name == PROCESSORS[0] || processor::recognise(&value) {
                return processor::facts(&path, &value).map(Some);
            }
        }
    }
    Ok(None)
}

/// Reads the tokenizer's files in the first folder that has one.
fn tokenizers(folders: &[&Path]) -> Result<Vec<Facts>, Error> {
    let mut all = Vec::new();
    for folder in folders {
        for path in TOKENIZERS.map(|name| folder.join(name)).iter().filter(|path| path.is_file()) {
            all.push(tokenizer::facts(path, &json::read(path)?)?);
        }
        if !all.is_empty() {
            break;
        }
    }
    Ok(all)
}
