//! The models and inputs of `tests/goldens/models`, computed as in `tools/reference/goldens_vit.py` and its
//! neighbours.
//!
//! Knows how inputs are made, not what the embeddings should be.

use super::layout::Layout;
use super::mobileclip::{self, ImageTower, Offer};
use super::model::Model;
use super::multilingual::{self, Text};
use super::perception;
use super::random::Stream;
use super::resnet;
use super::siglip;
use super::vit;

/// Seed of the checkpoints and inputs of the goldens.
pub const SEED: u64 = 1;
/// Images per model.
pub const IMAGES: usize = 2;
/// Texts per model.
pub const TEXTS: usize = 4;

/// The models of OpenAI's architecture by the names of their goldens: the tiny ones, and every published size
/// with both activations, named like `vit-b-32-gelu` and `vit-b-32-quick_gelu`.
///
/// Both of a size have the same tensors; only the activation differs.
pub fn models() -> Vec<Model> {
    let sizes = vit::published()
        .into_iter()
        .filter_map(|model| Some((model.name.strip_suffix("-openai")?.to_owned(), model.vit()?.clone())));
    let full = sizes.flat_map(|(name, size)| {
        [("gelu", false), ("quick_gelu", true)]
            .map(|(activation, quick_gelu)| Model::custom(&format!("{name}-{activation}"), size.clone(), quick_gelu))
    });
    // Published with one activation.
    let one = ["vit-b-32-256-datacomp", "vit-b-16-plus-240-laion400m-e32"];
    let others =
        vit::published().into_iter().filter(move |m| one.contains(&m.name.as_str()) || m.name.starts_with("tinyclip"));
    vit::tiny().into_iter().chain(full).chain(others).collect()
}

/// The MobileCLIP models, tiny ones first. [`mobileclip_golden`] names their goldens.
pub fn mobileclip_models() -> Vec<Model> {
    mobileclip::tiny().into_iter().chain(mobileclip::published()).collect()
}

/// The name of a MobileCLIP's goldens, such as `mobileclip2-s2`.
///
/// Models of the same tensors share one: MobileCLIP-S3, S4 and L/14 those of MobileCLIP2, MobileCLIP-B (LT) that
/// of MobileCLIP-B. Where Apple's definition of the image tower and timm's differ (MobileCLIP-B: the padding of
/// the first convolution, `eps` of the norms), the layout decides: `mobileclip-b-apple`, `mobileclip-b-timm`.
pub fn mobileclip_golden(model: &Model, layout: Layout) -> String {
    let name = model.name.strip_suffix("-lt").unwrap_or(&model.name);
    match model.mobileclip() {
        Some(size) if size.offer == Offer::OpenClipNames => name.replace("mobileclip-", "mobileclip2-"),
        Some(size) if size.offer == Offer::Both && matches!(size.image, ImageTower::StemVit { .. }) => {
            let definition = if matches!(layout, Layout::Apple) { "apple" } else { "timm" };
            format!("{name}-{definition}")
        }
        _ => name.to_owned(),
    }
}

/// Every MobileCLIP in every layout that it is published in, with the name of its goldens.
pub fn mobileclip_cases() -> Vec<(Model, Layout, String)> {
    let layouts = |model: Model| {
        Layout::supported(&model).into_iter().map(move |layout| {
            let golden = mobileclip_golden(&model, layout);
            (model.clone(), layout, golden)
        })
    };
    mobileclip_models().into_iter().flat_map(layouts).collect()
}

/// The published SigLIPs that have goldens. The others are the same parts in other sizes.
pub const WHOLE_SIGLIPS: [&str; 3] = ["siglip-b-16-224", "siglip2-b-32-256", "siglip-so400m-14-224"];

/// Every SigLIP with goldens in every layout that it is published in, with their name, such as
/// `siglip2-b-32-256-huggingface`: the activations differ between the layouts.
pub fn siglip_cases() -> Vec<(Model, Layout, String)> {
    let layouts = |model: Model| {
        Layout::supported(&model).into_iter().map(move |layout| (model.clone(), layout, siglip_golden(&model, layout)))
    };
    let whole = siglip::published().into_iter().filter(|model| WHOLE_SIGLIPS.contains(&model.name.as_str()));
    siglip::tiny().into_iter().chain(whole).flat_map(layouts).collect()
}

/// The name of a SigLIP's goldens.
pub fn siglip_golden(model: &Model, layout: Layout) -> String {
    let definition = if layout == Layout::HuggingFace { "huggingface" } else { "open-clip" };
    format!("{}-{definition}", model.name)
}

/// Every ResNet in every layout that it is published in, with the name of its goldens, tiny ones first. Models of the
/// same sizes share them, such as `rn50`: all have QuickGELU in the text tower.
pub fn resnet_cases() -> Vec<(Model, Layout, String)> {
    let layouts = |model: Model| {
        Layout::supported(&model).into_iter().map(move |layout| (model.clone(), layout, resnet_golden(&model)))
    };
    resnet::tiny().into_iter().chain(resnet::published()).flat_map(layouts).collect()
}

/// The name of a ResNet's goldens.
pub fn resnet_golden(model: &Model) -> String {
    match model.name.split_once('-') {
        Some(("tiny", _)) | None => model.name.clone(),
        Some((size, _)) => size.to_owned(),
    }
}

