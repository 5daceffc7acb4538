//! CLIP's ResNets: drafts, layers and what is refused.

use super::*;
use crate::models::config::ResnetConfig;

/// The listing of RN50 whose shapes `change` may edit.
fn edited(change: impl Fn(&str, &mut Vec<usize>)) -> Listing {
    let mut listing = listing("RN50");
    listing.iter_mut().for_each(|(name, _, shape)| change(name, shape));
    listing
}

#[test]
fn a_whole_model_is_drafted_from_names_and_shapes() {
    let mapped = map_with(listing("RN50"), &ConvertOptions::new()).unwrap();
    let ModelConfig { embed_dim, image, text, .. } = &mapped.draft;
    let expected = ImageConfig::Resnet(ResnetConfig::new(224, 64, vec![3, 4, 6, 3], 1));
    assert_eq!((mapped.layout, *embed_dim, image.as_ref()), (SourceLayout::OpenClip, 1024, Some(&expected)));
    assert_eq!(text.as_ref().unwrap().sizes().width, Some(512));
    // Three layers of the stem, three for each of 16 blocks, one more in each stage, positions and pooling.
    let image = mapped.layers.iter().filter(|(layer, _)| layer.path.starts_with("image."));
    assert_eq!(image.count(), 3 + 3 * 16 + 4 + 5);
    assert!(mapped.ignored.iter().all(|name| name.ends_with("num_batches_tracked")));
}

#[test]
fn the_image_tower_alone_is_a_model_with_and_without_its_prefix() {
    let tower = only(&listing("RN50"), |name| name.starts_with("visual."));
    let bare =
        tower.iter().map(|(name, kind, shape)| (name["visual.".len()..].to_owned(), kind.clone(), shape.clone()));
    for listing in [bare.collect(), tower] {
        let draft = map_with(listing, &ConvertOptions::new()).unwrap().draft;
        assert!(matches!(draft.image, Some(ImageConfig::Resnet(_))) && draft.text.is_none());
    }
}

#[test]
fn what_is_missing_misshapen_or_left_over_is_named() {
    let without = |part: &str| refused(only(&listing("RN50"), |name| name != part));
    for part in ["visual.bn2.running_var", "visual.layer3.0.downsample.1.bias", "visual.attnpool.k_proj.bias"] {
        assert!(without(part).contains(part), "{part}");
    }
    let wide = edited(|name, shape| {
        if name == "visual.layer2.1.conv2.weight" {
            shape[2] = 5;
        }
    });
    assert!(refused(wide).contains("visual.layer2.1.conv2.weight"));
    let tokens = edited(|name, shape| {
        if name == "visual.attnpool.positional_embedding" {
            shape[0] = 52;
        }
    });
    assert!(refused(tokens).contains("visual.attnpool.positional_embedding"));
    let mut more = listing("RN50");
    more.push(("visual.layer5.0.conv1.weight".into(), ElementType::F32, vec![1]));
    assert!(refused(more).contains("visual.layer5.0.conv1.weight"));
    // An ordinary ResNet has no attention pooling.
    let plain = only(&listing("RN50"), |name| name.starts_with("visual.") && !name.contains("attnpool"));
    assert!(refused(plain).contains("no known layout"));
}
