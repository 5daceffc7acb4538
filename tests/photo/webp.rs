//! Compares lossless WebP files with Pillow's pixels, byte for byte: those of its encoder, and random ones that use all
//! that the format allows.
//!
//! tools/webp_goldens.py makes the files and the expected digests.

use clippie_rs::photo::{Error, decode};

use super::sloppy::{self, File, assert_equal, bytes};

fn files() -> Vec<File> {
    let files = sloppy::files("webp.json");
    assert!(files.len() > 140);
    files
}

/// Length of the headers of a file and of its picture.
const HEADERS: usize = 20;

/// Returns a file of the first `length` bytes of the picture of `file`.
fn shortened(file: &[u8], length: usize) -> Vec<u8> {
    let mut short = file[..HEADERS + length].to_vec();
    short[4..8].copy_from_slice(&(length as u32 + 12).to_le_bytes());
    short[16..20].copy_from_slice(&(length as u32).to_le_bytes());
    short
}

#[test]
fn lossless_files_equal_pillow() {
    assert_equal(&files());
}

/// A picture that ends early, in a container that does not show it.
#[test]
fn pictures_that_end_early_are_truncated() {
    let mut cuts = 0;
    for file in files() {
        let data = bytes(&file.data);
        // The last byte may be padding.
        for length in (0..data.len() - HEADERS - 1).step_by(1 + data.len() / 150) {
            let result = decode(&shortened(&data, length), true, "x");
            assert!(matches!(result, Err(Error::Truncated { .. })), "{} cut at {length}: {result:?}", file.name);
            cuts += 1;
        }
    }
    assert!(cuts > 5_000, "{cuts}");
}

#[test]
fn damaged_pictures_never_panic() {
    let (mut read, mut refused) = (0, 0);
    for (i, file) in files().into_iter().enumerate() {
        let data = bytes(&file.data);
        // The width and height stay, so that no picture takes long.
        for at in (HEADERS + 5..data.len()).skip(i % 4).step_by(1 + data.len() / 60) {
            for change in [1 << (at % 8), 0x80 >> (i % 8), 0xff] {
                let mut damaged = data.clone();
                damaged[at] ^= change;
                match decode(&damaged, true, "x") {
                    Ok(photo) => {
                        assert_eq!((photo.width(), photo.height()), (file.result.0, file.result.1));
                        read += 1;
                    }
                    Err(error) => {
                        assert!(!error.to_string().contains("confuses"), "{} at {at}: {error}", file.name);
                        refused += 1;
                    }
                }
            }
        }
    }
    assert!(read > 500 && refused > 1000, "{read} read, {refused} refused");
}
