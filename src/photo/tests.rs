//! Tests of what a photo may cost, and of cancelling.

use std::thread;
use std::time::Duration;

use super::*;
use crate::pixels::SinkError;

/// Returns a segment of a JPEG file.
fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    [&[0xff, marker], &(content.len() as u16 + 2).to_be_bytes()[..], content].concat()
}

/// Returns a table of the codes 0 and 10.
fn table(class_and_slot: u8, symbols: [u8; 2]) -> Vec<u8> {
    let mut counts = [0; 16];
    counts[..2].fill(1);
    segment(0xc4, &[&[class_and_slot], &counts[..], &symbols].concat())
}

/// Returns a grey JPEG whose blocks are one level, and then these scans. A block takes one bit of the DC scan, and two
/// of a baseline scan.
fn grey_jpeg(progressive: bool, (width, height): (u16, u16), scans: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"\xff\xd8".to_vec();
    out.extend(segment(0xdb, &[&[0][..], &[1; 64]].concat()));
    let size = [height.to_be_bytes(), width.to_be_bytes()].concat();
    out.extend(segment(if progressive { 0xc2 } else { 0xc0 }, &[&[8], &size[..], &[1, 1, 0x11, 0]].concat()));
    // The AC codes stand for the ends of a block or of a band in 16384 blocks and more.
    out.extend(table(0x00, [0, 1]));
    out.extend(table(0x10, if progressive { [0xe0, 0] } else { [0, 1] }));
    let blocks = usize::from(width).div_ceil(8) * usize::from(height).div_ceil(8);
    out.extend(segment(0xda, if progressive { &[1, 1, 0, 0, 0, 0] } else { &[1, 1, 0, 0, 63, 0] }));
    out.resize(out.len() + if progressive { blocks.div_ceil(8) } else { blocks.div_ceil(4) }, 0);
    scans.iter().for_each(|scan| out.extend(scan));
    out.extend(b"\xff\xd9");
    out
}

/// Returns a scan that refines no coefficient of `blocks` blocks.
fn empty_refinement(blocks: usize) -> Vec<u8> {
    let mut bits = String::new();
    for first in (0..blocks).step_by(32767) {
        match (blocks - first).min(32767) {
            run @ 16384.. => bits += &format!("0{:014b}", run - 16384),
            run => bits += &"10".repeat(run),
        }
    }
    bits += &"1".repeat(bits.len().next_multiple_of(8) - bits.len());
    let mut out = segment(0xda, &[1, 1, 0, 1, 63, 0x10]);
    for byte in bits.as_bytes().as_chunks::<8>().0 {
        let byte = byte.iter().fold(0, |sum, bit| sum << 1 | (bit - b'0'));
        out.push(byte);
        if byte == 0xff {
            out.push(0);
        }
    }
    out
}

fn blocks((width, height): (u16, u16)) -> usize {
    usize::from(width).div_ceil(8) * usize::from(height).div_ceil(8)
}

#[test]
fn many_scans_are_for_small_pictures() {
    let scans = |size, count| vec![empty_refinement(blocks(size)); count];
    let small = (200, 100);
    let photo = decode(&grey_jpeg(true, small, &scans(small, 198)), true, "many.jpg").unwrap();
    assert!(photo.data().iter().all(|&level| level == 128));

    let large = (8000, 6000);
    let error = decode(&grey_jpeg(true, large, &scans(large, 198)), true, "many.jpg").unwrap_err();
    assert_eq!(
        error.to_string(),
        "many.jpg is a JPEG image that needs far more time than its size justifies; save it anew as an ordinary JPEG or PNG, \
         or allow it more than 120 seconds (--max-seconds; Limits::time)"
    );
    // Unless the caller allows it the time.
    let more = Limits::new().time(std::time::Duration::from_secs(121));
    let little = (2500, 2500);
    let many = grey_jpeg(true, little, &scans(little, 250));
    assert!(matches!(decode(&many, true, "many.jpg"), Err(Error::TooCostly { resource: "time", .. })));
    assert!(decode_within(&many, &more, true, "many.jpg").is_ok());
    // More than any encoder writes.
    assert!(decode(&grey_jpeg(true, large, &scans(large, 12)), true, "many.jpg").is_ok());
}

/// Takes rows and cancels at the first of them.
struct Canceller {
    cancel: CancelToken,
    width: usize,
    rows: Vec<u8>,
    commits: usize,
}

impl Canceller {
    fn new() -> Self {
        Canceller { cancel: CancelToken::new(), width: 0, rows: Vec::new(), commits: 0 }
    }
}

