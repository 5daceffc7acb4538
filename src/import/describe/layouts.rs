//! The settings that each checkpoint layout implies. Every other source takes precedence.

use super::facts::{Facts, Heads, PreprocessFacts, Quantity, TowerFacts};
use crate::catalog::Trunk;
use crate::import::recipes::siglip::GEMMA_ROWS;
use crate::import::recipes::{Mapped, SourceLayout};
use crate::models::config::{Activation, ImageConfig, ModelConfig, TextConfig, TextPooling};
use crate::preprocess::{Interpolation, PreprocessConfig, ResizeMode};

/// What the layout of a checkpoint implies.
pub(super) fn facts(mapped: &Mapped) -> Facts {
    match mapped.layout {
        _ if mapped.sigmoid => siglip(mapped),
        SourceLayout::Perception => perception(&mapped.draft),
        SourceLayout::OpenClip if is_rotary(&mapped.draft) => perception(&mapped.draft),
        SourceLayout::OpenAi => heads(openai(), mapped),
        SourceLayout::Apple => apple(&mapped.draft),
        SourceLayout::OpenClip if mapped.timm => timm(&mapped.draft),
        SourceLayout::OpenClip | SourceLayout::HuggingFace => heads(clip(mapped), mapped),
    }
}

/// Widths of ViT-H, ViT-g and ViT-bigG, which have sixteen heads of 80, 88 and 104 channels.
const WIDE: [usize; 3] = [1280, 1408, 1664];

/// Adds the heads of image towers whose heads have not the usual width.
fn heads(mut facts: Facts, mapped: &Mapped) -> Facts {
    let width = mapped.draft.image.as_ref().and_then(|image| image.sizes().width);
    facts.image.heads = width.filter(|width| WIDE.contains(width)).map(|_| Heads::Count(16));
    facts
}

/// The preprocessing of a text tower alone, which no text depends on: OpenAI's.
pub(super) fn without_image() -> Facts {
    let mut facts = Facts::new("the text tower");
    facts.preprocess = PreprocessConfig::openai(0).into();
    facts.claim("image_size", Quantity::ImageSize, Some(224));
    facts
}

/// A model that is published in the layout, as an example for messages.
pub(super) fn example(mapped: &Mapped) -> &'static str {
    if mapped.has_own_text() {
        "xlm-r-base-vit-b-32"
    } else if mapped.sigmoid {
        "siglip2-b-16-224"
    } else if is_rotary(&mapped.draft) {
        "pe-core-b-16-224"
    } else if mapped.timm {
        "mobileclip2-s0"
    } else {
        "vit-b-32-openai"
    }
}

/// OpenAI's: all its models share their activation and preprocessing.
fn openai() -> Facts {
    let mut facts = Facts::new("OpenAI's layout");
    facts.set_activation(Activation::QuickGelu);
    facts.causal = Some(true);
    // The size comes from the tensors.
    facts.preprocess = PreprocessConfig::openai(0).into();
    facts
}

/// Apple's: each family of towers has one definition.
fn apple(draft: &ModelConfig) -> Facts {
    let mut facts = Facts::new("Apple's layout");
    facts.set_activation(Activation::Gelu);
    // Whether text is causal shows in the other tower only, except that the hybrid text tower never is.
    facts.causal = match (&draft.image, &draft.text) {
        (None, Some(TextConfig::Hybrid(_))) => Some(false),
        (None, _) => None,
        _ => Some(has_stem(draft)),
    };
    facts.stem_padding = Some(1);
    facts.preprocess = PreprocessConfig {
        interpolation: Interpolation::Bilinear,
        mean: [0.0; 3],
        std: [1.0; 3],
        ..PreprocessConfig::openai(0)
    }
    .into();
    if let Some(ImageConfig::Mci(_)) = &draft.image {
        facts.claim("image_size", Quantity::ImageSize, Some(256));
    }
    facts
}

