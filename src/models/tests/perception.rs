//! Perception Encoder's towers: stage by stage, the settings and the order of channels that are easily mistaken, and the
//! independence of the items of a batch.

use super::*;
use crate::kernels::Workers;
use crate::models::config::{ImagePooling, VitConfig};
use checkpoint::edit::Tensors;

/// The limit of the tests that compare with the references: the largest difference of a unit embedding.
const COMPONENT: f64 = 2e-6;

const NAMES: [&str; 3] = ["tiny-perception", "tiny-perception-giant", "tiny-perception-narrow"];

/// Converts a small model, with its tensors edited.
fn edited(name: &str, edit: impl FnOnce(&mut Tensors)) -> (Model, WeightsFile, ModelConfig) {
    let model = Model::named(name).unwrap();
    let size = model.perception().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    let files = checkpoint::write(&model, golden::SEED, Layout::OpenClip, &source).unwrap();
    tiny_config::without_tower_name(&model, &source);
    let mut tensors = Tensors::read(&files[0]);
    edit(&mut tensors);
    std::fs::write(&files[0], tensors.bytes()).unwrap();
    let path = folder.path().join("model.clippie");
    let options = ConvertOptions::default().image_heads(size.image.heads).text_heads(size.text.heads);
    import::convert(&source, &path, &options, &mut |_| {}).unwrap();
    let weights = WeightsFile::open(&path).unwrap();
    let config = ModelConfig::from_json(&weights.header().meta.model).unwrap();
    (model, weights, config)
}

fn small(name: &str) -> (Model, WeightsFile, ModelConfig) {
    edited(name, |_| {})
}

fn vit(config: &mut ModelConfig) -> &mut VitConfig {
    let Some(ImageConfig::Vit(vit)) = &mut config.image else { panic!() };
    vit
}

fn images(tower: &ImageTower, exec: Exec<'_>, model: &Model, order: &[usize]) -> Vec<f32> {
    let pixels: Vec<f32> = order.iter().flat_map(|&i| golden::pixels(i, model.image_size())).collect();
    let mut out = vec![0.0; order.len() * model.embed_dim()];
    tower.forward(exec, &pixels, order.len(), &mut Arena::default(), &mut out).unwrap();
    out
}

/// Largest difference of the unit embeddings of the images from the golden.
fn off(weights: &WeightsFile, config: &ModelConfig, model: &Model) -> f64 {
    let exec = Exec::new(Isa::detect().unwrap(), Team::SERIAL);
    let rows = images(&image_tower(weights, config), exec, model, &[0, 1]);
    let exact = goldens::read(&format!("{}-image", model.name));
    let mut largest = 0.0f64;
    for (row, exact) in rows.chunks_exact(model.embed_dim()).zip(exact.outer_iter()) {
        let length = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let off = row.iter().zip(exact.iter()).map(|(&x, e)| (f64::from(x) / length - e).abs());
        largest = off.fold(largest, f64::max);
    }
    largest
}

#[test]
fn image_towers_stage_by_stage() {
    for name in NAMES {
        let (model, weights, config) = small(name);
        let ImageTower::Vit(tower) = image_tower(&weights, &config) else { panic!("not a ViT") };
        let stages: ArrayD<f64> = goldens::read(&format!("{name}-image-stages"));
        let pixels: Vec<f32> = (0..golden::IMAGES).flat_map(|i| golden::pixels(i, model.image_size())).collect();
        for exec in execs(&mut Workers::without_delay()) {
            let mut out = vec![0.0; golden::IMAGES * config.embed_dim];
            let mut seen = 0;
            let trace = |stage, x: &[f32]| {
                let index = match stage {
                    Stage::Embedded => 0,
                    Stage::Block(i) => i + 1,
                };
                seen += 1;
                assert_close(&format!("{name} stage {index} {exec:?}"), x, stages.index_axis(Axis(0), index).iter());
            };
            tower.stages(exec, &pixels, golden::IMAGES, &mut Arena::default(), &mut out, trace).unwrap();
            assert_eq!(seen, stages.shape()[0]);
        }
    }
}

/// Reorders the rows of queries and keys within each head: row `j` becomes the former row `from(j, d)`.
fn reorder(tensors: &mut Tensors, heads: usize, from: impl Fn(usize, usize) -> usize) {
    for (name, stored) in &mut tensors.0 {
        if !name.contains(".attn.qkv.") {
            continue;
        }
        let rows = stored.shape[0];
        let (row, d) = (stored.bytes.len() / rows, rows / 3 / heads);
        let old = stored.bytes.clone();
        for i in 0..rows / 3 * 2 {
            let source = i - i % d + from(i % d, d);
            stored.bytes[i * row..][..row].copy_from_slice(&old[source * row..][..row]);
        }
    }
}

