//! Models with multilingual text towers: XLM-RoBERTa, NLLB and MetaCLIP 2, published and tiny ones, and their tensors.
//!
//! Names of tensors are open_clip's, with those of transformers for the text towers of XLM-RoBERTa and NLLB. Sizes are
//! those of open_clip's `xlm-roberta-*.json`, `nllb-clip-*.json` and `ViT-*-worldwide.json`, of MetaCLIP's
//! `model_configs` and of the configurations of the text towers' repositories.

use super::model::{Architecture, Model, OPENAI_MEAN, OPENAI_STD, TowerSize, VitSize};
use super::siglip::{self, SiglipSize};
use super::tensor::{Kind, Tensor};
use super::vit::{self, ATTENTION_GAIN, weight};

/// Sizes of a model with a multilingual text tower.
#[derive(Clone, Debug, PartialEq)]
pub struct MultilingualSize {
    /// The image tower, and with it the sizes of the text tower.
    pub image: Image,
    /// What the text tower is.
    pub text: Text,
    /// How photos are resized: `shortest` or `squash`.
    pub resize: &'static str,
}

/// The image tower. Its sizes of a text tower are those of the model's own.
#[derive(Clone, Debug, PartialEq)]
pub enum Image {
    /// open_clip's own.
    Vit(VitSize),
    /// SigLIP's of timm.
    Siglip(SiglipSize),
}

/// The kind of a text tower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// XLM-RoBERTa with so many rows of positions, and channels between the two layers of the projection.
    XlmRoberta {
        /// Rows of the table of positions, of which the first two are not used.
        positions: usize,
        /// Channels between the layers of the projection.
        projection_width: usize,
    },
    /// The encoder of NLLB.
    Nllb,
    /// MetaCLIP 2's causal transformer, pooled at the first token with the id `end`.
    Worldwide {
        /// The end of a text.
        end: u32,
        /// Whether a text has a first token of its own, 0.
        starts: bool,
    },
}

impl MultilingualSize {
    /// Side of the input in pixels.
    pub fn image_size(&self) -> usize {
        match &self.image {
            Image::Vit(size) => size.image_size,
            Image::Siglip(size) => size.image_size,
        }
    }

    /// Length of the embeddings.
    pub fn embed_dim(&self) -> usize {
        match &self.image {
            Image::Vit(size) => size.embed_dim,
            Image::Siglip(size) => size.image.width,
        }
    }

    /// Number of token positions.
    pub fn context_length(&self) -> usize {
        match &self.image {
            Image::Vit(size) => size.context_length,
            Image::Siglip(size) => size.context_length,
        }
    }

    /// Rows of the token embedding.
    pub fn vocab_size(&self) -> usize {
        match &self.image {
            Image::Vit(size) => size.vocab_size,
            Image::Siglip(size) => size.vocab_size,
        }
    }

    /// The text tower's blocks.
    pub fn blocks(&self) -> &TowerSize {
        match &self.image {
            Image::Vit(size) => &size.text,
            Image::Siglip(size) => &size.text,
        }
    }

    /// The image tower's blocks.
    pub fn image_blocks(&self) -> &TowerSize {
        match &self.image {
            Image::Vit(size) => &size.image,
            Image::Siglip(size) => &size.image,
        }
    }

    /// The sizes of a model with open_clip's own image tower.
    pub fn vit(&self) -> Option<&VitSize> {
        match &self.image {
            Image::Vit(size) => Some(size),
            Image::Siglip(_) => None,
        }
    }

    /// Whether the text tower is MetaCLIP 2's.
    pub fn is_worldwide(&self) -> bool {
        matches!(self.text, Text::Worldwide { .. })
    }
}

/// Rows of the token embeddings.
const XLM_R: usize = 250_002;
const NLLB: usize = 256_206;
const XLM_V: usize = 901_629;
const MT5: usize = 250_000;

/// Layers, channels, patch and side in pixels of an image tower.
type VitShape = (usize, usize, usize, usize);

