//! Files that are made to hurt: each must end as an error or as pixels, soon, and without ending the process, whatever
//! memory it has.

use std::time::{Duration, Instant};

use clippie_rs::photo::{Error, decode};

use super::{crc, declaring, read};

/// No decoding in these tests may take longer, even without optimisation on a busy machine.
const LONGEST: Duration = Duration::from_secs(60);

pub fn png_chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let body = [&kind[..], content].concat();
    [&(content.len() as u32).to_be_bytes()[..], &body, &crc(&body).to_be_bytes()].concat()
}

/// Returns zlib data of `length` zeros.
fn deflated_zeros(length: u64) -> Vec<u8> {
    deflated(std::io::Read::take(std::io::repeat(0), length))
}

/// Returns zlib data.
pub fn deflated(content: impl std::io::Read) -> Vec<u8> {
    let mut encoder = flate2::read::ZlibEncoder::new(content, flate2::Compression::best());
    let mut out = Vec::new();
    std::io::Read::read_to_end(&mut encoder, &mut out).unwrap();
    out
}

/// Returns a small PNG with these chunks before its pixels.
pub fn png_with(chunks: &[Vec<u8>]) -> Vec<u8> {
    let bytes = read("rgb.png");
    // Behind the signature and the header.
    [&bytes[..33], &chunks.concat(), &bytes[33..]].concat()
}

/// A lossless WebP file, bit by bit.
#[derive(Default)]
struct WebP {
    bytes: Vec<u8>,
    free: u32,
}

impl WebP {
    fn bits(&mut self, value: usize, count: u32) -> &mut Self {
        for i in 0..count {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            *self.bytes.last_mut().unwrap() |= ((value >> i & 1) as u8) << (8 - self.free);
            self.free -= 1;
        }
        self
    }

    /// A square picture, up to its transforms.
    fn square(side: usize) -> Self {
        let mut webp = WebP::default();
        webp.bits(0x2f, 8).bits(side - 1, 14).bits(side - 1, 14).bits(0, 4);
        webp
    }

    /// A prefix code of one symbol.
    fn one(&mut self, symbol: usize) -> &mut Self {
        self.bits(0b101, 3).bits(symbol, 8)
    }

    /// A prefix code of all bytes, each a word of eight bits.
    fn all_bytes(&mut self) -> &mut Self {
        // Lengths are 8, coded in no bits.
        self.bits(0, 1).bits(8, 4);
        for place in 0..12 {
            self.bits(usize::from(place == 11), 3);
        }
        self.bits(1, 1).bits(3, 3).bits(256 - 2, 8)
    }

    /// A prefix code of 2048 symbols of the largest alphabet, in 140 bytes.
    fn large(&mut self) {
        self.bits(0, 1).bits(11, 4);
        // The lengths 11 and "six times the same".
        for symbol in [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11] {
            self.bits(usize::from([11, 16].contains(&symbol)), 3);
        }
        self.bits(1, 1).bits(4, 3).bits(343 - 2, 10);
        self.bits(0, 1);
        for _ in 0..341 {
            self.bits(0b111, 3);
        }
        self.bits(0, 1);
    }

    /// Adds zeros, of which 11 bits are a pixel, and the headers.
    fn file(mut self, pixels: usize) -> Vec<u8> {
        self.bytes.resize(self.bytes.len().next_multiple_of(2) + 2 * pixels, 0);
        let length = |length: usize| (length as u32).to_le_bytes();
        let count = self.bytes.len();
        [b"RIFF", &length(count + 12)[..], b"WEBPVP8L", &length(count), &self.bytes].concat()
    }

    /// A picture with many large groups of codes, of which its tiles use all or one.
    fn groups(side: usize, groups: usize, all: bool) -> Vec<u8> {
        let mut webp = WebP::square(side);
        // No transform, a cache of 11 bits, groups for tiles of four pixels.
        webp.bits(0, 1).bits(1, 1).bits(11, 4).bits(1, 1).bits(0, 3);
        webp.bits(0, 1);
        if all {
            webp.all_bytes().all_bytes().one(0).one(0).one(0);
            for tile in 0..(side / 4) * (side / 4) {
                // Words are stored from their highest bit.
                for byte in ((tile % groups) as u16).to_le_bytes() {
                    webp.bits(byte.reverse_bits().into(), 8);
                }
            }
        } else {
            webp.one((groups - 1) & 0xff).one((groups - 1) >> 8).one(0).one(0).one(0);
        }
        for _ in 0..groups {
            webp.large();
            webp.bits(0x1111, 16);
        }
        webp.file(side * side)
    }

