//! Arguments of `encode`.

use std::path::{Path, PathBuf};

#[cfg(feature = "parquet")]
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

use super::values::partition;
use super::{Inputs, Partition, Running};

/// Encode photos and texts as embeddings
///
/// The order of rows is: each INPUT as given, the photos of --files-from, the photos of --from-parquet, each --text as given,
/// the lines of --texts-from, the texts of --text-column, the captions. An input that cannot be read is reported, and the others are encoded. The exit code is 3 if some inputs
/// failed, and 1 if all did.
///
/// A folder is searched recursively for files with the extension jpg, jpeg, jpe, jfif, png, webp, gif, bmp, dib, tif, tiff, mpo,
/// heic, heif, hif, avif or jxl, or of a raw file of a camera (dng, cr2, cr3, nef, nrw, arw, orf, rw2, pef, raf, srw; its preview is
/// encoded), in any case, sorted by the bytes of their paths. Hidden files and folders are skipped, and what other programs
/// keep beside photos: thumbnails, previews and deleted files such as @eaDir, #recycle, $RECYCLE.BIN, __MACOSX and
/// *.lrdata. A warning names the photos that were not read because of their format, such as PSD and JPEG 2000; it
/// does not change the exit code. A file given by name may have any extension: its content determines the format. `-`
/// reads one photo from standard input; pipes and devices with other names are not read.
///
/// A file whose name ends with .tar, .tar.gz or .tgz is an archive of photos, such as a shard of WebDataset, if it is given by
/// name or in a list: its photos, known by the same extensions, are encoded in its order and have the path ARCHIVE#NAME in the output.
/// Nothing is extracted. Archives in folders that are searched are passed over.
///
/// --exclude and the ignore files have the syntax of .gitignore: a pattern without a slash matches names at any depth,
/// one with a slash matches paths from the folder that was given, ** matches any folders, a slash at the end means
/// folders only, and ! takes back an earlier pattern. A folder that matches is skipped as a whole.
///
/// --from-parquet reads photos from a column of a table, row by row: paths of files, which start in the current folder as
/// those of --files-from do; bytes of files; or structs with the fields bytes and path, as datasets of Hugging Face store
/// images, whose path is used where bytes is null. Photos read from bytes have the path FILE#ROW in the output, counted from
/// 0. Every row of the table has one of the output: a null or a broken photo is an input that fails. --text-column does the
/// same for a column of texts.
///
/// --report writes one JSON object: numbers of inputs encoded and failed, each failure with its reason, what was passed
/// over in folders (by extension, with the paths of photos in formats that cannot be read), the model, the fingerprint and
/// the seconds taken. It is written also if inputs fail.
///
/// jsonl, the default unless OUT ends with .json, .npy, .csv or .parquet (another extension is refused), writes one line per
/// row as soon as it is ready: {"path":…,"embedding":[…],"fingerprint":…},
/// {"text":…,"embedding":[…],"fingerprint":…} or {"path":…,"error":"…"}. A path that is not UTF-8 is shown with
/// replacement characters, and its bytes follow in hexadecimal as "path_bytes". json writes one object with the model's
/// name, the fingerprint and all rows. csv writes columns for the path or the text (or both), the fingerprint and each
/// number; failed inputs have no row.
///
/// npy writes a float32 array [rows, length] for NumPy and a sidecar OUT.jsonl (photos.npy.jsonl for -o photos.npy)
/// with one line per row; where OUT is a symbolic link, the sidecar is beside the file that it leads to. The first input
/// that fails ends the run: nothing is written and the exit code is 1, unless --skip-errors is given.
///
/// parquet writes a table for pandas, DuckDB, Polars, Spark and others: columns for the path or the text (or both), the
/// embedding as a list of floats, and the error. An input that failed has a null in place of an embedding. The model and
/// the fingerprint are in the metadata of the file, as clippie.model and clippie.fingerprint. A column path_bytes has the
/// bytes of paths that are not UTF-8, if there are any. --fixed-size adds Arrow's schema, by which pyarrow, pandas and
/// Polars take embeddings as lists of a fixed size; DuckDB and Spark take them as lists in any case.
///
/// `--files-from -` with jsonl or csv to a pipe or a terminal encodes paths as they come, and writes each row as soon as
/// it is known: with jsonl a program can write the path of a photo, wait for its row and write the next. Paths that are there together are encoded
/// together. Lists for files, other formats and --partition are read to their end first.
///
/// clip-retrieval writes a new folder OUT as its `inference` does: img_emb/img_emb_0.npy (float32) and
/// metadata/metadata_0.parquet with the column image_path. Inputs that failed have no row. It takes photos only; with
/// --captions, those that have one, text_emb/text_emb_0.npy has the embeddings of these, and the table a column caption.
///
/// --partition divides the work among machines or jobs that see the same inputs: each job encodes its part and writes its
/// own file. Inputs that come first belong to the first parts.
///
/// The fingerprint identifies everything that determines an embedding: weights, preprocessing, orientation and
/// normalisation. Only embeddings with equal fingerprints can be compared.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs encode -m ViT-B-32.clippie beach.jpg photos/ > embeddings.jsonl
  clippie-rs encode -m ViT-B-32.clippie --text \"a dog\" --text \"a cat\" --format csv
  clippie-rs encode -m ViT-B-32.clippie photos/ -o photos.npy
  clippie-rs encode -m ViT-B-32.clippie photos/ -o photos.parquet
  clippie-rs encode -m ViT-B-32.clippie shard-00000.tar shard-00001.tar -o shards.parquet
  clippie-rs encode -m ViT-B-32.clippie --from-parquet train.parquet -o embeddings.parquet
  clippie-rs encode -m ViT-B-32.clippie --from-parquet train.parquet --text-column caption -o captions.parquet
  clippie-rs encode -m ViT-B-32.clippie photos/ --format clip-retrieval -o embeddings
  clippie-rs encode -m ViT-B-32.clippie photos/ --partition 3/8 -o part-3.parquet
  clippie-rs encode -m ViT-B-32.clippie photos/ --exclude Screenshots --exclude '*.gif' --report report.json
  find photos -newer photos.npy -print0 | clippie-rs encode -m ViT-B-32.clippie --files-from -")]
