//! A walk over the directories of a raw file with the structure of TIFF: DNG, CR2, NEF, NRW, ARW, ORF, RW2, PEF, SRW.
//!
//! Pictures are where TIFF has them (strips, the tags of old JPEG), in Panasonic's tag of its own, and in the maker's notes
//! of Olympus and Nikon. Numbers of tags: TIFF 6.0, Adobe's DNG specification, the tables of ExifTool.

use super::super::exif::{Block, Entry};

/// Numbers of tags.
mod tag {
    pub const PANASONIC_JPEG: u16 = 0x002e;
    pub const COMPRESSION: u16 = 0x0103;
    pub const PHOTOMETRIC: u16 = 0x0106;
    pub const STRIP_OFFSETS: u16 = 0x0111;
    pub const ORIENTATION: u16 = 0x0112;
    pub const STRIP_LENGTHS: u16 = 0x0117;
    pub const SUB_DIRECTORIES: u16 = 0x014a;
    pub const JPEG_OFFSET: u16 = 0x0201;
    pub const JPEG_LENGTH: u16 = 0x0202;
    pub const EXIF: u16 = 0x8769;
    pub const MAKER_NOTE: u16 = 0x927c;
    pub const DNG_VERSION: u16 = 0xc612;
    pub const OLYMPUS_SETTINGS: u16 = 0x2020;
    pub const OLYMPUS_OFFSET: u16 = 0x0101;
    pub const OLYMPUS_LENGTH: u16 = 0x0102;
    pub const NIKON_PREVIEW: u16 = 0x0011;
}

/// Most directories of a file, and entries of a directory, that are looked at. Cameras write ten, with less than a hundred.
const MAX_DIRECTORIES: usize = 64;
const MAX_ENTRIES: usize = 1000;

/// What the directories of a file hold.
#[derive(Default)]
pub(super) struct Found<'a> {
    /// Parts of the file that may be JPEG files.
    pub pictures: Vec<&'a [u8]>,
    /// The orientation in the first directory.
    pub orientation: Option<u32>,
    /// Whether there is data of a sensor.
    pub is_raw: bool,
}

/// Looks at the directories of a file, each once.
pub(super) fn walk<'a>(block: &Block<'a>) -> Found<'a> {
    let mut found = Found::default();
    let mut waiting: Vec<usize> = block.first_offset().into_iter().collect();
    let mut seen: Vec<usize> = Vec::new();
    while let Some(at) = waiting.pop() {
        if seen.len() == MAX_DIRECTORIES || seen.contains(&at) {
            continue;
        }
        let first = seen.is_empty();
        seen.push(at);
        let next = block.next_offset(at);
        waiting.extend(next.filter(|next| !seen.contains(next)));
        let mut picture = Picture::default();
        for entry in block.directory(at).into_iter().flatten().take(MAX_ENTRIES) {
            let numbers = |entry: &Entry<'_>| -> Vec<usize> {
                let numbers = (0..MAX_DIRECTORIES).map_while(|index| entry.number(index));
                numbers.map(|number| number as usize).collect()
            };
            match entry.tag {
                tag::ORIENTATION if first => found.orientation = found.orientation.or(entry.whole()),
                tag::SUB_DIRECTORIES => waiting.extend(numbers(&entry)),
                tag::EXIF => maker_note(block, entry.whole(), &mut found.pictures),
                tag::DNG_VERSION => found.is_raw = true,
                tag::PANASONIC_JPEG => found.pictures.push(entry.value),
                _ => picture.read(&entry),
            }
        }
        found.is_raw |= picture.is_raw();
        found.pictures.extend(picture.jpeg(block.bytes()));
    }
    found
}

/// What a directory states about its picture.
#[derive(Default)]
struct Picture {
    compression: Option<u32>,
    photometric: Option<u32>,
    strip: [Option<u32>; 2],
    jpeg: [Option<u32>; 2],
    strips: usize,
}

