//! The marker segments of a JPEG file (ITU-T T.81, annex B): tables, frame and scan headers, and application
//! segments. Knows no entropy-coded data.

use super::super::decode_error::DecodeError;
use super::super::exif;
use super::colour::ColourSpace;
use super::frame::{Component, Frame};
use super::huffman::Table;
use super::standard_tables;
use crate::budget::Budget;
use crate::pixels::Orientation;

/// Maps zigzag positions to row-major positions in a block; positions past the end map to the last one.
pub(super) const ZIGZAG: [u8; 64 + 16] = {
    let mut order = [63; 64 + 16];
    let (mut x, mut y, mut i) = (0u8, 0u8, 0);
    while i < 64 {
        order[i] = y * 8 + x;
        let up = (x + y) % 2 == 0;
        if up && x == 7 {
            y += 1;
        } else if up && y == 0 {
            x += 1;
        } else if up {
            x += 1;
            y -= 1;
        } else if y == 7 {
            x += 1;
        } else if x == 0 {
            y += 1;
        } else {
            x -= 1;
            y += 1;
        }
        i += 1;
    }
    order
};

/// Least length of the segments of JFIF that libjpeg takes for one.
const JFIF_LENGTH: usize = 14;

/// The definition of a Huffman table: the number of codes of each length, and their symbols.
type Definition<'a> = (&'a [u8; 16], &'a [u8]);

/// A scan header.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    /// Indices of the components, each with its DC and AC tables.
    pub components: Vec<(usize, usize, usize)>,
    /// First coefficient, in zigzag order.
    pub start: usize,
    /// Last coefficient, in zigzag order.
    pub end: usize,
    /// Bit position of the previous pass, zero in a first pass.
    pub high: u32,
    /// Bit position of this pass.
    pub low: u32,
}

