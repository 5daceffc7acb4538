//! The published models whose weights do not say how they were trained: their activation, their
//! preprocessing, and the shapes that go with the name.
//!
//! Source of the values: open_clip 3.3.0, `pretrained.py` (per tag) and `model_configs/`; for those MobileCLIPs that
//! it does not know, Apple's `ml-mobileclip`.

use super::facts::{About, Facts, PreprocessFacts};
use super::trunk::Trunk;
use crate::import::error::{Error, printable};
use crate::import::names::parts::{ImageShapes, Shapes};
use crate::import::names::{Mapped, SourceLayout};
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
    /// 0 and 1: pixels as they are.
    None,
}

use Activation::{Gelu, QuickGelu};
use Interpolation::{Bicubic, Bilinear};
use Statistics::{Half, OpenAi};

/// Every known vision transformer. All resize the shorter edge with the bicubic filter.
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

/// A MobileCLIP. All have GELU and resize the shorter edge.
struct MobileClip {
    name: &'static str,
    /// timm's name of the image tower.
    trunk: &'static str,
    text: Text,
    /// Width of the text tower and length of the embeddings.
    width: usize,
    statistics: Statistics,
    interpolation: Interpolation,
}

/// The text towers of MobileCLIP.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    /// Every token sees every other.
    Bidirectional,
    Causal,
    /// Four layers between two blocks of convolutions, bidirectional too.
    Hybrid,
}

/// Every known MobileCLIP.
const MOBILE_CLIPS: [MobileClip; 14] = [
    MobileClip { text: Text::Hybrid, ..small("mobileclip-s0", "fastvit_mci0") },
    small("mobileclip-s1", "fastvit_mci1"),
    small("mobileclip-s2", "fastvit_mci2"),
    MobileClip { text: Text::Causal, ..small("mobileclip-b", "vit_base_mci_224") },
    MobileClip { text: Text::Causal, ..small("mobileclip-b-lt", "vit_base_mci_224") },
    large("mobileclip-s3", "fastvit_mci3"),
    large("mobileclip-s4", "fastvit_mci4"),
    MobileClip { interpolation: Bicubic, ..large("mobileclip-l-14", "vit_large_patch14_clip_224") },
    small("mobileclip2-s0", "fastvit_mci0"),
    small("mobileclip2-s2", "fastvit_mci2"),
    MobileClip { text: Text::Causal, ..small("mobileclip2-b", "vit_base_mci_224") },
    large("mobileclip2-s3", "fastvit_mci3"),
    large("mobileclip2-s4", "fastvit_mci4"),
    MobileClip { interpolation: Bicubic, ..large("mobileclip2-l-14", "vit_large_patch14_clip_224") },
];

/// Apple's own names tell these apart by their shapes.
const APPLE: [&str; 3] = ["mobileclip-s0", "mobileclip-s1", "mobileclip-s2"];

const fn small(name: &'static str, trunk: &'static str) -> MobileClip {
    let statistics = Statistics::None;
    MobileClip { name, trunk, text: Text::Bidirectional, width: 512, statistics, interpolation: Bilinear }
}

const fn large(name: &'static str, trunk: &'static str) -> MobileClip {
    MobileClip { width: 768, statistics: OpenAi, ..small(name, trunk) }
}

/// Names that `--model` accepts.
pub fn known_models() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(name, ..)| *name).chain(MOBILE_CLIPS.iter().map(|model| model.name))
}

/// How the model of a known name prepares photos.
pub fn known_preprocess(name: &str) -> Option<PreprocessConfig> {
    let facts = facts(name).ok()?;
    let PreprocessFacts { mean, std, interpolation, resize } = facts.preprocess;
    Some(PreprocessConfig {
        image_size: facts.image_size()?,
        resize: resize?,
        interpolation: interpolation?,
        mean: mean?,
        std: std?,
    })
}

/// What the name says.
pub(super) fn facts(name: &str) -> Result<Facts, Error> {
    if let Some(known) = KNOWN.iter().find(|known| known.0 == name) {
        return Ok(vit(known));
    }
    if let Some(model) = MOBILE_CLIPS.iter().find(|model| model.name == name) {
        return Ok(mobile_clip(model));
    }
    let shown = printable(name);
    let reason = if name.starts_with("rn") {
        format!("model `{shown}` is not supported yet; vision transformers and MobileCLIP are")
    } else {
        let names: Vec<&str> = known_models().collect();
        format!("model `{shown}` is not known; known are {}", names.join(", "))
    };
    Err(Error::Option { reason })
}

