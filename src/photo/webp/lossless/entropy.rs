//! Pixels as a file codes them: literal colours, copies of earlier pixels, and places in a cache of recent colours, each
//! written in prefix codes that change from tile to tile.
//!
//! Pixels come in order, a row at a time. Copies reach back a million pixels at most, so no more are kept. Knows nothing
//! of what the pixels mean: a picture, the parameters of a transform, the groups of codes that tiles use.

use super::super::super::decode_error::DecodeError;
use super::bits::Bits;
use super::copies::{LONGEST_COPY, REACH, distance, extended, repeat};
use super::groups::{Group, Groups, LENGTHS, LEVELS};
use super::memory::Memory;

/// Work for each pixel of an image that is not the picture, and for its header.
const PIXEL_WORK: u64 = 10;

/// An image whose pixels are parameters.
pub(super) struct Image {
    /// Pixels in a row.
    pub width: usize,
    /// `[height, width]`, `0xAARRGGBB`
    pub pixels: Vec<u32>,
}

impl Image {
    /// Reads an image.
    pub fn read(bits: &mut Bits<'_>, width: usize, height: usize, memory: Memory<'_>) -> Result<Image, DecodeError> {
        let mut coded = Coded::parameters(bits, width, height, memory)?;
        for y in 0..height {
            memory.budget.work(PIXEL_WORK * width as u64 + 20)?;
            coded.row(y, bits)?;
        }
        Ok(Image { width, pixels: coded.window })
    }
}

/// The number of tiles of `1 << bits` pixels that cover a side.
pub(super) fn tiles(side: usize, bits: u32) -> usize {
    side.div_ceil(1 << bits)
}

/// The cache of recent colours. It learns pixels when it is asked, which saves the work where nobody asks.
struct Cache {
    colours: Vec<u32>,
    /// Shift from the hash of a colour to its place.
    shift: u32,
    /// How many pixels of the window it knows.
    learned: usize,
}

impl Cache {
    #[inline(always)]
    fn learn(&mut self, pixels: &[u32]) {
        for &pixel in &pixels[self.learned..] {
            let place = pixel.wrapping_mul(0x1e35_a7bd) >> self.shift;
            self.colours[place as usize] = pixel;
        }
        self.learned = pixels.len();
    }
}

/// The coded pixels of an image.
pub(super) struct Coded {
    width: usize,
    /// Pixels that are still to be decoded.
    left: usize,
    groups: Groups,
    cache: Option<Cache>,
    /// The latest pixels, and room for more.
    window: Vec<u32>,
    /// How many pixels of the window are decoded.
    filled: usize,
    /// Place of the next pixel.
    x: usize,
    y: usize,
}

impl Coded {
    /// Reads the header of an image of parameters, of which all pixels are kept.
    fn parameters(bits: &mut Bits<'_>, width: usize, height: usize, memory: Memory<'_>) -> Result<Coded, DecodeError> {
        let cache_bits = cache_bits(bits)?;
        Coded::read(bits, (width, height), cache_bits, None, width * height, memory)
    }

    /// Reads the header of the picture.
    pub fn picture(bits: &mut Bits<'_>, width: usize, height: usize, memory: Memory<'_>) -> Result<Coded, DecodeError> {
        let cache_bits = cache_bits(bits)?;
        let map = if bits.flag() {
            let tile_bits = bits.number(3) as u32 + 2;
            Some((tile_bits, Image::read(bits, tiles(width, tile_bits), tiles(height, tile_bits), memory)?))
        } else {
            None
        };
        Coded::read(bits, (width, height), cache_bits, map, (width * height).min(2 * REACH), memory)
    }

    fn read(
        bits: &mut Bits<'_>,
        (width, height): (usize, usize),
        cache_bits: Option<u32>,
        map: Option<(u32, Image)>,
        window: usize,
        memory: Memory<'_>,
    ) -> Result<Coded, DecodeError> {
        let places = cache_bits.map_or(0, |bits| 1 << bits);
        let groups = Groups::read(bits, places, map, memory)?;
        let cache = match cache_bits {
            Some(bits) => Some(Cache { colours: memory.zeros(places)?, shift: 32 - bits, learned: 0 }),
            None => None,
        };
        let window = memory.zeros(window)?;
        Ok(Coded { width, left: width * height, groups, cache, window, filled: 0, x: 0, y: 0 })
    }

