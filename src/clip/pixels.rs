//! From an image in any form to the input of the image tower.

#[cfg(feature = "decode")]
use super::ahead;
use super::options::PhotoOptions;
#[cfg(feature = "decode")]
use super::photo_pixels;
use super::{Ahead, CancelToken, ImageInput};
use crate::error::Error;
#[cfg(feature = "decode")]
use crate::photo::NAMELESS;
#[cfg(feature = "image")]
use crate::pixels::RgbView;
use crate::preprocess::{self, PreprocessConfig};

/// Writes the pixels of `image` to `out [3, S, S]`: decoded as `photos` says, resized, cropped, normalised. If its file is
/// read `ahead`, waits for that.
#[cfg_attr(not(feature = "decode"), allow(unused_variables))]
pub(super) fn prepare(
    image: ImageInput<'_>,
    ahead: Option<&Ahead>,
    config: &PreprocessConfig,
    photos: PhotoOptions,
    cancel: &CancelToken,
    out: &mut [f32],
) -> Result<(), Error> {
    match image {
        ImageInput::Rgb(rgb) => Ok(preprocess::pixels_into(rgb, config, out)?),
        #[cfg(feature = "image")]
        ImageInput::RgbImage(image) => {
            let (width, height) = (image.width() as usize, image.height() as usize);
            Ok(preprocess::pixels_into(RgbView::new(width, height, image.as_raw())?, config, out)?)
        }
        #[cfg(feature = "image")]
        ImageInput::Image(image) => prepare(ImageInput::RgbImage(&image.to_rgb8()), ahead, config, photos, cancel, out),
        #[cfg(feature = "decode")]
        ImageInput::Bytes(bytes) => photo_pixels::decode_until(bytes, photos, NAMELESS, config, cancel, out),
        #[cfg(feature = "decode")]
        ImageInput::Path(path) => {
            let read = || photo_pixels::read_file(path, &photos.limits);
            photo_pixels::named_pixels_into(ahead::bytes(ahead, read), path, photos, config, cancel, out)
        }
        #[cfg(feature = "decode")]
        ImageInput::Observed(photo) => photo.prepare(ahead, config, photos, cancel, out),
        #[cfg(feature = "walk")]
        ImageInput::Archived(photo) => {
            let read = || {
                photo_pixels::check_len(photo.len(), &photos.limits)?;
                photo.read()
            };
            photo_pixels::named_pixels_into(ahead::bytes(ahead, read), photo.path(), photos, config, cancel, out)
        }
        #[cfg(feature = "walk")]
        ImageInput::Unlisted(error) => Err(error.clone().into()),
    }
}
