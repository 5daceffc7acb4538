//! What encoders accept as an image.

#[cfg(feature = "decode")]
use std::path::{Path, PathBuf};

#[cfg(feature = "decode")]
use super::ObservedPhoto;
use crate::pixels::{RgbBuffer, RgbView};
#[cfg(feature = "walk")]
use crate::walk::{ArchivedPhoto, WalkError};

/// An image: a file, the bytes of one, a decoded image, or plain RGB.
///
/// References to paths, strings, byte vectors and slices, images of the crate `image`, [`RgbBuffer`] and [`RgbView`]
/// convert implicitly, also those in a `Box`, an `Arc` or a `Cow`; slices and iterators of them are accepted too. For a type of your own, implement
/// `From<&YourType> for ImageInput<'_>`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ImageInput<'a> {
    /// A file; its content, not its name, decides the format.
    #[cfg(feature = "decode")]
    Path(&'a Path),
    /// The bytes of a file.
    #[cfg(feature = "decode")]
    Bytes(&'a [u8]),
    /// A photo that keeps what was seen of it while it was decoded.
    #[cfg(feature = "decode")]
    Observed(&'a ObservedPhoto),
    /// A decoded image; converted to eight bits by its `to_rgb8`, alpha dropped, taken as upright.
    ///
    /// `to_rgb8` scales levels of 16 bits to eight. A file with 16-bit grey is read as Pillow reads it: its levels above
    /// 255 are white. So such a file has another embedding as [`ImageInput::Path`] or [`ImageInput::Bytes`] than as the
    /// image that the crate `image` decodes from it; reading the file gives a warning (see [`crate::photo::decode`]).
    #[cfg(feature = "image")]
    Image(&'a image::DynamicImage),
    /// A decoded image in RGB, eight bits per channel, taken as upright.
    #[cfg(feature = "image")]
    RgbImage(&'a image::RgbImage),
    /// RGB, eight bits per channel, taken as upright.
    Rgb(RgbView<'a>),
    /// A photo in an archive, read when it is decoded.
    #[cfg(feature = "walk")]
    Archived(&'a ArchivedPhoto),
    /// A file or folder that could not be listed: fails with this error.
    #[cfg(feature = "walk")]
    Unlisted(&'a WalkError),
}

impl ImageInput<'_> {
    /// The file, if it is one.
    #[cfg(feature = "decode")]
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            ImageInput::Path(path) => Some(path),
            ImageInput::Observed(photo) => photo.path(),
            #[cfg(feature = "walk")]
            ImageInput::Archived(photo) => Some(photo.path()),
            #[cfg(feature = "walk")]
            ImageInput::Unlisted(error) => Some(error.path()),
            _ => None,
        }
    }

    /// Without file formats there are no files.
    #[cfg(not(feature = "decode"))]
    pub(super) fn path(&self) -> Option<&std::path::Path> {
        None
    }
}

impl<'a> From<RgbView<'a>> for ImageInput<'a> {
    fn from(rgb: RgbView<'a>) -> Self {
        ImageInput::Rgb(rgb)
    }
}

impl<'a, 'b> From<&'a RgbView<'b>> for ImageInput<'a> {
    fn from(rgb: &'a RgbView<'b>) -> Self {
        ImageInput::Rgb(*rgb)
    }
}

impl<'a, 'b> From<&'a &'b RgbView<'b>> for ImageInput<'a> {
    fn from(rgb: &'a &'b RgbView<'b>) -> Self {
        ImageInput::Rgb(**rgb)
    }
}

impl<'a> From<&'a RgbBuffer> for ImageInput<'a> {
    fn from(rgb: &'a RgbBuffer) -> Self {
        ImageInput::Rgb(rgb.view())
    }
}

impl<'a, 'b> From<&'a &'b RgbBuffer> for ImageInput<'a> {
    fn from(rgb: &'a &'b RgbBuffer) -> Self {
        ImageInput::Rgb(rgb.view())
    }
}

impl<'a, 'b> From<&'a ImageInput<'b>> for ImageInput<'a> {
    fn from(input: &'a ImageInput<'b>) -> Self {
        *input
    }
}

impl<'a, 'b> From<&'a &'b ImageInput<'b>> for ImageInput<'a> {
    fn from(input: &'a &'b ImageInput<'b>) -> Self {
        **input
    }
}

