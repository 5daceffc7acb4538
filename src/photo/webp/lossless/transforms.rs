//! The transforms that a file states, undone row by row.

use super::super::super::decode_error::DecodeError;
use super::bits::Bits;
use super::entropy::{Image, tiles};
use super::memory::Memory;
use super::predict;

/// A transform of a picture, with its parameters.
pub(super) enum Transform {
    /// Pixels are differences from what the mode of their tile predicts.
    Predict {
        tile_bits: u32,
        modes: Image,
        /// The row before, and the first pixel of this one.
        above: Vec<u32>,
    },
    /// Red and blue are differences from a share of the other channels, which their tile states.
    Correlate { tile_bits: u32, shares: Image },
    /// Red and blue are differences from green.
    SubtractGreen,
    /// Green is an index into a palette, or several of fewer bits, least significant first.
    Palette {
        /// A pixel holds `1 << packing` indices.
        packing: u32,
        /// Width of the picture.
        width: usize,
        /// `[256]`
        colours: Vec<u32>,
    },
}

impl Transform {
    /// Reads all transforms, in the order of the file, and the width of the coded picture.
    pub fn read_all(
        bits: &mut Bits<'_>,
        mut width: usize,
        height: usize,
        memory: Memory<'_>,
    ) -> Result<(Vec<Transform>, usize), DecodeError> {
        const KINDS: usize = 4;
        let mut transforms = memory.reserve(KINDS)?;
        let mut seen = [false; KINDS];
        while bits.flag() {
            let kind = bits.number(2);
            if std::mem::replace(&mut seen[kind], true) {
                return Err(DecodeError::damaged("a transform is there twice"));
            }
            let image = |bits: &mut Bits<'_>| {
                let tile_bits = bits.number(3) as u32 + 2;
                Image::read(bits, tiles(width, tile_bits), tiles(height, tile_bits), memory)
                    .map(|image| (tile_bits, image))
            };
            transforms.push(match kind {
                0 => {
                    let (tile_bits, modes) = image(bits)?;
                    Transform::Predict { tile_bits, modes, above: memory.zeros(width + 1)? }
                }
                1 => {
                    let (tile_bits, shares) = image(bits)?;
                    Transform::Correlate { tile_bits, shares }
                }
                2 => Transform::SubtractGreen,
                _ => {
                    let count = bits.number(8) + 1;
                    let mut colours = memory.zeros(256)?;
                    // Each colour is the difference from the one before; those beyond the palette are black.
                    let mut colour = 0;
                    let differences = Image::read(bits, count, 1, memory)?.pixels;
                    for (place, &difference) in colours.iter_mut().zip(&differences) {
                        colour = predict::add(colour, difference);
                        *place = colour;
                    }
                    let packing = match count {
                        0..=2 => 3,
                        3..=4 => 2,
                        5..=16 => 1,
                        _ => 0,
                    };
                    let full = width;
                    width = tiles(full, packing);
                    Transform::Palette { packing, width: full, colours }
                }
            });
        }
        Ok((transforms, width))
    }

    /// Undoes the transform of row `y`, which begins with `width` pixels; returns how many it then has. Rows come in order.
    pub fn undo(&mut self, row: &mut [u32], width: usize, y: usize) -> usize {
        match self {
            Transform::Predict { tile_bits, modes, above } => unpredict(*tile_bits, modes, above, &mut row[..width], y),
            Transform::Correlate { tile_bits, shares } => {
                let shares = &shares.pixels[(y >> *tile_bits) * shares.width..];
                for (pixels, &shares) in row[..width].chunks_mut(1 << *tile_bits).zip(shares) {
                    decorrelate(pixels, shares);
                }
            }
            Transform::SubtractGreen => {
                for pixel in &mut row[..width] {
                    let green = *pixel >> 8 & 0xff;
                    *pixel = predict::add(*pixel, green << 16 | green);
                }
            }
            Transform::Palette { packing, width, colours } => {
                if let Some(colours) = colours.first_chunk() {
                    unpack(&mut row[..*width], *packing, colours);
                }
                return *width;
            }
        }
        width
    }
}

/// Adds what is predicted to row `y`.
fn unpredict(tile_bits: u32, modes: &Image, above: &mut [u32], row: &mut [u32], y: usize) {
    let width = row.len();
    if y == 0 {
        predict::first_row(row);
    } else {
        row[0] = predict::add(row[0], above[0]);
        above[width] = row[0];
        let modes = &modes.pixels[(y >> tile_bits) * modes.width..];
        let tile = 1 << tile_bits;
        for (start, &mode) in (0..width).step_by(tile).zip(modes) {
            let end = (start + tile).min(width);
            // The first pixel is done.
            if start.max(1) < end {
                predict::run(mode >> 8 & 15, row, above, start.max(1), end);
            }
        }
    }
    above[..width].copy_from_slice(row);
}

/// Adds to red and blue their shares of the other channels, which are signed, in 32nds.
fn decorrelate(pixels: &mut [u32], shares: u32) {
    let share = |shift: u32, of: u32| (i32::from((shares >> shift) as i8) * i32::from(of as i8)) >> 5;
    for pixel in pixels {
        let green = *pixel >> 8;
        let red = (*pixel >> 16).wrapping_add(share(0, green) as u32);
        let blue = pixel.wrapping_add(share(8, green) as u32).wrapping_add(share(16, red) as u32);
        *pixel = *pixel & 0xff00_ff00 | (red & 0xff) << 16 | blue & 0xff;
    }
}

/// Replaces packed indices by their colours.
fn unpack(row: &mut [u32], packing: u32, colours: &[u32; 256]) {
    if packing == 0 {
        row.iter_mut().for_each(|pixel| *pixel = colours[(*pixel >> 8 & 0xff) as usize]);
        return;
    }
    match packing {
        1 => unpack_several::<2>(row, colours),
        2 => unpack_several::<4>(row, colours),
        _ => unpack_several::<8>(row, colours),
    }
}

/// Replaces pixels of `N` indices by their colours.
fn unpack_several<const N: usize>(row: &mut [u32], colours: &[u32; 256]) {
    let (index_bits, mask) = (8 / N, (1 << (8 / N)) - 1);
    // From the end, because a pixel of indices becomes several.
    for pixel in (0..row.len().div_ceil(N)).rev() {
        let indices = (row[pixel] >> 8) as usize;
        let colour = |i: usize| colours[indices >> (i * index_bits) & mask];
        match row[pixel * N..].first_chunk_mut() {
            Some(whole) => *whole = std::array::from_fn::<u32, N, _>(colour),
            None => row[pixel * N..].iter_mut().enumerate().for_each(|(i, pixel)| *pixel = colour(i)),
        }
    }
}
