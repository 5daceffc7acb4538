//! The published models, one row each.
//!
//! Sources: for activation and preprocessing open_clip 3.3.0, `pretrained.py` (per tag), and Apple's `ml-mobileclip`
//! for the MobileCLIPs that open_clip does not have; for licenses the model cards.

use super::architectures::*;
use super::multilingual::*;
use super::perception::*;
use super::siglip::*;
use super::{Languages, License, Model, Preprocess, Recall};
use crate::models::config::Activation::{self, Gelu, GeluTanh, QuickGelu};
use Preprocess::{Half, OpenAi, OpenAiBilinear, OpenAiSquash, Plain, Squash, SquashBilinear};

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

/// From the cards of Google's repositories and of timm's copies.
const APACHE: License = License { id: "apache-2.0", confirmed: true };
/// [`APACHE`] for repositories whose license was not read.
const APACHE_PRESUMED: License = License { confirmed: false, ..APACHE };
/// NLLB's and MetaCLIP's: not for commercial use. Read in the card of `visheratin/nllb-clip-base-siglip`.
const NON_COMMERCIAL: License = License { id: "cc-by-nc-4.0", confirmed: true };
/// [`NON_COMMERCIAL`] for repositories whose license was not read.
const NON_COMMERCIAL_PRESUMED: License = License { confirmed: false, ..NON_COMMERCIAL };

/// open_clip's checkpoint, which every repository has except Apple's own.
const OPEN_CLIP: &str = "open_clip_model.safetensors";
/// open_clip's checkpoint in older repositories.
const OPEN_CLIP_BIN: &str = "open_clip_pytorch_model.bin";
/// transformers' checkpoint.
const TRANSFORMERS: &str = "model.safetensors";

/// The tokenizer of every NLLB.
const NLLB: &str = "facebook/nllb-200-distilled-600M";

