//! Folds the queries of an image tower that pools by attention.

use super::{Error, PANEL, resize, too_large, vector, vectors, weight};
use crate::import::checkpoint::Checkpoint;
use crate::import::recipes::source::{Linear, Norm};

/// What the constant queries of attention pooling are made of.
pub(in crate::import) struct Queries<'a> {
    /// `[width]`
    pub latent: &'a str,
    pub query: &'a Linear,
    pub keys: &'a Linear,
    /// The norm before the keys.
    pub norm: &'a Norm,
    pub heads: usize,
}

/// Computes what each head multiplies a normalised token with to get its score, and packs it into `out`,
/// `[ceil(heads / 16)][width][16]`.
///
/// With `q = latent * Wq + bq` and the rows `j` of a head of `d` channels, the score of a token `x` is
/// `sum_j q(j) * (Wk(j) * (gamma * x + beta) + bk(j)) / sqrt(d)`. Only the part with `x` differs between tokens, and the
/// softmax cancels the rest: `u(k) = gamma(k) * sum_j q(j) * Wk(j, k) / sqrt(d)`.
pub(in crate::import) fn queries(
    checkpoint: &Checkpoint,
    queries: Queries<'_>,
    out: &mut Vec<f32>,
) -> Result<(), Error> {
    let Queries { latent, query, keys, norm, heads } = queries;
    let latent = vector(checkpoint, latent)?;
    let gamma = vector(checkpoint, &norm.weight)?;
    let biases = vectors(checkpoint, &query.bias)?;
    let [query_name] = query.weight.as_slice() else { return Err(several()) };
    let [keys_name] = keys.weight.as_slice() else { return Err(several()) };
    let (query_weight, keys_weight) = (weight(checkpoint, query_name)?, weight(checkpoint, keys_name)?);
    let width = latent.len();
    let d = width / heads.max(1);
    let scale = (d as f64).sqrt().recip();

    resize(checkpoint, out, heads.div_ceil(PANEL) * PANEL * width)?;
    out.fill(0.0);
    let mut row = vec![0f64; width];
    let mut sums = vec![0f64; width];
    let mut finite = true;
    for head in 0..heads {
        sums.fill(0.0);
        for j in head * d..(head + 1) * d {
            query_weight.read_finite((query.skip + j) * width, &mut row)?;
            let dot: f64 = row.iter().zip(&latent).map(|(weight, x)| weight * x).sum();
            let q = (dot + biases.get(query.skip + j).copied().unwrap_or(0.0)) * scale;
            keys_weight.read_finite((keys.skip + j) * width, &mut row)?;
            for (sum, weight) in sums.iter_mut().zip(&row) {
                *sum += q * weight;
            }
        }
        let panel = &mut out[head / PANEL * PANEL * width..][..PANEL * width];
        for ((to, sum), gamma) in panel.iter_mut().skip(head % PANEL).step_by(PANEL).zip(&sums).zip(&gamma) {
            *to = (sum * gamma) as f32;
            finite &= to.is_finite();
        }
    }
    if finite { Ok(()) } else { Err(too_large(&[keys_weight])) }
}

fn several() -> Error {
    Error::Option { reason: "the queries or keys of attention pooling are of several tensors".to_owned() }
}
