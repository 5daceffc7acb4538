//! Multilingual text towers: each setting that is easily taken for CLIP's, padding, and the independence of the items of a
//! batch.

use super::*;
use crate::kernels::Workers;
use crate::models::config::{Activation, TextPooling, TextTransformerConfig, XlmRobertaConfig};

/// The limit of the tests that compare with the references: the largest difference of a unit embedding.
const COMPONENT: f64 = 2e-6;

/// A small model in open_clip's layout.
fn small(name: &str) -> (Model, WeightsFile, ModelConfig) {
    let model = Model::named(name).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    checkpoint::write(&model, golden::SEED, Layout::OpenClip, &source).unwrap();
    let mut options = ConvertOptions::new();
    let size = model.multilingual().unwrap();
    if !size.is_worldwide() {
        std::fs::remove_file(source.join("open_clip_config.json")).unwrap();
        options = options.activation(Activation::Gelu).mean([0.5; 3]).std([0.5; 3]);
        options = options.interpolation(crate::preprocess::Interpolation::Bicubic);
        options = options.resize(crate::preprocess::ResizeMode::Squash);
        options = options.image_heads(size.image_blocks().heads).text_heads(size.blocks().heads);
    }
    let path = folder.path().join("model.clippie");
    import::convert(&source, &path, &options, &mut |_| {}).unwrap();
    let weights = WeightsFile::open(&path).unwrap();
    let config: ModelConfig = serde_json::from_value(weights.header().meta.model.clone()).unwrap();
    (model, weights, config)
}

fn texts(tower: &TextTower, exec: Exec<'_>, width: usize, ids: &[Vec<u32>]) -> Vec<f32> {
    let mut out = vec![0.0; ids.len() * width];
    tower.forward(exec, ids, &mut Arena::default(), &mut out).unwrap();
    out
}

