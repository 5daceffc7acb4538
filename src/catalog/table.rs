//! The published models, one row each.
//!
//! Sources: for activation and preprocessing open_clip 3.3.0, `pretrained.py` (per tag), and Apple's `ml-mobileclip`
//! for the MobileCLIPs that open_clip does not have; for licenses the model cards.

use super::architectures::*;
use super::siglip::*;
use super::{Languages, License, Model, Preprocess};
use crate::models::config::Activation::{self, Gelu, GeluTanh, QuickGelu};
use Preprocess::{Half, OpenAi, OpenAiBilinear, OpenAiSquash, Plain, Squash};

/// The license of OpenAI's code. OpenAI states none for the weights (openai/CLIP, issues 203 and 241); timm's copy of
/// ViT-B/32 states `apache-2.0`.
const OPENAI: License = License { id: "mit", confirmed: false };
/// From the model cards, and for the older weights from open_clip's issue 177.
const MIT: License = License { id: "mit", confirmed: true };
/// [`MIT`] for repositories whose license was not read.
const MIT_PRESUMED: License = License { confirmed: false, ..MIT };
/// Apple Machine Learning Research Model License: research only. The first MobileCLIPs were published under
/// `apple-ascl`; their repositories have stated this one since February 2025.
const APPLE: License = License { id: "apple-amlr", confirmed: true };
/// [`APPLE`] for repositories whose license was not read.
const APPLE_PRESUMED: License = License { confirmed: false, ..APPLE };

/// Creative Commons, non-commercial: MetaCLIP's, from its repository (facebookresearch/MetaCLIP).
const CC_BY_NC_PRESUMED: License = License { id: "cc-by-nc-4.0", confirmed: false };

/// From the cards of Google's repositories and of timm's copies.
const APACHE: License = License { id: "apache-2.0", confirmed: true };
/// [`APACHE`] for repositories whose license was not read.
const APACHE_PRESUMED: License = License { confirmed: false, ..APACHE };

/// open_clip's checkpoint, which every repository has except Apple's own.
const OPEN_CLIP: &str = "open_clip_model.safetensors";

