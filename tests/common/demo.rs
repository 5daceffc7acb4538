//! The compiled-in model as a checkpoint with open_clip's names, so that tests can convert a trained model.

#![allow(dead_code)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clippie_rs::import::{self, ConvertOptions};
use clippie_rs::weights::{Layout, Precision, WeightsFile};
use safetensors::tensor::{Dtype, TensorView};

/// Converts the checkpoint of the compiled-in model to `precision`, in `folder`.
///
/// The norms before linear layers are those of a model whose factors are one: the compiled-in file has them folded.
pub fn converted(precision: Precision, folder: &Path) -> PathBuf {
    let source = folder.join("demo-checkpoint");
    std::fs::create_dir_all(&source).unwrap();
    write(&source);
    let out = folder.join(format!("demo-{}.clippie", precision.name()));
    import::convert(&source, &out, &ConvertOptions::default().precision(precision), &mut |_| {}).unwrap();
    out
}

/// Writes `open_clip_model.safetensors` and `open_clip_config.json` to `folder`.
pub fn write(folder: &Path) {
    let mut checkpoint = Checkpoint { file: WeightsFile::demo().unwrap(), tensors: HashMap::new() };
    let model = checkpoint.file.header().meta.model.clone();
    let number = |path: &str| model.pointer(path).unwrap().as_u64().unwrap() as usize;
    for (tower, prefix) in [("image", "visual."), ("text", "")] {
        let blocks = |name: &str| number(&format!("/{tower}/blocks/{name}"));
        checkpoint.blocks(tower, prefix, [blocks("layers"), blocks("width"), blocks("heads"), blocks("mlp_width")]);
    }
    let embed_dim = number("/embed_dim");
    checkpoint.image(
        number("/image/blocks/width"),
        number("/image/patch_size"),
        number("/image/image_size"),
        embed_dim,
    );
    let text = [number("/text/blocks/width"), number("/text/context_length"), number("/text/vocab_size")];
    checkpoint.text(text, embed_dim);
    checkpoint.add("logit_scale", &[], vec![model["logit_scale"].as_f64().unwrap() as f32]);

    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = checkpoint
        .tensors
        .iter()
        .map(|(name, (shape, values))| (name, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect()))
        .collect();
    let views =
        bytes.iter().map(|(name, shape, bytes)| (*name, TensorView::new(Dtype::F32, (*shape).clone(), bytes).unwrap()));
    safetensors::serialize_to_file(views, None, &folder.join("open_clip_model.safetensors")).unwrap();
    std::fs::write(folder.join("open_clip_config.json"), serde_json::to_vec(&config(&model, number)).unwrap()).unwrap();
}

/// open_clip's configuration.
fn config(model: &serde_json::Value, number: impl Fn(&str) -> usize) -> serde_json::Value {
    let preprocess = &WeightsFile::demo().unwrap().header().meta.preprocess.clone();
    let vision_width = number("/image/blocks/width");
    serde_json::json!({
        "model_cfg": {
            "embed_dim": model["embed_dim"],
            "vision_cfg": {
                "image_size": model["image"]["image_size"],
                "layers": model["image"]["blocks"]["layers"],
                "width": vision_width,
                "head_width": vision_width / number("/image/blocks/heads"),
                "mlp_ratio": number("/image/blocks/mlp_width") / vision_width,
                "patch_size": model["image"]["patch_size"],
            },
            "text_cfg": {
                "context_length": model["text"]["context_length"],
                "vocab_size": model["text"]["vocab_size"],
                "width": model["text"]["blocks"]["width"],
                "heads": model["text"]["blocks"]["heads"],
                "layers": model["text"]["blocks"]["layers"],
                "mlp_ratio": number("/text/blocks/mlp_width") / number("/text/blocks/width"),
            },
        },
        "preprocess_cfg": {
            "mean": preprocess["mean"],
            "std": preprocess["std"],
            "interpolation": preprocess["interpolation"],
            "resize_mode": preprocess["resize"],
        },
    })
}

