//! From a model's name to its weights file.

use std::path::PathBuf;

use super::messages::{Failure, Messages};
use crate::hub::ModelName;

#[cfg(feature = "hub")]
use {super::pull, crate::hub::Hub, crate::hub::PullOptions};

/// The weights file of a model that is here.
#[cfg(feature = "hub")]
pub(super) fn find(name: &ModelName) -> Result<PathBuf, Failure> {
    let hub = Hub::from_env().map_err(crate::Error::from)?;
    match hub.find(name).map_err(crate::Error::from)? {
        Some(model) => Ok(model.path),
        None => Err(Failure::Error(format!("{name} is not on this computer; `clippie-rs pull {name}` fetches it"))),
    }
}

/// The weights files of all models that are here by name; none where their folder cannot be read.
#[cfg(feature = "hub")]
pub(super) fn all() -> Vec<PathBuf> {
    let models = Hub::from_env().and_then(|hub| hub.models()).unwrap_or_default();
    models.into_iter().map(|model| model.path).collect()
}

/// The weights file of a model, fetched if it is not here.
#[cfg(feature = "hub")]
pub(super) fn find_or_pull(name: &ModelName, messages: &Messages) -> Result<PathBuf, Failure> {
    let hub = Hub::from_env().map_err(crate::Error::from)?;
    match hub.find(name).map_err(crate::Error::from)? {
        Some(model) => Ok(model.path),
        None => Ok(pull::fetch(&hub, name, PullOptions::default(), messages)?.path),
    }
}

/// None can be here by name.
#[cfg(not(feature = "hub"))]
pub(super) fn all() -> Vec<PathBuf> {
    Vec::new()
}

/// No model can be here by name.
#[cfg(not(feature = "hub"))]
pub(super) fn find(name: &ModelName) -> Result<PathBuf, Failure> {
    Err(by_hand(name))
}

/// Nothing can be fetched.
#[cfg(not(feature = "hub"))]
pub(super) fn find_or_pull(name: &ModelName, _messages: &Messages) -> Result<PathBuf, Failure> {
    Err(by_hand(name))
}

/// How to get a model without the feature `hub`.
#[cfg(not(feature = "hub"))]
fn by_hand(name: &ModelName) -> Failure {
    let repository = name.repository();
    let (file, told) = match name.known() {
        Some(model) => (model.file, format!(" --model {}", model.name)),
        None => ("the checkpoint", String::new()),
    };
    Failure::Error(format!(
        "this clippie-rs was built without network (feature `hub`): download {file} and the .json files beside it from \
         https://huggingface.co/{repository} into a folder, convert it with `clippie-rs convert FOLDER \
         OUT.clippie{told}`, and give OUT.clippie with -m"
    ))
}
