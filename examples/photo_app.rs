//! The core of a photo application: open a model by name or path, encode a folder with progress and cancellation, skip
//! photos that cannot be read, search by text. Uses only the public API.
//!
//! ```text
//! cargo run --release --example photo_app -- mobileclip2-s2 photos/ "a dog on a beach"
//! cargo run --release --example photo_app -- demo examples/drawings "a white square below a red star" --seconds 1
//! ```
//!
//! Such an application needs `clippie-rs` with `default-features = false` and the features `walk` (folders of photos, 65
//! crates) and `hub` (models by name, 100 crates in total).

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clippie_rs::ndarray::{Array2, aview1};
use clippie_rs::{CancelToken, Clip, Error, ErrorKind, Options, query_similarity, walk};

/// Number of photos shown.
const SHOWN: usize = 5;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            message(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let cancel = CancelToken::new();
    if let Some(at) = args.iter().position(|arg| arg == "--seconds") {
        let seconds = args.drain(at..).nth(1).and_then(|seconds| seconds.parse().ok());
        let time = seconds.and_then(|seconds| Duration::try_from_secs_f32(seconds).ok());
        cancel_after(time.ok_or("--seconds needs a number of seconds")?, &cancel);
    }
    let [model, folder, question] = args.as_slice() else {
        return Err("usage: photo_app MODEL FOLDER QUESTION [--seconds N]".into());
    };

    let clip = open(model, &cancel)?;
    let library = index(&clip, folder, &cancel)?;
    match (library.paths.is_empty(), cancel.is_cancelled()) {
        (true, true) => return Err("cancelled before the first photo".into()),
        (true, false) => return Err(format!("no photo in {folder} could be read").into()),
        (false, true) => message("cancelled"),
        (false, false) => {}
    }
    println!("{} photos, fingerprint {}", library.paths.len(), clip.fingerprint());
    search(&clip, &library, question)?;
    // An idle application needs no scratch memory and no mapped pages.
    clip.release();
    Ok(())
}

/// A timer instead of a cancel button.
fn cancel_after(time: Duration, cancel: &CancelToken) {
    let cancel = cancel.clone();
    std::thread::spawn(move || {
        std::thread::sleep(time);
        cancel.cancel();
    });
}

/// Opens a model by path or name; a published model is downloaded on first use.
fn open(model: &str, cancel: &CancelToken) -> Result<Clip, Error> {
    let model = Options::new().model(model).cancel(cancel);
    #[cfg(feature = "hub")]
    let model = model.progress(|event| {
        if let clippie_rs::hub::Event::Download { file, done, total } = event {
            eprint!("\r{file}: {done} of {total} bytes");
        }
    });
    model.open()
}

/// Photos and their embeddings. An application stores both, and the fingerprint.
struct Library {
    paths: Vec<PathBuf>,
    embeddings: Array2<f32>, // [photos, embed_dim], unit rows
}

/// Encodes the photos of a folder. After a cancellation, the library holds the finished ones.
fn index(clip: &Clip, folder: &str, cancel: &CancelToken) -> Result<Library, Box<dyn std::error::Error>> {
    let mut library = Library { paths: Vec::new(), embeddings: Array2::zeros((0, clip.embed_dim())) };
    let terminal = io::stderr().is_terminal();
    // The total is known because `walk::photos` lists the folder first.
    let stream = clip.image().stream(walk::photos(folder)).cancel(cancel).progress(move |progress| {
        if terminal {
            eprint!("{CLEAR_LINE}{} of {} photos", progress.done, progress.total.unwrap_or(progress.done));
        }
    });
    for (photo, embedding) in stream {
        match (photo, embedding) {
            (Ok(path), Ok(embedding)) => {
                library.paths.push(path);
                library.embeddings.push_row(aview1(&embedding))?;
            }
            // Continue after a bad photo; the message names it.
            (_, Err(error)) if error.kind() != ErrorKind::Cancelled => message(&error.to_string()),
            _ => {}
        }
    }
    clear_progress();
    Ok(library)
}

/// Clears the line of a terminal.
const CLEAR_LINE: &str = "\r\x1b[K";

fn clear_progress() {
    if io::stderr().is_terminal() {
        eprint!("{CLEAR_LINE}");
    }
}

/// Prints a message in place of the progress line.
fn message(text: &str) {
    clear_progress();
    eprintln!("{text}");
}

/// Prints the photos that match a text best.
fn search(clip: &Clip, library: &Library, question: &str) -> Result<(), Error> {
    let words = clip.encode_text(question)?; // [embed_dim]
    let cosines = query_similarity(&words, &library.embeddings)?; // [photos]
    let mut best: Vec<_> = cosines.iter().zip(&library.paths).collect();
    best.sort_by(|a, b| b.0.total_cmp(a.0));
    for (cosine, path) in best.into_iter().take(SHOWN) {
        println!("{cosine:.4}  {}", path.display());
    }
    Ok(())
}
