//! Compares JPEG photos that are reduced while they are decoded with Pillow's `Image.draft`, byte for byte.
//!
//! tools/reference/goldens_draft.py makes the expected digests.

use std::path::Path;

use clippie_rs::photo::{decode, decode_reduced};

use super::{digest, goldens};

/// File, size asked for, width, height, first half of the digest.
type Row = (String, usize, usize, usize, String);

#[test]
fn reduced_photos_equal_pillows_drafts() {
    let rows: Vec<Row> = serde_json::from_slice(&std::fs::read(goldens().join("draft.json")).unwrap()).unwrap();
    assert!(rows.len() > 150);
    let mut failures = Vec::new();
    for (file, enough, width, height, hash) in &rows {
        let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        match decode_reduced(&bytes, false, *enough, file) {
            // The decoder refuses what is damaged and Pillow forgives.
            Err(_) if decode(&bytes, false, file).is_err() => {}
            Err(error) => failures.push(error.to_string()),
            Ok(photo) if (photo.width(), photo.height()) != (*width, *height) => {
                failures.push(format!("{file}, {enough}: {photo:?} instead of {width} x {height}"));
            }
            Ok(photo) if digest(&photo)[..32] != *hash => failures.push(format!("{file}, {enough}: other pixels")),
            Ok(_) => {}
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn what_is_large_enough_only_as_a_whole_is_not_reduced() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/photos");
    let file = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let file = file.filter(|path| path.extension().is_some_and(|ending| ending == "jpg")).min().unwrap();
    let bytes = std::fs::read(file).unwrap();
    let whole = decode(&bytes, true, "x").unwrap();
    let shorter = whole.width().min(whole.height());
    for enough in [shorter / 2 + 1, shorter, usize::MAX] {
        assert!(decode_reduced(&bytes, true, enough, "x").unwrap() == whole);
    }
    // Zero asks for as little as there can be.
    let least = decode_reduced(&bytes, true, 0, "x").unwrap();
    assert_eq!((least.width(), least.height()), (whole.width().div_ceil(8), whole.height().div_ceil(8)));
}

/// The pixels of a tower are those of the reduced photo, and the size that an application learns is the photo's own.
#[cfg(feature = "demo")]
#[test]
fn towers_see_reduced_photos_if_asked() {
    use clippie_rs::weights::WeightsFile;
    use clippie_rs::{ObservedPhoto, Options, preprocess};

    let exact = Options::new().open_weights_image(WeightsFile::demo().unwrap()).unwrap();
    let fast = Options::new().fast_decode(true).open_weights_image(WeightsFile::demo().unwrap()).unwrap();
    assert_ne!(fast.fingerprint(), exact.fingerprint());
    let config = fast.preprocess();
    let mut reduced = 0;
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/photos")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let Ok(small) = decode_reduced(&bytes, true, 2 * config.image_size, "x") else { continue };
        let whole = decode(&bytes, true, "x").unwrap();
        reduced += usize::from(small.width() < whole.width());
        let seen = ObservedPhoto::from_bytes(bytes, None);
        let pixels = fast.preprocess_image(&seen).unwrap();
        assert!(pixels.iter().eq(&preprocess::pixels(&small, config).unwrap()));
        let observation = seen.observed().unwrap();
        assert_eq!((observation.width, observation.height), (whole.width(), whole.height()));
    }
    assert!(reduced > 0);
}
