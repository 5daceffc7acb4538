//! Loop restoration (section 7.17): Wiener filters and self-guided filters, chosen for each unit of a plane.

use super::super::plane::Frame;

/// The filter of a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// `RESTORE_NONE`.
    #[default]
    None,
    /// `RESTORE_WIENER`: `LrWiener`, three coefficients of each direction.
    Wiener { vertical: [i8; 3], horizontal: [i8; 3] },
    /// `RESTORE_SGRPROJ`: `LrSgrSet`, 0 to 15, and `LrSgrXqd`.
    SelfGuided { set: u8, weights: [i16; 2] },
}

/// The units of a plane.
#[derive(Clone, Debug)]
pub struct Units {
    /// `LoopRestorationSize`: the side of a unit in samples of this plane, 32 to 256.
    pub size: usize,
    /// Row by row; [`units_across`] of the plane's width in each row, and as many rows as it tells of the height.
    pub units: Vec<Unit>,
}

/// Units along a side of so many samples (`count_units_in_frame`): the last is up to half as large again.
pub fn units_across(size: usize, samples: usize) -> usize {
    ((samples + (size >> 1)) / size.max(1)).max(1)
}

/// Restores a frame. `deblocked` is what came before CDEF, and `enhanced` what came after; both are upscaled. The result is in
/// `deblocked`. A plane without units (`FrameRestorationType` is `RESTORE_NONE`) becomes that of `enhanced`.
pub fn restore(deblocked: &mut Frame, enhanced: &Frame, units: &[Option<Units>; 3]) {
    todo!("{deblocked:?} {enhanced:?} {units:?}")
}
