//! The tags of an EXIF block that a photo library asks for. Formulas and numbers of tags: CIPA DC-008 (EXIF 3.0).

use std::ops::Range;

use super::super::exif::{Block, Entries, property};
use super::Place;
use super::taken::{self, DateTaken};

/// Numbers of tags.
mod tag {
    pub const MAKE: u16 = 0x010f;
    pub const MODEL: u16 = 0x0110;
    pub const DATE_TIME: u16 = 0x0132;
    pub const THUMBNAIL_OFFSET: u16 = 0x0201;
    pub const THUMBNAIL_LENGTH: u16 = 0x0202;
    pub const EXIF: u16 = 0x8769;
    pub const GPS: u16 = 0x8825;
    pub const COLOUR_SPACE: u16 = 0xa001;
    pub const DATE_TIME_ORIGINAL: u16 = 0x9003;
    pub const DATE_TIME_DIGITIZED: u16 = 0x9004;
    pub const OFFSET_TIME: u16 = 0x9010;
    pub const OFFSET_TIME_ORIGINAL: u16 = 0x9011;
    pub const OFFSET_TIME_DIGITIZED: u16 = 0x9012;
    pub const SUB_SEC_TIME: u16 = 0x9290;
    pub const SUB_SEC_TIME_ORIGINAL: u16 = 0x9291;
    pub const SUB_SEC_TIME_DIGITIZED: u16 = 0x9292;
    pub const LATITUDE_REF: u16 = 1;
    pub const LATITUDE: u16 = 2;
    pub const LONGITUDE_REF: u16 = 3;
    pub const LONGITUDE: u16 = 4;
}

/// What an EXIF block states.
#[derive(Default)]
pub(super) struct Fields {
    pub taken: Option<DateTaken>,
    pub make: Option<String>,
    pub model: Option<String>,
    pub place: Option<Place>,
    pub colour_space: Option<u16>,
    /// The bytes of the block that are the thumbnail.
    pub thumbnail: Option<Range<usize>>,
}

/// Reads a block.
pub(super) fn read(block: &Block<'_>) -> Fields {
    let mut fields = Fields::default();
    let (mut dates, mut gps) = (Dates::default(), None);
    for entry in block.first().into_iter().flatten() {
        match entry.tag {
            tag::MAKE => fields.make = fields.make.or_else(|| entry.text().and_then(name)),
            tag::MODEL => fields.model = fields.model.or_else(|| entry.text().and_then(name)),
            tag::DATE_TIME => dates.changed = dates.changed.or(entry.text()),
            tag::EXIF => dates.directory = dates.directory.or(entry.whole()),
            tag::GPS => gps = gps.or(entry.whole()),
            _ => {}
        }
    }
    let directory = |at: Option<u32>| at.and_then(|at| block.directory(at as usize));
    if let Some(entries) = directory(dates.directory) {
        dates.read(entries);
    }
    let colour_space =
        directory(dates.directory).and_then(|mut tags| tags.find(|entry| entry.tag == tag::COLOUR_SPACE));
    fields.colour_space = colour_space.and_then(|entry| entry.whole()).and_then(|value| value.try_into().ok());
    fields.taken = dates.taken();
    fields.place = directory(gps).and_then(place);
    fields.thumbnail = thumbnail(block);
    fields
}

