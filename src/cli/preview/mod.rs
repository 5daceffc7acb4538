//! Photos in a terminal: as pictures where it can show some, otherwise as coloured half blocks.
//!
//! The terminal is known by its environment variables alone. Nothing is asked of it, because an answer that does not
//! come would hold up the command, and one that comes late would be read by the shell. Of crates for this, viuer asks
//! every terminal, brings `crossterm` and a PNG decoder and needs C for sixels; what remains is a page per protocol.

mod blocks;
mod pictures;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::{self, Write};

use crate::RgbBuffer;

/// How a terminal shows photos.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Protocol {
    /// Graphics protocol of Kitty, also in Ghostty
    Kitty,
    /// Inline images of iTerm2, also in WezTerm, mintty and Rio
    Iterm,
    /// Sixels, in foot, Konsole, mlterm, contour and others
    Sixel,
    /// Half blocks in 16 million colours
    Blocks,
    /// Half blocks in 256 colours
    Blocks256,
    /// Shades of characters, without colours or control sequences
    Shades,
}

impl Protocol {
    /// The protocol of the terminal that an environment describes. In tmux and screen, which do not pass pictures on
    /// by default, half blocks. With `NO_COLOR`, shades instead of half blocks.
    pub fn detect(variable: impl Fn(&str) -> Option<OsString>) -> Protocol {
        let text = |name: &str| variable(name).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
        let is_set = |name: &str| !text(name).is_empty();
        let (term, program) = (text("TERM"), text("TERM_PROGRAM"));
        let multiplexed = is_set("TMUX") || is_set("STY") || term.starts_with("screen") || term.starts_with("tmux");
        if !multiplexed && term != "dumb" {
            if is_set("KITTY_WINDOW_ID") || ["xterm-kitty", "xterm-ghostty"].contains(&&*term) || program == "ghostty" {
                return Protocol::Kitty;
            }
            if ["iTerm.app", "WezTerm", "mintty", "rio"].contains(&&*program) || text("LC_TERMINAL") == "iTerm2" {
                return Protocol::Iterm;
            }
            // Konsole has them since 22.04.
            let konsole = text("KONSOLE_VERSION").parse().is_ok_and(|version: u32| version >= 220_400);
            if konsole || ["foot", "mlterm", "contour", "yaft"].iter().any(|name| term.starts_with(name)) {
                return Protocol::Sixel;
            }
        }
        let windows_terminal = is_set("WT_SESSION");
        if is_set("NO_COLOR") || term == "dumb" || (term.is_empty() && !windows_terminal) {
            return Protocol::Shades;
        }
        let exact = ["truecolor", "24bit"].contains(&&*text("COLORTERM"))
            || term.ends_with("-direct")
            || windows_terminal
            || program == "vscode";
        if exact { Protocol::Blocks } else { Protocol::Blocks256 }
    }

    /// Writes a photo of at most `columns` and `rows` cells, followed by a new line. Keeps its proportions, as far as
    /// cells allow, for cells that are twice as high as wide, and does not enlarge it much. Writes nothing if there
    /// is no room.
    pub fn preview(self, photo: &RgbBuffer, columns: usize, rows: usize, out: &mut impl Write) -> io::Result<()> {
        if columns == 0 || rows == 0 {
            return Ok(());
        }
        // Pixels of the picture for each column; each row has twice as many.
        let pixels = match self {
            // Sent without compression: enough for common screens.
            Protocol::Kitty | Protocol::Sixel => 10,
            Protocol::Iterm => 16,
            Protocol::Blocks | Protocol::Blocks256 | Protocol::Shades => 1,
        };
        let size = Size::fit(photo, columns, rows, pixels);
        let picture = reduce(photo, size.width, size.height);
        match self {
            Protocol::Kitty => pictures::kitty(&picture, &size, out),
            Protocol::Iterm => pictures::iterm(&picture, &size, out),
            Protocol::Sixel => pictures::sixel(&picture, out),
            Protocol::Blocks => blocks::half_blocks(&picture, blocks::exact, out),
            Protocol::Blocks256 => blocks::half_blocks(&picture, blocks::nearest, out),
            Protocol::Shades => blocks::shades(&picture, out),
        }
    }
}

/// Size of a preview, in cells and in pixels.
struct Size {
    columns: usize,
    rows: usize,
    width: usize,
    height: usize,
}

impl Size {
    /// Fits a photo into cells that have so many pixels across and twice as many down.
    fn fit(photo: &RgbBuffer, columns: usize, rows: usize, pixels: usize) -> Size {
        let (width, height) = (photo.width() as f64, photo.height() as f64);
        // Sides in pixels; memory is bounded by the photo's own.
        let room = |cells: usize, pixels: usize| cells.saturating_mul(pixels) as f64;
        let scale = (room(columns, pixels) / width).min(room(rows, 2 * pixels) / height).min(1.0);
        let side = |full: f64| ((full * scale).round() as usize).max(1);
        let (width, height) = (side(width), side(height));
        Size {
            columns: width.div_ceil(pixels).min(columns),
            rows: height.div_ceil(2 * pixels).min(rows),
            width,
            height,
        }
    }
}

/// Reduces a photo by means over boxes.
fn reduce(photo: &RgbBuffer, width: usize, height: usize) -> RgbBuffer {
    // The box of pixel `at` of `new` ones among `full`, never empty.
    let part = |at: usize, full: usize, new: usize| {
        let start = at * full / new;
        start..((at + 1) * full / new).max(start + 1)
    };
    let row = photo.width() * 3;
    let mut data = Vec::with_capacity(width * height * 3);
    let mut sums = vec![0u64; row];
    for y in 0..height {
        let rows = part(y, photo.height(), height);
        sums.fill(0);
        for y in rows.clone() {
            for (sum, level) in sums.iter_mut().zip(&photo.data()[y * row..][..row]) {
                *sum += u64::from(*level);
            }
        }
        for x in 0..width {
            let columns = part(x, photo.width(), width);
            let count = (rows.len() * columns.len()) as u64;
            for channel in 0..3 {
                let sum: u64 = columns.clone().map(|x| sums[x * 3 + channel]).sum();
                data.push(u8::try_from((sum + count / 2) / count).unwrap_or(u8::MAX));
            }
        }
    }
    match RgbBuffer::new(width, height, data) {
        Ok(picture) => picture,
        Err(_) => unreachable!("every pixel was written"),
    }
}