// By family and size. Apple's own `.pt` files are used where open_clip's are not published.
#[rustfmt::skip]
pub(super) static MODELS: [Model; 84] = [
    openai("vit-b-32-openai", &["vit-b-32"], &B_32, "timm/vit_base_patch32_clip_224.openai"),
    openai("vit-b-16-openai", &["vit-b-16"], &B_16, "timm/vit_base_patch16_clip_224.openai"),
    openai("vit-l-14-openai", &["vit-l-14"], &L_14, "timm/vit_large_patch14_clip_224.openai"),
    openai("vit-l-14-336-openai", &["vit-l-14-336"], &L_14_336, "timm/vit_large_patch14_clip_336.openai"),
    openai("rn50-openai", &["rn50"], &RN50, "timm/resnet50_clip.openai"),
    openai("rn101-openai", &["rn101"], &RN101, "timm/resnet101_clip.openai"),
    openai("rn50x4-openai", &["rn50x4"], &RN50_X4, "timm/resnet50x4_clip.openai"),
    openai("rn50x16-openai", &["rn50x16"], &RN50_X16, "timm/resnet50x16_clip.openai"),
    openai("rn50x64-openai", &["rn50x64"], &RN50_X64, "timm/resnet50x64_clip.openai"),
    resnet("rn50-yfcc15m", &RN50, "timm/resnet50_clip.yfcc15m"),
    resnet("rn101-yfcc15m", &RN101, "timm/resnet101_clip.yfcc15m"),
    resnet("rn50-cc12m", &RN50, "timm/resnet50_clip.cc12m"),
    laion("vit-b-32-laion400m-e32", &B_32, QuickGelu, OpenAi, "timm/vit_base_patch32_clip_224.laion400m_e32"),
    laion("vit-b-32-laion2b", &B_32, Gelu, OpenAi, "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
    laion("vit-b-16-laion2b", &B_16, Gelu, OpenAi, "laion/CLIP-ViT-B-16-laion2B-s34B-b88K"),
    laion("vit-l-14-laion2b", &L_14, Gelu, Half, "laion/CLIP-ViT-L-14-laion2B-s32B-b82K"),
    laion("vit-b-32-datacomp-xl", &B_32, Gelu, OpenAi, "laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K"),
    laion("vit-b-16-datacomp-xl", &B_16, Gelu, OpenAi, "laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K"),
    laion("vit-l-14-datacomp-xl", &L_14, Gelu, OpenAi, "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K"),
    laion("vit-b-32-laion400m-e31", &B_32, QuickGelu, OpenAi, "timm/vit_base_patch32_clip_224.laion400m_e31"),
    laion("vit-b-16-laion400m-e31", &B_16, Gelu, OpenAi, "timm/vit_base_patch16_clip_224.laion400m_e31"),
    laion("vit-b-16-laion400m-e32", &B_16, Gelu, OpenAi, "timm/vit_base_patch16_clip_224.laion400m_e32"),
    laion("vit-b-16-plus-240-laion400m-e31", &B_16_PLUS_240, Gelu, OpenAi, "timm/vit_base_patch16_plus_clip_240.laion400m_e31"),
    laion("vit-b-16-plus-240-laion400m-e32", &B_16_PLUS_240, Gelu, OpenAi, "timm/vit_base_patch16_plus_clip_240.laion400m_e32"),
    laion("vit-l-14-laion400m-e31", &L_14, Gelu, OpenAi, "timm/vit_large_patch14_clip_224.laion400m_e31"),
    laion("vit-l-14-laion400m-e32", &L_14, Gelu, OpenAi, "timm/vit_large_patch14_clip_224.laion400m_e32"),
    laion("vit-b-32-256-datacomp", &B_32_256, Gelu, OpenAi, "laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K").unique_in("open_clip"),
    laion("vit-h-14-laion2b", &H_14, Gelu, OpenAi, "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"),
    laion("vit-g-14-laion2b-s12b", &G_14, Gelu, OpenAi, "laion/CLIP-ViT-g-14-laion2B-s12B-b42K"),
    laion("vit-g-14-laion2b-s34b", &G_14, Gelu, OpenAi, "laion/CLIP-ViT-g-14-laion2B-s34B-b88K"),
    laion("vit-bigg-14-laion2b", &BIG_G_14, Gelu, OpenAi, "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k"),
    dfn("vit-b-16-dfn2b", &B_16, QuickGelu, OpenAi, "apple/DFN2B-CLIP-ViT-B-16"),
    dfn("vit-l-14-dfn2b", &L_14, QuickGelu, OpenAi, "apple/DFN2B-CLIP-ViT-L-14"),
    dfn("vit-l-14-dfn2b-39b", &L_14, Gelu, OpenAi, "apple/DFN2B-CLIP-ViT-L-14-39B"),
    dfn("vit-h-14-dfn5b", &H_14, QuickGelu, OpenAiSquash, "apple/DFN5B-CLIP-ViT-H-14"),
    dfn("vit-h-14-378-dfn5b", &H_14_378, QuickGelu, OpenAiSquash, "apple/DFN5B-CLIP-ViT-H-14-378").unique_in("open_clip"),
    metaclip("vit-b-32-metaclip-400m", &B_32, QuickGelu, "timm/vit_base_patch32_clip_224.metaclip_400m").also(&["facebook/metaclip-b32-400m"]),
    metaclip("vit-b-16-metaclip-400m", &B_16, QuickGelu, "timm/vit_base_patch16_clip_224.metaclip_400m").also(&["facebook/metaclip-b16-400m"]),
    metaclip("vit-l-14-metaclip-400m", &L_14, QuickGelu, "timm/vit_large_patch14_clip_224.metaclip_400m").also(&["facebook/metaclip-l14-400m"]),
    metaclip("vit-b-32-metaclip-fullcc", &B_32, QuickGelu, "timm/vit_base_patch32_clip_224.metaclip_2pt5b").also(&["facebook/metaclip-b32-fullcc2.5b"]),
    metaclip("vit-b-16-metaclip-fullcc", &B_16, QuickGelu, "timm/vit_base_patch16_clip_224.metaclip_2pt5b").also(&["facebook/metaclip-b16-fullcc2.5b"]),
    metaclip("vit-l-14-metaclip-fullcc", &L_14, QuickGelu, "timm/vit_large_patch14_clip_224.metaclip_2pt5b").also(&["facebook/metaclip-l14-fullcc2.5b"]),
    metaclip("vit-h-14-metaclip-fullcc", &H_14, QuickGelu, "timm/vit_huge_patch14_clip_224.metaclip_2pt5b").also(&["facebook/metaclip-h14-fullcc2.5b"]),
    metaclip("vit-h-14-metaclip-altogether", &H_14, Gelu, "timm/vit_huge_patch14_clip_224.metaclip_altogether"),
    metaclip("vit-bigg-14-metaclip-fullcc", &BIG_G_14, QuickGelu, "timm/vit_gigantic_patch14_clip_224.metaclip_2pt5b"),
    apple("mobileclip-s0", &MCI_0_HYBRID, Plain, APPLE, "apple/MobileCLIP-S0", "mobileclip_s0.pt").unique_in("apple"),
    mobileclip("mobileclip-s1", &MCI_1, Plain, APPLE, "apple/MobileCLIP-S1-OpenCLIP").unique_in("apple"),
    mobileclip("mobileclip-s2", &MCI_2, Plain, APPLE, "apple/MobileCLIP-S2-OpenCLIP").unique_in("apple"),
    mobileclip("mobileclip-b", &MCI_B, Plain, APPLE_PRESUMED, "apple/MobileCLIP-B-OpenCLIP"),
    mobileclip("mobileclip-b-lt", &MCI_B, Plain, APPLE_PRESUMED, "apple/MobileCLIP-B-LT-OpenCLIP"),
    apple("mobileclip-s3", &MCI_3, OpenAiBilinear, APPLE, "apple/MobileCLIP-S3", "mobileclip_s3.pt"),
    apple("mobileclip-s4", &MCI_4, OpenAiBilinear, APPLE_PRESUMED, "apple/MobileCLIP-S4", "mobileclip_s4.pt"),
    apple("mobileclip-l-14", &MCI_L, OpenAi, APPLE, "apple/MobileCLIP-L-14", "mobileclip_l14.pt"),
    mobileclip("mobileclip2-s0", &MCI_0, Plain, APPLE, "timm/MobileCLIP2-S0-OpenCLIP").also(&["apple/MobileCLIP2-S0"]),
    mobileclip("mobileclip2-s2", &MCI_2, Plain, APPLE_PRESUMED, "timm/MobileCLIP2-S2-OpenCLIP").also(&["apple/MobileCLIP2-S2"]),
    mobileclip("mobileclip2-b", &MCI_B, Plain, APPLE_PRESUMED, "timm/MobileCLIP2-B-OpenCLIP").also(&["apple/MobileCLIP2-B"]),
    mobileclip("mobileclip2-s3", &MCI_3, OpenAiBilinear, APPLE, "timm/MobileCLIP2-S3-OpenCLIP").also(&["apple/MobileCLIP2-S3"]),
    mobileclip("mobileclip2-s4", &MCI_4, OpenAiBilinear, APPLE_PRESUMED, "timm/MobileCLIP2-S4-OpenCLIP").also(&["apple/MobileCLIP2-S4"]),
    mobileclip("mobileclip2-l-14", &MCI_L, OpenAi, APPLE, "timm/MobileCLIP2-L-14-OpenCLIP").also(&["apple/MobileCLIP2-L-14"]),
    siglip("siglip-b-16-224", &SIGLIP_B_16_224, Gelu, APACHE, "timm/ViT-B-16-SigLIP").also(&["google/siglip-base-patch16-224"]),
    siglip("siglip-b-16-256", &SIGLIP_B_16_256, Gelu, APACHE_PRESUMED, "timm/ViT-B-16-SigLIP-256").also(&["google/siglip-base-patch16-256"]),
    siglip("siglip-b-16-384", &SIGLIP_B_16_384, Gelu, APACHE_PRESUMED, "timm/ViT-B-16-SigLIP-384").also(&["google/siglip-base-patch16-384"]),
    siglip("siglip-b-16-512", &SIGLIP_B_16_512, Gelu, APACHE_PRESUMED, "timm/ViT-B-16-SigLIP-512").also(&["google/siglip-base-patch16-512"]),
    siglip("siglip-b-i18n-256", &SIGLIP_B_16_I18N_256, Gelu, APACHE_PRESUMED, "timm/ViT-B-16-SigLIP-i18n-256").multilingual().also(&["google/siglip-base-patch16-256-multilingual"]),
    siglip("siglip-l-16-256", &SIGLIP_L_16_256, Gelu, APACHE_PRESUMED, "timm/ViT-L-16-SigLIP-256").also(&["google/siglip-large-patch16-256"]),
    siglip("siglip-l-16-384", &SIGLIP_L_16_384, Gelu, APACHE_PRESUMED, "timm/ViT-L-16-SigLIP-384").also(&["google/siglip-large-patch16-384"]),
    siglip("siglip-so400m-14-224", &SIGLIP_SO400M_14_224, Gelu, APACHE_PRESUMED, "timm/ViT-SO400M-14-SigLIP").also(&["google/siglip-so400m-patch14-224"]),
    siglip("siglip-so400m-14-384", &SIGLIP_SO400M_14_384, Gelu, APACHE, "timm/ViT-SO400M-14-SigLIP-384").also(&["google/siglip-so400m-patch14-384"]),
    siglip("siglip-so400m-i18n-256", &SIGLIP_SO400M_16_I18N_256, Gelu, APACHE_PRESUMED, "timm/ViT-SO400M-16-SigLIP-i18n-256").multilingual(),
    siglip("siglip2-b-32-256", &SIGLIP2_B_32_256, GeluTanh, APACHE_PRESUMED, "timm/ViT-B-32-SigLIP2-256").multilingual().also(&["google/siglip2-base-patch32-256"]),
    siglip("siglip2-b-16-224", &SIGLIP2_B_16_224, GeluTanh, APACHE, "timm/ViT-B-16-SigLIP2").multilingual().also(&["google/siglip2-base-patch16-224"]),
    siglip("siglip2-b-16-256", &SIGLIP2_B_16_256, GeluTanh, APACHE, "timm/ViT-B-16-SigLIP2-256").multilingual().also(&["google/siglip2-base-patch16-256"]),
    siglip("siglip2-b-16-384", &SIGLIP2_B_16_384, GeluTanh, APACHE, "timm/ViT-B-16-SigLIP2-384").multilingual().also(&["google/siglip2-base-patch16-384"]),
    siglip("siglip2-b-16-512", &SIGLIP2_B_16_512, GeluTanh, APACHE, "timm/ViT-B-16-SigLIP2-512").multilingual().also(&["google/siglip2-base-patch16-512"]),
    siglip("siglip2-l-16-256", &SIGLIP2_L_16_256, GeluTanh, APACHE_PRESUMED, "timm/ViT-L-16-SigLIP2-256").multilingual().also(&["google/siglip2-large-patch16-256"]),
    siglip("siglip2-l-16-384", &SIGLIP2_L_16_384, GeluTanh, APACHE_PRESUMED, "timm/ViT-L-16-SigLIP2-384").multilingual().also(&["google/siglip2-large-patch16-384"]),
    siglip("siglip2-l-16-512", &SIGLIP2_L_16_512, GeluTanh, APACHE_PRESUMED, "timm/ViT-L-16-SigLIP2-512").multilingual().also(&["google/siglip2-large-patch16-512"]),
    siglip("siglip2-so400m-14-224", &SIGLIP2_SO400M_14_224, GeluTanh, APACHE_PRESUMED, "timm/ViT-SO400M-14-SigLIP2").multilingual().also(&["google/siglip2-so400m-patch14-224"]),
    siglip("siglip2-so400m-14-378", &SIGLIP2_SO400M_14_378, GeluTanh, APACHE_PRESUMED, "timm/ViT-SO400M-14-SigLIP2-378").multilingual(),
    siglip("siglip2-so400m-16-256", &SIGLIP2_SO400M_16_256, GeluTanh, APACHE_PRESUMED, "timm/ViT-SO400M-16-SigLIP2-256").multilingual().also(&["google/siglip2-so400m-patch16-256"]),
    siglip("siglip2-so400m-16-384", &SIGLIP2_SO400M_16_384, GeluTanh, APACHE_PRESUMED, "timm/ViT-SO400M-16-SigLIP2-384").multilingual().also(&["google/siglip2-so400m-patch16-384"]),
    siglip("siglip2-so400m-16-512", &SIGLIP2_SO400M_16_512, GeluTanh, APACHE_PRESUMED, "timm/ViT-SO400M-16-SigLIP2-512").multilingual().also(&["google/siglip2-so400m-patch16-512"]),
    siglip("siglip2-gopt-16-256", &SIGLIP2_GOPT_16_256, GeluTanh, APACHE_PRESUMED, "timm/ViT-gopt-16-SigLIP2-256").multilingual().also(&["google/siglip2-giant-opt-patch16-256"]),
    siglip("siglip2-gopt-16-384", &SIGLIP2_GOPT_16_384, GeluTanh, APACHE_PRESUMED, "timm/ViT-gopt-16-SigLIP2-384").multilingual().also(&["google/siglip2-giant-opt-patch16-384"]),
];

type Arch = &'static Architecture;
type Text = &'static str;

/// OpenAI's models, with QuickGELU. In OpenAI's layout shapes identify them.
const fn openai(name: Text, aliases: &'static [Text], architecture: Arch, repository: Text) -> Model {
    let model = row(name, architecture, QuickGelu, OpenAi, OPENAI, repository);
    Model { aliases, ..model }.unique_in("openai")
}

/// Vision transformers trained with open_clip.
const fn laion(name: Text, architecture: Arch, activation: Activation, pre: Preprocess, repository: Text) -> Model {
    row(name, architecture, activation, pre, MIT, repository)
}

/// Vision transformers that Apple trained on filtered pairs (DFN).
const fn dfn(name: Text, architecture: Arch, activation: Activation, pre: Preprocess, repository: Text) -> Model {
    row(name, architecture, activation, pre, APPLE_PRESUMED, repository)
}

/// MetaCLIP 1.
const fn metaclip(name: Text, architecture: Arch, activation: Activation, repository: Text) -> Model {
    row(name, architecture, activation, OpenAi, CC_BY_NC_PRESUMED, repository)
}

/// ResNets trained with open_clip, with QuickGELU in the text tower.
const fn resnet(name: Text, architecture: Arch, repository: Text) -> Model {
    row(name, architecture, QuickGelu, OpenAi, MIT_PRESUMED, repository)
}

/// MobileCLIPs in open_clip's form. All have GELU.
const fn mobileclip(name: Text, architecture: Arch, pre: Preprocess, license: License, repository: Text) -> Model {
    row(name, architecture, Gelu, pre, license, repository)
}

/// MobileCLIPs that only Apple publishes, as its own `.pt`.
const fn apple(
    name: Text,
    architecture: Arch,
    pre: Preprocess,
    license: License,
    repository: Text,
    file: Text,
) -> Model {
    Model { file, ..mobileclip(name, architecture, pre, license, repository) }
}

/// SigLIPs in open_clip's form; the activation is that of the text tower.
const fn siglip(name: Text, architecture: Arch, activation: Activation, license: License, repository: Text) -> Model {
    row(name, architecture, activation, Squash, license, repository)
}

const fn row(
    name: Text,
    architecture: Arch,
    activation: Activation,
    preprocess: Preprocess,
    license: License,
    repository: Text,
) -> Model {
    Model {
        name,
        aliases: &[],
        license,
        languages: Languages::English,
        repository,
        other_repositories: &[],
        file: OPEN_CLIP,
        revision: None,
        activation,
        architecture,
        preprocess,
        unique_in: None,
    }
}

impl Model {
    /// Adds further repositories with the same weights.
    const fn also(self, other_repositories: &'static [Text]) -> Self {
        Model { other_repositories, ..self }
    }

    /// Notes that texts of many languages were in its training.
    const fn multilingual(self) -> Self {
        Model { languages: Languages::Multilingual, ..self }
    }

    /// Notes that no other model has the same shapes in a checkpoint layout.
    const fn unique_in(self, layout: Text) -> Self {
        Model { unique_in: Some(layout), ..self }
    }
}
