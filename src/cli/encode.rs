//! `clippie-rs encode`: photos and sentences to rows of embeddings.

mod pipeline;
mod sink;

use std::path::{Path, PathBuf};
use std::thread;

use super::args::{Encode, Format};
use super::inputs::{self, Photo};
use super::messages::{Failure, Messages, Outcome};
use super::model;
use super::output::{Destination, Head, Source, cannot_write, same_file};
use crate::weights::WeightsFile;
use crate::{CancelToken, Error, ImageEncoder, ImageInput, Options, TextEncoder};
use pipeline::in_order;
use sink::Sink;

/// Inputs of a chunk, the unit in which they go to the engine and rows come out: a pass for each thread, and never so
/// few that the engine would put all threads on one pass. With two chunks at a time, threads are idle for about
/// a hundredth of the time (200 photos, ViT-B/32, 2 threads).
fn chunk(batch_size: usize, threads: usize) -> usize {
    batch_size.max(2) * threads
}

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
    let chunk = chunk(batch_size, threads);
    if let Some(encoder) = &encoders.image {
        encode_photos(encoder, &photos, chunk, &mut sink)?;
    }
    if let Some(encoder) = &encoders.text {
        encode_texts(encoder, &texts, chunk, &mut sink)?;
    }
    sink.finish()
}

/// Refuses what the parser cannot see.
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

/// The towers that the inputs need and no other: what is not opened is never read from disk.
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

    /// Fingerprint and length of the embeddings, which all towers of a model share.
    fn identity(&self) -> (String, usize) {
        let image = self.image.as_ref().map(|image| (image.fingerprint().to_string(), image.embed_dim()));
        let text = || self.text.as_ref().map(|text| (text.fingerprint().to_string(), text.embed_dim()));
        image.or_else(text).unwrap_or_default()
    }
}

/// Finds out whether the output can be written, before any work is done for it.
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

fn encode_photos(encoder: &ImageEncoder, photos: &[Photo], chunk: usize, sink: &mut Sink<'_>) -> Result<(), Failure> {
    let cancel = CancelToken::new();
    let encoder = encoder.with_cancel(&cancel);
    let work = |photos: &[Photo]| -> Result<Vec<Result<Vec<f32>, String>>, Error> {
        let listed: Vec<ImageInput<'_>> = photos.iter().filter_map(as_image).collect();
        let mut encoded = encoder.encode_each(&listed)?.into_iter();
        let outcomes = photos.iter().map(|photo| match photo {
            Photo::Unlisted(_, reason) => Err(reason.clone()),
            Photo::File(_) => encoded.next().unwrap_or(Err(Error::Cancelled)).map_err(|error| error.to_string()),
            // The library cannot name what has no name.
            Photo::Stdin(_) => {
                encoded.next().unwrap_or(Err(Error::Cancelled)).map_err(|error| format!("standard input: {error}"))
            }
        });
        Ok(outcomes.collect())
    };
    in_order(photos, chunk, &cancel, work, |photos, outcomes| {
        for (photo, outcome) in photos.iter().zip(outcomes?) {
            sink.add(Source::Path(photo.path()), outcome.as_deref().map_err(String::as_str))?;
        }
        sink.end_chunk(photos.len())
    })
}

fn as_image(photo: &Photo) -> Option<ImageInput<'_>> {
    match photo {
        Photo::File(path) => Some(ImageInput::Path(path)),
        Photo::Stdin(bytes) => Some(ImageInput::Bytes(bytes)),
        Photo::Unlisted(..) => None,
    }
}

fn encode_texts(encoder: &TextEncoder, texts: &[String], chunk: usize, sink: &mut Sink<'_>) -> Result<(), Failure> {
    let cancel = CancelToken::new();
    let encoder = encoder.with_cancel(&cancel);
    in_order(
        texts,
        chunk,
        &cancel,
        |texts| encoder.encode(texts),
        |texts, rows| {
            for (text, row) in texts.iter().zip(rows?.rows()) {
                sink.add(Source::Text(text), Ok(row.as_slice().unwrap_or_default()))?;
            }
            sink.end_chunk(texts.len())
        },
    )
}
