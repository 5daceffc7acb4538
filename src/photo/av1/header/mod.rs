//! The frame header of a shown key frame (sections 5.9 and 6.8).

mod filters;
mod grain;
mod quantization;
mod sequence;
mod tiles;

use super::super::decode_error::DecodeError;
use super::bits::Bits;
use super::grain::GrainParameters;
pub use filters::{CdefParameters, LoopFilter, Restoration, RestorationType};
pub use quantization::{DeltaLf, Quantization, Segmentation, feature};
pub use sequence::Sequence;
pub use tiles::Tiles;

/// `uncompressed_header` of a key frame.
#[derive(Clone, Debug)]
pub struct FrameHeader {
    /// `FrameWidth` and `FrameHeight`.
    pub width: usize,
    pub height: usize,
    /// `UpscaledWidth`.
    pub upscaled_width: usize,
    /// `SuperresDenom`, 8 without superres.
    pub superres_denom: usize,
    /// `MiCols` and `MiRows`: sides in units of four luma samples.
    pub mi_cols: usize,
    pub mi_rows: usize,
    pub disable_cdf_update: bool,
    pub allow_screen_content_tools: bool,
    pub allow_intrabc: bool,
    pub tiles: Tiles,
    pub quantization: Quantization,
    pub segmentation: Segmentation,
    /// `delta_q_res` if `delta_q_present`.
    pub delta_q: Option<u32>,
    pub delta_lf: Option<DeltaLf>,
    /// `LosslessArray`.
    pub lossless: [bool; 8],
    pub loop_filter: LoopFilter,
    /// `None` if no block reads an index: the filter does nothing then.
    pub cdef: Option<CdefParameters>,
    /// `None` where `FrameRestorationType` is `RESTORE_NONE`.
    pub restoration: [Option<Restoration>; 3],
    /// `TxMode` is `TX_MODE_SELECT`.
    pub tx_mode_select: bool,
    pub reduced_tx_set: bool,
    pub grain: Option<GrainParameters>,
}

/// The layer that a frame belongs to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layer {
    pub temporal: u32,
    pub spatial: u32,
}

impl Layer {
    /// Whether an operating point includes this layer.
    pub fn is_in(self, operating_point: u32) -> bool {
        operating_point == 0
            || operating_point >> self.temporal & 1 != 0 && operating_point >> (self.spatial + 8) & 1 != 0
    }
}

