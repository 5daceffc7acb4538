//! Converts eight-bit RGB to normalised floats. Knows neither sizes nor photos.
//!
//! torchvision's `ToTensor` divides by 255 in f32; `Normalize` subtracts the mean and divides by the standard
//! deviation, both rounded to f32. A table of the 256 results is exact.

use super::config::PreprocessConfig;

/// Converts bytes `[pixels, 3]` to floats `[3, pixels]`.
pub(super) fn normalise(bytes: &[u8], config: &PreprocessConfig, out: &mut [f32]) {
    let pixels = bytes.as_chunks::<3>().0;
    if pixels.is_empty() {
        return;
    }
    for (channel, plane) in out.chunks_exact_mut(pixels.len()).enumerate().take(3) {
        let table = table(config.mean[channel] as f32, config.std[channel] as f32);
        for (value, pixel) in plane.iter_mut().zip(pixels) {
            *value = table[usize::from(pixel[channel])];
        }
    }
}

/// Computes the float of each byte of one channel.
fn table(mean: f32, std: f32) -> [f32; 256] {
    std::array::from_fn(|byte| (byte as f32 / 255.0 - mean) / std)
}
