//! Small pictures of photo files, for pages and terminals.

use std::path::Path;

use crate::RgbBuffer;
use crate::files::open_regular;
use crate::photo;

/// Largest photo file, as for encoding: no photo is larger.
const MAX_FILE: u64 = 1 << 29;

/// A picture of a photo with sides of at most `side` pixels; why there is none, as a clause.
pub(super) fn read(path: &Path, side: usize) -> Result<RgbBuffer, String> {
    use std::io::Read;
    let bytes = || {
        let file = open_regular(path)?;
        let mut bytes = Vec::with_capacity(file.metadata()?.len().min(MAX_FILE) as usize);
        file.take(MAX_FILE).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = bytes().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "the file is not there".to_owned(),
        _ => format!("cannot be read: {error}"),
    })?;
    photo::thumbnail(&bytes, side, "it").map_err(|error| error.to_string())
}
