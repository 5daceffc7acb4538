//! Times decoding of photo files on one thread: whole, reduced, and on the way to the input of an image tower.
//!
//! `compare.py` makes the photos and times Pillow beside it.

use std::hint::black_box;
use std::time::Instant;

use clippie_rs::decode_pixels_into;
use clippie_rs::photo::{decode, decode_reduced};
use clippie_rs::preprocess::PreprocessConfig;

/// Milliseconds of the fastest of `rounds` calls.
fn fastest(rounds: usize, mut call: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..rounds {
        let start = Instant::now();
        call();
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    best
}

fn main() {
    // Cargo adds `--bench`.
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let Some(rounds) = args.next().and_then(|rounds| rounds.parse().ok()) else {
        println!("usage: cargo bench --bench photos -- ROUNDS FILE...; compare.py makes files");
        return;
    };
    let files: Vec<String> = args.collect();
    let config = PreprocessConfig::openai(224);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            let mut out = vec![0.0; config.pixel_len()];
            let whole = fastest(rounds, || drop(black_box(decode(&bytes, true, &file).unwrap())));
            let reduced = fastest(rounds, || {
                drop(black_box(decode_reduced(&bytes, true, 2 * config.image_size, &file).unwrap()));
            });
            let tower = fastest(rounds, || decode_pixels_into(&bytes, true, &file, &config, &mut out).unwrap());
            println!("{file}\t{whole:.2}\t{reduced:.2}\t{tower:.2}");
        }
    });
}
