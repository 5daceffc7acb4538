//! `clippie-rs encode`: encode photos and texts as rows of embeddings.

mod sink;

use std::path::{Path, PathBuf};
use std::thread;

use super::args::{Encode, Format};
use super::inputs::{self, Photo};
use super::messages::{Failure, Messages, Outcome};
use super::model;
use super::output::{Destination, Head, Source, cannot_write, same_file};
use crate::weights::WeightsFile;
use crate::{Error, ErrorKind, ImageEncoder, Options, TextEncoder};
use sink::Sink;

pub(super) fn run(args: &Encode, messages: &Messages) -> Result<Outcome, Failure> {
    check(args)?;
    let chosen = model::choose(&args.model, &args.photos, messages)?;
    let threads = args.threads.filter(|&threads| threads > 0);
    let threads = threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, Into::into));
    let batch_size = args.batch_size as usize;
    let options = chosen.options.threads(threads).batch_size(batch_size).normalize(!args.raw);
    let wants_photos = !args.inputs.is_empty() || args.files_from.is_some();
    let wants_texts = !args.texts.is_empty() || args.texts_from.is_some();
    let encoders = Encoders::open(options, chosen.weights.clone(), wants_photos, wants_texts)?;
    let out = open_output(args, chosen.weights.path())?;

    let (photos, empty_folders) = inputs::photos(&args.inputs, args.files_from.as_deref())?;
    let texts = inputs::texts(&args.texts, args.texts_from.as_deref())?;
    for folder in empty_folders {
        messages.warning(&format!("{}: no photos in this folder", folder.display()));
    }
    refuse_to_replace_inputs(args, &photos)?;
    let (fingerprint, embed_dim) = encoders.identity();
    let (model, total) = (chosen.name.as_str(), photos.len() + texts.len());
    tracing::info!(model, fingerprint, threads, photos = photos.len(), texts = texts.len(), "encoding");

    let head = Head { model, fingerprint: &fingerprint, embed_dim, photos: wants_photos, texts: wants_texts };
    let mut sink = Sink::start(args, &head, out, messages, total)?;
    if let Some(encoder) = &encoders.image {
        encode_photos(encoder, photos, &mut sink)?;
    }
    if let Some(encoder) = &encoders.text {
        encode_texts(encoder, texts, &mut sink)?;
    }
    sink.finish()
}

/// Refuses combinations that the parser cannot see.
fn check(args: &Encode) -> Result<(), Failure> {
    if args.inputs.is_empty() && args.files_from.is_none() && args.texts.is_empty() && args.texts_from.is_none() {
        return Err(Failure::Usage(
            "nothing to encode: name photos or folders, or give --text, --files-from or --texts-from".into(),
        ));
    }
    let lists = [&args.files_from, &args.texts_from].into_iter().flatten();
    if args.inputs.iter().chain(lists).filter(|path| inputs::is_stdin(path)).count() > 1 {
        return Err(Failure::Usage("standard input can be only one of the inputs; put the others into files".into()));
    }
    Ok(())
}

/// The towers that the inputs need; other towers are never read from disk.
struct Encoders {
    image: Option<ImageEncoder>,
    text: Option<TextEncoder>,
}

impl Encoders {
    fn open(options: Options, weights: WeightsFile, photos: bool, texts: bool) -> Result<Encoders, Error> {
        Ok(match (photos, texts) {
            (true, true) => {
                let clip = options.open_weights(weights)?;
                Encoders { image: Some(clip.image().clone()), text: Some(clip.text().clone()) }
            }
            (true, false) => Encoders { image: Some(options.open_weights_image(weights)?), text: None },
            (false, _) => Encoders { image: None, text: Some(options.open_weights_text(weights)?) },
        })
    }

    /// Fingerprint and length of the embeddings; all towers of a model share them.
    fn identity(&self) -> (String, usize) {
        let image = self.image.as_ref().map(|image| (image.fingerprint().to_string(), image.embed_dim()));
        let text = || self.text.as_ref().map(|text| (text.fingerprint().to_string(), text.embed_dim()));
        image.or_else(text).unwrap_or_default()
    }
}

/// Opens the output before any work is done, so that one that cannot be written fails at once.
fn open_output(args: &Encode, weights: &Path) -> Result<Destination, Failure> {
    let path = args.output.as_deref();
    if let Some(path) = path.filter(|path| same_file(path, weights)) {
        return Err(Failure::Usage(format!("{} is the model; write to another file", path.display())));
    }
    let out = Destination::open(path).map_err(|error| cannot_write(path, &error))?;
    if args.format == Format::Npy && out.is_terminal() {
        return Err(Failure::Usage("npy is not for a terminal; write it to a file with -o OUT.npy".into()));
    }
    Ok(out)
}

fn refuse_to_replace_inputs(args: &Encode, photos: &[Photo]) -> Result<(), Failure> {
    let Some(out) = args.output.as_deref().filter(|out| out.is_file()) else { return Ok(()) };
    let lists = [&args.files_from, &args.texts_from].into_iter().flatten().map(PathBuf::as_path);
    match photos.iter().map(Photo::path).chain(lists).find(|input| same_file(input, out)) {
        Some(input) => Err(Failure::Usage(format!("{} is one of the inputs; write to another file", input.display()))),
        None => Ok(()),
    }
}

fn encode_photos(encoder: &ImageEncoder, photos: Vec<Photo>, sink: &mut Sink<'_>) -> Result<(), Failure> {
    let mut stream = encoder.stream(photos);
    while let Some((photo, row)) = stream.next() {
        let row = match row {
            Ok(row) => Ok(row),
            // The other rows would be meaningless too.
            Err(error) if error.kind() == ErrorKind::Weights => return Err(error.into()),
            // The library cannot name standard input.
            Err(error) if matches!(photo, Photo::Stdin(_)) => Err(format!("standard input: {}", error.reason())),
            Err(error) => Err(error.to_string()),
        };
        sink.add(Source::Path(photo.path()), row.as_deref().map_err(String::as_str))?;
        if stream.ready() == 0 {
            sink.flush()?;
        }
    }
    Ok(())
}

fn encode_texts(encoder: &TextEncoder, texts: Vec<String>, sink: &mut Sink<'_>) -> Result<(), Failure> {
    let mut stream = encoder.stream(texts);
    while let Some((text, row)) = stream.next() {
        sink.add(Source::Text(&text), Ok(&row?))?;
        if stream.ready() == 0 {
            sink.flush()?;
        }
    }
    Ok(())
}
