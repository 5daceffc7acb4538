//! Groups of prefix codes: each pixel is coded with those of its tile.

use super::super::super::decode_error::DecodeError;
use super::bits::Bits;
use super::codes::{Code, CodeReader};
use super::entropy::Image;
use super::memory::Memory;

/// Levels of a channel; symbols of green from here on are lengths of copies.
pub(super) const LEVELS: usize = 256;
/// Lengths of copies; symbols from here on are places in the cache.
pub(super) const LENGTHS: usize = 24;
const DISTANCES: usize = 40;

/// Work to read the codes of a group, beside what its size takes.
const GROUP_WORK: u64 = 4_000;

/// The codes of a tile.
pub(super) struct Group {
    pub tables: Vec<u16>,
    pub green: Code,
    pub red: Code,
    pub blue: Code,
    pub alpha: Code,
    pub distance: Code,
    /// The alpha of all pixels, in its place, if it does not vary.
    pub opacity: Option<u32>,
    /// The colour without its green, if only green varies.
    pub colour: Option<u32>,
    /// The pixel, if nothing varies.
    pub pixel: Option<u32>,
}

impl Group {
    /// Reads a group; returns it unless nothing is to be kept.
    fn read(
        reader: &mut CodeReader,
        greens: usize,
        keep: bool,
        bits: &mut Bits<'_>,
        memory: Memory<'_>,
    ) -> Result<Option<Group>, DecodeError> {
        memory.budget.work(GROUP_WORK + 4 * greens as u64)?;
        reader.clear();
        let [green, red, blue, alpha] = [greens, LEVELS, LEVELS, LEVELS].map(|symbols| reader.read(symbols, bits));
        let (green, red, blue, alpha) = (green?, red?, blue?, alpha?);
        let distance = reader.read(DISTANCES, bits)?;
        if !keep {
            return Ok(None);
        }
        let tables = memory.copy(reader.tables())?;
        let only = |code: Code| code.only_symbol(&tables).map(|symbol| symbol as u32);
        let opacity = only(alpha).map(|alpha| alpha << 24);
        let colour = match (opacity, only(red), only(blue)) {
            (Some(alpha), Some(red), Some(blue)) => Some(alpha | red << 16 | blue),
            _ => None,
        };
        let level = only(green).filter(|&green| (green as usize) < LEVELS);
        let pixel = colour.zip(level).map(|(colour, green)| colour | green << 8);
        Ok(Some(Group { tables, green, red, blue, alpha, distance, opacity, colour, pixel }))
    }
}

/// The groups of codes and where each applies.
pub(super) struct Groups {
    list: Vec<Group>,
    /// The group of each tile, as its place in `list`; without it there is one.
    map: Option<Image>,
    /// A tile has `1 << tile_bits` pixels on each side.
    tile_bits: u32,
}

impl Groups {
    /// Reads the groups of an image with so many places in its cache; `map` has the group of each tile.
    pub fn read(
        bits: &mut Bits<'_>,
        places: usize,
        map: Option<(u32, Image)>,
        memory: Memory<'_>,
    ) -> Result<Groups, DecodeError> {
        let greens = LEVELS + LENGTHS + places;
        let mut reader = CodeReader::new(memory)?;
        let mut read = |keep, bits: &mut Bits<'_>| Group::read(&mut reader, greens, keep, bits, memory);
        let Some((tile_bits, mut map)) = map else {
            let mut list = memory.reserve(1)?;
            list.extend(read(true, bits)?);
            return Ok(Groups { list, map: None, tile_bits: 0 });
        };
        // Files may state groups that no tile uses.
        const UNUSED: u32 = u32::MAX;
        map.pixels.iter_mut().for_each(|pixel| *pixel = *pixel >> 8 & 0xffff);
        let stated = map.pixels.iter().max().map_or(1, |&most| most as usize + 1);
        let mut places = memory.zeros(stated)?;
        places.fill(UNUSED);
        map.pixels.iter().for_each(|&group| places[group as usize] = 0);
        let used = places.iter().filter(|&&place| place != UNUSED).count();
        let mut list = memory.reserve(used)?;
        for place in &mut places {
            let keep = *place != UNUSED;
            *place = list.len() as u32;
            list.extend(read(keep, bits)?);
        }
        map.pixels.iter_mut().for_each(|pixel| *pixel = places[*pixel as usize]);
        Ok(Groups { list, map: Some(map), tile_bits })
    }

    /// Returns the group at a place, and the end of its tile.
    pub fn at(&self, x: usize, y: usize) -> (&Group, usize) {
        match &self.map {
            None => (&self.list[0], usize::MAX),
            Some(map) => {
                let tile = x >> self.tile_bits;
                let group = map.pixels[(y >> self.tile_bits) * map.width + tile];
                (&self.list[group as usize], (tile + 1) << self.tile_bits)
            }
        }
    }
}
