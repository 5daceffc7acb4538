//! The convolutional stem of MobileCLIP-B: 4 × 4, 2 × 2 and 2 × 2 convolutions, each with its size as stride.
//!
//! Source: timm `vision_transformer_hybrid.py` (`vit_base_mci_224`); Apple's definition pads the first convolution.

use crate::layers::{Activation, Exec, Finish, Linear};

/// `S` channels inside, `W` outside; BatchNorms are folded into the weights.
pub(super) struct ConvStem {
    pub(super) first: Linear,  // [3·4·4, S], inputs ordered channel, y, x
    pub(super) second: Linear, // [2·2·S, S], inputs ordered y, x, channel
    pub(super) third: Linear,  // [2·2·S, W]
    pub(super) padding: usize,
}

impl ConvStem {
    /// Floats of scratch for an image with `grid · grid` patches: gathered windows, and the map computed from them.
    pub(super) fn scratch(&self, grid: usize) -> (usize, usize) {
        let pixels = 16 * grid * grid;
        (
            pixels.saturating_mul(self.first.inputs().max(self.first.outputs())),
            pixels.saturating_mul(self.first.outputs()),
        )
    }

    /// Adds the patches of one image, `pixels [3, size, size]`, to `out [grid · grid, W]`.
    pub(super) fn forward(
        &self,
        exec: Exec<'_>,
        pixels: &[f32],
        size: usize,
        grid: usize,
        (windows, map): (&mut [f32], &mut [f32]),
        out: &mut [f32],
    ) {
        let gelu = Finish::Activate(Activation::Gelu);
        let (s, w) = (self.first.outputs(), self.third.outputs());
        let side = 4 * grid;
        exec.rows(&mut windows[..side * side * 48], 48, 64, |row, out| {
            let (y, x) = (row / side * 4, row % side * 4);
            for (i, out) in out.chunks_exact_mut(4).enumerate() {
                let Some(row) = (y + i % 4).checked_sub(self.padding).filter(|row| *row < size) else {
                    out.fill(0.0);
                    continue;
                };
                let row = &pixels[(i / 4 * size + row) * size..][..size];
                match x.checked_sub(self.padding).filter(|x| x + 4 <= size) {
                    Some(x) => out.copy_from_slice(&row[x..x + 4]),
                    None => out.iter_mut().enumerate().for_each(|(kx, value)| {
                        let column = (x + kx).checked_sub(self.padding);
                        *value = column.and_then(|column| row.get(column)).copied().unwrap_or(0.0);
                    }),
                }
            }
        });
        self.first.forward(exec, windows, side * side, gelu, map, s);
        gather_pairs(exec, map, side, s, windows);
        let side = side / 2;
        self.second.forward(exec, windows, side * side, gelu, map, s);
        gather_pairs(exec, map, side, s, windows);
        let side = side / 2;
        self.third.forward(exec, windows, side * side, Finish::Accumulate, out, w);
    }
}

/// Gathers the 2 × 2 windows with stride 2 of a map `[side, side, channels]` as rows, ordered y, x, channel.
fn gather_pairs(exec: Exec<'_>, map: &[f32], side: usize, channels: usize, out: &mut [f32]) {
    let half = side / 2;
    exec.rows(&mut out[..half * half * 4 * channels], 4 * channels, 16, |row, out| {
        let (y, x) = (row / half * 2, row % half * 2);
        for (ky, out) in out.chunks_exact_mut(2 * channels).enumerate() {
            out.copy_from_slice(&map[((y + ky) * side + x) * channels..][..2 * channels]);
        }
    });
}
