//! The frame header of a JPEG file (ITU-T T.81, B.2.2): size, components and their sampling.

use super::super::decode_error::{DecodeError, size_within};

/// One component of the frame.
#[derive(Clone, Debug)]
pub(super) struct Component {
    /// Identifier in scan headers.
    pub id: u8,
    /// Blocks of an MCU, horizontally.
    pub h: usize,
    /// Blocks of an MCU, vertically.
    pub v: usize,
    /// What the frame header says of `v`; differs for a single component, which is not subsampled.
    pub declared_v: usize,
    /// Index of the quantisation table.
    pub quantisation: usize,
    /// Coded samples in a row.
    pub width: usize,
    /// Rows of coded samples.
    pub height: usize,
    /// Samples that a block is decoded to, in each direction: 8, or fewer of a reduced photo.
    pub side: usize,
    /// Blocks in a row, padded to whole MCUs.
    pub blocks_across: usize,
    /// Rows of blocks, padded to whole MCUs.
    pub blocks_down: usize,
}

/// The frame of an image. An MCU is a minimum coded unit: `h_max` x `v_max` blocks of 8 x 8 pixels.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub progressive: bool,
    pub width: usize,
    pub height: usize,
    pub components: Vec<Component>,
    /// The largest `h` of the components.
    pub h_max: usize,
    /// The largest `v` of the components.
    pub v_max: usize,
    /// MCUs in a row.
    pub mcus_across: usize,
    /// Rows of MCUs.
    pub mcus_down: usize,
    /// By what the sides of the photo are divided when it is decoded: 1, 2, 4 or 8.
    pub reduction: usize,
}

impl Frame {
    /// Reads the content of a frame header segment, of a photo that may have so many pixels.
    pub fn read(progressive: bool, segment: &[u8], most_pixels: u64) -> Result<Frame, DecodeError> {
        let &[bits, h1, h0, w1, w0, count, ref rest @ ..] = segment else {
            return Err(DecodeError::damaged("the frame header is too short"));
        };
        if bits != 8 {
            return Err(DecodeError::unsupported(format_args!("{bits} bits a sample")));
        }
        let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
        let (width, height) = size_within(width.into(), height.into(), most_pixels)?;
        if !matches!(count, 1 | 3 | 4) {
            return Err(DecodeError::unsupported(format_args!("{count} components")));
        }
        let (specs, _) = rest.as_chunks::<3>();
        let specs = specs.get(..usize::from(count)).ok_or(DecodeError::damaged("the frame header is too short"))?;
        let mut sampling = Vec::new();
        for &[_, factors, _] in specs {
            let (h, v) = (usize::from(factors >> 4), usize::from(factors & 15));
            if !(1..=4).contains(&h) || !(1..=4).contains(&v) {
                return Err(DecodeError::damaged("a sampling factor is not 1 to 4"));
            }
            // A single component is not subsampled, whatever its factors.
            sampling.push(if count == 1 { (1, 1) } else { (h, v) });
        }
        let h_max = sampling.iter().map(|s| s.0).max().unwrap_or(1);
        let v_max = sampling.iter().map(|s| s.1).max().unwrap_or(1);
        let mcus_across = width.div_ceil(8 * h_max);
        let mcus_down = height.div_ceil(8 * v_max);
        let mut components: Vec<Component> = Vec::new();
        for (&[id, factors, quantisation], &(h, v)) in specs.iter().zip(&sampling) {
            if h_max % h != 0 || v_max % v != 0 {
                return Err(DecodeError::unsupported("fractional subsampling"));
            }
            if quantisation > 3 {
                return Err(DecodeError::damaged("the frame header contradicts itself"));
            }
            components.push(Component {
                id,
                h,
                v,
                declared_v: usize::from(factors & 15),
                quantisation: usize::from(quantisation),
                width: (width * h).div_ceil(h_max),
                height: (height * v).div_ceil(v_max),
                side: 8,
                blocks_across: mcus_across * h,
                blocks_down: mcus_down * v,
            });
        }
        Ok(Frame { progressive, width, height, components, h_max, v_max, mcus_across, mcus_down, reduction: 1 })
    }

    /// Reduces the photo to no less than `enough` pixels on either side, like `Image.draft` of Pillow: the sides are
    /// divided by 1, 2, 4 or 8.
    pub fn reduce(&mut self, enough: usize) {
        let most = self.width.min(self.height) / enough.max(1);
        self.reduction = [8, 4, 2].into_iter().find(|&by| most >= by).unwrap_or(1);
        let least = 8 / self.reduction;
        for component in &mut self.components {
            component.side = least;
            // Like libjpeg, decode chroma to more samples rather than interpolate them.
            while component.side < 8
                && (self.h_max * least).is_multiple_of(2 * component.h * component.side)
                && (self.v_max * least).is_multiple_of(2 * component.v * component.side)
            {
                component.side *= 2;
            }
        }
    }

    /// Returns the width and height of the decoded photo.
    pub fn decoded_size(&self) -> (usize, usize) {
        (self.width.div_ceil(self.reduction), self.height.div_ceil(self.reduction))
    }

    /// Returns the width and height of the decoded samples of a component.
    pub fn samples(&self, component: &Component) -> (usize, usize) {
        let samples = |length: usize, factor: usize, most: usize| (length * factor * component.side).div_ceil(8 * most);
        (samples(self.width, component.h, self.h_max), samples(self.height, component.v, self.v_max))
    }

    /// Returns the number of rows of a row of MCUs of the decoded photo.
    pub fn rows(&self) -> usize {
        self.v_max * 8 / self.reduction
    }

    /// Returns the number of blocks of all components.
    pub fn blocks(&self) -> u64 {
        self.components.iter().map(|c| c.blocks_across as u64 * c.blocks_down as u64).sum()
    }
}
