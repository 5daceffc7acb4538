//! Palettes (sections 5.11.46 to 5.11.50): colours of a block, and the index of each of its samples.

use super::super::symbols::Symbols;
use super::Decoder;
use super::block::Block;
use super::modes::DC;

/// Samples of a side of the largest block with palettes.
pub const SIDE: usize = 64;

/// Palettes of a block.
pub struct Palettes {
    /// `palette_colors_y`, `palette_colors_u` and `palette_colors_v`.
    pub colours: [[u16; 8]; 3],
    /// `ColorMapY` and `ColorMapUV`: rows of [`SIDE`] indices.
    pub indices: [Vec<u8>; 2],
}

impl Palettes {
    pub fn new(used: bool) -> Palettes {
        let count = if used { SIDE * SIDE } else { 0 };
        Palettes { colours: [[0; 8]; 3], indices: [vec![0; count], vec![0; count]] }
    }
}

impl Decoder<'_> {
    /// `palette_mode_info`.
    pub fn read_palettes(&mut self, block: &mut Block) {
        let place = block.place;
        let size = usize::from(place.size.log2_width + place.size.log2_height) - 2;
        if block.y_mode == DC {
            let above = place.above && self.above.blocks[place.col].palette_sizes[0] > 0;
            let left = place.left && self.left.blocks[place.left_row()].palette_sizes[0] > 0;
            let context = usize::from(above) + usize::from(left);
            if self.symbols.flag(&mut self.cdfs.frame.palette_y_mode[size][context]) {
                block.palette_sizes[0] = self.read_colours(block, 0, size);
            }
        }
        if block.has_chroma && block.uv_mode == DC {
            let context = usize::from(block.palette_sizes[0] > 0);
            if self.symbols.flag(&mut self.cdfs.frame.palette_uv_mode[context]) {
                block.palette_sizes[1] = self.read_colours(block, 1, size);
                self.read_colours_of_v(usize::from(block.palette_sizes[1]));
            }
        }
    }

    /// Reads the colours of luma or U, and returns how many there are.
    fn read_colours(&mut self, block: &Block, plane: usize, size: usize) -> u8 {
        let bits = self.sequence.colours.bits;
        let (cache, cached) = self.palette_cache(block, plane);
        let count = self.symbols.symbol(&mut self.cdfs.frame.palette_size[plane][size]) + 2;
        let symbols = &mut self.symbols;
        let colours = &mut self.palettes.colours[plane];
        let mut known = 0;
        for &colour in &cache[..cached] {
            if known == count {
                break;
            }
            if symbols.bit() != 0 {
                colours[known] = colour;
                known += 1;
            }
        }
        if known < count {
            colours[known] = symbols.literal(bits) as u16;
            known += 1;
        }
        if known < count {
            let mut delta_bits = bits - 3 + symbols.literal(2);
            // Colours of luma differ.
            let least = u32::from(plane == 0);
            let most = (1u32 << bits) - 1;
            while known < count {
                let delta = symbols.literal(delta_bits) + least;
                let colour = (u32::from(colours[known - 1]) + delta).min(most);
                colours[known] = colour as u16;
                delta_bits = delta_bits.min(ceil_log2(most + 1 - colour - least));
                known += 1;
            }
        }
        colours[..count].sort_unstable();
        count as u8
    }

    fn read_colours_of_v(&mut self, count: usize) {
        let bits = self.sequence.colours.bits;
        let symbols = &mut self.symbols;
        let colours = &mut self.palettes.colours[2][..count];
        if symbols.bit() == 0 {
            colours.iter_mut().for_each(|colour| *colour = symbols.literal(bits) as u16);
            return;
        }
        let delta_bits = bits - 4 + symbols.literal(2);
        let range = 1 << bits;
        let mut last = symbols.literal(bits) as i32;
        colours[0] = last as u16;
        for colour in &mut colours[1..] {
            let mut delta = symbols.literal(delta_bits) as i32;
            if delta != 0 && symbols.bit() != 0 {
                delta = -delta;
            }
            last += delta;
            if last < 0 {
                last += range;
            }
            if last >= range {
                last -= range;
            }
            last = last.clamp(0, range - 1);
            *colour = last as u16;
        }
    }

    /// `get_palette_cache`: the colours above and to the left, sorted, each once.
    fn palette_cache(&self, block: &Block, plane: usize) -> ([u16; 16], usize) {
        let place = &block.place;
        let mut cache = [0; 16];
        let mut count = 0;
        let mut collect = |colours: &[u16; 8], size: u8| {
            let size = usize::from(size).min(8);
            cache[count..count + size].copy_from_slice(&colours[..size]);
            count += size;
        };
        // Not across rows of 64 samples, so that colours need not be kept.
        if place.above && !place.row.is_multiple_of(16) {
            collect(&self.above.palettes[plane][place.col], self.above.blocks[place.col].palette_sizes[plane]);
        }
        if place.left {
            let row = place.left_row();
            collect(&self.left.palettes[plane][row], self.left.blocks[row].palette_sizes[plane]);
        }
        cache[..count].sort_unstable();
        let mut kept = 0;
        for index in 0..count {
            if kept == 0 || cache[index] != cache[kept - 1] {
                cache[kept] = cache[index];
                kept += 1;
            }
        }
        (cache, kept)
    }

    /// `palette_tokens`.
    pub fn read_palette_indices(&mut self, block: &Block) {
        let place = &block.place;
        let size = [place.size.width4() * 4, place.size.height4() * 4];
        let rest = [(self.header.mi_cols - place.col) * 4, (self.header.mi_rows - place.row) * 4];
        let shown = [size[0].min(rest[0]), size[1].min(rest[1])];
        if block.palette_sizes[0] > 0 {
            self.read_indices(0, block.palette_sizes[0], size, shown);
        }
        if block.palette_sizes[1] > 0 {
            let shifts = self.picture.frame.shifts(1);
            // Chroma of four samples belongs to a block of two and the one before it.
            let grown = |side: usize, shown: usize, shift: u32| match side >> shift {
                2 => (4, (shown >> shift) + 2),
                side => (side, shown >> shift),
            };
            let [across, down] = [0, 1].map(|axis| grown(size[axis], shown[axis], shifts[axis]));
            self.read_indices(1, block.palette_sizes[1], [across.0, down.0], [across.1, down.1]);
        }
    }

    /// Reads the indices of the part of a block that is in the frame, diagonal by diagonal; repeats the last beyond it.
    fn read_indices(&mut self, plane: usize, colours: u8, size: [usize; 2], shown: [usize; 2]) {
        let indices = &mut self.palettes.indices[plane][..];
        let cdfs = &mut self.cdfs.frame.palette_colours[plane];
        let symbols = &mut self.symbols;
        let [width, height] = shown;
        indices[0] = symbols.below(colours.into()) as u8;
        for diagonal in 1..width + height - 1 {
            for column in (diagonal.saturating_sub(height - 1)..=diagonal.min(width - 1)).rev() {
                let at = (diagonal - column) * SIDE + column;
                let above = (diagonal > column).then(|| indices[at - SIDE]);
                let left = (column > 0).then(|| indices[at - 1]);
                let corner = (diagonal > column && column > 0).then(|| indices[at - SIDE - 1]);
                let (context, order) = colour_context(above, left, corner);
                let symbol = read_index(symbols, cdfs, colours, context);
                indices[at] = order[symbol];
            }
        }
        for row in indices.chunks_exact_mut(SIDE).take(height) {
            let last = row[width - 1];
            row[width..size[0]].fill(last);
        }
        let (known, rest) = indices.split_at_mut(height * SIDE);
        let last = &known[(height - 1) * SIDE..];
        for row in rest.chunks_exact_mut(SIDE).take(size[1] - height) {
            row[..size[0]].copy_from_slice(&last[..size[0]]);
        }
    }
}

