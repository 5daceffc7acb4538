//! Raw files of cameras: their previews, in files that are put together here as each maker's are (ExifTool's tables, Adobe's
//! DNG specification, descriptions of CR3).

use clippie_rs::photo::{Format, decode, metadata};

use super::{message, read};

/// A TIFF structure that grows; what refers to a part comes after it.
struct Tiff {
    out: Vec<u8>,
    big: bool,
}

type Entry = (u16, u16, u32, u32);

const SHORT: u16 = 3;
const LONG: u16 = 4;

impl Tiff {
    fn new(magic: &[u8]) -> Tiff {
        Tiff { out: [magic, &[0; 12]].concat(), big: magic[0] == b'M' }
    }

    fn two(&self, value: u16) -> [u8; 2] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn four(&self, value: u32) -> [u8; 4] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn put(&mut self, bytes: &[u8]) -> u32 {
        let at = self.out.len() as u32;
        self.out.extend(bytes);
        at
    }

    fn offsets(&mut self, offsets: &[u32]) -> Entry {
        let bytes: Vec<u8> = offsets.iter().flat_map(|&offset| self.four(offset)).collect();
        let at = if offsets.len() == 1 { offsets[0] } else { self.put(&bytes) };
        (0x014a, LONG, offsets.len() as u32, at)
    }

    fn directory(&mut self, entries: &[Entry], next: u32) -> u32 {
        let mut bytes = self.two(entries.len() as u16).to_vec();
        for &(tag, kind, count, value) in entries {
            bytes.extend([self.two(tag), self.two(kind)].concat());
            bytes.extend(self.four(count));
            match kind {
                SHORT if count == 1 => bytes.extend([self.two(value as u16), [0; 2]].concat()),
                _ => bytes.extend(self.four(value)),
            }
        }
        bytes.extend(self.four(next));
        self.put(&bytes)
    }

    /// Ends the file; `first` is the offset of its first directory.
    fn end(mut self, first: u32) -> Vec<u8> {
        let first = self.four(first);
        self.out[4..8].copy_from_slice(&first);
        self.out
    }
}

/// Old JPEG's tags for a picture.
fn jpeg_at(at: u32, jpeg: &[u8]) -> [Entry; 2] {
    [(0x0201, LONG, 1, at), (0x0202, LONG, 1, jpeg.len() as u32)]
}

/// A picture in one strip.
fn strip(at: u32, bytes: &[u8], compression: u32) -> [Entry; 3] {
    [(0x0103, SHORT, 1, compression), (0x0111, LONG, 1, at), (0x0117, LONG, 1, bytes.len() as u32)]
}

/// A lossless JPEG file, as the data of a sensor often is.
const LOSSLESS: &[u8] = b"\xff\xd8\xff\xc3\0\x0b\x0e\x10\0\x10\0\x01\0\x11\0\xff\xd9";
const TURNED: Entry = (0x0112, SHORT, 1, 6);
const MOSAIC: Entry = (0x0106, SHORT, 1, 32803);

fn dng(small: &[u8], large: &[u8]) -> Vec<u8> {
    let mut tiff = Tiff::new(b"II*\0");
    let (small_at, large_at, raw_at) = (tiff.put(small), tiff.put(large), tiff.put(LOSSLESS));
    let date = tiff.put(b"2024:05:01 12:30:59\0");
    let raw = tiff.directory(&[&[MOSAIC][..], &strip(raw_at, LOSSLESS, 7)].concat(), 0);
    let preview = tiff.directory(&strip(large_at, large, 7), 0);
    let subs = tiff.offsets(&[raw, preview]);
    let exif = tiff.directory(&[(0x9003, 2, 20, date)], 0);
    let own =
        [&strip(small_at, small, 7)[..], &[TURNED, subs, (0x8769, LONG, 1, exif), (0xc612, 1, 4, 0x0401)]].concat();
    let first = tiff.directory(&own, 0);
    tiff.end(first)
}

fn cr2(small: &[u8], large: &[u8]) -> Vec<u8> {
    let mut tiff = Tiff::new(b"II*\0");
    tiff.out[8..12].copy_from_slice(b"CR\x02\0");
    let (small_at, large_at, raw_at) = (tiff.put(small), tiff.put(large), tiff.put(LOSSLESS));
    let raw = tiff.directory(&strip(raw_at, LOSSLESS, 6), 0);
    let thumbnail = tiff.directory(&jpeg_at(small_at, small), raw);
    let first = tiff.directory(&[&[TURNED][..], &strip(large_at, large, 6)].concat(), thumbnail);
    tiff.end(first)
}

