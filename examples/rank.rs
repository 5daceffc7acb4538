//! Ranks the photos of a folder by similarity to a text, best first:
//!
//! ```text
//! cargo run --release --example rank -- MODEL.clippie photos/ "a dog on a beach"
//! cargo run --release --example rank -- demo examples/drawings "a white square below a red star"
//! ```

use std::path::PathBuf;

use clippie_rs::Clip;

/// Number of photos printed.
const SHOWN: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, folder, sentence] = args.as_slice() else {
        return Err("usage: rank MODEL.clippie FOLDER SENTENCE".into());
    };
    let mut photos: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| ["jpg", "png", "webp"].iter().any(|known| extension == *known)) {
            photos.push(path);
        }
    }
    photos.sort();

    let clip = Clip::load(model)?;
    let query = clip.encode_texts(&[sentence])?; // [1, embed_dim], unit length
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
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    println!("{} pictures; best for \"{sentence}\":", ranked.len());
    for (cosine, photo) in ranked.iter().take(SHOWN) {
        println!("{cosine:.4}  {}", photo.display());
    }
    Ok(())
}