    /// A picture of one colour.
    fn plain(side: usize, transforms: &[usize]) -> Vec<u8> {
        let mut webp = WebP::square(side);
        for &kind in transforms {
            webp.bits(1, 1).bits(kind, 2);
            if kind < 2 {
                // Tiles of four pixels, all with the parameters 11, 7, 9.
                webp.bits(0, 4).one(11).one(7).one(9).one(0).one(0);
            }
        }
        webp.bits(0, 3).one(1).one(2).one(3).one(255).one(0);
        webp.file(0)
    }
}

/// Files that take more than a millisecond, although they are small.
pub fn large() -> Vec<(&'static str, Vec<u8>)> {
    let side = 3000u32;
    let header = [&side.to_be_bytes()[..], &side.to_be_bytes(), b"\x08\x02\0\0\0"].concat();
    let pixels = deflated_zeros(u64::from(side) * (3 * u64::from(side) + 1));
    let chunks = [png_chunk(b"IHDR", &header), png_chunk(b"IDAT", &pixels), png_chunk(b"IEND", b"")];
    let png = [&b"\x89PNG\r\n\x1a\n"[..], &chunks.concat()].concat();
    vec![
        ("large.png", png),
        ("plain.webp", WebP::plain(4_000, &[])),
        ("transforms.webp", WebP::plain(2_000, &[0, 1, 2])),
        ("strips.tif", million_strips()),
    ]
}

/// A TIFF of a million rows of one pixel, each a strip of its own.
fn million_strips() -> Vec<u8> {
    const STRIPS: u32 = 1_000_000;
    let mut tiff = b"II*\0\x08\0\0\0\x09\0".to_vec();
    let lists = 8 + 2 + 9 * 12 + 4;
    let tags = [
        (256, 1, 1),
        (257, 1, STRIPS),
        (258, 1, 8),
        (259, 1, 1),
        (262, 1, 1),
        (273, STRIPS, lists),
        (277, 1, 1),
        (278, 1, 1),
        (279, STRIPS, lists + 4 * STRIPS),
    ];
    for (tag, count, value) in tags {
        tiff.extend([tag as u8, (tag >> 8) as u8, 4, 0]);
        tiff.extend([u32::to_le_bytes(count), u32::to_le_bytes(value)].concat());
    }
    tiff.extend([0; 4]);
    tiff.extend(8u32.to_le_bytes().repeat(STRIPS as usize));
    tiff.extend(1u32.to_le_bytes().repeat(STRIPS as usize));
    tiff
}

/// Returns a file and whether it has pixels.
fn corpus() -> Vec<(&'static str, Vec<u8>, bool)> {
    let mut corpus: Vec<_> =
        declaring(13_377, 13_377).into_iter().map(|(name, bytes)| (name, bytes, name == "x.gif")).collect();
    corpus.extend(declaring(65_500, 2_732).into_iter().map(|(name, bytes)| (name, bytes, name == "x.gif")));
    for text in [&b"Raw profile type exif\0\0"[..], b"XML:com.adobe.xmp\0\x01\0\0\0"] {
        let kind = if text.starts_with(b"Raw") { b"zTXt" } else { b"iTXt" };
        let content = [text, &deflated_zeros(1 << 26)].concat();
        corpus.push(("text.png", png_with(&[png_chunk(kind, &content)]), true));
    }
    corpus.push((
        "profile.png",
        png_with(&[png_chunk(b"iCCP", &[b"ICC\0\0", &deflated_zeros(1 << 26)[..]].concat())]),
        true,
    ));
    corpus.push(("chunks.png", png_with(&vec![png_chunk(b"tEXt", b"a\0b"); 100_000]), true));

    // A WebP whose EXIF claims 4 GiB.
    let lossy = read("lossy-45x32.webp");
    let picture = &lossy[12..];
    let mut header = b"VP8X\x0a\0\0\0\x08\0\0\0\x2c\0\0\x1f\0\0".to_vec();
    header.extend(picture);
    header.extend(b"EXIF\xff\xff\xff\xffII*\0");
    let riff = [b"RIFF", &(header.len() as u32 + 4).to_le_bytes()[..], b"WEBP", &header].concat();
    corpus.push(("claim.webp", riff, true));
    let mut tall = b"RIFF\x1e\0\0\0WEBPVP8 \x12\0\0\0\x10\0\0\x9d\x01\x2a\xff\x3f\x00\x20".to_vec();
    tall.extend([0; 8]);
    corpus.push(("lossy.webp", tall, false));

    // Tables of codes that no pixel needs, and as many that pixels need, but more than their number justifies.
    corpus.push(("unused.webp", WebP::groups(8, 20_000, false), true));
    corpus.push(("groups.webp", WebP::groups(600, 20_000, true), false));
    corpus.push(("few.webp", WebP::groups(600, 1_000, true), true));
    corpus.extend(large().into_iter().map(|(name, bytes)| (name, bytes, true)));

    // All three components of a progressive JPEG, without data.
    let mut jpeg = b"\xff\xd8\xff\xdb\0\x43\0".to_vec();
    jpeg.extend([1; 64]);
    jpeg.extend(b"\xff\xc2\0\x11\x08\x0a\xac\xff\xdc\x03\x01\x11\0\x02\x11\0\x03\x11\0");
    jpeg.extend(b"\xff\xc4\0\x15\0\x01\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01");
    jpeg.extend(b"\xff\xda\0\x0c\x03\x01\0\x02\0\x03\0\0\0\0\xff\xd9");
    corpus.push(("progressive.jpg", jpeg.clone(), false));
    // The same as a baseline file.
    let sof = jpeg.windows(2).position(|pair| pair == b"\xff\xc2").unwrap();
    jpeg[sof + 1] = 0xc0;
    corpus.push(("baseline.jpg", jpeg, false));
    // Half a million Huffman tables.
    let table = b"\xff\xc4\0\x15\x10\x01\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01";
    corpus.push(("tables.jpg", [b"\xff\xd8", &table.repeat(500_000)[..], &read("grey.jpg")[2..]].concat(), true));
    // Runs of no length.
    let mut bmp = b"BM\0\0\0\0\0\0\0\0\x36\x04\0\0\x28\0\0\0\x41\x34\0\0\x41\x34\0\0\x01\0\x08\0\x01\0\0\0".to_vec();
    bmp.resize(54 + 1024, 0);
    bmp.extend(b"\0\x02\0\0".repeat(100_000));
    corpus.push(("runs.bmp", bmp, false));
    corpus
}

