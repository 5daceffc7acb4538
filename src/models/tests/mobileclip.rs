//! Compares the towers of MobileCLIP stage by stage, on small models in every layout that supports them.

use super::*;
use crate::layers::unblock;
use crate::models::mci::{TraceMap, TracePoint};

/// Every tiny MobileCLIP in every layout, and the name of its goldens.
fn cases() -> Vec<(Model, Layout, String)> {
    let tiny = |(model, ..): &(Model, Layout, String)| model.name.starts_with("tiny-");
    let cases: Vec<_> = golden::mobileclip_cases().into_iter().filter(tiny).collect();
    assert!(cases.len() > 15);
    cases
}

pub(super) fn open_layout(model: &Model, layout: Layout) -> (WeightsFile, ModelConfig) {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    checkpoint::write(model, golden::SEED, layout, &source).unwrap();
    tiny_config::without_tower_name(model, &source);
    let path = folder.path().join("model.clippie");
    // Some layouts do not state the preprocessing. Any value will do, since these tests start from pixels.
    let options = ConvertOptions {
        mean: Some(model.mean),
        std: Some(model.std),
        interpolation: Some(crate::preprocess::Interpolation::Bilinear),
        resize: Some(crate::preprocess::ResizeMode::Shortest),
        ..ConvertOptions::default()
    };
    import::convert(&source, &path, &options, &mut |_| {}).unwrap_or_else(|e| panic!("{layout:?}: {e}"));
    let weights = WeightsFile::open(&path).unwrap();
    let config: ModelConfig = serde_json::from_value(weights.header().meta.model.clone()).unwrap();
    config.validate().unwrap();
    (weights, config)
}

/// The stages of a golden, compared in order with those of a pass.
struct Stages {
    what: String,
    all: std::vec::IntoIter<(String, ArrayD<f32>)>,
}

impl Stages {
    fn new(golden: &str, tower: &str, what: String) -> Self {
        Stages { what, all: goldens::stages(golden, tower).into_iter() }
    }

    /// Takes the next stage, which must be `name`.
    fn next(&mut self, name: &str) -> ArrayD<f32> {
        let (found, stage) = self.all.next().unwrap();
        assert_eq!(found, name, "{}", self.what);
        stage
    }

    fn check(&mut self, name: &str, got: &[f32]) {
        let stage: Vec<f64> = self.next(name).iter().map(|&v| v.into()).collect();
        assert_close(&format!("{} {name}", self.what), got, stage.iter());
    }
}

fn images(size: usize) -> Vec<f32> {
    (0..golden::IMAGES).flat_map(|i| golden::pixels(i, size)).collect()
}

/// Converts blocked maps to the reference's order, with all channels of a pixel side by side.
fn pixelwise(map: TraceMap<'_>) -> Vec<f32> {
    let mut rows = vec![f32::NAN; map.rows * map.channels];
    unblock(map.data, map.rows, map.channels, &mut rows);
    rows
}

#[test]
fn fastvit_stage_by_stage() {
    let mut seen = 0;
    for (model, layout, golden) in cases() {
        let (weights, config) = open_layout(&model, layout);
        let Some(ImageConfig::Mci(mci)) = &config.image else { continue };
        seen += 1;
        let tower = image_tower(&weights, &config);
        let ImageTower::Mci(tower) = tower else { panic!("not a FastViT") };
        let pixels = images(mci.image_size);
        for exec in execs(&mut Workers::without_delay()) {
            let mut stages = Stages::new(&golden, "image", format!("{golden} {layout:?} {exec:?}"));
            let mut out = vec![0.0; golden::IMAGES * config.embed_dim];
            tower
                .stages(exec, &pixels, golden::IMAGES, &mut Arena::default(), &mut out, |stage, x| match stage {
                    TracePoint::Stem => stages.check("stem", &pixelwise(x)),
                    TracePoint::Downsample(i) => stages.check(&format!("stages.{i}.downsample"), &pixelwise(x)),
                    TracePoint::Position(i) => stages.check(&format!("stages.{i}.position"), &pixelwise(x)),
                    TracePoint::Block(i, j) => stages.check(&format!("stages.{i}.blocks.{j}"), &pixelwise(x)),
                    TracePoint::Last => {
                        // Even channels first, then odd ones.
                        let stage = stages.next("final");
                        let channels = stage.shape()[3];
                        let order: Vec<usize> = (0..channels).step_by(2).chain((1..channels).step_by(2)).collect();
                        let stage: Vec<f64> = stage.select(Axis(3), &order).iter().map(|&v| v.into()).collect();
                        assert_close(&format!("{} final", stages.what), &pixelwise(x), stage.iter());
                    }
                })
                .unwrap();
            stages.check("projected", &out);
            assert!(stages.all.next().is_none());
        }
    }
    assert!(seen >= 10);
}

