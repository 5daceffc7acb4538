//! TIFF files of every kind against Pillow, damaged ones, and hostile ones.
//!
//! tools/tiff_files.py makes the files and the expected digests.

use std::time::{Duration, Instant};

use clippie_rs::photo::{Error, decode};
use serde::Deserialize;

use super::{digest, goldens};

/// Far more than any of these files needs, on a busy machine too; without limits they take hours.
const BOUND: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct Goldens {
    files: Vec<(String, usize, usize, String)>,
}

fn files() -> Vec<(String, usize, usize, String)> {
    let goldens: Goldens = serde_json::from_slice(&std::fs::read(goldens().join("tiff.json")).unwrap()).unwrap();
    assert!(goldens.files.len() > 60);
    goldens.files
}

fn read(file: &str) -> Vec<u8> {
    std::fs::read(goldens().join("tiff").join(file)).unwrap()
}

#[test]
fn every_kind_of_tiff_equals_pillow() {
    let mut failures = Vec::new();
    for (file, width, height, hash) in files() {
        match decode(&read(&file), true, &file) {
            Ok(photo) if (photo.width(), photo.height(), digest(&photo)) == (width, height, hash) => {}
            Ok(photo) => failures.push(format!("{file}: other pixels, {photo:?}")),
            Err(error) => failures.push(error.to_string()),
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

/// The directory is at the end or the pixels are, so a file that is cut anywhere is an error; but nobody needs the
/// offset of a second directory, which may be last.
#[test]
fn truncated_tiff_files_are_errors() {
    for (file, ..) in files() {
        let bytes = read(&file);
        // Last in these are the levels of black and white, which CIELab does not need.
        let unused = if file.starts_with("jpeg-LAB") { 60 } else { 5 };
        for end in (0..bytes.len() - unused).step_by(1 + bytes.len() / 300) {
            assert!(decode(&bytes[..end], true, &file).is_err(), "{file} cut at {end} of {}", bytes.len());
        }
    }
}

#[test]
fn damaged_tiff_files_never_panic() {
    let mut read_anyway = 0;
    for (file, ..) in files() {
        let mut bytes = read(&file);
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 200) {
            let byte = bytes[at];
            for damage in [0x01, 0x80, byte, !byte] {
                bytes[at] = byte ^ damage;
                match decode(&bytes, true, &file) {
                    Ok(_) => read_anyway += 1,
                    Err(Error::Damaged { reason, .. }) => {
                        assert!(!reason.contains("confuses"), "{file} panics with {damage:#x} at {at}");
                    }
                    Err(_) => {}
                }
            }
            bytes[at] = byte;
        }
    }
    assert!(read_anyway > 1000, "{read_anyway}");
}

/// Assembles a little-endian file of these tags, all of type LONG; values of more than one entry follow the directory.
fn tiff(tags: &[(u16, &[u32])], body: &[u8]) -> Vec<u8> {
    let mut tags = tags.to_vec();
    tags.sort_unstable();
    let mut at = (8 + body.len()) as u32;
    let mut out = [&b"II*\0"[..], &at.to_le_bytes(), body].concat();
    out.extend((tags.len() as u16).to_le_bytes());
    at += 2 + 12 * tags.len() as u32 + 4;
    let mut values = Vec::new();
    for (tag, numbers) in tags {
        out.extend([&tag.to_le_bytes()[..], &4u16.to_le_bytes(), &(numbers.len() as u32).to_le_bytes()].concat());
        match numbers {
            [number] => out.extend(number.to_le_bytes()),
            numbers => {
                out.extend((at + values.len() as u32).to_le_bytes());
                values.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            }
        }
    }
    out.extend([0; 4]);
    [out, values].concat()
}

/// A file whose `count` strips of four grey pixels are all the same bytes.
fn same_strips(compression: u32, bits: u32, body: &[u8], count: usize) -> Vec<u8> {
    tiff(
        &[
            (256, &[4]),
            (257, &[count as u32]),
            (258, &[bits]),
            (259, &[compression]),
            (262, &[1]),
            (273, &vec![8; count]),
            (277, &[1]),
            (278, &[1]),
            (279, &vec![body.len() as u32; count]),
        ],
        body,
    )
}

fn quick_error(name: &str, bytes: &[u8]) -> Error {
    let start = Instant::now();
    let error = decode(bytes, true, name).map(|photo| format!("{photo:?}")).unwrap_err();
    assert!(start.elapsed() < BOUND, "{name} takes {:?}: {error}", start.elapsed());
    error
}

#[test]
fn strips_that_share_their_bytes_cost_no_more_than_the_file() {
    let mut stored = vec![0x78, 0x01];
    (0..1 << 17).for_each(|_| stored.extend([0, 0, 0, 0xff, 0xff]));
    stored.extend([1, 4, 0, 0xfb, 0xff, 1, 2, 3, 4]);
    let no_operations = [vec![128; 1 << 19], vec![3, 1, 2, 3, 4]].concat();
    // Codes of nine bits that clear the table, then four literals.
    let clear = [0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01, 0x00].repeat(1 << 16);
    let clear = [&clear[..], &[0x80, 0x00, 0x40, 0x40, 0x30, 0x20]].concat();
    // White and black runs of no pixels, four of each in nine bytes; then one of four white pixels.
    let pairs = "001101010000110111".repeat(4);
    let runs: Vec<u8> =
        pairs.as_bytes().chunks(8).map(|bits| bits.iter().fold(0, |sum, bit| sum << 1 | (bit - b'0'))).collect();
    let runs = [runs.repeat(1 << 16), vec![0b1011_0000]].concat();
    for (name, compression, bits, body) in [
        ("deflate", 8, 8, &stored),
        ("packbits", 32773, 8, &no_operations),
        ("lzw", 5, 8, &clear),
        ("fax", 2, 1, &runs),
    ] {
        let error = quick_error(name, &same_strips(compression, bits, body, 20_000));
        assert!(matches!(error, Error::TooCostly { resource: "time", .. }), "{name}: {error}");
    }
}

/// Returns a golden JPEG file whose header declares another size.
fn jpeg_of(width: u16, height: u16) -> Vec<u8> {
    let mut jpeg = std::fs::read(goldens().join("files/grey.jpg")).unwrap();
    let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    jpeg[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    jpeg
}

#[test]
fn jpeg_parts_must_fit_their_place() {
    for (width, height) in [(65_000, 2_500), (4, 3), (5, 1), (3, 1)] {
        let error = quick_error("x.tif", &same_strips(7, 8, &jpeg_of(width, height), 20_000)).to_string();
        let expected = if width < 4 { "a part is smaller than its place" } else { "a part is larger than its place" };
        assert!(error.contains(expected), "{width} x {height}: {error}");
    }
    // A comment of half a megabyte in front of every part.
    let comment = [&[0xff, 0xfe, 0xff, 0xff][..], &[0; 0xfffd]].concat().repeat(8);
    let jpeg = jpeg_of(4, 1);
    let error = quick_error("x.tif", &same_strips(7, 8, &[&jpeg[..2], &comment, &jpeg[2..]].concat(), 20_000));
    assert!(matches!(error, Error::TooCostly { resource: "time", .. }), "{error}");
}

#[test]
fn sizes_that_the_file_does_not_have_are_errors() {
    let plain: [(u16, &[u32]); 10] = [
        (256, &[4]),
        (257, &[4]),
        (258, &[8]),
        (259, &[1]),
        (262, &[1]),
        (273, &[8]),
        (277, &[1]),
        (278, &[4]),
        (279, &[16]),
        (284, &[1]),
    ];
    assert!(decode(&tiff(&plain, &[7; 16]), true, "plain.tif").is_ok());
    let with = |changes: &[(u16, &'static [u32])]| {
        let mut tags = plain.to_vec();
        tags.retain(|(tag, _)| changes.iter().all(|(change, _)| change != tag));
        tags.extend(changes);
        tiff(&tags, &[7; 16])
    };
    let changes: [&[(u16, &'static [u32])]; 16] = [
        &[(278, &[0])],
        &[(257, &[u32::MAX])],
        &[(256, &[u32::MAX]), (257, &[u32::MAX])],
        &[(256, &[13_000]), (257, &[13_000])],
        &[(277, &[65_535])],
        &[(277, &[u32::MAX])],
        &[(258, &[65_535])],
        &[(258, &[0])],
        &[(273, &[u32::MAX])],
        &[(262, &[3])],
        &[(284, &[3])],
        &[(322, &[u32::MAX]), (323, &[u32::MAX]), (324, &[8]), (325, &[16])],
        &[(322, &[u32::MAX]), (323, &[1]), (324, &[8]), (325, &[16]), (259, &[8])],
        &[(322, &[1 << 20]), (323, &[1 << 20]), (324, &[8]), (325, &[16]), (259, &[4]), (258, &[1])],
        &[(322, &[0]), (323, &[16]), (324, &[8]), (325, &[16])],
        &[(277, &[3]), (262, &[6]), (259, &[8]), (530, &[4, 3])],
    ];
    for change in changes {
        quick_error(&format!("{change:?}"), &with(change));
    }
    // Counts that reach beyond the file: of offsets, lengths, a palette, tables, a profile, metadata.
    for tag in [273u16, 279, 320, 347, 258, 338, 339, 700, 34675] {
        let mut tags = plain.to_vec();
        tags.retain(|(other, _)| *other != tag);
        tags.push((tag, &[12_345]));
        let mut bytes = tiff(&tags, &[7; 16]);
        let entry = bytes.windows(4).rposition(|entry| entry == [tag.to_le_bytes(), [4, 0]].concat()).unwrap();
        for count in [u32::MAX, 1 << 30] {
            bytes[entry + 4..entry + 8].copy_from_slice(&count.to_le_bytes());
            let start = Instant::now();
            let result = decode(&bytes, true, "counts.tif");
            // Palettes and metadata do not matter here.
            assert!(result.is_err() || [279, 320, 347, 700, 34675].contains(&tag), "{tag}");
            assert!(start.elapsed() < BOUND);
        }
    }
}

#[test]
fn refused_kinds_are_named() {
    let kinds =
        [(6, "old-style jpeg"), (34925, "lzma"), (50000, "zstandard"), (12345, "an unknown kind, number 12345")];
    for (compression, name) in kinds {
        let error = quick_error("x.tif", &same_strips(compression, 8, &[0; 4], 1)).to_string();
        assert!(error.contains(&format!("its pixels are compressed with {name}")), "{error}");
    }
}
