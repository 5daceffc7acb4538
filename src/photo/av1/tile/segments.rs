//! Segments, and what a block or superblock changes of quantisation and filters (sections 5.11.8, 5.11.9, 5.11.35 to
//! 5.11.38).

use super::super::header::feature;
use super::super::quantizers::steps;
use super::Decoder;
use super::block::Block;

impl Decoder<'_> {
    /// `intra_segment_id`.
    pub fn read_segment_id(&mut self, block: &mut Block) {
        if !self.header.segmentation.enabled {
            return;
        }
        let place = &block.place;
        let cols = self.header.mi_cols;
        let at = place.row * cols + place.col;
        let ids = &self.picture.segment_ids;
        let above = place.above.then(|| ids[at - cols]);
        let left = place.left.then(|| ids[at - 1]);
        let corner = (place.above && place.left).then(|| ids[at - cols - 1]);
        let predicted = match (above, left) {
            (None, None) => 0,
            (None, Some(left)) => left,
            (Some(above), None) => above,
            (Some(above), Some(left)) => {
                if corner == Some(above) {
                    above
                } else {
                    left
                }
            }
        };
        if block.skip {
            block.segment_id = predicted;
            return;
        }
        let context = match corner {
            None => 0,
            Some(_) if corner == above && corner == left => 2,
            Some(_) if corner == above || corner == left || above == left => 1,
            Some(_) => 0,
        };
        let coded = self.symbols.symbol(&mut self.cdfs.frame.segment_id[context]) as i32;
        let last = i32::from(self.header.segmentation.last_active);
        block.segment_id = segment_near(coded, i32::from(predicted), last + 1).clamp(0, last) as u8;
    }

    /// `read_cdef`.
    pub fn read_cdef(&mut self, block: &Block) {
        let Some(cdef) = self.header.cdef.as_ref().filter(|_| !block.skip) else { return };
        let across = self.header.width.div_ceil(64);
        let (row, col) = (block.place.row / 16, block.place.col / 16);
        let indices = &mut self.picture.cdef_indices;
        if indices.get(row * across + col) != Some(&-1) {
            return;
        }
        let index = self.symbols.literal(cdef.bits) as i8;
        let rows = row..row + block.place.size.height4().div_ceil(16);
        let cols = col..(col + block.place.size.width4().div_ceil(16)).min(across);
        for row in rows {
            if let Some(indices) = indices.get_mut(row * across + cols.start..row * across + cols.end) {
                indices.fill(index);
            }
        }
    }

    /// Whether this block is where its superblock reads deltas.
    fn reads_deltas(&self, block: &Block) -> bool {
        let side = if self.sequence.use_128x128_superblock { 5 } else { 4 };
        let size = block.place.size;
        self.read_deltas && !(block.skip && size.log2_width == side && size.log2_height == side)
    }

    /// `read_delta_qindex`.
    pub fn read_delta_q(&mut self, block: &Block) {
        let Some(resolution) = self.header.delta_q.filter(|_| self.reads_deltas(block)) else { return };
        let symbol = self.symbols.symbol(&mut self.cdfs.frame.delta_q) as i32;
        let delta = self.read_delta(symbol);
        if delta != 0 {
            let index = i32::from(self.q_index) + (delta << resolution);
            self.set_q_index(index.clamp(1, 255) as u8);
        }
    }

    /// `read_delta_lf`.
    pub fn read_delta_lf(&mut self, block: &Block) {
        let Some(params) = self.header.delta_lf.filter(|_| self.reads_deltas(block)) else { return };
        let count = match (params.multi, self.sequence.colours.mono_chrome) {
            (false, _) => 1,
            (true, true) => 2,
            (true, false) => 4,
        };
        for index in 0..count {
            let cdf = match params.multi {
                true => &mut self.cdfs.frame.delta_lf_multi[index],
                false => &mut self.cdfs.frame.delta_lf,
            };
            let symbol = self.symbols.symbol(cdf) as i32;
            let delta = self.read_delta(symbol) << params.resolution;
            self.delta_lf[index] = (self.delta_lf[index] + delta).clamp(-63, 63);
        }
    }

    /// Reads the rest of a delta after its first symbol.
    fn read_delta(&mut self, symbol: i32) -> i32 {
        let mut size = symbol;
        if symbol == 3 {
            let bits = self.symbols.literal(3) + 1;
            size = self.symbols.literal(bits) as i32 + (1 << bits) + 1;
        }
        if size != 0 && self.symbols.bit() != 0 { -size } else { size }
    }

    /// Sets `CurrentQIndex`, and the steps that follow from it.
    pub fn set_q_index(&mut self, index: u8) {
        self.q_index = index;
        let quantization = &self.header.quantization;
        // Without deltas it is what the frame states.
        for (segment, planes) in self.steps.iter_mut().enumerate() {
            let index = i32::from(self.header.segmentation.qindex(segment, index));
            for (plane, plane_steps) in planes.iter_mut().enumerate() {
                let [dc, ac] = [quantization.delta_dc[plane], quantization.delta_ac[plane]];
                *plane_steps = steps(self.sequence.colours.bits, index + dc, index + ac);
            }
        }
    }

    /// Levels of the loop filter (sections 7.14.4 and 7.14.5): luma of vertical and of horizontal edges, U, V.
    pub fn filter_levels(&self, segment: u8) -> [u8; 4] {
        let filter = &self.header.loop_filter;
        if self.picture.edges[0].is_none() {
            return [0; 4];
        }
        let multi = self.header.delta_lf.is_some_and(|params| params.multi);
        std::array::from_fn(|index| {
            let delta = self.delta_lf[if multi { index } else { 0 }];
            let mut level = (i32::from(filter.level[index]) + delta).clamp(0, 63);
            if let Some(value) = self.header.segmentation.feature(segment.into(), feature::ALT_LF_Y_V + index) {
                level = (level + value).clamp(0, 63);
            }
            if let Some(delta) = filter.intra_delta {
                level = (level + (delta << (level >> 5))).clamp(0, 63);
            }
            level as u8
        })
    }
}

/// `neg_deinterleave`: numbers near the predicted one come first.
fn segment_near(coded: i32, predicted: i32, count: i32) -> i32 {
    if predicted == 0 {
        return coded;
    }
    if predicted >= count - 1 {
        return count - coded - 1;
    }
    let (nearer, mirrored) = match 2 * predicted < count {
        true => (2 * predicted, false),
        false => (2 * (count - predicted - 1), true),
    };
    if coded <= nearer {
        return if coded & 1 != 0 { predicted + ((coded + 1) >> 1) } else { predicted - (coded >> 1) };
    }
    if mirrored { count - (coded + 1) } else { coded }
}

#[cfg(test)]
mod tests {
    use super::segment_near;

    #[test]
    fn every_segment_is_coded_once() {
        for count in 1..=8 {
            for predicted in 0..count {
                let mut segments: Vec<i32> = (0..count).map(|coded| segment_near(coded, predicted, count)).collect();
                assert_eq!(segments[0], predicted);
                segments.sort();
                assert_eq!(segments, (0..count).collect::<Vec<_>>());
            }
        }
    }
}
