//! Layouts: maps full-size models by name and shape, and refuses every kind of wrong listing.

use super::*;
use crate::import::element::ElementType;
use crate::import::tests::golden;

type Listing = Vec<(String, ElementType, Vec<usize>)>;

/// Names and shapes of a full-size model, as its library creates it.
fn listing(model: &str) -> Listing {
    let all: serde_json::Value = serde_json::from_slice(&std::fs::read(golden("keys.json")).unwrap()).unwrap();
    let shape = |shape: &serde_json::Value| serde_json::from_value(shape.clone()).unwrap();
    let tensors = all[model].as_object().unwrap().iter();
    tensors.map(|(name, dims)| (name.clone(), ElementType::F32, shape(dims))).collect()
}

fn map_listing(listing: Listing) -> Result<Mapped, Error> {
    map(&Checkpoint::of_shapes(listing))
}

fn refused(listing: Listing) -> String {
    map_listing(listing).err().unwrap().to_string()
}

fn position(listing: &Listing, name: &str) -> usize {
    listing.iter().position(|t| t.0 == name).unwrap()
}

/// ViT-B/32 as inferred from its shapes.
fn b_32() -> ModelConfig {
    let image = ImageConfig::Vit(draft_vit(32, 7, true, draft_blocks(768, 12, 3072)));
    ModelConfig::new(512, 0.0, Some(image), Some(draft_text(77, 49408, draft_blocks(512, 12, 2048))))
}

#[test]
fn maps_full_size_models() {
    let mapped = map_listing(listing("ViT-B-32")).unwrap();
    assert_eq!((mapped.layout, &mapped.draft), (SourceLayout::OpenClip, &b_32()));
    assert!(mapped.ignored.is_empty());

    let mapped = map_listing(listing("CLIPModel")).unwrap();
    assert_eq!((mapped.layout, &mapped.draft), (SourceLayout::HuggingFace, &b_32()));

    let draft = map_listing(listing("ViT-L-14-336")).unwrap().draft;
    let Some(ImageConfig::Vit(image)) = &draft.image else { panic!() };
    assert_eq!((draft.embed_dim, image.grid(), image.patch_size), (768, 24, 14));
    assert_eq!(image.blocks, draft_blocks(1024, 24, 4096));
    let Some(TextConfig::Transformer(text)) = &draft.text else { panic!() };
    assert_eq!(text.blocks, draft_blocks(768, 12, 3072));
}

#[test]
fn openai_is_known_by_its_buffers_and_buffers_are_left_out() {
    let mut openai = listing("ViT-B-32");
    for name in ["input_resolution", "context_length", "vocab_size"] {
        openai.push((name.into(), ElementType::I64, vec![]));
    }
    openai.push(("attn_mask".into(), ElementType::F32, vec![77, 77]));
    openai.push(("transformer.resblocks.3.attn_mask".into(), ElementType::F16, vec![77, 77]));
    openai.push(("visual.steps".into(), ElementType::I64, vec![1]));
    let mapped = map_listing(openai).unwrap();
    assert_eq!(mapped.layout, SourceLayout::OpenAi);
    assert_eq!(mapped.ignored.len(), 6);

    let mut huggingface = listing("CLIPModel");
    huggingface.push(("text_model.embeddings.position_ids".into(), ElementType::I64, vec![1, 77]));
    assert_eq!(map_listing(huggingface).unwrap().ignored, ["text_model.embeddings.position_ids"]);
}

#[test]
fn the_logit_scale_may_have_one_dimension() {
    for (shape, fits) in [(vec![], true), (vec![1], true), (vec![2], false), (vec![1, 1], false)] {
        let mut listing = listing("ViT-B-32");
        let at = position(&listing, "logit_scale");
        listing[at].2 = shape;
        assert_eq!(map_listing(listing).is_ok(), fits);
    }
}

