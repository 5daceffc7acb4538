//! Compares each stage with open_clip in float64, on small models of awkward sizes, so that a failure names the stage.

mod description;
mod mobileclip;
mod multilingual;
mod perception;
mod resnet;
mod siglip;

pub(crate) use clippie_testkit::checkpoint;
use clippie_testkit::checkpoint::{Layout, Model, golden};
use clippie_testkit::{goldens, tiny_config};
use ndarray::{ArrayD, Axis};

use super::config::{ImageConfig, ModelConfig, TextConfig};
use super::image_tower::ImageTower;
use super::text::TextTransformer;
use super::text_tower::TextKind;
use super::{Stage, TextTower, load};
use crate::import::{self, ConvertOptions};
use crate::kernels::{Isa, Team, Workers};
use crate::layers::Exec;
use crate::tensor::Arena;
use crate::weights::{TOKENIZER, WeightsFile};

/// Largest difference of a value, relative to the largest value of its stage: a few hundred roundings.
const STAGE: f64 = 4e-6;

fn open(model: &Model) -> (WeightsFile, ModelConfig) {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    checkpoint::write(model, golden::SEED, Layout::OpenClip, &source).unwrap();
    let path = folder.path().join("model.clippie");
    import::convert(&source, &path, &ConvertOptions::default(), &mut |_| {}).unwrap();
    let weights = WeightsFile::open(&path).unwrap();
    let config: ModelConfig = serde_json::from_value(weights.header().meta.model.clone()).unwrap();
    config.validate().unwrap();
    (weights, config)
}

fn assert_close<'a>(what: &str, got: &[f32], exact: impl Iterator<Item = &'a f64>) {
    let exact: Vec<f64> = exact.copied().collect();
    assert_eq!(got.len(), exact.len(), "{what}");
    let largest = exact.iter().fold(0.0f64, |a, b| a.max(b.abs()));
    for (a, b) in got.iter().zip(&exact) {
        assert!((f64::from(*a) - b).abs() <= STAGE * largest, "{what}: {a} is not {b}");
    }
}

/// The tensor that holds a tokenizer, in a file that has one.
fn stored_tokenizer(weights: &WeightsFile) -> Option<&'static str> {
    weights.tensor_names().any(|name| name == TOKENIZER).then_some(TOKENIZER)
}

fn image_tower(weights: &WeightsFile, config: &ModelConfig) -> ImageTower {
    load(weights, config, stored_tokenizer(weights)).unwrap().0.unwrap()
}

fn text_tower(weights: &WeightsFile, config: &ModelConfig) -> TextTower {
    load(weights, config, stored_tokenizer(weights)).unwrap().1.unwrap()
}

fn text_transformer(weights: &WeightsFile, config: &ModelConfig) -> Box<TextTransformer> {
    match text_tower(weights, config).kind {
        TextKind::Transformer(text) => text,
        TextKind::Hybrid(_) | TextKind::XlmRoberta(_) => panic!("not a transformer"),
    }
}

fn tiny() -> Vec<Model> {
    let tiny: Vec<Model> = golden::models().into_iter().filter(|m| m.name.starts_with("tiny-")).collect();
    assert!(tiny.len() >= 4);
    tiny
}

/// Every instruction set, on one thread and on several.
fn execs(workers: &mut Workers) -> impl Iterator<Item = Exec<'_>> {
    let teams = [Team::SERIAL, workers.team()];
    Isa::available().into_iter().flat_map(move |isa| teams.map(|team| Exec::new(isa, team)))
}

/// The first `tokens[i]` rows of each item of a golden stage `[batch, tokens, width]`.
fn rows(stage: ndarray::ArrayViewD<'_, f64>, tokens: &[usize]) -> Vec<f64> {
    let items = stage.outer_iter().zip(tokens);
    items.flat_map(|(item, &tokens)| item.outer_iter().take(tokens).flatten().copied().collect::<Vec<_>>()).collect()
}

