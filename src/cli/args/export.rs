//! Arguments of `export` and `import-vectors`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::encode::unknown_name;
use super::{Format, Library, Model};

/// Write the embeddings of the library to a file
///
/// There is a row for every file that the library has an embedding of and that its folder has, sorted by path; copies
/// with the same bytes have a row each. Nothing is decoded or encoded.
///
/// npy writes a float32 array [rows, length] for NumPy and a sidecar OUT.jsonl with one line per row:
/// {"path":…,"fingerprint":…}. csv writes columns for the path, the fingerprint and each number. Both are as `encode`
/// writes them.
///
/// parquet writes a table for pandas, DuckDB, Polars, Spark and others: the columns path and embedding, a list of floats,
/// and in the metadata of the file clippie.model and clippie.fingerprint. A column path_bytes has the bytes of paths that
/// are not UTF-8, if there are any.
///
/// clip-retrieval writes a new folder OUT as its `inference` does: img_emb/img_emb_0.npy (float32) and
/// metadata/metadata_0.parquet with the column image_path.
///
/// `import-vectors` reads all of them but csv.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs export photos.npy
  clippie-rs export --in ~/Pictures/2023 photos.csv
  clippie-rs export photos.parquet
  clippie-rs export --format clip-retrieval embeddings")]
pub(in crate::cli) struct Export {
    /// File or folder to write; an existing file is replaced when the output is complete
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    #[command(flatten)]
    pub library: Library,
    /// The embeddings of this model, by its name or fingerprint as `status` shows them; needed if the library has those of
    /// several
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<OsString>,
    /// Only photos in this folder and its subfolders; repeatable
    #[arg(long = "in", value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    /// Output format: npy, csv, parquet or clip-retrieval [default: what the extension of OUT names, npy without one]
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    format: Option<ExportFormat>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum ExportFormat {
    Npy,
    Csv,
    #[cfg(feature = "parquet")]
    Parquet,
    #[cfg(feature = "parquet")]
    ClipRetrieval,
}

impl Export {
    /// The output format: as it is asked for, else as the output is called.
    pub fn format(&self) -> Result<ExportFormat, String> {
        if let Some(format) = self.format {
            return Ok(format);
        }
        match Format::of_name(&self.output)? {
            Some(Format::Npy) => Ok(ExportFormat::Npy),
            Some(Format::Csv) => Ok(ExportFormat::Csv),
            #[cfg(feature = "parquet")]
            Some(Format::Parquet) => Ok(ExportFormat::Parquet),
            None if self.output.extension().is_none() => Ok(ExportFormat::Npy),
            _ => Err(unknown_name(&self.output, ".npy, .csv or .parquet")),
        }
    }
}

fn format(text: &str) -> Result<ExportFormat, String> {
    match text {
        "npy" => Ok(ExportFormat::Npy),
        "csv" => Ok(ExportFormat::Csv),
        #[cfg(feature = "parquet")]
        "parquet" => Ok(ExportFormat::Parquet),
        #[cfg(feature = "parquet")]
        "clip-retrieval" => Ok(ExportFormat::ClipRetrieval),
        #[cfg(not(feature = "parquet"))]
        "parquet" | "clip-retrieval" => {
            Err("it needs a build of clippie-rs with the feature `parquet`; use npy or csv".into())
        }
        _ => Err("not a format; use npy, csv, parquet or clip-retrieval".into()),
    }
}

/// Add embeddings to the library that another program made
///
/// VECTORS is a NumPy array [rows, length] of float32 or float16, PATHS has one line of JSON per row: {"path":…}, as
/// `encode` and `export` write them beside an array. The files are read to identify their content, but no photo is decoded.
/// They have to be in folders of the library, or below --root. Relative paths start in the current folder.
///
/// VECTORS can also be a Parquet table with the columns path and embedding, a list of floats, as `encode` and `export`
/// write it (rows without either are passed over), or a folder of clip-retrieval, with img_emb and metadata in any number
/// of partitions. These have the paths in them.
///
/// Embeddings of one fingerprint are compared with each other, so the vectors must be what the model would have made:
/// same weights, same preprocessing, upright photos. You vouch for that; nothing can verify it. -m takes the fingerprint of a
/// model, --fingerprint states it, as `info` and `status` show it. Lines of PATHS that state another fingerprint are
/// refused. Vectors of another length than one are scaled, with a note. An embedding that the library has already stays.
///
/// With -m, how well photos of the library fit sentences is measured at the end; with --fingerprint, the next `index` with
/// the model does it.
///
/// Without decoding, pictures are not known: `duplicates` finds these files by their bytes and scenes only.
///
/// All rows are checked before anything is added: numbers that differ, a value that is not finite or a vector of zeros is an
/// error that names the file and the row. The exit code is 3 if some files could not be added, and 1 if none could.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs import-vectors photos.npy photos.npy.jsonl -m mobileclip2-s2 --root ~/Pictures
  clippie-rs import-vectors embeddings/ -m vit-b-32-openai --root ~/Pictures
  clippie-rs import-vectors photos.npy paths.jsonl --fingerprint 00112233445566778899aabbccddeeff")]
pub(in crate::cli) struct ImportVectors {
    /// NumPy array of the vectors, Parquet table, or folder of clip-retrieval
    #[arg(value_name = "VECTORS")]
    pub vectors: PathBuf,
    /// Paths of the rows of an array, as JSON lines
    #[arg(value_name = "PATHS")]
    pub paths: Option<PathBuf>,
    #[command(flatten)]
    pub library: Library,
    #[command(flatten)]
    pub model: Model,
    /// Fingerprint of the vectors: 32 hexadecimal digits
    #[arg(long, value_name = "FINGERPRINT", conflicts_with = "model")]
    pub fingerprint: Option<String>,
    /// Add this folder to the library, where the files are; repeatable
    #[arg(long = "root", value_name = "DIR")]
    pub roots: Vec<PathBuf>,
}
