//! Reads the parts of an image and joins them to RGB pixels.

use super::super::decode_error::{DecodeError, try_filled};
use super::super::decoded::Notes;
use super::codec::Codec;
use super::directory::Directory;
use super::jpeg::JpegParts;
use super::layout::{Layout, Place};
use super::predictor::Predictor;
use super::samples::Samples;
use crate::budget::Budget;

/// How to read an image.
pub(super) struct Image<'a> {
    layout: Layout<'a>,
    samples: Samples,
    predictor: Predictor,
    codec: Codec,
    jpeg: Option<JpegParts<'a>>,
    /// Whether each byte has its first bit at the bottom.
    reversed: bool,
    /// The size of a stored part's rows and of the same rows as interleaved samples.
    sizes: Sizes,
}

/// Sizes of a part's rows in bytes.
struct Sizes {
    /// A row as it is decompressed; of subsampled chroma, a row of blocks.
    stored: usize,
    /// Rows of pixels in a stored row.
    stored_rows: usize,
    /// A row of interleaved samples.
    row: usize,
    /// Samples of a pixel in such a row.
    step: usize,
}

/// The buffers of a part.
struct Buffers {
    /// A part as it is decompressed.
    stored: Vec<u8>,
    /// Interleaved samples, if they are not stored so.
    samples: Vec<u8>,
    /// A part whose bits are put in order.
    ordered: Vec<u8>,
}

impl<'a> Image<'a> {
    /// Prepares to read an image of this layout.
    pub fn new(
        directory: &Directory<'a>,
        mut layout: Layout<'a>,
        mut samples: Samples,
        codec: Codec,
        reversed: bool,
    ) -> Result<Image<'a>, DecodeError> {
        layout.planar &= samples.count > 1;
        let predictor = match codec.predicts() {
            true => Predictor::read(directory, samples.bits, samples.float)?,
            false => Predictor::None,
        };
        if samples.subsampling.is_some() && (layout.planar || predictor != Predictor::None) {
            return Err(DecodeError::unsupported("subsampled chroma in planes or with a predictor"));
        }
        if matches!(codec, Codec::Fax(_)) && (samples.bits, samples.count) != (1, 1) {
            return Err(DecodeError::unsupported("facsimile data of more than a bit for each pixel"));
        }
        let jpeg = match codec {
            Codec::Jpeg => Some(JpegParts::new(directory, layout.planar, &mut samples)?),
            _ => None,
        };
        let step = match &jpeg {
            _ if layout.planar => samples.used(),
            Some(jpeg) => jpeg.step,
            None if samples.subsampling.is_some() => 3,
            None => samples.count,
        };
        let row = |step: usize| {
            let bits = layout.part_width.checked_mul(step)?.checked_mul(samples.bits as usize)?;
            Some(bits.div_ceil(8))
        };
        let (stored, stored_rows) = match samples.subsampling {
            Some(subsampling) => (subsampling.row_bytes(layout.part_width), subsampling.down),
            None => (row(if layout.planar { 1 } else { step }), 1),
        };
        let error = || DecodeError::out_of_memory(layout.width, layout.height);
        let sizes = Sizes { stored: stored.ok_or_else(error)?, stored_rows, row: row(step).ok_or_else(error)?, step };
        Ok(Image { layout, samples, predictor, codec, jpeg, reversed, sizes })
    }

    /// Reads all parts to `[height, width, 3]`.
    pub fn read(mut self, budget: &Budget) -> Result<(Vec<u8>, Notes), DecodeError> {
        let (width, height) = (self.layout.width, self.layout.height);
        budget.memory((width * height * 3) as u64)?;
        let mut out = try_filled(width, height, 3, 0u8)?;
        let rows = self.layout.part_height.min(height);
        let filled = |size: usize, rows: usize| {
            budget.memory(size.saturating_mul(rows) as u64)?;
            try_filled(size, rows, 1, 0u8).map_err(|_| DecodeError::out_of_memory(width, height))
        };
        let apart = self.layout.planar || self.samples.subsampling.is_some();
        let stored_rows = rows.div_ceil(self.sizes.stored_rows);
        let mut buffers = Buffers {
            stored: filled(self.sizes.stored, stored_rows)?,
            samples: if apart { filled(self.sizes.row, rows)? } else { Vec::new() },
            ordered: Vec::new(),
        };
        let mut notes = Notes::default();
        for place in self.layout.places() {
            self.part(place, &mut buffers, budget)?;
            let samples = if apart { &buffers.samples } else { &buffers.stored };
            let rows = out.chunks_exact_mut(width * 3).skip(place.top).take(place.rows);
            for (pixels, samples) in rows.zip(samples.chunks_exact(self.sizes.row)) {
                let pixels = pixels.as_chunks_mut().0;
                let pixels = &mut pixels[place.left..place.left + place.columns];
                notes.clipped |= self.samples.convert(samples, self.sizes.step, pixels);
            }
        }
        Ok((out, notes))
    }

    /// Reads the part of a place, all planes of it, to interleaved samples.
    fn part(&mut self, place: Place, buffers: &mut Buffers, budget: &Budget) -> Result<(), DecodeError> {
        let Image { layout, samples, predictor, codec, jpeg, reversed, sizes } = self;
        let Sizes { stored: stored_size, stored_rows, row: row_size, step } = *sizes;
        let planes = if layout.planar { step } else { 1 };
        for plane in 0..planes {
            let index = plane * layout.parts() + place.index;
            if let Some(jpeg) = jpeg {
                let out = if layout.planar { &mut buffers.samples } else { &mut buffers.stored };
                let out = &mut out[..place.rows * row_size];
                jpeg.decode(layout.part(index)?, layout, place, (step, plane), out, budget)?;
                continue;
            }
            let stored = &mut buffers.stored[..place.rows.div_ceil(stored_rows) * stored_size];
            let mut data = match codec {
                Codec::None => layout.plain(index, stored.len())?,
                _ => layout.part(index)?,
            };
            if *reversed {
                budget.work(data.len() as u64)?;
                let ordered = &mut buffers.ordered;
                ordered.clear();
                let error = |_| DecodeError::out_of_memory(layout.width, layout.height);
                ordered.try_reserve_exact(data.len()).map_err(error)?;
                ordered.extend(data.iter().map(|byte| byte.reverse_bits()));
                data = ordered;
            }
            codec.decode(data, layout.part_width, stored, budget)?;
            // The predictor, the arrangement and the conversion to RGB.
            budget.work(4 * stored.len() as u64)?;
            let size = samples.bits as usize / 8;
            predictor.undo(stored, stored_size, if layout.planar { 1 } else { step }, samples.order)?;
            if layout.planar {
                let pixels = buffers.samples.chunks_exact_mut(size * step);
                for (pixel, sample) in pixels.zip(stored.chunks_exact(size)) {
                    pixel[plane * size..(plane + 1) * size].copy_from_slice(sample);
                }
            } else if let Some(subsampling) = samples.subsampling {
                let out = &mut buffers.samples[..place.rows * row_size];
                subsampling.expand(stored, layout.part_width, out);
            }
        }
        Ok(())
    }
}
