//! candle: the models of candle-transformers, which read the checkpoint itself.
//!
//! Its CLIP model needs Hugging Face's layout, which is made from open_clip's here. RAYON_NUM_THREADS, which the driver
//! sets, is the only way to set its threads.

use std::collections::HashMap;

use candle_core::{DType, Device, Module, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::clip::text_model::{Activation, ClipTextConfig, ClipTextTransformer};
use candle_transformers::models::clip::vision_model::{ClipVisionConfig, ClipVisionTransformer};
use candle_transformers::models::{fastvit, openclip};

use super::Run;
use crate::Error;
use crate::job::{Job, Tower};

type Tensors = HashMap<String, Tensor>;

pub fn load(job: &Job) -> Result<Run, Error> {
    let tensors = candle_core::safetensors::load(&job.checkpoint, &Device::Cpu)?;
    match job.tower {
        Tower::Image => {
            let pixels = Tensor::from_vec(job.pixels()?, job.shape.as_slice(), &Device::Cpu)?;
            let model = image_model(&job.model, tensors)?;
            Ok(Box::new(move || Ok(model(&pixels)?.flatten_all()?.to_vec1()?)))
        }
        Tower::Text => {
            let ids = Tensor::from_vec(job.ids()?, job.shape.as_slice(), &Device::Cpu)?;
            let model = text_model(&job.model, tensors)?;
            Ok(Box::new(move || Ok(model(&ids)?.flatten_all()?.to_vec1()?)))
        }
    }
}

type Model = Box<dyn Fn(&Tensor) -> candle_core::Result<Tensor>>;

fn image_model(name: &str, tensors: Tensors) -> Result<Model, Error> {
    let patch_size = match name {
        "mobileclip2-s0" | "mobileclip-s2" => {
            let config = if name == "mobileclip-s2" { fastvit::Config::mci2() } else { fastvit::Config::mci0() };
            let weights = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
            let model = fastvit::fastvit(&config, 512, weights.pp("visual.trunk"))?;
            return Ok(Box::new(move |pixels| model.forward(pixels)));
        }
        "vit-b-32-openai" => 32,
        "vit-b-16-openai" => 16,
        _ => return Err("candle-transformers has no such model".into()),
    };
    let config = ClipVisionConfig { patch_size, ..ClipVisionConfig::vit_base_patch32() };
    let projection = tensors["visual.proj"].clone();
    let weights = VarBuilder::from_tensors(hugging_face(&tensors, "visual.")?, DType::F32, &Device::Cpu);
    let model = ClipVisionTransformer::new(weights, &config)?;
    Ok(Box::new(move |pixels| model.forward(pixels)?.matmul(&projection)))
}

fn text_model(name: &str, tensors: Tensors) -> Result<Model, Error> {
    match name {
        "mobileclip2-s0" => {
            let config = openclip::text_model::Config::vit_base_patch32();
            let projection = tensors["text.text_projection"].clone();
            let weights = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
            let model = openclip::text_model::OpenClipTextTransformer::new(weights.pp("text"), &config)?;
            Ok(Box::new(move |ids| model.forward(ids)?.matmul(&projection)))
        }
        "vit-b-32-openai" => {
            let config = ClipTextConfig { activation: Activation::QuickGelu, ..ClipTextConfig::vit_base_patch32() };
            let projection = tensors["text_projection"].clone();
            let weights = VarBuilder::from_tensors(hugging_face(&tensors, "")?, DType::F32, &Device::Cpu);
            let model = ClipTextTransformer::new(weights, &config)?;
            Ok(Box::new(move |ids| model.forward(ids)?.matmul(&projection)))
        }
        _ => Err("candle-transformers has no such model".into()),
    }
}

/// A tower's tensors under Hugging Face's names, from open_clip's tensors that start with `prefix`.
fn hugging_face(tensors: &Tensors, prefix: &str) -> candle_core::Result<Tensors> {
    let mut renamed = Tensors::new();
    for (name, tensor) in tensors {
        let Some(name) = name.strip_prefix(prefix) else { continue };
        let Some(block) = name.strip_prefix("transformer.resblocks.") else {
            renamed.insert(outer(name).to_owned(), tensor.clone());
            continue;
        };
        let (index, inner) = block.split_once('.').unwrap_or((block, ""));
        let place = format!("encoder.layers.{index}");
        if let Some(kind) = inner.strip_prefix("attn.in_proj_") {
            let third = tensor.dim(0)? / 3;
            for (i, part) in ["q_proj", "k_proj", "v_proj"].iter().enumerate() {
                let rows = tensor.narrow(0, i * third, third)?.contiguous()?;
                renamed.insert(format!("{place}.self_attn.{part}.{kind}"), rows);
            }
            continue;
        }
        let inner = inner.replace("attn.out_proj", "self_attn.out_proj").replace("ln_1", "layer_norm1");
        let inner =
            inner.replace("ln_2", "layer_norm2").replace("mlp.c_fc", "mlp.fc1").replace("mlp.c_proj", "mlp.fc2");
        renamed.insert(format!("{place}.{inner}"), tensor.clone());
    }
    Ok(renamed)
}

/// Maps names outside the blocks; names that no tower uses stay unchanged.
fn outer(name: &str) -> &str {
    match name {
        "conv1.weight" => "embeddings.patch_embedding.weight",
        "class_embedding" => "embeddings.class_embedding",
        "positional_embedding" => "embeddings.position_embedding.weight",
        "token_embedding.weight" => "embeddings.token_embedding.weight",
        "ln_pre.weight" => "pre_layrnorm.weight",
        "ln_pre.bias" => "pre_layrnorm.bias",
        "ln_post.weight" => "post_layernorm.weight",
        "ln_post.bias" => "post_layernorm.bias",
        "ln_final.weight" => "final_layer_norm.weight",
        "ln_final.bias" => "final_layer_norm.bias",
        _ => name,
    }
}