/// Largest difference of unit rows from the golden of a model's texts.
fn off(rows: &[f32], model: &Model) -> f64 {
    let exact = goldens::read(&format!("{}-text", model.name));
    let unit = |row: &[f32]| {
        let length = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        row.iter().map(|&x| f64::from(x) / length).collect::<Vec<_>>()
    };
    let rows: Vec<f64> = rows.chunks_exact(exact.shape()[1]).flat_map(unit).collect();
    assert_eq!(rows.len(), exact.len());
    rows.iter().zip(exact.iter()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// How far the texts are from the golden if the configuration is changed.
fn changed(name: &str, change: impl Fn(&mut TextConfig)) -> f64 {
    let (model, weights, mut config) = small(name);
    change(config.text.as_mut().unwrap());
    let exec = Exec::new(Isa::detect().unwrap(), Team::SERIAL);
    off(&texts(&text_tower(&weights, &config), exec, model.embed_dim(), &golden::all_ids(&model)), &model)
}

fn transformer(text: &mut TextConfig) -> &mut TextTransformerConfig {
    match text {
        TextConfig::Transformer(text) => text,
        _ => panic!("not a transformer"),
    }
}

fn xlm_roberta(text: &mut TextConfig) -> &mut XlmRobertaConfig {
    match text {
        TextConfig::XlmRoberta(text) => text,
        _ => panic!("not an XLM-RoBERTa"),
    }
}

/// The largest id of a text is no end of it, and so is not what these towers pool.
#[test]
fn metaclip_2_pools_the_first_end() {
    for (name, end) in [("tiny-worldwide", 2), ("tiny-worldwide-mt5", 1)] {
        assert!(changed(name, |text| assert_eq!(transformer(text).pooling, TextPooling::Id(end))) <= COMPONENT);
        assert!(changed(name, |text| transformer(text).pooling = TextPooling::LargestId) > 1000.0 * COMPONENT);
        assert!(changed(name, |text| transformer(text).causal = false) > 1000.0 * COMPONENT);
        // The first of several: what comes after it changes nothing.
        let (model, weights, config) = small(name);
        let tower = text_tower(&weights, &config);
        let exec = Exec::new(Isa::detect().unwrap(), Team::SERIAL);
        let ids = vec![vec![0, 7, 9, end], vec![0, 7, 9, end, 8, end, 5]];
        let rows = texts(&tower, exec, model.embed_dim(), &ids);
        assert_eq!(rows[..model.embed_dim()], rows[model.embed_dim()..]);
        assert_eq!((tower.rows(&ids[0]), tower.rows(&ids[1])), (4, 4));
    }
}

#[test]
fn every_setting_of_nllb_shows_in_its_goldens() {
    for name in ["tiny-nllb", "tiny-nllb-siglip"] {
        assert!(changed(name, |_| {}) <= COMPONENT);
        assert!(changed(name, |text| transformer(text).blocks.activation = Activation::Gelu) > 1000.0 * COMPONENT);
        assert!(changed(name, |text| transformer(text).mask_padding = false) > 1000.0 * COMPONENT);
        assert!(changed(name, |text| transformer(text).pad_id = 0) > 1000.0 * COMPONENT);
        assert!(changed(name, |text| transformer(text).blocks.heads = 1) > 1000.0 * COMPONENT);
        let (_, _, mut config) = small(name);
        let text = transformer(config.text.as_mut().unwrap());
        assert_eq!((text.blocks.norm_eps, text.context_length), (1e-5, 77));
        // Positions of the ids are not those of the rows, so no other token is pooled.
        text.pooling = TextPooling::Id(2);
        assert!(config.validate().unwrap_err().to_string().contains("masks padding"));
    }
}

#[test]
fn every_setting_of_xlm_roberta_shows_in_its_goldens() {
    for name in ["tiny-xlm-roberta", "tiny-xlm-roberta-long"] {
        assert!(changed(name, |_| {}) <= COMPONENT);
        assert!(changed(name, |text| xlm_roberta(text).pad_id = 0) > 1000.0 * COMPONENT);
        assert!(changed(name, |text| xlm_roberta(text).blocks.heads = 1) > 1000.0 * COMPONENT);
        let (_, _, mut config) = small(name);
        let text = xlm_roberta(config.text.as_mut().unwrap());
        assert_eq!((text.blocks.norm_eps, text.pad_id), (1e-5, 1));
        text.blocks.activation = Activation::QuickGelu;
        assert!(config.validate().unwrap_err().to_string().contains("another activation than gelu"));
    }
}

/// In a tower that masks padding it takes part in nothing, wherever it stands; nothing else is no text.
#[test]
fn padding_changes_no_bit() {
    for name in ["tiny-xlm-roberta", "tiny-nllb"] {
        let (model, weights, config) = small(name);
        let tower = text_tower(&weights, &config);
        for isa in Isa::available() {
            let run = |ids: &[u32]| {
                tower.check(ids).unwrap();
                texts(&tower, Exec::new(isa, Team::SERIAL), model.embed_dim(), &[ids.to_vec()])
            };
            let plain = run(&[0, 9, 30, 4, 2]);
            assert_eq!(plain, run(&[0, 9, 30, 4, 2, 1, 1, 1]), "{name} {isa:?}");
            assert_eq!(plain, run(&[0, 9, 1, 30, 1, 1, 4, 2]), "{name} {isa:?}");
            assert_ne!(plain, run(&[0, 9, 30, 4, 5, 2]), "{name} {isa:?}");
        }
        assert_eq!((tower.rows(&[0, 9, 1, 2, 1]), tower.rows(&[0, 2])), (3, 2));
        for none in [&[][..], &[1], &[1, 1, 1]] {
            let error = tower.check(none).unwrap_err().to_string();
            assert!(error.contains("a text of 0 token ids"), "{error}");
        }
        let long = vec![5; model.context_length() + 1];
        assert!(tower.check(&long).unwrap_err().to_string().contains(&format!("{} token ids", long.len())));
    }
}

#[test]
fn items_do_not_depend_on_their_batch() {
    for name in ["tiny-xlm-roberta", "tiny-nllb-siglip", "tiny-worldwide"] {
        let (model, weights, config) = small(name);
        let tower = text_tower(&weights, &config);
        let (width, ids) = (model.embed_dim(), golden::all_ids(&model));
        for isa in Isa::available() {
            let serial = Exec::new(isa, Team::SERIAL);
            let mut workers = Workers::without_delay();
            let words = texts(&tower, serial, width, &ids);
            for exec in [serial, Exec::new(isa, workers.team())] {
                assert_eq!(words, texts(&tower, exec, width, &ids), "{name} {isa:?}");
                for (i, text) in ids.iter().enumerate() {
                    let alone = texts(&tower, exec, width, std::slice::from_ref(text));
                    assert_eq!(words[i * width..][..width], alone, "{name} {isa:?} {i}");
                }
            }
        }
    }
}