/// The tensors of the checkpoint, made from those of the file.
struct Checkpoint {
    file: WeightsFile,
    tensors: HashMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Checkpoint {
    fn add(&mut self, name: impl Into<String>, shape: &[usize], values: Vec<f32>) {
        assert_eq!(values.len(), shape.iter().product::<usize>());
        self.tensors.insert(name.into(), (shape.to_vec(), values));
    }

    fn rows(&self, name: &str, shape: &[usize]) -> Vec<f32> {
        self.file.tensor(name, Layout::Rows, shape).unwrap().to_vec()
    }

    /// A weight `[k, n]` as `[n, k]`.
    fn weight(&self, name: &str, k: usize, n: usize) -> Vec<f32> {
        let panels = self.file.tensor(&format!("{name}.weight"), Layout::Panels16, &[k, n]).unwrap();
        (0..n * k).map(|i| panels[(i / k / 16 * k + i % k) * 16 + i / k % 16]).collect()
    }

    fn bias(&self, name: &str, n: usize) -> Vec<f32> {
        self.file.tensor(&format!("{name}.bias"), Layout::Panels16, &[n]).unwrap()[..n].to_vec()
    }

    fn norm(&mut self, name: String, width: usize) {
        self.add(format!("{name}.weight"), &[width], vec![1.0; width]);
        self.add(format!("{name}.bias"), &[width], vec![0.0; width]);
    }

    fn blocks(&mut self, tower: &str, prefix: &str, [layers, width, heads, hidden]: [usize; 4]) {
        for layer in 0..layers {
            let (from, to) = (format!("{tower}.blocks.{layer}"), format!("{prefix}transformer.resblocks.{layer}"));
            self.norm(format!("{to}.ln_1"), width);
            self.norm(format!("{to}.ln_2"), width);
            for (part, name, dot, k, n) in [
                ("qkv", "attn.in_proj", '_', width, 3 * width),
                ("out", "attn.out_proj", '.', width, width),
                ("fc1", "mlp.c_fc", '.', width, hidden),
                ("fc2", "mlp.c_proj", '.', hidden, width),
            ] {
                let mut weight = self.weight(&format!("{from}.{part}"), k, n);
                let mut bias = self.bias(&format!("{from}.{part}"), n);
                if part == "qkv" {
                    // The file has the queries divided by the root of the width of a head.
                    let root = (width as f32 / heads as f32).sqrt();
                    weight[..width * width].iter_mut().for_each(|value| *value *= root);
                    bias[..width].iter_mut().for_each(|value| *value *= root);
                }
                self.add(format!("{to}.{name}{dot}weight"), &[n, k], weight);
                self.add(format!("{to}.{name}{dot}bias"), &[n], bias);
            }
        }
    }

    fn image(&mut self, width: usize, patch: usize, size: usize, embed_dim: usize) {
        let weight = self.weight("image.patch", 3 * patch * patch, width);
        self.add("visual.conv1.weight", &[width, 3, patch, patch], weight);
        // The class token is part of the first position.
        self.add("visual.class_embedding", &[width], vec![0.0; width]);
        let tokens = (size / patch) * (size / patch) + 1;
        let position = self.rows("image.position", &[tokens, width]);
        self.add("visual.positional_embedding", &[tokens, width], position);
        for part in ["weight", "bias"] {
            let values = self.rows(&format!("image.ln_pre.{part}"), &[width]);
            self.add(format!("visual.ln_pre.{part}"), &[width], values);
        }
        self.head("image.proj", "visual.ln_post", "visual.proj", width, embed_dim);
    }

    fn text(&mut self, [width, context, vocabulary]: [usize; 3], embed_dim: usize) {
        let table = self.file.table("text.token_embedding", vocabulary, width).unwrap();
        let mut values = vec![0.0; vocabulary * width];
        values.chunks_exact_mut(width).enumerate().for_each(|(row, out)| table.read(row, out));
        self.add("token_embedding.weight", &[vocabulary, width], values);
        let position = self.rows("text.position", &[context, width]);
        self.add("positional_embedding", &[context, width], position);
        self.head("text.proj", "ln_final", "text_projection", width, embed_dim);
    }

    /// The last norm and the projection, which has no bias in the checkpoint: the norm's makes the same.
    fn head(&mut self, from: &str, norm: &str, to: &str, width: usize, embed_dim: usize) {
        let weight = self.weight(from, width, embed_dim);
        let bias: Vec<f64> = self.bias(from, embed_dim).iter().map(|&value| value.into()).collect();
        let projection: Vec<f32> =
            (0..width * embed_dim).map(|i| weight[i % embed_dim * width + i / embed_dim]).collect();
        let offsets = least_squares(&weight, &bias, width);
        self.add(format!("{norm}.weight"), &[width], vec![1.0; width]);
        self.add(format!("{norm}.bias"), &[width], offsets.into_iter().map(|value| value as f32).collect());
        self.add(to, &[width, embed_dim], projection);
    }
}

/// The shortest `x` of `width` numbers for which `a x`, with `a [rows, width]`, is nearest to `b`: `aᵀ a x = aᵀ b` with a
/// touch of the unit matrix, by elimination.
fn least_squares(a: &[f32], b: &[f64], width: usize) -> Vec<f64> {
    let at = |row: usize, column: usize| f64::from(a[row * width + column]);
    let mut system: Vec<Vec<f64>> = (0..width)
        .map(|i| {
            let sum = |with: &dyn Fn(usize) -> f64| (0..b.len()).map(|row| at(row, i) * with(row)).sum::<f64>();
            let squares = (0..width).map(|j| sum(&|row| at(row, j)) + if i == j { 1e-10 } else { 0.0 });
            squares.chain([sum(&|row| b[row])]).collect()
        })
        .collect();
    for i in 0..width {
        let pivot = (i..width).max_by(|&p, &q| system[p][i].abs().total_cmp(&system[q][i].abs())).unwrap();
        system.swap(i, pivot);
        let chosen = system[i].clone();
        for row in system.iter_mut().enumerate().filter(|(row, _)| *row != i).map(|(_, row)| row) {
            let factor = row[i] / chosen[i];
            row.iter_mut().zip(&chosen).for_each(|(number, chosen)| *number -= factor * chosen);
        }
    }
    (0..width).map(|i| system[i][width] / system[i][i]).collect()
}