/// The published multilingual models that have goldens.
pub const WHOLE_MULTILINGUAL: [&str; 1] = ["xlm-r-base-vit-b-32"];

/// Every multilingual model with goldens, which have its name, in every layout that it is published in.
pub fn multilingual_cases() -> Vec<(Model, Layout, String)> {
    let layouts = |model: Model| {
        Layout::supported(&model).into_iter().map(move |layout| (model.clone(), layout, model.name.clone()))
    };
    let whole = multilingual::published().into_iter().filter(|model| WHOLE_MULTILINGUAL.contains(&model.name.as_str()));
    multilingual::tiny().into_iter().chain(whole).flat_map(layouts).collect()
}

/// The published Perception Encoders that have goldens. The others are the same parts in other sizes.
pub const WHOLE_PERCEPTIONS: [&str; 2] = ["pe-core-t-16-384", "pe-core-b-16-224"];

/// Every Perception Encoder with goldens, which have its name, in every layout that it is published in.
pub fn perception_cases() -> Vec<(Model, Layout, String)> {
    let layouts = |model: Model| {
        Layout::supported(&model).into_iter().map(move |layout| (model.clone(), layout, model.name.clone()))
    };
    let whole = perception::published().into_iter().filter(|model| WHOLE_PERCEPTIONS.contains(&model.name.as_str()));
    perception::tiny().into_iter().chain(whole).flat_map(layouts).collect()
}

/// Pixels of image `image`, `[3, side, side]`, uniform in about -2 to 2.2 as after normalisation.
pub fn pixels(image: usize, side: usize) -> Vec<f32> {
    let stream = Stream::new(&format!("pixels.{image}"), SEED);
    (0..3 * side * side).map(|i| stream.uniform(i as u64, 0.1, 2.1)).collect()
}

/// Side of the squares of [`coarse_pixels`].
const SQUARE: usize = 8;

/// Pixels of squares of one colour each: a convolutional tower that averages its maps again and again makes all images
/// of single random pixels alike.
pub fn coarse_pixels(image: usize, side: usize) -> Vec<f32> {
    let (stream, squares) = (Stream::new(&format!("pixels.{image}"), SEED), side.div_ceil(SQUARE));
    let square = |i: usize| (i / side / side * squares + i / side % side / SQUARE) * squares + i % side / SQUARE;
    (0..3 * side * side).map(|i| stream.uniform(square(i) as u64, 0.1, 2.1)).collect()
}

/// The pixels of an image for a model's goldens.
pub fn pixels_of(model: &Model, image: usize) -> Vec<f32> {
    match model.resnet() {
        Some(size) => coarse_pixels(image, size.image_size),
        None => pixels(image, model.image_size()),
    }
}

/// Token ids of the texts: [`ids`] of each.
pub fn all_ids(model: &Model) -> Vec<Vec<u32>> {
    (0..TEXTS)
        .map(|text| match model.multilingual() {
            Some(size) => multilingual_ids(text, size.text, model.context_length(), model.vocab_size()),
            None => ids(text, model.context_length(), model.vocab_size()),
        })
        .collect()
}

/// Token ids of text `text` of a multilingual model, of the lengths of [`ids`]: what comes first, random ids from 3 on,
/// the end; unpadded. The third text of a tower that masks padding has some in its middle, which no tokenizer makes.
///
/// First comes 0, the token of a language (here the last row but 4), or nothing.
pub fn multilingual_ids(text: usize, kind: Text, context_length: usize, vocab_size: usize) -> Vec<u32> {
    let length = ids(text, context_length, vocab_size).len();
    let (first, end) = match kind {
        Text::XlmRoberta { .. } => (Some(0), 2),
        Text::Nllb => (Some(vocab_size as u32 - 5), 2),
        Text::Worldwide { end, starts } => (starts.then_some(0), end),
    };
    let stream = Stream::new(&format!("ids.{text}"), SEED);
    let mut ids: Vec<u32> = first.into_iter().collect();
    let middle = length - 1 - ids.len();
    ids.extend((0..middle).map(|i| 3 + stream.below(i as u64, vocab_size as u32 - 3)));
    ids.push(end);
    if text == 2 && !matches!(kind, Text::Worldwide { .. }) {
        (ids[3], ids[4]) = (1, 1);
    }
    ids
}

/// Token ids of text `text`: the start token, random ids, the end token; unpadded.
///
/// The lengths are 3, 10, 40 and 77 at a context of 77, and in proportion elsewhere; at a tiny context one text has
/// only start and end. The last text fills the context.
pub fn ids(text: usize, context_length: usize, vocab_size: usize) -> Vec<u32> {
    let length = match text {
        0 => 3,
        1 => context_length / 8 + 1,
        2 => context_length / 2 + 2,
        _ => context_length,
    };
    let start = vocab_size as u32 - 2;
    let stream = Stream::new(&format!("ids.{text}"), SEED);
    let mut ids = vec![start];
    ids.extend((0..length - 2).map(|i| stream.below(i as u64, start)));
    ids.push(start + 1);
    ids
}

/// [`ids`] padded with zeros to the context length, as a model without causal attention sees them.
pub fn padded_ids(text: usize, context_length: usize, vocab_size: usize) -> Vec<u32> {
    let mut ids = ids(text, context_length, vocab_size);
    ids.resize(context_length, 0);
    ids
}
