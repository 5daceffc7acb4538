//! BMP: 1, 4, 8, 16, 24 and 32 bits, palettes, bit fields and run lengths; Windows and OS/2 1.x headers.
//!
//! Decoders disagree on edge cases (short palettes, long runs, five bits to eight), so this one follows Pillow.

use super::decode_error::{DecodeError, checked_size, try_filled};
use super::decoded::{Decoded, Notes};
use super::headers::Headers;
use super::samples::{Palette, palette_or_ramp, unpacked};
use crate::budget::Budget;
use crate::pixels::Orientation;

/// The contents of the headers.
struct Header {
    width: usize,
    height: usize,
    top_down: bool,
    bits: u32,
    compression: u32,
    /// Offset of the pixels.
    pixels: usize,
    /// Bit masks of red, green and blue.
    masks: [u32; 3],
    palette: Box<Palette>,
}

fn four(bytes: &[u8], at: usize) -> Result<u32, DecodeError> {
    match bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(&bytes) => Ok(u32::from_le_bytes(bytes)),
        None => Err(DecodeError::Truncated),
    }
}

fn two(bytes: &[u8], at: usize) -> Result<u32, DecodeError> {
    match bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(&bytes) => Ok(u16::from_le_bytes(bytes).into()),
        None => Err(DecodeError::Truncated),
    }
}

const UNCOMPRESSED: u32 = 0;
const RUNS_8: u32 = 1;
const RUNS_4: u32 = 2;
const BIT_FIELDS: u32 = 3;

/// Size of the file header, which precedes the bitmap header.
const FILE_HEADER: usize = 14;

impl Header {
    fn read(bytes: &[u8], budget: &Budget) -> Result<Header, DecodeError> {
        let mut pixels = four(bytes, 10)? as usize;
        let size = four(bytes, FILE_HEADER)? as usize;
        let field = |at: usize| four(bytes, FILE_HEADER + at);
        let (width, height, top_down, bits, compression, colours, entry);
        match size {
            12 => {
                (width, height) = (two(bytes, 18)?, two(bytes, 20)?);
                (top_down, bits) = (false, two(bytes, 24)?);
                (compression, colours, entry) = (UNCOMPRESSED, 0, 3);
            }
            40 | 52 | 56 | 64 | 108 | 124 => {
                let signed = field(8)?;
                top_down = signed >> 24 == 0xff;
                (width, height) = (field(4)?, if top_down { signed.wrapping_neg() } else { signed });
                (bits, compression) = (two(bytes, 28)?, field(16)?);
                (colours, entry) = (field(32)?, 4);
            }
            _ => {
                return Err(DecodeError::unsupported(format_args!("a header of {size} bytes")));
            }
        }
        let (width, height) = checked_size(width, height, budget)?;
        if !matches!(bits, 1 | 4 | 8 | 16 | 24 | 32) {
            return Err(DecodeError::unsupported(format_args!("{bits} bits a pixel")));
        }
        let colours = if colours == 0 && bits <= 8 { 1 << bits } else { colours as usize };
        let mut next = FILE_HEADER + size;
        // Some writers leave the palette out of the offset of the pixels.
        if pixels == next && bits <= 8 {
            pixels = pixels.saturating_add(colours.saturating_mul(entry));
        }
        let masks = match (compression, bits) {
            (BIT_FIELDS, 16 | 24 | 32) => {
                let at = if size >= 52 { FILE_HEADER + 40 } else { next };
                next = next.max(at + 12);
                [four(bytes, at)?, four(bytes, at + 4)?, four(bytes, at + 8)?]
            }
            (UNCOMPRESSED, 16) => [0x7c00, 0x03e0, 0x001f],
            (UNCOMPRESSED, _) | (RUNS_8 | RUNS_4, 8 | 4) => [0; 3],
            _ => {
                return Err(DecodeError::unsupported(format_args!("compression {compression} of {bits} bits")));
            }
        };
        let mut palette = Box::new([[0; 3]; 256]);
        if bits <= 8 {
            if colours > 65536 {
                return Err(DecodeError::damaged("the palette is too large"));
            }
            let entries = bytes.get(next..).ok_or(DecodeError::Truncated)?.chunks_exact(entry).take(colours.min(256));
            let rgb: Vec<u8> = entries.flat_map(|entry| [entry[2], entry[1], entry[0]]).collect();
            *palette = palette_or_ramp(&rgb);
            next += colours * entry;
        }
        if pixels == 0 {
            pixels = next;
        }
        Ok(Header { width, height, top_down, bits, compression, pixels, masks, palette })
    }
}

/// Reads the size of a picture.
pub(super) fn headers<'a>(bytes: &'a [u8], budget: &Budget) -> Result<Headers<'a>, DecodeError> {
    let Header { width, height, .. } = Header::read(bytes, budget)?;
    Ok(Headers::plain((width, height)))
}

