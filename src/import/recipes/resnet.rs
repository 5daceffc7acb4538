//! CLIP's ResNets, under the names of OpenAI's code, which open_clip kept.

use super::convs::{batch_norm, conv};
use super::names::Checklist;
use super::source::{Branch, Kernel, Order, Source};
use super::{Target, grid};
use crate::models::config::{ImageConfig, ResnetConfig};

/// A name that no other image tower has.
pub(super) const POOL: &str = "attnpool.c_proj.weight";

/// Names of a tower, besides its stages.
const NAMES: [&str; 5] =
    ["conv1.weight", "conv3.weight", POOL, "attnpool.positional_embedding", "attnpool.q_proj.weight"];
const STAGES: [&str; 4] = ["layer1.", "layer2.", "layer3.", "layer4."];
/// Number of these by which a tower is known, so that it is known if any one of them is missing.
const ENOUGH: usize = 5;

/// Factor by which the last maps are smaller than the image.
const REDUCTION: usize = 32;

/// Whether there is a tower whose names start with `start`.
pub(super) fn has_tower(names: &Checklist<'_>, start: &str) -> bool {
    let pool = names.has_prefix(&format!("{start}attnpool."));
    let known = NAMES.iter().filter(|name| names.has(&format!("{start}{name}"))).count();
    let stages = STAGES.iter().filter(|stage| names.has_prefix(&format!("{start}{stage}"))).count();
    pool && known + stages >= ENOUGH
}

/// Drafts the tower, whose names start with `start`, and infers the length of the embeddings.
pub(super) fn draft(names: &mut Checklist<'_>, start: &str) -> (ImageConfig, usize) {
    let named = |name: &str| format!("{start}{name}");
    let [width, ..] = names.probe(&named("conv3.weight"), [0, 0, 3, 3]);
    let blocks = STAGES.map(|stage| names.count_blocks(&named(stage))).to_vec();
    let mut config = ResnetConfig::new(REDUCTION, width, blocks, 1);
    let last = config.last_width();
    let [embed_dim, _] = names.probe(&named(POOL), [0, last]);
    let position = named("attnpool.positional_embedding");
    let [tokens, found] = names.probe(&position, [0, last]);
    let grid = grid(names, &position, tokens, |tokens| vec![tokens, last], &[tokens, found]);
    config.image_size = grid.saturating_mul(REDUCTION);
    (ImageConfig::Resnet(config), embed_dim)
}

/// The tensors of a layer of the tower, whose names start with `start`.
pub(super) fn source(names: &mut Checklist<'_>, target: &Target<'_>, start: &str) -> Option<Source> {
    let named = |name: &str| format!("{start}{name}");
    Some(match target.path.get(1..)? {
        ["stem", i] => {
            let i = i.parse::<usize>().ok()? + 1;
            normed(names, named(&format!("conv{i}")), &named(&format!("bn{i}")), target)
        }
        ["stages", i, j, part] => {
            let block = format!("{start}{}{j}", STAGES.get(i.parse::<usize>().ok()?)?);
            let (conv, norm) = match *part {
                "reduce" => ("conv1", "bn1"),
                "conv" => ("conv2", "bn2"),
                "expand" => ("conv3", "bn3"),
                "identity" => ("downsample.0", "downsample.1"),
                _ => return None,
            };
            normed(names, format!("{block}.{conv}"), &format!("{block}.{norm}"), target)
        }
        ["position"] => Source::Rows(names.take(named("attnpool.positional_embedding"), &target.shape)),
        ["pool", "query"] => Source::linear(names.take_linear(&named("attnpool.q_proj"), target)),
        ["pool", "keys"] => {
            // Read the other way round: from the keys to the tokens. The bias changes no softmax.
            names.take(named("attnpool.k_proj.bias"), &[target.inputs]);
            Source::linear(names.take_matrix(&named("attnpool.k_proj.weight"), target))
        }
        ["pool", "values"] => Source::linear(names.take_linear(&named("attnpool.v_proj"), target)),
        ["pool", "out"] => Source::linear(names.take_linear(&named("attnpool.c_proj"), target)),
        _ => return None,
    })
}

/// A convolution without bias and the BatchNorm after it.
fn normed(names: &mut Checklist<'_>, name: String, norm: &str, target: &Target<'_>) -> Source {
    let [outputs, _, height, width] = target.size;
    let name = names.take(format!("{name}.weight"), &target.size);
    let kernel = Kernel { name, order: Order::OutIn, sides: [height, width] };
    let norm = Some(batch_norm(names, norm, outputs));
    Source::Conv(conv(target.size, vec![Branch { weight: Some(kernel), bias: None, norm, negative: false }]))
}
