//! What an encoder takes as an image.

#[cfg(feature = "decode")]
use std::path::{Path, PathBuf};

use crate::pixels::RgbBuffer;

/// An image: a file, the bytes of one, a decoded image, or plain RGB.
///
/// Slices of paths, strings, byte vectors, `image::DynamicImage` and [`RgbBuffer`] convert by themselves.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ImageInput<'a> {
    /// A file; its content, not its name, says what format it has.
    #[cfg(feature = "decode")]
    Path(&'a Path),
    /// The bytes of a file.
    #[cfg(feature = "decode")]
    Bytes(&'a [u8]),
    /// A decoded image; brought to eight bits by its `to_rgb8`, alpha dropped, its orientation taken as right.
    #[cfg(feature = "image")]
    Image(&'a image::DynamicImage),
    /// RGB, eight bits a channel.
    Rgb(&'a RgbBuffer),
}

impl<'a> From<&'a RgbBuffer> for ImageInput<'a> {
    fn from(rgb: &'a RgbBuffer) -> Self {
        ImageInput::Rgb(rgb)
    }
}

impl<'a> From<&'a ImageInput<'a>> for ImageInput<'a> {
    fn from(input: &'a ImageInput<'a>) -> Self {
        *input
    }
}

#[cfg(feature = "decode")]
mod decoded {
    use super::*;

    macro_rules! path {
        ($($type:ty)*) => {$(
            impl<'a> From<&'a $type> for ImageInput<'a> {
                fn from(path: &'a $type) -> Self {
                    ImageInput::Path(path.as_ref())
                }
            }
        )*};
    }
    path!(Path &'a Path PathBuf str &'a str String);

    impl<'a> From<&'a Vec<u8>> for ImageInput<'a> {
        fn from(bytes: &'a Vec<u8>) -> Self {
            ImageInput::Bytes(bytes)
        }
    }

    impl<'a> From<&'a &'a [u8]> for ImageInput<'a> {
        fn from(bytes: &'a &'a [u8]) -> Self {
            ImageInput::Bytes(bytes)
        }
    }
}

#[cfg(feature = "image")]
impl<'a> From<&'a image::DynamicImage> for ImageInput<'a> {
    fn from(image: &'a image::DynamicImage) -> Self {
        ImageInput::Image(image)
    }
}