/// open_clip's with an image tower of timm. Whether text is causal differs between models.
fn timm(draft: &ModelConfig) -> Facts {
    let mut facts = Facts::new("timm's layout");
    facts.set_activation(Activation::Gelu);
    // timm's definition of MobileCLIP-B. Apple has another of the same weights.
    facts.stem_padding = Some(0);
    facts.image.norm_eps = has_stem(draft).then_some(1e-6);
    facts
}

/// open_clip's own vision transformers and transformers' `CLIPModel`, all causal.
fn clip(mapped: &Mapped) -> Facts {
    let mut facts = Facts::new("the layout");
    facts.causal = Some(true);
    // MetaCLIP 2's, whose end of text is not the largest id.
    facts.pooling = mapped.end_of_pieces().map(TextPooling::Id);
    facts
}

/// SigLIP's. The original and transformers compute GELU by tanh in both towers; timm and open_clip follow them in some
/// towers only, by the sizes of the tower (timm) and by the generation of the model (open_clip), which shows in the
/// vocabulary. transformers resizes photos for SigLIP 2 with another filter than open_clip.
fn siglip(mapped: &Mapped) -> Facts {
    let mut facts = Facts::new("SigLIP's layout");
    let second = mapped.draft.text.as_ref().map(|text| text.vocab_size() == GEMMA_ROWS);
    let hugging_face = mapped.layout == SourceLayout::HuggingFace;
    facts.causal = Some(false);
    facts.image.norm_eps = Some(1e-6);
    facts.text.norm_eps = Some(1e-6);
    let trunk = mapped.draft.image.as_ref().and_then(Trunk::of_config);
    facts.image.heads = trunk.and_then(Trunk::heads).map(Heads::Count);
    // The towers of SO400M alone have other heads than of 64 channels; the giant's text tower is one of them.
    let text_width = mapped.draft.text.as_ref().and_then(|text| text.sizes().width);
    facts.text.heads = (text_width == Some(1152)).then_some(Heads::Count(16));
    if hugging_face {
        facts.set_activation(Activation::GeluTanh);
    } else {
        facts.image.activation = trunk.map(|trunk| trunk.activation);
        facts.text.activation = second.map(|second| if second { Activation::GeluTanh } else { Activation::Gelu });
    }
    let bilinear = match second {
        Some(second) => Some(hugging_face && second),
        // An image tower alone does not show its generation.
        None => (!hugging_face).then_some(false),
    };
    if mapped.has_own_text() {
        // A text tower of another family: NLLB's.
        facts.text = TowerFacts { norm_eps: Some(1e-5), ..TowerFacts::default() };
    }
    facts.preprocess = PreprocessFacts {
        mean: Some([0.5; 3]),
        std: Some([0.5; 3]),
        interpolation: bilinear.map(|bilinear| if bilinear { Interpolation::Bilinear } else { Interpolation::Bicubic }),
        resize: Some(ResizeMode::Squash),
    };
    facts
}

/// Perception Encoder's, the same in both layouts.
fn perception(draft: &ModelConfig) -> Facts {
    let mut facts = Facts::new("Perception Encoder's layout");
    facts.set_activation(Activation::Gelu);
    facts.causal = Some(true);
    // The largest tower has other heads than of 64 channels.
    let trunk = draft.image.as_ref().and_then(Trunk::of_config);
    facts.image.heads = trunk.and_then(Trunk::heads).map(Heads::Count);
    facts.preprocess = PreprocessConfig {
        resize: ResizeMode::Squash,
        interpolation: Interpolation::Bilinear,
        mean: [0.5; 3],
        std: [0.5; 3],
        ..PreprocessConfig::openai(0)
    }
    .into();
    facts
}

fn is_rotary(draft: &ModelConfig) -> bool {
    matches!(&draft.image, Some(ImageConfig::Vit(vit)) if vit.rotary)
}

fn has_stem(draft: &ModelConfig) -> bool {
    matches!(&draft.image, Some(ImageConfig::Vit(vit)) if vit.stem.is_some())
}
