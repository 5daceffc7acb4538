//! The JSON of answers. Fields may be added, never renamed or removed; `openapi.json` describes each.

use serde::Serialize;

use super::folders::Folders;
use crate::library::{self, Found, Hit, LibraryPhoto, LibraryStatus};
use crate::weights::Precision;

/// What a library has.
#[derive(Serialize)]
pub(super) struct Status<'a> {
    pub version: &'static str,
    pub photos: u64,
    /// The name of the model that searches.
    pub model: &'a str,
    pub models: Vec<Model<'a>>,
    pub folders: Vec<Folder<'a>>,
}

#[derive(Serialize)]
pub(super) struct Model<'a> {
    pub name: &'a str,
    pub fingerprint: &'a str,
    pub dimensions: usize,
    pub photos: u64,
    /// Null until the model is used by a version that notes it.
    pub precision: Option<&'static str>,
}

#[derive(Serialize)]
pub(super) struct Folder<'a> {
    pub name: &'a str,
    pub photos: u64,
    pub reachable: bool,
}

impl<'a> Status<'a> {
    pub fn new(status: &'a LibraryStatus, folders: &'a Folders, model: &'a str) -> Status<'a> {
        let models = status.models.iter().map(|model| Model {
            name: &model.name,
            fingerprint: &model.fingerprint,
            dimensions: model.embed_dim,
            photos: model.photos,
            precision: model.precision.map(Precision::name),
        });
        let folders = folders.iter().zip(&status.folders).map(|((name, _), folder)| Folder {
            name,
            photos: folder.photos,
            reachable: folder.reachable,
        });
        let version = env!("CARGO_PKG_VERSION");
        Status { version, photos: status.photos, model, models: models.collect(), folders: folders.collect() }
    }
}

/// What a search found.
#[derive(Serialize)]
pub(super) struct Results<'a> {
    /// The query as it was understood.
    pub query: String,
    pub model: &'a str,
    pub cut: Option<f32>,
    pub compared: usize,
    /// If they differ.
    pub precisions: Option<Precisions>,
    pub hits: Vec<Result<'a>>,
}

/// The precision of the model that searches, and that of the photos' embeddings.
#[derive(Serialize)]
pub(super) struct Precisions {
    pub query: &'static str,
    pub stored: &'static str,
}

impl From<library::Precisions> for Precisions {
    fn from(precisions: library::Precisions) -> Precisions {
        Precisions { query: precisions.query.name(), stored: precisions.stored.name() }
    }
}

#[derive(Serialize)]
pub(super) struct Result<'a> {
    pub id: i64,
    pub name: String,
    pub folder: String,
    pub score: f32,
    pub fit: Option<f32>,
    pub fits: bool,
    pub taken: &'a str,
    pub dated: bool,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    pub width: u32,
    pub height: u32,
    pub bytes: u64,
    /// Number of other files with the same bytes.
    pub copies: usize,
}

impl<'a> Results<'a> {
    pub fn new(query: String, model: &'a str, found: &'a Found, folders: &Folders) -> Results<'a> {
        let hits = found.hits.iter().map(|hit| Result::new(hit, folders)).collect();
        let precisions = found.precisions.map(Into::into);
        Results { query, model, cut: found.cut, compared: found.compared, precisions, hits }
    }
}

impl<'a> Result<'a> {
    fn new(hit: &'a Hit, folders: &Folders) -> Result<'a> {
        let (folder, name) = folders.place(&hit.path);
        Result {
            id: hit.id,
            name,
            folder,
            score: hit.score,
            fit: hit.fit,
            fits: hit.fit.is_some_and(|fit| fit >= 1.0),
            taken: &hit.taken,
            dated: hit.dated,
            latitude: hit.place.map(|place| place.0),
            longitude: hit.place.map(|place| place.1),
            width: hit.width,
            height: hit.height,
            bytes: hit.bytes,
            copies: hit.copies.len(),
        }
    }
}

/// What is known of a photo.
#[derive(Serialize)]
pub(super) struct Photo<'a> {
    pub id: i64,
    /// BLAKE3 of the file, in hexadecimal.
    pub hash: String,
    pub format: Option<&'a str>,
    pub width: u32,
    pub height: u32,
    pub bytes: u64,
    pub taken: &'a str,
    pub dated: bool,
    /// Minutes east of UTC.
    pub offset: Option<i32>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    pub camera: Option<&'a str>,
    pub files: Vec<File>,
}

#[derive(Serialize)]
pub(super) struct File {
    pub folder: String,
    pub name: String,
}

impl<'a> Photo<'a> {
    pub fn new(photo: &'a LibraryPhoto, folders: &Folders) -> Photo<'a> {
        let file = |path| {
            let (folder, name) = folders.place(path);
            File { folder, name }
        };
        Photo {
            id: photo.id,
            hash: hexadecimal(&photo.hash),
            format: photo.format.as_deref(),
            width: photo.width,
            height: photo.height,
            bytes: photo.bytes,
            taken: &photo.taken,
            dated: photo.dated,
            offset: photo.offset,
            latitude: photo.place.map(|place| place.0),
            longitude: photo.place.map(|place| place.1),
            camera: photo.camera.as_deref(),
            files: photo.files.iter().map(|known| file(&known.path)).collect(),
        }
    }
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
