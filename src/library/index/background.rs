//! How a photo compares with texts in general: mean and standard deviation of its cosines with a fixed set of sentences.

use ndarray::{Array2, ArrayView2};

use super::super::error::Error;
use super::super::store::{Store, as_floats};

/// The unit embeddings of the sentences: `[sentences, dim]`.
#[derive(Clone, Debug)]
pub(super) struct Background(Array2<f32>);

impl Background {
    /// `None` without sentences.
    pub fn new(texts: ArrayView2<'_, f32>) -> Option<Background> {
        (texts.nrows() > 0).then(|| Background(texts.as_standard_layout().into_owned()))
    }

    /// Length of the embeddings.
    pub fn dim(&self) -> usize {
        self.0.ncols()
    }

    /// Mean and standard deviation (of the set, not estimated) of the cosines of a unit vector `[dim]`, summed in f64 in
    /// the order of the sentences.
    pub fn of(&self, vector: &[f32]) -> (f32, f32) {
        let cosine =
            |text: &[f32]| -> f64 { text.iter().zip(vector).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
        let cosines: Vec<f64> = self.0.rows().into_iter().filter_map(|row| row.to_slice().map(cosine)).collect();
        let number = cosines.len() as f64;
        let mean = cosines.iter().sum::<f64>() / number;
        let variance = cosines.iter().map(|cosine| (cosine - mean).powi(2)).sum::<f64>() / number;
        (mean as f32, variance.sqrt() as f32)
    }
}

/// Embeddings whose statistics are written together.
const PAGE: usize = 500;

impl Background {
    /// Fills in the statistics of embeddings of a model that came without them.
    pub fn complete(&self, store: &Store, model: i64) -> Result<(), Error> {
        let mut last = 0;
        loop {
            let rows = store.without_background(model, last, PAGE)?;
            let Some((end, _)) = rows.last() else { return Ok(()) };
            last = *end;
            store.write(|store| {
                rows.iter().try_for_each(|(id, bytes)| match as_floats(bytes, self.dim()) {
                    Some(vector) => store.set_background(*id, self.of(&vector)),
                    // Searching says that it is damaged.
                    None => Ok(()),
                })
            })?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_of_cosines() {
        let texts = ndarray::arr2(&[[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.6, 0.8]]);
        let background = Background::new(texts.view()).unwrap();
        // 0.6, 0.8, -0.6, 1.0
        let (mean, deviation) = background.of(&[0.6, 0.8]);
        assert!((mean - 0.45).abs() < 1e-6 && (deviation - 0.622_495).abs() < 1e-6, "{mean} {deviation}");
        assert!(Background::new(ndarray::Array2::zeros((0, 2)).view()).is_none());
    }
}
