//! `clippie-rs preprocess`: writes the pixels that a model receives for a photo.

use super::args::Preprocess;
use super::inputs;
use super::messages::{Failure, Messages, Outcome};
use super::model;
use super::output::{Destination, cannot_write, npy, same_file};
use crate::ImageInput;

pub(super) fn run(args: &Preprocess, messages: &Messages) -> Result<Outcome, Failure> {
    let path = args.output.as_deref();
    // Before any work, so that an output that cannot be written fails at once.
    let mut out = Destination::open(path).map_err(|error| cannot_write(path, &error))?;
    let chosen = model::preprocessing(args.model.model.as_deref(), &args.photos, messages)?;
    let encoder = chosen.options.open_weights_image(chosen.weights.clone())?;
    if let Some(path) = path.filter(|path| same_file(path, chosen.weights.path()) || same_file(path, &args.image)) {
        return Err(Failure::Usage(format!("{} is the model or the photo; write to another file", path.display())));
    }
    if out.is_terminal() {
        return Err(Failure::Usage("npy is not for a terminal; write it to a file with -o OUT.npy".into()));
    }

    let pixels = if inputs::is_stdin(&args.image) {
        let bytes = inputs::read_stdin_photo()?;
        encoder
            .preprocess_image(ImageInput::Bytes(&bytes))
            .map_err(|error| Failure::Error(format!("standard input: {error}")))?
    } else {
        encoder.preprocess_image(&args.image)?
    };
    npy::write(&mut out, pixels.shape(), pixels.as_slice().unwrap_or_default())
        .and_then(|()| out.commit())
        .map_err(|error| cannot_write(path, &error))?;
    Ok(Outcome::Complete)
}
