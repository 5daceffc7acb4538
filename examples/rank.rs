//! Ranks the pictures of a folder by how well a sentence describes them, best first:
//!
//! ```text
//! cargo run --release --example rank -- MODEL.clippie photos/ "a dog on a beach"
//! cargo run --release --example rank -- demo examples/drawings "a white square below a red star"
//! ```

use std::path::PathBuf;

use clippie_rs::Clip;

/// Pictures shown.
const SHOWN: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, folder, sentence] = args.as_slice() else {
        return Err("usage: rank MODEL.clippie FOLDER SENTENCE".into());
    };
    let mut photos: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ["jpg", "png", "webp"].iter().any(|known| ending == *known)) {
            photos.push(path);
        }
    }
    photos.sort();

    let clip = open(model)?;
    let words = clip.encode_texts(&[sentence])?; // [1, embed_dim], of length one
    let words = words.row(0);

    // A file that is no photo has an error in its place; all others have their embedding.
    let mut ranked = Vec::new();
    for (photo, embedding) in photos.iter().zip(clip.image().encode_each(&photos).iter()) {
        match embedding {
            // Both have length one, so their product is the cosine of the angle between them.
            Ok(embedding) => ranked.push((words.dot(&embedding), photo)),
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

/// A weights file, or the model that is compiled in.
fn open(model: &str) -> Result<Clip, clippie_rs::Error> {
    #[cfg(feature = "demo")]
    if model == "demo" {
        return Clip::demo();
    }
    Clip::open(model)
}
