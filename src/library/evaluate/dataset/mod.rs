//! Data sets with known answers: photos with classes, or photos with captions.
//!
//! ```text
//! a folder with test_batch.bin, data_batch_1.bin ...   CIFAR-10          cifar
//! a folder with t10k-images-idx3-ubyte(.gz) ...        MNIST             idx
//! a folder of folders                                  one class each    folders
//! a .csv file with the columns path and caption        retrieval         captions
//! ```
//! Knows no model. Published files are read as they are published, and nothing in them is trusted.

mod captions;
mod cifar;
mod folders;
mod idx;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::EvaluateError as Error;
use crate::clip::ImageInput;
use crate::files::{self, open_regular};
use crate::pixels::RgbBuffer;
use crate::walk::WalkError;

/// Largest file of a published set; the largest of those that are read here has 47 MB.
const MAX_FILE: u64 = 1 << 29;

/// Most classes: there is a number for each pair of them.
const MAX_CLASSES: usize = 4096;

/// Most captions, all of which are encoded and compared; MS-COCO's largest set has 616,767.
const MAX_CAPTIONS: usize = 1 << 20;

/// Which part of a published data set is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Split {
    /// The photos for testing; those for training if there are no others.
    #[default]
    Test,
    /// The photos for training.
    Train,
    /// All photos.
    All,
}

/// Photos with known answers.
#[derive(Clone, Debug)]
pub struct Dataset {
    path: PathBuf,
    kind: &'static str,
    classes: Vec<String>,
    /// The class of each photo; empty for captions.
    truth: Vec<usize>,
    photos: Photos,
    captions: Vec<Caption>,
}

/// A sentence that describes a photo.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caption {
    /// Index of the photo.
    pub photo: usize,
    /// The sentence.
    pub text: String,
}

/// A photo of a data set, to be encoded.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Picture {
    /// A file.
    File(PathBuf),
    /// Pixels of a published set.
    Pixels(RgbBuffer),
    /// A file or folder that cannot be listed, which fails.
    Unlisted(WalkError),
}

impl<'a> From<&'a Picture> for ImageInput<'a> {
    fn from(picture: &'a Picture) -> Self {
        match picture {
            Picture::File(path) => ImageInput::from(path),
            Picture::Pixels(pixels) => ImageInput::from(pixels),
            Picture::Unlisted(error) => ImageInput::Unlisted(error),
        }
    }
}

#[derive(Clone, Debug)]
enum Photos {
    Files(Vec<Result<PathBuf, WalkError>>),
    Raw(Raw),
}

/// Photos of one size without compression, one after the other.
#[derive(Clone, Debug)]
struct Raw {
    width: usize,
    height: usize,
    /// Three planes of red, green and blue, or one of gray.
    planes: usize,
    bytes: Vec<u8>,
}

impl Raw {
    fn photo_len(&self) -> usize {
        self.width * self.height * self.planes
    }

    fn len(&self) -> usize {
        self.bytes.len() / self.photo_len().max(1)
    }

    fn photo(&self, index: usize) -> Option<RgbBuffer> {
        let plane = self.width * self.height;
        let bytes = self.bytes.get(index * self.photo_len()..)?.get(..self.photo_len())?;
        let sample = |pixel: usize, channel: usize| bytes[pixel + plane * channel.min(self.planes - 1)];
        let data = (0..plane).flat_map(|pixel| (0..3).map(move |channel| (pixel, channel)));
        RgbBuffer::new(self.width, self.height, data.map(|(pixel, channel)| sample(pixel, channel)).collect()).ok()
    }
}