impl Picture {
    fn read(&mut self, entry: &Entry<'_>) {
        let field = match entry.tag {
            tag::COMPRESSION => &mut self.compression,
            tag::PHOTOMETRIC => &mut self.photometric,
            tag::STRIP_OFFSETS => {
                self.strips = if entry.number(1).is_some() { 2 } else { 1 };
                &mut self.strip[0]
            }
            tag::STRIP_LENGTHS => &mut self.strip[1],
            tag::JPEG_OFFSET => &mut self.jpeg[0],
            tag::JPEG_LENGTH => &mut self.jpeg[1],
            _ => return,
        };
        *field = field.or(entry.whole());
    }

    /// Whether it is data of a sensor: a mosaic of colours or linear raw data, or one of the makers' compressions.
    fn is_raw(&self) -> bool {
        matches!(self.photometric, Some(32803 | 34892))
            || matches!(self.compression, Some(32767 | 32769 | 32770 | 32772 | 32773 | 34713 | 65535)
                if self.photometric.is_none_or(|photometric| photometric > 6))
    }

    /// The parts of the file that may be a JPEG file: what the tags of old JPEG state, else the only strip.
    fn jpeg<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let coded = matches!(self.compression, Some(6 | 7)) && self.strips == 1;
        let strip = if coded { self.strip } else { [None; 2] };
        [self.jpeg, strip].into_iter().filter_map(|[offset, length]| part(bytes, offset?, length?))
    }
}

/// Returns a part of the file; of one that ends early, what is there.
fn part(bytes: &[u8], offset: u32, length: u32) -> Option<&[u8]> {
    let rest = bytes.get(offset as usize..)?;
    Some(&rest[..rest.len().min(length as usize)])
}

/// Looks for the preview in the maker's note of an EXIF directory.
fn maker_note<'a>(block: &Block<'a>, exif: Option<u32>, pictures: &mut Vec<&'a [u8]>) {
    let Some(entries) = exif.and_then(|at| block.directory(at as usize)) else { return };
    let Some(note) = entries.take(MAX_ENTRIES).find(|entry| entry.tag == tag::MAKER_NOTE) else { return };
    // Offsets may lead beyond the note.
    let start = note.value.as_ptr().addr() - block.bytes().as_ptr().addr();
    let Some(rest) = block.bytes().get(start..) else { return };
    let found = if rest.starts_with(b"Nikon\0\x02") {
        rest.get(10..).and_then(Block::of).and_then(|note| {
            let note_at = note.first_offset()?;
            referred(&note, note_at, tag::NIKON_PREVIEW, [tag::JPEG_OFFSET, tag::JPEG_LENGTH])
        })
    } else {
        let olympus = |header: usize| {
            let little = rest.get(header - 4..header - 2)? == b"II";
            let note = Block::bare(rest, little);
            referred(&note, header, tag::OLYMPUS_SETTINGS, [tag::OLYMPUS_OFFSET, tag::OLYMPUS_LENGTH])
        };
        match rest {
            _ if rest.starts_with(b"OLYMPUS\0") => olympus(12),
            _ if rest.starts_with(b"OM SYSTEM\0") => olympus(16),
            _ => None,
        }
    };
    pictures.extend(found);
}

/// Finds a picture in a directory to which one of the maker's note refers.
fn referred<'a>(note: &Block<'a>, at: usize, directory: u16, place: [u16; 2]) -> Option<&'a [u8]> {
    let mut entries = note.directory(at)?.take(MAX_ENTRIES);
    let inner = entries.find(|entry| entry.tag == directory)?.whole()?;
    let mut found = [None; 2];
    for entry in note.directory(inner as usize)?.take(MAX_ENTRIES) {
        for (found, tag) in found.iter_mut().zip(place) {
            *found = found.or_else(|| entry.whole().filter(|_| entry.tag == tag));
        }
    }
    part(note.bytes(), found[0]?, found[1]?)
}
