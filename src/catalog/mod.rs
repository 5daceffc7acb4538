//! The catalogue of published models: names, architectures, preprocessing, sources, licenses and cost.
//!
//! One row per model in `table.rs`, one constant per architecture in `architectures.rs`. Readable without any feature
//! and without network. Knows no checkpoints.
//!
//! ```
//! use clippie_rs::catalog;
//!
//! let model = catalog::find("mobileclip2-s2").unwrap();
//! assert_eq!((model.image_size(), model.embed_dim()), (256, 512));
//! assert_eq!(model.repository, "timm/MobileCLIP2-S2-OpenCLIP");
//! assert!(catalog::models().iter().any(|model| model.license.id == "mit"));
//! ```

#![cfg_attr(
    not(feature = "import"),
    allow(dead_code, reason = "the importer alone reads configuration files and recognises models")
)]

mod architectures;
mod multilingual;
mod perception;
mod siglip;
mod table;

use std::fmt;

use crate::models::config::{Activation, ModelConfig};
use crate::preprocess::{Interpolation, PreprocessConfig, ResizeMode};
use architectures::Architecture;

pub(crate) use architectures::Trunk;

/// A published model. Models are equal if they have the same name.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Model {
    /// The name that every command and [`find`] accept.
    pub name: &'static str,
    /// Other names that people use. They are not accepted, but [`suggest`] finds the model by them.
    pub aliases: &'static [&'static str],
    /// The license of the weights.
    pub license: License,
    /// The languages of the texts that it was trained with.
    pub languages: Languages,
    /// How often it finds the right photo first, where that was published.
    pub recall: Recall,
    /// The Hugging Face repository of the weights: `owner/name`.
    pub repository: &'static str,
    /// Further repositories with the same weights: such whose configuration files do not state the preprocessing, and
    /// SigLIP in transformers' layout.
    pub other_repositories: &'static [&'static str],
    /// The checkpoint's file in the repository. If it is missing, the repository is searched like any other.
    pub file: &'static str,
    /// The revision to use (a branch, a tag or a commit), if `main` is not the right one.
    pub revision: Option<&'static str>,
    /// The repository of its tokenizer's file, if the repository of the weights has none.
    pub tokenizer_repository: Option<&'static str>,
    /// Activation of the MLPs of both towers, but for image towers of timm, which have that of their name. FastViT towers
    /// always have GELU. A SigLIP in transformers' layout has tanh-GELU in both towers, whatever stands here.
    pub activation: Activation,
    architecture: &'static Architecture,
    preprocess: Preprocess,
    /// The checkpoint layout, as weights files name it, in which no other model has the same shapes: there, shapes
    /// identify this one.
    unique_in: Option<&'static str>,
}

/// The license of a model's weights. Not legal advice: the text in the repository is binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct License {
    /// Hugging Face's identifier.
    pub id: &'static str,
    /// Whether the license was read in this repository or in its owner's repository of the same weights. Otherwise
    /// it is the license of the rest of the family.
    pub confirmed: bool,
}

/// The languages of the texts that a model was trained with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Languages {
    /// English, and of others what English collections happen to hold.
    English,
    /// A hundred and more, unequally: European languages well, others worse. SigLIP 2, and SigLIP's i18n.
    European,
    /// A hundred and more, also Chinese, Japanese, Korean, Hindi, Arabic: XLM-RoBERTa, NLLB, MetaCLIP 2.
    Worldwide,
}

impl Languages {
    /// Languages that [`Languages::European`] models know well, by ISO 639-1.
    const EUROPEAN: [&str; 31] = [
        "bg", "ca", "cs", "da", "de", "el", "en", "es", "et", "eu", "fi", "fr", "gl", "hr", "hu", "it", "lt", "lv",
        "nb", "nl", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv", "tr", "uk",
    ];

    /// Whether texts in a language, by its code of ISO 639-1 such as `de`, are what the model was trained for.
    ///
    /// That says little of how well it knows a rare one; see [`Recall::crossmodal`].
    #[must_use]
    pub fn serves(self, code: &str) -> bool {
        match self {
            Languages::English => code == "en",
            Languages::European => Self::EUROPEAN.contains(&code),
            Languages::Worldwide => true,
        }
    }

    /// The name: `english`, `european`, `worldwide`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Languages::English => "english",
            Languages::European => "european",
            Languages::Worldwide => "worldwide",
        }
    }
}

