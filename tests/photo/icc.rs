//! Colours that are converted to sRGB, beside those of LittleCMS as Pillow calls it.
//!
//! tools/reference/goldens_icc.py makes the files and the expected pixels.

use std::path::PathBuf;

use clippie_rs::photo::{decode, decode_srgb, metadata};

use super::goldens;

/// LittleCMS computes with 16 bits.
const LEVELS: u8 = 1;

/// It converts grey in two steps and rounds between them, which shows where it is dark: the level 2 of light to the power of
/// 1.6 is 1.4 in sRGB, and it gives 3.
const GREY_LEVELS: u8 = 2;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(goldens().join("icc").join(folder)).unwrap();
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

#[test]
fn profiles_are_applied_as_littlecms_does() {
    let (mut compared, mut equal, mut all, mut failures) = (0, 0, 0, Vec::new());
    for file in files("") {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let (bytes, expected) = (std::fs::read(&file).unwrap(), file.with_file_name(format!("{name}.png")));
        let skipped = name.ends_with(".jxl") && !cfg!(feature = "jxl")
            || name.ends_with(".heic") && !cfg!(feature = "heic")
            || name.ends_with(".avif") && !cfg!(feature = "avif");
        if skipped || !expected.exists() {
            continue;
        }
        let expected = decode(&std::fs::read(&expected).unwrap(), true, &name).unwrap();
        let converted = decode_srgb(&bytes, true, &name).unwrap();
        assert_eq!((converted.width(), converted.height()), (expected.width(), expected.height()), "{name}");
        assert!(decode(&bytes, true, &name).unwrap() != converted, "{name} is not converted");
        let differences = converted.data().iter().zip(expected.data()).map(|(&a, &b)| a.abs_diff(b));
        let most = differences.clone().max().unwrap();
        let allowed = if name.contains("grey") { GREY_LEVELS } else { LEVELS };
        if most > allowed {
            failures.push(format!("{name}: {most} levels"));
        }
        equal += differences.filter(|&difference| difference == 0).count();
        all += converted.data().len();
        compared += 1;
    }
    assert!(failures.is_empty(), "{failures:?}");
    assert!(compared >= 12, "{compared}");
    assert!(equal * 100 > all * 90, "{equal} of {all}");
}

#[test]
fn profiles_that_cannot_be_applied_change_nothing() {
    for file in files("ignored") {
        let bytes = std::fs::read(&file).unwrap();
        assert!(metadata(&bytes, "x").unwrap().colours.profile.is_some(), "{}", file.display());
        assert!(decode_srgb(&bytes, true, "x").unwrap() == decode(&bytes, true, "x").unwrap(), "{}", file.display());
    }
}

#[test]
fn damaged_profiles_never_panic() {
    let bytes = std::fs::read(goldens().join("icc/in-p3.tif")).unwrap();
    let plain = decode(&bytes, true, "x").unwrap();
    let start = bytes.windows(4).position(|window| window == b"acsp").unwrap() - 36;
    let mut changed = 0;
    for at in start..(start + 600).min(bytes.len()) {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            let photo = decode_srgb(&damaged, true, "x").unwrap();
            changed += usize::from(photo != plain);
        }
    }
    assert!(changed > 100, "{changed}");
}

#[cfg(feature = "demo")]
#[test]
fn towers_see_converted_colours_if_asked() {
    use clippie_rs::weights::WeightsFile;
    use clippie_rs::{ObservedPhoto, Options, preprocess};

    let weights = WeightsFile::demo().unwrap();
    let usual = Options::new().open_weights_image(weights.clone()).unwrap();
    let converting = Options::new().icc(true).open_weights_image(weights.clone()).unwrap();
    assert_ne!(usual.fingerprint(), converting.fingerprint());
    let config = usual.preprocess();
    for file in ["in-p3.jpg", "in-p3.png", "in-adobe.png", "ignored/srgb.png", "../cicp/9-18.png"] {
        let bytes = std::fs::read(goldens().join("icc").join(file)).unwrap();
        let expected = preprocess::pixels(&decode_srgb(&bytes, true, file).unwrap(), config).unwrap();
        assert!(converting.preprocess_image(&bytes).unwrap().iter().eq(&expected), "{file}");
        // What was seen of the picture is that of the stored colours.
        let photos = [0, 1].map(|_| ObservedPhoto::from_bytes(bytes.clone(), None));
        assert!(converting.preprocess_image(&photos[0]).unwrap().iter().eq(&expected), "{file}");
        usual.preprocess_image(&photos[1]).unwrap();
        assert_eq!(photos[0].observed(), photos[1].observed(), "{file}");
    }
    // Whoever has only a fingerprint finds the way of reading.
    for options in [Options::new(), Options::new().icc(true), Options::new().orient(false).icc(true).fast_decode(true)]
    {
        let stored = options.open_weights_image(weights.clone()).unwrap().fingerprint().clone();
        let found = Options::new().read_as(&weights, |fingerprint| *fingerprint == stored).unwrap().unwrap();
        assert_eq!(*found.open_weights_image(weights.clone()).unwrap().fingerprint(), stored);
    }
    assert!(Options::new().read_as(&weights, |_| false).unwrap().is_none());
}