impl FrameHeader {
    /// Reads the header; returns it with the number of its bytes. `check` is asked whether a frame of this width and height
    /// may be decoded, before anything is allocated.
    pub fn read(
        content: &[u8],
        sequence: &Sequence,
        layer: Layer,
        check: impl Fn(usize, usize) -> Result<(), DecodeError>,
    ) -> Result<(FrameHeader, usize), DecodeError> {
        let bits = &mut Bits::new(content);
        if !sequence.reduced_still_picture_header {
            read_type(bits, sequence)?;
        }
        let disable_cdf_update = bits.flag()?;
        let allow_screen_content_tools = or_read(bits, sequence.force_screen_content_tools)?;
        if allow_screen_content_tools {
            // In an intra frame motion vectors are whole anyway.
            or_read(bits, sequence.force_integer_mv)?;
        }
        if let Some(length) = sequence.frame_id_bits {
            bits.read(length)?;
        }
        let override_size = !sequence.reduced_still_picture_header && bits.flag()?;
        bits.read(sequence.order_hint_bits)?;
        read_removal_times(bits, sequence, layer)?;
        let (upscaled_width, superres_denom, height) = read_size(bits, sequence, override_size)?;
        check(upscaled_width, height)?;
        let width = (upscaled_width * 8 + superres_denom / 2) / superres_denom;
        // The size to show is a hint.
        if bits.flag()? {
            bits.read(32)?;
        }
        let allow_intrabc = allow_screen_content_tools && upscaled_width == width && bits.flag()?;
        if !sequence.reduced_still_picture_header && !disable_cdf_update {
            // Whether the next frame begins with the probabilities at the end of this one.
            bits.flag()?;
        }
        let (mi_cols, mi_rows) = (2 * width.div_ceil(8), 2 * height.div_ceil(8));
        let tiles = Tiles::read(bits, sequence.use_128x128_superblock, mi_cols, mi_rows)?;
        let colours = &sequence.colours;
        let quantization = Quantization::read(bits, colours.mono_chrome, colours.separate_uv_delta_q)?;
        let segmentation = Segmentation::read(bits)?;
        let delta_q = match quantization.base_q_idx > 0 && bits.flag()? {
            true => Some(bits.read(2)?),
            false => None,
        };
        let delta_lf = match delta_q.is_some() && !allow_intrabc && bits.flag()? {
            true => Some(DeltaLf { resolution: bits.read(2)?, multi: bits.flag()? }),
            false => None,
        };
        let lossless =
            std::array::from_fn(|id| segmentation.qindex(id, quantization.base_q_idx) == 0 && quantization.is_plain());
        let coded_lossless = lossless == [true; 8];
        let unfiltered = coded_lossless || allow_intrabc;
        let loop_filter = match unfiltered {
            true => LoopFilter::default(),
            false => LoopFilter::read(bits, colours.mono_chrome)?,
        };
        let cdef = match unfiltered || !sequence.enable_cdef {
            true => None,
            false => Some(CdefParameters::read(bits, colours.mono_chrome)?),
        };
        let all_lossless = coded_lossless && width == upscaled_width;
        let restoration = match all_lossless || allow_intrabc || !sequence.enable_restoration {
            true => [None; 3],
            false => filters::read_restoration(bits, sequence)?,
        };
        let tx_mode_select = !coded_lossless && bits.flag()?;
        let reduced_tx_set = bits.flag()?;
        let grain = match sequence.film_grain_params_present && bits.flag()? {
            true => Some(grain::read(bits, colours)?),
            false => None,
        };
        let header = FrameHeader {
            width,
            height,
            upscaled_width,
            superres_denom,
            mi_cols,
            mi_rows,
            disable_cdf_update,
            allow_screen_content_tools,
            allow_intrabc,
            tiles,
            quantization,
            segmentation,
            delta_q,
            delta_lf,
            lossless,
            loop_filter,
            cdef,
            restoration,
            tx_mode_select,
            reduced_tx_set,
            grain,
        };
        Ok((header, bits.bytes_read()))
    }
}

/// Returns what the sequence decides, or else what the frame says.
fn or_read(bits: &mut Bits<'_>, decided: Option<bool>) -> Result<bool, DecodeError> {
    decided.map_or_else(|| bits.flag(), Ok)
}

/// Reads up to `error_resilient_mode`.
fn read_type(bits: &mut Bits<'_>, sequence: &Sequence) -> Result<(), DecodeError> {
    if bits.flag()? {
        return Err(DecodeError::damaged("its first frame repeats another one"));
    }
    if bits.read(2)? != 0 {
        return Err(DecodeError::unsupported("its first frame is not a key frame"));
    }
    if !bits.flag()? {
        return Err(DecodeError::unsupported("its key frame is hidden"));
    }
    if let Some(model) = sequence.decoder_model.as_ref().filter(|_| !sequence.equal_picture_interval) {
        bits.read(model.presentation_time_bits)?;
    }
    Ok(())
}

/// Skips `buffer_removal_time`.
fn read_removal_times(bits: &mut Bits<'_>, sequence: &Sequence, layer: Layer) -> Result<(), DecodeError> {
    let Some(model) = &sequence.decoder_model else { return Ok(()) };
    if bits.flag()? {
        for _ in model.points.iter().filter(|&&point| layer.is_in(point)) {
            bits.read(model.removal_time_bits)?;
        }
    }
    Ok(())
}

/// Reads `frame_size`: width after superres, its denominator, height.
fn read_size(
    bits: &mut Bits<'_>,
    sequence: &Sequence,
    override_size: bool,
) -> Result<(usize, usize, usize), DecodeError> {
    let [width, height] = match override_size {
        true => [bits.read(sequence.size_bits[0])? + 1, bits.read(sequence.size_bits[1])? + 1],
        false => sequence.max_size,
    };
    let denominator = match sequence.enable_superres && bits.flag()? {
        true => bits.read(3)? + 9,
        false => 8,
    };
    Ok((width as usize, denominator as usize, height as usize))
}
