//! Compares AVIF files of every kind with libavif's pixels, as Pillow gives them. tools/avif_files.py makes the files and the
//! expected digests.

use clippie_rs::photo::{Error, Format, decode, metadata};

use super::{every_photo_equals, goldens};

fn read(file: &str) -> Vec<u8> {
    std::fs::read(goldens().join("avif").join(file)).unwrap()
}

#[test]
fn every_kind_of_avif_equals_pillow() {
    every_photo_equals("avif", Format::Avif, 55);
}

#[test]
fn truncated_and_damaged_avif_files_are_errors() {
    for file in ["420-8.avif", "screen-444.avif", "tiles.avif", "grid.avif"] {
        let bytes = read(file);
        for end in (0..bytes.len()).step_by(41) {
            let error = decode(&bytes[..end], true, file).unwrap_err();
            assert_eq!(error.name(), file);
        }
        let mut random = 1u32;
        for turn in 0..200 {
            let mut damaged = bytes.clone();
            // Boxes and headers, and what is coded.
            let within = if turn % 2 == 0 { bytes.len().min(500) } else { bytes.len() };
            for _ in 0..3 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                damaged[(random >> 8) as usize % within] ^= 1 << (random >> 5 & 7);
            }
            match (metadata(&damaged, file), decode(&damaged, true, file)) {
                (Err(_), Ok(_)) => panic!("{file}: pixels without a size"),
                (_, Err(error)) => assert!(!error.to_string().contains("confuses the decoder"), "{file}: {error}"),
                _ => {}
            }
        }
    }
    let bytes = read("420-8.avif");
    let error = decode(&bytes[..bytes.len() - 10], true, "cut.avif").unwrap_err();
    assert_eq!(error.to_string(), "cut.avif is a truncated AVIF image; copy it again from where it came");
}

#[test]
fn avif_files_that_declare_too_much_or_too_little() {
    let bytes = read("420-8.avif");
    let ispe = bytes.windows(4).position(|kind| kind == b"ispe").unwrap() + 8;
    let sized = |width: u32, height: u32| {
        let mut bytes = bytes.clone();
        bytes[ispe..ispe + 4].copy_from_slice(&width.to_be_bytes());
        bytes[ispe + 4..ispe + 8].copy_from_slice(&height.to_be_bytes());
        decode(&bytes, true, "x.avif")
    };
    assert!(matches!(sized(u32::MAX, u32::MAX), Err(Error::TooManyPixels { .. })));
    assert!(matches!(sized(0, 4), Err(Error::NoPixels { .. })));
    let error = sized(13_000, 13_000).unwrap_err().to_string();
    assert!(error.contains("(a coded picture is smaller than its size says)"), "{error}");
    // What is coded may be larger, as long as it is not much larger.
    assert_eq!(sized(50, 30).unwrap().width(), 50);
    let mut small = read("grid.avif");
    let sizes: Vec<usize> =
        small.windows(4).enumerate().filter(|(_, kind)| kind == b"ispe").map(|(at, _)| at + 8).collect();
    for at in sizes {
        small[at..at + 8].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
    }
    decode(&small, true, "x.avif").unwrap_err();
}

#[test]
fn sequences_without_a_picture_are_refused() {
    let sequence = b"\0\0\0\x10ftypavis\0\0\0\0\0\0\0\x08moov";
    let error = decode(sequence, true, "x.avifs").unwrap_err().to_string();
    assert!(error.contains("x.avifs is an AVIF image of a kind that cannot be read here"), "{error}");
    assert!(error.contains("(a sequence of pictures without a still one)"), "{error}");
}
