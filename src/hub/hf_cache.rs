//! Reads the cache of Hugging Face's own library, for checkpoints that other tools downloaded.
//!
//! ```text
//! models--ORG--REPO/refs/REVISION                      a commit
//! models--ORG--REPO/snapshots/COMMIT/NAME -> ../../blobs/ETAG
//! ```
//! Never writes to the cache; follows its links, which are its design. On systems without symbolic links the snapshot has the files themselves.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::api::{MAIN, is_commit};
use super::checksum::Checksum;
use super::layout;
use super::name::ModelName;
use crate::files::open_regular;

/// A checkpoint that another tool downloaded.
#[derive(Debug)]
pub(super) struct Cached {
    /// The file to convert; configuration files are in the same folder.
    pub(super) checkpoint: PathBuf,
    /// The files with tensors: the checkpoint, or its parts.
    pub(super) parts: Vec<CachedFile>,
}

/// A file of the cache.
#[derive(Debug)]
pub(super) struct CachedFile {
    pub(super) path: PathBuf,
    /// The file that `path` leads to.
    pub(super) blob: PathBuf,
    /// Its size in bytes.
    pub(super) size: u64,
    /// The checksum in the name of its blob.
    pub(super) checksum: Option<Checksum>,
}

/// Finds the checkpoint of `name` and its revision in the cache `root`.
pub(super) fn find(root: &Path, name: &ModelName) -> Option<Cached> {
    let repository = root.join(format!("models--{}", name.repository().replace('/', "--")));
    let revision = name.revision().unwrap_or(MAIN);
    let commit = match read_ref(&repository.join("refs").join(revision)) {
        Some(commit) => commit,
        None if is_commit(revision) => revision.to_owned(),
        None => return None,
    };
    let snapshot = repository.join("snapshots").join(commit);
    let names = fs::read_dir(&snapshot).ok()?.flatten().filter(|entry| entry.path().is_file());
    let names: Vec<String> = names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let files = layout::choose(name, &names).ok()?;
    let parts = files.parts.iter().map(|part| look_at(snapshot.join(part))).collect::<Option<_>>()?;
    Some(Cached { checkpoint: snapshot.join(files.checkpoint), parts })
}

fn look_at(path: PathBuf) -> Option<CachedFile> {
    let size = fs::metadata(&path).ok()?.len();
    let blob = fs::canonicalize(&path).ok()?;
    let checksum = blob.file_name().and_then(|name| name.to_str()).and_then(Checksum::from_etag);
    Some(CachedFile { path, blob, size, checksum })
}

/// Reads the commit in a file of `refs`.
fn read_ref(path: &Path) -> Option<String> {
    let mut text = String::new();
    open_regular(path).ok()?.take(64).read_to_string(&mut text).ok()?;
    let commit = text.trim();
    is_commit(commit).then(|| commit.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn revisions_resolve_to_snapshots() {
        let root = tempfile::tempdir().unwrap();
        let repository = root.path().join("models--a--b");
        let found = |name: &str| find(root.path(), &name.parse().unwrap());
        assert!(found("hf-hub:a/b").is_none());
        write(&repository.join("refs/main"), &format!("{COMMIT}\n"));
        assert!(found("hf-hub:a/b").is_none());
        write(&repository.join("snapshots").join(COMMIT).join("config.json"), "{}");
        assert!(found("hf-hub:a/b").is_none());
        write(&repository.join("snapshots").join(COMMIT).join("model.safetensors"), "weights");
        for name in ["hf-hub:a/b".to_owned(), format!("hf-hub:a/b@{COMMIT}")] {
            let cached = found(&name).unwrap();
            assert!(cached.checkpoint.ends_with(format!("{COMMIT}/model.safetensors")));
            let [part] = &cached.parts[..] else { panic!("{cached:?}") };
            assert_eq!((&part.path, part.size, &part.checksum), (&cached.checkpoint, 7, &None));
        }
        assert!(found("hf-hub:a/b@v1").is_none());
        write(&repository.join("refs/pr/1"), COMMIT);
        assert!(found("hf-hub:a/b@pr/1").is_some());
        // A reference that is not a commit is ignored.
        write(&repository.join("refs/evil"), "../../../../../../../../etc");
        assert!(found("hf-hub:a/b@evil").is_none());
    }

    #[cfg(unix)]
    #[test]
    fn blob_names_are_checksums() {
        let root = tempfile::tempdir().unwrap();
        let repository = root.path().join("models--a--b");
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        write(&repository.join("refs/main"), COMMIT);
        write(&repository.join("blobs").join(sum), "abc");
        let snapshot = repository.join("snapshots").join(COMMIT);
        fs::create_dir_all(&snapshot).unwrap();
        std::os::unix::fs::symlink(format!("../../blobs/{sum}"), snapshot.join("model.safetensors")).unwrap();
        let cached = find(root.path(), &"hf-hub:a/b".parse().unwrap()).unwrap();
        assert_eq!(cached.parts[0].checksum, Some(Checksum::Sha256(sum.into())));
        // An interrupted download leaves a dangling link, which is not a checkpoint.
        fs::remove_file(repository.join("blobs").join(sum)).unwrap();
        assert!(find(root.path(), &"hf-hub:a/b".parse().unwrap()).is_none());
    }
}
