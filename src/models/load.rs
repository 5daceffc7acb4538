//! The one walk over the layers of a model: loading its towers from a file, or listing their layers.

use super::Error;
use super::config::ModelConfig;
use super::image_tower::ImageTower;
use super::layer::Layer;
use super::loading::Loading;
use super::scope::{Scope, Source};
use super::text_tower::TextTower;
use crate::weights::{Tower, WeightsFile};

/// The towers of a model, those that it has.
type Towers = (Option<ImageTower>, Option<TextTower>);

/// Loads the towers of a file. Refuses a file with tensors that neither the model has nor `other` names.
pub(crate) fn load(weights: &WeightsFile, config: &ModelConfig, other: Option<&str>) -> Result<Towers, Error> {
    let mut source = Source::File(Loading::new(weights));
    let towers = walk(&mut source, config)?;
    if let Source::File(file) = source {
        file.refuse_others(other)?;
    }
    Ok(towers)
}

/// Lists every layer of a model, in the order of the file.
pub(crate) fn layers(config: &ModelConfig) -> Result<Vec<Layer>, Error> {
    let mut source = Source::List(Vec::new());
    walk(&mut source, config)?;
    match source {
        Source::List(layers) => Ok(layers),
        Source::File(_) => Ok(Vec::new()),
    }
}

fn walk(source: &mut Source, config: &ModelConfig) -> Result<Towers, Error> {
    let embed_dim = config.embed_dim;
    let image = config.image.as_ref().map(|image| {
        let mut scope = Scope::root(source, Tower::Image);
        ImageTower::load(&mut scope, image, embed_dim)
    });
    let image = image.transpose()?;
    let text = config.text.as_ref().map(|text| {
        let mut scope = Scope::root(source, Tower::Text);
        TextTower::load(&mut scope, text, embed_dim)
    });
    Ok((image, text.transpose()?))
}
