//! Compares JPEG XL files of every kind with libjxl's pixels. tools/jxl_files.py makes the files, and a PNG beside each.

use clippie_rs::photo::{Error, Format, decode, metadata};

use super::goldens;

/// Levels by which decoders may differ: the transforms are in floating point. Lossless files and recompressed JPEG files
/// have the same pixels.
const TOLERANCE: u8 = 1;
/// Of ten thousand samples, so many may differ.
const MANY: usize = 20;

fn read(file: &str) -> Vec<u8> {
    std::fs::read(goldens().join("jxl").join(file)).unwrap()
}

#[test]
fn every_kind_of_jxl_is_libjxls() {
    let mut count = 0;
    for entry in std::fs::read_dir(goldens().join("jxl")).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(name) = file.strip_suffix(".jxl") else { continue };
        let bytes = read(&file);
        let photo = decode(&bytes, true, &file).unwrap();
        let expected = decode(&read(&format!("{name}.png")), true, name).unwrap();
        assert_eq!((photo.width(), photo.height()), (expected.width(), expected.height()), "{file}");
        let exact = ["-0", "lossless", "jpeg", "deep"].iter().any(|kind| name.contains(kind));
        let differing = photo.data().iter().zip(expected.data()).filter(|(a, b)| a != b);
        let largest = differing.clone().map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
        assert!(largest <= if exact { 0 } else { TOLERANCE }, "{file}: {largest}");
        assert!(differing.count() * 10_000 <= MANY * photo.data().len(), "{file}");
        let metadata = metadata(&bytes, &file).unwrap();
        assert_eq!((metadata.format, metadata.upright_size()), (Format::JpegXl, (photo.width(), photo.height())));
        count += 1;
    }
    assert!(count >= 24, "{count}");
}

/// The header's orientation counts with and without `orient`, that of EXIF never.
#[test]
fn a_recompressed_jpeg_keeps_its_orientation_and_date() {
    let bytes = read("jpeg-turned.jxl");
    let metadata = metadata(&bytes, "x").unwrap();
    assert_eq!((metadata.width, metadata.height, metadata.orientation), (66, 45, 6));
    assert_eq!(metadata.taken.map(|taken| taken.to_string()).as_deref(), Some("2024-05-01T12:30:59"));
    let (turned, plain) = (decode(&bytes, true, "x").unwrap(), decode(&bytes, false, "x").unwrap());
    assert!(turned == plain && (turned.width(), turned.height()) == (45, 66));
}

#[test]
fn truncated_and_damaged_jxl_files_are_errors() {
    for file in ["even-1.jxl", "odd-0.jxl", "jpeg-420.jxl", "animation.jxl"] {
        let bytes = read(file);
        let mut random = 1u32;
        for end in (0..bytes.len()).step_by(101) {
            let error = decode(&bytes[..end], true, file);
            // An animation is read up to the end of its first frame.
            assert!(error.is_err() || file == "animation.jxl" && end > bytes.len() / 3, "{file} {end}");
        }
        for _ in 0..60 {
            let mut damaged = bytes.clone();
            for _ in 0..3 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (random >> 8) as usize % bytes.len();
                damaged[at] ^= 1 << (random >> 5 & 7);
            }
            let (found, photo) = (metadata(&damaged, file), decode(&damaged, true, file));
            assert!(found.is_ok() || photo.is_err(), "{file}");
        }
    }
}

#[test]
fn jxl_files_that_declare_too_much() {
    // A header of two sides of 2^30 pixels.
    let mut bits = 0u128;
    let mut at = 0;
    for (value, width) in
        [(0x0aff, 16), (0, 1), (3, 2), ((1 << 30) - 1, 30), (0, 3), (3, 2), ((1 << 30) - 1, 30), (1, 1)]
    {
        bits |= value << at;
        at += width;
    }
    let error = decode(&bits.to_le_bytes(), true, "x.jxl").unwrap_err();
    assert!(matches!(error, Error::TooManyPixels { .. } | Error::Damaged { .. } | Error::Truncated { .. }), "{error}");
}
