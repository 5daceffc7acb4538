//! XLM-RoBERTa, NLLB and MetaCLIP 2: maps every published size in every layout by name and shape, and refuses every kind of
//! wrong listing.

use super::*;
use crate::models::tests::checkpoint::{Layout, Model, golden as generated, multilingual};

/// Names and shapes of a generated checkpoint.
fn listing(model: &Model, layout: Layout) -> Listing {
    layout.entries(model).into_iter().map(|entry| (entry.name, ElementType::F32, entry.shape)).collect()
}

/// The checkpoint of a published model in a layout, without data.
pub(in crate::import) fn full_size(name: &str, layout: Layout) -> Checkpoint {
    Checkpoint::of_shapes(listing(&Model::named(name).unwrap(), layout))
}

#[test]
fn every_published_size_is_mapped() {
    let mut mapped_layouts = 0;
    for model in multilingual::published() {
        for layout in [Layout::OpenClip, Layout::HuggingFace] {
            if layout.supports(&model).is_err() {
                continue;
            }
            let mapped = map_listing(listing(&model, layout)).unwrap();
            let size = model.multilingual().unwrap();
            let sigmoid = model.name.contains("siglip");
            let text = mapped.draft.text.as_ref().unwrap();
            assert_eq!((mapped.sigmoid, mapped.logit_bias.is_some()), (sigmoid, sigmoid), "{}", model.name);
            assert_eq!((text.vocab_size(), text.context_length()), (size.vocab_size(), 77), "{}", model.name);
            assert_eq!(mapped.draft.embed_dim, model.embed_dim(), "{}", model.name);
            assert!(mapped.has_own_text() || mapped.end_of_pieces().is_some(), "{}", model.name);
            assert_eq!(mapped.has_own_text(), !size.is_worldwide(), "{}", model.name);
            let pooler = ["text.transformer.pooler.dense.bias", "text.transformer.pooler.dense.weight"];
            let ignored: &[&str] = if model.name.starts_with("xlm") { &pooler } else { &[] };
            let mut found = mapped.ignored;
            found.sort();
            assert_eq!(found, ignored, "{}", model.name);
            mapped_layouts += 1;
        }
    }
    assert_eq!(mapped_layouts, 24 + 16);
}

/// What older files hold besides: indices of positions, computed positions.
#[test]
fn what_is_not_used_is_left_out() {
    let mut xlm = listing(&Model::named("tiny-xlm-roberta").unwrap(), Layout::OpenClip);
    xlm.push(("text.transformer.embeddings.position_ids".to_owned(), ElementType::I64, vec![1, 514]));
    assert_eq!(map_listing(xlm).unwrap().ignored.len(), 3);
    let mut nllb = listing(&Model::named("tiny-nllb").unwrap(), Layout::OpenClip);
    nllb.push(("text.transformer.embed_positions.weights".to_owned(), ElementType::F32, vec![1026, 64]));
    assert_eq!(map_listing(nllb).unwrap().ignored, ["text.transformer.embed_positions.weights"]);
}

/// A small model of each kind in each layout.
fn tiny() -> Vec<(String, Listing)> {
    let cases = generated::multilingual_cases().into_iter().filter(|(model, ..)| model.name.starts_with("tiny-"));
    let cases: Vec<_> = cases
        .filter(|(_, layout, _)| *layout != Layout::OpenClipBin)
        .map(|(model, layout, _)| (format!("{} {layout:?}", model.name), listing(&model, layout)))
        .collect();
    assert_eq!(cases.len(), 8);
    cases
}

#[test]
fn every_missing_or_surplus_tensor_is_named() {
    for (what, listing) in tiny().into_iter().filter(|(what, _)| !what.contains("worldwide")) {
        for gone in 0..listing.len() {
            let mut others = listing.clone();
            let (name, ..) = others.remove(gone);
            if name.contains(".pooler.") {
                assert!(map_listing(others).is_ok());
                continue;
            }
            let error = refused(others);
            assert!(error.contains(&format!("`{name}`")), "{what} {name}: {error}");
            assert!(!error.contains("another shape"), "{what} {name}: {error}");
        }
        for extra in ["text.extra", "text.transformer.extra.weight", "visual.extra"] {
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
            if name.contains(".pooler.") {
                continue;
            }
            let error = refused(other);
            assert!(error.contains("with another shape (") || error.contains("NaFlex"), "{what} {name}: {error}");
        }
    }
    // No row is left for a token.
    let mut short = listing(&Model::named("tiny-xlm-roberta").unwrap(), Layout::OpenClip);
    let at = position(&short, "text.transformer.embeddings.position_embeddings.weight");
    short[at].2 = vec![2, 40];
    assert!(refused(short).contains("position_embeddings.weight"));
}

#[test]
fn towers_alone_are_mapped() {
    for (what, listing) in tiny().into_iter().filter(|(what, _)| !what.contains("worldwide")) {
        let mapped = map_listing(only(&listing, |name| name.starts_with("visual."))).unwrap();
        assert!(mapped.draft.image.is_some() && mapped.draft.text.is_none(), "{what}");
        let mapped = map_listing(only(&listing, |name| name.starts_with("text."))).unwrap();
        assert!(mapped.draft.image.is_none() && mapped.draft.text.is_some() && !mapped.sigmoid, "{what}");
        assert!((mapped.has_own_text() || mapped.end_of_pieces().is_some()) && mapped.logit_scale.is_none(), "{what}");
    }
}
