//! Which upsampling and which conversion to RGB the samples of components need. Knows no coding.
//!
//! Chosen as libjpeg-turbo does by default; the arithmetic is in the kernels.

use super::super::samples;
use super::frame::{Component, Frame};
use crate::kernels::Isa;
use crate::kernels::pixels::colour::{across, both, down, interleave, ycbcr_to_rgb};

/// How a component is scaled to the size of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upsampling {
    /// Not at all.
    None,
    /// Twice horizontally, with weights 3/4 and 1/4.
    Across,
    /// Twice vertically, with weights 3/4 and 1/4.
    Down,
    /// Twice in both directions.
    Both,
    /// By repetition, horizontally and vertically.
    Repeat(usize, usize),
}

impl Upsampling {
    /// Selects the method for a component of a frame.
    pub fn of(component: &Component, frame: &Frame) -> Self {
        // libjpeg-turbo repeats rows of one or two samples instead of interpolating, and all if a block is a sample.
        let smooth = frame.reduction < 8;
        let wide = smooth && frame.samples(component).0 > 2;
        let side = 8 / frame.reduction;
        match (frame.h_max * side / (component.h * component.side), frame.v_max * side / (component.v * component.side))
        {
            (1, 1) => Upsampling::None,
            (2, 1) if wide => Upsampling::Across,
            (1, 2) if smooth => Upsampling::Down,
            (2, 2) if wide => Upsampling::Both,
            (across, down) => Upsampling::Repeat(across, down),
        }
    }

    /// Returns the nearest and the second nearest row of samples for row `y` of the image.
    pub fn rows(self, y: usize, height: usize) -> (usize, usize) {
        match self {
            Upsampling::None | Upsampling::Across => (y, y),
            Upsampling::Down | Upsampling::Both => {
                let near = y / 2;
                let far = if y.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(height - 1) };
                (near, far)
            }
            Upsampling::Repeat(_, down) => (y / down, y / down),
        }
    }

    /// Computes row `y` of the image from these rows. `out` holds whole MCUs; what is not upsampled is returned as it is.
    pub fn upsample<'r>(self, isa: Isa, y: usize, near: &'r [u8], far: &[u8], out: &'r mut [u8]) -> &'r [u8] {
        match self {
            Upsampling::None => return near,
            Upsampling::Across => across(isa, near, out),
            // An alternating bias keeps the rounding symmetric.
            Upsampling::Down => down(isa, near, far, if y.is_multiple_of(2) { 1 } else { 2 }, out),
            Upsampling::Both => both(isa, near, far, out),
            Upsampling::Repeat(times, _) => {
                for (out, &sample) in out.chunks_mut(times).zip(near) {
                    out.fill(sample);
                }
            }
        }
        out
    }
}

/// The colour space of the components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum ColourSpace {
    Grey,
    Rgb,
    YCbCr,
    /// Inverted, as Adobe stores it; Pillow treats all CMYK so.
    Cmyk,
    /// Inverted CMYK whose first three components are stored as YCbCr.
    Ycck,
    /// CMYK that is not inverted, as TIFF stores it.
    Inks,
    /// RGB and a fourth component that is dropped.
    RgbAndMore,
}

impl ColourSpace {
    /// Returns the number of components.
    pub fn components(self) -> usize {
        match self {
            ColourSpace::Grey => 1,
            ColourSpace::Rgb | ColourSpace::YCbCr => 3,
            ColourSpace::Cmyk | ColourSpace::Ycck | ColourSpace::Inks | ColourSpace::RgbAndMore => 4,
        }
    }

    /// Guesses the colour space from the segments and component identifiers as libjpeg does.
    pub(super) fn of(components: &[Component], jfif: bool, adobe: Option<u8>) -> Self {
        let ids: Vec<u8> = components.iter().map(|component| component.id).collect();
        match (ids.as_slice(), adobe) {
            (&[_], _) => ColourSpace::Grey,
            (&[_, _, _], _) if jfif => ColourSpace::YCbCr,
            (&[_, _, _], Some(0)) => ColourSpace::Rgb,
            (&[_, _, _], Some(_)) => ColourSpace::YCbCr,
            (&[b'R', b'G', b'B'], None) => ColourSpace::Rgb,
            (&[_, _, _], None) => ColourSpace::YCbCr,
            (_, None | Some(0)) => ColourSpace::Cmyk,
            (_, Some(_)) => ColourSpace::Ycck,
        }
    }

    /// Converts one row of samples of each component to a row of pixels.
    pub fn convert(self, isa: Isa, rows: &[&[u8]], out: &mut [u8]) {
        match (self, rows) {
            (ColourSpace::Grey, &[grey, ..]) => interleave(isa, [grey; 3], out),
            (ColourSpace::Rgb | ColourSpace::RgbAndMore, &[r, g, b, ..]) => interleave(isa, [r, g, b], out),
            (ColourSpace::YCbCr, &[y, cb, cr, ..]) => ycbcr_to_rgb(isa, [y, cb, cr], out),
            (ColourSpace::Cmyk, &[c, m, y, k]) => {
                interleave(isa, [c, m, y], out);
                add_black(out, k, |[c, m, y], k| [255 - c, 255 - m, 255 - y, 255 - k]);
            }
            (ColourSpace::Inks, &[c, m, y, k]) => {
                interleave(isa, [c, m, y], out);
                add_black(out, k, |[c, m, y], k| [c, m, y, k]);
            }
            (ColourSpace::Ycck, &[y, cb, cr, k]) => {
                // What is converted are the inks, not inverted.
                ycbcr_to_rgb(isa, [y, cb, cr], out);
                add_black(out, k, |[c, m, y], k| [c, m, y, 255 - k]);
            }
            _ => {}
        }
    }
}

/// Converts pixels of three inks and a row of black to RGB as Pillow does; `inks` says what inks they stand for.
fn add_black(pixels: &mut [u8], black: &[u8], inks: impl Fn([u8; 3], u8) -> [u8; 4]) {
    for (pixel, &black) in pixels.as_chunks_mut::<3>().0.iter_mut().zip(black) {
        *pixel = samples::cmyk_to_rgb(inks(*pixel, black));
    }
}