#[test]
fn vision_transformers_stage_by_stage() {
    let mut seen = 0;
    for (model, layout, golden) in cases() {
        let (weights, config) = open_layout(&model, layout);
        let Some(ImageConfig::Vit(vit)) = &config.image else { continue };
        seen += 1;
        let tower = image_tower(&weights, &config);
        let ImageTower::Vit(tower) = tower else { panic!("not a ViT") };
        let pixels = images(vit.image_size);
        for exec in execs(&mut Workers::without_delay()) {
            let mut stages = Stages::new(&golden, "image", format!("{golden} {layout:?} {exec:?}"));
            if vit.stem.is_some() {
                // Stages inside the stem are not traced; an error in them would show in the tokens.
                (0..3).for_each(|i| drop(stages.next(&format!("stem.{i}"))));
            }
            let mut out = vec![0.0; golden::IMAGES * config.embed_dim];
            tower
                .stages(exec, &pixels, golden::IMAGES, &mut Arena::default(), &mut out, |stage, x| match stage {
                    Stage::Embedded => stages.check("tokens", x),
                    Stage::Block(i) => stages.check(&format!("blocks.{i}"), x),
                })
                .unwrap();
            // The last block computes only the class token.
            stages.next(&format!("blocks.{}", vit.blocks.layers - 1));
            stages.check("projected", &out);
        }
    }
    assert!(seen >= 6);
}

#[test]
fn texts_stage_by_stage() {
    let (mut hybrids, mut transformers) = (0, 0);
    for (model, layout, golden) in cases() {
        let (weights, config) = open_layout(&model, layout);
        let ids = golden::all_ids(&model);
        for exec in execs(&mut Workers::without_delay()) {
            let mut stages = Stages::new(&golden, "text", format!("{golden} {layout:?} {exec:?}"));
            let mut out = vec![0.0; ids.len() * config.embed_dim];
            let name = |stage| match stage {
                Stage::Embedded => "tokens".to_owned(),
                Stage::Block(i) => format!("blocks.{i}"),
            };
            match config.text.as_ref().unwrap() {
                TextConfig::Hybrid(_) => {
                    hybrids += 1;
                    let tower = text_tower(&weights, &config);
                    let TextKind::Hybrid(tower) = tower.kind else { panic!("not a hybrid") };
                    let see = |stage, x: &[f32]| stages.check(&name(stage), x);
                    tower.stages(exec, &ids, &mut Arena::default(), &mut out, see).unwrap();
                }
                TextConfig::Transformer(transformer) => {
                    transformers += 1;
                    let tower = text_transformer(&weights, &config);
                    let tokens: Vec<usize> = ids.iter().map(|ids| tower.rows(ids)).collect();
                    let see = |stage, x: &[f32]| {
                        let all = stages.next(&name(stage)).mapv(f64::from);
                        assert_close(&format!("{} {}", stages.what, name(stage)), x, rows(all.view(), &tokens).iter());
                    };
                    tower.stages(exec, &ids, &mut Arena::default(), &mut out, see).unwrap();
                    stages.next(&format!("blocks.{}", transformer.blocks.layers - 1));
                }
                TextConfig::XlmRoberta(_) => panic!("no MobileCLIP"),
            }
            stages.check("projected", &out);
            assert!(stages.all.next().is_none());
        }
    }
    assert!(hybrids >= 2 && transformers >= 10);
}

/// Embeddings must not depend on the rest of the batch, on whether padding is given, or on threads.
#[test]
fn inputs_do_not_depend_on_their_neighbours() {
    for name in ["tiny-mci", "tiny-mci-deep", "tiny-stem", "tiny-hybrid"] {
        let (model, layout, _) = cases().into_iter().find(|(model, ..)| model.name == name).unwrap();
        let (weights, config) = open_layout(&model, layout);
        let image = image_tower(&weights, &config);
        let text = text_tower(&weights, &config);
        let e = config.embed_dim;
        let pixels = images(model.image_size());
        let (ids, each) = (golden::all_ids(&model), pixels.len() / golden::IMAGES);
        let padded: Vec<Vec<u32>> =
            (0..golden::TEXTS).map(|i| golden::padded_ids(i, model.context_length(), model.vocab_size())).collect();
        for isa in Isa::available() {
            let mut of_parallelism = Vec::new();
            for team in [Team::SERIAL, Workers::without_delay().team()] {
                let exec = Exec::new(isa, team);
                let encode = |pixels: &[f32]| {
                    let mut out = vec![f32::NAN; pixels.len() / each * e];
                    image.forward(exec, pixels, pixels.len() / each, &mut Arena::default(), &mut out).unwrap();
                    out
                };
                let together = encode(&pixels);
                for (i, pixels) in pixels.chunks_exact(each).enumerate() {
                    assert_eq!(encode(pixels), together[i * e..][..e], "{name} image {i} {exec:?}");
                }
                let read = |texts: &[Vec<u32>]| {
                    let mut out = vec![f32::NAN; texts.len() * e];
                    text.forward(exec, texts, &mut Arena::default(), &mut out).unwrap();
                    out
                };
                let texts = read(&ids);
                assert_eq!(texts, read(&padded), "{name} padded {exec:?}");
                for (i, ids) in ids.iter().enumerate() {
                    let alone = read(std::slice::from_ref(ids));
                    assert_eq!(alone, texts[i * e..][..e], "{name} text {i} {exec:?}");
                }
                of_parallelism.push((together, texts));
            }
            assert!(of_parallelism[0] == of_parallelism[1], "{name} {isa:?} depends on threads");
        }
    }
}
