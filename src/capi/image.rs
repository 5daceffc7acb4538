//! What C gives as an image, and its checks.

use std::ffi::{c_char, c_void};
use std::ptr;

use super::error::clippie_error;
use super::pointers;
#[cfg(not(feature = "decode"))]
use super::status::CLIPPIE_ERROR_OPTION;
use crate::{ImageInput, RgbView};

/// What an image is: one of the constants `CLIPPIE_IMAGE_...`.
pub type clippie_image_kind = i32;

/// A file: `data` is its path, a string that ends with a zero (in UTF-8 on Windows).
pub const CLIPPIE_IMAGE_PATH: clippie_image_kind = 1;
/// The bytes of a file: `size` bytes at `data`.
pub const CLIPPIE_IMAGE_BYTES: clippie_image_kind = 2;
/// Pixels, red, green and blue, eight bits each, upright: `height` rows of `width` pixels that start `stride` bytes apart,
/// in the `size` bytes at `data`.
pub const CLIPPIE_IMAGE_RGB: clippie_image_kind = 3;

/// An image to encode. What `data` points to stays the caller's and must not change during the call that encodes it.
/// `clippie_image_path`, `clippie_image_bytes` and `clippie_image_rgb` make one.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct clippie_image {
    /// One of the constants `CLIPPIE_IMAGE_...`, which say what the other fields are; those they do not name are ignored.
    pub kind: clippie_image_kind,
    /// Path, bytes or pixels.
    pub data: *const c_void,
    /// Number of bytes at `data`.
    pub size: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// Bytes from the start of a row to the start of the next, at least three times `width`.
    pub stride: usize,
}

impl clippie_image {
    const NONE: clippie_image = clippie_image { kind: 0, data: ptr::null(), size: 0, width: 0, height: 0, stride: 0 };

    /// The image as the encoder takes it; `index` is its place in the batch.
    ///
    /// # Safety
    /// `data` is null or points to what `kind` says, and nothing changes or frees it while the input is used.
    pub(super) unsafe fn input<'a>(&self, index: usize) -> Result<ImageInput<'a>, clippie_error> {
        // SAFETY: as this function's.
        unsafe { self.checked() }.map_err(|error| error.at("image", index))
    }

    /// # Safety
    /// As that of [`clippie_image::input`].
    unsafe fn checked<'a>(&self) -> Result<ImageInput<'a>, clippie_error> {
        match self.kind {
            #[cfg(feature = "decode")]
            CLIPPIE_IMAGE_PATH => {
                // SAFETY: null or a string that ends with a zero, as this function's.
                let path = unsafe { pointers::string(self.data.cast(), "the path") }?;
                Ok(ImageInput::Path(pointers::path(path, "the path")?))
            }
            #[cfg(feature = "decode")]
            CLIPPIE_IMAGE_BYTES => {
                // SAFETY: null or `size` bytes, as this function's.
                Ok(ImageInput::Bytes(unsafe { pointers::array(self.data.cast(), self.size, "the file's bytes") }?))
            }
            #[cfg(not(feature = "decode"))]
            CLIPPIE_IMAGE_PATH | CLIPPIE_IMAGE_BYTES => {
                let message = "this build of clippie-rs reads no photo files; build it with the feature `decode`";
                Err(clippie_error::new(CLIPPIE_ERROR_OPTION, message))
            }
            CLIPPIE_IMAGE_RGB => {
                // SAFETY: null or `size` bytes, as this function's.
                let pixels = unsafe { pointers::array(self.data.cast(), self.size, "the pixels") }?;
                let view = RgbView::with_stride(self.width, self.height, self.stride, pixels);
                Ok(ImageInput::Rgb(view.map_err(|error| clippie_error::from(crate::Error::from(error)))?))
            }
            kind => Err(clippie_error::argument(format!("its kind {kind} is none of the constants CLIPPIE_IMAGE_..."))),
        }
    }
}

/// Makes an image of the path of a file; its content, not its name, decides the format. Reads nothing.
///
/// # Safety
/// When the image is encoded, `path` is null, which is an error then, or a string that ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_image_path(path: *const c_char) -> clippie_image {
    clippie_image { kind: CLIPPIE_IMAGE_PATH, data: path.cast(), ..clippie_image::NONE }
}

/// Makes an image of the `size` bytes of a file. Reads nothing.
///
/// # Safety
/// When the image is encoded, `data` is null, which is an error then, or points to `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_image_bytes(data: *const c_void, size: usize) -> clippie_image {
    clippie_image { kind: CLIPPIE_IMAGE_BYTES, data, size, ..clippie_image::NONE }
}

/// Makes an image of pixels, red, green and blue, eight bits each, upright: `height` rows of `width` pixels that start
/// `stride` bytes apart, in `size` bytes. The last row may end with its last pixel. Reads nothing.
///
/// # Safety
/// When the image is encoded, `pixels` is null, which is an error then, or points to `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_image_rgb(
    pixels: *const u8,
    size: usize,
    width: usize,
    height: usize,
    stride: usize,
) -> clippie_image {
    clippie_image { kind: CLIPPIE_IMAGE_RGB, data: pixels.cast(), size, width, height, stride }
}
