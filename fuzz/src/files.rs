//! Files for readers that take paths: in a folder of this process, written anew for each input.

use std::fs;
use std::path::PathBuf;

/// Writes a file; returns its path.
pub fn write(name: &str, bytes: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("clippie-rs-fuzz-{}", std::process::id())).join(name);
    let folder = path.parent().expect("the folder of this process");
    if !folder.is_dir() {
        fs::create_dir_all(folder).expect("the temporary folder can be written");
    }
    fs::write(&path, bytes).expect("the temporary folder has room");
    path
}
