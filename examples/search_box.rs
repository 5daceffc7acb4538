//! Searches photos that were encoded before. It opens only the text tower, so it starts at once and needs little
//! memory:
//!
//! ```text
//! clippie-rs encode -m MODEL.clippie photos/ --format npy -o photos.npy
//! cargo run --release --example search_box -- MODEL.clippie photos.npy
//! ```
//!
//! Each line of standard input is a query; the result is the most similar photos.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::ExitCode;

use clippie_rs::TextEncoder;
use ndarray::Array2;
use serde_json::Value;

/// Number of photos printed per query.
const SHOWN: usize = 5;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, photos] = args.as_slice() else {
        return Err("usage: search_box MODEL.clippie PHOTOS.npy".into());
    };
    let encoder = TextEncoder::open(model)?;

    // One row per photo. The sidecar holds the path and the fingerprint of each row.
    let embeddings = read_embeddings(photos)?; // [photos, embed_dim]
    let sidecar = format!("{photos}.jsonl");
    let mut names = Vec::new();
    for line in open(&sidecar)?.lines() {
        let row = line.map_err(|error| format!("cannot read {sidecar}: {error}"))?;
        let row: Value = serde_json::from_str(&row).map_err(|error| format!("{sidecar} is damaged: {error}"))?;
        if row["fingerprint"] != encoder.fingerprint().as_str() {
            return Err(format!("{photos} was made with another model or other options than {model}").into());
        }
        names.push(row["path"].as_str().unwrap_or("(no photo)").to_owned());
    }
    if embeddings.dim() != (names.len(), encoder.embed_dim()) {
        return Err(format!("{photos} and {sidecar} do not belong together").into());
    }

    for query in std::io::stdin().lines() {
        let query = encoder.encode(&[query?])?; // [1, embed_dim]
        let cosines = embeddings.dot(&query.row(0)); // [photos]
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by(|&a, &b| cosines[b].total_cmp(&cosines[a]));
        for &photo in order.iter().take(SHOWN) {
            println!("{:.4}  {}", cosines[photo], names[photo]);
        }
        println!();
    }
    Ok(())
}

fn open(path: &str) -> Result<BufReader<File>, String> {
    File::open(path).map(BufReader::new).map_err(|error| format!("cannot read {path}: {error}"))
}

fn read_embeddings(path: &str) -> Result<Array2<f32>, Box<dyn Error>> {
    let unreadable = |error| format!("{path} is not an output of `clippie-rs encode --format npy`: {error}");
    let npy = npyz::NpyFile::new(open(path)?).map_err(unreadable)?;
    let &[rows, dim] = npy.shape() else {
        return Err(format!("{path} has {} dimensions instead of two", npy.shape().len()).into());
    };
    let shape = (usize::try_from(rows)?, usize::try_from(dim)?);
    Ok(Array2::from_shape_vec(shape, npy.into_vec().map_err(unreadable)?)?)
}