impl RowSink for &mut Canceller {
    fn begin(&mut self, width: usize, _: usize, _: Orientation) -> Result<(), SinkError> {
        self.width = width;
        Ok(())
    }

    fn rows_mut(&mut self, count: usize) -> &mut [u8] {
        self.rows.resize(count * self.width * 3, 0);
        &mut self.rows
    }

    fn commit(&mut self) {
        self.commits += 1;
        self.cancel.cancel();
    }

    fn whole(&mut self, _: RgbBuffer, _: Orientation) -> Result<(), SinkError> {
        self.commits += 1;
        Ok(())
    }
}

/// Returns a lossless WebP of one colour.
fn plain_webp(width: u32, height: u32) -> Vec<u8> {
    let (mut bits, mut count) = (0u128, 0);
    let mut put = |value: u32, width: u32| {
        bits |= u128::from(value) << count;
        count += width;
    };
    put(0x2f, 8);
    put(width - 1, 14);
    put(height - 1, 14);
    // No transform, no cache, one group of codes, each of one symbol.
    put(0, 4 + 3);
    for symbol in [1, 2, 3, 255, 0] {
        put(0b101, 3);
        put(symbol, 8);
    }
    [b"RIFF\x1c\0\0\0WEBPVP8L\x10\0\0\0", &bits.to_le_bytes()[..]].concat()
}

#[test]
fn cancelling_ends_the_rows() {
    let png = {
        use std::io::Write;
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&vec![0; 1001 * 500]).unwrap();
        let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
        let header = b"\0\0\x03\xe8\0\0\x01\xf4\x08\0\0\0\0";
        for (kind, content) in [(b"IHDR", &header[..]), (b"IDAT", &encoder.finish().unwrap()), (b"IEND", b"")] {
            let mut checksum = flate2::Crc::new();
            checksum.update(kind);
            checksum.update(content);
            out.extend((content.len() as u32).to_be_bytes());
            out.extend([kind, content, &checksum.sum().to_be_bytes()].concat());
        }
        out
    };
    for bytes in [grey_jpeg(false, (1000, 500), &[]), grey_jpeg(true, (1000, 500), &[]), png, plain_webp(1000, 500)] {
        let mut sink = Canceller::new();
        let cancel = sink.cancel.clone();
        let result = decode_to(&bytes, &crate::budget::Limits::new(), true, "x", &cancel, &mut sink, |_| Ok(()));
        assert_eq!(result, Err(Error::Cancelled { name: "x".into() }));
        assert_eq!(sink.commits, 1);
        // Cancelled before it begins.
        let result = decode_to(&bytes, &crate::budget::Limits::new(), true, "x", &cancel, &mut sink, |_| Ok(()));
        assert_eq!((result, sink.commits), (Err(Error::Cancelled { name: "x".into() }), 1));
    }
}

#[test]
fn cancelling_ends_a_scan_of_the_largest_photo() {
    let size = (65500, 2732);
    let bytes = grey_jpeg(true, size, &vec![empty_refinement(blocks(size)); 8]);
    let mut sink = Canceller::new();
    let cancel = sink.cancel.clone();
    thread::scope(|scope| {
        let token = cancel.clone();
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(10));
            token.cancel();
        });
        let result = decode_to(&bytes, &crate::budget::Limits::new(), true, "x", &cancel, &mut sink, |_| Ok(()));
        assert_eq!(result, Err(Error::Cancelled { name: "x".into() }));
    });
    assert!(sink.commits <= 1);
}

#[test]
fn whole_photos_are_cancelled_before_they_are_delivered() {
    let mut bmp = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02\0\0\0\x02\0\0\0\x01\0\x18\0".to_vec();
    bmp.resize(54 + 16, 0);
    let gif = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0;".to_vec();
    let webp = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0".to_vec();
    for (format, bytes) in [("BMP", bmp), ("GIF", gif), ("WebP", webp)] {
        assert!(decode(&bytes, true, "x").is_ok(), "{format}");
        let mut sink = Canceller::new();
        let cancel = sink.cancel.clone();
        cancel.cancel();
        let result = decode_to(&bytes, &crate::budget::Limits::new(), true, "x", &cancel, &mut sink, |_| Ok(()));
        assert_eq!((result, sink.commits), (Err(Error::Cancelled { name: "x".into() }), 0), "{format}");
    }
}

#[test]
fn a_panic_in_a_codec_is_an_error() {
    let result: Result<(), DecodeError> = catch_panics(|| panic!("a codec gives up; this message is part of a test"));
    let error = result.unwrap_err().named("x.webp", Format::WebP).to_string();
    assert!(error.starts_with("x.webp is a damaged WebP image (it confuses the decoder)"), "{error}");
}
