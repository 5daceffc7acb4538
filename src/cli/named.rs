//! Finds the weights file of a model by its name.

use std::path::PathBuf;

use super::messages::{Failure, Messages};
use crate::hub::ModelName;

#[cfg(feature = "hub")]
use {super::pull, crate::hub::Hub, crate::hub::PullOptions};

/// Finds the weights file of an installed model.
#[cfg(feature = "hub")]
pub(super) fn find(name: &ModelName) -> Result<PathBuf, Failure> {
    let hub = Hub::from_env().map_err(crate::Error::from)?;
    match hub.find(name).map_err(crate::Error::from)? {
        Some(model) => Ok(model.path),
        None => Err(Failure::Error(format!("{name} is not on this computer; `clippie-rs pull {name}` fetches it"))),
    }
}

/// The weights files of all installed models; none if their folder cannot be read.
#[cfg(feature = "hub")]
pub(super) fn all() -> Vec<PathBuf> {
    let models = Hub::from_env().and_then(|hub| hub.models()).unwrap_or_default();
    models.into_iter().map(|model| model.path).collect()
}

/// Finds the weights file of a model; pulls the model if it is not installed.
#[cfg(feature = "hub")]
pub(super) fn find_or_pull(name: &ModelName, messages: &Messages) -> Result<PathBuf, Failure> {
    let hub = Hub::from_env().map_err(crate::Error::from)?;
    match hub.find(name).map_err(crate::Error::from)? {
        Some(model) => Ok(model.path),
        None => Ok(pull::fetch(&hub, name, PullOptions::default(), messages)?.path),
    }
}

/// Without the feature `hub` no model is installed.
#[cfg(not(feature = "hub"))]
pub(super) fn all() -> Vec<PathBuf> {
    Vec::new()
}

/// Without the feature `hub` no model is installed.
#[cfg(not(feature = "hub"))]
pub(super) fn find(name: &ModelName) -> Result<PathBuf, Failure> {
    Err(crate::Error::ModelName { name: name.to_string() }.into())
}

/// Without the feature `hub` nothing can be pulled.
#[cfg(not(feature = "hub"))]
pub(super) fn find_or_pull(name: &ModelName, _messages: &Messages) -> Result<PathBuf, Failure> {
    Err(crate::Error::ModelName { name: name.to_string() }.into())
}
