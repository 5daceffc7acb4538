//! What each format states about its colours is read, whatever decoding makes of it: nothing.

use clippie_rs::photo::{decode, metadata};

use super::hostile::{deflated, png_chunk, png_with};
use super::{goldens, read};

/// The start of a profile with a description, and some more bytes.
fn profile(name: &str, more: usize) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes.extend([&1u32.to_be_bytes()[..], b"desc\0\0\0\x90", &(12 + name.len() as u32 + 1).to_be_bytes()].concat());
    bytes.extend([&b"desc\0\0\0\0"[..], &(name.len() as u32 + 1).to_be_bytes(), name.as_bytes(), b"\0"].concat());
    bytes.resize(bytes.len() + more, 7);
    bytes
}

/// A JPEG with the parts of a profile, numbered so, at most as many bytes in each.
fn jpeg(profile: &[u8], each: usize, numbers: &[u8], count: u8) -> Vec<u8> {
    let bytes = read("64x48-0.jpg");
    let parts = numbers.iter().zip(profile.chunks(each).cycle()).map(|(&number, _)| {
        let part = profile.chunks(each).nth(usize::from(number) - 1).unwrap_or_default();
        let content = [b"ICC_PROFILE\0", &[number, count][..], part].concat();
        [&b"\xff\xe2"[..], &(content.len() as u16 + 2).to_be_bytes(), &content].concat()
    });
    [&bytes[..2], &parts.collect::<Vec<_>>().concat(), &bytes[2..]].concat()
}

fn webp(profile: &[u8], flags: u8) -> Vec<u8> {
    let bytes = read("lossy-45x32.webp");
    let chunk = |kind: &[u8], data: &[u8]| {
        [kind, &(data.len() as u32).to_le_bytes(), data, &vec![0; data.len() % 2][..]].concat()
    };
    let header = chunk(b"VP8X", &[flags, 0, 0, 0, 44, 0, 0, 31, 0, 0]);
    let body = [&b"WEBP"[..], &header, &chunk(b"ICCP", profile), &bytes[12..]].concat();
    [&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body].concat()
}

fn tiff(profile: &[u8]) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x09\0".to_vec();
    let at = 8 + 2 + 9 * 12 + 4;
    let length = profile.len() as u32;
    let tags = [
        (256, 1, 1),
        (257, 1, 1),
        (258, 1, 8),
        (259, 1, 1),
        (262, 1, 1),
        (273, 1, 8),
        (278, 1, 1),
        (279, 1, 1),
        (34675, length, at),
    ];
    for (tag, count, value) in tags {
        let kind = if tag == 34675 { 7 } else { 4 };
        tiff.extend([tag as u8, (tag >> 8) as u8, kind, 0]);
        tiff.extend([u32::to_le_bytes(count), u32::to_le_bytes(value)].concat());
    }
    [&tiff[..], &[0; 4], profile].concat()
}

#[track_caller]
fn stated(bytes: &[u8]) -> String {
    metadata(bytes, "x").unwrap().colours.to_string()
}

#[test]
fn profiles_have_names_and_change_no_pixel() {
    let wide = profile("Display P3", 1000);
    let named = "Display P3 (ICC profile)";
    let plain = decode(&read("64x48-0.jpg"), true, "x").unwrap();
    for (numbers, count) in [(&[1, 2, 3][..], 3), (&[3, 1, 2], 3)] {
        let bytes = jpeg(&wide, 500, numbers, count);
        assert_eq!(stated(&bytes), named);
        assert!(decode(&bytes, true, "x").unwrap() == plain);
    }
    // Parts are missing, or there are more than are to be.
    for (numbers, count) in [(&[1, 3][..], 3), (&[1, 2, 3], 4), (&[1, 2, 3], 2), (&[1, 1], 2)] {
        assert_eq!(stated(&jpeg(&wide, 500, numbers, count)), "not stated", "{numbers:?} {count}");
    }
    assert_eq!(stated(&webp(&wide, 32)), named);
    assert_eq!(stated(&webp(&wide, 0)), "not stated");
    assert_eq!(stated(&tiff(&wide)), named);
    let png = |kind: &[u8; 4], content: &[u8]| png_with(&[png_chunk(kind, content)]);
    assert_eq!(stated(&png(b"iCCP", &[&b"name\0\0"[..], &deflated(&wide[..])].concat())), named);
    assert_eq!(stated(&png(b"iCCP", b"name\0\0no zlib")), "not stated");
    assert_eq!(stated(&png(b"cICP", &[12, 13, 0, 1])), "Display P3 (CICP 12/13/0)");
    assert_eq!(stated(&png(b"sRGB", &[0])), "sRGB (CICP 1/13/0)");
    assert_eq!(stated(&read("rgb.png")), "not stated");
}

#[test]
fn later_formats_state_code_points() {
    let stated = |file: &str| stated(&std::fs::read(goldens().join(file)).unwrap());
    assert_eq!(stated("heic/bt2020.heic"), "BT.2020 with the curve of sRGB (CICP 9/13/9)");
    assert_eq!(stated("heic/bt709-limited.heic"), "sRGB (CICP 1/13/1)");
    // What the coded picture states, where its container states nothing.
    let coded = if cfg!(feature = "heic") { "sRGB (CICP 1/13/6)" } else { "not stated" };
    assert_eq!(stated("heic/no-nclx.heic"), coded);
    if cfg!(feature = "jxl") {
        assert_eq!(stated("jxl/odd-0.jxl"), "sRGB (CICP 1/13/0)");
    }
}
