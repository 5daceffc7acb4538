//! Pictures of characters: half blocks, whose two halves are a pixel each, and shades.

use std::io::{self, Write};

use crate::RgbBuffer;

/// Writes a colour as arguments of the sequence that selects it; the first is 38 for the character, 48 behind it.
pub(super) type Colour = fn(u8, [u8; 3]) -> String;

/// A colour as it is.
pub(super) fn exact(layer: u8, [red, green, blue]: [u8; 3]) -> String {
    format!("{layer};2;{red};{green};{blue}")
}

/// The nearest of the 240 fixed ones among 256 colours: a cube of six levels per channel, and 24 greys.
pub(super) fn nearest(layer: u8, colour: [u8; 3]) -> String {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let distance =
        |other: [u8; 3]| -> u32 { colour.iter().zip(other).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum() };
    let level = colour.map(|channel| (0..6).min_by_key(|&at| LEVELS[at].abs_diff(channel)).unwrap_or(0));
    let cube = (16 + 36 * level[0] + 6 * level[1] + level[2], level.map(|at| LEVELS[at]));
    let mean = colour.iter().map(|channel| usize::from(*channel)).sum::<usize>() / 3;
    let step = (mean.saturating_sub(3) / 10).min(23);
    let grey = (232 + step, [(8 + 10 * step) as u8; 3]);
    let (index, _) = if distance(grey.1) < distance(cube.1) { grey } else { cube };
    format!("{layer};5;{index}")
}

/// Writes two rows of pixels per line.
pub(super) fn half_blocks(picture: &RgbBuffer, colour: Colour, out: &mut impl Write) -> io::Result<()> {
    for rows in picture.data().chunks(picture.width() * 6) {
        let (upper, lower) = rows.split_at(picture.width() * 3);
        let mut lower = lower.as_chunks::<3>().0.iter();
        let mut last = None;
        for &upper in upper.as_chunks::<3>().0 {
            let pair = (upper, lower.next().copied());
            // Neighbours of the same colours need no further sequence.
            if last != Some(pair) {
                let behind = pair.1.map_or("49".to_owned(), |lower| colour(48, lower));
                write!(out, "\x1b[{};{behind}m", colour(38, upper))?;
                last = Some(pair);
            }
            out.write_all("▀".as_bytes())?;
        }
        out.write_all(b"\x1b[0m\n")?;
    }
    Ok(())
}

/// Writes two rows of pixels per line, as characters that look darker or lighter.
pub(super) fn shades(picture: &RgbBuffer, out: &mut impl Write) -> io::Result<()> {
    const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
    let width = picture.width() * 3;
    for rows in picture.data().chunks(width * 2) {
        let mut line = String::new();
        for x in 0..picture.width() {
            let pixels = rows.chunks(width).map(|row| &row[x * 3..][..3]);
            let count = pixels.len() as u32;
            // Luma of BT.601, in thousandths.
            let luma: u32 = pixels.map(|p| 299 * u32::from(p[0]) + 587 * u32::from(p[1]) + 114 * u32::from(p[2])).sum();
            line.push(SHADES[(luma / count * 5 / 255_001) as usize]);
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
