//! Checksums that the hub states for files, computed while downloading.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A checksum that the hub states for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    /// For large files (LFS): SHA-256 of the content, in lower-case hexadecimal.
    Sha256(String),
    /// For small files: git's SHA-1 of the blob, which is a header with the length, then the content.
    Git(String),
}

impl Checksum {
    /// Name of SHA-256 in messages.
    pub(super) const SHA256: &'static str = "SHA-256";

    /// Parses an ETag that is a checksum. Ignores quotes and the prefix of weak ETags.
    pub(super) fn from_etag(etag: &str) -> Option<Checksum> {
        let etag = etag.trim();
        let digits = etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"').to_ascii_lowercase();
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        match digits.len() {
            64 => Some(Checksum::Sha256(digits)),
            40 => Some(Checksum::Git(digits)),
            _ => None,
        }
    }

    pub(super) fn digits(&self) -> &str {
        match self {
            Checksum::Sha256(digits) | Checksum::Git(digits) => digits,
        }
    }

    /// Name in messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Checksum::Sha256(_) => Checksum::SHA256,
            Checksum::Git(_) => "git SHA-1",
        }
    }
}

/// Computes the SHA-256 of a file and, if the hub states it, git's SHA-1.
pub(super) struct Hasher {
    sha256: Sha256,
    git: Option<Sha1>,
}

impl Hasher {
    /// For a file of `len` bytes with the checksum `expected`.
    pub(super) fn new(expected: Option<&Checksum>, len: u64) -> Hasher {
        let git = matches!(expected, Some(Checksum::Git(_))).then(|| {
            let mut git = Sha1::new();
            git.update(format!("blob {len}\0").as_bytes());
            git
        });
        Hasher { sha256: Sha256::new(), git }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(git) = &mut self.git {
            git.update(bytes);
        }
    }

    pub(super) fn finish(self) -> Sums {
        Sums { sha256: hex(&self.sha256.finalize()), git: self.git.map(|git| hex(&git.finalize())) }
    }
}

/// The computed checksums.
pub(super) struct Sums {
    pub(super) sha256: String,
    git: Option<String>,
}

impl Sums {
    /// The computed checksum, if it differs from `expected`.
    pub(super) fn differs(&self, expected: &Checksum) -> Option<&str> {
        let found = match expected {
            Checksum::Sha256(_) => self.sha256.as_str(),
            Checksum::Git(_) => self.git.as_deref().unwrap_or_default(),
        };
        (found != expected.digits()).then_some(found)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_of_the_hub_are_parsed() {
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let git = "ce013625030ba8dba906f756967f9e9ca394464a";
        assert_eq!(Checksum::from_etag(&format!("\"{sha256}\"")), Some(Checksum::Sha256(sha256.into())));
        assert_eq!(Checksum::from_etag(&sha256.to_uppercase()), Some(Checksum::Sha256(sha256.into())));
        assert_eq!(Checksum::from_etag(&format!("W/\"{git}\"")), Some(Checksum::Git(git.into())));
        for other in ["", "\"\"", "\"abc\"", "\"d41d8cd98f00b204e9800998ecf8427e-5\"", &"g".repeat(64)] {
            assert_eq!(Checksum::from_etag(other), None, "{other:?}");
        }
    }

    /// The values of `sha256sum` and `git hash-object`.
    #[test]
    fn sums_match_the_usual_tools() {
        let git = Checksum::Git("ce013625030ba8dba906f756967f9e9ca394464a".into());
        let mut hasher = Hasher::new(Some(&git), 6);
        hasher.update(b"hel");
        hasher.update(b"lo\n");
        let sums = hasher.finish();
        assert_eq!(sums.differs(&git), None);
        assert_eq!(sums.sha256, "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
        assert_eq!(sums.differs(&Checksum::Sha256("00".into())), Some(sums.sha256.as_str()));
    }
}
