//! Draws scenes with captions: a training set of the demo model, or pictures to view.
//!
//! ```sh
//! cargo run --release --example draw-scenes -- --seed 1 --count 100000 --size 64 scenes/    # a training set
//! cargo run --release --example draw-scenes -- --seed 7 --count 32 --png --size 256 drawings/
//! ```
//!
//! A training set is `images.npy` (uint8 `[count, size, size, 3]`), `cells.npy` (uint8 `[count, 64]`, the object that
//! covers each cell of an 8 x 8 grid) and `captions.jsonl` (a line per scene: its facts as numbers, and captions with
//! their claims). Pictures are drawn larger and reduced by the crate's own preprocessing, as photos are.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Parser;
use clippie_rs::RgbBuffer;
use clippie_rs::preprocess::{self, PreprocessConfig};
use clippie_testkit::scenes::{Dice, Scene, caption, cells, draw, facts};
use rayon::prelude::*;

#[derive(Parser)]
struct Args {
    /// Seed of the scenes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of scenes
    #[arg(long, default_value_t = 100)]
    count: u64,
    /// Side of the pictures in pixels
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// Captions per scene
    #[arg(long, default_value_t = 6)]
    captions: u64,
    /// Write PNG files and captions.txt instead of a training set
    #[arg(long)]
    png: bool,
    /// Write only these scenes of the seed
    #[arg(long, value_delimiter = ',')]
    only: Vec<u64>,
    /// Folder to write into
    out: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    fs::create_dir_all(&args.out)?;
    if args.png { pictures(&args) } else { training_set(&args) }
}

fn pictures(args: &Args) -> Result<(), Box<dyn Error>> {
    let all: Vec<u64> = if args.only.is_empty() { (0..args.count).collect() } else { args.only.clone() };
    let mut captions = BufWriter::new(File::create(args.out.join("captions.txt"))?);
    for (number, index) in all.into_iter().enumerate() {
        let scene = Scene::random(args.seed, index);
        let name = format!("{:02}.png", number + 1);
        let side = u32::try_from(args.size)?;
        let file = BufWriter::new(File::create(args.out.join(&name))?);
        let mut encoder = png::Encoder::new(file, side, side);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::High);
        encoder.write_header()?.write_image_data(&draw(&scene, args.size))?;
        writeln!(captions, "{name}\t{}", caption(&scene, &mut Dice::new(scene.seed, 3)).text)?;
    }
    captions.flush()?;
    Ok(())
}

fn training_set(args: &Args) -> Result<(), Box<dyn Error>> {
    let mut images = npy(&args.out.join("images.npy"), &[args.count, args.size as u64, args.size as u64, 3])?;
    let mut maps = npy(&args.out.join("cells.npy"), &[args.count, 64])?;
    let mut lines = BufWriter::new(File::create(args.out.join("captions.jsonl"))?);
    const CHUNK: u64 = 4096;
    for start in (0..args.count).step_by(CHUNK as usize) {
        let chunk: Vec<_> = (start..args.count.min(start + CHUNK))
            .into_par_iter()
            .map(|index| {
                let scene = Scene::random(args.seed, index);
                Ok((reduced(&scene, args.size)?, cells(&scene), line(&scene, args.captions)))
            })
            .collect::<Result<_, clippie_rs::Error>>()?;
        for (image, map, line) in chunk {
            images.write_all(&image)?;
            maps.write_all(&map)?;
            writeln!(lines, "{line}")?;
        }
    }
    images.flush()?;
    maps.flush()?;
    lines.flush()?;
    Ok(())
}

/// A drawing of one of several sizes, reduced as the encoder reduces photos.
fn reduced(scene: &Scene, size: usize) -> Result<Vec<u8>, clippie_rs::Error> {
    let side = Dice::new(scene.seed, 4).pick(&[96, 128, 128, 160, 256]).max(size);
    let drawing = RgbBuffer::new(side, side, draw(scene, side))?;
    let config = PreprocessConfig::new(size);
    // [3, size, size] in 0..=1, exact multiples of 1/255.
    let planes = preprocess::pixels(&drawing, &config)?;
    let area = size * size;
    Ok((0..area * 3).map(|i| (planes[i % 3 * area + i / 3] * 255.0).round() as u8).collect())
}

fn line(scene: &Scene, captions: u64) -> serde_json::Value {
    let captions: Vec<_> = (0..captions)
        .map(|number| {
            let caption = caption(scene, &mut Dice::new(scene.seed, 100 + number));
            let (claim, either) = caption.claim.row();
            serde_json::json!({"text": caption.text, "claim": claim, "either": either})
        })
        .collect();
    serde_json::json!({"facts": facts(scene), "captions": captions})
}

/// A .npy file of bytes, ready for its data.
fn npy(path: &Path, shape: &[u64]) -> Result<BufWriter<File>, Box<dyn Error>> {
    let shape: String = shape.iter().map(|n| format!("{n},")).collect();
    let mut header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({shape}), }}");
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&u16::try_from(header.len())?.to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    Ok(file)
}
