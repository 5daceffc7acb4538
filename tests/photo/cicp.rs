//! Colours that files state by code points (ITU-T H.273), converted to sRGB.
//!
//! tools/reference/goldens_cicp.py makes the files, and the expected pixels from the standards' formulas in double precision.

use clippie_rs::RgbBuffer;
use clippie_rs::photo::{ColourSource, decode, decode_srgb, metadata};

use super::goldens;
use super::hostile::{png_chunk, png_with};

/// Light has single precision here, and steps.
const LEVELS: u8 = 1;

fn file(name: &str) -> Vec<u8> {
    std::fs::read(goldens().join(name)).unwrap()
}

/// Whether this build has the decoder of a file.
fn is_read(name: &str) -> bool {
    let lacks = |kind: &str, is_built: bool| name.ends_with(kind) && !is_built;
    !lacks(".jxl", cfg!(feature = "jxl"))
        && !lacks(".heic", cfg!(feature = "heic"))
        && !lacks(".avif", cfg!(feature = "avif"))
}

#[track_caller]
fn plain(bytes: &[u8]) -> RgbBuffer {
    decode(bytes, true, "x").unwrap()
}

#[track_caller]
fn converted(bytes: &[u8]) -> RgbBuffer {
    decode_srgb(bytes, true, "x").unwrap()
}

/// The largest difference of two photos.
#[track_caller]
fn most(a: &RgbBuffer, b: &RgbBuffer) -> u8 {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    a.data().iter().zip(b.data()).map(|(&a, &b)| a.abs_diff(b)).max().unwrap()
}

/// Replaces bytes by as many others, wherever they are.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut result = bytes.to_vec();
    let places: Vec<_> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(from)).collect();
    assert!(!places.is_empty(), "{from:?}");
    for at in places {
        result[at..at + to.len()].copy_from_slice(to);
    }
    result
}