    /// Decodes row `y`, the one after the last, and returns it.
    pub fn row(&mut self, y: usize, bits: &mut Bits<'_>) -> Result<&[u32], DecodeError> {
        // Pixels of this row may be there already, as a part of a copy.
        let ahead = if self.y > y { self.width * (self.y - y) + self.x } else { self.x };
        self.make_room(ahead);
        let start = self.filled - ahead;
        self.decode(start + self.width, bits)?;
        if bits.ran_out() {
            return Err(DecodeError::Truncated);
        }
        Ok(&self.window[start..start + self.width])
    }

    /// Drops pixels that nothing reaches any more, so that a row and the longest copy have room in the window.
    fn make_room(&mut self, ahead: usize) {
        let need = (self.width.saturating_sub(ahead) + LONGEST_COPY).min(self.left);
        if need <= self.window.len() - self.filled {
            return;
        }
        if let Some(cache) = &mut self.cache {
            cache.learn(&self.window[..self.filled]);
            cache.learned = REACH;
        }
        self.window.copy_within(self.filled - REACH..self.filled, 0);
        self.filled = REACH;
    }

    /// Decodes pixels until the window has `end`, or more.
    fn decode(&mut self, end: usize, bits: &mut Bits<'_>) -> Result<(), DecodeError> {
        while self.filled < end {
            let (group, stop) = self.groups.at(self.x, self.y);
            let run = stop.min(self.width) - self.x;
            let stop = (self.filled + run).min(end);
            let start = self.filled;
            let mut pixels = Pixels { window: &mut self.window, filled: start, cache: self.cache.as_mut() };
            let copy = pixels.literals(group, stop, bits)?;
            let mut filled = pixels.filled;
            if let Some(symbol) = copy {
                let length = extended(symbol, bits);
                bits.fill();
                let distance = distance(group.distance.symbol(&group.tables, bits), self.width, bits);
                if distance > filled || length > self.left - (filled - start) {
                    return Err(DecodeError::damaged("a copy reaches outside of the picture"));
                }
                repeat(&mut self.window[filled - distance..filled + length], distance);
                filled += length;
            }
            self.left -= filled - start;
            self.x += filled - start;
            self.filled = filled;
            while self.x >= self.width {
                self.x -= self.width;
                self.y += 1;
            }
        }
        Ok(())
    }
}

/// Where pixels are written.
struct Pixels<'a> {
    window: &'a mut [u32],
    filled: usize,
    cache: Option<&'a mut Cache>,
}

impl Pixels<'_> {
    /// Decodes pixels of a group up to `stop`, or up to a copy, of which the symbol is returned.
    fn literals(&mut self, group: &Group, stop: usize, bits: &mut Bits<'_>) -> Result<Option<usize>, DecodeError> {
        if let Some(pixel) = group.pixel {
            self.window[self.filled..stop].fill(pixel);
            self.filled = stop;
            return Ok(None);
        }
        let tables = &group.tables[..];
        let mut filled = self.filled;
        let mut copy = None;
        while filled < stop {
            bits.fill();
            let symbol = group.green.symbol(tables, bits);
            let pixel = if symbol < LEVELS {
                let green = (symbol as u32) << 8;
                match group.colour {
                    Some(colour) => colour | green,
                    None => {
                        let red = group.red.symbol(tables, bits) as u32;
                        let blue = group.blue.symbol(tables, bits) as u32;
                        if bits.count() < 15 {
                            bits.fill();
                        }
                        // An opaque picture states no levels; to look for bits of them would delay the next pixel.
                        let alpha = group.opacity.unwrap_or_else(|| (group.alpha.symbol(tables, bits) as u32) << 24);
                        alpha | red << 16 | green | blue
                    }
                }
            } else if symbol < LEVELS + LENGTHS {
                copy = Some(symbol - LEVELS);
                break;
            } else if let Some(cache) = &mut self.cache {
                cache.learn(&self.window[..filled]);
                cache.colours[symbol - LEVELS - LENGTHS]
            } else {
                // The alphabet has no such symbol.
                return Err(DecodeError::damaged("a colour is in no cache"));
            };
            self.window[filled] = pixel;
            filled += 1;
        }
        self.filled = filled;
        Ok(copy)
    }
}

/// Reads the number of bits of a place in the cache, if there is one.
fn cache_bits(bits: &mut Bits<'_>) -> Result<Option<u32>, DecodeError> {
    if !bits.flag() {
        return Ok(None);
    }
    match bits.number(4) {
        places @ 1..=11 => Ok(Some(places as u32)),
        places => Err(DecodeError::damaged(format_args!("a colour cache of {places} bits"))),
    }
}