fn vit((name, architecture, activation, statistics): &(&str, &Architecture, Activation, Statistics)) -> Facts {
    let mut facts = named(name);
    describe(&mut facts, *activation, *statistics, Bicubic);
    facts.claim("patch_size", About::PatchSize, Some(architecture.patch_size));
    facts.claim("image_size", About::ImageSize, Some(architecture.image_size));
    facts.claim("image width", About::ImageWidth, Some(architecture.image_width));
    facts.claim("image layers", About::ImageLayers, Some(architecture.image_layers));
    claim_text(&mut facts, architecture.text_width, 12, architecture.embed_dim);
    facts
}

fn mobile_clip(model: &MobileClip) -> Facts {
    let mut facts = named(model.name);
    describe(&mut facts, Gelu, model.statistics, model.interpolation);
    facts.causal = Some(model.text == Text::Causal);
    facts.trunk = Trunk::of_timm(model.trunk).map(|trunk| ("the image tower".to_owned(), trunk));
    let (layers, kernel) = if model.text == Text::Hybrid { (4, 11) } else { (12, 0) };
    claim_text(&mut facts, model.width, layers, model.width);
    facts.claim("text convolutions", About::TextKernel, Some(kernel));
    facts
}

fn named(name: &str) -> Facts {
    let mut facts = Facts::new(format!("model `{name}`"));
    facts.model_name = Some(name.to_owned());
    facts
}

fn claim_text(facts: &mut Facts, width: usize, layers: usize, embed_dim: usize) {
    facts.claim("text width", About::TextWidth, Some(width));
    facts.claim("text layers", About::TextLayers, Some(layers));
    facts.claim("context_length", About::ContextLength, Some(77));
    facts.claim("vocab_size", About::VocabSize, Some(49408));
    facts.claim("embed_dim", About::EmbedDim, Some(embed_dim));
}

/// What the layout itself says, if anything.
pub(super) fn layout(mapped: &Mapped) -> Option<Facts> {
    let has_stem = matches!(&mapped.shapes.image, ImageShapes::Vit(vit) if vit.stem.is_some());
    match mapped.layout {
        SourceLayout::OpenAi => Some(openai()),
        SourceLayout::Apple => Some(apple(&mapped.shapes, has_stem)),
        SourceLayout::OpenClip if mapped.timm => {
            let mut facts = Facts::new("timm's layout");
            // timm's own definition, of the same weights that Apple has another one of.
            facts.stem_padding = Some(0);
            facts.image.norm_eps = has_stem.then_some(1e-6);
            for tower in [&mut facts.image, &mut facts.text] {
                tower.activation = Some(Gelu);
            }
            Some(facts)
        }
        SourceLayout::OpenClip | SourceLayout::HuggingFace => None,
    }
}

/// What Apple's own layout says: of each family of towers there is one way to use it.
fn apple(shapes: &Shapes, has_stem: bool) -> Facts {
    let mut facts = Facts::new("Apple's layout");
    describe(&mut facts, Gelu, Statistics::None, Bilinear);
    facts.causal = Some(has_stem);
    facts.stem_padding = Some(1);
    if let ImageShapes::Mci(_) = &shapes.image {
        facts.claim("image_size", About::ImageSize, Some(256));
    }
    facts
}

/// The known name of Apple's model with these shapes.
pub(super) fn apple_name(shapes: &Shapes) -> Option<String> {
    APPLE.iter().find(|name| facts(name).is_ok_and(|facts| facts.agrees(shapes))).map(|name| (*name).to_owned())
}

/// What OpenAI's own layout says: all its models share their activation and preprocessing.
fn openai() -> Facts {
    let mut facts = Facts::new("OpenAI's layout");
    describe(&mut facts, QuickGelu, OpenAi, Bicubic);
    facts
}

/// The known name of OpenAI's model with these shapes.
pub(super) fn openai_name(shapes: &Shapes) -> Option<String> {
    let fits = |name: &&str| facts(name).is_ok_and(|facts| facts.agrees(shapes));
    known_models().filter(|name| name.ends_with("-openai")).find(fits).map(str::to_owned)
}

fn describe(facts: &mut Facts, activation: Activation, statistics: Statistics, interpolation: Interpolation) {
    for tower in [&mut facts.image, &mut facts.text] {
        tower.activation = Some(activation);
    }
    // The size comes from the tensors.
    let openai = PreprocessConfig::openai(0);
    let (mean, std) = match statistics {
        OpenAi => (openai.mean, openai.std),
        Half => ([0.5; 3], [0.5; 3]),
        Statistics::None => ([0.0; 3], [1.0; 3]),
    };
    facts.preprocess = PreprocessFacts {
        mean: Some(mean),
        std: Some(std),
        interpolation: Some(interpolation),
        resize: Some(ResizeMode::Shortest),
    };
}
