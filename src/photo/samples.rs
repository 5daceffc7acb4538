//! Converts samples to eight-bit RGB as Pillow's `convert("RGB")` does. Knows no file format.

/// The colour of each index.
pub(super) type Palette = [[u8; 3]; 256];

/// Reads a palette, `[colours, 3]`; indices beyond it are black.
pub(super) fn palette(colours: &[u8]) -> Palette {
    let mut palette = [[0; 3]; 256];
    palette.iter_mut().zip(colours.as_chunks().0).for_each(|(entry, colour)| *entry = *colour);
    palette
}

/// Reads a palette as [`palette`] does, unless it is a grey ramp: then indices are grey levels, even beyond it.
pub(super) fn palette_or_ramp(colours: &[u8]) -> Palette {
    let (entries, _) = colours.as_chunks::<3>();
    let ramp = |i: usize| [i.min(255) as u8; 3];
    if entries.iter().enumerate().all(|(i, colour)| *colour == ramp(i)) {
        return std::array::from_fn(ramp);
    }
    palette(colours)
}

/// Unpacks samples of `bits` (1, 2, 4 or 8) each, most significant first, and multiplies them by `scale`.
pub(super) fn unpacked(row: &[u8], bits: u32, scale: u8) -> impl Iterator<Item = u8> {
    let mask = (0xff >> (8 - bits)) as u8;
    let shifts = (0..8 / bits).map(move |i| 8 - bits - i * bits);
    row.iter().flat_map(move |&byte| shifts.clone().map(move |shift| (byte >> shift & mask) * scale))
}

/// Writes levels as grey pixels.
pub(super) fn grey(levels: impl Iterator<Item = u8>, pixels: &mut [[u8; 3]]) {
    pixels.iter_mut().zip(levels).for_each(|(pixel, level)| *pixel = [level; 3]);
}

/// Converts a 16-bit grey level as Pillow does: clipped, not scaled.
pub(super) fn clip_16(level: u16) -> u8 {
    level.min(255) as u8
}

/// Whether [`clip_16`] changes a level.
pub(super) fn is_clipped_16(level: u16) -> bool {
    level > 255
}

/// Undoes the multiplication of a value by its alpha.
pub(super) fn unpremultiplied(value: u8, alpha: u8) -> u8 {
    match alpha {
        0 => 0,
        255 => value,
        _ => (u32::from(value) * 255 / u32::from(alpha)).min(255) as u8,
    }
}

/// Computes `a * b / 255`, rounded, as Pillow does.
fn multiply(a: u8, b: u8) -> u8 {
    let product = u32::from(a) * u32::from(b) + 128;
    (((product >> 8) + product) >> 8) as u8
}

/// Converts CMYK to RGB: each ink scales the light that black leaves.
pub(super) fn cmyk_to_rgb([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    let light = 255 - k;
    [c, m, y].map(|ink| light - multiply(ink, light))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_from_the_top() {
        let all = |row, bits, scale| unpacked(row, bits, scale).collect::<Vec<_>>();
        assert_eq!(all(&[0b1010_0000], 1, 255), [255, 0, 255, 0, 0, 0, 0, 0]);
        assert_eq!(all(&[0b0001_1011], 2, 85), [0, 85, 170, 255]);
        assert_eq!(all(&[0x0f, 0xa5], 4, 17), [0, 255, 170, 85]);
        assert_eq!(all(&[7, 9], 8, 1), [7, 9]);
    }

    #[test]
    fn inks() {
        assert_eq!(cmyk_to_rgb([0, 0, 0, 0]), [255; 3]);
        assert_eq!(cmyk_to_rgb([0, 0, 0, 255]), [0; 3]);
        assert_eq!(cmyk_to_rgb([255, 128, 0, 0]), [0, 127, 255]);
        for ink in 0..=255 {
            for k in 0..=255 {
                cmyk_to_rgb([ink, ink, ink, k]);
            }
        }
    }
}
