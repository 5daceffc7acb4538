//! SigLIP: maps every published size in both layouts by name and shape, and refuses every kind of wrong listing.

use super::*;
use crate::catalog;
use crate::models::config::ImagePooling;
use crate::models::tests::checkpoint::{Layout, golden as generated};

/// The listings of full-size models: open_clip's by its names, transformers' by repository.
fn published() -> serde_json::Map<String, serde_json::Value> {
    let all: serde_json::Value = serde_json::from_slice(&std::fs::read(golden("siglip.json")).unwrap()).unwrap();
    all.as_object().unwrap().clone()
}

/// The listing of a full-size model, with all blocks.
pub(super) fn whole(model: &serde_json::Value) -> Listing {
    let shape = |shape: &serde_json::Value| serde_json::from_value(shape.clone()).unwrap();
    let layers = |tower: usize| model["layers"][tower].as_u64().unwrap();
    let blocks = |(name, dims): (&String, &serde_json::Value)| {
        let count = match name.contains('*') {
            true => layers(usize::from(!name.starts_with("vis"))),
            false => 1,
        };
        let dims: Vec<usize> = shape(dims);
        let names: Vec<_> = (0..count).map(|i| name.replace('*', &i.to_string())).collect();
        names.into_iter().map(|name| (name, ElementType::F32, dims.clone())).collect::<Vec<_>>()
    };
    model["keys"].as_object().unwrap().iter().flat_map(blocks).collect()
}

/// The checkpoint of a full-size model, without data.
pub(in crate::import) fn full_size(name: &str) -> Checkpoint {
    Checkpoint::of_shapes(whole(&published()[name]))
}

/// The draft, with what tensors do not tell taken from `known`.
fn completed(mut draft: ModelConfig, known: &ModelConfig) -> ModelConfig {
    let (Some(ImageConfig::Vit(image)), Some(ImageConfig::Vit(own))) = (&mut draft.image, &known.image) else {
        panic!()
    };
    (image.blocks.heads, image.blocks.activation) = (own.blocks.heads, own.blocks.activation);
    (image.blocks.norm_eps, image.image_size) = (own.blocks.norm_eps, own.image_size);
    let (Some(TextConfig::Transformer(text)), Some(TextConfig::Transformer(own))) = (&mut draft.text, &known.text)
    else {
        panic!()
    };
    (text.blocks.heads, text.blocks.activation) = (own.blocks.heads, own.blocks.activation);
    text.blocks.norm_eps = own.blocks.norm_eps;
    ModelConfig { logit_bias: known.logit_bias, ..draft }
}

#[test]
fn every_published_size_is_that_of_its_row() {
    let published = published();
    let mut rows = 0;
    for model in catalog::models().iter().filter(|model| model.name.starts_with("siglip")) {
        for (name, layout) in [(model.repository, SourceLayout::OpenClip)]
            .into_iter()
            .chain(model.other_repositories.iter().map(|name| (*name, SourceLayout::HuggingFace)))
        {
            let Some(listing) = published.get(name.strip_prefix("timm/").unwrap_or(name)) else {
                assert_eq!(layout, SourceLayout::HuggingFace, "{name}");
                continue;
            };
            let mapped = map_listing(whole(listing)).unwrap();
            assert_eq!((mapped.layout, mapped.sigmoid), (layout, true), "{name}");
            assert_eq!(mapped.logit_bias.as_deref(), Some("logit_bias"), "{name}");
            assert!(mapped.ignored.is_empty() && mapped.extra.is_empty(), "{name}");
            assert_eq!(completed(mapped.draft, &model.config()), model.config(), "{name}");
            rows += 1;
        }
    }
    assert!(rows >= 30, "{rows}");
}

/// Most are one number in the listing; head widths and padding are not.
#[test]
fn what_is_special_about_each_size() {
    let draft = |name: &str| map_listing(whole(&published()[name])).unwrap().draft;
    let image = |name: &str| match draft(name).image {
        Some(ImageConfig::Vit(image)) => image,
        _ => panic!(),
    };
    let text = |name: &str| match draft(name).text {
        Some(TextConfig::Transformer(text)) => text,
        _ => panic!(),
    };
    for name in published().keys().filter(|name| !name.contains("naflex")) {
        let (image, text) = (image(name), text(name));
        assert!(!image.class_token && !image.pre_norm && image.pooling == ImagePooling::Attention, "{name}");
        assert!(!text.causal && text.pooling == TextPooling::LastPosition, "{name}");
        assert_eq!(text.pad_id, if text.vocab_size == 256_000 { 0 } else { 1 }, "{name}");
    }
    assert_eq!(text("ViT-SO400M-14-SigLIP").context_length, 16);
    assert_eq!(text("ViT-SO400M-14-SigLIP-384").context_length, 64);
    assert!(!text("ViT-SO400M-16-SigLIP-i18n-256").projection && text("ViT-B-16-SigLIP-i18n-256").projection);
    assert_eq!(
        (text("ViT-gopt-16-SigLIP2-256").blocks.width, draft("ViT-gopt-16-SigLIP2-256").embed_dim),
        (1152, 1536)
    );
    // 384 pixels in patches of 14: the grid has 27, so that six rows and columns are unused.
    assert_eq!(image("ViT-SO400M-14-SigLIP-384").grid(), 27);
    assert_eq!(image("google/siglip-so400m-patch14-384").grid(), 27);
}

