//! SigLIP's towers: each setting that is easily taken for CLIP's, and the independence of the items of a batch.

use super::*;
use crate::kernels::Workers;
use crate::models::config::{Activation, TextPooling, TextTransformerConfig, VitConfig};

/// The limit of the tests that compare with the references: the largest difference of a unit embedding.
const COMPONENT: f64 = 2e-6;

/// A small SigLIP in transformers' layout, whose configuration states everything.
fn tiny() -> (Model, WeightsFile, ModelConfig) {
    small("tiny-siglip")
}

fn small(name: &str) -> (Model, WeightsFile, ModelConfig) {
    let model = Model::named(name).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    checkpoint::write(&model, golden::SEED, Layout::HuggingFace, &source).unwrap();
    let path = folder.path().join("model.clippie");
    import::convert(&source, &path, &ConvertOptions::default(), &mut |_| {}).unwrap();
    let weights = WeightsFile::open(&path).unwrap();
    let config: ModelConfig = serde_json::from_value(weights.header().meta.model.clone()).unwrap();
    (model, weights, config)
}

fn images(tower: &ImageTower, exec: Exec<'_>, model: &Model, order: &[usize]) -> Vec<f32> {
    let pixels: Vec<f32> = order.iter().flat_map(|&i| golden::pixels(i, model.image_size())).collect();
    let mut out = vec![0.0; order.len() * model.embed_dim()];
    tower.forward(exec, &pixels, order.len(), &mut Arena::default(), &mut out).unwrap();
    out
}

fn texts(tower: &TextTower, exec: Exec<'_>, model: &Model, ids: &[Vec<u32>]) -> Vec<f32> {
    let mut out = vec![0.0; ids.len() * model.embed_dim()];
    tower.forward(exec, ids, &mut Arena::default(), &mut out).unwrap();
    out
}

/// Largest difference of unit rows from the golden.
fn off(rows: &[f32], golden: &str) -> f64 {
    let exact = goldens::read(golden);
    let width = exact.shape()[1];
    let unit = |row: &[f32]| {
        let length = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        row.iter().map(|&x| f64::from(x) / length).collect::<Vec<_>>()
    };
    let rows: Vec<f64> = rows.chunks_exact(width).flat_map(unit).collect();
    assert_eq!(rows.len(), exact.len());
    rows.iter().zip(exact.iter()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn vit(config: &mut ModelConfig) -> &mut VitConfig {
    let Some(ImageConfig::Vit(vit)) = &mut config.image else { panic!() };
    vit
}

fn transformer(config: &mut ModelConfig) -> &mut TextTransformerConfig {
    let Some(TextConfig::Transformer(text)) = &mut config.text else { panic!() };
    text
}

#[test]
fn every_setting_that_differs_from_clip_shows_in_the_goldens() {
    let (model, weights, config) = tiny();
    let exec = Exec::new(Isa::detect().unwrap(), Team::SERIAL);
    let image = |change: fn(&mut VitConfig)| {
        let mut config = config.clone();
        change(vit(&mut config));
        off(&images(&image_tower(&weights, &config), exec, &model, &[0, 1]), "tiny-siglip-huggingface-image")
    };
    let text = |change: fn(&mut TextTransformerConfig)| {
        let mut config = config.clone();
        change(transformer(&mut config));
        let ids = golden::all_ids(&model);
        off(&texts(&text_tower(&weights, &config), exec, &model, &ids), "tiny-siglip-huggingface-text")
    };
    assert!(image(|_| {}) <= COMPONENT && text(|_| {}) <= COMPONENT);
    // GELU by tanh, not by erf.
    assert!(image(|vit| vit.blocks.activation = Activation::Gelu) > 4.0 * COMPONENT);
    assert!(text(|text| text.blocks.activation = Activation::Gelu) > 4.0 * COMPONENT);
    assert!(image(|vit| vit.blocks.activation = Activation::QuickGelu) > 100.0 * COMPONENT);
    // No mask; all positions; the last one; the padding of the vocabulary.
    assert!(text(|text| text.causal = true) > 100.0 * COMPONENT);
    assert!(text(|text| text.pooling = TextPooling::LargestId) > 100.0 * COMPONENT);
    assert!(text(|text| text.pad_id = 0) > 100.0 * COMPONENT);
    // Heads of 72 channels; those of the image tower are part of the shape of the pooling.
    assert!(text(|text| text.blocks.heads = 3) > 100.0 * COMPONENT);
    let mut other = config.clone();
    vit(&mut other).blocks.heads = 4;
    assert!(load(&weights, &other, None).is_err());
    // The rows of a text are never fewer than the positions.
    let tower = text_transformer(&weights, &config);
    assert_eq!(tower.rows(&[5, 1]), 16);
}

/// Random activations of variance one hardly show it, so the goldens do not.
#[test]
fn the_epsilon_of_the_norms_is_siglips() {
    let (_, _, mut config) = tiny();
    assert_eq!((vit(&mut config).blocks.norm_eps, transformer(&mut config).blocks.norm_eps), (1e-6, 1e-6));
}

#[test]
fn items_do_not_depend_on_their_batch() {
    for name in ["tiny-siglip", "tiny-siglip-giant"] {
        let (model, weights, config) = small(name);
        let (image, text) = (image_tower(&weights, &config), text_tower(&weights, &config));
        let width = model.embed_dim();
        for isa in Isa::available() {
            let serial = Exec::new(isa, Team::SERIAL);
            let mut workers = Workers::without_delay();
            let ids = golden::all_ids(&model);
            let pad = |ids: &Vec<u32>| {
                let mut ids = ids.clone();
                ids.resize(model.context_length(), 1);
                ids
            };
            let padded: Vec<_> = ids.iter().map(pad).collect();
            let (photos, words) = (images(&image, serial, &model, &[0, 1, 2]), texts(&text, serial, &model, &ids));
            assert_eq!(words, texts(&text, serial, &model, &padded), "{name} {isa:?}");
            for exec in [serial, Exec::new(isa, workers.team())] {
                assert_eq!(photos, images(&image, exec, &model, &[0, 1, 2]));
                assert_eq!(words, texts(&text, exec, &model, &ids));
                for i in 0..3 {
                    assert_eq!(photos[i * width..][..width], images(&image, exec, &model, &[i]), "{name} {isa:?} {i}");
                    let alone = texts(&text, exec, &model, &ids[i..=i]);
                    assert_eq!(words[i * width..][..width], alone, "{name} {isa:?} {i}");
                }
            }
        }
    }
}
