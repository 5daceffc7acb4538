//! Photos, sound and broken ones, made by hand or by the `image` crate.

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};

/// A photo that looks like no other of another `seed`.
pub fn photo(seed: u32, width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let at = |channel: u32| {
            let wave = f64::from(x * (seed % 7 + 1) + y * (channel + 1) + seed * 13).sin();
            (127.5 + 127.5 * wave * f64::from(seed % 5 + channel + 1) / 8.0) as u8
        };
        Rgb([at(0), at(1), at(2)])
    })
}

pub fn encoded(photo: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    photo.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub fn jpeg(seed: u32) -> Vec<u8> {
    encoded(&photo(seed, 40 + seed % 9, 36), ImageFormat::Jpeg)
}

pub fn png(seed: u32) -> Vec<u8> {
    encoded(&photo(seed, 33, 45), ImageFormat::Png)
}

/// A JPEG that says the camera was held upright on its side.
pub fn turned_jpeg() -> Vec<u8> {
    let plain = encoded(&photo(3, 60, 40), ImageFormat::Jpeg);
    // One entry of the first directory: orientation (0x0112), a short, 6.
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0".to_vec();
    exif.extend(b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0");
    let mut bytes = plain[..2].to_vec();
    bytes.extend([0xff, 0xe1]);
    bytes.extend((exif.len() as u16 + 2).to_be_bytes());
    bytes.extend(exif);
    bytes.extend(&plain[2..]);
    bytes
}

/// A few bytes of PNG that claim to be a huge picture.
pub fn huge_png() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = 60_000u32.to_be_bytes().to_vec();
    header.extend(60_000u32.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    chunk(&mut bytes, b"IHDR", &header);
    chunk(&mut bytes, b"IDAT", &[0x78, 0x9c, 0x63, 0, 0, 0, 1, 0, 1]);
    chunk(&mut bytes, b"IEND", b"");
    bytes
}

fn chunk(png: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    png.extend((data.len() as u32).to_be_bytes());
    png.extend(kind);
    png.extend(data);
    let mut crc = flate2::Crc::new();
    crc.update(kind);
    crc.update(data);
    png.extend(crc.sum().to_be_bytes());
}

/// Files that are no photos, with an ending that says they were.
pub fn broken() -> Vec<(&'static str, Vec<u8>)> {
    let mut garbled = png(9);
    let middle = garbled.len() / 2;
    garbled[middle..].iter_mut().for_each(|byte| *byte ^= 0x5a);
    vec![
        ("empty.jpg", Vec::new()),
        ("text.jpg", b"these are words, not a photo\n".to_vec()),
        ("cut.jpg", jpeg(8)[..120].to_vec()),
        ("garbled.png", garbled),
        ("huge.png", huge_png()),
    ]
}