#[test]
fn every_missing_tensor_is_named() {
    for model in ["ViT-B-32", "CLIPModel"] {
        let whole = listing(model);
        for gone in 0..whole.len() {
            let mut listing = whole.clone();
            let (name, ..) = listing.remove(gone);
            let error = refused(listing);
            // Without the tensor that identifies a layout, no layout is recognised.
            let known = !name.ends_with("conv1.weight") && !name.ends_with("patch_embedding.weight");
            assert!(error.contains(&format!("`{name}`")) && error.contains("1 missing") || !known, "{name}: {error}");
            assert!(!error.contains("another shape"), "{name}: {error}");
        }
    }
}

#[test]
fn every_wrong_shape_is_named_with_what_fits() {
    for model in ["ViT-B-32", "CLIPModel"] {
        let whole = listing(model);
        for wrong in 0..whole.len() {
            let name = whole[wrong].0.clone();
            for change in [0, 1, 2] {
                let mut listing = whole.clone();
                let shape = &mut listing[wrong].2;
                match change {
                    0 => shape.push(3),
                    1 => *shape = vec![0; shape.len().max(1)],
                    _ if shape.len() < 2 => continue,
                    _ => shape[1] += 1,
                }
                let error = refused(listing);
                assert!(error.contains("with another shape ("), "{name} {change}: {error}");
                // If a tensor that defines a width is wrong, the others are reported too.
                assert!(error.contains(&format!("`{name}`")) || change == 2, "{name} {change}: {error}");
            }
        }
    }
    let mut listing = listing("ViT-B-32");
    let at = position(&listing, "ln_final.bias");
    listing[at].2 = vec![513];
    assert_eq!(
        refused(listing),
        "shapes.pt: its tensors do not fit the open_clip layout: 1 with another shape (`ln_final.bias` is [513] \
         instead of [512]); give the complete checkpoint of one supported model"
    );
}

#[test]
fn left_over_tensors_are_named_and_long_lists_are_cut() {
    let mut listing = listing("ViT-B-32");
    listing.push(("visual.extra".into(), ElementType::F32, vec![1]));
    assert!(refused(listing.clone()).contains("1 left over (`visual.extra`);"));
    listing.retain(|t| !t.0.contains("resblocks.5."));
    let error = refused(listing);
    // Eleven numbers remain, so block 5 is missing and block 11 is left over.
    assert!(error.contains("24 missing (`visual.transformer.resblocks.5.ln_1.weight`"), "{error}");
    assert!(error.contains("and 20 more); 25 left over ("), "{error}");
    assert!(error.len() < 1000);
}

#[test]
fn positions_must_be_a_square_and_one() {
    let mut listing = listing("ViT-B-32");
    let at = position(&listing, "visual.positional_embedding");
    listing[at].2 = vec![51, 768];
    let error = refused(listing);
    assert!(error.contains("`visual.positional_embedding` is [51, 768] instead of [50, 768]"), "{error}");
}

#[test]
fn weights_must_be_floats_of_a_known_type() {
    for (element, shown) in
        [(ElementType::I8, "elements of type i8;"), (ElementType::Other("F8_E4M3".into()), "elements of type F8_E4M3;")]
    {
        let mut listing = listing("ViT-B-32");
        let at = position(&listing, "visual.proj");
        listing[at].1 = element;
        let error = refused(listing);
        assert!(error.contains("tensor `visual.proj` has") && error.contains(shown), "{error}");
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let error = refused(listing("RN50"));
    assert!(error.contains("ModifiedResNet (RN50 and the like), which is not supported yet"), "{error}");
    let one = |name: &str| vec![(name.to_owned(), ElementType::F32, vec![1])];
    let error = refused(one("visual.trunk.layer1.0.conv1.weight"));
    assert!(error.contains("one of timm's that MobileCLIP does not have"), "{error}");
    let error = refused(one("model.embed_tokens.weight"));
    assert!(error.contains("its tensors (`model.embed_tokens.weight`) are of no known layout"), "{error}");
    assert!(refused(Vec::new()).contains("no known layout"));
}

pub(in crate::import) mod mobileclip;
