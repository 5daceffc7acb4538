//! CLIP's ResNets, stage by stage.

use super::*;
use crate::layers::unblock;
use crate::models::config::ResnetConfig;
use crate::models::resnet::TracePoint;
use clippie_testkit::checkpoint::resnet;

/// Least difference of a unit embedding that a mistake makes here: fifty times what roundings do.
const MISTAKE: f64 = 1e-4;

fn pixels(model: &Model) -> Vec<f32> {
    (0..golden::IMAGES).flat_map(|i| golden::pixels_of(model, i)).collect()
}

/// The maps in blocks as the reference has them, `[images, channels, pixels]`.
fn channels_first(maps: &[f32], [rows, channels]: [usize; 2]) -> Vec<f32> {
    let mut by_pixel = vec![0.0; rows * channels];
    unblock(maps, rows, channels, &mut by_pixel);
    let pixels = rows / golden::IMAGES;
    let at = |i: usize| (i / channels / pixels * pixels + i % pixels) * channels + i / pixels % channels;
    (0..rows * channels).map(|i| by_pixel[at(i)]).collect()
}

#[test]
fn image_towers_stage_by_stage() {
    for model in resnet::tiny() {
        let (weights, config) = open(&model);
        let size = model.resnet().unwrap();
        let ImageTower::Resnet(tower) = image_tower(&weights, &config) else { panic!("not a ResNet") };
        let projected = goldens::read(&format!("{}-image-projected", model.name));
        for exec in execs(&mut Workers::without_delay()) {
            let mut out = vec![0.0; golden::IMAGES * config.embed_dim];
            let mut seen = 0;
            tower
                .stages(exec, &pixels(&model), golden::IMAGES, &mut Arena::default(), &mut out, |point, maps, shape| {
                    seen += 1;
                    let stage = match point {
                        TracePoint::Stem => "stem".to_owned(),
                        TracePoint::Block(i, j) => format!("{i}-{j}"),
                    };
                    let expected = goldens::read(&format!("{}-image-{stage}", model.name));
                    let what = format!("{} {stage} {exec:?}", model.name);
                    assert_close(&what, &channels_first(maps, shape), expected.iter());
                })
                .unwrap();
            assert_eq!(seen, 1 + size.layers.iter().sum::<usize>());
            assert_close(&format!("{} projection {exec:?}", model.name), &out, projected.iter());
        }
    }
}

/// What other ResNets do in places is not what CLIP's do: the embeddings are far from those of such a tower.
#[test]
fn no_mistake_that_is_easily_made_is_made() {
    for model in resnet::tiny() {
        let (weights, config) = open(&model);
        let tower = image_tower(&weights, &config);
        let exec = Exec::new(Isa::available()[0], Team::SERIAL);
        let mut out = vec![0.0; golden::IMAGES * config.embed_dim];
        tower.forward(exec, &pixels(&model), golden::IMAGES, &mut Arena::default(), &mut out).unwrap();
        for trap in ["max-pool", "strided-convolution", "strided-identity", "pixel-query"] {
            let wrong = goldens::read(&format!("{}-image-trap-{trap}", model.name));
            for (row, wrong) in out.chunks_exact(config.embed_dim).zip(wrong.outer_iter()) {
                let length = row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
                let off = row.iter().zip(&wrong).map(|(a, b)| (f64::from(*a) / length - b).abs()).fold(0.0, f64::max);
                assert!(off > MISTAKE, "{} {trap}: {off:e}", model.name);
            }
        }
    }
}

/// An image has the same bits alone, in a batch, on any number of threads.
#[test]
fn images_do_not_depend_on_their_neighbours_or_threads() {
    for model in resnet::tiny() {
        let (weights, config) = open(&model);
        let tower = image_tower(&weights, &config);
        let pixels = pixels(&model);
        let len = pixels.len() / golden::IMAGES;
        let mut workers = Workers::without_delay();
        for isa in Isa::available() {
            let run = |team: Team<'_>, pixels: &[f32], images: usize| {
                let mut out = vec![0.0; images * config.embed_dim];
                let exec = Exec::new(isa, team);
                tower.forward(exec, pixels, images, &mut Arena::default(), &mut out).unwrap();
                out
            };
            let together = run(Team::SERIAL, &pixels, golden::IMAGES);
            assert_eq!(together, run(workers.team(), &pixels, golden::IMAGES));
            for (i, image) in pixels.chunks_exact(len).enumerate() {
                let alone = run(Team::SERIAL, image, 1);
                assert_eq!(alone, together[i * config.embed_dim..][..config.embed_dim], "{} {isa:?}", model.name);
            }
        }
    }
}

#[test]
fn sizes_that_no_tower_has_are_refused() {
    let config = |image_size: usize, width: usize, blocks: &[usize], heads: usize| {
        ResnetConfig::new(image_size, width, blocks.to_vec(), heads).validate()
    };
    assert!(config(64, 12, &[1, 2, 1, 1], 6).is_ok());
    for (image_size, width, blocks, heads) in [
        (65, 12, &[1, 1, 1, 1][..], 6),
        (0, 12, &[1, 1, 1, 1], 6),
        (64, 13, &[1, 1, 1, 1], 1),
        (64, 0, &[1, 1, 1, 1], 1),
        (64, usize::MAX - 1, &[1, 1, 1, 1], 1),
        (64, 12, &[1, 1, 1], 6),
        (64, 12, &[1, 1, 1, 1, 1], 6),
        (64, 12, &[1, 0, 1, 1], 6),
        (64, 12, &[1, 1, 1, usize::MAX], 6),
        (64, 12, &[1, 1, 1, 1], 0),
        (64, 12, &[1, 1, 1, 1], 5),
    ] {
        assert!(config(image_size, width, blocks, heads).is_err(), "{image_size} {width} {blocks:?} {heads}");
    }
}