/// Decodes a BMP file.
pub(super) fn decode(bytes: &[u8], budget: &Budget) -> Result<Decoded, DecodeError> {
    let header = Header::read(bytes, budget)?;
    let (width, height) = (header.width, header.height);
    budget.grant_pixels((width * height) as u64);
    let source = bytes.get(header.pixels..).ok_or(DecodeError::Truncated)?;
    // Do not allocate pixels that the file is too short to hold.
    let stride = (width * header.bits as usize).div_ceil(32) * 4;
    let runs = matches!(header.compression, RUNS_8 | RUNS_4);
    // The padding of the last row is optional.
    let least = stride * (height - 1) + (width * header.bits as usize).div_ceil(8);
    if !runs && source.len() < least {
        return Err(DecodeError::Truncated);
    }
    let indices = if runs { decode_runs(source, header.pixels, &header, budget)? } else { Vec::new() };

    let mut data = try_filled(width, height, 3, 0u8)?;
    let row = |y: usize| {
        let y = if header.top_down { y } else { height - 1 - y };
        if runs {
            &indices[y * width..(y + 1) * width]
        } else {
            &source[y * stride..source.len().min((y + 1) * stride)]
        }
    };
    for (y, pixels) in data.chunks_exact_mut(width * 3).enumerate() {
        budget.work(4 * width as u64)?;
        let pixels = pixels.as_chunks_mut::<3>().0;
        match header.bits {
            1 | 4 | 8 => {
                let indices = unpacked(row(y), if runs { 8 } else { header.bits }, 1);
                pixels.iter_mut().zip(indices).for_each(|(pixel, i)| *pixel = header.palette[usize::from(i)]);
            }
            16 => convert_16(row(y), header.masks, pixels)?,
            bits => {
                let channels = channel_bytes(header.masks, bits)?;
                for (pixel, values) in pixels.iter_mut().zip(row(y).chunks_exact(bits as usize / 8)) {
                    *pixel = channels.map(|channel| values[channel]);
                }
            }
        }
    }
    Ok(Decoded { width, height, data, orientation: Orientation::Upright, notes: Notes::default() })
}

/// Finds the bytes of red, green and blue in a pixel.
fn channel_bytes(masks: [u32; 3], bits: u32) -> Result<[usize; 3], DecodeError> {
    if masks == [0; 3] {
        return Ok([2, 1, 0]);
    }
    let place = |mask: u32| (0..bits as usize / 8).find(|place| mask == 0xff << (8 * place));
    match masks.map(place) {
        [Some(r), Some(g), Some(b)] => Ok([r, g, b]),
        _ => Err(DecodeError::unsupported("its bit fields are not whole bytes")),
    }
}

/// Converts a row of 16-bit pixels: five bits per channel, or six for green. Levels are scaled to 255 and truncated.
fn convert_16(row: &[u8], masks: [u32; 3], pixels: &mut [[u8; 3]]) -> Result<(), DecodeError> {
    let green = match masks {
        [0x7c00, 0x03e0, 0x001f] => 5,
        [0xf800, 0x07e0, 0x001f] => 6,
        _ => {
            return Err(DecodeError::unsupported("its bit fields are neither 5-5-5 nor 5-6-5"));
        }
    };
    for (pixel, &values) in pixels.iter_mut().zip(row.as_chunks().0) {
        let value = u32::from(u16::from_le_bytes(values));
        let level = |from: u32, bits: u32| {
            let most = (1 << bits) - 1;
            ((value >> from & most) * 255 / most) as u8
        };
        *pixel = [level(5 + green, 5), level(5, green), level(0, 5)];
    }
    Ok(())
}

/// Decodes run lengths to one index a byte, rows in the order of the file. `at` is the offset of `source` in the file.
fn decode_runs(source: &[u8], at: usize, header: &Header, budget: &Budget) -> Result<Vec<u8>, DecodeError> {
    let nibbles = header.compression == RUNS_4;
    let (width, total) = (header.width, header.width * header.height);
    let mut out = try_filled(header.width, header.height, 1, 0u8)?;
    // The position of the next index, its column (which may be past the end of the row), and the next source byte.
    let (mut to, mut column, mut from) = (0, 0, 0);
    while to < total {
        let Some(&[count, value]) = source.get(from..).and_then(|rest| rest.first_chunk()) else {
            break;
        };
        from += 2;
        match (count, value) {
            (0, 0) => {
                budget.work(width as u64)?;
                to = to.next_multiple_of(width);
                column = 0;
            }
            (0, 1) => break,
            (0, 2) => {
                let Some(&[right, up]) = source.get(from..).and_then(|rest| rest.first_chunk()) else {
                    break;
                };
                from += 2;
                to = (to + usize::from(right) + usize::from(up) * width).min(total);
                column = to % width;
            }
            (0, count) => {
                let count = usize::from(count).min(total - to);
                let length = if nibbles { count.div_ceil(2) } else { count };
                let values = source.get(from..from + length).ok_or(DecodeError::Truncated)?;
                let values = unpacked(values, if nibbles { 4 } else { 8 }, 1);
                out[to..to + count].iter_mut().zip(values).for_each(|(out, value)| *out = value);
                from += length;
                to += count;
                column += usize::from(value);
                // The next pair starts at an even offset in the file.
                from += (at + from) % 2;
            }
            (count, value) => {
                // Runs are cut off at the end of the row.
                let count = usize::from(count).min(width.saturating_sub(column)).min(total - to);
                let pair = if nibbles { [value >> 4, value & 15] } else { [value; 2] };
                out[to..to + count].iter_mut().enumerate().for_each(|(i, out)| *out = pair[i % 2]);
                to += count;
                column += count;
            }
        }
    }
    if to < total {
        return Err(DecodeError::Truncated);
    }
    Ok(out)
}
