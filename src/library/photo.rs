//! A photo of the library by its id: what is known of it, and where its files are.

use std::path::PathBuf;

use super::error::Error;
use super::library::Library;

/// What a library knows of a photo: see [`Library::photo`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LibraryPhoto {
    /// Its number in this library.
    pub id: i64,
    /// BLAKE3 of the bytes of the file.
    pub hash: [u8; 32],
    /// Size of the file.
    pub bytes: u64,
    /// `jpeg`, `png`, `webp`, `gif`, `bmp` or `tiff`.
    pub format: Option<String>,
    /// Pixels of the upright photo.
    pub width: u32,
    /// Pixels of the upright photo.
    pub height: u32,
    /// When it was taken, local time, `YYYY-MM-DDTHH:MM:SS`; the time of its first file if the photo does not say.
    pub taken: String,
    /// Whether the photo itself says when it was taken.
    pub dated: bool,
    /// Minutes east of UTC of the time when it was taken, if the photo says so.
    pub offset: Option<i32>,
    /// Degrees north and east.
    pub place: Option<(f64, f64)>,
    /// Maker and model of the camera.
    pub camera: Option<String>,
    /// Its files, sorted by path: one at least. Those that their folders no longer had when they were indexed are left out.
    pub files: Vec<LibraryFile>,
}

/// A file of a photo of the library. It may have gone or changed since it was indexed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LibraryFile {
    /// Absolute.
    pub path: PathBuf,
    /// The indexed folder in which it is: absolute.
    pub folder: PathBuf,
}

impl Library {
    /// What is known of a photo; `None` if no photo has this id, or if all of its files are gone.
    ///
    /// # Errors
    /// The library is damaged or busy.
    pub fn photo(&self, id: i64) -> Result<Option<LibraryPhoto>, Error> {
        let store = self.store()?;
        store.read(|store| {
            let Some(row) = store.photo(id)? else { return Ok(None) };
            let roots = store.roots()?;
            let mut found = Vec::new();
            store.found(Some(id), &roots, |file| {
                found.push(file);
                Ok(())
            })?;
            found.sort_by(|a, b| a.path.cmp(&b.path));
            let Some(first) = found.first() else { return Ok(None) };
            Ok(Some(LibraryPhoto {
                id,
                hash: row.hash,
                bytes: row.bytes,
                format: row.format,
                width: first.width,
                height: first.height,
                taken: first.taken.clone(),
                dated: first.dated,
                offset: row.taken_offset,
                place: row.place,
                camera: row.camera,
                files: found
                    .into_iter()
                    .filter_map(|file| {
                        let root = roots.iter().find(|root| file.path.starts_with(&root.path))?;
                        Some(LibraryFile { path: file.path, folder: root.path.clone() })
                    })
                    .collect(),
            }))
        })
    }
}
