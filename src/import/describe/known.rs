//! The published vision transformers whose weights do not say how they were trained: their activation, their
//! preprocessing, and the shapes that go with the name.
//!
//! Source of the values: open_clip 3.3.0, `pretrained.py` (per tag) and `model_configs/`.

use super::facts::{About, Facts, PreprocessFacts};
use crate::import::error::{Error, printable};
use crate::import::names::parts::Shapes;
use crate::models::config::Activation;
use crate::preprocess::{Interpolation, PreprocessConfig, ResizeMode};

/// An architecture by its published name.
struct Architecture {
    image_size: usize,
    patch_size: usize,
    image_width: usize,
    image_layers: usize,
    text_width: usize,
    embed_dim: usize,
}

const B_32: Architecture = Architecture {
    image_size: 224,
    patch_size: 32,
    image_width: 768,
    image_layers: 12,
    text_width: 512,
    embed_dim: 512,
};
const B_16: Architecture = Architecture { patch_size: 16, ..B_32 };
const L_14: Architecture =
    Architecture { patch_size: 14, image_width: 1024, image_layers: 24, text_width: 768, embed_dim: 768, ..B_32 };
const L_14_336: Architecture = Architecture { image_size: 336, ..L_14 };

/// Statistics that pixels are normalised with.
#[derive(Clone, Copy)]
enum Statistics {
    OpenAi,
    /// 0.5 and 0.5.
    Half,
}

use Activation::{Gelu, QuickGelu};
use Statistics::{Half, OpenAi};

/// Every known name. All resize the shorter edge with the bicubic filter.
const KNOWN: [(&str, &Architecture, Activation, Statistics); 11] = [
    ("vit-b-32-openai", &B_32, QuickGelu, OpenAi),
    ("vit-b-16-openai", &B_16, QuickGelu, OpenAi),
    ("vit-l-14-openai", &L_14, QuickGelu, OpenAi),
    ("vit-l-14-336-openai", &L_14_336, QuickGelu, OpenAi),
    ("vit-b-32-laion400m-e32", &B_32, QuickGelu, OpenAi),
    ("vit-b-32-laion2b", &B_32, Gelu, OpenAi),
    ("vit-b-16-laion2b", &B_16, Gelu, OpenAi),
    ("vit-l-14-laion2b", &L_14, Gelu, Half),
    ("vit-b-32-datacomp-xl", &B_32, Gelu, OpenAi),
    ("vit-b-16-datacomp-xl", &B_16, Gelu, OpenAi),
    ("vit-l-14-datacomp-xl", &L_14, Gelu, OpenAi),
];

/// Families whose names are known and whose checkpoints are not supported yet.
const LATER: [&str; 3] = ["rn", "mobileclip-", "mobileclip2-"];

/// Names that `--model` accepts.
pub fn known_models() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(name, ..)| *name)
}

/// What the name says.
pub(super) fn facts(name: &str) -> Result<Facts, Error> {
    let Some((name, architecture, activation, statistics)) = KNOWN.iter().find(|known| known.0 == name) else {
        let shown = printable(name);
        let reason = if LATER.iter().any(|family| name.starts_with(family)) {
            format!("model `{shown}` is not supported yet; vision transformers are")
        } else {
            let names: Vec<&str> = known_models().collect();
            format!("model `{shown}` is not known; known are {}", names.join(", "))
        };
        return Err(Error::Option { reason });
    };
    let mut facts = Facts::new(format!("model `{name}`"));
    facts.model_name = Some((*name).to_owned());
    describe(&mut facts, *activation, *statistics);
    facts.claim("patch_size", About::PatchSize, Some(architecture.patch_size));
    facts.claim("image_size", About::ImageSize, Some(architecture.image_size));
    facts.claim("image width", About::ImageWidth, Some(architecture.image_width));
    facts.claim("image layers", About::ImageLayers, Some(architecture.image_layers));
    facts.claim("text width", About::TextWidth, Some(architecture.text_width));
    facts.claim("text layers", About::TextLayers, Some(12));
    facts.claim("context_length", About::ContextLength, Some(77));
    facts.claim("vocab_size", About::VocabSize, Some(49408));
    facts.claim("embed_dim", About::EmbedDim, Some(architecture.embed_dim));
    Ok(facts)
}

/// What OpenAI's own layout says: all its models share their activation and preprocessing.
pub(super) fn openai() -> Facts {
    let mut facts = Facts::new("OpenAI's layout");
    describe(&mut facts, QuickGelu, OpenAi);
    facts
}

/// The known name of OpenAI's model with these shapes.
pub(super) fn openai_name(shapes: &Shapes) -> Option<String> {
    let fits = |name: &&str| facts(name).is_ok_and(|facts| facts.agrees(shapes));
    known_models().filter(|name| name.ends_with("-openai")).find(fits).map(str::to_owned)
}

fn describe(facts: &mut Facts, activation: Activation, statistics: Statistics) {
    for tower in [&mut facts.image, &mut facts.text] {
        tower.activation = Some(activation);
    }
    // The size comes from the tensors.
    let openai = PreprocessConfig::openai(0);
    let (mean, std) = match statistics {
        OpenAi => (openai.mean, openai.std),
        Half => ([0.5; 3], [0.5; 3]),
    };
    facts.preprocess = PreprocessFacts {
        mean: Some(mean),
        std: Some(std),
        interpolation: Some(Interpolation::Bicubic),
        resize: Some(ResizeMode::Shortest),
    };
}
