//! Compares what is read of metadata with Pillow, and reads damaged metadata.
//!
//! tools/metadata_goldens.py makes the files and what is expected.

use clippie_rs::photo::{Format, Metadata, decode, metadata, thumbnail};
use serde::Deserialize;

use super::sloppy::bytes;
use super::{files, goldens, read};

#[derive(Deserialize)]
struct Goldens {
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    name: String,
    /// Hex digits.
    data: String,
    format: String,
    size: (usize, usize),
    upright: (usize, usize),
    orientation: u8,
    make: Option<String>,
    model: Option<String>,
    taken: Option<String>,
    place: Option<(f64, f64)>,
    thumbnail: Option<(usize, usize)>,
}

fn metadata_files() -> Vec<File> {
    let goldens: Goldens = serde_json::from_slice(&std::fs::read(goldens().join("metadata.json")).unwrap()).unwrap();
    assert!(goldens.files.len() > 70);
    goldens.files
}

#[test]
fn metadata_equals_pillow() {
    for file in metadata_files() {
        let name = &file.name;
        let data = bytes(&file.data);
        let found = metadata(&data, name).unwrap();
        assert_eq!(found.format.name().to_uppercase(), file.format, "{name}");
        assert_eq!((found.width, found.height), file.size, "{name}");
        assert_eq!((found.upright_size(), found.orientation), (file.upright, file.orientation), "{name}");
        assert_eq!((&found.make, &found.model), (&file.make, &file.model), "{name}");
        assert_eq!(found.taken.map(|date| date.to_string()), file.taken, "{name}");
        assert_eq!(found.thumbnail, file.thumbnail.map(|(start, end)| start..end), "{name}");
        match (found.place, file.place) {
            (Some(found), Some((latitude, longitude))) => {
                // Pillow divides like this crate; the sum of three quotients may round differently.
                assert!((found.latitude - latitude).abs() < 1e-12, "{name}: {found:?}");
                assert!((found.longitude - longitude).abs() < 1e-12, "{name}: {found:?}");
            }
            (found, expected) => assert_eq!((found, expected), (None, None), "{name}"),
        }
        let photo = decode(&data, true, name).unwrap();
        assert_eq!((photo.width(), photo.height()), found.upright_size(), "{name}");
    }
}

#[test]
fn sizes_and_orientations_are_those_of_decoding() {
    let mut compared = 0;
    for file in files() {
        let data = read(&file.file);
        let Ok(photo) = decode(&data, true, &file.file) else { continue };
        let found = metadata(&data, &file.file).unwrap();
        assert_eq!(found.upright_size(), (photo.width(), photo.height()), "{}", file.file);
        compared += 1;
    }
    assert!(compared > 200, "{compared}");
}

