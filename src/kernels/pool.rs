//! Means over the pixels of feature maps, and what squeeze-and-excitation does with them.

use super::Isa;
use super::math::Activation;
use super::parallel::Parallelism;
use super::simd::{Kernel, Simd};

/// Pixels that a thread takes at a time when it scales.
const PIXELS_PER_TASK: usize = 64;

/// Channels that a thread takes at a time when it averages; whole vectors of every instruction set.
const CHANNELS_PER_TASK: usize = 64;

/// `out [images, channels]`: the mean of `maps [images, pixels, channels]` over the pixels, added in their order.
pub(crate) fn mean(
    isa: Isa,
    par: Parallelism,
    maps: &[f32],
    images: usize,
    pixels: usize,
    channels: usize,
    out: &mut [f32],
) {
    assert!(maps.len() >= images * pixels * channels && out.len() >= images * channels);
    // Threads take whole vectors of channels, so that the split never shows in the sums.
    let block = if channels.is_multiple_of(CHANNELS_PER_TASK) { CHANNELS_PER_TASK } else { channels };
    par.rows(&mut out[..images * channels], block, 1, |task, out| {
        let (image, first) = (task * block / channels, task * block % channels);
        let map = &maps[image * pixels * channels + first..][..(pixels - 1) * channels + block];
        isa.run(Mean { map, pixels, channels, out });
    });
}

/// Some channels of one image: as many as `out` is long, `channels` apart from pixel to pixel.
struct Mean<'a> {
    map: &'a [f32],
    pixels: usize,
    channels: usize,
    out: &'a mut [f32],
}

impl Kernel for Mean<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let whole = self.out.len() / S::LANES * S::LANES;
        let scale = 1.0 / self.pixels as f32;
        for c in (0..whole).step_by(S::LANES) {
            // Four sums, so that additions do not wait for each other.
            let mut sums = [s.splat(0.0); 4];
            for p in 0..self.pixels {
                // SAFETY: c + LANES is at most the length of `out`, and the map holds that many floats from the
                // first channel of every pixel.
                let value = unsafe { s.load(self.map.as_ptr().add(p * self.channels + c)) };
                sums[p % 4] = s.add(sums[p % 4], value);
            }
            let sum = s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3]));
            // SAFETY: c + LANES is at most the length of `out`.
            unsafe { s.store(self.out.as_mut_ptr().add(c), s.mul(sum, s.splat(scale))) };
        }
        for c in whole..self.out.len() {
            let sum: f32 = self.map[c..].iter().step_by(self.channels).sum();
            self.out[c] = sum * scale;
        }
    }
}

/// `maps = activation(maps · gates)`, with `gates [images, channels]` the same for all pixels of an image.
pub(crate) fn scale(
    isa: Isa,
    par: Parallelism,
    maps: &mut [f32],
    pixels: usize,
    channels: usize,
    gates: &[f32],
    activation: Activation,
) {
    par.rows(maps, channels, PIXELS_PER_TASK, |row, pixel| {
        isa.run(Scale { pixel, gates: &gates[row / pixels * channels..][..channels], activation });
    });
}

struct Scale<'a> {
    pixel: &'a mut [f32],
    gates: &'a [f32],
    activation: Activation,
}

impl Kernel for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let whole = self.pixel.len() / S::LANES * S::LANES;
        assert!(self.gates.len() >= self.pixel.len());
        for c in (0..whole).step_by(S::LANES) {
            // SAFETY: c + LANES is at most the length of the pixel, which the gates reach (asserted).
            unsafe {
                let at = self.pixel.as_mut_ptr().add(c);
                let value = s.mul(s.load(at), s.load(self.gates.as_ptr().add(c)));
                s.store(at, self.activation.apply(s, value));
            }
        }
        for c in whole..self.pixel.len() {
            let mut lanes = [0.0f32; 16];
            // SAFETY: sixteen floats hold any vector.
            unsafe {
                s.store(lanes.as_mut_ptr(), self.activation.apply(s, s.splat(self.pixel[c] * self.gates[c])));
            }
            self.pixel[c] = lanes[0];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    #[test]
    fn means_and_scales_of_all_sizes() {
        for isa in Isa::available() {
            for channels in [1usize, 7, 16, 24, 80, 128] {
                for pixels in [1usize, 3, 4, 64] {
                    let images = 3;
                    let maps = reference::noise("maps", images * pixels * channels, 1.0);
                    let mut means = vec![f32::NAN; images * channels];
                    mean(isa, Parallelism::Threads, &maps, images, pixels, channels, &mut means);
                    let mut serial = vec![f32::NAN; images * channels];
                    mean(isa, Parallelism::Serial, &maps, images, pixels, channels, &mut serial);
                    assert_eq!(means, serial);
                    let mut scaled = maps.clone();
                    scale(isa, Parallelism::Threads, &mut scaled, pixels, channels, &means, Activation::Gelu);
                    for (i, (value, was)) in scaled.iter().zip(&maps).enumerate() {
                        let (image, c) = (i / channels / pixels, i % channels);
                        let column =
                            maps[image * pixels * channels..][..pixels * channels].iter().skip(c).step_by(channels);
                        let exact = column.map(|&v| f64::from(v)).sum::<f64>() / pixels as f64;
                        assert!((f64::from(means[image * channels + c]) - exact).abs() < 1e-6);
                        let exact = reference::activation(Activation::Gelu, exact * f64::from(*was));
                        assert!((f64::from(*value) - exact).abs() < 1e-6, "{isa:?} {channels} {pixels}");
                    }
                }
            }
        }
    }
}
