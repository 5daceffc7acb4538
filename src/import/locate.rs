//! From the path a user gives, a file or a downloaded folder, to the checkpoint's file.

use std::path::{Path, PathBuf};

use super::error::{Error, printable};

/// Names under which checkpoints are published, the preferred first: dense containers before pickles, and
/// open_clip's before transformers' where a folder has both, since its config says more.
const PUBLISHED: [&str; 4] =
    ["open_clip_model.safetensors", "model.safetensors", "open_clip_pytorch_model.bin", "pytorch_model.bin"];
/// Extensions of checkpoints.
const EXTENSIONS: [&str; 5] = ["safetensors", "pt", "pth", "bin", "ckpt"];
/// Files with such an extension that trainers leave beside a checkpoint.
const COMPANIONS: [&str; 4] = ["training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.pt"];
/// Most names that a message lists.
const LISTED: usize = 6;

/// Which of a folder's files is the checkpoint.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    /// This one.
    File(String),
    /// None is a checkpoint.
    None,
    /// Nothing says which of these, which are in words.
    Several(String),
}

/// Picks the checkpoint among the names of a folder's files: one of the usual names, else the only one that looks like
/// a checkpoint, else the only safetensors.
pub(crate) fn pick<'a>(names: impl IntoIterator<Item = &'a str>) -> Pick {
    let mut candidates: Vec<&str> = names.into_iter().filter(|name| is_candidate(name)).collect();
    candidates.sort_unstable();
    if let Some(usual) = PUBLISHED.iter().find(|usual| candidates.contains(usual)) {
        return Pick::File((*usual).to_owned());
    }
    let mut dense = candidates.iter().filter(|name| name.to_ascii_lowercase().ends_with(".safetensors"));
    match (candidates.as_slice(), dense.next(), dense.next()) {
        ([], ..) => Pick::None,
        ([file], ..) | (_, Some(file), None) => Pick::File((*file).to_owned()),
        (several, ..) => {
            let mut listed: Vec<String> = several.iter().take(LISTED).map(|name| printable(name)).collect();
            if several.len() > LISTED {
                listed.push(format!("{} more", several.len() - LISTED));
            }
            Pick::Several(listed.join(", "))
        }
    }
}

fn is_candidate(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()))
        && !COMPANIONS.contains(&name)
        && !name.starts_with('.')
}

/// The checkpoint that `source` names.
pub(super) fn locate(source: &Path) -> Result<PathBuf, Error> {
    let read = |source_error| Error::Read { path: source.to_owned(), source: source_error };
    if !std::fs::metadata(source).map_err(read)?.is_dir() {
        return Ok(source.to_owned());
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(source).map_err(read)? {
        let path = entry.map_err(read)?.path();
        // What is not UTF-8 has no usual name; it can be given itself.
        if let Some(name) = path.file_name().and_then(|name| name.to_str())
            && path.is_file()
        {
            names.push(name.to_owned());
        }
    }
    match pick(names.iter().map(String::as_str)) {
        Pick::File(name) => Ok(source.join(name)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_names_come_first_then_what_is_alone() {
        let picked = |names: &[&str]| pick(names.iter().copied());
        let file = |name: &str| Pick::File(name.to_owned());
        assert_eq!(picked(&["pytorch_model.bin", "x.safetensors", "model.safetensors"]), file("model.safetensors"));
        assert_eq!(picked(&["model.safetensors", "open_clip_model.safetensors"]), file("open_clip_model.safetensors"));
        assert_eq!(picked(&["config.json", "clip.pt", "training_args.bin", ".hidden.pt"]), file("clip.pt"));
        assert_eq!(picked(&["clip.pt", "clip.Safetensors"]), file("clip.Safetensors"));
        assert_eq!(picked(&["config.json", "tf_model.h5"]), Pick::None);
        assert_eq!(picked(&["b.pt", "a.pt"]), Pick::Several("a.pt, b.pt".into()));
        let parts = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
        assert!(matches!(picked(&parts), Pick::Several(_)));
    }
}
