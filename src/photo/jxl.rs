//! JPEG XL, alone or in boxes, also JPEG files that were recompressed: the first frame, decoded by the crate `jxl`.
//!
//! The crate gives 16 bits, which are rounded to eight here: its own eight bits are dithered, so that flat areas would get
//! noise. The orientation in the picture's header is applied; that of EXIF repeats it and is ignored, as libjxl does.

use std::borrow::Cow;
use std::io::Read;
use std::time::Instant;

use brotli_decompressor::Decompressor;
use bytemuck::cast_slice_mut;
use jxl::api::{
    Endianness, Event, JxlBasicInfo, JxlColorEncoding, JxlColorProfile, JxlColorType, JxlDataFormat, JxlDecoder,
    JxlDecoderOptions, JxlOutputBuffer, JxlPixelFormat, JxlPrimaries, JxlTransferFunction, JxlWhitePoint, ProfileLevel,
};
use jxl::error::Error;

use super::boxes::Boxes;
use super::decode_error::{DecodeError, checked_size, try_filled};
use super::headers::{Colours, Headers, Levels};
use super::icc::{Curve, Description};
use super::metadata::Cicp;
use crate::budget::Budget;
use crate::pixels::{Orientation, RowSink, STRIP};

/// Memory for a pixel while it is decoded, besides what is granted for each: three planes of floats, and 16 bits.
const MEMORY: u64 = 18;

/// Units of work for a byte of the file.
const BYTE_WORK: u64 = 16;

/// A unit of work is a nanosecond. What cannot be foreseen, such as the number of hidden frames, is measured; a slow
/// machine gets this many times the allowance.
const SLOWNESS: u64 = 16;

/// Feeds a file to a decoder in small parts: between two of them the budget is asked.
struct Feed<'a> {
    decoder: JxlDecoder,
    rest: &'a [u8],
    part: usize,
    budget: &'a Budget,
}

impl<'a> Feed<'a> {
    fn new(bytes: &'a [u8], samples: usize, budget: &'a Budget) -> Feed<'a> {
        let mut options = JxlDecoderOptions::default();
        options.adjust_orientation = false;
        options.render_spot_colors = false;
        options.max_profile_level = ProfileLevel::Main10;
        options.sample_limit = Some(samples);
        let part = (bytes.len() / 256).clamp(64, 1 << 16);
        Feed { decoder: JxlDecoder::new(options), rest: bytes, part, budget }
    }

    /// Goes on until something is known or done.
    fn next(&mut self, mut buffer: Option<(&mut [u8], usize)>) -> Result<Event, DecodeError> {
        // What the decoder has not taken of a part is offered again, with more.
        let mut offered = 0;
        loop {
            let started = Instant::now();
            offered = (offered + self.part).min(self.rest.len());
            let mut input = &self.rest[..offered];
            let event = match &mut buffer {
                Some((data, height)) => {
                    let row = data.len() / *height;
                    let mut buffers = [JxlOutputBuffer::new(data, *height, row)];
                    self.decoder.process(&mut input, Some(&mut buffers), None)
                }
                None => self.decoder.process(&mut input, None, None),
            };
            let left = input.len();
            let taken = offered - left;
            self.rest = &self.rest[taken..];
            offered = left;
            let nanoseconds = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.budget.work(taken as u64 * BYTE_WORK + nanoseconds / SLOWNESS)?;
            match event.map_err(decode_error)? {
                Event::NeedMoreInput { .. } if offered == self.rest.len() => return Err(DecodeError::Truncated),
                Event::NeedMoreInput { .. } => {}
                event => return Ok(event),
            }
        }
    }

    /// Reads the header.
    fn info(&mut self) -> Result<(JxlBasicInfo, (usize, usize)), DecodeError> {
        while self.decoder.basic_info().is_none() {
            self.next(None)?;
        }
        let info = self.decoder.basic_info().ok_or(DecodeError::Truncated)?.clone();
        let size = checked_size(info.size.0 as u64, info.size.1 as u64, self.budget)?;
        Ok((info, size))
    }
}

impl Feed<'_> {
    /// What the header states about the colours.
    fn colours<'b>(&self) -> Colours<'b> {
        let is_applied = self.decoder.basic_info().is_some_and(|info| info.uses_original_profile);
        match self.decoder.embedded_color_profile() {
            // The decoder converts to no profile: it gives sRGB where a file is coded without regard to its own.
            Some(JxlColorProfile::Icc(profile)) => Colours {
                profile: Some(profile.clone().into()),
                cicp: None,
                levels: if is_applied { Levels::Profile } else { Levels::Srgb },
            },
            Some(JxlColorProfile::Simple(JxlColorEncoding::RgbColorSpace {
                white_point,
                primaries,
                transfer_function,
                ..
            })) => described(primaries, white_point, transfer_function),
            // Levels that are equal are grey with any primaries.
            Some(JxlColorProfile::Simple(JxlColorEncoding::GrayscaleColorSpace {
                white_point,
                transfer_function,
                ..
            })) => described(&JxlPrimaries::SRGB, white_point, transfer_function),
            _ => Colours::default(),
        }
    }
}

fn orientation(info: &JxlBasicInfo) -> Orientation {
    Orientation::from_exif(info.orientation as u32)
}