#[cfg(feature = "decode")]
mod decoded {
    use std::borrow::Cow;
    use std::ffi::{OsStr, OsString};
    use std::sync::Arc;

    use super::*;

    macro_rules! path {
        ($($type:ty)*) => {$(
            impl<'a> From<&'a $type> for ImageInput<'a> {
                fn from(path: &'a $type) -> Self {
                    ImageInput::Path(path.as_ref())
                }
            }
            impl<'a, 'b> From<&'a &'b $type> for ImageInput<'a> {
                fn from(path: &'a &'b $type) -> Self {
                    ImageInput::Path((**path).as_ref())
                }
            }
        )*};
    }
    path!(Path PathBuf Box<Path> Arc<Path> OsStr OsString str String);

    macro_rules! cow {
        ($($type:ty => $variant:ident)*) => {$(
            impl<'a, 'b> From<&'a Cow<'b, $type>> for ImageInput<'a> {
                fn from(input: &'a Cow<'b, $type>) -> Self {
                    ImageInput::$variant((**input).as_ref())
                }
            }
            impl<'a, 'b> From<&'a &'b Cow<'b, $type>> for ImageInput<'a> {
                fn from(input: &'a &'b Cow<'b, $type>) -> Self {
                    ImageInput::$variant((***input).as_ref())
                }
            }
        )*};
    }
    cow!(Path => Path OsStr => Path str => Path [u8] => Bytes);

    macro_rules! bytes {
        ($($type:ty)*) => {$(
            impl<'a> From<&'a $type> for ImageInput<'a> {
                fn from(bytes: &'a $type) -> Self {
                    ImageInput::Bytes(bytes)
                }
            }
            impl<'a, 'b> From<&'a &'b $type> for ImageInput<'a> {
                fn from(bytes: &'a &'b $type) -> Self {
                    ImageInput::Bytes(bytes)
                }
            }
        )*};
    }
    bytes!([u8] Vec<u8> Arc<[u8]> Arc<Vec<u8>> Box<[u8]>);

    impl<'a> From<&'a ObservedPhoto> for ImageInput<'a> {
        fn from(photo: &'a ObservedPhoto) -> Self {
            ImageInput::Observed(photo)
        }
    }

    impl<'a, 'b> From<&'a &'b ObservedPhoto> for ImageInput<'a> {
        fn from(photo: &'a &'b ObservedPhoto) -> Self {
            ImageInput::Observed(photo)
        }
    }

    impl<'a, const N: usize> From<&'a [u8; N]> for ImageInput<'a> {
        fn from(bytes: &'a [u8; N]) -> Self {
            ImageInput::Bytes(bytes)
        }
    }

    #[cfg(feature = "walk")]
    impl<'a> From<&'a ArchivedPhoto> for ImageInput<'a> {
        fn from(photo: &'a ArchivedPhoto) -> Self {
            ImageInput::Archived(photo)
        }
    }

    #[cfg(feature = "walk")]
    impl<'a> From<&'a Result<ArchivedPhoto, WalkError>> for ImageInput<'a> {
        fn from(found: &'a Result<ArchivedPhoto, WalkError>) -> Self {
            match found {
                Ok(photo) => ImageInput::Archived(photo),
                Err(error) => ImageInput::Unlisted(error),
            }
        }
    }

    #[cfg(feature = "walk")]
    impl<'a> From<&'a Result<PathBuf, WalkError>> for ImageInput<'a> {
        fn from(found: &'a Result<PathBuf, WalkError>) -> Self {
            match found {
                Ok(path) => ImageInput::Path(path),
                Err(error) => ImageInput::Unlisted(error),
            }
        }
    }
}

#[cfg(feature = "image")]
mod images {
    use super::ImageInput;

    macro_rules! image {
        ($($variant:ident($type:ty))*) => {$(
            impl<'a> From<&'a $type> for ImageInput<'a> {
                fn from(image: &'a $type) -> Self {
                    ImageInput::$variant(image)
                }
            }
            impl<'a, 'b> From<&'a &'b $type> for ImageInput<'a> {
                fn from(image: &'a &'b $type) -> Self {
                    ImageInput::$variant(image)
                }
            }
        )*};
    }
    image!(Image(image::DynamicImage) RgbImage(image::RgbImage));
}
