//! What the headers of a photo file state, before any pixel is decoded.

use std::borrow::Cow;

use super::icc::{Conversion, Description};
use super::metadata::{Cicp, ColourSource};
use crate::pixels::Orientation;

/// The size of a photo and where its metadata is.
pub(super) struct Headers<'a> {
    /// Pixels in a row, as stored.
    pub width: usize,
    /// Number of rows, as stored.
    pub height: usize,
    /// The orientation that decoding applies.
    pub orientation: Orientation,
    /// The EXIF block, put together from its parts.
    pub exif: Option<Cow<'a, [u8]>>,
    /// The first bytes of the EXIF block as a part of the file: all of them, unless it is split or encoded.
    pub exif_part: &'a [u8],
    pub xmp: Option<Cow<'a, [u8]>>,
    pub colours: Colours<'a>,
}

/// What the container of a photo states about its colours.
#[derive(Default)]
pub(super) struct Colours<'a> {
    /// The ICC profile.
    pub profile: Option<Cow<'a, [u8]>>,
    pub cicp: Option<Cicp>,
    pub levels: Levels,
}

/// Which colours the levels are that a decoder gives.
#[derive(Default)]
pub(super) enum Levels {
    /// Those of the profile, if there is one.
    #[default]
    Profile,
    /// Those of sRGB, whatever the profile.
    #[cfg_attr(not(feature = "jxl"), allow(dead_code))]
    Srgb,
    /// Not known, although the file states it: why, in a few words.
    Lost(&'static str),
    /// Those of this description.
    Described(Description),
}

impl Colours<'_> {
    /// The conversion of the levels to sRGB; `None` if they are sRGB's, or nothing says what they are.
    ///
    /// # Errors
    /// Why there is none, in a few words.
    pub fn conversion(&self) -> Result<Option<Conversion>, &'static str> {
        match &self.levels {
            Levels::Profile => self.profile.as_deref().map_or(Ok(None), Conversion::of),
            Levels::Srgb => Ok(None),
            Levels::Lost(reason) => Err(reason),
            Levels::Described(description) => Conversion::described(description),
        }
    }

    /// What the levels are converted from.
    pub fn source(&self) -> Option<ColourSource> {
        match &self.levels {
            Levels::Profile => self.profile.is_some().then_some(ColourSource::Profile),
            Levels::Srgb | Levels::Lost(_) => None,
            Levels::Described(_) => matches!(self.conversion(), Ok(Some(_))).then_some(ColourSource::Description),
        }
    }
}

impl Headers<'_> {
    /// A photo without metadata.
    pub fn plain((width, height): (usize, usize)) -> Self {
        Headers {
            width,
            height,
            orientation: Orientation::Upright,
            exif: None,
            exif_part: &[],
            xmp: None,
            colours: Colours::default(),
        }
    }
}
