//! Thumbnails of pages: JPEG files of reduced photos. Knows no page.

use std::io;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use crate::photo;
use crate::pixels::RgbBuffer;

/// Longest side of a thumbnail in pixels: a card is up to 176 CSS pixels wide, which most screens show with two pixels
/// each.
pub const THUMBNAIL_SIDE: usize = 320;

/// Quality of thumbnails, on the scale of libjpeg. With colours at half resolution, 14 photos and drawings of 320
/// pixels take 11 kB each at 80 (35.6 dB), 16 kB at 90 (37.9 dB); at full resolution, 13 kB at 80 (37.6 dB). The
/// difference is not visible at two pixels per CSS pixel, and a thousand photos stay below 15 MB.
const QUALITY: u8 = 80;

/// The thumbnail of a photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail {
    /// A baseline JPEG file: see [`thumbnail_jpeg`].
    pub jpeg: Vec<u8>,
    /// Pixels in a row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
}

impl Thumbnail {
    /// Makes the upright thumbnail of a photo file whose longer side has at most `side` pixels, as
    /// [`photo::thumbnail`] reduces it.
    ///
    /// # Errors
    /// The bytes are no photo that can be read; the message is a sentence about `it`.
    pub fn of(bytes: &[u8], side: usize) -> io::Result<Thumbnail> {
        let small =
            photo::thumbnail(bytes, side, "it").map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Thumbnail { jpeg: thumbnail_jpeg(&small)?, width: small.width(), height: small.height() })
    }
}

/// Encodes a reduced photo as a baseline JPEG file: quality 80, colours at half resolution (4:2:0).
///
/// # Errors
/// A side is longer than 65,535 pixels, which JPEG cannot express.
pub fn thumbnail_jpeg(photo: &RgbBuffer) -> io::Result<Vec<u8>> {
    let too_long = || {
        let (width, height) = (photo.width(), photo.height());
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a thumbnail of {width} x {height} pixels cannot be a jpeg; reduce it to {THUMBNAIL_SIDE} pixels"),
        )
    };
    let width = u16::try_from(photo.width()).map_err(|_| too_long())?;
    let height = u16::try_from(photo.height()).map_err(|_| too_long())?;
    let mut jpeg = Vec::with_capacity(photo.data().len() / 12);
    let mut encoder = Encoder::new(&mut jpeg, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.set_optimized_huffman_tables(true);
    encoder.encode(photo.data(), width, height, ColorType::Rgb).map_err(io::Error::other)?;
    Ok(jpeg)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A photo of smooth shades, as large as asked, up to 320 pixels.
    fn shades(width: usize, height: usize) -> RgbBuffer {
        let pixel = |i: usize| {
            let (x, y) = (i % width, i / width);
            [x * 255 / 320, y * 255 / 320, (x + y) * 127 / 320]
        };
        let data = (0..width * height).flat_map(pixel).map(|level| u8::try_from(level).unwrap()).collect();
        RgbBuffer::new(width, height, data).unwrap()
    }

    #[test]
    fn a_thumbnail_decodes_to_nearly_the_same_pixels() {
        for (width, height) in [(320, 240), (240, 320), (1, 1), (7, 3), (320, 1)] {
            let photo = shades(width, height);
            let jpeg = thumbnail_jpeg(&photo).unwrap();
            let decoded = photo::decode(&jpeg, true, "thumbnail").unwrap();
            assert_eq!((decoded.width(), decoded.height()), (width, height));
            let differences = photo.data().iter().zip(decoded.data()).map(|(a, b)| f64::from(a.abs_diff(*b)));
            let mean = differences.sum::<f64>() / photo.data().len() as f64;
            assert!(mean < 4.0, "{width} x {height}: {mean}");
            assert_eq!(jpeg, thumbnail_jpeg(&photo).unwrap());
        }
    }

    #[test]
    fn a_side_that_jpeg_cannot_express_is_refused() {
        let photo = RgbBuffer::new(65_536, 1, vec![0; 65_536 * 3]).unwrap();
        let error = thumbnail_jpeg(&photo).unwrap_err().to_string();
        assert!(error.contains("65536 x 1"), "{error}");
    }
}
