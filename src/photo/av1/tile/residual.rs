//! Prediction and reconstruction of a block, transform by transform (`compute_prediction`, `residual`, sections 5.11.33 to
//! 5.11.36).

use super::super::super::decode_error::DecodeError;
use super::super::filter::Cell;
use super::super::predict::{self, Cfl, Copy, Intra, Mode};
use super::super::sizes::{BlockSize, TxSize};
use super::super::transform;
use super::Decoder;
use super::block::{Block, CFL};
use super::coefficients::Transform;
use super::palette;

/// What the transforms of a plane of a block have in common.
#[derive(Clone, Copy)]
struct PlaneBlock {
    plane: usize,
    /// Shifts against luma, across and down.
    shifts: [u32; 2],
    /// Where the block begins, in units of four samples of the plane.
    x4: usize,
    y4: usize,
    smooth_neighbours: bool,
}

impl Decoder<'_> {
    /// Predicts and reconstructs a block.
    pub fn residual(&mut self, block: &mut Block) -> Result<(), DecodeError> {
        let place = block.place;
        let planes = if block.has_chroma { 3 } else { 1 };
        let parts: [PlaneBlock; 3] = std::array::from_fn(|plane| {
            let shifts = if plane == 0 { [0, 0] } else { self.sequence.colours.subsampling.map(u32::from) };
            PlaneBlock {
                plane,
                shifts,
                x4: place.col >> shifts[0],
                y4: place.row >> shifts[1],
                smooth_neighbours: plane < planes && self.smooth_neighbours(block, plane > 0),
            }
        });
        if let Some(vector) = block.copied {
            parts[..planes].iter().for_each(|part| self.copy(block, part, vector));
        }
        // Large blocks are coded in parts of 64 x 64 samples, each with its chroma.
        let (width, height) = (place.size.width4(), place.size.height4());
        let part_size = match place.size.longest() {
            5 => BlockSize::new(4, 4),
            _ => place.size,
        };
        for row in (0..height).step_by(16) {
            for col in (0..width).step_by(16) {
                for part in &parts[..planes] {
                    self.residual_of_part(block, part, [col, row], part_size);
                }
            }
        }
        Ok(())
    }

    /// Copies a block of a plane.
    fn copy(&mut self, block: &Block, part: &PlaneBlock, vector: [i32; 2]) {
        let size = match part.plane {
            0 => block.place.size,
            _ => block.place.size.of_chroma(self.sequence.colours.subsampling),
        };
        let copy = Copy {
            x: part.x4 * 4,
            y: part.y4 * 4,
            width: size.width4() * 4,
            height: size.height4() * 4,
            mv: vector,
            shifts: part.shifts,
            limits: self.limits(part),
        };
        predict::copy(&mut self.picture.frame.planes[part.plane], &copy);
    }

    /// Samples of a plane that blocks cover.
    fn limits(&self, part: &PlaneBlock) -> [usize; 2] {
        [(self.header.mi_cols * 4) >> part.shifts[0], (self.header.mi_rows * 4) >> part.shifts[1]]
    }

    /// The transforms of a plane in a part of a block: `col` and `row` are its place in the block, in units of four luma
    /// samples.
    fn residual_of_part(&mut self, block: &mut Block, part: &PlaneBlock, [col, row]: [usize; 2], size: BlockSize) {
        let subsampling = self.sequence.colours.subsampling;
        let in_plane = if part.plane == 0 { size } else { size.of_chroma(subsampling) };
        let (width, height) = (in_plane.width4(), in_plane.height4());
        let (x4, y4) = (part.x4 + (col >> part.shifts[0]), part.y4 + (row >> part.shifts[1]));
        if part.plane == 0 && block.copied.is_some() && !block.lossless {
            self.transform_tree(block, part, [x4, y4], [in_plane.log2_width + 2, in_plane.log2_height + 2]);
            return;
        }
        let transform = match (block.lossless, part.plane) {
            (true, _) => TxSize::TX_4X4,
            (false, 0) => block.tx_size,
            // The largest of the whole block, of at most 32 samples.
            (false, _) => block.place.size.of_chroma(subsampling).largest_transform().coded(),
        };
        for y in (0..height).step_by(transform.height4()) {
            for x in (0..width).step_by(transform.width4()) {
                self.transform_block(
                    block,
                    part,
                    Transform { plane: part.plane, x4: x4 + x, y4: y4 + y, size: transform },
                );
            }
        }
    }

    /// `transform_tree`: halves a part of a copied block until its transforms are met.
    fn transform_tree(&mut self, block: &mut Block, part: &PlaneBlock, [x4, y4]: [usize; 2], [width, height]: [u8; 2]) {
        if x4 >= self.header.mi_cols || y4 >= self.header.mi_rows {
            return;
        }
        let size = self.inter_sizes[y4 % 32 * 32 + x4 % 32];
        if width <= size.log2_width && height <= size.log2_height {
            let size = TxSize::new(width, height);
            self.transform_block(block, part, Transform { plane: 0, x4, y4, size });
            return;
        }
        let halves =
            [if width >= height { width - 1 } else { width }, if height >= width { height - 1 } else { height }];
        let steps = halves.map(|log2| 1usize << log2 >> 2);
        for y in (0..1 << height >> 2).step_by(steps[1].max(1)) {
            for x in (0..1 << width >> 2).step_by(steps[0].max(1)) {
                self.transform_tree(block, part, [x4 + x, y4 + y], halves);
            }
        }
    }

    /// `transform_block`.
    fn transform_block(&mut self, block: &mut Block, part: &PlaneBlock, transform: Transform) {
        let Transform { plane, x4, y4, size } = transform;
        let (x, y) = (x4 * 4, y4 * 4);
        let limits = self.limits(part);
        if x >= limits[0] || y >= limits[1] {
            return;
        }
        let side = if self.sequence.use_128x128_superblock { 32 } else { 16 };
        // In the superblock.
        let inside = [x4 % (side >> part.shifts[0]), y4 % (side >> part.shifts[1])];
        if block.copied.is_none() {
            self.predict(block, part, &transform, limits, inside);
            if plane == 0 {
                block.luma_end = [x + size.width4() * 4, y + size.height4() * 4];
            }
        }
        if !block.skip
            && let Some(read) = self.read_coefficients(block, transform)
        {
            let settings = transform::Block {
                x,
                y,
                log2_width: size.log2_width.into(),
                log2_height: size.log2_height.into(),
                tx_type: read.tx_type,
                lossless: block.lossless,
                extent: read.extent,
                bits: self.sequence.colours.bits,
            };
            transform::inverse_add(&mut self.picture.frame.planes[plane], &settings, &mut self.coefficients[..]);
        }
        self.decoded.set(plane, inside, [size.width4(), size.height4()]);
        if let Some(edges) = &mut self.picture.edges[plane] {
            let level = match plane {
                0 => [block.filter_levels[0], block.filter_levels[1]],
                _ => [block.filter_levels[plane + 1]; 2],
            };
            let cell = Cell { log2_width: size.log2_width, log2_height: size.log2_height, level };
            for row in edges.cells.chunks_exact_mut(edges.across).skip(y4).take(size.height4()) {
                if let Some(cells) = row.get_mut(x4..x4 + size.width4()) {
                    cells.fill(cell);
                }
            }
        }
    }

    /// Predicts a transform's samples.
    fn predict(
        &mut self,
        block: &Block,
        part: &PlaneBlock,
        transform: &Transform,
        limits: [usize; 2],
        [inside_x, inside_y]: [usize; 2],
    ) {
        let &Transform { plane, x4, y4, size } = transform;
        let (x, y) = (x4 * 4, y4 * 4);
        let (width, height) = (size.width4() * 4, size.height4() * 4);
        let bits = self.sequence.colours.bits;
        if block.palette_sizes[usize::from(plane > 0)] > 0 {
            let indices = &self.palettes.indices[usize::from(plane > 0)];
            let start = (y - part.y4 * 4) * palette::SIDE + x - part.x4 * 4;
            let indices = indices.get(start..).unwrap_or_default();
            let samples = &mut self.picture.frame.planes[plane];
            predict::palette(samples, [x, y], [width, height], &self.palettes.colours[plane], indices, palette::SIDE);
            return;
        }
        let (above, left, mode, angle) = match plane {
            0 => (block.place.above, block.place.left, block.y_mode, block.angles[0]),
            _ => (block.chroma_above, block.chroma_left, block.uv_mode, block.angles[1]),
        };
        let is_cfl = plane > 0 && mode == CFL;
        let intra = Intra {
            x,
            y,
            log2_width: size.log2_width.into(),
            log2_height: size.log2_height.into(),
            mode: if is_cfl { Mode::Dc } else { Mode::ALL[usize::from(mode)] },
            angle_delta: angle.into(),
            have_left: left || x4 > part.x4,
            have_above: above || y4 > part.y4,
            have_above_right: self.decoded.get(plane, inside_x + 1 + size.width4(), inside_y),
            have_below_left: self.decoded.get(plane, inside_x, inside_y + 1 + size.height4()),
            edge_filter: self.sequence.enable_intra_edge_filter,
            smooth_neighbours: part.smooth_neighbours,
            filter_intra: block.filter_intra.filter(|_| plane == 0),
            bits,
            limits,
        };
        let (luma, chroma) = self.picture.frame.planes.split_at_mut(1);
        match (plane, &mut luma[0]) {
            (0, luma) => predict::intra(luma, &intra),
            (_, luma) => {
                let samples = &mut chroma[plane - 1];
                predict::intra(samples, &intra);
                if is_cfl {
                    let cfl = Cfl {
                        x,
                        y,
                        log2_width: size.log2_width.into(),
                        log2_height: size.log2_height.into(),
                        alpha: block.cfl_alphas[plane - 1],
                        shifts: part.shifts,
                        luma_end: block.luma_end,
                        bits,
                    };
                    predict::cfl(luma, samples, &cfl);
                }
            }
        }
    }
}