impl License {
    /// Whether it allows commercial use, as far as the identifier tells.
    #[must_use]
    pub fn is_permissive(self) -> bool {
        matches!(self.id, "mit" | "apache-2.0")
    }
}

/// Zero-shot retrieval of photos by captions: how often the right photo comes first, in percent. `None` where no figure was
/// found.
///
/// Sources: open_clip's `docs/openclip_retrieval_results.csv` and `openclip_multilingual_retrieval_results.csv`; for SigLIP 2
/// the README of big_vision, for MobileCLIP 2 Apple's results, for Perception Encoder the README of `perception_models`. They were measured by several people with small differences,
/// so a point of difference says little.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Recall {
    /// English captions, among the 5,000 photos of COCO's test split.
    pub coco: Option<f32>,
    /// English captions, among the 1,000 photos of Flickr30k's test split.
    pub flickr: Option<f32>,
    /// Captions in 36 languages, mean of all, among the 3,600 photos of Crossmodal-3600.
    pub crossmodal: Option<f32>,
}

/// Preparation of photos. All models but SigLIP, Perception Encoder, DFN5B's and some of MetaCLIP 2 resize the shorter edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Preprocess {
    /// Bicubic, OpenAI's mean and standard deviation.
    OpenAi,
    /// Bilinear, OpenAI's mean and standard deviation.
    OpenAiBilinear,
    /// Bicubic, mean and standard deviation of 0.5.
    Half,
    /// Bilinear, pixels in `0..=1` without normalisation.
    Plain,
    /// To a square, bicubic, mean and standard deviation of 0.5: SigLIP's in open_clip.
    Squash,
    /// To a square, bicubic, OpenAI's mean and standard deviation.
    OpenAiSquash,
    /// To a square, bilinear, mean and standard deviation of 0.5: Perception Encoder's.
    SquashBilinear,
}

/// Every published model that can be converted and run, by family and size.
pub fn models() -> &'static [Model] {
    &table::MODELS
}

/// The model with this name.
pub fn find(name: &str) -> Option<&'static Model> {
    models().iter().find(|model| model.name == name)
}

/// The model whose weights the Hugging Face repository `owner/name` holds, in any form.
pub fn find_repository(repository: &str) -> Option<&'static Model> {
    models().iter().find(|model| model.repository == repository || model.other_repositories.contains(&repository))
}

/// The model that a name probably means if [`find`] does not know it: tolerates upper case, `_` and spaces, and
/// searches the aliases.
pub fn suggest(name: &str) -> Option<&'static Model> {
    let name = canonical(name);
    models().iter().find(|model| model.name == name || model.aliases.contains(&name.as_str()))
}

fn canonical(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', ' '], "-")
}

impl Model {
    /// The description of both towers, as a weights file of the model's own checkpoint has it. `logit_scale` is 0, and so
    /// is the `logit_bias` of a model that has one: they belong to the weights.
    pub fn config(&self) -> ModelConfig {
        let (mut image, mut text) = (self.architecture.image(), self.architecture.text());
        let of_image = self.trunk().map_or(self.activation, |trunk| trunk.activation);
        for (open, own) in [(image.open_settings(), of_image), (text.open_settings(), self.activation)] {
            if let Some(activation) = open.activation {
                *activation = own;
            }
        }
        let config = ModelConfig::new(self.embed_dim(), 0.0, Some(image), Some(text));
        ModelConfig { logit_bias: self.is_sigmoid().then_some(0.0), ..config }
    }

    /// The preparation of photos.
    pub fn preprocess(&self) -> PreprocessConfig {
        self.preprocess.config(self.image_size())
    }

    /// Side of the square that photos become, in pixels.
    pub fn image_size(&self) -> usize {
        self.architecture.image().image_size()
    }

    /// Length of the embeddings.
    pub fn embed_dim(&self) -> usize {
        self.architecture.embed_dim
    }

    /// Parameters of the image tower in the published form, before branches are folded.
    pub fn image_parameters(&self) -> u64 {
        self.architecture.image_parameters
    }

    /// Parameters of the text tower in the published form, before branches are folded.
    pub fn text_parameters(&self) -> u64 {
        self.architecture.text_parameters
    }

