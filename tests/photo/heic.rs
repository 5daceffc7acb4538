//! Compares HEIC files of every kind with libheif's pixels. tools/heic_files.py makes the files and the expected digests.

use clippie_rs::photo::{Error, Format, decode, metadata};

use super::{every_photo_equals, goldens};

fn read(file: &str) -> Vec<u8> {
    std::fs::read(goldens().join("heic").join(file)).unwrap()
}

#[test]
fn every_kind_of_heic_equals_libheif() {
    every_photo_equals("heic", Format::Heic, 50);
}

#[test]
fn metadata_of_heic_files() {
    for orientation in 1..=8 {
        for grid in ["", "grid-"] {
            let file = format!("orientation-{grid}{orientation}.heic");
            let metadata = metadata(&read(&file), &file).unwrap();
            assert_eq!(metadata.orientation, orientation, "{file}");
            assert_eq!(metadata.taken.map(|taken| taken.to_string()).as_deref(), Some("2024-05-01T12:30:59+02:00"));
            assert_eq!(metadata.make.as_deref(), Some("Maker"));
            let place = metadata.place.unwrap();
            assert!((place.latitude - 48.1375).abs() < 1e-6 && (place.longitude - 11.575).abs() < 1e-6, "{place:?}");
        }
    }
}

#[test]
fn truncated_and_damaged_heic_files_are_errors() {
    for file in ["420-q15.heic", "grid.heic"] {
        let bytes = read(file);
        for end in (0..bytes.len()).step_by(97) {
            let error = decode(&bytes[..end], true, file).unwrap_err();
            assert_eq!(error.name(), file);
        }
        let mut random = 1u32;
        for _ in 0..200 {
            let mut damaged = bytes.clone();
            for _ in 0..3 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (random >> 8) as usize % bytes.len().min(700);
                damaged[at] ^= 1 << (random >> 5 & 7);
            }
            let read = (metadata(&damaged, file), decode(&damaged, true, file));
            if let (Err(_), Ok(_)) = read {
                panic!("{file}: pixels without a size");
            }
        }
    }
    let bytes = read("420-q15.heic");
    let media = bytes.windows(4).position(|kind| kind == b"mdat").unwrap();
    let error = decode(&bytes[..media + 100], true, "cut.heic").unwrap_err();
    assert_eq!(error.to_string(), "cut.heic is a truncated HEIC image; copy it again from where it came");
}

#[test]
fn heic_files_that_declare_too_much_or_too_little() {
    let bytes = read("420-q15.heic");
    let ispe = bytes.windows(4).position(|kind| kind == b"ispe").unwrap() + 8;
    let sized = |width: u32, height: u32| {
        let mut bytes = bytes.clone();
        bytes[ispe..ispe + 4].copy_from_slice(&width.to_be_bytes());
        bytes[ispe + 4..ispe + 8].copy_from_slice(&height.to_be_bytes());
        decode(&bytes, true, "x.heic").unwrap_err()
    };
    assert!(matches!(sized(u32::MAX, u32::MAX), Error::TooManyPixels { .. }));
    assert!(matches!(sized(0, 4), Error::NoPixels { .. }));
    // The coded picture is checked before it is decoded.
    let error = sized(13_000, 13_000).to_string();
    assert!(error.contains("(a coded picture is smaller than its size says)"), "{error}");
}

#[test]
fn heif_files_of_other_codecs_say_which() {
    let mut bytes = read("420-q15.heic");
    let entry = bytes.windows(4).position(|kind| kind == b"hvc1").unwrap();
    for (codec, name) in [(b"jpeg", "JPEG"), (b"j2k1", "JPEG 2000"), (b"avc1", "H.264")] {
        bytes[entry..entry + 4].copy_from_slice(codec);
        assert_eq!(
            decode(&bytes, true, "x.heic").unwrap_err().to_string(),
            format!(
                "x.heic is a HEIC image of a kind that cannot be read here (its picture is coded with {name}); save it as an ordinary JPEG or PNG"
            )
        );
    }
    let sequence = b"\0\0\0\x10ftypmsf1\0\0\0\0\0\0\0\x08moov";
    let error = decode(sequence, true, "x.heics").unwrap_err().to_string();
    assert!(error.contains("(a sequence of pictures without a still one)"), "{error}");
}