// By family and size. Apple's own `.pt` files are used where open_clip's are not published.
#[rustfmt::skip]
pub(super) static MODELS: [Model; 117] = [
    openai("vit-b-32-openai", &["vit-b-32"], &B_32, "timm/vit_base_patch32_clip_224.openai").recall(Some(30.4), Some(58.8), Some(4.1)),
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
    laion("vit-b-32-256-datacomp", &VIT_B_32_256, Gelu, OpenAi, "laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K").unique_in("open_clip").recall(Some(39.9), Some(64.9), Some(7.8)),
    laion("vit-h-14-laion2b", &H_14, Gelu, OpenAi, "laion/CLIP-ViT-H-14-laion2B-s32B-b79K").recall(Some(49.5), Some(77.6), Some(9.8)),
    laion("vit-g-14-laion2b-s12b", &G_14, Gelu, OpenAi, "laion/CLIP-ViT-g-14-laion2B-s12B-b42K"),
    laion("vit-g-14-laion2b-s34b", &G_14, Gelu, OpenAi, "laion/CLIP-ViT-g-14-laion2B-s34B-b88K"),
    laion("vit-bigg-14-laion2b", &BIG_G_14, Gelu, OpenAi, "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k").recall(Some(51.4), Some(79.6), Some(11.9)),
    dfn("vit-b-16-dfn2b", &B_16, QuickGelu, OpenAi, "apple/DFN2B-CLIP-ViT-B-16").recall(Some(43.4), Some(69.1), Some(14.9)),
    dfn("vit-l-14-dfn2b", &L_14, QuickGelu, OpenAi, "apple/DFN2B-CLIP-ViT-L-14").recall(Some(48.6), Some(75.5), Some(18.0)),
    dfn("vit-l-14-dfn2b-39b", &L_14, Gelu, OpenAi, "apple/DFN2B-CLIP-ViT-L-14-39B"),
    dfn("vit-h-14-dfn5b", &H_14, QuickGelu, OpenAiSquash, "apple/DFN5B-CLIP-ViT-H-14").recall(Some(53.9), Some(80.1), Some(24.4)),
    dfn("vit-h-14-378-dfn5b", &H_14_378, QuickGelu, OpenAiSquash, "apple/DFN5B-CLIP-ViT-H-14-378").unique_in("open_clip").recall(Some(55.6), Some(82.0), Some(24.7)),
    metaclip("vit-b-32-metaclip-400m", &B_32, QuickGelu, "timm/vit_base_patch32_clip_224.metaclip_400m").also(&["facebook/metaclip-b32-400m"]),
    metaclip("vit-b-16-metaclip-400m", &B_16, QuickGelu, "timm/vit_base_patch16_clip_224.metaclip_400m").also(&["facebook/metaclip-b16-400m"]),
    metaclip("vit-l-14-metaclip-400m", &L_14, QuickGelu, "timm/vit_large_patch14_clip_224.metaclip_400m").also(&["facebook/metaclip-l14-400m"]),
    metaclip("vit-b-32-metaclip-fullcc", &B_32, QuickGelu, "timm/vit_base_patch32_clip_224.metaclip_2pt5b").also(&["facebook/metaclip-b32-fullcc2.5b"]),
    metaclip("vit-b-16-metaclip-fullcc", &B_16, QuickGelu, "timm/vit_base_patch16_clip_224.metaclip_2pt5b").also(&["facebook/metaclip-b16-fullcc2.5b"]),
    metaclip("vit-l-14-metaclip-fullcc", &L_14, QuickGelu, "timm/vit_large_patch14_clip_224.metaclip_2pt5b").also(&["facebook/metaclip-l14-fullcc2.5b"]),
    metaclip("vit-h-14-metaclip-fullcc", &H_14, QuickGelu, "timm/vit_huge_patch14_clip_224.metaclip_2pt5b").also(&["facebook/metaclip-h14-fullcc2.5b"]),
    metaclip("vit-h-14-metaclip-altogether", &H_14, Gelu, "timm/vit_huge_patch14_clip_224.metaclip_altogether"),
    metaclip("vit-bigg-14-metaclip-fullcc", &BIG_G_14, QuickGelu, "timm/vit_gigantic_patch14_clip_224.metaclip_2pt5b"),
    tiny("tinyclip-vit-8m-16", &TINY_8M_16, "wkcn/TinyCLIP-ViT-8M-16-Text-3M-YFCC15M"),
    tiny("tinyclip-vit-39m-16", &TINY_39M_16, "wkcn/TinyCLIP-ViT-39M-16-Text-19M-YFCC15M"),
    tiny("tinyclip-vit-40m-32", &TINY_40M_32, "wkcn/TinyCLIP-ViT-40M-32-Text-19M-LAION400M"),
    tiny("tinyclip-vit-61m-32", &TINY_61M_32, "wkcn/TinyCLIP-ViT-61M-32-Text-29M-LAION400M"),
    apple("mobileclip-s0", &MCI_0_HYBRID, Plain, APPLE, "apple/MobileCLIP-S0", "mobileclip_s0.pt").unique_in("apple"),
    mobileclip("mobileclip-s1", &MCI_1, Plain, APPLE, "apple/MobileCLIP-S1-OpenCLIP").unique_in("apple"),
    mobileclip("mobileclip-s2", &MCI_2, Plain, APPLE, "apple/MobileCLIP-S2-OpenCLIP").unique_in("apple"),
    mobileclip("mobileclip-b", &MCI_B, Plain, APPLE_PRESUMED, "apple/MobileCLIP-B-OpenCLIP"),
    mobileclip("mobileclip-b-lt", &MCI_B, Plain, APPLE_PRESUMED, "apple/MobileCLIP-B-LT-OpenCLIP"),
    apple("mobileclip-s3", &MCI_3, OpenAiBilinear, APPLE, "apple/MobileCLIP-S3", "mobileclip_s3.pt"),
    apple("mobileclip-s4", &MCI_4, OpenAiBilinear, APPLE_PRESUMED, "apple/MobileCLIP-S4", "mobileclip_s4.pt"),
    apple("mobileclip-l-14", &MCI_L, OpenAi, APPLE, "apple/MobileCLIP-L-14", "mobileclip_l14.pt"),
    mobileclip("mobileclip2-s0", &MCI_0, Plain, APPLE, "timm/MobileCLIP2-S0-OpenCLIP").also(&["apple/MobileCLIP2-S0"]).recall(Some(43.7), Some(69.2), None),
    mobileclip("mobileclip2-s2", &MCI_2, Plain, APPLE_PRESUMED, "timm/MobileCLIP2-S2-OpenCLIP").also(&["apple/MobileCLIP2-S2"]).recall(Some(48.8), Some(74.8), None),
    mobileclip("mobileclip2-b", &MCI_B, Plain, APPLE_PRESUMED, "timm/MobileCLIP2-B-OpenCLIP").also(&["apple/MobileCLIP2-B"]).recall(Some(49.9), Some(76.5), None),
    mobileclip("mobileclip2-s3", &MCI_3, OpenAiBilinear, APPLE, "timm/MobileCLIP2-S3-OpenCLIP").also(&["apple/MobileCLIP2-S3"]).recall(Some(50.9), Some(77.3), None),
    mobileclip("mobileclip2-s4", &MCI_4, OpenAiBilinear, APPLE_PRESUMED, "timm/MobileCLIP2-S4-OpenCLIP").also(&["apple/MobileCLIP2-S4"]).recall(Some(51.5), Some(78.0), None),
    mobileclip("mobileclip2-l-14", &MCI_L, OpenAi, APPLE, "timm/MobileCLIP2-L-14-OpenCLIP").also(&["apple/MobileCLIP2-L-14"]),
    siglip("siglip-b-16-224", &SIGLIP_B_16_224, Gelu, APACHE, "timm/ViT-B-16-SigLIP").also(&["google/siglip-base-patch16-224"]).recall(Some(47.8), Some(74.7), Some(16.7)),
    siglip("siglip-b-16-256", &SIGLIP_B_16_256, Gelu, APACHE_PRESUMED, "timm/ViT-B-16-SigLIP-256").also(&["google/siglip-base-patch16-256"]),
    siglip("siglip-b-16-384", &SIGLIP_B_16_384, Gelu, APACHE_PRESUMED, "timm/ViT-B-16-SigLIP-384").also(&["google/siglip-base-patch16-384"]),
    siglip("siglip-b-16-512", &SIGLIP_B_16_512, Gelu, APACHE_PRESUMED, "timm/ViT-B-16-SigLIP-512").also(&["google/siglip-base-patch16-512"]),
    siglip("siglip-b-i18n-256", &SIGLIP_B_16_I18N_256, Gelu, APACHE_PRESUMED, "timm/ViT-B-16-SigLIP-i18n-256").multilingual().also(&["google/siglip-base-patch16-256-multilingual"]).recall(Some(44.9), Some(72.2), Some(44.1)),
    siglip("siglip-l-16-256", &SIGLIP_L_16_256, Gelu, APACHE_PRESUMED, "timm/ViT-L-16-SigLIP-256").also(&["google/siglip-large-patch16-256"]),
    siglip("siglip-l-16-384", &SIGLIP_L_16_384, Gelu, APACHE_PRESUMED, "timm/ViT-L-16-SigLIP-384").also(&["google/siglip-large-patch16-384"]),
    siglip("siglip-so400m-14-224", &SIGLIP_SO400M_14_224, Gelu, APACHE_PRESUMED, "timm/ViT-SO400M-14-SigLIP").also(&["google/siglip-so400m-patch14-224"]),
    siglip("siglip-so400m-14-384", &SIGLIP_SO400M_14_384, Gelu, APACHE, "timm/ViT-SO400M-14-SigLIP-384").also(&["google/siglip-so400m-patch14-384"]),
    siglip("siglip-so400m-i18n-256", &SIGLIP_SO400M_16_I18N_256, Gelu, APACHE_PRESUMED, "timm/ViT-SO400M-16-SigLIP-i18n-256").multilingual(),
    siglip("siglip2-b-32-256", &SIGLIP2_B_32_256, GeluTanh, APACHE_PRESUMED, "timm/ViT-B-32-SigLIP2-256").multilingual().also(&["google/siglip2-base-patch32-256"]).recall(Some(47.2), None, None),
    siglip("siglip2-b-16-224", &SIGLIP2_B_16_224, GeluTanh, APACHE, "timm/ViT-B-16-SigLIP2").multilingual().also(&["google/siglip2-base-patch16-224"]).recall(Some(52.1), None, None),
    siglip("siglip2-b-16-256", &SIGLIP2_B_16_256, GeluTanh, APACHE, "timm/ViT-B-16-SigLIP2-256").multilingual().also(&["google/siglip2-base-patch16-256"]).recall(Some(53.2), None, None),
    siglip("siglip2-b-16-384", &SIGLIP2_B_16_384, GeluTanh, APACHE, "timm/ViT-B-16-SigLIP2-384").multilingual().also(&["google/siglip2-base-patch16-384"]).recall(Some(54.6), None, None),
    siglip("siglip2-b-16-512", &SIGLIP2_B_16_512, GeluTanh, APACHE, "timm/ViT-B-16-SigLIP2-512").multilingual().also(&["google/siglip2-base-patch16-512"]),
    siglip("siglip2-l-16-256", &SIGLIP2_L_16_256, GeluTanh, APACHE_PRESUMED, "timm/ViT-L-16-SigLIP2-256").multilingual().also(&["google/siglip2-large-patch16-256"]).recall(Some(54.7), None, None),
    siglip("siglip2-l-16-384", &SIGLIP2_L_16_384, GeluTanh, APACHE_PRESUMED, "timm/ViT-L-16-SigLIP2-384").multilingual().also(&["google/siglip2-large-patch16-384"]),
    siglip("siglip2-l-16-512", &SIGLIP2_L_16_512, GeluTanh, APACHE_PRESUMED, "timm/ViT-L-16-SigLIP2-512").multilingual().also(&["google/siglip2-large-patch16-512"]),
    siglip("siglip2-so400m-14-224", &SIGLIP2_SO400M_14_224, GeluTanh, APACHE_PRESUMED, "timm/ViT-SO400M-14-SigLIP2").multilingual().also(&["google/siglip2-so400m-patch14-224"]).recall(Some(55.1), None, None),
    siglip("siglip2-so400m-14-378", &SIGLIP2_SO400M_14_378, GeluTanh, APACHE_PRESUMED, "timm/ViT-SO400M-14-SigLIP2-378").multilingual(),
    siglip("siglip2-so400m-16-256", &SIGLIP2_SO400M_16_256, GeluTanh, APACHE_PRESUMED, "timm/ViT-SO400M-16-SigLIP2-256").multilingual().also(&["google/siglip2-so400m-patch16-256"]),
    siglip("siglip2-so400m-16-384", &SIGLIP2_SO400M_16_384, GeluTanh, APACHE_PRESUMED, "timm/ViT-SO400M-16-SigLIP2-384").multilingual().also(&["google/siglip2-so400m-patch16-384"]).recall(Some(56.0), None, None),
    siglip("siglip2-so400m-16-512", &SIGLIP2_SO400M_16_512, GeluTanh, APACHE_PRESUMED, "timm/ViT-SO400M-16-SigLIP2-512").multilingual().also(&["google/siglip2-so400m-patch16-512"]),
    siglip("siglip2-gopt-16-256", &SIGLIP2_GOPT_16_256, GeluTanh, APACHE_PRESUMED, "timm/ViT-gopt-16-SigLIP2-256").multilingual().also(&["google/siglip2-giant-opt-patch16-256"]),
    siglip("siglip2-gopt-16-384", &SIGLIP2_GOPT_16_384, GeluTanh, APACHE_PRESUMED, "timm/ViT-gopt-16-SigLIP2-384").multilingual().also(&["google/siglip2-giant-opt-patch16-384"]),
    perception("pe-core-t-16-384", &["pe-core-t16-384"], &PE_CORE_T_16_384, "timm/PE-Core-T-16-384").also(&["facebook/PE-Core-T16-384"]).recall(Some(33.0), None, None),
    perception("pe-core-s-16-384", &["pe-core-s16-384"], &PE_CORE_S_16_384, "timm/PE-Core-S-16-384").also(&["facebook/PE-Core-S16-384"]).recall(Some(42.6), None, None),
    perception("pe-core-b-16-224", &["pe-core-b-16", "pe-core-b16-224"], &PE_CORE_B_16_224, "timm/PE-Core-B-16").also(&["facebook/PE-Core-B16-224"]).recall(Some(50.9), None, None),
    perception("pe-core-l-14-336", &["pe-core-l14-336"], &PE_CORE_L_14_336, "timm/PE-Core-L-14-336").also(&["facebook/PE-Core-L14-336"]).recall(Some(57.1), None, None),
    perception("pe-core-g-14-448", &["pe-core-bigg-14-448", "pe-core-g14-448"], &PE_CORE_G_14_448, "timm/PE-Core-bigG-14-448").also(&["facebook/PE-Core-G14-448"]).recall(Some(58.1), None, None),
    multi("xlm-r-base-vit-b-32", &["xlm-roberta-base-vit-b-32"], &XLM_R_BASE_B_32, OpenAi, MIT_PRESUMED, "laion/CLIP-ViT-B-32-xlm-roberta-base-laion5B-s13B-b90k").unique_in("open_clip").recall(Some(37.8), Some(64.5), Some(42.6)),
    multi("xlm-r-large-vit-h-14", &["xlm-roberta-large-vit-h-14"], &XLM_R_LARGE_H_14, OpenAi, MIT_PRESUMED, "laion/CLIP-ViT-H-14-frozen-xlm-roberta-large-laion5B-s13B-b90k").unique_in("open_clip").recall(Some(49.2), Some(77.4), Some(50.2)),
    multi("nllb-clip-base", &[], &NLLB_BASE_B_32, OpenAi, NON_COMMERCIAL_PRESUMED, "visheratin/nllb-clip-base-oc").unique_in("open_clip").recall(Some(26.5), Some(47.4), None).tokenizer_of(NLLB),
    multi("nllb-clip-large", &[], &NLLB_LARGE_H_14, OpenAi, NON_COMMERCIAL_PRESUMED, "visheratin/nllb-clip-large-oc").unique_in("open_clip").recall(Some(36.2), Some(60.9), None).tokenizer_of(NLLB),
    multi("nllb-clip-base-siglip", &[], &NLLB_BASE_SIGLIP, Squash, NON_COMMERCIAL, "visheratin/nllb-clip-base-siglip").recall(Some(43.2), Some(69.2), None).tokenizer_of(NLLB),
    multi("nllb-clip-large-siglip", &[], &NLLB_LARGE_SIGLIP, Squash, NON_COMMERCIAL_PRESUMED, "visheratin/nllb-clip-large-siglip").tokenizer_of(NLLB),
    multi("nllb-siglip-mrl-base", &[], &NLLB_BASE_SIGLIP, Squash, NON_COMMERCIAL_PRESUMED, "visheratin/nllb-siglip-mrl-base").recall(None, None, Some(55.4)).tokenizer_of(NLLB),
    multi("nllb-siglip-mrl-large", &[], &NLLB_LARGE_SIGLIP, Squash, NON_COMMERCIAL_PRESUMED, "visheratin/nllb-siglip-mrl-large").tokenizer_of(NLLB),
    meta("metaclip2-s-16", &META_S_16, "facebook/metaclip-2-worldwide-s16"),
    meta("metaclip2-s-16-384", &META_S_16_384, "facebook/metaclip-2-worldwide-s16-384"),
    meta("metaclip2-m-16", &META_M_16, "facebook/metaclip-2-worldwide-m16"),
    meta("metaclip2-m-16-384", &META_M_16_384, "facebook/metaclip-2-worldwide-m16-384"),
    meta("metaclip2-b-32", &META_B_32, "facebook/metaclip-2-worldwide-b32"),
    meta("metaclip2-b-32-384", &META_B_32_384, "facebook/metaclip-2-worldwide-b32-384"),
    meta("metaclip2-b-16", &META_B_16, "facebook/metaclip-2-worldwide-b16"),
    meta("metaclip2-b-16-384", &META_B_16_384, "facebook/metaclip-2-worldwide-b16-384"),
    meta("metaclip2-l-14", &META_L_14, "facebook/metaclip-2-worldwide-l14"),
    timm_meta("metaclip2-h-14", &META_H_14, QuickGelu, OpenAi, "timm/vit_huge_patch14_clip_224.metaclip2_worldwide").also(&["facebook/metaclip-2-worldwide-huge-quickgelu"]),
    timm_meta("metaclip2-h-14-378", &META_H_14_378, Gelu, OpenAiSquash, "timm/vit_huge_patch14_clip_378.metaclip2_worldwide").also(&["facebook/metaclip-2-worldwide-huge-378"]),
    // transformers' processor makes squares of photos for this size, open_clip crops: the weights in its layout have no name.
    timm_meta("metaclip2-bigg-14", &META_BIG_G_14, Gelu, OpenAi, "timm/vit_gigantic_patch14_clip_224.metaclip2_worldwide"),
    timm_meta("metaclip2-bigg-14-378", &META_BIG_G_14_378, Gelu, OpenAiSquash, "timm/vit_gigantic_patch14_clip_378.metaclip2_worldwide").also(&["facebook/metaclip-2-worldwide-giant-378"]),
    meta("metaclip2-mt5-s-16", &META_MT5_S_16, "facebook/metaclip-2-mt5-worldwide-s16"),
    meta("metaclip2-mt5-m-16", &META_MT5_M_16, "facebook/metaclip-2-mt5-worldwide-m16"),
    meta("metaclip2-mt5-b-32", &META_MT5_B_32, "facebook/metaclip-2-mt5-worldwide-b32"),
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
    row(name, architecture, activation, OpenAi, NON_COMMERCIAL_PRESUMED, repository)
}

