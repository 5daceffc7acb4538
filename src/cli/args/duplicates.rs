//! Arguments of `duplicates`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Library;
use super::values::{minutes, threads};

/// Find photos that the library has more than once
///
/// Three classes are kept apart: `file`, the same bytes in several files; `picture`, the same picture saved again, that is
/// encoded anew, resized, rotated or mirrored; `scene`, photos taken within --within minutes that show the same, such as
/// the shots of a burst. A photo that a stricter class has joined to another is not listed again in a looser one. No photo
/// is decoded: everything is compared as it was when it was indexed.
///
/// The first photo of each group, marked `keep`, has the most pixels, then the most bytes, then states a date, then has
/// the earliest one, then comes first by path. Every other photo of the group was compared with it. Groups come by class,
/// then by the bytes that are free without the other photos, the most first. Nothing is ever deleted.
///
/// Photos state local time, which is compared; a photo without a date can be of one scene only with others in its folder
/// whose names count up, such as IMG_0012.jpg and IMG_0014.jpg, and if both are much more alike. How much alike photos of
/// one scene have to be follows from how much alike the library's photos are, so it means the same for every model.
///
/// Files that are not where the library knows them, or have another size now, are left out with a warning. Links to one
/// file count as one file.
///
/// table shows a line per photo, groups apart; jsonl writes one line per group:
/// {"class":…,"bytes":…,"keep":{…},"others":[{…}]}, each photo with path, width, height, bytes, taken, dated, the paths of
/// its copies, and what it has in common with the one to keep: turned and distance, or cosine and seconds. --html writes a
/// contact sheet beside that, one file with all thumbnails.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs duplicates
  clippie-rs duplicates --class file --class picture --in ~/Pictures/2023
  clippie-rs duplicates --class scene --within 2 --html scenes.html -o scenes.txt
  clippie-rs duplicates --class file --format jsonl | jq -r '.others[].path'")]
pub(in crate::cli) struct Duplicates {
    #[command(flatten)]
    pub library: Library,
    /// Only this class; repeatable
    #[arg(long = "class", value_enum, value_name = "CLASS")]
    pub classes: Vec<Class>,
    /// Only photos in this folder and its subfolders, compared with each other; repeatable
    #[arg(long = "in", value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    /// The longest time between two shots of one scene
    #[arg(long, value_name = "MINUTES", default_value_t = 10.0, value_parser = minutes)]
    pub within: f64,
    /// Compare scenes by the embeddings of this model, by its name or fingerprint as `status` shows them; needed if the
    /// library has those of several
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<OsString>,
    /// Output format
    #[arg(long, value_enum, default_value_t = GroupFormat::Table)]
    pub format: GroupFormat,
    /// Write a contact sheet of the groups to OUT, too
    #[arg(long, value_name = "OUT")]
    pub html: Option<PathBuf>,
    /// Write to OUT instead of standard output; an existing file is replaced when the output is complete
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Number of threads, by default one per core; never changes results
    #[arg(long, value_name = "N", env = "CLIPPIE_THREADS", hide_env_values = true, value_parser = threads)]
    pub threads: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Class {
    /// The same bytes
    File,
    /// The same picture, saved again
    Picture,
    /// The same scene
    Scene,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum GroupFormat {
    /// A table for people
    Table,
    /// One line of JSON per group
    Jsonl,
}
