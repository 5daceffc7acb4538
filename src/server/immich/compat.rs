//! Photos and texts prepared as Immich's container prepares them, so that embeddings stand beside those that it made.

use crate::clip::Options;
use crate::preprocess::{Interpolation, PreprocessConfig, ResizeMode};
use crate::weights::WeightsFile;

/// Which of Immich's two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compat {
    /// Up to 2.5.6 at least: every model crops the centre, bicubically, whatever its configuration says.
    Crop,
    /// Later: as the configuration of a model says.
    Config,
}

/// Options that open a file with Immich's preprocessing. One whose preprocessing cannot be read is refused when it is
/// opened.
pub(in crate::server) fn options(options: Options, weights: &WeightsFile, compat: Option<Compat>) -> Options {
    let stated = serde_json::from_value::<PreprocessConfig>(weights.header().meta.preprocess.clone());
    match (compat, stated) {
        // The container ignores the orientation, which Immich has applied to what it sends, and repairs no text.
        (Some(compat), Ok(stated)) => options.preprocess(compat.applied(stated)).orient(false).repair_texts(false),
        _ => options,
    }
}

impl Compat {
    fn applied(self, stated: PreprocessConfig) -> PreprocessConfig {
        match (self, stated.resize) {
            (Compat::Crop, _) => {
                stated.with_resize(ResizeMode::ShortestFloor).with_interpolation(Interpolation::Bicubic)
            }
            (Compat::Config, ResizeMode::Shortest) => stated.with_resize(ResizeMode::ShortestFloor),
            (Compat::Config, _) => stated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_way_crops_and_the_later_one_does_as_the_model_says() {
        let crop = PreprocessConfig::openai(224).with_interpolation(Interpolation::Bilinear);
        let squash = PreprocessConfig::openai(224).with_resize(ResizeMode::Squash);
        let of = |compat: Compat, config: &PreprocessConfig| {
            let applied = compat.applied(config.clone());
            assert_eq!((applied.image_size, applied.mean), (config.image_size, config.mean));
            (applied.resize, applied.interpolation)
        };
        assert_eq!(of(Compat::Crop, &crop), (ResizeMode::ShortestFloor, Interpolation::Bicubic));
        assert_eq!(of(Compat::Crop, &squash), (ResizeMode::ShortestFloor, Interpolation::Bicubic));
        assert_eq!(of(Compat::Config, &crop), (ResizeMode::ShortestFloor, Interpolation::Bilinear));
        assert_eq!(of(Compat::Config, &squash), (ResizeMode::Squash, Interpolation::Bicubic));
    }
}
