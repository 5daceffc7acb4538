//! The sequence header (sections 5.5 and 6.4): what all frames of a stream have in common.

use super::super::super::decode_error::DecodeError;
use super::super::bits::Bits;

/// `sequence_header_obu`, as far as still pictures need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    pub reduced_still_picture_header: bool,
    /// `operating_point_idc[0]`.
    pub operating_point: u32,
    /// `buffer_removal_time_length_minus_1 + 1` and the layers of each operating point that has such a time.
    pub decoder_model: Option<DecoderModel>,
    pub equal_picture_interval: bool,
    /// Bits of the sides of a frame.
    pub size_bits: [u32; 2],
    pub max_size: [u32; 2],
    /// Bits of a frame's number.
    pub frame_id_bits: Option<u32>,
    pub use_128x128_superblock: bool,
    pub enable_filter_intra: bool,
    pub enable_intra_edge_filter: bool,
    /// `None` if each frame says.
    pub force_screen_content_tools: Option<bool>,
    pub force_integer_mv: Option<bool>,
    pub order_hint_bits: u32,
    pub enable_superres: bool,
    pub enable_cdef: bool,
    pub enable_restoration: bool,
    pub colours: ColourConfig,
    pub film_grain_params_present: bool,
}

/// `decoder_model_info`, and the operating points that have parameters of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoderModel {
    buffer_delay_bits: u32,
    pub removal_time_bits: u32,
    pub presentation_time_bits: u32,
    /// `operating_point_idc` of each point with `decoder_model_present_for_this_op`.
    pub points: Vec<u32>,
}

/// `color_config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColourConfig {
    pub bits: u32,
    pub mono_chrome: bool,
    /// `color_primaries`, `transfer_characteristics` and `matrix_coefficients`.
    pub description: [u8; 3],
    pub full_range: bool,
    pub subsampling: [bool; 2],
    pub separate_uv_delta_q: bool,
}

impl Sequence {
    pub fn read(content: &[u8]) -> Result<Sequence, DecodeError> {
        let bits = &mut Bits::new(content);
        let profile = bits.read(3)?;
        if profile > 2 {
            return Err(DecodeError::unsupported("its profile of AV1 is not known"));
        }
        let _still_picture = bits.flag()?;
        let reduced = bits.flag()?;
        let mut operating_point = 0;
        let mut decoder_model = None;
        let mut equal_picture_interval = false;
        if reduced {
            bits.read(5)?;
        } else {
            if bits.flag()? {
                bits.read(32)?;
                bits.read(32)?;
                equal_picture_interval = bits.flag()?;
                if equal_picture_interval {
                    bits.skip_variable()?;
                }
                if bits.flag()? {
                    decoder_model = Some(DecoderModel::read(bits)?);
                }
            }
            operating_point = operating_points(bits, &mut decoder_model)?;
        }
        let size_bits = [bits.read(4)? + 1, bits.read(4)? + 1];
        let max_size = [bits.read(size_bits[0])? + 1, bits.read(size_bits[1])? + 1];
        let frame_id_bits = match !reduced && bits.flag()? {
            // Two lengths, less two and one, make the length of a number.
            true => Some(bits.read(4)? + bits.read(3)? + 3),
            false => None,
        };
        let [use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter] =
            [bits.flag()?, bits.flag()?, bits.flag()?];
        let mut force_screen_content_tools = None;
        let mut force_integer_mv = None;
        let mut order_hint_bits = 0;
        if !reduced {
            // Compound and warped prediction, filters of two directions.
            bits.read(4)?;
            let order_hint = bits.flag()?;
            if order_hint {
                bits.read(2)?;
            }
            if !bits.flag()? {
                force_screen_content_tools = Some(bits.flag()?);
            }
            if force_screen_content_tools != Some(false) && !bits.flag()? {
                force_integer_mv = Some(bits.flag()?);
            }
            if order_hint {
                order_hint_bits = bits.read(3)? + 1;
            }
        }
        Ok(Sequence {
            reduced_still_picture_header: reduced,
            operating_point,
            decoder_model,
            equal_picture_interval,
            size_bits,
            max_size,
            frame_id_bits,
            use_128x128_superblock,
            enable_filter_intra,
            enable_intra_edge_filter,
            force_screen_content_tools,
            force_integer_mv,
            order_hint_bits,
            enable_superres: bits.flag()?,
            enable_cdef: bits.flag()?,
            enable_restoration: bits.flag()?,
            colours: ColourConfig::read(bits, profile)?,
            film_grain_params_present: bits.flag()?,
        })
    }
}

/// Reads the operating points and returns the layers of the first.
fn operating_points(bits: &mut Bits<'_>, model: &mut Option<DecoderModel>) -> Result<u32, DecodeError> {
    let display_delay = bits.flag()?;
    let count = bits.read(5)? + 1;
    let mut first = None;
    for _ in 0..count {
        let layers = bits.read(12)?;
        first.get_or_insert(layers);
        // The tier follows a level above 7.
        if bits.read(5)? > 7 {
            bits.read(1)?;
        }
        if let Some(model) = model
            && bits.flag()?
        {
            model.points.push(layers);
            bits.read(model.buffer_delay_bits)?;
            bits.read(model.buffer_delay_bits)?;
            bits.read(1)?;
        }
        if display_delay && bits.flag()? {
            bits.read(4)?;
        }
    }
    Ok(first.unwrap_or(0))
}

impl DecoderModel {
    fn read(bits: &mut Bits<'_>) -> Result<DecoderModel, DecodeError> {
        let buffer_delay_bits = bits.read(5)? + 1;
        bits.read(32)?;
        let removal_time_bits = bits.read(5)? + 1;
        let presentation_time_bits = bits.read(5)? + 1;
        Ok(DecoderModel { buffer_delay_bits, removal_time_bits, presentation_time_bits, points: Vec::new() })
    }
}

impl ColourConfig {
    pub fn matrix_coefficients(&self) -> u8 {
        self.description[2]
    }

    fn read(bits: &mut Bits<'_>, profile: u32) -> Result<ColourConfig, DecodeError> {
        // Numbers of ITU-T H.273: primaries BT.709, transfer sRGB, matrix identity.
        const RGB: [u8; 3] = [1, 13, 0];
        const UNSPECIFIED: u8 = 2;
        let high_depth = bits.flag()?;
        let depth = match (profile, high_depth) {
            (2, true) if bits.flag()? => 12,
            (_, true) => 10,
            (_, false) => 8,
        };
        let mono_chrome = profile != 1 && bits.flag()?;
        let stated = match bits.flag()? {
            true => [bits.byte(8)?, bits.byte(8)?, bits.byte(8)?],
            false => [UNSPECIFIED; 3],
        };
        let mut config = ColourConfig {
            bits: depth,
            mono_chrome,
            description: stated,
            full_range: true,
            subsampling: [true, true],
            separate_uv_delta_q: false,
        };
        if mono_chrome {
            config.full_range = bits.flag()?;
            return Ok(config);
        }
        if stated == RGB {
            config.subsampling = [false, false];
        } else {
            config.full_range = bits.flag()?;
            config.subsampling = match (profile, depth) {
                (0, _) => [true, true],
                (1, _) => [false, false],
                (_, 12) => {
                    let across = bits.flag()?;
                    [across, across && bits.flag()?]
                }
                _ => [true, false],
            };
            if config.subsampling == [true, true] {
                bits.read(2)?;
            }
        }
        config.separate_uv_delta_q = bits.flag()?;
        Ok(config)
    }
}
