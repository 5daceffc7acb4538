//! Average pooling of feature maps, of whole maps and of 2 × 2 pixels, and scaling of their channels by gates (squeeze-and-excitation).

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

/// Computes the means of 2 × 2 pixels of maps in blocks, `images · height · width` rows; an odd last line or column is
/// left out.
///
/// Panics if a slice is too short for its sizes.
pub(crate) fn halve(
    isa: Isa,
    team: Team<'_>,
    maps: &[f32],
    images: usize,
    [height, width]: [usize; 2],
    channels: usize,
    out: &mut [f32],
) {
    let (planes, [to_height, to_width]) = (channels.div_ceil(PANEL) * images, [height / 2, width / 2]);
    assert!(maps.len() >= planes * height * width * PANEL, "maps shorter than their shape");
    let out = &mut out[..planes * to_height * to_width * PANEL];
    team.rows(out, to_width * PANEL, 8, |line, out| {
        let (plane, y) = (line / to_height, line % to_height);
        let above = &maps[(plane * height + 2 * y) * width * PANEL..][..2 * width * PANEL];
        isa.run(Halve { above, width, out });
    });
}

/// A line of the means of two lines of sixteen channels, which follow each other.
struct Halve<'a> {
    above: &'a [f32],
    width: usize,
    out: &'a mut [f32],
}

impl Kernel for Halve<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let (above, below) = self.above.split_at(self.width * PANEL);
        let pairs = above.chunks_exact(2 * PANEL).zip(below.chunks_exact(2 * PANEL));
        for (out, (above, below)) in self.out.chunks_exact_mut(PANEL).zip(pairs) {
            for c in (0..PANEL).step_by(S::LANES) {
                // SAFETY: c + LANES is at most sixteen, of which each side has two pixels and the output has one.
                unsafe {
                    let sum =
                        |pixels: &[f32]| s.add(s.load(pixels.as_ptr().add(c)), s.load(pixels.as_ptr().add(PANEL + c)));
                    s.store(out.as_mut_ptr().add(c), s.mul(s.add(sum(above), sum(below)), s.splat(0.25)));
                }
            }
        }
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
    fn halves_of_maps_are_means_of_four_pixels() {
        for isa in Isa::available() {
            for (images, [height, width], channels) in
                [(1, [2, 2], 16), (3, [4, 6], 40), (2, [5, 7], 3), (1, [1, 1], 8)]
            {
                let rows = images * height * width;
                let maps = reference::noise("maps", rows * channels, 1.0);
                let blocks = reference::block(&maps, rows, channels, channels);
                let (to_height, to_width) = (height / 2, width / 2);
                let to_rows = images * to_height * to_width;
                let run = |team: Team<'_>| {
                    let mut halves = vec![f32::NAN; to_rows * channels.next_multiple_of(PANEL)];
                    halve(isa, team, &blocks, images, [height, width], channels, &mut halves);
                    let mut out = vec![f32::NAN; to_rows * channels];
                    if !out.is_empty() {
                        unblock(&halves, to_rows, channels, &mut out);
                    }
                    out
                };
                let alone = run(Team::SERIAL);
                assert_eq!(alone, run(Workers::without_delay().team()));
                for (i, got) in alone.iter().enumerate() {
                    let (row, c) = (i / channels, i % channels);
                    let (image, y, x) = (row / to_height / to_width, row / to_width % to_height, row % to_width);
                    let pixel = |dy: usize, dx: usize| {
                        f64::from(maps[((image * height + 2 * y + dy) * width + 2 * x + dx) * channels + c])
                    };
                    let exact = (pixel(0, 0) + pixel(0, 1) + pixel(1, 0) + pixel(1, 1)) / 4.0;
                    assert!((f64::from(*got) - exact).abs() < 1e-6, "{isa:?} {images} {height} {width} {channels}");
                }
            }
        }
    }

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