#[test]
fn code_points_are_converted_by_the_formulas_of_the_standards() {
    let (mut compared, mut failures) = (0, Vec::new());
    let mut entries: Vec<_> =
        std::fs::read_dir(goldens().join("cicp")).unwrap().map(|file| file.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let expected = path.with_file_name(format!("{name}.png"));
        if !expected.exists() || !is_read(&name) {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let expected = plain(&std::fs::read(expected).unwrap());
        let photo = converted(&bytes);
        let difference = most(&photo, &expected);
        if difference > LEVELS {
            failures.push(format!("{name}: {difference} levels"));
        }
        let equal = photo.data().iter().zip(expected.data()).filter(|(a, b)| a == b).count();
        assert!(equal * 100 > photo.data().len() * 95, "{name}: {equal} of {}", photo.data().len());
        // It is converted at all, and that is said.
        assert!(plain(&bytes) != photo, "{name}");
        assert_eq!(metadata(&bytes, "x").unwrap().colours.converted, Some(ColourSource::Description), "{name}");
        compared += 1;
    }
    assert!(failures.is_empty(), "{failures:?}");
    assert!(compared >= 14, "{compared}");
}

/// A lossy file is coded without regard to its encoding, and decoded to it.
#[cfg(feature = "jxl")]
#[test]
fn lossy_files_have_levels_of_their_encoding() {
    let lossy = file("cicp/lossy.jxl");
    assert!(most(&plain(&lossy), &plain(&file("cicp/lossy.png"))) <= LEVELS);
    assert!(converted(&lossy) != plain(&lossy));
}

/// The same pixels with a profile of Display P3 and with its code points.
#[test]
fn code_points_do_what_the_profile_does() {
    let by_profile = converted(&file("icc/in-p3.png"));
    let by_code = converted(&file("cicp/12-13.png"));
    assert!(most(&by_profile, &by_code) <= LEVELS);
    // The property of a profile, with code points in place of it: those of P3, then the matrix and range of the file.
    for name in ["icc/in-p3.heic", "icc/in-p3.avif"] {
        if !is_read(name) {
            continue;
        }
        let bytes = file(name);
        let at = bytes.windows(8).position(|window| window == b"colrprof").unwrap() + 4;
        let mut coded = bytes.clone();
        coded[at..at + 11].copy_from_slice(b"nclx\0\x0c\0\x0d\0\x06\x80");
        assert!(plain(&coded) == plain(&bytes), "{name}");
        let (by_profile, by_code) = (converted(&bytes), converted(&coded));
        assert!(by_profile != plain(&bytes) && most(&by_profile, &by_code) <= LEVELS, "{name}");
    }
}

#[test]
fn without_a_request_nothing_is_converted() {
    // The files have the same samples, whatever they state about them.
    let png = plain(&file("cicp/12-13.png"));
    for name in ["1-8", "9-16", "9-18", "4-4", "11-17", "narrow"] {
        assert!(plain(&file(&format!("cicp/{name}.png"))) == png, "{name}");
    }
    #[cfg(feature = "avif")]
    for name in ["9-16", "9-18"] {
        let bytes = file(&format!("cicp/{name}.avif"));
        let codes = [b"nclx\0\x09\0", &[name[2..].parse::<u8>().unwrap()][..]].concat();
        let as_srgb = replaced(&bytes, &codes, b"nclx\0\x01\0\x0d");
        assert!(plain(&as_srgb) == plain(&bytes) && converted(&as_srgb) == plain(&bytes), "{name}");
    }
}

#[test]
fn a_png_file_has_an_order() {
    const P3: [u8; 4] = [12, 13, 0, 1];
    const SRGB: [u8; 4] = [1, 13, 0, 1];
    const RESERVED: [u8; 4] = [12, 200, 0, 1];
    let whole = file("icc/in-p3.png");
    let by_profile = converted(&whole);
    let with = |chunks: &[Vec<u8>]| {
        let (header, rest) = whole.split_at(33);
        [header, &chunks.concat(), rest].concat()
    };
    let cicp = |codes: &[u8]| png_chunk(b"cICP", codes);
    // Before the profile, whichever it is; not what is reserved or cut short, and not the name of sRGB.
    let pq = converted(&with(&[cicp(&[9, 16, 0, 1])]));
    assert!(pq == converted(&file("cicp/9-16.png")));
    assert!(converted(&with(&[cicp(&SRGB)])) == plain(&whole));
    assert_eq!(metadata(&with(&[cicp(&SRGB)]), "x").unwrap().colours.converted, None);
    for passed_over in [cicp(&RESERVED), cicp(&[0, 13, 0, 1]), cicp(&P3[..3]), cicp(b""), png_chunk(b"sRGB", &[0])] {
        let bytes = with(&[passed_over]);
        assert!(converted(&bytes) == by_profile);
        assert_eq!(metadata(&bytes, "x").unwrap().colours.converted, Some(ColourSource::Profile));
    }
    // Nor what is damaged, too long, for YCbCr, or behind the pixels: it would change every colour.
    let sound = cicp(&[9, 16, 0, 1]);
    let mut flipped = sound.clone();
    flipped[9] ^= 1;
    let (pixels, end) = whole.split_at(whole.len() - 12);
    for passed_over in [
        with(&[flipped]),
        with(&[cicp(&[9, 16, 0, 1, 0])]),
        with(&[cicp(&[9, 16, 9, 1])]),
        [pixels, &sound, end].concat(),
    ] {
        assert!(plain(&passed_over) == plain(&whole) && converted(&passed_over) == by_profile);
        assert_eq!(metadata(&passed_over, "x").unwrap().colours.cicp, None);
    }
    // A profile that is damaged does not matter beside them.
    let damaged = png_with(&[png_chunk(b"iCCP", b"name\0\0no zlib"), cicp(&[9, 16, 0, 1])]);
    assert_eq!(metadata(&damaged, "x").unwrap().colours.converted, Some(ColourSource::Description));
    // sRGB in all of its forms is left as it is.
    for codes in [SRGB, [2, 2, 0, 1], [1, 1, 0, 1], [2, 13, 0, 1], [1, 14, 0, 1]] {
        let bytes = png_with(&[cicp(&codes)]);
        assert!(converted(&bytes) == plain(&bytes), "{codes:?}");
        assert_eq!(metadata(&bytes, "x").unwrap().colours.converted, None, "{codes:?}");
    }
}

#[cfg(feature = "avif")]
#[test]
fn a_container_has_an_order() {
    let bytes = file("icc/in-p3.avif");
    let by_profile = converted(&bytes);
    // Code points beside the profile do not count for colours.
    let at = bytes.windows(8).position(|window| window == b"colrnclx").unwrap() + 8;
    let mut both = bytes.clone();
    both[at..at + 4].copy_from_slice(&[0, 9, 0, 16]);
    assert!(converted(&both) == by_profile);
    assert_eq!(metadata(&both, "x").unwrap().colours.converted, Some(ColourSource::Profile));
    // Where no box states them, what is coded counts; also where the box's are reserved.
    for name in ["12-13", "9-16", "9-18"] {
        let bytes = file(&format!("cicp/{name}.avif"));
        let coded = replaced(&bytes, b"colrnclx", b"freenclx");
        assert_eq!(metadata(&coded, "x").unwrap().colours.cicp, metadata(&bytes, "x").unwrap().colours.cicp);
        assert!(plain(&coded) == plain(&bytes) && converted(&coded) == converted(&bytes), "{name}");
        let at = bytes.windows(8).position(|window| window == b"colrnclx").unwrap() + 8;
        let mut reserved = bytes.clone();
        reserved[at..at + 2].copy_from_slice(&[0, 99]);
        let unknown = replaced(&bytes, b"colrnclx", b"colrnew1");
        for other in [reserved, unknown] {
            assert!(converted(&other) == converted(&bytes), "{name}");
            let [stated, coded] = [&other, &coded].map(|bytes| metadata(bytes, "x").unwrap().colours);
            assert_eq!((stated.cicp, stated.converted), (coded.cicp, coded.converted), "{name}");
        }
    }
}

#[cfg(feature = "heic")]
#[test]
fn coded_pictures_of_heic_state_colours_too() {
    let bytes = file("cicp/9-16.heic");
    let coded = replaced(&bytes, b"colrnclx", b"freenclx");
    let stated = metadata(&coded, "x").unwrap().colours.cicp.unwrap();
    assert_eq!((stated.primaries, stated.transfer), (9, 16));
    assert!(converted(&coded) == converted(&bytes));
}

/// Any byte of what states the colours: an answer in any case, and pixels as long as there are some without.
#[test]
fn damaged_code_points_never_panic() {
    let mut changed = 0;
    for name in ["cicp/9-18.png", "cicp/9-18.avif", "cicp/9-16.heic", "cicp/hlg.jxl"] {
        if !is_read(name) {
            continue;
        }
        let bytes = file(name);
        let usual = converted(&bytes);
        // All of the header of PNG with its chunk, and of boxes up to the pixels.
        let end = if name.ends_with(".png") { 60 } else { bytes.len().min(420) };
        for at in 0..end {
            for value in [0, 16, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                let stated = metadata(&damaged, "x").map(|metadata| metadata.colours.to_string());
                let (before, after) = (decode(&damaged, true, "x"), decode_srgb(&damaged, true, "x"));
                assert_eq!(before.is_ok(), after.is_ok(), "{name} {at} {value}: {stated:?}");
                changed += usize::from(after.is_ok_and(|photo| photo != usual));
            }
        }
    }
    assert!(changed > 10, "{changed}");
}
