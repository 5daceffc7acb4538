//! Whether probabilities mean what they say, and at which temperature they do.

use ndarray::ArrayView2;

/// Bins of the calibration error, as in Guo et al. 2017.
pub const BINS: usize = 15;

/// Calibration at one temperature.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Calibration {
    /// What logits are divided by.
    pub temperature: f64,
    /// Expected calibration error over 15 bins, from 0 to 1.
    pub error: f64,
    /// Mean of the negative logarithm of the true class's probability.
    pub log_loss: f64,
}

/// Expected calibration error: Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3.
///
/// Predictions fall into `bins` of equal width by their confidence, each open at its lower and closed at its upper end
/// (0 belongs to the first). The error is the mean of `|accuracy - mean confidence|` over bins, weighted by the number
/// of predictions in each. 0 without predictions.
#[must_use]
pub fn calibration_error(confidences: &[f64], correct: &[bool], bins: usize) -> f64 {
    let bins = bins.max(1);
    let mut sums = vec![(0usize, 0.0f64); bins]; // right predictions, confidences
    for (&confidence, &correct) in confidences.iter().zip(correct) {
        let bin = (1..bins).take_while(|&bin| confidence > bin as f64 / bins as f64).count();
        sums[bin].0 += usize::from(correct);
        sums[bin].1 += confidence;
    }
    let total = confidences.len().min(correct.len());
    let gaps = sums.iter().map(|&(right, confidence)| (right as f64 - confidence).abs());
    if total == 0 { 0.0 } else { gaps.sum::<f64>() / total as f64 }
}

/// The temperatures that are tried: from 1/8 to 8, four to an octave, with 1 among them.
#[must_use]
pub fn temperatures() -> Vec<f64> {
    (-12..=12).map(|quarter| 2f64.powf(f64::from(quarter) / 4.0)).collect()
}

/// Calibration of the softmax of `logits [photos, classes]` at each of `temperatures`.
#[must_use]
pub fn calibrate(logits: ArrayView2<'_, f64>, truth: &[usize], temperatures: &[f64]) -> Vec<Calibration> {
    let predicted = super::predictions(logits);
    let correct: Vec<bool> = predicted.iter().zip(truth).map(|(predicted, class)| predicted == class).collect();
    let at = |&temperature: &f64| {
        let mut log_loss = 0.0;
        let confidence = |(row, (&best, &class)): (ndarray::ArrayView1<'_, f64>, (&usize, &usize))| {
            let highest = row.get(best).copied().unwrap_or(0.0);
            // The logarithm of the sum of exponentials, above the highest one.
            let sum: f64 = row.iter().map(|logit| ((logit - highest) / temperature).exp()).sum();
            log_loss += sum.ln() - (row.get(class).copied().unwrap_or(f64::NEG_INFINITY) - highest) / temperature;
            1.0 / sum
        };
        let confidences: Vec<f64> = logits.outer_iter().zip(predicted.iter().zip(truth)).map(confidence).collect();
        let error = calibration_error(&confidences, &correct, BINS);
        Calibration { temperature, error, log_loss: log_loss / confidences.len().max(1) as f64 }
    };
    temperatures.iter().map(at).collect()
}
