//! Compares decoded photo files of every kind with Pillow's pixels, byte for byte.
//!
//! tools/preprocess_files.py makes the files and the expected digests.

#![cfg(feature = "decode")]

#[cfg(feature = "avif")]
#[path = "photo/avif.rs"]
mod avif;
#[path = "photo/cicp.rs"]
mod cicp;
#[path = "photo/colours.rs"]
mod colours;
#[path = "photo/first.rs"]
mod first;
#[cfg(feature = "heic")]
#[path = "photo/heic.rs"]
mod heic;
#[path = "photo/hostile.rs"]
mod hostile;
#[path = "photo/icc.rs"]
mod icc;
#[cfg(feature = "jxl")]
#[path = "photo/jxl.rs"]
mod jxl;
#[path = "photo/limits.rs"]
mod limits;
#[path = "photo/metadata.rs"]
mod metadata;
#[path = "photo/raw.rs"]
mod raw;
#[path = "photo/reduced.rs"]
mod reduced;
#[path = "photo/sloppy.rs"]
mod sloppy;
#[path = "photo/tiff.rs"]
mod tiff;
#[path = "photo/warnings.rs"]
mod warnings;
#[path = "photo/webp.rs"]
mod webp;

use std::path::{Path, PathBuf};

use clippie_rs::RgbBuffer;
use clippie_rs::photo::{Error, decode};
#[cfg(any(feature = "avif", feature = "heic"))]
use clippie_rs::photo::{Format, metadata};
use clippie_rs::preprocess::{Interpolation, PreprocessConfig, pixels};
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Goldens {
    files: Vec<Golden>,
}

#[derive(Deserialize)]
struct Golden {
    file: String,
    plain: Expected,
    oriented: Expected,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Expected {
    Photo(usize, usize, String),
    Refused(String),
}

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/preprocess")
}

fn files() -> Vec<Golden> {
    let goldens: Goldens = serde_json::from_slice(&std::fs::read(goldens().join("files.json")).unwrap()).unwrap();
    assert!(goldens.files.len() > 250);
    goldens.files
}

fn read(file: &str) -> Vec<u8> {
    std::fs::read(goldens().join("files").join(file)).unwrap()
}

