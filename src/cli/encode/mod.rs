//! `clippie-rs encode`: encode photos and texts as rows of embeddings.

mod sink;

use std::path::{Path, PathBuf};

use super::args::{Encode, Format};
use super::inputs::{self, Photo};
use super::messages::{Failure, Messages, Outcome};
use super::output::{Destination, FileId, Head, Source, cannot_write, is_stdout, same_place, sidecar};
use super::report::Report;
use super::{model, photos};
use crate::weights::WeightsFile;
use crate::{Error, ImageEncoder, Options, TextEncoder};
use sink::Sink;

pub(super) fn run(args: &Encode, messages: &Messages) -> Result<Outcome, Failure> {
    let format = args.format().map_err(Failure::Usage)?;
    check(args, format)?;
    let walk = inputs::walk(&args.inputs)?;
    // Before any work, so that an output that cannot be written fails at once.
    let out = open_output(args, format)?;
    let report = args.report.clone().map(Report::open).transpose()?;
    let chosen = model::choose(&args.running, messages)?;
    let options = chosen.options.normalize(!args.raw);
    let wants_photos = !args.inputs.is_empty();
    let wants_texts = !args.texts.is_empty() || args.texts_from.is_some();
    let mut encoders = Encoders::open(options, chosen.weights.clone(), wants_photos, wants_texts)?;
    encoders.text = model::text_in(args.running.language.as_deref(), encoders.text)?;
    let found = inputs::photos(&args.inputs, &walk, messages)?;
    let mut texts = inputs::texts(&args.texts, args.texts_from.as_deref())?;
    let mut photos = found.photos;
    refuse_to_replace_inputs(args, format, chosen.weights.path(), &photos)?;
    if let Some(partition) = args.partition {
        let part = partition.of(photos.len() + texts.len());
        let first_text = photos.len();
        let texts_of = |at: usize| at.saturating_sub(first_text);
        texts = texts.drain(texts_of(part.start)..texts_of(part.end)).collect();
        photos = photos.drain(part.start.min(first_text)..part.end.min(first_text)).collect();
    }
    let (fingerprint, embed_dim) = encoders.identity();
    let (model, total) = (chosen.name.as_str(), photos.len() + texts.len());
    let threads = model::threads(args.running.threads);
    tracing::info!(model, fingerprint, threads, photos = photos.len(), texts = texts.len(), "encoding");

    let head = Head {
        model,
        fingerprint: &fingerprint,
        embed_dim,
        photos: wants_photos,
        texts: wants_texts,
        errors: !args.skip_errors,
        #[cfg(feature = "parquet")]
        column: args.column_name.as_deref().unwrap_or("embedding"),
        odd_paths: photos.iter().any(|photo| photo.path().to_str().is_none()),
    };
    let mut sink = Sink::start(args, format, &head, out, report, messages, total)?;
    let result = encoders.encode(photos, texts, &mut sink);
    sink.finish(result, &head, &found.passed_over)
}

/// Columns of a Parquet table besides that of embeddings.
#[cfg(feature = "parquet")]
const OTHER_COLUMNS: [&str; 4] = ["path", "path_bytes", "text", "error"];

/// Refuses combinations that the parser cannot see.
fn check(args: &Encode, format: Format) -> Result<(), Failure> {
    if args.inputs.is_empty() && args.texts.is_empty() && args.texts_from.is_none() {
        return Err(Failure::Usage(
            "nothing to encode: name photos or folders, or give --text, --files-from or --texts-from".into(),
        ));
    }
    if args.running.language.is_some() && args.texts.is_empty() && args.texts_from.is_none() {
        return Err(Failure::Usage("--language is that of texts: give --text or --texts-from, or leave it out".into()));
    }
    #[cfg(feature = "parquet")]
    if args.column_name.is_some() && format != Format::Parquet {
        return Err(Failure::Usage("--column-name is that of a Parquet table: add --format parquet".into()));
    }
    #[cfg(feature = "parquet")]
    if let Some(name) = args.column_name.as_deref().filter(|name| OTHER_COLUMNS.contains(name)) {
        return Err(Failure::Usage(format!(
            "--column-name {name}: the table has another column of this name; choose one that is not path, path_bytes, text or error"
        )));
    }
    let report = args.report.as_deref();
    if report.is_some_and(inputs::is_stdin) {
        return Err(Failure::Usage("--report writes to a file; name one".into()));
    }
    if let Some(output) =
        row_files(args, format).iter().find(|output| report.is_some_and(|report| same_place(report, output)))
    {
        let output = output.display();
        return Err(Failure::Usage(format!("{output} gets the embeddings; write the report to another file")));
    }
    if let Some(report) = report.filter(|report| args.output.as_deref().is_none_or(is_stdout) && goes_to_stdout(report))
    {
        let report = report.display();
        return Err(Failure::Usage(format!(
            "{report} is standard output, which gets the embeddings; write the report to another file"
        )));
    }
    inputs::read_stdin_once(&args.inputs, [&args.texts_from])
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

    /// Encodes all inputs.
    fn encode(&self, photos: Vec<Photo>, texts: Vec<String>, sink: &mut Sink<'_>) -> Result<(), Failure> {
        if let Some(encoder) = &self.image {
            encode_photos(encoder, photos, sink)?;
        }
        if let Some(encoder) = &self.text {
            encode_texts(encoder, texts, sink)?;
        }
        Ok(())
    }

    /// Fingerprint and length of the embeddings; all towers of a model share them.
    fn identity(&self) -> (String, usize) {
        let image = self.image.as_ref().map(|image| (image.fingerprint().to_string(), image.embed_dim()));
        let text = || self.text.as_ref().map(|text| (text.fingerprint().to_string(), text.embed_dim()));
        image.or_else(text).unwrap_or_default()
    }
}

fn open_output(args: &Encode, format: Format) -> Result<Destination, Failure> {
    let path = args.output.as_deref();
    let out = Destination::open(path).map_err(|error| cannot_write(path, &error))?;
    if format.is_binary() && out.is_terminal() {
        let format = if format == Format::Npy { "npy" } else { "parquet" };
        return Err(Failure::Usage(format!("{format} is not for a terminal; write it to a file with -o OUT.{format}")));
    }
    Ok(out)
}

/// Whether what is written to `path` would mix with standard output, or replace the file that it goes to.
fn goes_to_stdout(path: &Path) -> bool {
    is_stdout(path) || FileId::of_stdout().is_some_and(|stdout| FileId::of(path) == Some(stdout))
}

/// The files that rows are written to.
fn row_files(args: &Encode, format: Format) -> Vec<PathBuf> {
    let Some(path) = args.output.clone().filter(|path| !inputs::is_stdin(path)) else { return Vec::new() };
    let list = (format == Format::Npy).then(|| sidecar(&path));
    [Some(path), list].into_iter().flatten().collect()
}

fn refuse_to_replace_inputs(args: &Encode, format: Format, weights: &Path, photos: &[Photo]) -> Result<(), Failure> {
    let outputs: Vec<PathBuf> = row_files(args, format).into_iter().chain(args.report.clone()).collect();
    let lists = [&args.inputs.files_from, &args.texts_from];
    photos::refuse_to_replace(&outputs, weights, photos, &lists)
}

fn encode_photos(encoder: &ImageEncoder, photos: Vec<Photo>, sink: &mut Sink<'_>) -> Result<(), Failure> {
    photos::encode(encoder, photos, |path, row, waits| {
        sink.add(Source::Path(path), row)?;
        if waits { sink.flush() } else { Ok(()) }
    })
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