    /// All parameters in the published form: both towers, the logit scale and, of a SigLIP, the logit bias.
    pub fn total_parameters(&self) -> u64 {
        self.image_parameters() + self.text_parameters() + if self.is_sigmoid() { 2 } else { 1 }
    }

    /// Whether its texts are pieces of a vocabulary other than CLIP's, whose file belongs to it.
    #[cfg(feature = "hub")]
    pub(crate) fn has_pieces(&self) -> bool {
        self.architecture.text().vocab_size() != architectures::VOCAB_SIZE
    }

    /// Whether the model was trained with a sigmoid, so that a cosine has a probability of its own: SigLIP.
    pub(crate) fn is_sigmoid(&self) -> bool {
        self.preprocess == Preprocess::Squash
    }

    /// The approximate size of the checkpoint in bytes: four per parameter, because all of these are published in
    /// single precision. Running statistics, counters and names add less than one percent.
    pub fn download_bytes(&self) -> u64 {
        4 * self.total_parameters()
    }

    /// Multiply-adds of the image tower per photo, in 10^9.
    pub fn gmac_per_image(&self) -> f64 {
        self.architecture.gmac_per_image
    }

    /// Operations of the image tower per photo, in 10^9; a multiply-add counts as two.
    pub fn gflop_per_image(&self) -> f64 {
        2.0 * self.gmac_per_image()
    }

    /// The image tower's published name, if it has one.
    pub(crate) fn trunk(&self) -> Option<&'static Trunk> {
        self.architecture.trunk
    }

    /// Whether no other model has the same shapes in the checkpoint layout.
    pub(crate) fn is_unique_in(&self, layout: &str) -> bool {
        self.unique_in == Some(layout)
    }
}

impl PartialEq for Model {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Model {}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("name", &self.name).field("repository", &self.repository).finish_non_exhaustive()
    }
}

