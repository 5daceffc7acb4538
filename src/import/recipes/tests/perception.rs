//! Perception Encoder: maps every published size in both layouts by name and shape, and refuses every kind of wrong listing.

use super::siglip::whole;
use super::*;
use crate::catalog;
use crate::models::tests::checkpoint::{Layout, golden as generated};

/// The listings of full-size models, by repository.
fn published() -> serde_json::Map<String, serde_json::Value> {
    let all: serde_json::Value = serde_json::from_slice(&std::fs::read(golden("perception.json")).unwrap()).unwrap();
    all.as_object().unwrap().clone()
}

/// The checkpoint of a full-size model, without data.
pub(in crate::import) fn full_size(repository: &str) -> Checkpoint {
    Checkpoint::of_shapes(whole(&published()[repository]))
}

#[test]
fn every_published_size_is_that_of_its_row() {
    let (published, mut found) = (published(), 0);
    for model in catalog::models().iter().filter(|model| model.name.starts_with("pe-core")) {
        let layouts = [SourceLayout::OpenClip, SourceLayout::Perception];
        for (repository, layout) in [model.repository, model.other_repositories[0]].into_iter().zip(layouts) {
            let mapped = map_listing(whole(&published[repository])).unwrap();
            assert_eq!((mapped.layout, mapped.sigmoid), (layout, false), "{repository}");
            assert_eq!((mapped.logit_scale.as_deref(), mapped.logit_bias), (Some("logit_scale"), None), "{repository}");
            assert!(mapped.ignored.is_empty() && mapped.extra.is_empty(), "{repository}");
            // What tensors do not tell: the heads of both towers.
            let (mut draft, known) = (mapped.draft, model.config());
            let (Some(ImageConfig::Vit(image)), Some(ImageConfig::Vit(own))) = (&mut draft.image, &known.image) else {
                panic!("{repository}")
            };
            image.blocks.heads = own.blocks.heads;
            let (Some(TextConfig::Transformer(text)), Some(TextConfig::Transformer(own))) =
                (&mut draft.text, &known.text)
            else {
                panic!("{repository}")
            };
            text.blocks.heads = own.blocks.heads;
            assert_eq!(draft, known, "{repository}");
            found += 1;
        }
    }
    assert_eq!((found, published.len()), (10, 10));
}

/// A small model of each kind in each layout.
fn tiny() -> Vec<(String, Listing)> {
    let cases = generated::perception_cases().into_iter().filter(|(model, ..)| model.name.starts_with("tiny-"));
    let cases: Vec<_> = cases
        .filter(|(_, layout, _)| *layout != Layout::OpenClipBin)
        .map(|(model, layout, _)| {
            let entries = layout.entries(&model).into_iter();
            let listing = entries.map(|entry| (entry.name, ElementType::F32, entry.shape)).collect();
            (format!("{} {layout:?}", model.name), listing)
        })
        .collect();
    assert_eq!(cases.len(), 5);
    cases
}

#[test]
fn every_missing_or_surplus_tensor_is_named() {
    for (what, listing) in tiny() {
        assert!(map_listing(listing.clone()).is_ok(), "{what}");
        for gone in 0..listing.len() {
            let mut others = listing.clone();
            let (name, ..) = others.remove(gone);
            let error = refused(others);
            assert!(error.contains(&format!("`{name}`")), "{what} {name}: {error}");
            assert!(!error.contains("another shape"), "{what} {name}: {error}");
        }
        // LayerScales, which PE-Lang and PE-Spatial have, are among them.
        let block = if what.contains("Meta") {
            "visual.transformer.resblocks.0.ls_1.gamma"
        } else {
            "visual.trunk.blocks.0.gamma_1"
        };
        for extra in ["visual.extra", block] {
            let mut more = listing.clone();
            more.push((extra.to_owned(), ElementType::F32, vec![1]));
            assert!(refused(more).contains(&format!("`{extra}`")), "{what}");
        }
    }
}

#[test]
fn every_wrong_shape_is_named() {
    for (what, listing) in tiny() {
        for (name, other) in with_wrong_shapes(&listing) {
            let error = refused(other);
            // One position more is that of a class token, which is missing.
            let is_class = name == "visual.trunk.pos_embed" && error.contains("missing (`visual.trunk.cls_token`)");
            assert!(is_class || error.contains("with another shape ("), "{what} {name}: {error}");
        }
    }
}

#[test]
fn towers_alone_are_mapped() {
    for (what, listing) in tiny() {
        let image = only(&listing, |name| name.starts_with("visual"));
        let mapped = map_listing(image).unwrap();
        assert!(mapped.draft.image.is_some() && mapped.draft.text.is_none() && !mapped.sigmoid, "{what}");
        let text = only(&listing, |name| !name.starts_with("visual"));
        let mapped = map_listing(text).unwrap();
        assert!(mapped.draft.image.is_none() && mapped.draft.text.is_some() && !mapped.sigmoid, "{what}");
        // As distributed training leaves it.
        let prefixed = prefixed("module.", &listing);
        assert_eq!(map_listing(prefixed).unwrap().prefix, "module.", "{what}");
    }
}

/// Their names share some with this family, but neither its pooling nor its norm before the blocks.
#[test]
fn other_towers_are_not_taken_for_it() {
    let known = |image: &Option<ImageConfig>| matches!(image, Some(ImageConfig::Vit(vit)) if vit.rotary);
    for name in ["ViT-B-32", "ViT-L-14-336", "CLIPModel"] {
        assert!(!known(&map_listing(listing(name)).unwrap().draft.image), "{name}");
    }
    // CoCa pools by attention with other names.
    let mut coca = listing("ViT-B-32");
    coca.push(("visual.attn_pool.query".to_owned(), ElementType::F32, vec![256, 512]));
    assert!(refused(coca).contains("`visual.attn_pool.query`"));
    // PE-Lang's and PE-Spatial's have no pooling.
    let spatial = only(&whole(&published()["timm/PE-Core-B-16"]), |name| {
        name.starts_with("visual") && !name.contains("attn_pool") && !name.contains("head")
    });
    assert!(map_listing(spatial).is_err());
}
