//! Global average pooling of feature maps, and scaling of their channels by gates (squeeze-and-excitation).

use super::Isa;
use super::math::Activation;
use super::simd::{Kernel, Simd};
use super::team::Team;
use crate::tensor::PANEL;

/// Computes the mean over the pixels of maps in blocks, `images · pixels` rows of `channels` channels, to
/// `out [images, channels]`. Pixels are added in a fixed order.
///
/// Panics if a slice is too short for its sizes.
pub(crate) fn mean(
    isa: Isa,
    team: Team<'_>,
    maps: &[f32],
    (images, pixels): (usize, usize),
    channels: usize,
    out: &mut [f32],
) {
    let blocks = channels.div_ceil(PANEL);
    assert!(maps.len() >= blocks * images * pixels * PANEL && out.len() >= images * channels);
    let mean = |image: usize, block: usize, out: &mut [f32]| {
        isa.run(Mean { map: &maps[(block * images + image) * pixels * PANEL..][..pixels * PANEL], out });
    };
    for (image, out) in out[..images * channels].chunks_exact_mut(channels).enumerate() {
        team.rows(out, PANEL, 4, |block, out| mean(image, block, out));
    }
}

/// Sixteen channels of one image, or as many as `out` is long.
struct Mean<'a> {
    map: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for Mean<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let pixels = self.map.len() / PANEL;
        let mut means = [0.0f32; PANEL];
        for c in (0..PANEL).step_by(S::LANES) {
            // Four sums, so that consecutive additions are independent.
            let mut sums = [s.splat(0.0); 4];
            for (p, pixel) in self.map.chunks_exact(PANEL).enumerate() {
                // SAFETY: c + LANES is at most the length of a pixel.
                sums[p % 4] = s.add(sums[p % 4], unsafe { s.load(pixel.as_ptr().add(c)) });
            }
            let sum = s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3]));
            // SAFETY: c + LANES is at most sixteen.
            unsafe { s.store(means.as_mut_ptr().add(c), s.mul(sum, s.splat(1.0 / pixels as f32))) };
        }
        self.out.copy_from_slice(&means[..self.out.len()]);
    }
}

/// Computes `maps = activation(maps · gates)` for maps in blocks. `gates [images, channels]` apply to all pixels of an
/// image.
///
/// Panics if a slice is too short for its sizes.
pub(crate) fn scale(
    isa: Isa,
    team: Team<'_>,
    maps: &mut [f32],
    (images, pixels): (usize, usize),
    channels: usize,
    gates: &[f32],
    activation: Activation,
) {
    assert!(gates.len() >= images * channels);
    let maps = &mut maps[..channels.div_ceil(PANEL) * images * pixels * PANEL];
    team.rows(maps, pixels * PANEL, 1, |i, map| {
        let (block, image) = (i / images, i % images);
        let first = block * PANEL;
        let len = PANEL.min(channels - first);
        let mut gate = [0.0; PANEL];
        gate[..len].copy_from_slice(&gates[image * channels + first..][..len]);
        isa.run(Scale { map, gate, activation });
    });
}

/// Sixteen channels of one image.
struct Scale<'a> {
    map: &'a mut [f32],
    gate: [f32; PANEL],
    activation: Activation,
}

impl Kernel for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        for c in (0..PANEL).step_by(S::LANES) {
            // SAFETY: c + LANES is at most sixteen.
            let gate = unsafe { s.load(self.gate.as_ptr().add(c)) };
            for pixel in self.map.chunks_exact_mut(PANEL) {
                // SAFETY: c + LANES is at most the length of a pixel.
                unsafe {
                    let at = pixel.as_mut_ptr().add(c);
                    s.store(at, self.activation.apply(s, s.mul(s.load(at), gate)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Workers;
    use super::super::reference;
    use super::super::strides::unblock;
    use super::*;

    #[test]
    fn means_and_scales_of_all_sizes() {
        for isa in Isa::available() {
            for channels in [1usize, 7, 16, 24, 80, 128] {
                for pixels in [1usize, 3, 4, 64] {
                    let images = 3;
                    let (rows, all) = (images * pixels, (images, pixels));
                    let maps = reference::noise("maps", rows * channels, 1.0);
                    let blocks = reference::block(&maps, rows, channels, channels);
                    let mut means = vec![f32::NAN; images * channels];
                    mean(isa, Workers::without_delay().team(), &blocks, all, channels, &mut means);
                    let mut serial = vec![f32::NAN; images * channels];
                    mean(isa, Team::SERIAL, &blocks, all, channels, &mut serial);
                    assert_eq!(means, serial);
                    let mut blocks = blocks;
                    scale(isa, Workers::without_delay().team(), &mut blocks, all, channels, &means, Activation::Gelu);
                    let mut scaled = vec![f32::NAN; maps.len()];
                    unblock(&blocks, rows, channels, &mut scaled);
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
