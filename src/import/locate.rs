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

/// The checkpoint that `source` names.
pub(super) fn locate(source: &Path) -> Result<PathBuf, Error> {
    let read = |source_error| Error::Read { path: source.to_owned(), source: source_error };
    if !std::fs::metadata(source).map_err(read)?.is_dir() {
        return Ok(source.to_owned());
    }
    if let Some(file) = PUBLISHED.iter().map(|name| source.join(name)).find(|file| file.is_file()) {
        return Ok(file);
    }
    let mut candidates = Vec::new();
    for entry in std::fs::read_dir(source).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if is_candidate(&path) {
            candidates.push(path);
        }
    }
    candidates.sort();
    match candidates.as_slice() {
        [file] => Ok(file.clone()),
        [] => Err(Error::Source {
            path: source.to_owned(),
            reason: "the folder holds no checkpoint (.safetensors, .pt, .pth, .bin or .ckpt); give its file".into(),
        }),
        several => {
            let name = |path: &PathBuf| printable(&path.file_name().unwrap_or_default().to_string_lossy());
            let mut names: Vec<String> = several.iter().take(LISTED).map(name).collect();
            if several.len() > LISTED {
                names.push(format!("{} more", several.len() - LISTED));
            }
            Err(Error::Source {
                path: source.to_owned(),
                reason: format!(
                    "the folder holds several checkpoints ({}); give the file to convert",
                    names.join(", ")
                ),
            })
        }
    }
}

fn is_candidate(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()))
        && !COMPANIONS.contains(&name)
        && !name.starts_with('.')
        && path.is_file()
}