fn nef(small: &[u8], large: &[u8]) -> Vec<u8> {
    let mut tiff = Tiff::new(b"MM\0*");
    let (large_at, raw_at) = (tiff.put(large), tiff.put(small));
    let preview = tiff.directory(&jpeg_at(large_at, large), 0);
    let raw = tiff.directory(&[&[MOSAIC][..], &strip(raw_at, small, 34713)].concat(), 0);
    let subs = tiff.offsets(&[preview, raw]);
    let first = tiff.directory(&[TURNED, subs, (0x0103, SHORT, 1, 1)], 0);
    tiff.end(first)
}

/// A preview that the maker's note of Nikon leads to.
fn nrw(_: &[u8], large: &[u8]) -> Vec<u8> {
    let mut tiff = Tiff::new(b"II*\0");
    let mut note = Tiff::new(b"II*\0");
    let large_at = note.put(large);
    let inner = note.directory(&jpeg_at(large_at, large), 0);
    let first = note.directory(&[(0x0011, LONG, 1, inner)], 0);
    let note = [b"Nikon\0\x02\x10\0\0".to_vec(), note.end(first)].concat();
    let at = tiff.put(&note);
    let exif = tiff.directory(&[(0x927c, 7, note.len() as u32, at)], 0);
    let first = tiff.directory(&[TURNED, MOSAIC, (0x8769, LONG, 1, exif)], 0);
    tiff.end(first)
}

/// Also PEF: the full size is in the third directory.
fn arw(magic: &[u8], small: &[u8], large: &[u8]) -> Vec<u8> {
    let mut tiff = Tiff::new(magic);
    let (small_at, large_at) = (tiff.put(small), tiff.put(large));
    let third = tiff.directory(&jpeg_at(large_at, large), 0);
    let second = tiff.directory(&jpeg_at(small_at, small), third);
    let first = tiff.directory(&[TURNED, MOSAIC, (0x0103, SHORT, 1, 65535)], second);
    tiff.end(first)
}

fn orf(magic: &[u8], header: &[u8], large: &[u8]) -> Vec<u8> {
    let mut tiff = Tiff::new(magic);
    // Offsets count from the start of the note; the picture is behind it.
    let mut note = Tiff { out: header.to_vec(), big: false };
    let start = header.len() as u32;
    let inner = start + 2 + 12 + 4;
    let length = inner + 2 + 24 + 4;
    note.directory(&[(0x2020, 13, 1, inner)], 0);
    note.directory(&[(0x0101, LONG, 1, length), (0x0102, LONG, 1, large.len() as u32)], 0);
    assert_eq!(note.out.len() as u32, length);
    let at = tiff.put(&note.out);
    tiff.put(large);
    let exif = tiff.directory(&[(0x927c, 7, length, at)], 0);
    let first = tiff.directory(&[TURNED, (0x8769, LONG, 1, exif)], 0);
    tiff.end(first)
}

fn rw2(_: &[u8], large: &[u8]) -> Vec<u8> {
    let mut tiff = Tiff::new(b"IIU\0");
    let at = tiff.put(large);
    let first = tiff.directory(&[(0x002e, 7, large.len() as u32, at), TURNED], 0);
    tiff.end(first)
}

fn srw(_: &[u8], large: &[u8]) -> Vec<u8> {
    let mut tiff = Tiff::new(b"II*\0");
    let at = tiff.put(large);
    let sub = tiff.directory(&jpeg_at(at, large), 0);
    let subs = tiff.offsets(&[sub]);
    let raw = tiff.directory(&[(0x0103, SHORT, 1, 32772), MOSAIC], 0);
    let first = tiff.directory(&[TURNED, subs], raw);
    tiff.end(first)
}

fn boxed(kind: &[u8], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
}

