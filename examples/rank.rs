//! Ranks the photos of a folder by similarity to a text, best first:
//!
//! ```text
//! cargo run --release --example rank -- MODEL.clippie photos/ "a dog on a beach"
//! cargo run --release --example rank -- demo examples/drawings "a white square below a red star"
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clippie_rs::{Clip, walk};

/// Number of photos printed.
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
    let [model, folder, text] = args.as_slice() else {
        return Err("usage: rank MODEL.clippie FOLDER TEXT".into());
    };
    // In order; an error names the folder that cannot be listed.
    let photos = walk::photos(folder).collect::<Result<Vec<PathBuf>, _>>()?;

    let clip = Clip::load(model)?;
    let query = clip.encode_texts(&[text])?; // [1, embed_dim], unit length
    let query = query.row(0);

    // Each photo has its own result, so a damaged file does not affect the others.
    let mut ranked = Vec::new();
    for (photo, embedding) in photos.iter().zip(clip.image().encode_each(&photos).iter()) {
        match embedding {
            // Both have unit length, so the dot product is the cosine similarity.
            Ok(embedding) => ranked.push((query.dot(&embedding), photo)),
            Err(error) => eprintln!("{error}"),
        }
    }
    if ranked.is_empty() {
        return Err(format!("no photo in {folder} could be read").into());
    }
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    println!("{} pictures; best for \"{text}\":", ranked.len());
    for (cosine, photo) in ranked.iter().take(SHOWN) {
        println!("{cosine:.4}  {}", photo.display());
    }
    Ok(())
}