impl Preprocess {
    fn config(self, image_size: usize) -> PreprocessConfig {
        let openai = PreprocessConfig::openai(image_size);
        let interpolation = Interpolation::Bilinear;
        match self {
            Preprocess::OpenAi => openai,
            Preprocess::OpenAiBilinear => PreprocessConfig { interpolation, ..openai },
            Preprocess::Half => PreprocessConfig { mean: [0.5; 3], std: [0.5; 3], ..openai },
            Preprocess::Squash => {
                PreprocessConfig { resize: ResizeMode::Squash, mean: [0.5; 3], std: [0.5; 3], ..openai }
            }
            Preprocess::SquashBilinear => {
                PreprocessConfig { resize: ResizeMode::Squash, interpolation, mean: [0.5; 3], std: [0.5; 3], ..openai }
            }
            Preprocess::OpenAiSquash => PreprocessConfig { resize: ResizeMode::Squash, ..openai },
            Preprocess::Plain => PreprocessConfig { interpolation, mean: [0.0; 3], std: [1.0; 3], ..openai },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::config::TextConfig;

    #[test]
    fn names_and_repositories_find_their_model() {
        for model in models() {
            assert_eq!(find(model.name), Some(model));
            assert_eq!(suggest(model.name), Some(model));
            for repository in [&[model.repository], model.other_repositories].concat() {
                assert_eq!(find_repository(repository), Some(model));
            }
            for alias in model.aliases {
                assert_eq!((find(alias), suggest(alias)), (None, Some(model)));
            }
        }
        assert_eq!(find_repository("apple/MobileCLIP2-S0"), find("mobileclip2-s0"));
        assert_eq!(suggest("MobileCLIP2_S2"), find("mobileclip2-s2"));
        assert_eq!(suggest("RN50x16"), find("rn50x16-openai"));
        assert_eq!((find("demo"), suggest("vit"), find_repository("a/b")), (None, None, None));
    }

    #[test]
    fn every_row_is_filled() {
        for model in models() {
            let name = model.name;
            assert!(model.image_size() > 0 && model.embed_dim() > 0, "{name}");
            assert!(model.image_parameters() > 0 && model.text_parameters() > 0, "{name}");
            assert!(model.gflop_per_image() > 0.0, "{name}");
            assert!(!model.license.id.is_empty() && !model.file.is_empty(), "{name}");
            assert!(model.repository.split('/').filter(|part| !part.is_empty()).count() == 2, "{name}");
            assert_eq!(models().iter().filter(|other| other.repository == model.repository).count(), 1, "{name}");
            assert_eq!(models().iter().filter(|other| other.name == name).count(), 1, "{name}");
        }
    }

    /// Totals as published, compared with the sums of the table.
    #[test]
    fn towers_add_up_to_the_published_totals() {
        for (name, total) in [
            ("vit-b-32-openai", 151_277_313),
            ("vit-b-16-laion2b", 149_620_737),
            ("vit-l-14-datacomp-xl", 427_616_513),
            ("vit-l-14-336-openai", 427_944_193),
            ("rn50-openai", 102_007_137),
            ("rn101-yfcc15m", 119_688_033),
            ("rn50x4-openai", 178_300_601),
            ("rn50x16-openai", 290_979_217),
            ("rn50x64-openai", 623_258_305),
            ("mobileclip-s0", 53_847_681),
            ("mobileclip2-s0", 74_835_073),
            ("mobileclip-s1", 84_969_729),
            ("mobileclip2-s2", 99_243_329),
            ("mobileclip-b", 149_777_153),
            ("mobileclip-s3", 248_885_953),
            ("mobileclip2-s4", 445_435_137),
            ("mobileclip2-l-14", 427_617_281),
            ("vit-b-32-256-datacomp", 151_288_833),
            ("vit-b-16-plus-240-laion400m-e32", 208_377_345),
            ("tinyclip-vit-8m-16", 23_446_017),
            ("tinyclip-vit-61m-32", 115_382_145),
            ("vit-h-14-laion2b", 986_109_441),
            ("vit-h-14-378-dfn5b", 986_714_881),
            ("vit-g-14-laion2b-s34b", 1_366_678_273),
            ("vit-bigg-14-laion2b", 2_539_567_105),
            ("xlm-r-base-vit-b-32", 366_121_473),
            ("siglip-b-16-224", 203_155_970),
            ("siglip-so400m-14-224", 877_360_306),
            ("siglip-so400m-14-384", 877_960_498),
            ("siglip-so400m-i18n-256", 1_127_430_706),
            ("siglip2-b-32-256", 376_856_066),
            ("siglip2-b-16-512", 375_823_874),
            ("siglip2-l-16-512", 882_313_218),
            ("siglip2-gopt-16-384", 1_871_885_426),
            ("pe-core-t-16-384", 69_546_113),
            ("pe-core-s-16-384", 87_188_225),
            ("pe-core-b-16-224", 447_660_545),
            ("pe-core-l-14-336", 671_138_817),
            ("pe-core-g-14-448", 2_419_267_841),
        ] {
            assert_eq!(find(name).unwrap().total_parameters(), total, "{name}");
        }
    }

    #[test]
    fn every_model_can_be_run() {
        for model in models() {
            model.config().validate().unwrap();
            model.preprocess().validate().unwrap();
        }
    }

    #[test]
    fn settings_are_those_of_the_weights() {
        let causal = |name: &str| match find(name).unwrap().config().text {
            Some(TextConfig::Transformer(text)) => Some(text.causal),
            _ => None,
        };
        assert_eq!((causal("vit-b-32-openai"), causal("mobileclip-b")), (Some(true), Some(true)));
        assert_eq!((causal("mobileclip2-s0"), causal("mobileclip2-l-14")), (Some(false), Some(false)));
        assert_eq!(causal("mobileclip-s0"), None);

        let preprocess = |name: &str| find(name).unwrap().preprocess();
        assert_eq!(preprocess("vit-l-14-336-openai"), PreprocessConfig::openai(336));
        assert_eq!(preprocess("mobileclip2-l-14"), PreprocessConfig::openai(224));
        let bilinear = PreprocessConfig { interpolation: Interpolation::Bilinear, ..PreprocessConfig::openai(256) };
        assert_eq!(preprocess("mobileclip-s3"), bilinear);
        assert_eq!(preprocess("mobileclip-s0"), PreprocessConfig { mean: [0.0; 3], std: [1.0; 3], ..bilinear });
        assert_eq!(preprocess("rn50x64-openai"), PreprocessConfig::openai(448));
        assert_eq!(preprocess("rn50-cc12m"), PreprocessConfig::openai(224));
        let half = PreprocessConfig { mean: [0.5; 3], std: [0.5; 3], ..PreprocessConfig::openai(224) };
        assert_eq!(preprocess("vit-l-14-laion2b"), half);
    }
}
