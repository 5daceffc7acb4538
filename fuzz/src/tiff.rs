//! TIFF files that are mostly well-formed: a header, one directory with the tags of a picture, strips or tiles.

use arbitrary::Arbitrary;

/// A TIFF file.
#[derive(Arbitrary, Debug)]
pub struct File {
    little: bool,
    width: u8,
    height: u8,
    bits: Vec<Bits>,
    compression: Compression,
    photometric: u8,
    planar: bool,
    predictor: u8,
    fill_order: u8,
    sample_format: u8,
    t4_options: u8,
    rows_per_strip: u8,
    tile: Option<(u8, u8)>,
    colours: Vec<u16>,
    extra_samples: Vec<u8>,
    orientation: u8,
    jpeg_tables: Vec<u8>,
    chunks: Vec<Vec<u8>>,
    /// Entries with any content.
    other: Vec<(u16, u16, u32, u32)>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Bits {
    One,
    Two,
    Four,
    Eight,
    Sixteen,
    ThirtyTwo,
    Any(u8),
}

impl Bits {
    fn count(self) -> u16 {
        match self {
            Bits::One => 1,
            Bits::Two => 2,
            Bits::Four => 4,
            Bits::Eight => 8,
            Bits::Sixteen => 16,
            Bits::ThirtyTwo => 32,
            Bits::Any(bits) => bits.into(),
        }
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Compression {
    None,
    Rle,
    Fax3,
    Fax4,
    Lzw,
    OldJpeg,
    Jpeg,
    Deflate,
    PackBits,
    Any(u16),
}

impl Compression {
    fn tag(self) -> u32 {
        match self {
            Compression::None => 1,
            Compression::Rle => 2,
            Compression::Fax3 => 3,
            Compression::Fax4 => 4,
            Compression::Lzw => 5,
            Compression::OldJpeg => 6,
            Compression::Jpeg => 7,
            Compression::Deflate => 8,
            Compression::PackBits => 32773,
            Compression::Any(tag) => tag.into(),
        }
    }
}

const SHORT: u16 = 3;
const LONG: u16 = 4;
const UNDEFINED: u16 = 7;

/// Writes numbers in the byte order of the file.
struct Output {
    little: bool,
    bytes: Vec<u8>,
}

impl Output {
    fn two(&mut self, value: u16) {
        self.bytes.extend(if self.little { value.to_le_bytes() } else { value.to_be_bytes() });
    }

    fn four(&mut self, value: u32) {
        self.bytes.extend(if self.little { value.to_le_bytes() } else { value.to_be_bytes() });
    }

    /// Writes `values` of a type and returns their offset.
    fn values(&mut self, kind: u16, values: &[u32]) -> u32 {
        let at = self.bytes.len() as u32;
        for &value in values {
            match kind {
                SHORT => self.two(value as u16),
                LONG => self.four(value),
                _ => self.bytes.push(value as u8),
            }
        }
        at
    }
}

impl File {
    /// The bytes of the file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Output { little: self.little, bytes: Vec::new() };
        out.bytes.extend(if self.little { *b"II" } else { *b"MM" });
        out.two(42);
        out.four(0);
        let chunks: Vec<(u32, u32)> = self
            .chunks
            .iter()
            .map(|chunk| {
                let at = out.bytes.len() as u32;
                out.bytes.extend(chunk);
                (at, chunk.len() as u32)
            })
            .collect();
        let bits: Vec<u32> = self.bits.iter().take(8).map(|bits| bits.count().into()).collect();
        let (offsets, lengths): (Vec<u32>, Vec<u32>) = chunks.into_iter().unzip();
        let list = |bytes: &[u8]| bytes.iter().map(|&byte| byte.into()).collect::<Vec<u32>>();
        let mut entries: Vec<(u16, u16, Vec<u32>)> = vec![
            (256, SHORT, vec![self.width.into()]),
            (257, SHORT, vec![self.height.into()]),
            (258, SHORT, bits.clone()),
            (259, SHORT, vec![self.compression.tag()]),
            (262, SHORT, vec![self.photometric.into()]),
            (266, SHORT, vec![self.fill_order.into()]),
            (274, SHORT, vec![self.orientation.into()]),
            (277, SHORT, vec![bits.len() as u32]),
            (284, SHORT, vec![1 + u32::from(self.planar)]),
            (292, LONG, vec![self.t4_options.into()]),
            (317, SHORT, vec![self.predictor.into()]),
            (320, SHORT, self.colours.iter().map(|&colour| colour.into()).collect()),
            (338, SHORT, list(&self.extra_samples)),
            (339, SHORT, vec![self.sample_format.into()]),
            (347, UNDEFINED, list(&self.jpeg_tables)),
        ];
        match self.tile {
            Some((width, height)) => entries.extend([
                (322, SHORT, vec![width.into()]),
                (323, SHORT, vec![height.into()]),
                (324, LONG, offsets),
                (325, LONG, lengths),
            ]),
            None => entries.extend([
                (273, LONG, offsets),
                (278, SHORT, vec![self.rows_per_strip.into()]),
                (279, LONG, lengths),
            ]),
        }
        entries.retain(|(_, _, values)| !values.is_empty() && values != &[0]);
        entries.sort();

        // Values that do not fit into an entry precede the directory.
        let mut directory: Vec<(u16, u16, u32, Option<u32>, Vec<u32>)> = Vec::new();
        for (tag, kind, values) in entries {
            let size = match kind {
                SHORT => 2,
                LONG => 4,
                _ => 1,
            } * values.len();
            let at = (size > 4).then(|| out.values(kind, &values));
            directory.push((tag, kind, values.len() as u32, at, values));
        }
        let start = out.bytes.len() as u32;
        out.two((directory.len() + self.other.len()) as u16);
        for (tag, kind, count, at, values) in directory {
            out.two(tag);
            out.two(kind);
            out.four(count);
            match at {
                Some(at) => out.four(at),
                None => {
                    let end = out.bytes.len() + 4;
                    out.values(kind, &values);
                    out.bytes.resize(end, 0);
                }
            }
        }
        for &(tag, kind, count, value) in &self.other {
            out.two(tag);
            out.two(kind);
            out.four(count);
            out.four(value);
        }
        out.four(0);
        let offset = if self.little { start.to_le_bytes() } else { start.to_be_bytes() };
        out.bytes[4..8].copy_from_slice(&offset);
        out.bytes
    }
}
