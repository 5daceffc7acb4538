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
use super::headers::{Colours, Headers, Levels};
use crate::budget::Budget;
use crate::pixels::Orientation;
use codec::Codec;
use directory::{Directory, tag};
use image::Image;
use layout::Layout;
use samples::Samples;

/// Work granted for each pixel: decompression and conversion of some samples.
const WORK_PER_PIXEL: u64 = 64;

/// Memory granted for each pixel: four samples of four bytes, and RGB.
const MEMORY_PER_PIXEL: u64 = 16 + 3;

/// Reads what the first directory states besides pixels.
pub(super) fn headers<'a>(bytes: &'a [u8], budget: &Budget) -> Result<Headers<'a>, DecodeError> {
    let directory = Directory::open(bytes, budget)?;
    let (width, height) = size(&directory, budget)?;
    let xmp = directory.values(tag::XMP).ok().flatten().map(|xmp| xmp.bytes().into());
    // The file is an EXIF block of its own, unless its offsets have 64 bits.
    let exif = (!directory.is_big()).then_some(bytes);
    let (exif, exif_part) = (exif.map(Into::into), exif.unwrap_or_default());
    let (profile, levels) = match directory.values(tag::PROFILE) {
        Ok(profile) => (profile.map(|profile| profile.bytes().into()), Levels::Profile),
        Err(_) => (None, Levels::Lost("it is not where the file says")),
    };
    let colours = Colours { profile, levels, ..Colours::default() };
    Ok(Headers { width, height, orientation: orientation(&directory), exif, exif_part, xmp, colours })
}

fn size(directory: &Directory<'_>, budget: &Budget) -> Result<(usize, usize), DecodeError> {
    let side = |tag| -> Result<u64, DecodeError> {
        directory.number(tag)?.ok_or_else(|| DecodeError::damaged("it does not state its size"))
    };
    checked_size(side(tag::IMAGE_WIDTH)?, side(tag::IMAGE_LENGTH)?, budget)
}

/// Reads the orientation. Damaged metadata does not make the pixels unreadable.
fn orientation(directory: &Directory<'_>) -> Orientation {
    let turned = directory.number(tag::ORIENTATION).ok().flatten();
    let turned = turned.and_then(|value| u32::try_from(value).ok());
    let xmp = directory.values(tag::XMP).ok().flatten();
    exif::orientation(turned, xmp.map(|xmp| xmp.bytes()))
}

/// Decodes a TIFF file.
pub(super) fn decode(bytes: &[u8], budget: &Budget) -> Result<Decoded, DecodeError> {
    let directory = Directory::open(bytes, budget)?;
    let (width, height) = size(&directory, budget)?;
    let pixels = (width * height) as u64;
    budget.grant(WORK_PER_PIXEL * pixels, MEMORY_PER_PIXEL * pixels);
    let orientation = orientation(&directory);

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