/// TinyCLIP, in transformers' form, whose configuration file states the activation. The license is that of its code.
const fn tiny(name: Text, architecture: Arch, repository: Text) -> Model {
    let model = row(name, architecture, Gelu, OpenAi, MIT_PRESUMED, repository);
    Model { file: TRANSFORMERS, ..model }.unique_in("huggingface")
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

/// Perception Encoders in open_clip's form. In it shapes identify them. Meta's README states the license of all weights.
const fn perception(name: Text, aliases: &'static [Text], architecture: Arch, repository: Text) -> Model {
    let model = row(name, architecture, Gelu, SquashBilinear, APACHE, repository);
    Model { aliases, ..model }.unique_in("open_clip")
}

/// XLM-RoBERTa and NLLB in open_clip's form, with GELU in the image tower.
const fn multi(
    name: Text,
    aliases: &'static [Text],
    architecture: Arch,
    pre: Preprocess,
    license: License,
    repository: Text,
) -> Model {
    let model = row(name, architecture, Gelu, pre, license, repository);
    Model { aliases, file: OPEN_CLIP_BIN, ..model }.worldwide()
}

/// MetaCLIP 2 in transformers' form, with GELU. Activation and preprocessing are those of the configuration files.
const fn meta(name: Text, architecture: Arch, repository: Text) -> Model {
    let model = row(name, architecture, Gelu, OpenAiSquash, NON_COMMERCIAL_PRESUMED, repository);
    Model { file: TRANSFORMERS, ..model }.worldwide().unique_in("huggingface")
}

/// MetaCLIP 2 in open_clip's form.
const fn timm_meta(name: Text, architecture: Arch, activation: Activation, pre: Preprocess, repository: Text) -> Model {
    let model = row(name, architecture, activation, pre, NON_COMMERCIAL_PRESUMED, repository);
    model.worldwide().unique_in("open_clip").tokenizer_of("facebook/xlm-v-base")
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
        recall: Recall { coco: None, flickr: None, crossmodal: None },
        repository,
        other_repositories: &[],
        file: OPEN_CLIP,
        revision: None,
        tokenizer_repository: None,
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

    /// Notes that texts of many languages were in its training, those of Europe above all.
    const fn multilingual(self) -> Self {
        Model { languages: Languages::European, ..self }
    }

    /// Notes that texts of all languages were in its training.
    const fn worldwide(self) -> Self {
        Model { languages: Languages::Worldwide, ..self }
    }

    /// Notes where its tokenizer is.
    const fn tokenizer_of(self, repository: Text) -> Self {
        Model { tokenizer_repository: Some(repository), ..self }
    }

    /// Adds published figures: see [`Recall`].
    const fn recall(self, coco: Option<f32>, flickr: Option<f32>, crossmodal: Option<f32>) -> Self {
        Model { recall: Recall { coco, flickr, crossmodal }, ..self }
    }

    /// Notes that no other model has the same shapes in a checkpoint layout.
    const fn unique_in(self, layout: Text) -> Self {
        Model { unique_in: Some(layout), ..self }
    }
}