/// Reads what a file states besides its pixels.
pub(super) fn headers<'a>(bytes: &'a [u8], budget: &Budget) -> Result<Headers<'a>, DecodeError> {
    let mut feed = Feed::new(bytes, usize::MAX, budget);
    let (info, (width, height)) = feed.info()?;
    let boxes = if bytes.starts_with(b"\0\0\0\x0c") { Boxes(bytes) } else { Boxes(&[]) };
    let exif = metadata(boxes, b"Exif").and_then(|content| {
        // The TIFF structure follows its offset, which is zero in practice.
        let start = (u32::from_be_bytes(*content.first_chunk()?) as usize).checked_add(4)?;
        content.get(start..).map(<[u8]>::to_vec)
    });
    let xmp = metadata(boxes, b"xml ");
    Ok(Headers {
        width,
        height,
        orientation: orientation(&info),
        exif: exif.map(Into::into),
        exif_part: &[],
        xmp,
        colours: feed.colours(),
    })
}

/// What primaries, a white and a curve say about the colours.
fn described<'a>(primaries: &JxlPrimaries, white: &JxlWhitePoint, curve: &JxlTransferFunction) -> Colours<'a> {
    let chromaticity = |(x, y): (f32, f32)| [x, y].map(f64::from);
    let description = Description {
        primaries: primaries.to_xy_coords().map(chromaticity),
        white: chromaticity(white.to_xy_coords()),
        curve: match curve {
            // Not as that of code points: the decoder makes levels of light by this curve, and by this power for DCI.
            JxlTransferFunction::BT709 => Curve::Bt709,
            JxlTransferFunction::DCI => Curve::Gamma(2.6),
            JxlTransferFunction::SRGB => Curve::Srgb,
            JxlTransferFunction::Linear => Curve::Gamma(1.0),
            JxlTransferFunction::Gamma(inverse) => Curve::Gamma(1.0 / f64::from(*inverse)),
            JxlTransferFunction::PQ => Curve::Pq,
            JxlTransferFunction::HLG => Curve::Hlg,
        },
        narrow: false,
    };
    Colours { profile: None, cicp: cicp(primaries, white, curve), levels: Levels::Described(description) }
}

/// The code points of primaries and a curve, if they have some.
fn cicp(primaries: &JxlPrimaries, white: &JxlWhitePoint, curve: &JxlTransferFunction) -> Option<Cicp> {
    let primaries = match (primaries, white) {
        (JxlPrimaries::SRGB, JxlWhitePoint::D65) => 1,
        (JxlPrimaries::BT2100, JxlWhitePoint::D65) => 9,
        (JxlPrimaries::P3, JxlWhitePoint::DCI) => 11,
        (JxlPrimaries::P3, JxlWhitePoint::D65) => 12,
        _ => return None,
    };
    let transfer = match curve {
        JxlTransferFunction::BT709 => 1,
        JxlTransferFunction::Linear => 8,
        JxlTransferFunction::SRGB => 13,
        JxlTransferFunction::PQ => 16,
        JxlTransferFunction::DCI => 17,
        JxlTransferFunction::HLG => 18,
        JxlTransferFunction::Gamma(_) => return None,
    };
    Some(Cicp { primaries, transfer, matrix: 0 })
}

/// Returns the content of a box of metadata, which may be compressed; of that, no more than cameras write.
fn metadata<'a>(boxes: Boxes<'a>, kind: &[u8; 4]) -> Option<Cow<'a, [u8]>> {
    const LONGEST: u64 = 1 << 20;
    if let Some(content) = boxes.find(kind) {
        return Some(content.into());
    }
    let mut compressed = boxes.filter(|found| found.kind == *b"brob");
    let compressed = compressed.find_map(|found| found.content.strip_prefix(&kind[..]))?;
    let mut content = Vec::new();
    // What ends early may be enough.
    let _ = Decompressor::new(compressed, 4096).take(LONGEST).read_to_end(&mut content);
    Some(content.into())
}

/// Decodes a JPEG XL file to `sink`.
pub(super) fn decode(bytes: &[u8], budget: &Budget, sink: &mut dyn RowSink) -> Result<(), DecodeError> {
    let (info, (width, height)) = Feed::new(bytes, usize::MAX, budget).info()?;
    let pixels = (width * height) as u64;
    budget.grant_pixels(pixels);
    budget.grant(0, MEMORY * pixels);
    budget.memory((6 + MEMORY) * pixels)?;
    // Frames may reach beyond the picture.
    let channels = 3 + info.extra_channels.len();
    let samples = (width * height).saturating_mul(channels).saturating_mul(2).saturating_add(1 << 20);
    let mut feed = Feed::new(bytes, samples, budget);
    feed.info()?;
    let format = JxlPixelFormat {
        color_type: JxlColorType::Rgb,
        color_data_format: Some(JxlDataFormat::U16 { endianness: Endianness::native(), bit_depth: 16 }),
        extra_channel_format: vec![None; info.extra_channels.len()],
    };
    feed.decoder.set_pixel_format(format).map_err(decode_error)?;
    let mut levels = try_filled(width, height, 3, 0u16)?;
    while !matches!(
        feed.next(Some((cast_slice_mut(&mut levels), height)))?,
        Event::FrameComplete { .. } | Event::Complete
    ) {}
    drop(feed);
    sink.begin(width, height, orientation(&info))?;
    let mut rows = levels.chunks(width * 3 * STRIP);
    for top in (0..height).step_by(STRIP) {
        let count = STRIP.min(height - top);
        budget.work((count * width) as u64)?;
        for (out, &level) in sink.rows_mut(count).iter_mut().zip(rows.next().unwrap_or_default()) {
            *out = ((u32::from(level) * 255 + 32767) / 65535) as u8;
        }
        sink.commit();
    }
    budget.give_back((6 + MEMORY) * pixels);
    Ok(())
}

fn decode_error(error: Error) -> DecodeError {
    match error {
        Error::OutOfBounds(_) => DecodeError::Truncated,
        other => DecodeError::damaged(other),
    }
}