#[test]
fn another_order_of_the_turned_channels_does_not_pass() {
    for name in NAMES {
        let heads = Model::named(name).unwrap().perception().unwrap().image.heads;
        let with = |from: fn(usize, usize) -> usize| {
            let (model, weights, config) = edited(name, |tensors| reorder(tensors, heads, from));
            off(&weights, &config, &model)
        };
        assert!(with(|j, _| j) <= COMPONENT, "{name}");
        // Pairs of a channel and that half a head away, as language models have them.
        assert!(with(|j, d| j / 2 + j % 2 * (d / 2)) > 100.0 * COMPONENT, "{name}");
        // The row before the column.
        assert!(with(|j, d| (j + d / 2) % d) > 100.0 * COMPONENT, "{name}");
    }
}

#[test]
fn every_setting_shows_in_the_goldens() {
    for name in NAMES {
        let (model, weights, config) = small(name);
        let without = |change: fn(&mut VitConfig)| {
            let mut config = config.clone();
            change(vit(&mut config));
            off(&weights, &config, &model)
        };
        assert!(without(|_| {}) <= COMPONENT, "{name}");
        assert!(without(|vit| vit.rotary = false) > 100.0 * COMPONENT, "{name}");
        assert!(without(|vit| vit.blocks.heads /= 2) > 100.0 * COMPONENT, "{name}");
        // The heads of the pooling are part of the shape of its queries.
        let mut other = config.clone();
        let ImagePooling::ProjectedAttention { heads, .. } = &mut vit(&mut other).pooling else { panic!() };
        *heads /= 2;
        assert!(load(&weights, &other, None).is_err(), "{name}");
        let class_token = model.perception().unwrap().class_token;
        assert_eq!(vit(&mut config.clone()).class_token, class_token);
    }
}

#[test]
fn settings_that_no_tower_has_are_refused() {
    let (_, weights, _) = small("tiny-perception");
    for (pointer, field, value, hint) in [
        ("/image/blocks", "heads", serde_json::json!(1), None),
        ("/image/blocks", "heads", serde_json::json!(160), Some("head with rotary positions is 1")),
        ("/image/blocks", "heads", serde_json::json!(16), Some("multiple of 4")),
        ("/image/pooling/projected_attention", "heads", serde_json::json!(7), Some("pooling's 7 heads")),
        ("/image/pooling/projected_attention", "heads", serde_json::json!(0), Some("heads of the pooling")),
        ("/image/pooling/projected_attention", "mlp_width", serde_json::json!(0), Some("mlp_width of the pooling")),
        ("/image/pooling/projected_attention", "queries", serde_json::json!(1), Some("queries")),
        ("/image", "rotary", serde_json::json!("yes"), Some("boolean")),
    ] {
        let mut changed = weights.header().meta.model.clone();
        changed.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}"))[field] = value;
        let found = ModelConfig::from_json(&changed).map_err(|error| error.to_string());
        match hint {
            None => assert!(found.is_ok(), "{pointer} {field}: {found:?}"),
            Some(hint) => assert!(found.as_ref().unwrap_err().contains(hint), "{pointer} {field}: {found:?}"),
        }
    }
    // A false one is absent.
    let mut changed = weights.header().meta.model.clone();
    changed["image"]["rotary"] = serde_json::json!(false);
    assert!(ModelConfig::from_json(&changed).unwrap_err().to_string().contains("model.image.rotary"));
    // Wide heads would take angles beyond the kernel's room.
    let mut wide = weights.header().meta.model.clone();
    wide["image"]["blocks"]["width"] = serde_json::json!(1024);
    wide["image"]["blocks"]["heads"] = serde_json::json!(2);
    assert!(ModelConfig::from_json(&wide).unwrap_err().to_string().contains("head with rotary positions is 512"));
}

#[test]
fn images_do_not_depend_on_their_batch() {
    for name in NAMES {
        let (model, weights, config) = small(name);
        let tower = image_tower(&weights, &config);
        let width = model.embed_dim();
        for isa in Isa::available() {
            let serial = Exec::new(isa, Team::SERIAL);
            let mut workers = Workers::without_delay();
            let photos = images(&tower, serial, &model, &[0, 1, 2]);
            for exec in [serial, Exec::new(isa, workers.team())] {
                assert_eq!(photos, images(&tower, exec, &model, &[0, 1, 2]));
                for i in 0..3 {
                    assert_eq!(photos[i * width..][..width], images(&tower, exec, &model, &[i]), "{name} {isa:?} {i}");
                }
            }
        }
    }
}