/// Reads segments and keeps what they set.
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    /// Pixels that the photo may have.
    most_pixels: u64,
    /// Next byte to read.
    pub at: usize,
    pub frame: Option<Frame>,
    quantisation: [Option<[u16; 64]>; 4],
    /// By component: its table at its first scan. Later segments may redefine the table.
    pub component_tables: [Option<[u16; 64]>; 4],
    /// Huffman tables, DC and AC, as the file defines them.
    definitions: [[Option<Definition<'a>>; 4]; 2],
    /// Huffman tables, DC and AC, of the scans so far; built when a scan uses them, because a file may hold any number.
    pub tables: [[Option<Table>; 4]; 2],
    /// MCUs between restart markers; zero for none.
    pub restart_interval: usize,
    /// Whether there is a JFIF header.
    pub jfif: bool,
    /// The colour transform of the Adobe segment.
    pub adobe: Option<u8>,
    /// The colour space, if a container states it.
    pub space: Option<ColourSpace>,
    pub exif: Vec<u8>,
    /// The part of `exif` in the first segment that has some.
    pub exif_part: &'a [u8],
    pub xmp: Option<&'a [u8]>,
    /// The parts of the ICC profile, with their numbers and how many there are to be.
    profile: Vec<([u8; 2], &'a [u8])>,
}

/// The next part of a file after its tables.
pub(super) enum Next {
    Scan(Scan),
    End,
}

fn two(bytes: &[u8], at: usize) -> Result<usize, DecodeError> {
    match bytes.get(at..at + 2) {
        Some(&[high, low]) => Ok(usize::from(high) << 8 | usize::from(low)),
        _ => Err(DecodeError::Truncated),
    }
}

impl<'a> Segments<'a> {
    /// Starts reading after the start-of-image marker.
    pub fn new(bytes: &'a [u8], budget: &Budget) -> Self {
        Segments {
            bytes,
            most_pixels: budget.most_pixels(),
            at: 2,
            frame: None,
            quantisation: [None; 4],
            component_tables: [None; 4],
            definitions: [[None; 4]; 2],
            tables: [const { [const { None }; 4] }; 2],
            restart_interval: 0,
            jfif: false,
            adobe: None,
            space: None,
            exif: Vec::new(),
            exif_part: &[],
            xmp: None,
            profile: Vec::new(),
        }
    }

    /// Reads segments up to a scan header or the end of the image.
    pub fn advance(&mut self) -> Result<Next, DecodeError> {
        loop {
            let marker = self.marker()?;
            match marker {
                0xd9 => return Ok(Next::End),
                // Restart markers and TEM have no length; ignore them.
                0x01 | 0xd0..=0xd8 => continue,
                _ => {}
            }
            // A length counts itself; like libjpeg, take a smaller one for an empty segment.
            let length = two(self.bytes, self.at)?.max(2);
            let segment = self.bytes.get(self.at + 2..self.at + length).ok_or(DecodeError::Truncated)?;
            self.at += length;
            match marker {
                0xc0..=0xc2 => self.frame_header(marker == 0xc2, segment)?,
                0xc4 => self.huffman_tables(segment)?,
                0xc3 | 0xc7 | 0xcb | 0xcf => return Err(DecodeError::unsupported("lossless coding")),
                // 0xcc, the conditioning of arithmetic coding, has no effect on Huffman coding.
                0xc9 | 0xca => return Err(DecodeError::unsupported("arithmetic coding")),
                0xc5 | 0xc6 | 0xcd | 0xce | 0xde => {
                    return Err(DecodeError::unsupported("hierarchical coding"));
                }
                0xda => return self.scan_header(segment).map(Next::Scan),
                0xdb => self.quantisation_tables(segment)?,
                0xdd => self.restart_interval = two(segment, 0)?,
                0xe0 => self.jfif |= segment.starts_with(b"JFIF\0") && segment.len() >= JFIF_LENGTH,
                0xe1 => self.application_1(segment),
                0xe2 => self.application_2(segment),
                0xee if segment.starts_with(b"Adobe") => self.adobe = segment.get(11).copied().or(self.adobe),
                _ => {}
            }
        }
    }

    /// Returns the orientation that the segments so far state.
    pub fn orientation(&self) -> Orientation {
        exif::orientation(exif::tag(&self.exif), self.xmp)
    }

    /// Returns the ICC profile, whose parts may be in any order; `None` if one is missing.
    pub fn profile(&self) -> Option<Vec<u8>> {
        let mut parts = self.profile.clone();
        parts.sort_by_key(|([number, _], _)| *number);
        let count = parts.first()?.0[1];
        let complete = parts.iter().map(|(place, _)| *place).eq((1..=count).map(|number| [number, count]));
        complete.then(|| parts.iter().flat_map(|(_, part)| *part).copied().collect())
    }

    /// Whether a part of an ICC profile was found.
    pub fn has_profile(&self) -> bool {
        !self.profile.is_empty()
    }

    /// Finds the next marker; skips other bytes.
    fn marker(&mut self) -> Result<u8, DecodeError> {
        loop {
            let &byte = self.bytes.get(self.at).ok_or(DecodeError::Truncated)?;
            self.at += 1;
            if byte != 0xff {
                continue;
            }
            match self.bytes.get(self.at).ok_or(DecodeError::Truncated)? {
                0xff => continue,
                0 => self.at += 1,
                &marker => {
                    self.at += 1;
                    return Ok(marker);
                }
            }
        }
    }

    fn frame_header(&mut self, progressive: bool, segment: &[u8]) -> Result<(), DecodeError> {
        if self.frame.is_some() {
            return Err(DecodeError::damaged("two frame headers"));
        }
        self.frame = Some(Frame::read(progressive, segment, self.most_pixels)?);
        Ok(())
    }

    fn quantisation_tables(&mut self, mut segment: &[u8]) -> Result<(), DecodeError> {
        while let Some((&head, rest)) = segment.split_first() {
            let wide = head >> 4 != 0;
            let short = || DecodeError::damaged("a quantisation table is too short");
            let values = rest.get(..if wide { 128 } else { 64 }).ok_or_else(short)?;
            let table = self.quantisation.get_mut(usize::from(head & 15));
            let table = table.ok_or(DecodeError::damaged("a quantisation table has no place"))?;
            let mut natural = [0u16; 64];
            for (i, &place) in ZIGZAG[..64].iter().enumerate() {
                natural[usize::from(place)] =
                    if wide { u16::from_be_bytes([values[2 * i], values[2 * i + 1]]) } else { values[i].into() };
            }
            *table = Some(natural);
            segment = &rest[values.len()..];
        }
        Ok(())
    }

    fn huffman_tables(&mut self, mut segment: &'a [u8]) -> Result<(), DecodeError> {
        while let Some((&head, rest)) = segment.split_first() {
            let short = || DecodeError::damaged("a huffman table is too short");
            let counts = rest.first_chunk::<16>().ok_or_else(short)?;
            let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
            if total > 256 {
                return Err(DecodeError::damaged("a huffman table has too many codes"));
            }
            let symbols = rest.get(16..16 + total).ok_or_else(short)?;
            let (class, index) = (usize::from(head >> 4 != 0), usize::from(head & 15));
            let place = self.definitions[class].get_mut(index);
            *place.ok_or(DecodeError::damaged("a huffman table has no place"))? = Some((counts, symbols));
            self.tables[class][index] = None;
            segment = &rest[16 + total..];
        }
        Ok(())
    }

    fn scan_header(&mut self, segment: &[u8]) -> Result<Scan, DecodeError> {
        let frame = self.frame.as_ref().ok_or(DecodeError::damaged("a scan without a frame"))?;
        let short = || DecodeError::damaged("a scan header is too short");
        let (&count, rest) = segment.split_first().ok_or_else(short)?;
        let (specs, rest) = rest.split_at_checked(usize::from(count) * 2).ok_or_else(short)?;
        let &[start, end, passes, ..] = rest else {
            return Err(short());
        };
        let bad = || DecodeError::damaged("a scan header contradicts the frame");
        let mut components: Vec<(usize, usize, usize)> = Vec::new();
        for &[id, tables] in specs.as_chunks::<2>().0 {
            let named = |(index, component): &(usize, &Component)| {
                component.id == id && components.iter().all(|other| other.0 != *index)
            };
            let index = frame.components.iter().enumerate().find(named).ok_or_else(bad)?.0;
            if tables >> 4 > 3 || tables & 15 > 3 {
                return Err(bad());
            }
            components.push((index, usize::from(tables >> 4), usize::from(tables & 15)));
        }
        let mut scan = Scan {
            components,
            start: usize::from(start),
            end: usize::from(end),
            high: u32::from(passes >> 4),
            low: u32::from(passes & 15),
        };
        if !frame.progressive {
            // Sequential scans have all coefficients; like other decoders, ignore the fields.
            (scan.start, scan.end, scan.high, scan.low) = (0, 63, 0, 0);
        }
        let dc = scan.start == 0;
        if scan.components.is_empty()
            || scan.end > 63
            || scan.start > scan.end
            || frame.progressive && (dc && scan.end != 0 || !dc && scan.components.len() != 1)
            || scan.low > 13
            || scan.high != 0 && scan.high != scan.low + 1
        {
            return Err(bad());
        }
        for &(index, _, _) in &scan.components {
            let table = self.quantisation[frame.components[index].quantisation];
            let table = table.ok_or(DecodeError::damaged("a quantisation table is not there"))?;
            self.component_tables[index].get_or_insert(table);
        }
        for &(_, dc, ac) in &scan.components {
            if scan.start == 0 && scan.high == 0 {
                self.build_table(0, dc)?;
            }
            if scan.end > 0 {
                self.build_table(1, ac)?;
            }
        }
        Ok(scan)
    }

    /// Builds a table that a scan uses. Without a definition it is the standard one, which frames cut from a video leave
    /// out.
    fn build_table(&mut self, class: usize, index: usize) -> Result<(), DecodeError> {
        let table = &mut self.tables[class][index];
        if table.is_none() {
            *table = match self.definitions[class][index] {
                Some((counts, symbols)) => Some(Table::new(counts, symbols)?),
                None => standard_tables::get(class, index),
            };
        }
        Ok(())
    }

    fn application_2(&mut self, segment: &'a [u8]) {
        // More parts than their numbers can tell apart make no sense.
        if let Some((place, part)) = segment.strip_prefix(b"ICC_PROFILE\0").and_then(<[u8]>::split_first_chunk)
            && self.profile.len() < 256
        {
            self.profile.push((*place, part));
        }
    }

    fn application_1(&mut self, segment: &'a [u8]) {
        const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
        if let Some(exif) = segment.strip_prefix(b"Exif\0\0") {
            // Metadata longer than a segment continues in the next.
            let part = if self.exif.is_empty() { segment } else { exif };
            if self.exif.is_empty() {
                self.exif_part = segment;
            }
            if self.exif.try_reserve(part.len()).is_ok() {
                self.exif.extend_from_slice(part);
            }
        } else if let Some(xmp) = segment.strip_prefix(XMP) {
            self.xmp = Some(xmp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zigzag_starts_and_ends_as_in_the_standard() {
        assert_eq!(ZIGZAG[..12], [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25]);
        assert_eq!(ZIGZAG[58..66], [61, 54, 47, 55, 62, 63, 63, 63]);
        let mut seen = [false; 64];
        ZIGZAG[..64].iter().for_each(|&place| seen[usize::from(place)] = true);
        assert!(seen.iter().all(|&seen| seen));
    }
}