impl Dataset {
    /// Reads a data set; of each class the first `limit` photos.
    ///
    /// - A folder with CIFAR-10's binary batches (`data_batch_1.bin` to `data_batch_5.bin`, `test_batch.bin`,
    ///   `batches.meta.txt`), or with the folder `cifar-10-batches-bin` of its archive.
    /// - A folder with MNIST's files (`t10k-images-idx3-ubyte`, `t10k-labels-idx1-ubyte`, and the same of `train`),
    ///   also compressed (`.gz`). Classes are the digits; Fashion-MNIST has the same format.
    /// - A folder of folders, each of which is a class and named like it. Photos are found as
    ///   [`walk::photos`](crate::walk::photos) finds them; a file or subfolder that cannot be read is a photo that fails.
    /// - A `.csv` file with the columns `path` and `caption`. Paths are relative to its folder; a photo may have several
    ///   captions on as many lines.
    ///
    /// Folders of photos are listed and pixels of published sets are kept in memory; no photo is decoded.
    ///
    /// # Errors
    /// A path that is none of these, or cannot be read; files that are damaged or contradict each other.
    pub fn open(path: impl AsRef<Path>, split: Split, limit: Option<usize>) -> Result<Dataset, Error> {
        let path = path.as_ref();
        let data = path.metadata().map_err(|source| Error::read(path, source))?;
        let limit = limit.unwrap_or(usize::MAX);
        let dataset = if !data.is_dir() {
            captions::read(path, limit)?
        } else if let Some(cifar) = cifar::find(path) {
            cifar.read(split, limit)?
        } else if let Some(idx) = idx::find(path) {
            idx.read(split, limit)?
        } else {
            folders::read(path, limit)?
        };
        if dataset.is_empty() {
            return Err(Error::dataset(path, "there are no photos in it"));
        }
        let classes = dataset.classes.len();
        if classes > MAX_CLASSES {
            let reason = format!("it has {classes} classes; {MAX_CLASSES} at most can be evaluated at a time");
            return Err(Error::dataset(path, reason));
        }
        Ok(dataset)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is: `folders`, `cifar-10`, `mnist` or `captions`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Number of photos, at least one.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.photos {
            Photos::Files(files) => files.len(),
            Photos::Raw(raw) => raw.len(),
        }
    }

    /// Whether there are no photos; never of an opened data set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of the classes; none if the photos have captions.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The class of each photo; none if the photos have captions.
    #[must_use]
    pub fn truth(&self) -> &[usize] {
        &self.truth
    }

    /// The captions; none if the photos have classes.
    #[must_use]
    pub fn captions(&self) -> &[Caption] {
        &self.captions
    }

    /// A photo; `None` beyond the last one.
    #[must_use]
    pub fn picture(&self, index: usize) -> Option<Picture> {
        match &self.photos {
            Photos::Files(files) => {
                files.get(index).cloned().map(|file| file.map_or_else(Picture::Unlisted, Picture::File))
            }
            Photos::Raw(raw) => raw.photo(index).map(Picture::Pixels),
        }
    }

    /// What a message calls a photo: its file, or its number in the data set.
    #[must_use]
    pub fn name(&self, index: usize) -> String {
        match &self.photos {
            Photos::Files(files) => files.get(index).map_or_else(String::new, |file| {
                let path = file.as_deref().unwrap_or_else(WalkError::path);
                path.display().to_string()
            }),
            Photos::Raw(_) => format!("photo {index}"),
        }
    }
}

/// Counts the photos of each class, to take the first ones alone.
struct Quota {
    limit: usize,
    taken: Vec<usize>,
}

impl Quota {
    fn new(limit: usize) -> Quota {
        Quota { limit, taken: Vec::new() }
    }

    /// Whether one more photo of a class is wanted; counts it then.
    fn take(&mut self, class: usize) -> bool {
        if self.taken.len() <= class {
            self.taken.resize(class + 1, 0);
        }
        let wanted = self.taken[class] < self.limit;
        self.taken[class] += usize::from(wanted);
        wanted
    }
}

/// Reads a whole file of a published set.
fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    open_regular(path).and_then(|file: File| read_at_most(file)).map_err(|source| Error::read(path, source))
}

/// Reads everything, up to a size that no published set has.
fn read_at_most(input: impl Read) -> io::Result<Vec<u8>> {
    files::read_at_most(input, 0, MAX_FILE)?
        .ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 512 MiB, which no such file has"))
}

#[cfg(test)]
mod tests;