fn digest(photo: &RgbBuffer) -> String {
    Sha256::digest(photo.data()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares every file of a format that goldens list, at least so many, with their sizes and digests.
#[cfg(any(feature = "avif", feature = "heic"))]
fn every_photo_equals(kind: &str, format: Format, least: usize) {
    #[derive(Deserialize)]
    struct Goldens {
        files: Vec<(String, usize, usize, String)>,
    }

    let list = std::fs::read(goldens().join(kind).with_extension("json")).unwrap();
    let list: Goldens = serde_json::from_slice(&list).unwrap();
    assert!(list.files.len() >= least);
    for (file, width, height, hash) in list.files {
        let bytes = std::fs::read(goldens().join(kind).join(&file)).unwrap();
        // The rotation in the file always counts, that of EXIF never.
        for orient in [true, false] {
            let photo = decode(&bytes, orient, &file).unwrap();
            assert_eq!((photo.width(), photo.height()), (width, height), "{file}");
            assert_eq!(digest(&photo), hash, "{file}");
        }
        let metadata = metadata(&bytes, &file).unwrap();
        assert_eq!((metadata.format, metadata.upright_size()), (format, (width, height)), "{file}");
    }
}

#[test]
fn every_kind_of_file_equals_pillow() {
    let mut failures = Vec::new();
    for golden in files() {
        let bytes = read(&golden.file);
        for (orient, expected) in [(false, &golden.plain), (true, &golden.oriented)] {
            let photo = decode(&bytes, orient, &golden.file);
            let failure = match (&photo, expected) {
                (Ok(photo), Expected::Photo(width, height, hash)) => {
                    if (photo.width(), photo.height()) != (*width, *height) {
                        format!("{photo:?} instead of {width} x {height}")
                    } else if digest(photo) != *hash {
                        "other pixels".to_owned()
                    } else {
                        continue;
                    }
                }
                (Err(error), Expected::Photo(..)) => error.to_string(),
                (Ok(_), Expected::Refused(message)) => format!("read, where Pillow says {message}"),
                (Err(_), Expected::Refused(_)) => continue,
            };
            failures.push(format!("{} ({}): {failure}", golden.file, if orient { "oriented" } else { "plain" }));
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

#[derive(Deserialize)]
struct Photos {
    photos: Vec<Photo>,
}

#[derive(Deserialize)]
struct Photo {
    file: String,
    plain: (usize, usize, String),
    oriented: (usize, usize, String),
    openai_224: String,
    mobileclip_256: String,
}

/// Compares the input of a tower with that of open_clip and Pillow.
#[test]
fn example_photos_equal_the_references_to_the_bit() {
    let goldens: Photos = serde_json::from_slice(&std::fs::read(goldens().join("photos.json")).unwrap()).unwrap();
    assert_eq!(goldens.photos.len(), 8);
    let openai = PreprocessConfig::openai(224);
    let mobileclip = PreprocessConfig::new(256).with_interpolation(Interpolation::Bilinear);
    for golden in goldens.photos {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/photos").join(&golden.file);
        let bytes = std::fs::read(path).unwrap();
        let plain = decode(&bytes, false, &golden.file).unwrap();
        assert_eq!((plain.width(), plain.height(), digest(&plain)), golden.plain, "{}", golden.file);
        let upright = decode(&bytes, true, &golden.file).unwrap();
        assert_eq!((upright.width(), upright.height(), digest(&upright)), golden.oriented, "{}", golden.file);
        for (config, expected) in [(&openai, &golden.openai_224), (&mobileclip, &golden.mobileclip_256)] {
            let values: Vec<u8> = pixels(&upright, config).unwrap().iter().flat_map(|v| v.to_le_bytes()).collect();
            let hash: String = Sha256::digest(&values).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(&hash, expected, "{}", golden.file);
        }
    }
}

fn message(bytes: &[u8], name: &str) -> String {
    match decode(bytes, true, name) {
        Ok(photo) => panic!("{name} was read: {photo:?}"),
        Err(error) => error.to_string(),
    }
}

/// Returns the start of a file of each format that declares this size.
fn declaring(width: u16, height: u16) -> Vec<(&'static str, Vec<u8>)> {
    let (wide, high) = (u32::from(width), u32::from(height));
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    png.extend([wide.to_be_bytes(), high.to_be_bytes()].concat());
    png.extend(b"\x08\x02\0\0\0");
    let crc = crc(&png[12..]);
    png.extend(crc.to_be_bytes());
    let mut jpeg = b"\xff\xd8\xff\xc0\0\x0b\x08".to_vec();
    jpeg.extend([height.to_be_bytes(), width.to_be_bytes()].concat());
    jpeg.extend(b"\x01\x01\x11\0\xff\xd9");
    let mut gif = b"GIF89a".to_vec();
    gif.extend([width.to_le_bytes(), height.to_le_bytes()].concat());
    gif.extend(b"\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0;");
    let mut bmp = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    bmp.extend([wide.to_le_bytes(), high.to_le_bytes()].concat());
    bmp.extend(b"\x01\0\x18\0");
    bmp.extend([0; 24]);
    let mut tiff = b"II*\0\x08\0\0\0\x08\0".to_vec();
    let tags = [(256, wide), (257, high), (258, 8), (259, 1), (262, 1), (273, 8), (278, high), (279, 8)];
    for (tag, value) in tags {
        tiff.extend([tag as u8, (tag >> 8) as u8, 4, 0, 1, 0, 0, 0]);
        tiff.extend(u32::to_le_bytes(value));
    }
    tiff.extend([0; 4]);
    vec![("x.png", png), ("x.jpg", jpeg), ("x.gif", gif), ("x.bmp", bmp), ("x.tif", tiff)]
}

/// Computes the checksum of a PNG chunk.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn too_many_pixels_are_refused_by_the_header() {
    for (name, bytes) in declaring(60_000, 60_000) {
        assert_eq!(
            message(&bytes, name),
            format!(
                "{name} is 60000 x 60000 pixels; the limit is 178956970 pixels: scale it down first, or raise the limit (--max-pixels; Limits::pixels)"
            )
        );
    }
    // The largest lossy WebP image exceeds the limit.
    let mut webp = b"RIFF\x1e\0\0\0WEBPVP8 \x12\0\0\0\x10\0\0\x9d\x01\x2a\xff\x3f\xff\x3f".to_vec();
    webp.extend([0; 8]);
    assert!(message(&webp, "x.webp").starts_with("x.webp is 16383 x 16383 pixels; the limit is"));
    // One row more than the limit.
    for (name, bytes) in declaring(17_895, 10_001) {
        assert!(message(&bytes, name).contains("the limit is"), "{name}");
    }
}

#[test]
fn sides_of_zero_are_refused() {
    for (width, height) in [(0, 5), (5, 0), (0, 0)] {
        for (name, bytes) in declaring(width, height) {
            // The canvas of a GIF grows to its frame.
            if name != "x.gif" {
                let message = message(&bytes, name);
                assert!(message.starts_with(&format!("{name} is")), "{message}");
            }
        }
    }
}

#[test]
fn other_files_are_refused_by_name() {
    assert_eq!(message(b"", "notes.jpg"), "notes.jpg is empty; copy it again from where it came");
    for bytes in [&b"a"[..], b"just some text", &[0; 100]] {
        let message = message(bytes, "notes.jpg");
        assert!(message.starts_with("notes.jpg is not an image that can be read here (JPEG, PNG, WebP"), "{message}");
    }
    assert_eq!(
        message(b"8BPS\0\x01", "IMG_0001.PSD"),
        "IMG_0001.PSD is a PSD file, which cannot be read here; convert it to JPEG first"
    );
    // JPEG files of a kind that cannot be read say which.
    let kinds = [
        (0xc9, 8, "arithmetic coding"),
        (0xca, 8, "arithmetic coding"),
        (0xc3, 8, "lossless coding"),
        (0xc3, 14, "lossless coding"),
        (0xc7, 8, "lossless coding"),
        (0xcb, 8, "lossless coding"),
        (0xc5, 8, "hierarchical coding"),
        (0xc6, 8, "hierarchical coding"),
        (0xcd, 8, "hierarchical coding"),
        (0xc0, 12, "12 bits a sample"),
        (0xc1, 12, "12 bits a sample"),
        (0xc2, 12, "12 bits a sample"),
    ];
    for (marker, bits, words) in kinds {
        let jpeg = [0xff, 0xd8, 0xff, marker, 0, 11, bits, 0, 8, 0, 8, 1, 1, 0x11, 0, 0xff, 0xd9];
        let message = message(&jpeg, "a.jpg");
        assert!(message.starts_with("a.jpg ") && message.contains(words), "{marker:x}: {message}");
    }
    // Chroma of two samples where there are three of brightness: libjpeg-turbo refuses them, too.
    let mut jpeg = vec![0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0, 24, 0, 24, 3];
    jpeg.extend([1, 0x31, 0, 2, 0x21, 0, 3, 0x11, 0, 0xff, 0xd9]);
    let message = message(&jpeg, "a.jpg");
    assert!(message.contains("fractional subsampling"), "{message}");
}

#[test]
fn content_decides_not_the_name() {
    let bytes = read("rgb.png");
    assert_eq!(decode(&bytes, true, "photo.jpg").unwrap(), decode(&bytes, true, "photo.png").unwrap());
}

/// A truncated file is an error in every format, wherever it ends.
#[test]
fn truncated_files_are_refused() {
    for golden in files() {
        let bytes = read(&golden.file);
        // The first frame of an animation may be complete.
        if matches!(golden.plain, Expected::Photo(..)) && !golden.file.starts_with("animated") {
            let half = decode(&bytes[..bytes.len() / 2], true, &golden.file);
            assert!(half.is_err(), "{}", golden.file);
        }
    }
    for file in ["46x31-2.jpg", "progressive-1.jpg", "restart.jpg", "lossy-45x32.webp", "lossless.webp", "mode-RGB.tif"]
    {
        let bytes = read(file);
        for end in 3..bytes.len() {
            assert!(decode(&bytes[..end], true, file).is_err(), "{file} cut at {end} of {}", bytes.len());
        }
    }
    let error = decode(&read("46x31-2.jpg")[..900], true, "half.jpg").unwrap_err();
    assert_eq!(error.to_string(), "half.jpg is a truncated JPEG image; copy it again from where it came");
}

/// A damaged file gives an error or a photo, never a panic. The mutations are the same in each run.
#[test]
fn damaged_files_never_panic() {
    let mut state = 0x2545_f491u32;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as usize % below
    };
    let mut read_anyway = 0;
    for golden in files() {
        let whole = read(&golden.file);
        for round in 0..40 {
            let mut bytes = whole.clone();
            for _ in 0..=random(3) {
                // Prefer headers.
                let end = if random(2) == 0 { bytes.len().min(100) } else { bytes.len() };
                let at = random(end);
                match random(6) {
                    0 => bytes[at] = random(256) as u8,
                    1 => bytes[at] ^= 1 << random(8),
                    2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random(5)],
                    3 => bytes.truncate(at.max(16)),
                    4 => drop(bytes.drain(at..(at + 1 + random(8)).min(at + 1))),
                    _ => bytes.insert(at, random(256) as u8),
                }
            }
            if golden.file.ends_with(".png") && round % 4 > 0 {
                fix_checksums(&mut bytes);
            }
            match decode(&bytes, true, &golden.file) {
                Ok(_) => read_anyway += 1,
                Err(Error::Damaged { reason, .. }) => {
                    assert!(!reason.contains("confuses"), "{} panics in round {round}", golden.file);
                }
                Err(_) => {}
            }
        }
    }
    assert!(read_anyway > 1000, "{read_anyway}");
}

/// Corrects the checksums of a PNG, so that damage inside its chunks reaches the decoder.
fn fix_checksums(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some(Ok(length)) = bytes.get(at..at + 4).map(<[u8; 4]>::try_from) {
        let end = at + 8 + u32::from_be_bytes(length) as usize;
        if end + 4 > bytes.len() {
            break;
        }
        let crc = crc(&bytes[at + 4..end]);
        bytes[end..end + 4].copy_from_slice(&crc.to_be_bytes());
        at = end + 4;
    }
}

/// Every error states the photo's name.
#[test]
fn errors_have_the_name_of_the_photo() {
    let png = read("rgb.png");
    for bytes in [&b"text"[..], b"\0\0\0\x18ftypheic", &png[..png.len() / 2], b"\xff\xd8\xff\xd9", b"II*\0"] {
        assert_eq!(decode(bytes, true, "a/b.jpg").unwrap_err().name(), "a/b.jpg");
    }
}