pub(in crate::cli) struct Encode {
    #[command(flatten)]
    pub inputs: Inputs,
    /// Read photos from a column of the Parquet table FILE
    #[cfg(feature = "parquet")]
    #[arg(long, value_name = "FILE")]
    pub from_parquet: Option<PathBuf>,
    /// Column of --from-parquet with paths or bytes of photos, or structs of both [default: image]
    #[cfg(feature = "parquet")]
    #[arg(long, value_name = "NAME", requires = "from_parquet")]
    pub column: Option<String>,
    /// Column of --from-parquet with texts, which are encoded row by row; photos of the table are read only if --column names
    /// theirs, too
    #[cfg(feature = "parquet")]
    #[arg(long, value_name = "NAME", requires = "from_parquet")]
    pub text_column: Option<String>,
    /// Encode the captions of photos in tar archives, too: the text in `.txt` beside a photo, else `caption` or `text` in
    /// `.json`. Their rows come last, and have the path of the photo
    #[arg(long)]
    pub captions: bool,
    /// Text to encode; repeatable
    #[arg(long = "text", value_name = "TEXT", allow_hyphen_values = true)]
    pub texts: Vec<String>,
    /// Read texts from a UTF-8 FILE, one per line; an empty line is an empty text; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pub texts_from: Option<PathBuf>,
    #[command(flatten)]
    pub running: Running,
    /// Output format [default: what the extension of OUT names, else jsonl]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write to OUT instead of standard output; an existing file is replaced when the output is complete, a folder never
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Encode only part PART of COUNT equal parts of all inputs, such as 1/8; the parts in order are all rows in order
    #[arg(long, value_name = "PART/COUNT", value_parser = partition)]
    pub partition: Option<Partition>,
    /// Name of the column of embeddings in a Parquet table [default: embedding]
    #[cfg(feature = "parquet")]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub column_name: Option<String>,
    /// State in a Parquet table that embeddings are lists of a fixed size, for pyarrow, pandas, Polars and LanceDB
    #[cfg(feature = "parquet")]
    #[arg(long)]
    pub fixed_size: bool,
    /// Do not normalise embeddings to unit length
    #[arg(long)]
    pub raw: bool,
    /// Write a report of the run to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Omit failed inputs from the output; they are still reported and still set the exit code
    #[arg(long)]
    pub skip_errors: bool,
}

