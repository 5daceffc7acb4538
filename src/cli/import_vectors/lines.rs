//! Lists of paths as JSON lines.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::super::messages::Failure;

/// Longest line of the list of paths: a path and what other programs may add.
const MAX_LINE: u64 = 1 << 20;

/// A line of the list of paths.
#[derive(Deserialize)]
struct Line {
    path: String,
    /// Bytes in hexadecimal of a path that is not UTF-8.
    path_bytes: Option<String>,
    fingerprint: Option<String>,
}

/// Reads the list of paths.
pub(super) fn paths(list: &Path, fingerprint: &str) -> Result<Vec<PathBuf>, Failure> {
    let name = list.display();
    let failed =
        |error: std::io::Error| Failure::Error(format!("cannot read {name}: {}", crate::files::reason(&error)));
    let mut reader = BufReader::new(File::open(list).map_err(failed)?);
    let mut paths = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).map_err(failed)?;
        if read == 0 {
            return Ok(paths);
        }
        let number = paths.len() + 1;
        let refused = |reason: &str| Failure::Error(format!("{name}, line {number}: {reason}"));
        if read as u64 == MAX_LINE {
            return Err(refused("it is longer than any list of paths has; is this another file?"));
        }
        let text = match number {
            // A mark of UTF-8, as Windows writes it.
            1 => line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line),
            _ => &line,
        };
        let Ok(row) = serde_json::from_slice::<Line>(text) else {
            return Err(refused("it is not a JSON object with a path, such as {\"path\":\"a.jpg\"}"));
        };
        if let Some(other) = row.fingerprint.filter(|other| other != fingerprint) {
            return Err(refused(&format!("it states the fingerprint {other}, not {fingerprint}; name that model")));
        }
        let path = match row.path_bytes.as_deref() {
            Some(bytes) => path_of(bytes).ok_or_else(|| refused("its path_bytes are no path in hexadecimal"))?,
            None => PathBuf::from(row.path),
        };
        paths.push(path);
    }
}

/// The path of bytes in hexadecimal.
fn path_of(hex: &str) -> Option<PathBuf> {
    let digits: Option<Vec<u32>> = hex.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect();
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        Some(std::ffi::OsString::from_vec(bytes).into())
    }
    #[cfg(not(unix))]
    {
        String::from_utf8(bytes).ok().map(Into::into)
    }
}
