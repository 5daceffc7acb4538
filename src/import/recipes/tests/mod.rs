//! Layouts: maps full-size models by name and shape, and refuses every kind of wrong listing.

use super::*;
use crate::import::checkpoint::Checkpoint;
use crate::import::element::ElementType;
use crate::import::error::Error;
use crate::import::make::jobs;
use crate::import::options::ConvertOptions;
use crate::import::tests::golden;
use crate::weights::Precision;

type Listing = Vec<(String, ElementType, Vec<usize>)>;

/// Names and shapes of a full-size model, as its library creates it.
fn listing(model: &str) -> Listing {
    let all: serde_json::Value = serde_json::from_slice(&std::fs::read(golden("keys.json")).unwrap()).unwrap();
    let shape = |shape: &serde_json::Value| serde_json::from_value(shape.clone()).unwrap();
    let tensors = all[model].as_object().unwrap().iter();
    tensors.map(|(name, dims)| (name.clone(), ElementType::F32, shape(dims))).collect()
}

fn map_listing(listing: Listing) -> Result<Mapped, Error> {
    map_with(listing, &ConvertOptions::default())
}

fn map_with(listing: Listing, options: &ConvertOptions) -> Result<Mapped, Error> {
    map(&Checkpoint::of_shapes(listing), options)
}

fn refused(listing: Listing) -> String {
    map_listing(listing).err().unwrap().to_string()
}

