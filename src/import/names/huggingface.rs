//! The names of Hugging Face transformers' `CLIPModel`.

use super::parts::{
    Block, BlockShapes, ImageParts, ImageShapes, Linear, Order, Parts, Shapes, TextParts, TextShapes, VitParts,
    VitShapes,
};
use super::taker::Taker;
use super::{grid, positions, square_patch, take_patch};

/// Where the blocks of the towers are.
const IMAGE_BLOCKS: &str = "vision_model.encoder.layers.";
const TEXT_BLOCKS: &str = "text_model.encoder.layers.";

/// Names and shapes of every part.
pub(super) fn take(taker: &mut Taker<'_>) -> (Parts, Shapes) {
    let image_blocks = blocks(taker, IMAGE_BLOCKS, "vision_model.post_layernorm.weight");
    let text_blocks = blocks(taker, TEXT_BLOCKS, "text_model.final_layer_norm.weight");
    let (w, d) = (image_blocks.width, text_blocks.width);
    let patch = "vision_model.embeddings.patch_embedding.weight";
    let patch_size = square_patch(taker, patch, w);
    let position = "vision_model.embeddings.position_embedding.weight";
    let [tokens, width] = taker.probe(position, [0, w]);
    let grid = grid(taker, position, tokens, |tokens| vec![tokens, w], &[tokens, width]);
    let [embed_dim, _] = taker.probe("visual_projection.weight", [0, w]);
    let token_embedding = "text_model.embeddings.token_embedding.weight";
    let [vocab_size, _] = taker.probe(token_embedding, [0, d]);
    let text_position = "text_model.embeddings.position_embedding.weight";
    let [context_length, _] = taker.probe(text_position, [0, d]);

    let image = VitParts {
        stem: take_patch(taker, patch, w, patch_size),
        class_embedding: taker.take("vision_model.embeddings.class_embedding".into(), &[w]),
        position: taker.take(position.into(), &[positions(grid), w]),
        // The misspelling is theirs.
        ln_pre: Some(taker.take_norm("vision_model.pre_layrnorm", w)),
        blocks: take_blocks(taker, IMAGE_BLOCKS, &image_blocks),
        ln_post: taker.take_norm("vision_model.post_layernorm", w),
        proj: projection(taker, "visual_projection.weight", w, embed_dim),
    };
    let text = TextParts {
        token_embedding: taker.take(token_embedding.into(), &[vocab_size, d]),
        position: taker.take(text_position.into(), &[context_length, d]),
        blocks: take_blocks(taker, TEXT_BLOCKS, &text_blocks),
        mixers: None,
        ln_final: taker.take_norm("text_model.final_layer_norm", d),
        proj: projection(taker, "text_projection.weight", d, embed_dim),
    };
    let shapes = Shapes {
        embed_dim,
        image: ImageShapes::Vit(VitShapes { stem: None, pre_norm: true, patch_size, grid, blocks: image_blocks }),
        text: TextShapes { context_length, vocab_size, blocks: text_blocks, kernel: None },
    };
    (Parts { logit_scale: taker.take_number("logit_scale"), image: ImageParts::Vit(image), text }, shapes)
}

fn blocks(taker: &mut Taker<'_>, prefix: &str, norm: &str) -> BlockShapes {
    let [width] = taker.probe(norm, [0]);
    let [mlp_width, _] = taker.probe(&format!("{prefix}0.mlp.fc1.weight"), [0, width]);
    BlockShapes { width, layers: taker.count_blocks(prefix), mlp_width }
}

fn take_blocks(taker: &mut Taker<'_>, prefix: &str, shapes: &BlockShapes) -> Vec<Block> {
    let BlockShapes { width, mlp_width, layers } = *shapes;
    (0..layers)
        .map(|i| {
            let at = |part: &str| format!("{prefix}{i}.{part}");
            let thirds = ["q_proj", "k_proj", "v_proj"].map(|third| at(&format!("self_attn.{third}")));
            Block {
                ln_1: taker.take_norm(&at("layer_norm1"), width),
                qkv: taker.take_stacked(&thirds, width, width),
                out: taker.take_linear(&at("self_attn.out_proj"), width, width),
                ln_2: taker.take_norm(&at("layer_norm2"), width),
                fc1: taker.take_linear(&at("mlp.fc1"), width, mlp_width),
                fc2: taker.take_linear(&at("mlp.fc2"), mlp_width, width),
            }
        })
        .collect()
}

/// A linear layer without bias.
fn projection(taker: &mut Taker<'_>, name: &str, k: usize, n: usize) -> Linear {
    Linear { weight: vec![taker.take(name.into(), &[n, k])], order: Order::OutIn, bias: Vec::new(), k, n }
}
