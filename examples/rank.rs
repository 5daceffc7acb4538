//! Ranks the photos of a folder by how well a sentence describes them:
//! `cargo run --release --example rank -- MODEL.clippie photos/ "a dog on a beach"`.

use std::path::PathBuf;

use clippie_rs::Clip;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, folder, sentence] = args.as_slice() else {
        return Err("usage: rank MODEL.clippie FOLDER SENTENCE".into());
    };
    let mut photos: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        photos.push(entry?.path());
    }
    photos.sort();

    let clip = Clip::open(model)?;
    let words = clip.encode_texts(&[sentence])?; // [1, embed_dim], of length one
    let words = words.row(0);

    // A file that is no photo has an error in its place; all others have their embedding.
    let mut ranked = Vec::new();
    for (photo, embedding) in photos.iter().zip(clip.image().encode_each(&photos)?) {
        match embedding {
            // Both have length one, so their product is the cosine of the angle between them.
            Ok(embedding) => ranked.push((words.dot(&ndarray::aview1(&embedding)), photo)),
            Err(error) => eprintln!("{error}"),
        }
    }
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (cosine, photo) in ranked {
        println!("{cosine:.4}  {}", photo.display());
    }
    Ok(())
}