/// The JPEG of full size in a track, a preview, a thumbnail, and metadata in three blocks.
fn cr3(small: &[u8], large: &[u8]) -> Vec<u8> {
    let block = |entries: &[Entry], text: &[u8]| {
        let mut tiff = Tiff::new(b"II*\0");
        let at = tiff.put(text);
        let entries: Vec<Entry> =
            entries.iter().map(|&(t, k, c, v)| (t, k, c, if v == 1 && c > 4 { at } else { v })).collect();
        let first = tiff.directory(&entries, 0);
        tiff.end(first)
    };
    let degrees = [48u32, 1, 30, 1, 0, 1].iter().flat_map(|part| part.to_le_bytes()).collect::<Vec<u8>>();
    let place = {
        let mut tiff = Tiff::new(b"II*\0");
        let at = tiff.put(&degrees);
        let (north, east) = (u32::from(b'N'), u32::from(b'E'));
        let first = tiff.directory(&[(1, 2, 2, north), (2, 5, 3, at), (3, 2, 2, east), (4, 5, 3, at)], 0);
        tiff.end(first)
    };
    let header = [0; 16];
    let metadata = [
        boxed(b"CMT1", &block(&[(0x010f, 2, 6, 1), TURNED], b"Canon\0")),
        boxed(b"CMT2", &block(&[(0x9003, 2, 20, 1)], b"2024:05:01 12:30:59\0")),
        boxed(b"CMT4", &place),
        boxed(b"THMB", &[&header[..], small].concat()),
    ]
    .concat();
    let id = 0x85c0_b687_820f_11e0_8111_f4ce_462b_6a48_u128.to_be_bytes();
    let metadata = boxed(b"uuid", &[&id[..], &metadata].concat());
    let id = 0xeaf4_2b5e_1c98_4b88_b9fb_b7dc_406e_4d16_u128.to_be_bytes();
    let preview = boxed(b"PRVW", &[&header[..], small].concat());
    let preview = boxed(b"uuid", &[&id[..], &[0; 8], &preview].concat());
    let kind = boxed(b"ftyp", b"crx \0\0\0\x01crx isom");
    let film = |offset: u64| {
        let sizes = [&[0; 4][..], &(large.len() as u32).to_be_bytes(), &1u32.to_be_bytes()].concat();
        let chunks = [&[0, 0, 0, 0, 0, 0, 0, 1][..], &offset.to_be_bytes()].concat();
        let table = boxed(b"stbl", &[boxed(b"stsz", &sizes), boxed(b"co64", &chunks)].concat());
        let track = boxed(b"trak", &boxed(b"mdia", &boxed(b"minf", &table)));
        boxed(b"moov", &[metadata.clone(), track].concat())
    };
    let start = kind.len() + film(0).len() + preview.len() + 8;
    [kind, film(start as u64), preview, boxed(b"mdat", large)].concat()
}

fn raf(_: &[u8], large: &[u8]) -> Vec<u8> {
    let mut out = b"FUJIFILMCCD-RAW 0201".to_vec();
    out.resize(84, 0);
    out.extend([[0, 0, 0, 100], (large.len() as u32).to_be_bytes()].concat());
    out.resize(100, 0);
    out.extend(large);
    out
}

fn all(small: &[u8], large: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a.dng", dng(small, large)),
        ("a.cr2", cr2(small, large)),
        ("a.nef", nef(small, large)),
        ("a.nrw", nrw(small, large)),
        ("a.arw", arw(b"II*\0", small, large)),
        ("a.pef", arw(b"MM\0*", small, large)),
        ("a.orf", orf(b"IIRO", b"OLYMPUS\0II\x03\0", large)),
        ("b.orf", orf(b"MMOR", b"OM SYSTEM\0\0\0II\x04\0", large)),
        ("a.rw2", rw2(small, large)),
        ("a.srw", srw(small, large)),
        ("a.cr3", cr3(small, large)),
        ("a.raf", raf(small, large)),
    ]
}

/// A small and a larger JPEG file, neither with an orientation.
fn previews() -> (Vec<u8>, Vec<u8>) {
    (read("17x16-0.jpg"), read("64x48-2.jpg"))
}

#[test]
fn the_largest_preview_is_read_upright() {
    let (small, large) = previews();
    let plain = decode(&large, false, "large").unwrap();
    let (width, height) = (plain.width(), plain.height());
    assert!(width > decode(&small, false, "small").unwrap().width() && width != height);
    for (name, bytes) in all(&small, &large) {
        let stored = decode(&bytes, false, name).unwrap();
        assert!(stored == plain, "{name}");
        let upright = decode(&bytes, true, name).unwrap();
        let found = metadata(&bytes, name).unwrap();
        assert_eq!((found.format, found.width, found.height), (Format::Raw, width, height), "{name}");
        if name == "a.raf" {
            // The preview's own metadata are all that a RAF file has.
            assert!(upright == plain);
            continue;
        }
        assert_eq!(found.orientation, 6, "{name}");
        assert_eq!((upright.width(), upright.height()), (height, width), "{name}");
        // The first pixel of a row becomes the last of the first row.
        let pixel = |at: usize, data: &[u8]| data[3 * at..3 * at + 3].to_vec();
        assert_eq!(pixel(height - 1, upright.data()), pixel(0, plain.data()), "{name}");
        assert_eq!(pixel(0, upright.data()), pixel((height - 1) * width, plain.data()), "{name}");
    }
}

