//! Compares photos that are resized while they are decoded with photos that are decoded first, bit for bit.
//!
//! `preprocess_decode` and `preprocess` test decoding and resizing themselves.

#![cfg(feature = "decode")]

use std::io::Write;
use std::path::Path;

use clippie_rs::decode_pixels_into;
use clippie_rs::photo::decode;
use clippie_rs::preprocess::{Interpolation, PreprocessConfig, ResizeMode, pixels};
use clippie_testkit::jpeg::{self, CAMERA, Kind, ORIENTATION_AT, Scans};

fn configs() -> [PreprocessConfig; 3] {
    let openai = PreprocessConfig::openai(224);
    [
        openai.clone().with_image_size(256).with_interpolation(Interpolation::Bilinear),
        openai.clone().with_image_size(33).with_resize(ResizeMode::Squash),
        openai,
    ]
}

/// The bits of the tower's input, or the error.
type Outcome = Result<Vec<u32>, String>;

fn bits(pixels: &[f32]) -> Vec<u32> {
    pixels.iter().map(|value| value.to_bits()).collect()
}

fn by_rows(bytes: &[u8], orient: bool, config: &PreprocessConfig) -> Outcome {
    let mut out = vec![0.0; config.pixel_len()];
    decode_pixels_into(bytes, orient, "photo", config, &mut out).map_err(|error| error.to_string())?;
    Ok(bits(&out))
}

fn as_a_whole(bytes: &[u8], orient: bool, config: &PreprocessConfig) -> Outcome {
    let photo = decode(bytes, orient, "photo").map_err(|error| error.to_string())?;
    Ok(bits(&pixels(&photo, config).unwrap()))
}

/// Compares both paths; returns whether the file is readable.
fn same(bytes: &[u8], what: &str) -> bool {
    let mut read = true;
    for orient in [true, false] {
        let whole = decode(bytes, orient, "photo");
        for config in configs() {
            let expected = match &whole {
                Ok(photo) => Ok(bits(&pixels(photo, &config).unwrap())),
                Err(error) => Err(error.to_string()),
            };
            read &= expected.is_ok();
            assert!(by_rows(bytes, orient, &config) == expected, "{what}, orient {orient}, {config:?}");
        }
    }
    read
}

#[test]
fn every_kind_of_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/preprocess/files");
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        read += usize::from(same(&bytes, &path.display().to_string()));
        assert!(!same(&bytes[..bytes.len() / 3], &path.display().to_string()) || bytes.starts_with(b"GIF"));
    }
    assert!(read > 250, "{read}");
}

#[test]
fn every_sampling_and_kind_of_scan() {
    const SAMPLINGS: [&[(usize, usize)]; 7] = [
        &[(2, 2), (1, 1), (1, 1)],
        &[(1, 1), (1, 1), (1, 1)],
        &[(2, 1), (1, 1), (1, 1)],
        &[(1, 2), (1, 1), (1, 1)],
        &[(4, 1), (1, 1), (1, 1)],
        &[(2, 2), (2, 1), (1, 2)],
        &[(1, 1)],
    ];
    for (i, sampling) in SAMPLINGS.into_iter().enumerate() {
        for (j, scans) in [Scans::One, Scans::Separate, Scans::Progressive].into_iter().enumerate() {
            for (width, height) in [(1, 1), (17, 23), (333, 250)] {
                let restart_interval = [0, 1, 7][(i + j) % 3];
                let kind = Kind { sampling, scans, restart_interval, orientation: (1 + (i * 3 + j) % 8) as u8 };
                let bytes = jpeg::encode(width, height, &kind, jpeg::pixel);
                assert!(same(&bytes, &format!("{width} x {height} {kind:?}")));
            }
        }
    }
}