/// The listing with one wrong shape each: a dimension more, or one that is larger; and the tensor's name.
fn with_wrong_shapes(listing: &Listing) -> impl Iterator<Item = (String, Listing)> {
    (0..listing.len()).flat_map(|wrong| [false, true].map(|larger| (wrong, larger))).filter_map(|(wrong, larger)| {
        let mut other = listing.clone();
        let (name, _, shape) = &mut other[wrong];
        let name = name.clone();
        match larger {
            false => shape.push(3),
            true => *shape.get_mut(1)? += 1,
        }
        Some((name, other))
    })
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

// --- prefixes, towers, extra tensors

fn prefixed(prefix: &str, listing: &Listing) -> Listing {
    listing.iter().map(|(name, element, shape)| (format!("{prefix}{name}"), element.clone(), shape.clone())).collect()
}

fn only(listing: &Listing, keep: impl Fn(&str) -> bool) -> Listing {
    listing.iter().filter(|tensor| keep(&tensor.0)).cloned().collect()
}

#[test]
fn any_prefix_of_all_names_is_found() {
    for model in ["ViT-B-32", "CLIPModel"] {
        let whole = listing(model);
        let draft = map_listing(whole.clone()).unwrap().draft;
        for prefix in ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.", "state_dict.a.b.c."]
        {
            let mapped = map_listing(prefixed(prefix, &whole)).unwrap();
            assert_eq!((mapped.prefix.as_str(), &mapped.draft), (prefix, &draft), "{model}");
            assert!(mapped.ignored.is_empty() && mapped.extra.is_empty());
            // What is missing is named with its prefix.
            let mut short = prefixed(prefix, &whole);
            let (gone, ..) = short.remove(short.len() / 2);
            assert!(refused(short).contains(&format!("1 missing (`{gone}`)")));
        }
    }
}

#[test]
fn several_models_are_refused_until_one_is_chosen() {
    let whole = listing("ViT-B-32");
    let two = [prefixed("model.", &whole), prefixed("ema.model.", &whole)].concat();
    let error = refused(two.clone());
    assert!(
        error.contains("several models, with the prefixes `ema.model.`, `model.`; choose one with --prefix"),
        "{error}"
    );
    for prefix in ["ema.model.", "ema.model", "model"] {
        let mapped = map_with(two.clone(), &ConvertOptions::new().prefix(prefix)).unwrap();
        assert_eq!(mapped.prefix.trim_end_matches('.'), prefix.trim_end_matches('.'));
        assert_eq!(mapped.extra.len(), whole.len(), "the other model");
    }
    let error = map_with(two, &ConvertOptions::new().prefix("x")).err().unwrap().to_string();
    assert!(error.contains("--prefix x: no tensor") && error.contains("are `ema.model.`, `model.`"), "{error}");

    // The plain names are chosen by an empty prefix.
    let two = [whole.clone(), prefixed("ema.", &whole)].concat();
    assert!(refused(two.clone()).contains(r#"the prefixes "", `ema.`"#));
    assert_eq!(map_with(two, &ConvertOptions::new().prefix("")).unwrap().prefix, "");

    // A copy that is not complete is not a model, but not left out silently either.
    let mut half = prefixed("ema.", &whole);
    half.truncate(100);
    let both = [whole, half].concat();
    assert!(refused(both.clone()).contains("100 in no tower (`ema."));
    assert_eq!(map_with(both, &ConvertOptions::new().ignore_extra(true)).unwrap().extra.len(), 100);

    // Towers at two places are two models.
    let split = listing("CLIPModel");
    let image = prefixed("a.", &only(&split, |name| name.starts_with("vis")));
    let text = prefixed("b.", &only(&split, |name| name.starts_with("text")));
    let error = refused([image, text].concat());
    assert!(error.contains("`a.` (image tower), `b.` (text tower); choose"), "{error}");
}

#[test]
fn one_tower_alone_is_a_model() {
    let (native, hf) = (listing("ViT-B-32"), listing("CLIPModel"));
    let is_visual = |name: &str| name.starts_with("visual.");
    let whole = b_32();
    let bare: Listing = only(&native, is_visual);
    let bare = bare.into_iter().map(|(name, element, shape)| (name["visual.".len()..].to_owned(), element, shape));
    for (tower, tensors) in [
        ("image", only(&native, is_visual)),
        ("image", bare.collect()),
        ("text", only(&native, |name| !is_visual(name) && name != "logit_scale")),
        ("image", only(&hf, |name| name.starts_with("vis"))),
        ("text", only(&hf, |name| name.starts_with("text"))),
        ("image", only(&hf, |name| name.starts_with("vis") || name == "logit_scale")),
    ] {
        let has_scale = tensors.iter().any(|tensor| tensor.0 == "logit_scale");
        let mapped = map_listing(tensors.clone()).unwrap();
        assert_eq!(mapped.draft.embed_dim, 512);
        assert_eq!(mapped.draft.image, whole.image.clone().filter(|_| tower == "image"));
        assert_eq!(mapped.draft.text, whole.text.clone().filter(|_| tower == "text"));
        assert_eq!(mapped.logit_scale.is_some(), has_scale);
        // No tensor of the tower may be missing.
        for gone in 0..tensors.len() {
            let mut tensors = tensors.clone();
            let (name, ..) = tensors.remove(gone);
            if name != "logit_scale" {
                assert!(map_listing(tensors).is_err(), "{name}");
            }
        }
    }
    // Nor may the scale, if both towers are there.
    assert!(refused(only(&native, |name| name != "logit_scale")).contains("1 missing (`logit_scale`)"));
    // Half a tower beside a whole one is not left out, but named.
    let half = only(&hf, |name| name.starts_with("vis") || name.starts_with("text_model.encoder.layers.0."));
    assert!(refused(half).contains("missing ("));
}

#[test]
fn towers_of_separate_text_are_recognised() {
    // open_clip's `CustomTextCLIP`: the names of the text tower start with `text.`.
    let whole = listing("ViT-B-32");
    let rename = |name: &str| match name.starts_with("visual.") || name == "logit_scale" {
        true => name.to_owned(),
        false => format!("text.{name}"),
    };
    let custom: Listing =
        whole.iter().map(|(name, element, shape)| (rename(name), element.clone(), shape.clone())).collect();
    let mapped = map_listing(custom.clone()).unwrap();
    assert_eq!((mapped.layout, &mapped.draft, mapped.prefix.as_str()), (SourceLayout::OpenClip, &b_32(), ""));
    let mapped = map_with(custom.clone(), &ConvertOptions::new().prefix("text")).unwrap();
    assert_eq!((mapped.draft.image, mapped.prefix.as_str()), (None, "text."));
    for gone in 0..custom.len() {
        let mut custom = custom.clone();
        let (name, ..) = custom.remove(gone);
        assert!(refused(custom).contains(&format!("1 missing (`{name}`)")), "{name}");
    }
}

#[test]
fn long_clip_has_two_tables_of_positions() {
    let mut long = listing("ViT-B-32");
    let at = position(&long, "positional_embedding");
    long[at].2 = vec![248, 512];
    long.push(("positional_embedding_res".into(), ElementType::F32, vec![248, 512]));
    let mapped = map_listing(long.clone()).unwrap();
    // Trained with OpenAI's code, and known by the name of none of its models.
    assert_eq!(mapped.layout, SourceLayout::OpenAi);
    assert_eq!(mapped.draft.text.as_ref().unwrap().context_length(), 248);
    let source = mapped.layers.iter().find(|(layer, _)| layer.path == "text.position").map(|(_, source)| source);
    assert!(matches!(source, Some(Source::SplitRows { rows: 20, .. })));
    long.last_mut().unwrap().2 = vec![77, 512];
    assert!(refused(long).contains("`positional_embedding_res` is [77, 512] instead of [248, 512]"));
}

#[test]
fn tensors_in_no_tower_are_left_out_only_on_request() {
    let float = |name: &str| (name.to_owned(), ElementType::F32, vec![2]);
    let mut heads = prefixed("clip.", &listing("ViT-B-32"));
    heads.extend([float("classifier.weight"), float("clip.head.0.bias"), float("clip.logit_bias")]);
    let error = refused(heads.clone());
    assert!(
        error
            .contains("3 in no tower (`clip.head.0.bias`, `clip.logit_bias`, `classifier.weight`); add --ignore-extra"),
        "{error}"
    );
    let mapped = map_with(heads.clone(), &ConvertOptions::new().ignore_extra(true)).unwrap();
    assert_eq!((mapped.extra.len(), mapped.draft), (3, b_32()));
    // In a tower, an unknown tensor may change embeddings.
    heads.push(float("clip.visual.adapter.weight"));
    let error = map_with(heads, &ConvertOptions::new().ignore_extra(true)).err().unwrap().to_string();
    assert!(error.contains("1 left over (`clip.visual.adapter.weight`); give the complete"), "{error}");
}

#[test]
fn adapters_are_refused_with_the_way_to_merge_them() {
    for name in [
        "base_model.model.vision_model.encoder.layers.0.self_attn.q_proj.lora_A.weight",
        "base_model.model.visual.transformer.resblocks.0.attn.out_proj.lora_B.default.weight",
        "lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight",
    ] {
        for beside in [Vec::new(), listing("CLIPModel")] {
            let error = refused([beside, vec![(name.to_owned(), ElementType::F32, vec![8, 512])]].concat());
            assert!(
                error.contains("is of a LoRA adapter, not a model") && error.contains("`merge_and_unload()`"),
                "{error}"
            );
        }
    }
}

#[test]
fn floods_of_beginnings_end() {
    let start = std::time::Instant::now();
    let many = |count: usize| -> Listing {
        (0..count).map(|i| (format!("a{i}.visual.conv1.weight"), ElementType::F32, vec![1])).collect()
    };
    assert!(refused(many(60_000)).contains("more than 256 prefixes"));
    let blocks = (100..60_000).map(|i| (format!("transformer.resblocks.{i}.ln_1.weight"), ElementType::F32, vec![1]));
    let mut model = listing("ViT-B-32");
    model.extend(blocks);
    assert!(refused(model).contains("missing ("));
    let nested = format!("{}class_embedding", "class_embedding.".repeat(60));
    assert!(refused(vec![(nested, ElementType::F32, vec![1])]).contains("no known layout"));
    assert!(start.elapsed() < std::time::Duration::from_secs(20));
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let mut eva = only(&listing("ViT-B-32"), |name| !name.starts_with("visual."));
    eva.push(("visual.trunk.blocks.0.attn.q_proj.weight".into(), ElementType::F32, vec![1]));
    let error = refused(eva.clone());
    assert!(
        error.contains("that neither MobileCLIP nor SigLIP nor Perception Encoder has; add --ignore-extra for its other tower alone"),
        "{error}"
    );
    let text = map_with(eva, &ConvertOptions::new().ignore_extra(true)).unwrap().draft;
    assert!(text.image.is_none() && text.text.is_some());
    let one = |name: &str| vec![(name.to_owned(), ElementType::F32, vec![1])];
    let error = refused(one("visual.trunk.layer1.0.conv1.weight"));
    assert!(error.contains("one of timm's that neither MobileCLIP nor SigLIP nor Perception Encoder has"), "{error}");
    let error = refused(one("model.embed_tokens.weight"));
    assert!(error.contains("its tensors (`model.embed_tokens.weight`) are of no known layout"), "{error}");
    assert!(refused(Vec::new()).contains("no known layout"));
}

pub(in crate::import) mod mobileclip;
pub(in crate::import) mod multilingual;
pub(in crate::import) mod perception;
mod resnet;
pub(in crate::import) mod siglip;

/// Sums of 8-bit products of more inputs do not fit 32 bits.
#[test]
fn layers_with_too_many_inputs_are_refused_in_8_bits() {
    let mut wide = listing("ViT-B-32");
    for (name, _, shape) in &mut wide {
        let is_mlp = name.starts_with("visual.") && name.contains(".mlp.");
        shape.iter_mut().filter(|side| is_mlp && **side == 3072).for_each(|side| *side = 65_540);
    }
    let checkpoint = Checkpoint::of_shapes(wide);
    let jobs_in = |precision| {
        let options = ConvertOptions::new().precision(precision);
        let mapped = map(&checkpoint, &options).unwrap();
        jobs(&checkpoint, &mapped.layers, &mapped.draft, &options).map(|jobs| jobs.len()).map_err(|e| e.to_string())
    };
    assert!(jobs_in(Precision::F16).unwrap() > 100);
    let error = jobs_in(Precision::Int8).unwrap_err();
    assert!(error.contains("`image.blocks.0.fc2` has more than 65536 inputs"), "{error}");
    assert!(error.ends_with("convert it with --precision f16"), "{error}");
}
