//! Encodes the photos of a call, for every command that takes photos.

use std::path::{Path, PathBuf};

use super::inputs::Photo;
use super::messages::Failure;
use super::output::FileId;
use crate::{ErrorKind, ImageEncoder};

/// Encodes photos in order. `row` gets the path and the embedding or the error of each, and whether the next one has to
/// be waited for.
pub(super) fn encode(
    encoder: &ImageEncoder,
    photos: Vec<Photo>,
    mut row: impl FnMut(&Path, Result<&[f32], &str>, bool) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut stream = encoder.stream(photos);
    while let Some((photo, encoded)) = stream.next() {
        let encoded = match encoded {
            Ok(encoded) => Ok(encoded),
            // The other rows would be meaningless too.
            Err(error) if error.kind() == ErrorKind::Weights => return Err(error.into()),
            // The library cannot name standard input.
            Err(error) if matches!(photo, Photo::Stdin(_)) => Err(format!("standard input: {}", error.reason())),
            Err(error) => Err(error.to_string()),
        };
        row(photo.path(), encoded.as_deref().map_err(String::as_str), stream.ready() == 0)?;
    }
    Ok(())
}

/// Refuses outputs that would replace the model, a photo or a list of the call.
pub(super) fn refuse_to_replace(
    outputs: &[PathBuf],
    weights: &Path,
    photos: &[Photo],
    lists: &[&Option<PathBuf>],
) -> Result<(), Failure> {
    let lists = || lists.iter().filter_map(|list| list.as_deref());
    for output in outputs.iter().filter(|output| output.is_file()) {
        // Identified once, because there may be a million inputs.
        let Some(id) = FileId::of(output) else { continue };
        let is_output = |path: &Path| FileId::of(path).is_some_and(|other| other == id);
        if is_output(weights) {
            return Err(Failure::Usage(format!("{} is the model; write to another file", output.display())));
        }
        if let Some(input) = photos.iter().map(Photo::path).chain(lists()).find(|input| is_output(input)) {
            let input = input.display();
            return Err(Failure::Usage(format!("{input} is one of the inputs; write to another file")));
        }
    }
    Ok(())
}
