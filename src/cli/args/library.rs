//! Arguments of the commands about the photo library.

use std::path::PathBuf;

use clap::Args;

use super::values::threads;
use super::{Limits, MAX_BATCH, Model};

/// The library that a command uses.
#[derive(Debug, Args)]
pub(in crate::cli) struct Library {
    /// The library's file, by default clippie-rs/library.sqlite in the folder for data of applications; CLIPPIE_LIBRARY
    /// sets another one
    #[arg(long, value_name = "FILE")]
    pub library: Option<PathBuf>,
}

/// Index folders of photos, to search them
///
/// Finds the photos of each DIR and its subfolders as `encode` does, and stores their embeddings in the library, one
/// SQLite file, together with date, place, camera and size. Without DIR, all folders that the library knows are brought
/// up to date. A file beside the photos, such as --library DIR/photos.sqlite, keeps their paths relative to itself, so
/// that a drive can be carried to another machine.
///
/// A photo whose size and time have not changed is not opened again. Moved, renamed and copied files are recognised by
/// their content; the old path of a moved one is dropped. A file that cannot be read as a photo is remembered with the
/// reason, which `status` shows, and tried again when it changes, or with --retry: so is a photo beyond --max-pixels,
/// --max-bytes or --max-seconds.
///
/// A photo that its folder no longer has, or that --exclude matches now, is no longer found by searches; --prune removes
/// what is known of such photos in the folders of the run. Drives that are not there and folders that cannot be read stay
/// as they are, also with --prune, and so does an indexed folder that is empty now, as the mount point of a drive is;
/// --forget removes a folder from the library.
///
/// A raw file beside a JPEG or HEIC file of the same name is not indexed, since both show the same photo; --raw-twins indexes
/// it too.
///
/// The library remembers --exclude, --ignore-files and --raw-twins for the folders of the run, and `status` shows them: a later run
/// without them skips the same. Given again, --exclude takes the place of all earlier patterns; --exclude '' ends them.
/// With a DIR inside of an indexed folder they hold for DIR, beside those of the whole folder.
///
/// With --fast-decode, large JPEG photos are decoded reduced, which is faster; with --icc, colours of wide gamuts are
/// converted to sRGB. The library's later runs and its searches by photos read them the same way without being told.
///
/// The library is written every second or two: a run that is interrupted loses no more, and the next one goes on. Several
/// runs at once, and searches meanwhile, are safe. The model is the one that the library has already, if there is one
/// only; another one's embeddings are stored beside it.
///
/// --watch goes on after the first run and indexes again about a second after something in the folders has changed, by
/// comparing all of them; also every ten minutes, since network folders do not tell what other computers change, and
/// every half minute where the system cannot watch folders.
///
/// --report writes one JSON object: the numbers of the summary, each failure of this run with its reason, what was passed
/// over in folders (by extension, with the paths of photos in formats that cannot be read), the model, the fingerprint, and
/// the seconds taken, also those in the database.
///
/// The exit code is 3 if files failed that did not fail before, if a subfolder or a link could not be read, or if a DIR
/// could not be reached; without DIR, only if none could. Files that failed before are only counted.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs index -m mobileclip2-s2 ~/Pictures
  clippie-rs index
  clippie-rs index --exclude Screenshots --exclude '*.gif' ~/Pictures /media/disk/photos
  clippie-rs index --exclude ''
  clippie-rs index --library /media/disk/photos.sqlite /media/disk/photos
  clippie-rs index --prune
  clippie-rs index --watch")]
pub(in crate::cli) struct Index {
    /// Folders of photos
    #[arg(value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    #[command(flatten)]
    pub library: Library,
    #[command(flatten)]
    pub model: Model,
    /// Skip files and folders of the folders that match GLOB, as in `encode`, now and in later runs; repeatable
    #[arg(long, value_name = "GLOB", allow_hyphen_values = true)]
    pub exclude: Vec<String>,
    /// Respect .gitignore, .ignore and .ppignore in the folders, and skip subfolders with .nomedia or .noimage, now and in
    /// later runs until --ignore-files=no [possible values: yes, no]
    #[arg(long, value_name = "YES|NO", num_args = 0..=1, require_equals = true, default_missing_value = "yes",
          hide_possible_values = true, value_parser = clap::builder::BoolishValueParser::new())]
    pub ignore_files: Option<bool>,
    /// Index raw files too that have a JPEG or HEIC file of the same name beside them, now and in later runs until
    /// --raw-twins=no [possible values: yes, no]
    #[arg(long, value_name = "YES|NO", num_args = 0..=1, require_equals = true, default_missing_value = "yes",
          hide_possible_values = true, value_parser = clap::builder::BoolishValueParser::new())]
    pub raw_twins: Option<bool>,
    /// Decode large JPEG photos reduced, as in `encode`: embeddings differ a little and have a fingerprint of their own. Where
    /// the library has embeddings of the model, photos are read as for them, and this adds others beside them
    /// [possible values: yes, no]
    #[arg(long, value_name = "YES|NO", num_args = 0..=1, require_equals = true, default_missing_value = "yes",
          hide_possible_values = true, value_parser = clap::builder::BoolishValueParser::new())]
    pub fast_decode: Option<bool>,
    /// Convert the colours of photos with an ICC profile or code points of H.273 to sRGB, as in `encode`; otherwise like
    /// --fast-decode [possible values: yes, no]
    #[arg(long, value_name = "YES|NO", num_args = 0..=1, require_equals = true, default_missing_value = "yes",
          hide_possible_values = true, value_parser = clap::builder::BoolishValueParser::new())]
    pub icc: Option<bool>,
    /// Go on, and index again whenever something in the folders changes, until Ctrl-C; not with --report
    #[arg(long, conflicts_with = "report")]
    pub watch: bool,
    /// Remove what is known of photos that the folders of this run no longer have
    #[arg(long)]
    pub prune: bool,
    /// Try files again that failed, although they have not changed
    #[arg(long)]
    pub retry: bool,
    /// Remove an indexed folder and its photos from the library, before anything else; the files stay; repeatable
    #[arg(long, value_name = "DIR")]
    pub forget: Vec<PathBuf>,
    /// Maximum number of photos per batch: trades memory for speed, never changes results
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=MAX_BATCH))]
    pub batch_size: u32,
    /// Number of threads, by default one per core; never changes results
    #[arg(long, value_name = "N", env = "CLIPPIE_THREADS", hide_env_values = true, value_parser = threads)]
    pub threads: Option<usize>,
    #[command(flatten)]
    pub limits: Limits,
    /// Write a report of the run to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// Show what the library has
///
/// Prints the file and its size, the models with their fingerprints, the indexed folders, whether they are there now,
/// their numbers of photos, of files that could not be read as photos, and of files that are gone, and the number of
/// texts that were searched for, whose embeddings are kept.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs status
  clippie-rs status --failed
  clippie-rs status --json --library /media/disk/photos.sqlite")]
pub(in crate::cli) struct Status {
    #[command(flatten)]
    pub library: Library,
    /// List all files that could not be read as photos, with the reasons
    #[arg(long)]
    pub failed: bool,
    /// List all files that are gone
    #[arg(long)]
    pub missing: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}
