//! Encodes the photos of a call, for every command that takes photos.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::inputs::Photo;
use super::messages::Failure;
use super::output::FileId;
use crate::{ErrorKind, ImageEncoder};

/// Photos in the order of the output, some of which may be still to come.
pub(super) struct Photos<'a> {
    photos: Box<dyn Iterator<Item = Photo> + 'a>,
    /// Whether the next one can be had at once, or there is none.
    at_hand: Box<dyn FnMut() -> bool + Send + 'a>,
}

impl<'a> Photos<'a> {
    /// Photos that are not known yet. None of them may be a file that will be replaced.
    pub fn to_come(
        photos: impl Iterator<Item = Photo> + 'a,
        at_hand: impl FnMut() -> bool + Send + 'a,
        replaced: &'a Replaced,
        broken: &Broken,
    ) -> Self {
        let broken = broken.clone();
        let photos = photos.map_while(move |photo| match replaced.refuse(photo.file()) {
            Ok(()) => Some(photo),
            Err(failure) => {
                broken.set(failure);
                None
            }
        });
        Photos { photos: Box::new(photos), at_hand: Box::new(at_hand) }
    }

    /// These photos, and then others.
    pub fn then(self, others: Photos<'a>) -> Self {
        let (mut first, mut second) = (self.at_hand, others.at_hand);
        Photos { photos: Box::new(self.photos.chain(others.photos)), at_hand: Box::new(move || first() && second()) }
    }
}

impl From<Vec<Photo>> for Photos<'_> {
    fn from(photos: Vec<Photo>) -> Self {
        Photos { photos: Box::new(photos.into_iter()), at_hand: Box::new(|| true) }
    }
}

/// Why photos ended although there are more: set by the iterator that ended, and asked for at the end of all.
#[derive(Clone, Default)]
pub(super) struct Broken(Rc<RefCell<Option<Failure>>>);

impl Broken {
    pub fn set(&self, failure: Failure) {
        self.0.borrow_mut().get_or_insert(failure);
    }

    /// Fails if photos ended early.
    pub fn check(&self) -> Result<(), Failure> {
        self.0.borrow_mut().take().map_or(Ok(()), Err)
    }
}

/// Encodes photos in order. `row` gets the path and the embedding or the error of each, and whether the next one has to
/// be waited for.
pub(super) fn encode<'a>(
    encoder: &ImageEncoder,
    photos: impl Into<Photos<'a>>,
    mut row: impl FnMut(&Path, Result<&[f32], &str>, bool) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let Photos { photos, at_hand } = photos.into();
    let mut stream = encoder.stream(photos).at_hand(at_hand);
    while let Some((photo, encoded)) = stream.next() {
        let encoded = match encoded {
            Ok(encoded) => Ok(encoded),
            // The other rows would be meaningless too.
            Err(error) if error.kind() == ErrorKind::Weights => return Err(error.into()),
            // The library cannot name where bytes come from.
            Err(error) => Err(match &photo {
                Photo::Stdin(_) => format!("standard input: {}", error.reason()),
                #[cfg(feature = "parquet")]
                Photo::Bytes { name, .. } => format!("{}: {}", name.display(), error.reason()),
                _ => error.to_string(),
            }),
        };
        row(photo.path(), encoded.as_deref().map_err(String::as_str), stream.ready() == 0)?;
    }
    Ok(())
}

/// Existing files that a call will replace. Identified once, because there may be a million inputs.
pub(super) struct Replaced(Vec<(PathBuf, FileId)>);

impl Replaced {
    /// Those of the files that a call writes.
    pub fn of(outputs: &[PathBuf]) -> Replaced {
        let files = outputs.iter().filter(|output| output.is_file());
        Replaced(files.filter_map(|output| Some((output.clone(), FileId::of(output)?))).collect())
    }

    /// The path that a call will replace, if `path` is the same file.
    fn find(&self, path: &Path) -> Option<&Path> {
        if self.0.is_empty() {
            return None;
        }
        let id = FileId::of(path)?;
        self.0.iter().find(|(_, other)| *other == id).map(|(output, _)| output.as_path())
    }

    /// Refuses to replace an input.
    pub fn refuse(&self, input: &Path) -> Result<(), Failure> {
        let refused = |_| {
            let input = input.display();
            Err(Failure::Usage(format!("{input} is one of the inputs; write to another file")))
        };
        self.find(input).map_or(Ok(()), refused)
    }

    /// Refuses to replace the model, a photo or a list of the call.
    pub fn refuse_all(&self, weights: &Path, photos: &[Photo], lists: &[&Path]) -> Result<(), Failure> {
        if let Some(output) = self.find(weights) {
            return Err(Failure::Usage(format!("{} is the model; write to another file", output.display())));
        }
        photos.iter().map(Photo::file).chain(lists.iter().copied()).try_for_each(|input| self.refuse(input))
    }
}