/// Photos of several bands, in shapes for either order of the passes, in every orientation.
#[test]
fn every_orientation_of_large_photos() {
    let shapes = [(1801, 1203), (61, 9001), (9001, 61), (1, 20_011), (20_011, 1), (224, 2500), (2500, 256)];
    for (i, (width, height)) in shapes.into_iter().enumerate() {
        let scans = [Scans::One, Scans::Progressive][i / 4];
        let kind = Kind { orientation: 1, restart_interval: [0, 50][i % 2], scans, ..CAMERA };
        let mut bytes = jpeg::encode(width, height, &kind, jpeg::pixel);
        for value in 1..=8 {
            bytes[ORIENTATION_AT] = value;
            let photo = decode(&bytes, true, "photo").unwrap();
            assert_eq!((photo.width(), photo.height()), if value > 4 { (height, width) } else { (width, height) });
            assert!(same(&bytes, &format!("{width} x {height}, orientation {value}")));
        }
    }
}

/// Wherever a file is cut or damaged, both paths give the same error or the same pixels.
#[test]
fn damaged_files_have_the_same_error() {
    let config = &configs()[0];
    for (i, restart_interval) in [0, 9].into_iter().enumerate() {
        let kind = Kind { restart_interval, orientation: [1, 6][i], ..CAMERA };
        let whole = jpeg::encode(1201, 701, &kind, jpeg::pixel);
        let compare = |bytes: &[u8], what: &str| {
            let expected = as_a_whole(bytes, true, config);
            assert!(by_rows(bytes, true, config) == expected, "{what}");
            expected
        };
        assert!(compare(&whole, "undamaged").is_ok());
        for cut in 1..40 {
            let cut = whole.len() * cut / 40;
            let outcome = compare(&whole[..cut], &format!("cut at {cut}"));
            assert_eq!(outcome.unwrap_err(), "photo is a truncated JPEG image; copy it again from where it came");
        }
        let mut failed = 0;
        for round in 0..100 {
            let mut bytes = whole.clone();
            let at = whole.len() * (2 * round + 1) / 200;
            bytes[at] = [0xff, 0, 0xd9, bytes[at] ^ 0x10][round % 4];
            failed += usize::from(compare(&bytes, &format!("damaged at {at}")).is_err());
        }
        assert!(failed > 10, "{failed}");
    }
}

/// Orientation counts even if it follows the pixels.
#[test]
fn png_with_metadata_before_and_after() {
    let (width, height) = (900, 1300);
    let plain = png(width, height, None, None);
    let before = png(width, height, Some(6), None);
    let after = png(width, height, None, Some(6));
    for (what, bytes) in [("plain", &plain), ("before", &before), ("after", &after)] {
        assert!(same(bytes, what));
        assert!(!same(&bytes[..bytes.len() / 2], what), "{what}, cut");
        // The end chunk is optional.
        assert!(same(&bytes[..bytes.len() - 12], what));
    }
    let config = &configs()[1];
    assert!(by_rows(&before, true, config) == by_rows(&after, true, config));
    assert!(by_rows(&before, true, config) != by_rows(&plain, true, config));
    assert!(by_rows(&before, false, config) == by_rows(&plain, true, config));
}

/// Writes a PNG file with an orientation before or after its pixels.
fn png(width: usize, height: usize, before: Option<u8>, after: Option<u8>) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], content: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(content);
        out.extend((content.len() as u32).to_be_bytes());
        out.extend(kind);
        out.extend(content);
        out.extend(crc.sum().to_be_bytes());
    };
    let exif = |value| [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", &[value, 0, 0, 0, 0, 0, 0][..]].concat();
    chunk(b"IHDR", &[&(width as u32).to_be_bytes()[..], &(height as u32).to_be_bytes(), &[8, 2, 0, 0, 0]].concat());
    if let Some(value) = before {
        chunk(b"eXIf", &exif(value));
    }
    let mut pixels = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    for y in 0..height {
        pixels.write_all(&[0]).unwrap();
        (0..width).for_each(|x| pixels.write_all(&jpeg::pixel(x, y)).unwrap());
    }
    for part in pixels.finish().unwrap().chunks(1 << 16) {
        chunk(b"IDAT", part);
    }
    if let Some(value) = after {
        chunk(b"eXIf", &exif(value));
    }
    chunk(b"IEND", &[]);
    out
}