fn native((layers, width, patch_size, image_size): VitShape, embed_dim: usize, vocab: usize, text: TowerSize) -> Image {
    // ViT-H and wider ones have sixteen heads, and bigG has other hidden channels.
    let heads = if width > 1024 { 16 } else { width / 64 };
    let mlp_ratio = if width == 1664 { 4.9231 } else { 4.0 };
    let image = TowerSize { width, layers, heads, mlp_ratio };
    Image::Vit(VitSize {
        embed_dim,
        image_size,
        patch_size,
        image,
        context_length: 77,
        vocab_size: vocab,
        causal: true,
        text,
    })
}

fn timm(image: TowerSize, patch_size: usize, timm_name: &'static str, text: TowerSize) -> Image {
    let (image_size, context_length, vocab_size) = (384, 77, NLLB);
    let (projection, text_tanh) = (true, false);
    Image::Siglip(SiglipSize {
        image_size,
        patch_size,
        image,
        timm_name,
        context_length,
        vocab_size,
        text,
        projection,
        text_tanh,
    })
}

/// The published models.
pub fn published() -> Vec<Model> {
    let base = TowerSize::openai(768, 12);
    let large = TowerSize::openai(1024, 24);
    let nllb_large = TowerSize { mlp_ratio: 8.0, ..large.clone() };
    let so400m = TowerSize { width: 1152, layers: 27, heads: 16, mlp_ratio: 3.7362 };
    let xlm = |projection_width| Text::XlmRoberta { positions: 514, projection_width };
    let b_32 = |vocab, text: &TowerSize| native((12, 768, 32, 224), 512, vocab, text.clone());
    let h_14 = |vocab, text: &TowerSize| native((32, 1280, 14, 224), 1024, vocab, text.clone());
    let nllb_base = TowerSize::openai(1024, 12);
    let siglip_b = |text| timm(base.clone(), 16, "vit_base_patch16_siglip_384", text);
    let siglip_so = |text| timm(so400m.clone(), 14, "vit_so400m_patch14_siglip_384", text);
    let mut all = vec![
        model("xlm-r-base-vit-b-32", b_32(XLM_R, &base), xlm(640), "shortest"),
        model("xlm-r-large-vit-h-14", h_14(XLM_R, &large), xlm(1024), "shortest"),
        model("nllb-clip-base", b_32(NLLB, &nllb_base), Text::Nllb, "shortest"),
        model("nllb-clip-large", h_14(NLLB, &nllb_large), Text::Nllb, "shortest"),
        model("nllb-clip-base-siglip", siglip_b(nllb_base.clone()), Text::Nllb, "squash"),
        model("nllb-clip-large-siglip", siglip_so(nllb_large.clone()), Text::Nllb, "squash"),
        model("nllb-siglip-mrl-base", siglip_b(nllb_base), Text::Nllb, "squash"),
        model("nllb-siglip-mrl-large", siglip_so(nllb_large), Text::Nllb, "squash"),
    ];
    let small = (12, 384, 16, 224);
    let medium = (12, 512, 16, 224);
    let (xlm_v, mt5) = (Text::Worldwide { end: 2, starts: true }, Text::Worldwide { end: 1, starts: false });
    for (name, shape, embed, width, layers, resize) in [
        ("metaclip2-s-16", small, 384, 384, 12, "squash"),
        ("metaclip2-s-16-384", (12, 384, 16, 384), 384, 384, 12, "squash"),
        ("metaclip2-m-16", medium, 512, 512, 12, "squash"),
        ("metaclip2-m-16-384", (12, 512, 16, 384), 512, 512, 12, "squash"),
        ("metaclip2-b-32", (12, 768, 32, 224), 512, 512, 12, "squash"),
        ("metaclip2-b-32-384", (12, 768, 32, 384), 512, 512, 12, "squash"),
        ("metaclip2-b-16", (12, 768, 16, 224), 512, 512, 12, "squash"),
        ("metaclip2-b-16-384", (12, 768, 16, 384), 512, 512, 12, "squash"),
        ("metaclip2-l-14", (24, 1024, 14, 224), 768, 768, 12, "squash"),
        ("metaclip2-h-14", (32, 1280, 14, 224), 1024, 1024, 24, "shortest"),
        ("metaclip2-h-14-378", (32, 1280, 14, 378), 1024, 1024, 24, "squash"),
        ("metaclip2-bigg-14", (48, 1664, 14, 224), 1280, 1280, 32, "shortest"),
        ("metaclip2-bigg-14-378", (48, 1664, 14, 378), 1280, 1280, 32, "squash"),
    ] {
        let mut model = model(name, native(shape, embed, XLM_V, TowerSize::openai(width, layers)), xlm_v, resize);
        model.quick_gelu = name == "metaclip2-h-14";
        all.push(model);
    }
    for (name, shape, width) in [
        ("metaclip2-mt5-s-16", small, 384),
        ("metaclip2-mt5-m-16", medium, 512),
        ("metaclip2-mt5-b-32", (12, 768, 32, 224), 512),
    ] {
        all.push(model(name, native(shape, width, MT5, TowerSize::openai(width, 12)), mt5, "squash"));
    }
    all
}

