//! The limits that callers set: every decoder keeps them, each error names its limit, and none changes a pixel.

use std::time::Duration;

use clippie_rs::photo::{Error, Limits, decode, decode_within, metadata_within};

use super::{goldens, read};

#[test]
fn every_decoder_keeps_the_limit_of_pixels() {
    let mut formats = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(goldens().join("files")).unwrap() {
        let path = entry.unwrap().path();
        let (bytes, name) = (std::fs::read(&path).unwrap(), path.display().to_string());
        let Ok(photo) = decode(&bytes, true, &name) else { continue };
        // A picture may be cropped from a larger one, and a frame lie on a larger canvas.
        let pixels = (photo.width() * photo.height()) as u64;
        let roomy = Limits::new().pixels(64 * pixels);
        assert!(decode_within(&bytes, &roomy, true, &name).unwrap() == photo, "{name}");
        let seen = metadata_within(&bytes, &roomy, &name).unwrap();
        let (limit, tight) = (pixels - 1, Limits::new().pixels(pixels - 1));
        let errors = [
            decode_within(&bytes, &tight, true, &name).unwrap_err(),
            metadata_within(&bytes, &tight, &name).unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(&error, Error::TooManyPixels { limit: named, .. } if *named == limit), "{error}");
            let said = format!("the limit is {limit} pixels: scale it down first, or raise the limit (--max-pixels;");
            assert!(error.to_string().contains(&said), "{error}");
        }
        formats.insert(seen.format.name());
    }
    assert!(formats.len() >= 6, "{formats:?}");
}

#[test]
fn files_have_a_limit_of_bytes() {
    let bytes = read("rgb.png");
    let length = bytes.len() as u64;
    assert!(decode_within(&bytes, &Limits::new().bytes(length), true, "x.png").is_ok());
    let error = decode_within(&bytes, &Limits::new().bytes(length - 1), true, "x.png").unwrap_err();
    let said =
        format!("x.png has {length} bytes; the limit for a photo is {} bytes, unless it is raised (--max", length - 1);
    assert!(matches!(error, Error::TooManyBytes { .. }) && error.to_string().starts_with(&said), "{error}");
    assert_eq!(metadata_within(&bytes, &Limits::new().bytes(length - 1), "x.png").unwrap_err(), error);
}

#[test]
fn decoding_has_a_limit_of_time() {
    let short = Limits::new().time(Duration::ZERO);
    let mut slow = 0;
    for (name, bytes) in super::hostile::large() {
        // Whole, or given up; a small photo may end before anybody looks at the clock.
        match decode_within(&bytes, &short, true, name) {
            Err(error @ Error::TooSlow { .. }) => {
                let said = error.to_string();
                assert!(said.starts_with(name) && said.contains("longer than 0 s to decode; save it anew"), "{said}");
                assert!(said.ends_with("or raise the limit (--max-seconds; Limits::time)"), "{said}");
                slow += 1;
            }
            Err(Error::OutOfMemory { .. }) => {}
            other => panic!("{name}: {:?}", other.map(|photo| photo.width())),
        }
        assert!(decode(&bytes, true, name).is_ok(), "{name}");
    }
    assert!(slow >= 3, "{slow}");
}
