//! The token that requests carry. Comparing takes the same time whatever is wrong with a token.

use std::fmt;
use std::hint::black_box;
use std::path::Path;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::Error;
use crate::files;

/// The longest accepted token, in bytes.
const MAX_LEN: u64 = 4096;

/// A secret that requests carry: `Authorization: Bearer TOKEN`, or as the password of `Authorization: Basic`, for which
/// browsers ask.
#[derive(Clone)]
pub struct Token {
    /// SHA-256 of the token: digests of equal length are compared, whatever the length of what a request carries.
    digest: [u8; 32],
}

impl Token {
    /// Reads the first line of a file.
    ///
    /// # Errors
    /// A file that cannot be read or holds no token.
    pub fn read(path: &Path) -> Result<Token, Error> {
        let refused = |reason: String| Error::Token { path: path.to_owned(), reason };
        let mut text = String::new();
        let file = files::open_regular(path).map_err(|error| refused(error.to_string()))?;
        std::io::Read::read_to_string(&mut std::io::Read::take(file, MAX_LEN + 1), &mut text)
            .map_err(|error| refused(error.to_string()))?;
        Token::new(text.lines().next().unwrap_or("").trim()).map_err(|reason| refused(reason.to_owned()))
    }

    /// Takes a token, which must be printable ASCII without spaces.
    fn new(token: &str) -> Result<Token, &'static str> {
        if token.is_empty() {
            return Err("its first line is empty");
        }
        if token.len() as u64 >= MAX_LEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a token is at most 4095 printable ASCII characters without spaces");
        }
        Ok(Token { digest: Sha256::digest(token.as_bytes()).into() })
    }

    /// Whether a request carries the token.
    pub(super) fn accepts(&self, headers: &HeaderMap) -> bool {
        let Some(given) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) else { return false };
        let Some((scheme, given)) = given.split_once(' ') else { return false };
        let given = given.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.is(given.as_bytes());
        }
        let decoded = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(given).ok()).flatten();
        let password = decoded.and_then(|pair| {
            let colon = pair.iter().position(|&byte| byte == b':')?;
            Some(pair[colon + 1..].to_vec())
        });
        password.is_some_and(|password| self.is(&password))
    }

    /// Compares in a time that does not depend on where the digests differ.
    fn is(&self, given: &[u8]) -> bool {
        let digest: [u8; 32] = Sha256::digest(given).into();
        let differences = self.digest.iter().zip(&digest).fold(0, |all, (a, b)| black_box(all | (a ^ b)));
        differences == 0
    }
}

/// Shows nothing of the token.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(token: &Token, authorization: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        token.accepts(&headers)
    }

    #[test]
    fn bearers_and_passwords_are_accepted() {
        let token = Token::new("s3cret").unwrap();
        assert!(accepts(&token, "Bearer s3cret") && accepts(&token, "bearer  s3cret "));
        assert!(accepts(&token, &format!("Basic {}", STANDARD.encode("anyone:s3cret"))));
        let others = ["s3cret", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3cret2", "Token s3cret", "Basic s3cret"];
        for other in others {
            assert!(!accepts(&token, other), "{other}");
        }
        assert!(!accepts(&token, &format!("Basic {}", STANDARD.encode("s3cret"))));
        assert!(!token.accepts(&HeaderMap::new()));
        assert_eq!(format!("{token:?}"), "Token");
    }

    #[test]
    fn files_hold_one_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for (content, expected) in [
            ("abc\n", Ok(())),
            ("abc", Ok(())),
            ("  abc \r\nmore", Ok(())),
            ("", Err("empty")),
            ("\nabc", Err("empty")),
            ("a b", Err("spaces")),
            ("ä", Err("ASCII")),
        ] {
            std::fs::write(&path, content).unwrap();
            match (Token::read(&path), expected) {
                (Ok(token), Ok(())) => assert!(accepts(&token, "Bearer abc")),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (found, _) => panic!("{content:?}: {found:?}"),
            }
        }
        std::fs::write(&path, "a".repeat(5000)).unwrap();
        assert!(Token::read(&path).is_err() && Token::read(&folder.path().join("none")).is_err());
    }
}