/// Models small enough to generate, convert and run within a test, of sizes that fit no tile.
pub fn tiny() -> Vec<Model> {
    let tower = |width, layers, heads, mlp_ratio| TowerSize { width, layers, heads, mlp_ratio };
    let vit = |vocab_size, context_length, text| {
        Image::Vit(VitSize {
            embed_dim: 20,
            image_size: 28,
            patch_size: 7,
            image: tower(40, 2, 5, 4.0),
            context_length,
            vocab_size,
            causal: true,
            text,
        })
    };
    let siglip = SiglipSize {
        image_size: 28,
        patch_size: 7,
        image: tower(72, 2, 3, 2.5),
        timm_name: "vit_base_patch16_siglip_384",
        context_length: 77,
        vocab_size: 130,
        text: tower(40, 3, 5, 3.0),
        projection: true,
        text_tanh: false,
    };
    let worldwide = tower(40, 3, 5, 4.0);
    vec![
        // Widths that are no multiples of 16, heads of 8 channels, another projection than the mean of both widths.
        model(
            "tiny-xlm-roberta",
            vit(90, 20, tower(40, 3, 5, 3.0)),
            Text::XlmRoberta { positions: 22, projection_width: 27 },
            "shortest",
        ),
        // More positions than the context has.
        model(
            "tiny-xlm-roberta-long",
            vit(120, 77, tower(48, 2, 3, 2.5)),
            Text::XlmRoberta { positions: 100, projection_width: 32 },
            "shortest",
        ),
        // A scale of the embedding that is no power of two.
        model("tiny-nllb-siglip", Image::Siglip(siglip), Text::Nllb, "squash"),
        model("tiny-nllb", vit(100, 77, tower(64, 2, 4, 2.0)), Text::Nllb, "shortest"),
        model("tiny-worldwide", vit(120, 20, worldwide.clone()), Text::Worldwide { end: 2, starts: true }, "squash"),
        model("tiny-worldwide-mt5", vit(90, 12, worldwide), Text::Worldwide { end: 1, starts: false }, "shortest"),
    ]
}

/// A small XLM-RoBERTa with the whole vocabulary: 64 MB of token embeddings, 1 MB of everything else.
pub fn tall() -> Model {
    let blocks = TowerSize { width: 64, layers: 2, heads: 4, mlp_ratio: 2.0 };
    let size = VitSize {
        embed_dim: 32,
        image_size: 28,
        patch_size: 7,
        image: blocks.clone(),
        context_length: 77,
        vocab_size: XLM_R,
        causal: true,
        text: blocks,
    };
    let text = Text::XlmRoberta { positions: 514, projection_width: 48 };
    model("tiny-xlm-roberta-tall", Image::Vit(size), text, "shortest")
}

fn model(name: &str, image: Image, text: Text, resize: &'static str) -> Model {
    let siglip = matches!(image, Image::Siglip(_));
    Model {
        name: name.to_owned(),
        archive: name.to_owned(),
        architecture: Architecture::Multilingual(MultilingualSize { image, text, resize }),
        quick_gelu: false,
        mean: if siglip { [0.5; 3] } else { OPENAI_MEAN },
        std: if siglip { [0.5; 3] } else { OPENAI_STD },
        interpolation: "bicubic",
    }
}

