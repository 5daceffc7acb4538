//! Past findings and the seeds of the targets, without libFuzzer.
//!
//! Needs `RUSTFLAGS="--cfg fuzzing"`, as `.ci/fuzz` sets it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use arbitrary::{Arbitrary, Unstructured};
use clippie_rs_fuzz::{targets, tiff};

/// No input may take longer, also on a slow machine without optimisation.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs every file of the target's folders; returns how many.
fn run(target: &str, body: impl Fn(&[u8])) -> usize {
    let mut count = 0;
    for folder in ["seeds", "regressions"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let start = Instant::now();
            body(&fs::read(&path).unwrap());
            assert!(start.elapsed() < LIMIT, "{} took {:?}", path.display(), start.elapsed());
            count += 1;
        }
    }
    count
}

/// Runs a target whose input is put together from the bytes, as libFuzzer does.
fn structured<T: for<'a> Arbitrary<'a>>(body: impl Fn(&T)) -> impl Fn(&[u8]) {
    move |bytes| {
        if let Ok(input) = T::arbitrary_take_rest(Unstructured::new(bytes)) {
            body(&input);
        }
    }
}

// One test: the counter of memory counts all threads.
#[test]
fn seeds_and_past_findings() {
    let bodies: [(&str, &dyn Fn(&[u8])); 31] = [
        ("photo_jpeg", &targets::photo_jpeg),
        ("photo_png", &targets::photo_png),
        ("photo_webp", &targets::photo_webp),
        ("photo_gif", &targets::photo_gif),
        ("photo_bmp", &targets::photo_bmp),
        ("photo_tiff", &targets::photo_tiff),
        ("photo_avif", &targets::photo_avif),
        ("photo_heic", &targets::photo_heic),
        ("photo_jxl", &targets::photo_jxl),
        ("photo_raw", &targets::photo_raw),
        ("photo_rows", &targets::photo_rows),
        ("exif", &targets::exif),
        ("profile", &targets::profile),
        ("metadata", &targets::metadata),
        ("tiff_structure", &structured::<tiff::File>(targets::tiff_structure)),
        ("weights", &targets::weights),
        ("safetensors", &targets::safetensors),
        ("zip", &targets::zip),
        ("pickle", &targets::pickle),
        ("pickle_structure", &targets::pickle_structure),
        ("config", &targets::config),
        ("tokenizer", &targets::tokenizer),
        ("tokenizer_file", &targets::tokenizer_file),
        ("hub", &targets::hub),
        ("text_cache", &targets::text_cache),
        ("dataset", &targets::dataset),
        ("packed", &targets::packed),
        ("table", &targets::table),
        ("tar", &targets::tar),
        ("query", &targets::query),
        ("request", &targets::request),
    ];
    for (target, body) in bodies {
        assert!(run(target, body) > 0, "there are no seeds for {target}");
    }
}
