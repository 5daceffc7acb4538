//! Chroma upsampling and conversion of component samples to RGB. Knows no coding.
//!
//! Uses the weights and roundings of libjpeg-turbo's default ("fancy") upsampling and its 16-bit fixed point, so that
//! pixels are equal to its pixels.

use super::super::samples;
use super::frame::Component;

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
    /// Selects the method for a component of a frame whose largest factors are `h_max` and `v_max`.
    pub fn of(component: &Component, h_max: usize, v_max: usize) -> Self {
        // libjpeg-turbo repeats rows of one or two samples instead of interpolating.
        let wide = component.width > 2;
        match (h_max / component.h, v_max / component.v) {
            (1, 1) => Upsampling::None,
            (2, 1) if wide => Upsampling::Across,
            (1, 2) => Upsampling::Down,
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

    /// Computes row `y` of the image from these rows. `out` holds whole MCUs.
    pub fn upsample(self, y: usize, near: &[u8], far: &[u8], out: &mut [u8]) {
        match self {
            Upsampling::None => out[..near.len()].copy_from_slice(near),
            Upsampling::Across => across(near, out),
            Upsampling::Down => {
                // An alternating bias keeps the rounding symmetric.
                let bias = if y.is_multiple_of(2) { 1 } else { 2 };
                for ((out, &near), &far) in out.iter_mut().zip(near).zip(far) {
                    *out = ((3 * u16::from(near) + u16::from(far) + bias) >> 2) as u8;
                }
            }
            Upsampling::Both => both(near, far, out),
            Upsampling::Repeat(times, _) => {
                for (out, &sample) in out.chunks_mut(times).zip(near) {
                    out.fill(sample);
                }
            }
        }
    }
}

/// Upsamples twice horizontally.
fn across(row: &[u8], out: &mut [u8]) {
    let (pairs, _) = out.as_chunks_mut::<2>();
    let last = row.len() - 1;
    for (out, window) in pairs[1..].iter_mut().zip(row.windows(3)) {
        let near = 3 * u16::from(window[1]);
        *out = [((near + u16::from(window[0]) + 1) >> 2) as u8, ((near + u16::from(window[2]) + 2) >> 2) as u8];
    }
    let between = |near: u8, far: u8, bias: u16| ((3 * u16::from(near) + u16::from(far) + bias) >> 2) as u8;
    pairs[0] = [row[0], between(row[0], row[1], 2)];
    pairs[last] = [between(row[last], row[last - 1], 1), row[last]];
}

/// Upsamples twice in both directions; the vertical sums are not rounded.
fn both(near: &[u8], far: &[u8], out: &mut [u8]) {
    let (pairs, _) = out.as_chunks_mut::<2>();
    let last = near.len() - 1;
    let sum = |i: usize| 3 * u16::from(near[i]) + u16::from(far[i]);
    for ((out, near), far) in pairs[1..].iter_mut().zip(near.windows(3)).zip(far.windows(3)) {
        let sum = |i: usize| 3 * u16::from(near[i]) + u16::from(far[i]);
        let this = 3 * sum(1);
        *out = [((this + sum(0) + 8) >> 4) as u8, ((this + sum(2) + 7) >> 4) as u8];
    }
    pairs[0] = [((4 * sum(0) + 8) >> 4) as u8, ((3 * sum(0) + sum(1) + 7) >> 4) as u8];
    pairs[last] = [((3 * sum(last) + sum(last - 1) + 8) >> 4) as u8, ((4 * sum(last) + 7) >> 4) as u8];
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
    pub fn convert(self, rows: &mut [Vec<u8>], out: &mut [u8]) {
        let pixels = out.as_chunks_mut::<3>().0;
        match (self, rows) {
            (ColourSpace::Grey, [grey, ..]) => {
                for (pixel, &grey) in pixels.iter_mut().zip(grey.iter()) {
                    *pixel = [grey; 3];
                }
            }
            (ColourSpace::Rgb | ColourSpace::RgbAndMore, [r, g, b, ..]) => interleave(r, g, b, pixels),
            (ColourSpace::YCbCr, [y, cb, cr, ..]) => {
                ycbcr_to_rgb(y, cb, cr);
                interleave(y, cb, cr, pixels);
            }
            (ColourSpace::Cmyk, [c, m, y, k]) => cmyk_to_rgb([c, m, y], k, pixels),
            (ColourSpace::Inks, [c, m, y, k]) => {
                for ((((pixel, &c), &m), &y), &k) in pixels.iter_mut().zip(&*c).zip(&*m).zip(&*y).zip(&*k) {
                    *pixel = samples::cmyk_to_rgb([c, m, y, k]);
                }
            }
            (ColourSpace::Ycck, [y, cb, cr, k]) => {
                ycbcr_to_rgb(y, cb, cr);
                for row in [&mut *y, &mut *cb, &mut *cr] {
                    row.iter_mut().for_each(|sample| *sample = 255 - *sample);
                }
                cmyk_to_rgb([y, cb, cr], k, pixels);
            }
            _ => {}
        }
    }
}

fn interleave(r: &[u8], g: &[u8], b: &[u8], pixels: &mut [[u8; 3]]) {
    for (((pixel, &r), &g), &b) in pixels.iter_mut().zip(r).zip(g).zip(b) {
        *pixel = [r, g, b];
    }
}

/// Converts YCbCr (BT.601 as in JFIF, 16 fractional bits) in place: luma becomes red, blue difference green, red
/// difference blue.
///
/// Needs 16-bit products only: for a coefficient above one, `(c * x + half) >> 16` is split into a whole multiple of
/// `x` and a remainder. The remainder is rounded in two steps, which is exact because the first step drops only bits
/// that the second would drop.
fn ycbcr_to_rgb(luma: &mut [u8], blue: &mut [u8], red: &mut [u8]) {
    /// 1.402 - 1 in 16 bits.
    const RED: i32 = 91881 - 65536;
    /// 1.772 - 2 in 16 bits.
    const BLUE: i32 = 116130 - 2 * 65536;
    /// -0.344136 in 16 bits.
    const GREEN_BLUE: i32 = -22554;
    /// -0.714136 + 1 in 16 bits.
    const GREEN_RED: i32 = -46802 + 65536;
    let half_step = |x: i16, by: i32| (((i32::from(2 * x) * by) >> 16) as i16 + 1) >> 1;
    let clamp = |value: i16| value.clamp(0, 255) as u8;
    for ((luma, blue), red) in luma.iter_mut().zip(blue).zip(red) {
        let y = i16::from(*luma);
        let cb = i16::from(*blue) - 128;
        let cr = i16::from(*red) - 128;
        let green = (i32::from(cb) * GREEN_BLUE + i32::from(cr) * GREEN_RED + 32768) >> 16;
        *luma = clamp(y + cr + half_step(cr, RED));
        *blue = clamp(y - cr + green as i16);
        *red = clamp(y + 2 * cb + half_step(cb, BLUE));
    }
}

/// Converts inverted CMYK to RGB as Pillow does.
fn cmyk_to_rgb(inks: [&[u8]; 3], black: &[u8], pixels: &mut [[u8; 3]]) {
    let [cyan, magenta, yellow] = inks;
    for ((((pixel, &c), &m), &y), &k) in pixels.iter_mut().zip(cyan).zip(magenta).zip(yellow).zip(black) {
        *pixel = samples::cmyk_to_rgb([255 - c, 255 - m, 255 - y, 255 - k]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversion_equals_plain_fixed_point() {
        let clamp = |value: i32| value.clamp(0, 255) as u8;
        for cb in 0..=255u8 {
            for cr in 0..=255u8 {
                for y in [0u8, 1, 100, 128, 254, 255] {
                    let (x, z) = (i32::from(cb) - 128, i32::from(cr) - 128);
                    let expected = [
                        clamp(i32::from(y) + ((91881 * z + 32768) >> 16)),
                        clamp(i32::from(y) + ((-22554 * x - 46802 * z + 32768) >> 16)),
                        clamp(i32::from(y) + ((116130 * x + 32768) >> 16)),
                    ];
                    let (mut a, mut b, mut c) = ([y], [cb], [cr]);
                    ycbcr_to_rgb(&mut a, &mut b, &mut c);
                    assert_eq!([a[0], b[0], c[0]], expected, "{y} {cb} {cr}");
                }
            }
        }
    }
}
