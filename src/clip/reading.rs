//! How the pixels of a photo file are read: a part of what an embedding depends on.

/// How the pixels of a photo file are read: see [`Options::orient`](super::Options::orient),
/// [`Options::fast_decode`](super::Options::fast_decode) and [`Options::icc`](super::Options::icc).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading {
    /// Whether the EXIF orientation is applied.
    pub orient: bool,
    /// Whether a JPEG photo may be reduced while it is decoded.
    pub fast: bool,
    /// Whether the colours of ICC profiles and code points are converted to sRGB.
    pub icc: bool,
}

impl Reading {
    /// The default: orientation applied, photos decoded whole, profiles ignored.
    pub const USUAL: Reading = Reading { orient: true, fast: false, icc: false };

    /// All ways of reading, this one first.
    pub(super) fn all(self) -> impl Iterator<Item = Reading> {
        let others = (0..8).map(|bits| Reading { orient: bits & 4 == 0, fast: bits & 1 != 0, icc: bits & 2 != 0 });
        std::iter::once(self).chain(others.filter(move |other| *other != self))
    }
}
