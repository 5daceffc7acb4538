//! Valid and damaged photos: hand-made, or derived from those in `tests/goldens/preprocess/files`.

use std::io::Write;
use std::path::Path;

use clippie_rs::RgbBuffer;
use clippie_rs::photo::decode;

/// Reads a golden file of the decoder tests.
pub fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/preprocess/files");
    std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A PNG whose content depends on `seed`.
pub fn photo(seed: u32, width: usize, height: usize) -> RgbBuffer {
    let mut data = Vec::new();
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y as u32, x as u32))) {
        for channel in 0..3 {
            let wave = f64::from(x * (seed % 7 + 1) + y * (channel + 1) + seed * 13).sin();
            data.push((127.5 + 127.5 * wave * f64::from(seed % 5 + channel + 1) / 8.0) as u8);
        }
    }
    RgbBuffer::new(width, height, data).unwrap()
}

pub fn png(seed: u32) -> Vec<u8> {
    as_png(&photo(seed, 33, 45))
}

/// A JPEG whose brightness depends on `seed`.
pub fn jpeg(seed: u32) -> Vec<u8> {
    let mut bytes = golden(["64x48-0.jpg", "46x31-1.jpg", "64x48-2.jpg"][seed as usize % 3]);
    // The first entry of the first quantisation table scales the mean of every block.
    let table = bytes.windows(2).position(|marker| marker == [0xff, 0xdb]).unwrap();
    bytes[table + 5] = (seed % 250 + 1) as u8;
    bytes
}

/// A JPEG with an EXIF orientation; its pixels as stored, and upright.
pub fn turned_jpeg() -> (Vec<u8>, RgbBuffer, RgbBuffer) {
    let bytes = golden("orientation-6.jpg");
    let (stored, upright) = (decode(&bytes, false, "stored").unwrap(), decode(&bytes, true, "upright").unwrap());
    assert_eq!((stored.width(), stored.height()), (upright.height(), upright.width()));
    (bytes, stored, upright)
}

pub fn as_png(photo: &RgbBuffer) -> Vec<u8> {
    let mut rows = Vec::new();
    for row in photo.data().chunks(photo.width() * 3) {
        rows.push(0);
        rows.extend(row);
    }
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&rows).unwrap();
    raw_png(photo.width() as u32, photo.height() as u32, &packed.finish().unwrap())
}

pub fn as_bmp(photo: &RgbBuffer) -> Vec<u8> {
    let (width, height) = (photo.width(), photo.height());
    let stride = (width * 3).next_multiple_of(4);
    let mut bytes = b"BM".to_vec();
    bytes.extend((54 + stride as u32 * height as u32).to_le_bytes());
    bytes.extend([0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0]);
    bytes.extend((width as u32).to_le_bytes());
    bytes.extend((height as u32).to_le_bytes());
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0; 24]);
    for row in photo.data().chunks(width * 3).rev() {
        bytes.extend(row.chunks(3).flat_map(|rgb| [rgb[2], rgb[1], rgb[0]]));
        bytes.extend(&[0; 3][..stride - width * 3]);
    }
    bytes
}

/// A few bytes of PNG that declare huge dimensions.
pub fn huge_png() -> Vec<u8> {
    raw_png(60_000, 60_000, &[0x78, 0x9c, 0x63, 0, 0, 0, 1, 0, 1])
}

/// A PNG of eight-bit RGB with the given compressed content, which may be invalid.
fn raw_png(width: u32, height: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend(kind);
        bytes.extend(data);
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(data);
        bytes.extend(crc.sum().to_be_bytes());
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    chunk(b"IHDR", &header);
    chunk(b"IDAT", content);
    chunk(b"IEND", b"");
    bytes
}

/// Files with a photo's extension that are not valid photos.
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