#[test]
fn hostile_files_end_soon() {
    for (name, bytes, readable) in corpus() {
        let start = Instant::now();
        let result = decode(&bytes, true, name);
        assert!(start.elapsed() < LONGEST, "{name} takes {:?}", start.elapsed());
        match result {
            Ok(_) => assert!(readable, "{name} has pixels"),
            Err(Error::Damaged { reason, .. }) if reason.contains("confuses") => panic!("{name} panics"),
            // Where memory is short, other errors come first.
            Err(Error::OutOfMemory { .. }) => {}
            Err(error) => assert!(!readable, "{error}"),
        }
    }
}

/// Runs the test above in a process that has little address space.
#[cfg(target_os = "linux")]
#[test]
fn hostile_files_do_not_abort_a_process_with_little_memory() {
    for kilobytes in [400_000, 900_000] {
        let output = std::process::Command::new("sh")
            .args([
                "-c",
                &format!(
                    "ulimit -v {kilobytes} && exec \"$0\" --exact hostile::hostile_files_end_soon --test-threads 1"
                ),
            ])
            .arg(std::env::current_exe().unwrap())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "{kilobytes} KB: {:?} {text}", output.status);
    }
}

/// Every truncation and every changed byte of a small file of each format gives an error or pixels.
#[test]
fn every_damaged_byte_gives_an_error_or_pixels() {
    let small = [
        "17x16-2.jpg",
        "grey-progressive.jpg",
        "grey-8bit.png",
        "palette.png",
        "animated.gif",
        "bits.gif",
        "runs-4bit.bmp",
        "bits.bmp",
        "lossy-45x32.webp",
        "lossless.webp",
        "animated.webp",
    ];
    let mut read_anyway = 0;
    for name in small {
        let bytes = read(name);
        let mut check = |bytes: &[u8], what: &str, at: usize| {
            let start = Instant::now();
            let result = decode(bytes, true, name);
            assert!(start.elapsed() < LONGEST, "{name} {what} {at} takes {:?}", start.elapsed());
            match result {
                Ok(photo) => read_anyway += usize::from(!photo.data().is_empty()),
                Err(error) => assert!(!error.to_string().contains("confuses"), "{name} {what} {at}: {error}"),
            }
        };
        // Headers and the ends of files matter most.
        let ends = 300..bytes.len().saturating_sub(60).max(300);
        for at in (0..bytes.len()).filter(|at| !ends.contains(at) || at % 7 == 0) {
            check(&bytes[..at], "cut at", at);
            for value in [bytes[at] ^ 1, bytes[at] ^ 0x80, 0xff, 0] {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                check(&damaged, "changed at", at);
            }
        }
    }
    assert!(read_anyway > 1000, "{read_anyway}");
}
