//! The result of a batch in which single items may fail.

use ndarray::{Array2, ArrayView1};

use crate::error::Error;

/// Embeddings of a batch, and the inputs that failed.
///
/// ```no_run
/// # let clip = clippie_rs::Clip::open("vit-b-32-openai.clippie")?;
/// let photos = ["beach.jpg", "broken.jpg"];
/// let encoded = clip.image().encode_each(&photos);
/// for (photo, row) in photos.iter().zip(encoded.iter()) {
///     match row {
///         Ok(row) => println!("{photo}: {row}"),
///         Err(error) => eprintln!("{error}"),
///     }
/// }
/// # Ok::<(), clippie_rs::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "it holds the errors of the inputs that failed"]
pub struct Encoded {
    /// One row for each input: `[inputs, embed_dim]`. Rows of inputs that failed are zeros.
    pub rows: Array2<f32>,
    /// The inputs that failed, with their indices from 0, ascending. Includes the inputs that a cancelled call did not
    /// reach, with [`Error::Cancelled`].
    pub errors: Vec<(usize, Error)>,
}

impl Encoded {
    /// Number of inputs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.nrows()
    }

    /// Whether there are no inputs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether no input failed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.errors.is_empty()
    }

    /// The embedding of an input, or its error; `None` beyond the last input.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Result<ArrayView1<'_, f32>, &Error>> {
        if index >= self.len() {
            return None;
        }
        Some(match self.errors.binary_search_by_key(&index, |(failed, _)| *failed) {
            Ok(at) => Err(&self.errors[at].1),
            Err(_) => Ok(self.rows.row(index)),
        })
    }

    /// The embedding or the error of each input, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Result<ArrayView1<'_, f32>, &Error>> {
        let mut errors = self.errors.iter().peekable();
        self.rows.outer_iter().enumerate().map(move |(index, row)| {
            match errors.next_if(|(failed, _)| *failed == index) {
                Some((_, error)) => Err(error),
                None => Ok(row),
            }
        })
    }

    /// Returns all embeddings.
    ///
    /// # Errors
    /// The error of the first input that failed.
    pub fn into_rows(self) -> Result<Array2<f32>, Error> {
        match self.errors.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(self.rows),
        }
    }

    /// The embedding, as a vector, or the error of each input.
    #[must_use]
    pub fn into_results(self) -> Vec<Result<Vec<f32>, Error>> {
        let mut results: Vec<_> = self.rows.outer_iter().map(|row| Ok(row.to_vec())).collect();
        for (index, error) in self.errors {
            if let Some(result) = results.get_mut(index) {
                *result = Err(error);
            }
        }
        results
    }
}
