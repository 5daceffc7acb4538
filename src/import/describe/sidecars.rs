//! Configuration files: those in the checkpoint's folder, or one that the user named.

use std::path::Path;

use super::facts::Facts;
use super::json::{self, Fields};
use super::{apple, huggingface, open_clip};
use crate::import::error::Error;
use crate::import::recipes::SourceLayout;

/// open_clip's file.
const OPEN_CLIP: &str = "open_clip_config.json";
/// transformers' and Apple's file. Some repositories publish a bare open_clip `model_cfg` under this name.
const CONFIG: &str = "config.json";
/// transformers' files of an image processor; the first is the usual one.
const PROCESSORS: [&str; 2] = ["preprocessor_config.json", "processor_config.json"];

/// Reads the named file, and the image processor's in the same folder if the file leaves the preprocessing open.
pub(super) fn named(path: &Path) -> Result<Vec<Facts>, Error> {
    match parse(path)? {
        Some(facts) => with_processor(facts, path.parent()),
        None => Err(Error::Config {
            path: path.to_owned(),
            reason: "is neither an open_clip config (`model_cfg`) nor one of Apple's MobileCLIP (`image_cfg`), of a \
                     Hugging Face CLIPModel or of an image processor"
                .to_owned(),
        }),
    }
}

/// Reads the configuration files in the checkpoint's folder.
pub(super) fn found(folder: &Path, layout: SourceLayout) -> Result<Vec<Facts>, Error> {
    let names = match layout {
        SourceLayout::HuggingFace | SourceLayout::Apple => [CONFIG, OPEN_CLIP],
        SourceLayout::OpenAi | SourceLayout::OpenClip => [OPEN_CLIP, CONFIG],
    };
    for name in names {
        let path = folder.join(name);
        // A `config.json` may belong to something else.
        if path.is_file()
            && let Some(facts) = parse(&path)?
        {
            return with_processor(facts, Some(folder));
        }
    }
    Ok(processor(folder)?.into_iter().collect())
}

/// Reads a configuration file of any known form.
fn parse(path: &Path) -> Result<Option<Facts>, Error> {
    let value = json::read(path)?;
    let root = Fields::root(path, &value)?;
    if open_clip::recognise(&root) {
        open_clip::facts(&root).map(Some)
    } else if apple::recognise(&root) {
        apple::facts(&root).map(Some)
    } else if huggingface::recognise_model(&root) {
        huggingface::model(&root).map(Some)
    } else if huggingface::recognise_processor(&root) {
        huggingface::processor(&root).map(Some)
    } else {
        Ok(None)
    }
}

/// Adds the image processor's file in `folder` if the facts leave the preprocessing open.
fn with_processor(facts: Facts, folder: Option<&Path>) -> Result<Vec<Facts>, Error> {
    let is_open = facts.preprocess.mean.is_none();
    let mut all = vec![facts];
    if let Some(folder) = folder.filter(|_| is_open) {
        all.extend(processor(folder)?);
    }
    Ok(all)
}

/// Reads the image processor's file in a folder, if there is one.
fn processor(folder: &Path) -> Result<Option<Facts>, Error> {
    for name in PROCESSORS {
        let path = folder.join(name);
        if !path.is_file() {
            continue;
        }
        let value = json::read(&path)?;
        let root = Fields::root(&path, &value)?;
        if huggingface::recognise_processor(&root) {
            return huggingface::processor(&root).map(Some);
        }
    }
    Ok(None)
}