/// All tensors, in the order of open_clip's state dict but for the image tower, which comes first.
pub fn tensors(size: &MultilingualSize) -> Vec<Tensor> {
    let all = match &size.image {
        Image::Vit(vit) => vit::tensors(vit),
        Image::Siglip(siglip) => siglip::tensors(siglip),
    };
    if size.is_worldwide() {
        return all;
    }
    let is_kept = |tensor: &Tensor| tensor.name.starts_with("visual.") || tensor.name.starts_with("logit_");
    let mut all: Vec<Tensor> = all.into_iter().filter(is_kept).collect();
    match size.text {
        Text::XlmRoberta { positions, projection_width } => xlm_roberta(&mut all, size, positions, projection_width),
        Text::Nllb => nllb(&mut all, size),
        Text::Worldwide { .. } => {}
    }
    all
}

fn xlm_roberta(all: &mut Vec<Tensor>, size: &MultilingualSize, positions: usize, projection_width: usize) {
    let blocks = size.blocks();
    let (width, hidden) = (blocks.width, blocks.mlp_width());
    let embeddings = "text.transformer.embeddings";
    let mut add = |name: String, shape: &[usize], kind| all.push(Tensor::single(name, shape, kind));
    add(format!("{embeddings}.word_embeddings.weight"), &[size.vocab_size(), width], Kind::Embedding);
    add(format!("{embeddings}.position_embeddings.weight"), &[positions, width], Kind::Position);
    add(format!("{embeddings}.token_type_embeddings.weight"), &[1, width], Kind::Position);
    vit::norm(all, &format!("{embeddings}.LayerNorm"), width);
    for i in 0..blocks.layers {
        let name = format!("text.transformer.encoder.layer.{i}");
        for part in ["query", "key", "value"] {
            linear(all, &format!("{name}.attention.self.{part}"), width, width, ATTENTION_GAIN);
        }
        linear(all, &format!("{name}.attention.output.dense"), width, width, 1.0);
        vit::norm(all, &format!("{name}.attention.output.LayerNorm"), width);
        linear(all, &format!("{name}.intermediate.dense"), hidden, width, 1.0);
        linear(all, &format!("{name}.output.dense"), width, hidden, 1.0);
        vit::norm(all, &format!("{name}.output.LayerNorm"), width);
    }
    // For another pooling; published files have it.
    linear(all, "text.transformer.pooler.dense", width, width, 1.0);
    let mut add = |name: &str, shape: &[usize]| all.push(Tensor::single(name, shape, weight(shape[1])));
    add("text.proj.0.weight", &[projection_width, width]);
    add("text.proj.2.weight", &[size.embed_dim(), projection_width]);
}

fn nllb(all: &mut Vec<Tensor>, size: &MultilingualSize) {
    let blocks = size.blocks();
    let (width, hidden) = (blocks.width, blocks.mlp_width());
    // As in trained models, the table is small and its scale large.
    all.push(Tensor::single("text.transformer.embed_tokens.weight", &[size.vocab_size(), width], weight(width)));
    for i in 0..blocks.layers {
        let name = format!("text.transformer.layers.{i}");
        for part in ["k", "v", "q"] {
            linear(all, &format!("{name}.self_attn.{part}_proj"), width, width, ATTENTION_GAIN);
        }
        linear(all, &format!("{name}.self_attn.out_proj"), width, width, 1.0);
        vit::norm(all, &format!("{name}.self_attn_layer_norm"), width);
        linear(all, &format!("{name}.fc1"), hidden, width, 1.0);
        linear(all, &format!("{name}.fc2"), width, hidden, 1.0);
        vit::norm(all, &format!("{name}.final_layer_norm"), width);
    }
    vit::norm(all, "text.transformer.layer_norm", width);
    all.push(Tensor::single("text.proj.weight", &[size.embed_dim(), width], weight(width)));
}

fn linear(all: &mut Vec<Tensor>, name: &str, outputs: usize, inputs: usize, gain: f64) {
    let kind = Kind::Weight { fan_in: inputs, gain };
    all.push(Tensor::single(format!("{name}.weight"), &[outputs, inputs], kind));
    all.push(Tensor::single(format!("{name}.bias"), &[outputs], Kind::Bias));
}
