//! Parameters of the filters (sections 5.9.11, 5.9.19 and 5.9.20).

use super::super::super::decode_error::DecodeError;
use super::super::bits::Bits;
use super::Sequence;

/// `loop_filter_params`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoopFilter {
    /// `loop_filter_level`: luma of vertical and of horizontal edges, U, V.
    pub level: [u8; 4],
    pub sharpness: u8,
    /// `loop_filter_ref_deltas[INTRA_FRAME]` if `loop_filter_delta_enabled`.
    pub intra_delta: Option<i32>,
}

impl LoopFilter {
    pub fn read(bits: &mut Bits<'_>, mono_chrome: bool) -> Result<LoopFilter, DecodeError> {
        let mut level = [bits.byte(6)?, bits.byte(6)?, 0, 0];
        if !mono_chrome && level != [0; 4] {
            level[2] = bits.byte(6)?;
            level[3] = bits.byte(6)?;
        }
        let sharpness = bits.byte(3)?;
        let mut intra_delta = None;
        if bits.flag()? {
            // What it is at the beginning of a stream.
            let mut delta = 1;
            if bits.flag()? {
                // Eight kinds of frames, of which intra is the first, and two kinds of modes.
                for index in 0..10 {
                    if bits.flag()? {
                        let value = bits.signed(7)?;
                        delta = if index == 0 { value } else { delta };
                    }
                }
            }
            intra_delta = Some(delta);
        }
        Ok(LoopFilter { level, sharpness, intra_delta })
    }
}

/// `cdef_params`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CdefParameters {
    pub damping: u32,
    /// Bits of an index.
    pub bits: u32,
    pub luma_primary: [u8; 8],
    pub luma_secondary: [u8; 8],
    pub chroma_primary: [u8; 8],
    pub chroma_secondary: [u8; 8],
}

impl CdefParameters {
    pub fn read(bits: &mut Bits<'_>, mono_chrome: bool) -> Result<CdefParameters, DecodeError> {
        let mut cdef = CdefParameters { damping: bits.read(2)? + 3, bits: bits.read(2)?, ..CdefParameters::default() };
        let strengths = |bits: &mut Bits<'_>| -> Result<[u8; 2], DecodeError> {
            let [primary, secondary] = [bits.byte(4)?, bits.byte(2)?];
            Ok([primary, if secondary == 3 { 4 } else { secondary }])
        };
        for index in 0..1 << cdef.bits {
            [cdef.luma_primary[index], cdef.luma_secondary[index]] = strengths(bits)?;
            if !mono_chrome {
                [cdef.chroma_primary[index], cdef.chroma_secondary[index]] = strengths(bits)?;
            }
        }
        Ok(cdef)
    }
}

/// `FrameRestorationType`, other than none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestorationType {
    Wiener,
    SelfGuided,
    Switchable,
}

/// How a plane is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restoration {
    pub kind: RestorationType,
    /// `LoopRestorationSize`.
    pub unit_size: usize,
}

/// `lr_params`.
pub fn read_restoration(bits: &mut Bits<'_>, sequence: &Sequence) -> Result<[Option<Restoration>; 3], DecodeError> {
    let planes = if sequence.colours.mono_chrome { 1 } else { 3 };
    let mut kinds = [None; 3];
    for kind in &mut kinds[..planes] {
        *kind = match bits.read(2)? {
            0 => None,
            1 => Some(RestorationType::Switchable),
            2 => Some(RestorationType::Wiener),
            _ => Some(RestorationType::SelfGuided),
        };
    }
    if kinds == [None; 3] {
        return Ok([None; 3]);
    }
    let mut shift = bits.read(1)?;
    if sequence.use_128x128_superblock {
        shift += 1;
    } else if shift != 0 {
        shift += bits.read(1)?;
    }
    let chroma = kinds[1].is_some() || kinds[2].is_some();
    let halved = sequence.colours.subsampling == [true, true] && chroma && bits.flag()?;
    let size = 64usize << shift;
    let sizes = [size, size >> u32::from(halved), size >> u32::from(halved)];
    Ok(std::array::from_fn(|plane| kinds[plane].map(|kind| Restoration { kind, unit_size: sizes[plane] })))
}
