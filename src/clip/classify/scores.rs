//! From cosines to probabilities, in float64 and in an order that depends on lengths alone.

/// Sums that a dot product is added up in, so that the compiler can use vectors.
const LANES: usize = 8;

/// How cosines become probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scoring {
    /// One label is right: the softmax of the scaled cosines, which sums to one over all labels.
    #[default]
    Softmax,
    /// Each label is right or not: the sigmoid of the scaled cosine plus the model's bias. Only for models that were
    /// trained with it (SigLIP); see [`Clip::logit_bias`](crate::Clip::logit_bias).
    Sigmoid,
}

/// Dot product of two slices of the same length.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0f64; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum += f64::from(a) * f64::from(b);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    sums.iter().sum::<f64>() + rest
}

/// Factor that scales a row to length one; 0 for a row of zeros.
pub(super) fn inverse_length(row: &[f32]) -> f64 {
    let length = dot(row, row).sqrt();
    if length > 0.0 { 1.0 / length } else { 0.0 }
}

/// Softmax, in place. Stable: the highest value is subtracted first.
pub(super) fn softmax(logits: &mut [f64]) {
    let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    logits.iter_mut().for_each(|logit| *logit = (*logit - highest).exp());
    let sum: f64 = logits.iter().sum();
    logits.iter_mut().for_each(|value| *value /= sum);
}

/// Sigmoid. Stable: the exponential is of a negative number.
pub(super) fn sigmoid(logit: f64) -> f64 {
    let small = (-logit.abs()).exp();
    if logit >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) }
}

/// Indices of values from the highest; equal values keep their order.
pub(super) fn ranking(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_exact_to_double_precision() {
        for len in [0, 1, 7, 8, 9, 512, 515] {
            let row = |seed: usize| (0..len).map(|i| ((i * 37 + seed) % 101) as f32 / 16.0 - 3.0).collect::<Vec<f32>>();
            let (a, b) = (row(1), row(50));
            // All products are multiples of 1/256 and exact in float64, so the order does not matter.
            let exact: f64 = a.iter().zip(&b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            assert_eq!(dot(&a, &b), exact, "{len}");
        }
        assert_eq!((inverse_length(&[3.0, 4.0]), inverse_length(&[0.0, -0.0]), inverse_length(&[])), (0.2, 0.0, 0.0));
    }

    #[test]
    fn extreme_logits_give_probabilities() {
        let mut logits = [1e5, 1e5, -1e5, 0.0];
        softmax(&mut logits);
        assert_eq!(logits, [0.5, 0.5, 0.0, 0.0]);
        let mut logits = [0.0, 3f64.ln()];
        softmax(&mut logits);
        assert!((logits[1] - 0.75).abs() < 1e-15 && logits.iter().sum::<f64>() == 1.0, "{logits:?}");
        let mut one = [-7.0];
        softmax(&mut one);
        assert_eq!(one, [1.0]);
        assert_eq!([-1e9, 0.0, 1e9].map(sigmoid), [0.0, 0.5, 1.0]);
        assert!((sigmoid(-3f64.ln()) - 0.25).abs() < 1e-15);
    }

    #[test]
    fn ties_keep_their_order() {
        assert_eq!(ranking(&[0.5, 0.7, 0.5, 0.7, -0.0]), [1, 3, 0, 2, 4]);
        assert_eq!(ranking(&[]), [0; 0]);
    }
}
