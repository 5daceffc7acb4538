//! Pictures in the protocols of terminals that show some.

use std::io::{self, Write};

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use color_quant::NeuQuant;

use super::Size;
use crate::RgbBuffer;
use crate::library::sheet::thumbnail_jpeg;

/// Bytes of a picture per sequence of Kitty, whose limit is 4096 characters of base64.
const CHUNK: usize = 3072;
/// Colours of a sixel picture; terminals have 256 registers as a rule.
const COLOURS: usize = 256;
/// NeuQuant looks at each pixel: pictures are small.
const SAMPLING: i32 = 1;

/// Kitty's graphics protocol (sw.kovidgoyal.net/kitty/graphics-protocol): RGB as it is, quiet, so that the terminal
/// does not answer.
pub(super) fn kitty(picture: &RgbBuffer, size: &Size, out: &mut impl Write) -> io::Result<()> {
    let mut chunks = picture.data().chunks(CHUNK).peekable();
    let (width, height) = (picture.width(), picture.height());
    // With rows alone, the terminal keeps the proportions.
    let mut keys = format!("a=T,f=24,q=2,s={width},v={height},r={},", size.rows);
    while let Some(chunk) = chunks.next() {
        let more = u8::from(chunks.peek().is_some());
        write!(out, "\x1b_G{keys}m={more};{}\x1b\\", Base64Display::new(chunk, &STANDARD))?;
        "q=2,".clone_into(&mut keys);
    }
    out.write_all(b"\n")
}

/// Inline images of iTerm2 (iterm2.com/documentation-images.html): a JPEG file.
pub(super) fn iterm(picture: &RgbBuffer, size: &Size, out: &mut impl Write) -> io::Result<()> {
    let jpeg = thumbnail_jpeg(picture)?;
    let (bytes, columns, rows) = (jpeg.len(), size.columns, size.rows);
    writeln!(
        out,
        "\x1b]1337;File=inline=1;size={bytes};width={columns};height={rows};preserveAspectRatio=1:{}\x07",
        Base64Display::new(&jpeg, &STANDARD)
    )
}

/// Sixels (DEC STD 070): a palette, then bands of six rows, of which each colour has its own pass.
pub(super) fn sixel(picture: &RgbBuffer, out: &mut impl Write) -> io::Result<()> {
    let (width, height) = (picture.width(), picture.height());
    let rgba: Vec<u8> = picture.data().as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect();
    let palette = NeuQuant::new(SAMPLING, COLOURS, &rgba);
    let indices: Vec<usize> = rgba.chunks_exact(4).map(|pixel| palette.index_of(pixel)).collect();
    write!(out, "\x1bP0;1q\"1;1;{width};{height}")?;
    let mut used = [false; COLOURS];
    indices.iter().for_each(|&index| used[index] = true);
    for (index, colour) in palette.color_map_rgb().chunks_exact(3).enumerate().filter(|(index, _)| used[*index]) {
        let percent = |level: u8| (u32::from(level) * 100 + 127) / 255;
        write!(out, "#{index};2;{};{};{}", percent(colour[0]), percent(colour[1]), percent(colour[2]))?;
    }
    for band in indices.chunks(width * 6) {
        let mut present = [false; COLOURS];
        band.iter().for_each(|&index| present[index] = true);
        for (colour, _) in present.iter().enumerate().filter(|(_, present)| **present) {
            write!(out, "#{colour}")?;
            let mut run = Run::default();
            for x in 0..width {
                let rows = band.iter().skip(x).step_by(width).enumerate();
                let bits = rows.filter(|(_, index)| **index == colour).fold(0u8, |bits, (row, _)| bits | 1 << row);
                run.push(b'?' + bits, out)?;
            }
            run.flush(out)?;
            out.write_all(b"$")?;
        }
        out.write_all(b"-")?;
    }
    out.write_all(b"\x1b\\\n")
}

/// Equal sixels in a row, which are written once with their number.
#[derive(Default)]
struct Run {
    sixel: u8,
    count: usize,
}

impl Run {
    fn push(&mut self, sixel: u8, out: &mut impl Write) -> io::Result<()> {
        if sixel != self.sixel {
            self.flush(out)?;
            self.sixel = sixel;
        }
        self.count += 1;
        Ok(())
    }

    fn flush(&mut self, out: &mut impl Write) -> io::Result<()> {
        let count = std::mem::take(&mut self.count);
        match count {
            0..4 => out.write_all(&[self.sixel].repeat(count)),
            _ => write!(out, "!{count}{}", char::from(self.sixel)),
        }
    }
}