#[test]
fn naflex_is_refused_by_name() {
    let error = refused(whole(&published()["google/siglip2-base-patch16-naflex"]));
    assert!(error.contains("it is a NaFlex model of SigLIP 2") && error.contains("siglip2-b-16-256"), "{error}");
    let timm = vec![("visual.trunk.embeds.proj.weight".to_owned(), ElementType::F32, vec![768, 768])];
    assert!(refused(timm).contains("NaFlex"));
}

/// Perception Encoder pools by attention, too, with a class token and another norm.
#[test]
fn other_towers_with_attention_pooling_are_not_taken_for_siglip() {
    let mut other = whole(&published()["ViT-B-16-SigLIP"]);
    other.push(("visual.trunk.cls_token".to_owned(), ElementType::F32, vec![1, 1, 768]));
    assert!(map_listing(other).is_err());
}

/// A small model of each kind in each layout.
fn tiny() -> Vec<(String, Listing)> {
    let cases = generated::siglip_cases().into_iter().filter(|(model, ..)| model.name.starts_with("tiny-"));
    let listing = |model: &crate::models::tests::checkpoint::Model, layout: Layout| {
        layout.entries(model).into_iter().map(|entry| (entry.name, ElementType::F32, entry.shape)).collect()
    };
    let cases: Vec<_> = cases
        .filter(|(_, layout, _)| *layout != Layout::OpenClipBin)
        .map(|(model, layout, _)| (format!("{} {layout:?}", model.name), listing(&model, layout)))
        .collect();
    assert!(cases.len() >= 5);
    cases
}

#[test]
fn every_missing_or_surplus_tensor_is_named() {
    for (what, listing) in tiny() {
        assert!(map_listing(listing.clone()).is_ok(), "{what}");
        for gone in 0..listing.len() {
            let mut others = listing.clone();
            let (name, ..) = others.remove(gone);
            // The projection is optional in open_clip's layout, but not half of it.
            let error = refused(others);
            assert!(error.contains(&format!("`{name}`")), "{what} {name}: {error}");
            assert!(!error.contains("another shape"), "{what} {name}: {error}");
        }
        for extra in ["visual.trunk.extra.weight", "vision_model.extra", "text.extra", "text_model.extra"] {
            let tower = extra.split('.').next().unwrap();
            if listing.iter().any(|(name, ..)| name.split('.').next() == Some(tower)) {
                let mut more = listing.clone();
                more.push((extra.to_owned(), ElementType::F32, vec![1]));
                assert!(refused(more).contains(&format!("`{extra}`")), "{what}");
            }
        }
    }
}

#[test]
fn every_wrong_shape_is_named() {
    for (what, listing) in tiny() {
        for (name, other) in with_wrong_shapes(&listing) {
            let error = refused(other);
            // A matrix of patches is that of NaFlex, and a wider table makes all others wrong.
            assert!(error.contains("with another shape (") || error.contains("NaFlex"), "{what} {name}: {error}");
        }
    }
}

#[test]
fn towers_alone_are_mapped() {
    for (what, listing) in tiny() {
        let image = only(&listing, |name| name.starts_with("vis"));
        let mapped = map_listing(image).unwrap();
        assert!(mapped.draft.image.is_some() && mapped.draft.text.is_none() && mapped.sigmoid, "{what}");
        assert_eq!(mapped.logit_bias, None, "{what}");
        // Without a projection, nothing tells such a text tower from others of open_clip.
        if !what.contains("bare") {
            let text = only(&listing, |name| name.starts_with("text"));
            let mapped = map_listing(text).unwrap();
            assert!(mapped.draft.image.is_none() && mapped.draft.text.is_some() && mapped.sigmoid, "{what}");
        }
    }
}
