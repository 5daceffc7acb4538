//! JPEG data in TIFF files: parts that are JPEG images, with tables that they share.

use super::super::decode_error::DecodeError;
use super::super::jpeg::{self, ColourSpace};
use super::directory::{Directory, tag};
use super::layout::{Layout, Place};
use super::samples::{BLACK_IS_ZERO, CIELAB, CMYK, Meaning, PALETTE, RGB, Samples, WHITE_IS_ZERO, YCBCR};
use crate::budget::Budget;
use crate::pixels::{Orientation, RgbBuffer, RowSink, SinkError};

/// Work to start the decoder for a part: its segments and tables.
const START: u64 = 20_000;

/// Work per pixel of a part, drawn before it is decoded.
const WORK_PER_PIXEL: u64 = 16;

/// Reads the parts of an image as JPEG.
pub(super) struct JpegParts<'a> {
    /// The tables, a JPEG file without image and end marker; it becomes the start of every part.
    tables: &'a [u8],
    space: ColourSpace,
    /// Samples that a pixel has in the result of a part: one or three.
    pub step: usize,
    /// Tables and part together.
    file: Vec<u8>,
}

impl<'a> JpegParts<'a> {
    /// Selects the colour space: that of the tags, which overrides that of the JPEG data. Where the JPEG decoder converts
    /// to RGB, changes the meaning of `samples` to RGB.
    pub fn new(directory: &Directory<'a>, planar: bool, samples: &mut Samples) -> Result<JpegParts<'a>, DecodeError> {
        if samples.bits != 8 {
            return Err(DecodeError::unsupported(format_args!("jpeg data of {} bits a sample", samples.bits)));
        }
        let to_rgb = |space| (space, 3, Some(Meaning::Rgb { premultiplied: false }));
        let (space, step, meaning) = match (samples.photometric, samples.count, &samples.meaning) {
            _ if planar => (ColourSpace::Grey, 1, None),
            (WHITE_IS_ZERO | BLACK_IS_ZERO | PALETTE | YCBCR, 1, _) => (ColourSpace::Grey, 1, None),
            (RGB | CIELAB, 3, _) => (ColourSpace::Rgb, 3, None),
            (YCBCR, 3, _) => to_rgb(ColourSpace::YCbCr),
            (CMYK, 4, _) => to_rgb(ColourSpace::Inks),
            (RGB, 4, Meaning::Rgb { premultiplied: false }) => to_rgb(ColourSpace::RgbAndMore),
            (photometric, count, _) => {
                return Err(DecodeError::unsupported(format_args!(
                    "jpeg data of {count} samples in the colours number {photometric}"
                )));
            }
        };
        samples.meaning = meaning.unwrap_or(std::mem::replace(&mut samples.meaning, Meaning::Grey12));
        // Damaged tables do not matter if no part needs them.
        let tables = directory.values(tag::JPEG_TABLES).ok().flatten().map_or(&[][..], |values| values.bytes());
        let tables = &tables[..tables.len().saturating_sub(2)];
        Ok(JpegParts { tables, space, step, file: Vec::new() })
    }

    /// Decodes a part to `out`, rows of the part's width and of `step` samples per pixel; `channel` is the first of them
    /// that the part has.
    pub fn decode(
        &mut self,
        data: &[u8],
        layout: &Layout<'_>,
        place: Place,
        (step, channel): (usize, usize),
        out: &mut [u8],
        budget: &Budget,
    ) -> Result<(), DecodeError> {
        budget.work(START + 4 * (self.tables.len() + data.len()) as u64)?;
        let file = match self.tables {
            [] => data,
            tables => {
                let body = data.get(2..).unwrap_or_default();
                self.file.clear();
                let length = tables.len() + body.len();
                self.file
                    .try_reserve_exact(length)
                    .map_err(|_| DecodeError::out_of_memory(layout.width, layout.height))?;
                self.file.extend_from_slice(tables);
                self.file.extend_from_slice(body);
                &self.file
            }
        };
        let (width, height) = jpeg::declared_size(file, budget)?;
        if width < place.columns || height < place.rows {
            return Err(DecodeError::damaged("a part is smaller than its place"));
        }
        // As libtiff does, tolerate a last strip that is as high as the others.
        let part_height = if layout.tiled { layout.part_height } else { place.rows };
        let last = !layout.tiled && place.top + place.rows == layout.height && width == layout.part_width;
        if width > layout.part_width || height > part_height && !last {
            return Err(DecodeError::damaged("a part is larger than its place"));
        }
        budget.work(WORK_PER_PIXEL * (width * height) as u64)?;
        let taken = if self.step == 1 { 1 } else { 3 };
        let rows = Rows { out, row_bytes: layout.part_width * step, step, channel, taken };
        let mut sink = PartSink { rows, width, next: 0, given: 0, scratch: Vec::new() };
        jpeg::decode_as(file, false, Some(self.space), budget, &mut sink)
    }
}

/// The place of a part's samples.
struct Rows<'a> {
    out: &'a mut [u8],
    row_bytes: usize,
    /// Samples of a pixel.
    step: usize,
    /// The first sample to write.
    channel: usize,
    /// Samples to write.
    taken: usize,
}

/// Takes the rows of a part; drops those below the end of `rows`.
struct PartSink<'a> {
    rows: Rows<'a>,
    width: usize,
    /// The next row.
    next: usize,
    /// Rows that the last buffer had.
    given: usize,
    /// `[given, width, 3]`
    scratch: Vec<u8>,
}

impl RowSink for PartSink<'_> {
    fn begin(&mut self, width: usize, height: usize, _: Orientation) -> Result<(), SinkError> {
        // No more rows are handed out at a time than an MCU has, which is at most 32.
        let out_of_memory = SinkError::OutOfMemory { width, height };
        self.scratch.try_reserve_exact(width * 3 * height.min(32)).map_err(|_| out_of_memory)?;
        Ok(())
    }

    fn rows_mut(&mut self, count: usize) -> &mut [u8] {
        self.given = count;
        self.scratch.resize(count * self.width * 3, 0);
        &mut self.scratch
    }

    fn commit(&mut self) {
        let Rows { out, row_bytes, step, channel, taken } = &mut self.rows;
        let out = out.chunks_exact_mut(*row_bytes).skip(self.next);
        for (out, row) in out.zip(self.scratch.chunks_exact(self.width * 3)) {
            if *step == 3 && *taken == 3 {
                out[..row.len()].copy_from_slice(row);
                continue;
            }
            for (samples, pixel) in out.chunks_exact_mut(*step).zip(row.chunks_exact(3)) {
                samples[*channel..*channel + *taken].copy_from_slice(&pixel[..*taken]);
            }
        }
        self.next += self.given;
    }

    fn whole(&mut self, _: RgbBuffer, _: Orientation) -> Result<(), SinkError> {
        // The JPEG decoder delivers rows.
        Err(SinkError::NoPhoto)
    }
}
