//! TIFF: the first image; grey, palette, RGB, CMYK, YCbCr and CIELab of every depth and compression that Pillow reads,
//! except those that [`codec`] names.
//!
//! The pixels are Pillow's. It decodes uncompressed samples itself and leaves all others to libtiff, so which of the
//! two is followed depends on the compression.

mod codec;
mod directory;
mod fax;
mod image;
mod jpeg;
mod lab;
mod layout;
mod predictor;
mod samples;
mod ycbcr;

use super::decode_error::{DecodeError, checked_size};
use super::decoded::Decoded;
use super::exif;
use crate::budget::Budget;
use codec::Codec;
use directory::{Directory, tag};
use image::Image;
use layout::Layout;
use samples::Samples;

/// Work granted for each pixel: decompression and conversion of some samples.
const WORK_PER_PIXEL: u64 = 64;

/// Memory granted for each pixel: four samples of four bytes, and RGB.
const MEMORY_PER_PIXEL: u64 = 16 + 3;

/// Decodes a TIFF file.
pub(super) fn decode(bytes: &[u8], budget: &Budget) -> Result<Decoded, DecodeError> {
    let directory = Directory::open(bytes, budget)?;
    let side = |tag| -> Result<u64, DecodeError> {
        directory.number(tag)?.ok_or_else(|| DecodeError::damaged("it does not state its size"))
    };
    let (width, height) = checked_size(side(tag::IMAGE_WIDTH)?, side(tag::IMAGE_LENGTH)?)?;
    let pixels = (width * height) as u64;
    budget.grant(WORK_PER_PIXEL * pixels, MEMORY_PER_PIXEL * pixels);

    // Damaged metadata does not make the pixels unreadable.
    let turned = directory.number(tag::ORIENTATION).ok().flatten();
    let turned = turned.and_then(|value| u32::try_from(value).ok());
    let xmp = directory.values(tag::XMP).ok().flatten();
    let orientation = exif::orientation(turned, xmp.map(|xmp| xmp.bytes()));

    let codec = Codec::read(&directory)?;
    let layout = Layout::read(bytes, &directory, (width, height))?;
    let samples = Samples::read(&directory, &codec, layout.planar)?;
    let reversed = match directory.number(tag::FILL_ORDER)?.unwrap_or(1) {
        1 => false,
        2 => true,
        order => return Err(DecodeError::damaged(format_args!("its fill order is {order}"))),
    };
    let (data, notes) = Image::new(&directory, layout, samples, codec, reversed)?.read(budget)?;
    Ok(Decoded { width, height, data, orientation, notes })
}
