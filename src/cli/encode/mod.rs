//! `clippie-rs encode`: encode photos and texts as rows of embeddings.

mod sink;

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::args::{Encode, Format, Partition};
use super::inputs::{self, Live, Photo};
#[cfg(feature = "parquet")]
use super::inputs::{Table, TextTable};
use super::messages::{Failure, Messages, Outcome, count};
use super::model;
use super::output::{Destination, FileId, Head, Source, cannot_write, is_stdout, same_place, sidecar};
use super::photos::{self, Broken, Photos, Replaced};
use super::report::Report;
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
    #[cfg(feature = "parquet")]
    let table = match args.table_path().zip(args.photo_column()) {
        Some((file, column)) => Some(Table::open(file, column)?),
        None => None,
    };
    #[cfg(feature = "parquet")]
    let text_table = match args.table_path().zip(args.text_column()) {
        Some((file, column)) => Some(TextTable::open(file, column)?),
        None => None,
    };
    let chosen = model::choose(&args.running, messages)?;
    let options = chosen.options.normalize(!args.raw);
    let wants_photos = args.has_photos();
    let wants_texts = args.has_texts();
    let mut encoders = Encoders::open(options, chosen.weights.clone(), wants_photos, wants_texts)?;
    encoders.text = model::text_in(args.running.language.as_deref(), encoders.text)?;
    let live = match answers(args, format, &out) {
        // Where no thread can be started, the list is read first.
        true => Live::start(&walk).ok(),
        false => None,
    };
    let found = match live {
        Some(_) => inputs::named(&args.inputs, &walk, false, messages)?,
        None => inputs::photos(&args.inputs, &walk, args.captions, messages)?,
    };
    let mut texts = inputs::texts(&args.texts, args.texts_from.as_deref())?;
    let mut photos = found.photos;
    if args.captions {
        keep_captioned(&mut photos, format, messages);
    }
    let mut captions = captions(&photos);
    let replaced = Replaced::of(&outputs(args, format));
    replaced.refuse_all(chosen.weights.path(), &photos, &args.lists())?;
    #[cfg(feature = "parquet")]
    let (mut rows, mut text_rows) =
        (0..table.as_ref().map_or(0, Table::rows), 0..text_table.as_ref().map_or(0, TextTable::rows));
    #[cfg(not(feature = "parquet"))]
    let (mut rows, mut text_rows) = (0..0, 0..0);
    if let Some(partition) = args.partition {
        // Photos of a folder of clip-retrieval take their captions along.
        let apart = if format.is_folder() { 0 } else { captions.len() };
        let lens = [photos.len(), rows.end, texts.len(), text_rows.end, apart];
        let [of_photos, of_rows, of_texts, of_text_rows, of_captions] = parts(partition, lens);
        texts = texts.drain(of_texts).collect();
        (rows, text_rows) = (of_rows, of_text_rows);
        photos = photos.drain(of_photos).collect();
        captions = if format.is_folder() { self::captions(&photos) } else { captions.drain(of_captions).collect() };
    }
    let (fingerprint, embed_dim) = encoders.identity();
    let (model, total) =
        (chosen.name.as_str(), photos.len() + rows.len() + texts.len() + text_rows.len() + captions.len());
    let total = live.is_none().then_some(total);
    let threads = model::threads(args.running.threads);
    tracing::info!(
        model,
        fingerprint,
        threads,
        photos = photos.len() + rows.len(),
        texts = texts.len() + text_rows.len() + captions.len(),
        "encoding"
    );

    let head = Head {
        model,
        fingerprint: &fingerprint,
        embed_dim,
        photos: wants_photos,
        texts: wants_texts,
        errors: !args.skip_errors,
        #[cfg(feature = "parquet")]
        column: args.column_name.as_deref().unwrap_or("embedding"),
        #[cfg(feature = "parquet")]
        fixed_size: args.fixed_size,
        odd_paths: photos.iter().map(Photo::path).chain(args.table_path()).any(|path| path.to_str().is_none()),
    };
    let broken = Broken::default();
    let mut photos = Photos::from(photos);
    if let Some(live) = &live {
        photos = photos.then(live.photos(messages, &replaced, &broken));
    }
    #[cfg(feature = "parquet")]
    if let Some(table) = &table {
        photos = photos.then(table.photos(rows, &replaced, &broken)?);
    }
    let mut sink = Sink::start(args, format, &head, out, report, messages, total)?;
    let result = encoders.encode(photos, &broken, texts, &mut sink);
    #[cfg(feature = "parquet")]
    let result = result.and_then(|()| match encoders.text.as_ref().zip(text_table.as_ref()) {
        Some((encoder, table)) => encode_text_rows(encoder, table, text_rows, &mut sink),
        None => Ok(()),
    });
    let result = result.and_then(|()| match &encoders.text {
        Some(encoder) => encode_captions(encoder, captions, &mut sink),
        None => Ok(()),
    });
    if let Err(failure @ Failure::Usage(_)) = result {
        // The output or the report would replace an input, so neither is written.
        return Err(failure);
    }
    let mut passed_over = found.passed_over;
    if let Some(live) = &live {
        passed_over.add(&live.passed_over());
    }
    sink.finish(result, &head, &passed_over)
}