#[test]
fn what_is_no_photo_is_refused_as_decoding_refuses_it() {
    for data in
        [&b""[..], b"no photo", b"\0\0\0\x18ftypheic\0\0\0\0", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM"]
    {
        let error = metadata(data, "a.jpg").unwrap_err();
        assert_eq!(error, decode(data, true, "a.jpg").unwrap_err());
    }
}

/// Whatever is found must make sense.
fn check(found: &Metadata, data: &[u8]) {
    assert!((1..=8).contains(&found.orientation) && found.width > 0 && found.height > 0);
    if let Some(place) = found.place {
        assert!(place.latitude.abs() <= 90.0 && place.longitude.abs() <= 180.0);
    }
    if let Some(date) = found.taken {
        assert!((1..=12).contains(&date.month) && (1..=31).contains(&date.day) && date.hour < 24);
        assert!(date.offset_minutes.is_none_or(|offset| offset.abs() <= 840) && date.nanosecond < 1_000_000_000);
    }
    for text in [&found.make, &found.model].into_iter().flatten() {
        assert!(!text.is_empty() && text.chars().count() <= 128 && !text.contains(char::is_control));
    }
    if let Some(range) = &found.thumbnail {
        assert!(data[range.clone()].starts_with(b"\xff\xd8\xff"));
    }
}

#[test]
fn damaged_files_never_panic_and_yield_only_what_makes_sense() {
    let mut read = 0;
    for file in metadata_files().iter().filter(|file| file.thumbnail.is_some() || file.format == "TIFF") {
        let data = bytes(&file.data);
        for end in 0..data.len() {
            if let Ok(found) = metadata(&data[..end], "cut") {
                check(&found, &data[..end]);
            }
        }
        let mut changed = data.clone();
        for at in 0..data.len() {
            for bit in 0..8 {
                changed[at] = data[at] ^ (1 << bit);
                let found = metadata(&changed, "changed");
                if let Ok(found) = &found {
                    check(found, &changed);
                    read += 1;
                }
                // Whatever can be decoded has metadata, of the same size.
                if at % 8 == bit
                    && let Ok(photo) = decode(&changed, true, "changed")
                {
                    assert_eq!(found.unwrap().upright_size(), (photo.width(), photo.height()));
                }
            }
            for value in [0, 0x7f, 0xff] {
                changed[at] = value;
                if let Ok(found) = metadata(&changed, "changed") {
                    check(&found, &changed);
                }
            }
            changed[at] = data[at];
        }
    }
    assert!(read > 10_000, "{read}");
}

#[test]
fn an_embedded_thumbnail_is_used_if_it_is_large_enough() {
    let files = metadata_files();
    let data = bytes(&files.iter().find(|file| file.name == "jpeg II").unwrap().data);
    let found = metadata(&data, "photo").unwrap();
    let embedded = decode(&data[found.thumbnail.clone().unwrap()], false, "thumbnail").unwrap();
    assert_eq!((found.format, embedded.width(), embedded.height(), found.orientation), (Format::Jpeg, 6, 4, 6));
    // Turned like the photo, 12 x 8 and on its side.
    for side in [6, 7, 11] {
        let small = thumbnail(&data, side, "photo").unwrap();
        assert_eq!((small.width(), small.height()), (4, 6));
        let first = &small.data()[..3];
        assert_eq!(first, &embedded.data()[3 * 6 * 3..][..3], "the lower left pixel comes to the upper left");
    }
    assert_eq!(thumbnail(&data, 12, "photo").unwrap(), decode(&data, true, "photo").unwrap());
    assert_eq!(thumbnail(&data, usize::MAX, "photo").unwrap(), decode(&data, true, "photo").unwrap());
    // Smaller than the embedded one: its means.
    let small = thumbnail(&data, 3, "photo").unwrap();
    assert_eq!((small.width(), small.height()), (2, 3));
}

#[test]
fn thumbnails_are_means() {
    for file in files().iter().take(120) {
        let data = read(&file.file);
        let Ok(photo) = decode(&data, true, &file.file) else { continue };
        for side in [1, 3, 5] {
            let small = thumbnail(&data, side, &file.file).unwrap();
            let longer = photo.width().max(photo.height());
            assert_eq!(small.width().max(small.height()), side.min(longer), "{}", file.file);
            if metadata(&data, "").unwrap().thumbnail.is_none() {
                assert_eq!(small.data(), means(&photo, small.width(), small.height()), "{}", file.file);
            }
        }
    }
}

/// The means of a photo over the cells of a grid, in whole numbers.
fn means(photo: &clippie_rs::RgbBuffer, across: usize, down: usize) -> Vec<u8> {
    let (width, height) = (photo.width(), photo.height());
    let overlap = |pixel: usize, pixels: usize, cell: usize, cells: usize| {
        ((pixel + 1) * cells).min((cell + 1) * pixels).saturating_sub((pixel * cells).max(cell * pixels)) as u64
    };
    let mut out = Vec::new();
    for cell_y in 0..down {
        for cell_x in 0..across {
            let mut sums = [0u64; 3];
            for (y, row) in photo.data().chunks_exact(width * 3).enumerate() {
                for (x, pixel) in row.chunks_exact(3).enumerate() {
                    let share = overlap(x, width, cell_x, across) * overlap(y, height, cell_y, down);
                    sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += share * u64::from(*value));
                }
            }
            let total = (width * height) as u64;
            out.extend(sums.map(|sum| ((sum + total / 2) / total) as u8));
        }
    }
    out
}
