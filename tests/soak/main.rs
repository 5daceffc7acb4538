//! Long life in a host process: threads that cannot be started, `fork`, panics of callers, a stopped process, and
//! hundreds of thousands of calls with flat memory.
//!
//! `soak` makes some thousand calls; `CLIPPIE_SOAK=500000 cargo test --release --test soak -- calls --nocapture` makes
//! half a million. Each test runs in a process of its own.

#![cfg(all(feature = "cli", feature = "demo", unix))]

mod alone;
mod calls;
mod fork;
mod host;
mod threads;

use clippie_rs::{Clip, Options, weights::WeightsFile};

/// A photo that the compiled-in model knows.
const PHOTO: &str = "examples/drawings/01.png";

/// The compiled-in model with these options.
fn open(options: Options) -> Clip {
    options.open_weights(WeightsFile::demo().unwrap()).unwrap()
}

/// Embeddings of a photo and of some texts, enough for all threads.
fn embeddings(clip: &Clip) -> Vec<f32> {
    let texts = (0..70).map(|i| format!("{i} red circles"));
    let mut rows = clip.encode_texts(texts).unwrap().into_raw_vec_and_offset().0;
    rows.extend(clip.encode_images([PHOTO; 9]).unwrap());
    rows
}