/// Whether the rows of paths on standard input are written as the paths come.
fn answers(args: &Encode, format: Format, out: &Destination) -> bool {
    let from_stdin = args.inputs.files_from.as_deref().is_some_and(inputs::is_stdin);
    // The first part of several needs to know how many there are.
    from_stdin
        && !args.captions
        && args.partition.is_none()
        && matches!(format, Format::Jsonl | Format::Csv)
        && out.is_awaited()
}

/// Columns of a Parquet table besides that of embeddings.
#[cfg(feature = "parquet")]
const OTHER_COLUMNS: [&str; 4] = ["path", "path_bytes", "text", "error"];

/// Refuses combinations that the parser cannot see.
fn check(args: &Encode, format: Format) -> Result<(), Failure> {
    if !args.has_photos() && !args.has_texts() {
        return Err(Failure::Usage(
            "nothing to encode: name photos or folders, or give --text, --files-from or --texts-from".into(),
        ));
    }
    if args.running.language.is_some() && !args.has_texts() {
        return Err(Failure::Usage("--language is that of texts: give --text or --texts-from, or leave it out".into()));
    }
    #[cfg(feature = "parquet")]
    if args.column_name.is_some() && format != Format::Parquet {
        return Err(Failure::Usage("--column-name is that of a Parquet table: add --format parquet".into()));
    }
    #[cfg(feature = "parquet")]
    if args.fixed_size && format != Format::Parquet {
        return Err(Failure::Usage("--fixed-size is for a Parquet table: add --format parquet".into()));
    }
    if format.is_folder() && args.has_own_texts() {
        return Err(Failure::Usage("clip-retrieval's folder is of photos; write the texts in another format".into()));
    }
    if args.captions && format.is_folder() && args.photo_column().is_some() {
        return Err(Failure::Usage(
            "photos of a table have no captions for clip-retrieval's folder; leave one out".into(),
        ));
    }
    if args.captions && args.inputs.is_empty() {
        return Err(Failure::Usage("--captions are those of photos in tar archives; name these".into()));
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
    fn encode(
        &self,
        photos: Photos<'_>,
        broken: &Broken,
        texts: Vec<String>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Failure> {
        if let Some(encoder) = &self.image {
            encode_photos(encoder, photos, sink)?;
            broken.check()?;
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
    #[cfg(all(feature = "library", feature = "parquet"))]
    if format.is_folder() {
        let folder = path.filter(|path| !is_stdout(path)).ok_or_else(|| {
            Failure::Usage("clip-retrieval writes a folder, not a stream; name a new one with -o".into())
        })?;
        return Destination::folder(folder).map_err(|error| cannot_write(path, &error));
    }
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

/// All files that are written.
fn outputs(args: &Encode, format: Format) -> Vec<PathBuf> {
    row_files(args, format).into_iter().chain(args.report.clone()).collect()
}

/// The part of each of several sequences that follow one another.
fn parts<const N: usize>(partition: Partition, lens: [usize; N]) -> [Range<usize>; N] {
    let part = partition.of(lens.iter().sum());
    let mut start = 0;
    lens.map(|len| {
        let of = |at: usize| at.clamp(start, start + len) - start;
        let range = of(part.start)..of(part.end);
        start += len;
        range
    })
}

fn encode_photos(encoder: &ImageEncoder, photos: Photos<'_>, sink: &mut Sink<'_>) -> Result<(), Failure> {
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

/// Warns of photos without a caption, which a folder of clip-retrieval has no place for.
fn keep_captioned(photos: &mut Vec<Photo>, format: Format, messages: &Messages) {
    let captioned = photos.iter().filter(|photo| photo.caption().is_some()).count();
    let all = photos.iter().filter(|photo| !matches!(photo, Photo::Unlisted(_))).count();
    if format.is_folder() && captioned < all {
        // What cannot be listed is an input that fails.
        photos.retain(|photo| photo.caption().is_some() || matches!(photo, Photo::Unlisted(_)));
        let without = count(all - captioned, "photo");
        messages.warning(&format!("{without} without a caption passed over: the folder has both of each"));
    } else if captioned == 0 {
        messages.warning("no photo has a caption: they are in .txt or .json beside photos of tar archives");
    } else if captioned < all {
        messages.warning(&format!(
            "{} without a caption: it is a .txt in UTF-8, or the text `caption` or `text` of a .json, with the photo's name up \
             to its first dot",
            count(all - captioned, "photo")
        ));
    }
}

/// The captions of photos, each with the path of its photo.
fn captions(photos: &[Photo]) -> Vec<(PathBuf, String)> {
    photos.iter().filter_map(|photo| Some((photo.path().to_owned(), photo.caption()?.to_owned()))).collect()
}

fn encode_captions(
    encoder: &TextEncoder,
    captions: Vec<(PathBuf, String)>,
    sink: &mut Sink<'_>,
) -> Result<(), Failure> {
    let (paths, texts): (Vec<PathBuf>, Vec<String>) = captions.into_iter().unzip();
    let mut paths = paths.iter();
    let mut stream = encoder.stream(texts);
    while let Some(((text, row), path)) = stream.next().zip(paths.next()) {
        sink.add(Source::Caption(path, &text), Ok(&row?))?;
        if stream.ready() == 0 {
            sink.flush()?;
        }
    }
    Ok(())
}

/// Rows of a table whose texts are in memory at a time.
#[cfg(feature = "parquet")]
const TEXT_ROWS: usize = 4096;

/// Encodes the texts of a table. A row without a text keeps its place, as one that failed.
#[cfg(feature = "parquet")]
fn encode_text_rows(
    encoder: &TextEncoder,
    table: &TextTable,
    range: Range<usize>,
    sink: &mut Sink<'_>,
) -> Result<(), Failure> {
    table.read(range, TEXT_ROWS, |first, rows| {
        let has_text: Vec<bool> = rows.iter().map(Option::is_some).collect();
        let mut stream = encoder.stream(rows.into_iter().flatten());
        for (row, has_text) in has_text.into_iter().enumerate() {
            match has_text.then(|| stream.next()).flatten() {
                Some((text, embedding)) => sink.add(Source::Text(&text), Ok(&embedding?))?,
                None => {
                    let name = table.name(first + row);
                    sink.add(Source::Path(&name), Err(&format!("cannot read {}: the cell is null", name.display())))?;
                }
            }
        }
        sink.flush()
    })
}
