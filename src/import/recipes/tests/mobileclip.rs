//! MobileCLIP: maps every published model in every layout by name and shape, and refuses every kind of error.

use super::*;
use crate::models::config::{ConvStem, Mixer};
use crate::models::tests::checkpoint::{Layout, Model, golden};

/// Names and shapes of a generated checkpoint.
fn generated(model: &Model, layout: Layout) -> Listing {
    let tensor = |entry: &crate::models::tests::checkpoint::layout::Entry| {
        let counter = entry.name.ends_with("num_batches_tracked");
        let element = if counter { ElementType::I64 } else { ElementType::F32 };
        (entry.name.clone(), element, entry.shape.clone())
    };
    let entries = layout.entries(model);
    let strip = |(name, element, shape): (String, ElementType, Vec<usize>)| {
        (name.strip_prefix("module.").map_or(name.clone(), str::to_owned), element, shape)
    };
    entries.iter().map(tensor).map(strip).collect()
}

/// A checkpoint with those names and shapes and without data.
pub(in crate::import) fn checkpoint(model: &Model, layout: Layout) -> Checkpoint {
    Checkpoint::of_shapes(generated(model, layout))
}

/// A small model of each kind of tower in each layout, folded and not.
fn tiny() -> Vec<(String, Listing)> {
    let cases = golden::mobileclip_cases().into_iter().filter(|(model, ..)| model.name.starts_with("tiny-"));
    let cases: Vec<_> = cases
        .filter(|(_, layout, _)| !matches!(layout, Layout::OpenClipBin | Layout::ApplePrefixed))
        .map(|(model, layout, _)| (format!("{} {layout:?}", model.name), generated(&model, layout)))
        .collect();
    assert!(cases.len() >= 10);
    cases
}

#[test]
fn sizes_of_towers_are_inferred_from_shapes() {
    let image = |name: &str| {
        let model = golden::mobileclip_models().into_iter().find(|m| m.name == name).unwrap();
        map_listing(generated(&model, Layout::OpenClip)).unwrap().draft.image.unwrap()
    };
    let ImageConfig::Mci(s0) = image("mobileclip2-s0") else { panic!() };
    let stages: Vec<_> =
        s0.stages.iter().map(|s| (s.channels, s.blocks, s.mlp_width, s.squeeze_width, s.position_encoding)).collect();
    assert_eq!(
        stages,
        [
            (64, 2, 192, None, false),
            (128, 6, 384, None, false),
            (256, 10, 768, Some(64), false),
            (512, 2, 1536, Some(128), true)
        ]
    );
    // Attention after a BatchNorm.
    assert_eq!((s0.squeeze_width, s0.stages[3].mixer, s0.stages[3].attention_norm), (64, Mixer::Attention, false));
    let mut b = draft_vit(16, 14, false, draft_blocks(768, 12, 3072));
    b.stem = Some(ConvStem { width: 192, padding: 0 });
    assert_eq!(image("mobileclip-b"), ImageConfig::Vit(b));
    let l_14 = draft_vit(14, 16, true, draft_blocks(1024, 24, 4096));
    assert_eq!(image("mobileclip2-l-14"), ImageConfig::Vit(l_14));
}

#[test]
fn every_published_model_maps_in_every_layout_to_the_same_shapes() {
    for model in golden::mobileclip_models() {
        let mut drafts: Vec<ModelConfig> = Vec::new();
        for layout in Layout::supported(&model) {
            let mapped =
                map_listing(generated(&model, layout)).unwrap_or_else(|e| panic!("{} {layout:?}: {e}", model.name));
            assert!(mapped.ignored.iter().all(|name| name.ends_with("num_batches_tracked")));
            drafts.push(mapped.draft);
        }
        assert!(drafts.iter().all(|d| *d == drafts[0]), "{}", model.name);
    }
}

#[test]
fn every_missing_tensor_is_named() {
    for (what, whole) in tiny() {
        for gone in 0..whole.len() {
            let mut listing = whole.clone();
            let (name, element, _) = listing.remove(gone);
            if element != ElementType::F32 {
                continue;
            }
            // The layout of these towers is recognised by this tensor.
            if name == "visual.trunk.patch_embed.proj.weight" {
                continue;
            }
            let error = refused(listing);
            assert!(error.contains(&format!("`{name}`")), "{what} {name}: {error}");
            assert!(error.contains("1 missing") && !error.contains("another shape"), "{what} {name}: {error}");
            assert!(!error.contains("left over"), "{what} {name}: {error}");
        }
    }
}

#[test]
fn every_wrong_shape_and_every_extra_tensor_is_named() {
    for (what, whole) in tiny() {
        for wrong in 0..whole.len() {
            let (name, element, _) = whole[wrong].clone();
            if element != ElementType::F32 {
                continue;
            }
            let mut listing = whole.clone();
            listing[wrong].2.push(3);
            let error = refused(listing);
            assert!(
                error.contains("another shape (") && error.contains(&format!("`{name}`")),
                "{what} {name}: {error}"
            );
        }
        for extra in ["visual.trunk.extra.weight", "text_encoder.extra", "x"] {
            let mut listing = whole.clone();
            listing.push((extra.into(), ElementType::F32, vec![1]));
            let first = |name: &str| name.split('.').next().unwrap().to_owned();
            let in_tower = whole.iter().any(|tensor| first(&tensor.0) == first(extra));
            let kind = if in_tower { "left over" } else { "in no tower" };
            assert!(refused(listing).contains(&format!("1 {kind} (`{extra}`)")), "{what}");
        }
    }
}

/// Tries one block of the folded form in an unfolded checkpoint, and the other way round.
#[test]
fn mixtures_of_folded_and_unfolded_are_refused() {
    let model = |name: &str| golden::mobileclip_models().into_iter().find(|m| m.name == name).unwrap();
    for (name, trained, folded, block) in [
        ("tiny-mci", Layout::OpenClip, Layout::OpenClipFolded, "visual.trunk.stages.1.blocks.1.token_mixer."),
        ("tiny-mci", Layout::OpenClip, Layout::OpenClipFolded, "visual.trunk.stages.2.downsample.proj.0."),
        ("tiny-hybrid", Layout::Apple, Layout::AppleFolded, "image_encoder.model.network.0.0.token_mixer."),
        ("tiny-hybrid", Layout::Apple, Layout::AppleFolded, "text_encoder.transformer.3.token_mixer."),
    ] {
        let all = [trained, folded].map(|layout| generated(&model(name), layout));
        for (most, one) in [(&all[0], &all[1]), (&all[1], &all[0])] {
            let mut listing = most.clone();
            listing.retain(|t| !t.0.starts_with(block));
            listing.extend(one.iter().filter(|t| t.0.starts_with(block)).cloned());
            let error = refused(listing);
            assert!(error.contains("missing (") && error.contains("left over ("), "{error}");
            assert!(error.contains(block), "{error}");
        }
    }
}