#[test]
fn image_towers_stage_by_stage() {
    for model in tiny() {
        let (weights, config) = open(&model);
        let Some(ImageConfig::Vit(vit)) = &config.image else { panic!("not a ViT") };
        let tower = image_tower(&weights, &config);
        let ImageTower::Vit(tower) = tower else { panic!("not a ViT") };
        let stages: ArrayD<f64> = goldens::read(&format!("{}-image-stages", model.name));
        let projected = goldens::read(&format!("{}-image-projected", model.name));
        let pixels: Vec<f32> = (0..golden::IMAGES).flat_map(|i| golden::pixels(i, vit.image_size)).collect();
        for exec in execs(&mut Workers::without_delay()) {
            let mut out = vec![0.0; golden::IMAGES * config.embed_dim];
            let mut seen = 0;
            tower
                .stages(exec, &pixels, golden::IMAGES, &mut Arena::default(), &mut out, |stage, x| {
                    let index = match stage {
                        Stage::Embedded => 0,
                        Stage::Block(i) => i + 1,
                    };
                    seen += 1;
                    let what = format!("{} image stage {index} {exec:?}", model.name);
                    assert_close(&what, x, stages.index_axis(Axis(0), index).iter());
                })
                .unwrap();
            assert_eq!(seen, vit.blocks.layers, "all stages but the last block are seen");
            assert_close(&format!("{} image projection {exec:?}", model.name), &out, projected.iter());
        }
    }
}

#[test]
fn text_towers_stage_by_stage() {
    for model in tiny() {
        let (weights, config) = open(&model);
        let Some(TextConfig::Transformer(transformer)) = &config.text else { panic!("not a transformer") };
        let tower = text_transformer(&weights, &config);
        let stages: ArrayD<f64> = goldens::read(&format!("{}-text-stages", model.name));
        let projected = goldens::read(&format!("{}-text-projected", model.name));
        let ids = golden::all_ids(&model);
        let tokens: Vec<usize> = ids.iter().map(|ids| tower.rows(ids)).collect();
        for exec in execs(&mut Workers::without_delay()) {
            let mut out = vec![0.0; ids.len() * config.embed_dim];
            let mut seen = 0;
            tower
                .stages(exec, &ids, &mut Arena::default(), &mut out, |stage, x| {
                    let index = match stage {
                        Stage::Embedded => 0,
                        Stage::Block(i) => i + 1,
                    };
                    seen += 1;
                    let what = format!("{} text stage {index} {exec:?}", model.name);
                    assert_close(&what, x, rows(stages.index_axis(Axis(0), index), &tokens).iter());
                })
                .unwrap();
            assert_eq!(seen, transformer.blocks.layers, "all stages but the last block are seen");
            assert_close(&format!("{} text projection {exec:?}", model.name), &out, projected.iter());
        }
    }
}

#[test]
fn texts_do_not_depend_on_their_neighbours_or_padding() {
    for model in tiny() {
        let (weights, config) = open(&model);
        let Some(TextConfig::Transformer(transformer)) = &config.text else { panic!("not a transformer") };
        let tower = text_transformer(&weights, &config);
        let ids = golden::all_ids(&model);
        let padded: Vec<Vec<u32>> = (0..golden::TEXTS)
            .map(|i| golden::padded_ids(i, transformer.context_length, transformer.vocab_size))
            .collect();
        for exec in execs(&mut Workers::without_delay()) {
            let run = |texts: &[Vec<u32>]| {
                let mut out = vec![0.0; texts.len() * config.embed_dim];
                tower.stages(exec, texts, &mut Arena::default(), &mut out, |_, _| {}).unwrap();
                out
            };
            let together = run(&ids);
            assert_eq!(together, run(&padded), "{} padded", model.name);
            for (i, text) in ids.iter().enumerate() {
                let alone = run(std::slice::from_ref(text));
                assert_eq!(alone, together[i * config.embed_dim..][..config.embed_dim], "{} text {i}", model.name);
            }
        }
    }
}
