//! The layers of a ResNet, in the order of the file. The BatchNorms are folded into the weights.

use super::config::{EXPANSION, ResnetConfig};
use super::forward::{Bottleneck, Resnet, Stem};
use crate::layers::{Convolution, FirstConvolution, MeanQueryPool};
use crate::models::Error;
use crate::models::layer::LinearSpec;
use crate::models::scope::Scope;

impl Resnet {
    pub(crate) fn load(scope: &mut Scope<'_>, config: &ResnetConfig, embed_dim: usize) -> Result<Self, Error> {
        let (w, last) = (config.width, config.last_width());
        let mut stem = scope.child("stem");
        let stem = Stem {
            first: FirstConvolution::new(stem.linear("0", LinearSpec::conv(3, [3, 3], w / 2).always_f32())?),
            second: convolution(&mut stem, "1", w / 2, 3, w / 2)?,
            third: convolution(&mut stem, "2", w / 2, 3, w)?,
        };
        let mut stages = Vec::new();
        let mut inputs = w;
        for (i, &blocks) in config.blocks.iter().enumerate() {
            // A width that is too large is an error already.
            let planes = w.checked_shl(i as u32).unwrap_or(usize::MAX);
            let mut stage = Vec::new();
            for j in 0..blocks {
                let mut block = scope.child(format_args!("stages.{i}.{j}"));
                stage.push(Bottleneck::load(&mut block, inputs, planes, j == 0, i > 0 && j == 0)?);
                inputs = planes.saturating_mul(EXPANSION);
            }
            stages.push(stage);
        }
        let grid = config.grid();
        let position = scope.rows("position", &[grid.saturating_mul(grid).saturating_add(1), last])?;
        let mut pool = scope.child("pool");
        let scale = (last as f64 / config.heads as f64).sqrt().recip();
        let query = LinearSpec { query_scale: Some((last, scale)), ..LinearSpec::new(last, last) };
        let pool = MeanQueryPool {
            heads: config.heads,
            query: pool.linear("query", query)?,
            keys: pool.linear("keys", LinearSpec::new(last, last).without_bias())?,
            values: pool.linear("values", LinearSpec::new(last, last))?,
            out: pool.linear("out", LinearSpec::new(last, embed_dim))?,
        };
        Ok(Resnet { config: config.clone(), stem, stages, position, pool })
    }
}

impl Bottleneck {
    fn load(scope: &mut Scope<'_>, inputs: usize, planes: usize, projected: bool, halved: bool) -> Result<Self, Error> {
        let outputs = planes.saturating_mul(EXPANSION);
        Ok(Bottleneck {
            reduce: convolution(scope, "reduce", inputs, 1, planes)?,
            conv: convolution(scope, "conv", planes, 3, planes)?,
            expand: scope.linear("expand", LinearSpec::new(planes, outputs))?,
            identity: match projected {
                true => Some(scope.linear("identity", LinearSpec::new(inputs, outputs))?),
                false => None,
            },
            halved,
        })
    }
}

/// A convolution with a square window of this side.
fn convolution(
    scope: &mut Scope<'_>,
    name: &str,
    inputs: usize,
    side: usize,
    outputs: usize,
) -> Result<Convolution, Error> {
    let spec = LinearSpec::conv(inputs, [side, side], outputs);
    let spec = if side == 1 { spec } else { spec.columns_first() };
    Ok(Convolution::new(scope.linear(name, spec)?, side))
}
