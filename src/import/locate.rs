//! Finds the files of the checkpoint for a path: a file, an index or part of several files, or a downloaded folder.

use std::path::Path;

use super::error::{Error, printable};
use super::shards::{Located, is_index, of_part, read_index, whole_name};

/// File names of published checkpoints, in order of preference: safetensors before pickles, and open_clip before
/// transformers, because its configuration is more complete.
const PUBLISHED: [&str; 4] =
    ["open_clip_model.safetensors", "model.safetensors", "open_clip_pytorch_model.bin", "pytorch_model.bin"];
/// File extensions of checkpoints.
const EXTENSIONS: [&str; 5] = ["safetensors", "pt", "pth", "bin", "ckpt"];
/// Files of training frameworks that have such an extension but are not checkpoints.
const TRAINER_FILES: [&str; 4] = ["training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.pt"];
/// Maximum number of names in a message.
const MAX_LISTED: usize = 6;

/// Which file of a folder is the checkpoint.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    /// The file of this name.
    File(String),
    /// No file is a checkpoint.
    None,
    /// Several files could be it; their names, for a message.
    Several(String),
}

/// Picks the checkpoint from the file names of a folder: a published name, else the only candidate, else the only
/// safetensors file. If that is no single file, all parts of a checkpoint count as a file of its name; their index stands
/// for them, or the first of them.
pub(crate) fn pick<'a>(names: impl IntoIterator<Item = &'a str>) -> Pick {
    let names: Vec<&str> = names.into_iter().collect();
    let whole = |name: &&str| whole_name(name).unwrap_or_else(|| (*name).to_owned());
    match pick_whole(&names) {
        Pick::File(file) if whole_name(&file).is_none() => return Pick::File(file),
        _ => {}
    }
    let mut all: Vec<String> = names.iter().map(whole).collect();
    all.sort_unstable();
    all.dedup();
    let picked = match pick_whole(&all.iter().map(String::as_str).collect::<Vec<_>>()) {
        Pick::File(picked) => picked,
        other => return other,
    };
    let mut same: Vec<&str> = names.iter().copied().filter(|name| whole(name) == picked).collect();
    same.sort_unstable_by_key(|name| (**name != *picked, !is_index(name), *name));
    same.first().map_or(Pick::None, |name| Pick::File((*name).to_owned()))
}

/// Picks among files that are whole.
fn pick_whole(names: &[&str]) -> Pick {
    let mut candidates: Vec<&str> = names.iter().copied().filter(|name| is_candidate(name)).collect();
    candidates.sort_unstable();
    if let Some(published) = PUBLISHED.iter().find(|published| candidates.contains(published)) {
        return Pick::File((*published).to_owned());
    }
    let mut safetensors = candidates.iter().filter(|name| name.to_ascii_lowercase().ends_with(".safetensors"));
    match (candidates.as_slice(), safetensors.next(), safetensors.next()) {
        ([], ..) => Pick::None,
        ([file], ..) | (_, Some(file), None) => Pick::File((*file).to_owned()),
        (several, ..) => {
            let mut listed: Vec<String> = several.iter().take(MAX_LISTED).map(|name| printable(name)).collect();
            if several.len() > MAX_LISTED {
                listed.push(format!("{} more", several.len() - MAX_LISTED));
            }
            Pick::Several(listed.join(", "))
        }
    }
}

fn is_candidate(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()))
        && !TRAINER_FILES.contains(&name)
        && !name.starts_with('.')
}

/// Returns the files of the checkpoint at `source`.
pub(super) fn locate(source: &Path) -> Result<Located, Error> {
    let read = |source_error| Error::Read { path: source.to_owned(), source: source_error };
    if !std::fs::metadata(source).map_err(read)?.is_dir() {
        return locate_file(source);
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(source).map_err(read)? {
        let path = entry.map_err(read)?.path();
        // A name that is not UTF-8 is not a published one. The user can still give the file itself.
        if let Some(name) = path.file_name().and_then(|name| name.to_str())
            && path.is_file()
        {
            names.push(name.to_owned());
        }
    }
    match pick(names.iter().map(String::as_str)) {
        Pick::File(name) => locate_file(&source.join(name)),
        Pick::None => Err(Error::Source {
            path: source.to_owned(),
            reason: "the folder holds no checkpoint (.safetensors, .pt, .pth, .bin or .ckpt); give its file".into(),
        }),
        Pick::Several(names) => Err(Error::Source {
            path: source.to_owned(),
            reason: format!("the folder holds several checkpoints ({names}); give the file to convert"),
        }),
    }
}

fn locate_file(path: &Path) -> Result<Located, Error> {
    if path.file_name().and_then(|name| name.to_str()).is_some_and(is_index) {
        return read_index(path);
    }
    let alone = || Located { path: path.to_owned(), parts: vec![path.to_owned()], index: None };
    Ok(of_part(path)?.unwrap_or_else(alone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_names_come_first_then_the_only_candidate() {
        let picked = |names: &[&str]| pick(names.iter().copied());
        let file = |name: &str| Pick::File(name.to_owned());
        assert_eq!(picked(&["pytorch_model.bin", "x.safetensors", "model.safetensors"]), file("model.safetensors"));
        assert_eq!(picked(&["model.safetensors", "open_clip_model.safetensors"]), file("open_clip_model.safetensors"));
        assert_eq!(picked(&["config.json", "clip.pt", "training_args.bin", ".hidden.pt"]), file("clip.pt"));
        assert_eq!(picked(&["clip.pt", "clip.Safetensors"]), file("clip.Safetensors"));
        assert_eq!(picked(&["config.json", "tf_model.h5"]), Pick::None);
        assert_eq!(picked(&["b.pt", "a.pt"]), Pick::Several("a.pt, b.pt".into()));
        let parts = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
        let index = "model.safetensors.index.json";
        assert_eq!(picked(&parts), file(parts[0]));
        assert_eq!(picked(&[parts[1], index, parts[0]]), file(index));
        assert_eq!(picked(&[parts[1], index, parts[0], "model.safetensors"]), file("model.safetensors"));
        assert_eq!(picked(&[parts[1], index, parts[0], "other.pt"]), file(index));
        let other = ["open_clip_pytorch_model-00001-of-00002.bin", "open_clip_pytorch_model-00002-of-00002.bin"];
        assert_eq!(picked(&[parts[0], parts[1], other[0], other[1]]), file(parts[0]));
    }
}