fn read_index(
    symbols: &mut Symbols<'_>,
    cdfs: &mut super::super::cdfs::PaletteCdfs,
    colours: u8,
    context: usize,
) -> usize {
    match colours {
        2 => symbols.symbol(&mut cdfs.of_2[context]),
        3 => symbols.symbol(&mut cdfs.of_3[context]),
        4 => symbols.symbol(&mut cdfs.of_4[context]),
        5 => symbols.symbol(&mut cdfs.of_5[context]),
        6 => symbols.symbol(&mut cdfs.of_6[context]),
        7 => symbols.symbol(&mut cdfs.of_7[context]),
        _ => symbols.symbol(&mut cdfs.of_8[context]),
    }
}

/// `get_palette_color_context`: the context, and all colours, those of the neighbours first.
fn colour_context(above: Option<u8>, left: Option<u8>, corner: Option<u8>) -> (usize, [u8; 8]) {
    // Up to three colours with their weights: of the same weight, the lower number comes first.
    let mut found = [(0u8, 0u8); 3];
    let mut count = 0;
    for (colour, weight) in [(left, 2), (corner, 1), (above, 2)] {
        let Some(colour) = colour else { continue };
        match found[..count].iter_mut().find(|(known, _)| *known == colour) {
            Some((_, sum)) => *sum += weight,
            None => {
                found[count] = (colour, weight);
                count += 1;
            }
        }
    }
    let found = &mut found[..count];
    found.sort_unstable_by_key(|&(colour, weight)| (std::cmp::Reverse(weight), colour));
    let mut order = [0; 8];
    for (place, &mut (colour, _)) in order.iter_mut().zip(&mut *found) {
        *place = colour;
    }
    let mut next = count;
    for colour in 0..8 {
        if next < 8 && !found.iter().any(|&(known, _)| known == colour) {
            order[next] = colour;
            next += 1;
        }
    }
    let weights = [0, 1, 2].map(|index| found.get(index).map_or(0, |&(_, weight)| weight));
    // `Palette_Color_Hash_Multipliers` and `Palette_Color_Context`.
    let context = match weights[0] + 2 * (weights[1] + weights[2]) {
        2 => 0,
        5 => 4,
        6 => 3,
        7 => 2,
        _ => 1,
    };
    (context, order)
}

/// `CeilLog2`.
fn ceil_log2(value: u32) -> u32 {
    if value < 2 { 0 } else { (value - 1).ilog2() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_decide_context_and_order() {
        assert_eq!(colour_context(None, Some(3), None), (0, [3, 0, 1, 2, 4, 5, 6, 7]));
        assert_eq!(colour_context(Some(1), Some(1), Some(1)), (4, [1, 0, 2, 3, 4, 5, 6, 7]));
        // Three colours: weights 2, 2 and 1.
        assert_eq!(colour_context(Some(5), Some(2), Some(0)), (1, [2, 5, 0, 1, 3, 4, 6, 7]));
        assert_eq!(colour_context(Some(2), Some(5), Some(5)), (2, [5, 2, 0, 1, 3, 4, 6, 7]));
        assert_eq!(colour_context(Some(2), Some(2), Some(5)), (3, [2, 5, 0, 1, 3, 4, 6, 7]));
    }

    #[test]
    fn logarithms_round_up() {
        assert_eq!([0, 1, 2, 3, 4, 5].map(ceil_log2), [0, 0, 1, 2, 2, 3]);
    }
}