impl Encode {
    /// Whether photos are named.
    pub fn has_photos(&self) -> bool {
        !self.inputs.is_empty() || self.photo_column().is_some()
    }

    /// Whether texts are named.
    pub fn has_texts(&self) -> bool {
        self.captions || self.has_own_texts()
    }

    /// Whether texts are named that belong to no photo.
    pub fn has_own_texts(&self) -> bool {
        !self.texts.is_empty() || self.texts_from.is_some() || self.text_column().is_some()
    }

    /// The column of the table that has photos.
    pub fn photo_column(&self) -> Option<&str> {
        #[cfg(feature = "parquet")]
        return match (&self.from_parquet, &self.column, &self.text_column) {
            (None, ..) => None,
            (Some(_), None, None) => Some("image"),
            (Some(_), column, _) => column.as_deref(),
        };
        #[cfg(not(feature = "parquet"))]
        None
    }

    /// The column of the table that has texts.
    pub fn text_column(&self) -> Option<&str> {
        #[cfg(feature = "parquet")]
        return self.text_column.as_deref();
        #[cfg(not(feature = "parquet"))]
        None
    }

    /// The table to read photos from.
    pub fn table_path(&self) -> Option<&Path> {
        #[cfg(feature = "parquet")]
        return self.from_parquet.as_deref();
        #[cfg(not(feature = "parquet"))]
        None
    }

    /// The files that inputs are read from.
    pub fn lists(&self) -> Vec<&Path> {
        let lists = [self.inputs.files_from.as_deref(), self.texts_from.as_deref(), self.table_path()];
        lists.into_iter().flatten().collect()
    }

    /// The output format: as it is asked for, else as the output is called, else JSON lines.
    pub fn format(&self) -> Result<Format, String> {
        let (None, Some(output)) = (self.format, &self.output) else { return Ok(self.format.unwrap_or(Format::Jsonl)) };
        match Format::of_name(output)? {
            Some(format) => Ok(format),
            None if output.extension().is_none() => Ok(Format::Jsonl),
            None => Err(unknown_name(output, ".jsonl, .json, .npy, .csv or .parquet")),
        }
    }
}

/// The reason for refusing an output whose extension says no format.
pub(super) fn unknown_name(output: &Path, endings: &str) -> String {
    format!("the name {} tells no format that is known; end it with {endings}, or give --format", output.display())
}

impl Format {
    /// The format that the extension of a file's name says; `None` if it says none that is known.
    pub fn of_name(path: &Path) -> Result<Option<Format>, String> {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        Ok(match extension.as_str() {
            "jsonl" => Some(Format::Jsonl),
            "json" => Some(Format::Json),
            "npy" => Some(Format::Npy),
            "csv" => Some(Format::Csv),
            #[cfg(feature = "parquet")]
            "parquet" => Some(Format::Parquet),
            #[cfg(not(feature = "parquet"))]
            "parquet" => {
                let path = path.display();
                return Err(format!(
                    "{path} needs a build of clippie-rs with the feature `parquet`; name the --format"
                ));
            }
            _ => None,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// One line of JSON per row
    Jsonl,
    /// One JSON object
    Json,
    /// A NumPy array
    Npy,
    /// Comma-separated values
    Csv,
    /// An Apache Parquet table
    #[cfg(feature = "parquet")]
    Parquet,
    /// A folder as clip-retrieval writes it
    #[cfg(all(feature = "library", feature = "parquet"))]
    ClipRetrieval,
}