#[test]
fn dates_and_places_of_raw_files() {
    let (small, large) = previews();
    for (name, bytes) in [("a.dng", dng(&small, &large)), ("a.cr3", cr3(&small, &large))] {
        let found = metadata(&bytes, name).unwrap();
        assert_eq!(found.taken.map(|taken| taken.to_string()).as_deref(), Some("2024-05-01T12:30:59"), "{name}");
        if name == "a.cr3" {
            assert_eq!(found.make.as_deref(), Some("Canon"));
            let place = found.place.unwrap();
            assert_eq!((place.latitude, place.longitude), (48.5, 48.5));
        }
    }
}

#[test]
fn a_preview_with_an_orientation_is_turned_by_its_own() {
    let (small, _) = previews();
    let large = read("orientation-8.jpg");
    let expected = decode(&large, true, "large").unwrap();
    for (name, bytes) in all(&small, &large) {
        assert!(decode(&bytes, true, name).unwrap() == expected, "{name}");
    }
}

#[test]
fn raw_files_without_a_preview_say_so() {
    let none = b"not a picture at all, but long enough";
    for (name, bytes) in all(none, none) {
        let expected = format!(
            "{name} is a raw image of a kind that cannot be read here (it has no JPEG preview); save it as an ordinary JPEG or PNG"
        );
        assert_eq!(message(&bytes, name), expected);
    }
    for start in [&b"FUJIFILMCCD-RAW"[..], b"IIRO", b"IIU\0", b"II*\0\x10\0\0\0CR", b"\0\0\0\x18ftypcrx "] {
        assert!(message(start, "x").starts_with("x is a"), "{start:?}");
    }
}

/// A scanner's file is no raw file, whatever compression it has.
#[test]
fn other_tiff_files_stay_tiff() {
    let mut tiff = Tiff::new(b"II*\0");
    let first = tiff.directory(&[(0x0103, SHORT, 1, 32773), (0x0106, SHORT, 1, 2), (0x014a, LONG, 1, 8)], 0);
    let bytes = tiff.end(first);
    assert!(message(&bytes, "scan.tif").contains("TIFF image"));
}

#[test]
fn directories_that_never_end_are_left() {
    let mut tiff = Tiff::new(b"II*\0");
    // Each of these leads to itself and to all others.
    let start = tiff.out.len() as u32;
    let length = 2 + 2 * 12 + 4;
    let offsets: Vec<u32> = (0..200).map(|index| start + index * length).collect();
    let list = start + 200 * length;
    for index in 0..200 {
        let next = offsets[(index + 1) % 200];
        tiff.directory(&[MOSAIC, (0x014a, LONG, 200, list)], next);
    }
    tiff.offsets(&offsets);
    // A directory of as many entries as fit into its count, over and over.
    let bytes = tiff.end(start);
    let started = std::time::Instant::now();
    assert!(message(&bytes, "x.dng").contains("no JPEG preview"));
    let mut tiff = Tiff::new(b"II*\0");
    let entries = vec![(0x014a, LONG, 1_u32, 16_u32); 65_535];
    let first = tiff.directory(&entries, 16);
    let second = tiff.directory(&[MOSAIC], first);
    let bytes = tiff.end(second);
    message(&bytes, "x.dng");
    assert!(started.elapsed().as_secs() < 5);
}

#[test]
fn damaged_raw_files_are_errors_or_pictures() {
    let (small, large) = previews();
    let mut random = 1u32;
    for (name, bytes) in all(&small, &large) {
        for end in (0..bytes.len()).step_by(131) {
            let (found, photo) = (metadata(&bytes[..end], name), decode(&bytes[..end], true, name));
            assert!(found.is_ok() || photo.is_err(), "{name} {end}");
        }
        for _ in 0..100 {
            let mut damaged = bytes.clone();
            for _ in 0..4 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (random >> 8) as usize % bytes.len();
                damaged[at] = (random >> 3) as u8;
            }
            let (found, photo) = (metadata(&damaged, name), decode(&damaged, true, name));
            assert!(found.is_ok() || photo.is_err(), "{name}");
        }
    }
}
