//! The frame that is being decoded: its planes, and what the filters and later blocks have to know of its blocks.

use super::super::decode_error::{DecodeError, try_filled};
use super::filter::{Cell, Edges, Unit, Units, units_across};
use super::header::{FrameHeader, Sequence};
use super::plane::{Frame, Plane};

/// A coded frame and maps of its blocks.
pub struct Picture {
    pub frame: Frame,
    /// For the loop filter; `None` if it does nothing to a plane.
    pub edges: [Option<Edges>; 3],
    /// `cdef_idx` of each 64 x 64 samples.
    pub cdef_indices: Vec<i8>,
    /// Whether all of each 8 x 8 samples is skipped.
    pub skips: Vec<bool>,
    /// What each unit of restoration has read.
    pub units: [Option<Units>; 3],
    /// `SegmentIds` of each 4 x 4 samples, if there are segments.
    pub segment_ids: Vec<u8>,
    /// Of each 4 x 4 samples, if blocks may be copies.
    pub blocks: Vec<BlockInfo>,
}

/// What the search for motion vectors has to know of 4 x 4 samples.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockInfo {
    pub decoded: bool,
    /// The motion vector of a copied block.
    pub copied: Option<[i16; 2]>,
    /// Logarithms of the sides of the block, in units of four samples.
    pub log2_width: u8,
    pub log2_height: u8,
}

impl Picture {
    /// Bytes that a picture takes, without copies of its frame.
    pub fn bytes(header: &FrameHeader, sequence: &Sequence) -> u64 {
        let frame = frame_bytes(header.width, header, sequence);
        // Cells of edges, two numbers of segments and skips; of each 4 x 4 samples. Copies exclude edges.
        let cells = (header.mi_cols.next_multiple_of(16) * header.mi_rows.next_multiple_of(16)) as u64;
        frame + cells * 16
    }

    pub fn new(header: &FrameHeader, sequence: &Sequence) -> Result<Picture, DecodeError> {
        let (width, height) = (header.width, header.height);
        let colours = &sequence.colours;
        let frame = Frame::new(width, height, colours.bits, colours.mono_chrome, colours.subsampling)?;
        let level = header.loop_filter.level;
        let mut edges = [None, None, None];
        if level[..2] != [0, 0] {
            for (index, plane) in frame.planes.iter().enumerate() {
                if index == 0 || level[index + 1] != 0 {
                    edges[index] = Some(Self::edges(plane)?);
                }
            }
        }
        let units = std::array::from_fn(|index| {
            let restoration = header.restoration[index]?;
            let shifts = frame.shifts(index);
            let across = units_across(restoration.unit_size, rounded(header.upscaled_width, shifts[0]));
            let down = units_across(restoration.unit_size, rounded(height, shifts[1]));
            Some(Units { size: restoration.unit_size, units: vec![Unit::None; across * down] })
        });
        let cells = |wanted: bool| if wanted { header.mi_cols } else { 0 };
        Ok(Picture {
            frame,
            edges,
            cdef_indices: vec![-1; width.div_ceil(64) * height.div_ceil(64)],
            skips: match header.cdef {
                Some(_) => try_filled(width.div_ceil(8), height.div_ceil(8), 1, true)?,
                None => Vec::new(),
            },
            units,
            segment_ids: try_filled(cells(header.segmentation.enabled), header.mi_rows, 1, 0)?,
            blocks: try_filled(cells(header.allow_intrabc), header.mi_rows, 1, BlockInfo::default())?,
        })
    }

    fn edges(plane: &Plane) -> Result<Edges, DecodeError> {
        let across = plane.stride / 4;
        Ok(Edges { cells: try_filled(across, plane.rows() / 4, 1, Cell::default())?, across })
    }
}

/// Bytes of a frame of this width.
pub fn frame_bytes(width: usize, header: &FrameHeader, sequence: &Sequence) -> u64 {
    let [across, down] = sequence.colours.subsampling.map(u32::from);
    let chroma = match sequence.colours.mono_chrome {
        true => 0,
        false => 2 * Plane::bytes(rounded(width, across), rounded(header.height, down)),
    };
    Plane::bytes(width, header.height) + chroma
}

/// `Round2` of a side.
pub fn rounded(side: usize, shift: u32) -> usize {
    (side + (1 << shift >> 1)) >> shift
}