/// The texts that make up dates.
#[derive(Default)]
struct Dates<'a> {
    /// Offset of the directory that has most of them.
    directory: Option<u32>,
    changed: Option<&'a [u8]>,
    original: Option<&'a [u8]>,
    digitized: Option<&'a [u8]>,
    /// Fractions of the original, digitized and changed date, and their distances from UTC.
    fractions: [Option<&'a [u8]>; 3],
    offsets: [Option<&'a [u8]>; 3],
}

impl<'a> Dates<'a> {
    fn read(&mut self, entries: Entries<'a>) {
        for entry in entries {
            let text = match entry.tag {
                tag::DATE_TIME_ORIGINAL => &mut self.original,
                tag::DATE_TIME_DIGITIZED => &mut self.digitized,
                tag::SUB_SEC_TIME_ORIGINAL => &mut self.fractions[0],
                tag::SUB_SEC_TIME_DIGITIZED => &mut self.fractions[1],
                tag::SUB_SEC_TIME => &mut self.fractions[2],
                tag::OFFSET_TIME_ORIGINAL => &mut self.offsets[0],
                tag::OFFSET_TIME_DIGITIZED => &mut self.offsets[1],
                tag::OFFSET_TIME => &mut self.offsets[2],
                _ => continue,
            };
            *text = text.or(entry.text());
        }
    }

    fn taken(&self) -> Option<DateTaken> {
        let dates = [self.original, self.digitized, self.changed];
        dates.into_iter().zip(0..).find_map(|(text, kind): (_, usize)| {
            let mut date = DateTaken::parse(text?)?;
            if let Some(fraction) = self.fractions[kind].and_then(taken::fraction) {
                date.nanosecond = fraction;
            }
            // Cameras that state one distance mean all dates.
            let offset = |kind: usize| self.offsets[kind].and_then(taken::offset);
            date.offset_minutes = offset(kind).or_else(|| offset(2)).or(date.offset_minutes);
            Some(date)
        })
    }
}

/// Reads the date of an XMP packet.
pub(super) fn xmp_date(xmp: &[u8]) -> Option<DateTaken> {
    /// More than a date has.
    const LONGEST: usize = 64;
    let names: [&[u8]; 3] = [b"exif:DateTimeOriginal", b"photoshop:DateCreated", b"xmp:CreateDate"];
    names.into_iter().find_map(|name| {
        property(xmp, name).find_map(|value| {
            let end = value.iter().take(LONGEST).position(|byte| matches!(byte, b'"' | b'<'))?;
            DateTaken::parse(&value[..end])
        })
    })
}

/// Cleans the name of a camera or its maker: no control characters, no blanks around it.
fn name(text: &[u8]) -> Option<String> {
    const LONGEST: usize = 128;
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * LONGEST)]);
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    let clean: String = clean.trim().chars().take(LONGEST).collect();
    Some(clean).filter(|clean| !clean.is_empty())
}

/// Reads a place.
fn place(entries: Entries<'_>) -> Option<Place> {
    let (mut latitude, mut longitude, mut north, mut east) = (None, None, None, None);
    for entry in entries {
        let sign = |positive: u8, negative: u8| {
            let letter = entry.text()?.trim_ascii().first()?.to_ascii_uppercase();
            (letter == positive).then_some(1.0).or((letter == negative).then_some(-1.0))
        };
        let degrees = || {
            let part = |index| entry.number(index).filter(|part| part.is_finite() && *part >= 0.0);
            let small = |index| part(index).filter(|part| *part <= 60.0);
            Some(part(0)? + small(1)? / 60.0 + small(2)? / 3600.0)
        };
        match entry.tag {
            tag::LATITUDE_REF => north = north.or_else(|| sign(b'N', b'S')),
            tag::LATITUDE => latitude = latitude.or_else(degrees),
            tag::LONGITUDE_REF => east = east.or_else(|| sign(b'E', b'W')),
            tag::LONGITUDE => longitude = longitude.or_else(degrees),
            _ => {}
        }
    }
    let place = Place { latitude: latitude? * north?, longitude: longitude? * east? };
    let known = place.latitude != 0.0 || place.longitude != 0.0;
    (known && place.latitude.abs() <= 90.0 && place.longitude.abs() <= 180.0).then_some(place)
}

/// Finds the thumbnail, a JPEG file inside of the block.
fn thumbnail(block: &Block<'_>) -> Option<Range<usize>> {
    let (mut offset, mut length) = (None, None);
    for entry in block.second()? {
        match entry.tag {
            tag::THUMBNAIL_OFFSET => offset = offset.or(entry.whole()),
            tag::THUMBNAIL_LENGTH => length = length.or(entry.whole()),
            _ => {}
        }
    }
    let start = offset? as usize;
    let end = start.checked_add(length? as usize)?;
    block.bytes().get(start..end)?.starts_with(b"\xff\xd8\xff").then_some(start..end)
}
