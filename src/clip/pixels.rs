//! From an image in any form to the pixels that the tower takes.

use super::ImageInput;
use crate::error::Error;
#[cfg(feature = "decode")]
use crate::preprocess::RgbView;
use crate::preprocess::{self, PreprocessConfig};

/// What messages call an image without a path.
#[cfg(feature = "decode")]
const NAMELESS: &str = "the image";

/// Writes the pixels of `image` to `out [3, S, S]`: decoded, upright if `orient`, resized, cropped, normalised.
#[cfg_attr(not(feature = "decode"), allow(unused_variables))]
pub(super) fn prepare(
    image: ImageInput<'_>,
    config: &PreprocessConfig,
    orient: bool,
    out: &mut [f32],
) -> Result<(), Error> {
    match image {
        ImageInput::Rgb(rgb) => Ok(preprocess::pixels_into(rgb, config, out)?),
        #[cfg(feature = "decode")]
        ImageInput::RgbImage(image) => {
            let (width, height) = (image.width() as usize, image.height() as usize);
            Ok(preprocess::pixels_into(RgbView::new(width, height, image.as_raw())?, config, out)?)
        }
        #[cfg(feature = "decode")]
        ImageInput::Image(image) => prepare(ImageInput::RgbImage(&image.to_rgb8()), config, orient, out),
        #[cfg(feature = "decode")]
        ImageInput::Bytes(bytes) => Ok(preprocess::decode_pixels_into(bytes, orient, NAMELESS, config, out)?),
        #[cfg(feature = "decode")]
        ImageInput::Path(path) => {
            let bytes = read_file(path).map_err(|source| Error::read(path, source))?;
            Ok(preprocess::decode_pixels_into(&bytes, orient, &path.display().to_string(), config, out)?)
        }
        #[cfg(feature = "walk")]
        ImageInput::Unlisted(error) => Err(error.clone().into()),
    }
}

/// Largest image file that is read: more than any photo has, and little enough to be held once for each thread.
#[cfg(feature = "decode")]
const MAX_FILE: u64 = 1 << 29;

/// Reads a whole file, unless it is an endless device or far too large for a photo.
#[cfg(feature = "decode")]
fn read_file(path: &std::path::Path) -> std::io::Result<Vec<u8>> {
    use std::io::{Error, ErrorKind, Read};
    let mut file = std::fs::File::open(path)?;
    let too_large = || Error::new(ErrorKind::FileTooLarge, "it has more than 512 MiB, which no photo has");
    let len = file.metadata()?.len();
    if len > MAX_FILE {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(len as usize);
    file.by_ref().take(MAX_FILE).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == MAX_FILE && file.read(&mut [0])? > 0 {
        return Err(too_large());
    }
    Ok(bytes)
}
