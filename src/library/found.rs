//! What a search finds.

use std::path::PathBuf;

use super::comparable::Precisions;
use super::score::Measure;
use super::store::FoundFile;

/// What a search found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found {
    /// The photos, best first; of equal scores, in the order of their paths.
    pub hits: Vec<Hit>,
    /// The cosine at which results end for this query; `None` if the library has too few photos to know.
    pub cut: Option<f32>,
    /// Photos that were compared: all of the library that have an embedding of this model.
    pub compared: usize,
    /// The precisions of the query and of the photos' embeddings, if they differ: see
    /// [`Search::allow_precisions`](super::Search::allow_precisions). A query of photos of the library alone is of their precision.
    pub precisions: Option<Precisions>,
}

/// A photo that was found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Hit {
    /// Its number in this library, which no other photo ever gets: see [`Library::photo`](super::Library::photo).
    pub id: i64,
    /// Its file; if there are several, the first by name of those that are there now.
    pub path: PathBuf,
    /// Its other files with the same bytes.
    pub copies: Vec<PathBuf>,
    /// The cosine with the query, from -1 to 1.
    pub score: f32,
    /// How well it fits, comparable between queries and models: one and more fits, less does not. `None` if the library
    /// has too few photos to know.
    pub fit: Option<f32>,
    /// When it was taken, local time, `YYYY-MM-DDTHH:MM:SS`; the time of the file if the photo does not say.
    pub taken: String,
    /// Whether the photo itself says when it was taken.
    pub dated: bool,
    /// Degrees north and east.
    pub place: Option<(f64, f64)>,
    /// Size of the file.
    pub bytes: u64,
    /// Pixels of the upright photo.
    pub width: u32,
    /// Pixels of the upright photo.
    pub height: u32,
}

impl Hit {
    /// The result for the files of a photo, of which there is one at least.
    pub(super) fn new(score: f64, mut files: Vec<FoundFile>, measure: Option<&Measure>) -> Hit {
        // A copy is as good as one that is gone since the library saw it.
        let there = if files.len() > 1 { files.iter().position(|file| file.path.is_file()) } else { None };
        let file = files.remove(there.unwrap_or(0));
        Hit {
            id: file.photo,
            path: file.path,
            copies: files.into_iter().map(|file| file.path).collect(),
            score: score as f32,
            fit: measure.map(|measure| measure.fit(score) as f32),
            taken: file.taken,
            dated: file.dated,
            place: file.place,
            bytes: file.bytes,
            width: file.width,
            height: file.height,
        }
    }
}
