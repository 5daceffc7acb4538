//! Quantisation and segments (sections 5.9.12 to 5.9.14, 7.12.2).

use super::super::super::decode_error::DecodeError;
use super::super::bits::Bits;

/// `quantization_params`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantization {
    pub base_q_idx: u8,
    /// Added to the index for DC, by plane.
    pub delta_dc: [i32; 3],
    /// Added to the index for AC, by plane; 0 for luma.
    pub delta_ac: [i32; 3],
    /// `qm_y`, `qm_u` and `qm_v` if `using_qmatrix`.
    pub matrices: Option<[u8; 3]>,
}

/// `delta_lf_params`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaLf {
    pub resolution: u32,
    pub multi: bool,
}

impl Quantization {
    pub fn read(bits: &mut Bits<'_>, mono_chrome: bool, separate_uv: bool) -> Result<Quantization, DecodeError> {
        let base_q_idx = bits.byte(8)?;
        let mut delta_dc = [delta(bits)?, 0, 0];
        let mut delta_ac = [0; 3];
        if !mono_chrome {
            let differ = separate_uv && bits.flag()?;
            delta_dc[1] = delta(bits)?;
            delta_ac[1] = delta(bits)?;
            (delta_dc[2], delta_ac[2]) = match differ {
                true => (delta(bits)?, delta(bits)?),
                false => (delta_dc[1], delta_ac[1]),
            };
        }
        let mut matrices = None;
        if bits.flag()? {
            let [luma, first] = [bits.byte(4)?, bits.byte(4)?];
            matrices = Some([luma, first, if separate_uv { bits.byte(4)? } else { first }]);
        }
        Ok(Quantization { base_q_idx, delta_dc, delta_ac, matrices })
    }

    /// Whether nothing is added to the index.
    pub fn is_plain(&self) -> bool {
        self.delta_dc == [0; 3] && self.delta_ac == [0; 3]
    }
}

/// `read_delta_q`.
fn delta(bits: &mut Bits<'_>) -> Result<i32, DecodeError> {
    if bits.flag()? { bits.signed(7) } else { Ok(0) }
}

/// Features of segments, `SEG_LVL_...`.
pub mod feature {
    pub const ALT_Q: usize = 0;
    /// Luma of vertical edges; of horizontal ones, U and V follow.
    pub const ALT_LF_Y_V: usize = 1;
    pub const REF_FRAME: usize = 5;
    pub const SKIP: usize = 6;
}

/// `segmentation_params`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segmentation {
    pub enabled: bool,
    /// `FeatureData` where `FeatureEnabled`, by segment and feature.
    pub features: [[Option<i32>; 8]; 8],
    /// `SegIdPreSkip`.
    pub before_skip: bool,
    /// `LastActiveSegId`.
    pub last_active: u8,
}

impl Segmentation {
    pub fn read(bits: &mut Bits<'_>) -> Result<Segmentation, DecodeError> {
        // Bits of the value, whether it has a sign besides, and the largest.
        const FEATURES: [(u32, bool, i32); 8] = [
            (8, true, 255),
            (6, true, 63),
            (6, true, 63),
            (6, true, 63),
            (6, true, 63),
            (3, false, 7),
            (0, false, 0),
            (0, false, 0),
        ];
        let mut segmentation = Segmentation { enabled: bits.flag()?, ..Segmentation::default() };
        if !segmentation.enabled {
            return Ok(segmentation);
        }
        for (id, features) in segmentation.features.iter_mut().enumerate() {
            for (index, (count, signed, limit)) in FEATURES.into_iter().enumerate() {
                if !bits.flag()? {
                    continue;
                }
                let value = match signed {
                    true => bits.signed(count + 1)?.clamp(-limit, limit),
                    false => (bits.read(count)? as i32).min(limit),
                };
                features[index] = Some(value);
                segmentation.last_active = id as u8;
                segmentation.before_skip |= index >= feature::REF_FRAME;
            }
        }
        Ok(segmentation)
    }

    /// The value of a feature, if the segment has it.
    pub fn feature(&self, segment: usize, feature: usize) -> Option<i32> {
        self.features.get(segment).and_then(|features| features[feature])
    }

    /// `get_qindex`: the index of a segment, `index` being that without segments.
    pub fn qindex(&self, segment: usize, index: u8) -> u8 {
        let index = i32::from(index) + self.feature(segment, feature::ALT_Q).unwrap_or(0);
        index.clamp(0, 255) as u8
    }
}
