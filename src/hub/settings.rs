//! Settings of storage and network, set by a program or by environment variables.
//!
//! Names and defaults of `HF_…` are those of `huggingface_hub`, so settings for other tools apply here, too.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fmt};

use super::error::Error;
use super::url::Url;
use crate::files::open_regular;

/// The default hub.
pub(super) const ENDPOINT: &str = "https://huggingface.co";

/// Maximum length of a token, and of a token file.
const MAX_TOKEN: u64 = 4096;

/// A secret that is sent to the endpoint only and never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token(String);

impl Token {
    /// Refuses text that a header cannot carry.
    pub(super) fn new(text: &str) -> Result<Token, &'static str> {
        match text {
            "" => Err("is empty"),
            _ if text.len() as u64 > MAX_TOKEN => Err("is longer than any token"),
            _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => Err("has characters that no token has"),
            _ => Ok(Token(text.to_owned())),
        }
    }

    /// Value of the `Authorization` header.
    pub(super) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Network settings.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    pub(super) endpoint: Url,
    pub(super) token: Option<Token>,
    /// The setting that disables the network, if any.
    pub(super) offline: Option<&'static str>,
    /// Cache folder of Hugging Face's own library.
    pub(super) hub_cache: Option<PathBuf>,
    /// Whether `HTTPS_PROXY` and similar variables apply.
    pub(super) proxy_from_env: bool,
    /// Certificates to trust instead of Mozilla's.
    pub(super) ca_file: Option<PathBuf>,
    /// Wait before the first retry; doubles with each.
    pub(super) first_wait: Duration,
    /// Longest silence of a server, and the time over which its rate is averaged.
    pub(super) stall: Duration,
}

impl Remote {
    /// Hugging Face itself, without token, independent of the environment.
    pub(super) fn new() -> Remote {
        let endpoint = Url::parse(ENDPOINT).unwrap_or_else(|_| unreachable!("the constant is an address"));
        Remote {
            endpoint,
            token: None,
            offline: None,
            hub_cache: None,
            proxy_from_env: false,
            ca_file: None,
            first_wait: Duration::from_secs(1),
            stall: Duration::from_secs(30),
        }
    }

    /// Reads the environment variables.
    pub(super) fn from_env(env: &Env<'_>) -> Result<Remote, Error> {
        let endpoint = match env.text("HF_ENDPOINT") {
            Some(text) => self::endpoint("HF_ENDPOINT", &text)?,
            None => Remote::new().endpoint,
        };
        let offline = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"].into_iter().find(|name| env.is_on(name));
        Ok(Remote {
            endpoint,
            token: env.token()?,
            offline,
            hub_cache: env.hub_cache(),
            proxy_from_env: true,
            ca_file: env.path("SSL_CERT_FILE"),
            stall: env.stall()?.unwrap_or(Remote::new().stall),
            ..Remote::new()
        })
    }
}

/// Parses the URL of a hub.
pub(super) fn endpoint(setting: &'static str, text: &str) -> Result<Url, Error> {
    Url::parse(text.trim()).map_err(|reason| Error::Setting {
        setting,
        reason: format!("{reason}; set it to an address such as {ENDPOINT}"),
    })
}

/// A source of environment variables; tests supply their own.
pub(super) struct Env<'a>(pub(super) &'a dyn Fn(&str) -> Option<OsString>);

impl Env<'static> {
    /// The variables of this process.
    pub(super) fn process() -> Self {
        Env(&|name| env::var_os(name))
    }
}

impl Env<'_> {
    /// `CLIPPIE_HOME`, or else `clippie-rs` in the cache folder of the system.
    pub(super) fn home(&self) -> Result<PathBuf, Error> {
        if let Some(home) = self.path("CLIPPIE_HOME") {
            // Make a relative path absolute once, so that it does not follow the current folder.
            return std::path::absolute(&home).map_err(Error::file("find", &home));
        }
        let caches = if cfg!(target_os = "macos") {
            self.xdg_cache().or_else(|| Some(self.user_home()?.join("Library/Caches")))
        } else if cfg!(windows) {
            self.xdg_cache().or_else(|| self.path("LOCALAPPDATA"))
        } else {
            self.xdg_cache().or_else(|| Some(self.user_home()?.join(".cache")))
        };
        caches.map(|caches| caches.join("clippie-rs")).ok_or_else(|| Error::Setting {
            setting: "CLIPPIE_HOME",
            reason: "is not set, and there is no home folder to keep models in; set it to a folder".into(),
        })
    }

    /// `HF_HUB_CACHE`, `HF_HOME/hub` or `~/.cache/huggingface/hub`.
    fn hub_cache(&self) -> Option<PathBuf> {
        let named = self.path("HF_HUB_CACHE").or_else(|| self.path("HUGGINGFACE_HUB_CACHE"));
        named.or_else(|| Some(self.hf_home()?.join("hub")))
    }

    fn hf_home(&self) -> Option<PathBuf> {
        self.path("HF_HOME").or_else(|| {
            let caches = self.path("XDG_CACHE_HOME").or_else(|| Some(self.user_home()?.join(".cache")));
            Some(caches?.join("huggingface"))
        })
    }

    /// `HF_TOKEN`, or the file that `hf auth login` writes.
    fn token(&self) -> Result<Option<Token>, Error> {
        if self.is_on("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            return Ok(None);
        }
        for setting in ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"] {
            if let Some(text) = self.text(setting) {
                let token = Token::new(text.trim()).map_err(|reason| Error::Setting {
                    setting,
                    reason: format!("{reason}; set it to a token of https://huggingface.co/settings/tokens"),
                })?;
                return Ok(Some(token));
            }
        }
        let file = self.path("HF_TOKEN_PATH").or_else(|| Some(self.hf_home()?.join("token")));
        Ok(file.and_then(|file| token_file(&file)))
    }

    /// `HF_HUB_DOWNLOAD_TIMEOUT` in seconds.
    fn stall(&self) -> Result<Option<Duration>, Error> {
        let setting = "HF_HUB_DOWNLOAD_TIMEOUT";
        let Some(text) = self.text(setting) else { return Ok(None) };
        match text.trim().parse() {
            Ok(seconds @ 1..=3600) => Ok(Some(Duration::from_secs(seconds))),
            _ => Err(Error::Setting { setting, reason: "is no number from 1 to 3600; set it to seconds".into() }),
        }
    }

    /// The path in a variable; a leading `~` is the home folder.
    fn path(&self, name: &str) -> Option<PathBuf> {
        let path = PathBuf::from((self.0)(name).filter(|value| !value.is_empty())?);
        match path.strip_prefix("~") {
            Ok(rest) => Some(self.user_home()?.join(rest)),
            Err(_) => Some(path),
        }
    }

    /// The XDG specification ignores relative paths.
    fn xdg_cache(&self) -> Option<PathBuf> {
        self.path("XDG_CACHE_HOME").filter(|path| path.is_absolute())
    }

    fn user_home(&self) -> Option<PathBuf> {
        let home = (self.0)("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        home.or_else(env::home_dir).filter(|home| !home.as_os_str().is_empty())
    }

    fn text(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.trim().is_empty())
    }

    fn is_on(&self, name: &str) -> bool {
        let value = self.text(name).unwrap_or_default().to_ascii_uppercase();
        ["1", "ON", "YES", "TRUE"].contains(&value.as_str())
    }
}

/// Reads a token file. The user did not name this file explicitly, so an invalid one is ignored.
fn token_file(file: &Path) -> Option<Token> {
    let mut text = String::new();
    // A longer one is no token, and neither is its beginning.
    open_regular(file).ok()?.take(MAX_TOKEN + 1).read_to_string(&mut text).ok()?;
    (text.len() as u64 <= MAX_TOKEN).then(|| Token::new(text.trim()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn with<T>(variables: &[(&str, &str)], read: impl Fn(&Env<'_>) -> T) -> T {
        let get = |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| OsString::from(value));
        read(&Env(&get))
    }

    fn remote(variables: &[(&str, &str)]) -> Remote {
        with(variables, |env| Remote::from_env(env).unwrap())
    }

    #[cfg(unix)]
    #[test]
    fn models_are_in_the_cache_folder_or_in_clippie_home() {
        let home = |variables: &[(&str, &str)]| with(variables, |env| env.home().unwrap());
        let user = ("HOME", "/u");
        if !cfg!(target_os = "macos") {
            assert_eq!(home(&[user]), Path::new("/u/.cache/clippie-rs"));
            // Relative paths are ignored.
            assert_eq!(home(&[user, ("XDG_CACHE_HOME", "x")]), Path::new("/u/.cache/clippie-rs"));
        }
        assert_eq!(home(&[user, ("XDG_CACHE_HOME", "/x")]), Path::new("/x/clippie-rs"));
        assert_eq!(home(&[user, ("XDG_CACHE_HOME", "/x"), ("CLIPPIE_HOME", "/c")]), Path::new("/c"));
        assert_eq!(home(&[user, ("CLIPPIE_HOME", "~/models")]), Path::new("/u/models"));
        assert!(home(&[user, ("CLIPPIE_HOME", "models")]).is_absolute());
    }

    #[cfg(unix)]
    #[test]
    fn the_hub_cache_is_that_of_its_library() {
        let cache = |variables: &[(&str, &str)]| remote(variables).hub_cache.unwrap();
        let user = ("HOME", "/u");
        assert_eq!(cache(&[user]), Path::new("/u/.cache/huggingface/hub"));
        assert_eq!(cache(&[user, ("XDG_CACHE_HOME", "/x")]), Path::new("/x/huggingface/hub"));
        assert_eq!(cache(&[user, ("HF_HOME", "/h")]), Path::new("/h/hub"));
        assert_eq!(cache(&[user, ("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old")]), Path::new("/old"));
        assert_eq!(cache(&[user, ("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "/new")]), Path::new("/new"));
        assert_eq!(cache(&[user, ("HF_HUB_CACHE", "")]), Path::new("/u/.cache/huggingface/hub"));
    }

    #[test]
    fn tokens_come_from_the_variable_or_else_the_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("token"), "hf_file\n").unwrap();
        let home = ("HF_HOME", folder.path().to_str().unwrap());
        let header = |variables: &[(&str, &str)]| remote(variables).token.map(|token| token.header());
        assert_eq!(header(&[home]).unwrap(), "Bearer hf_file");
        assert_eq!(header(&[home, ("HF_TOKEN", " hf_own\n")]).unwrap(), "Bearer hf_own");
        assert_eq!(header(&[home, ("HUGGING_FACE_HUB_TOKEN", "hf_old")]).unwrap(), "Bearer hf_old");
        assert_eq!(header(&[home, ("HF_TOKEN", "")]).unwrap(), "Bearer hf_file");
        assert_eq!(header(&[home, ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]), None);
        fs::write(folder.path().join("token"), "two\nlines").unwrap();
        assert_eq!(header(&[home]), None);
        let bad = with(&[home, ("HF_TOKEN", "a\r\nX: y")], Remote::from_env).unwrap_err().to_string();
        assert!(bad.contains("HF_TOKEN") && !bad.contains("X: y"), "{bad}");
        assert_eq!(format!("{:?}", Token::new("hf_secret").unwrap()), "Token(…)");
    }

    #[test]
    fn switches_match_the_hubs_library() {
        for (value, on) in [("1", true), ("true", true), ("Yes", true), ("on", true), ("0", false), ("", false)] {
            assert_eq!(remote(&[("HF_HUB_OFFLINE", value)]).offline.is_some(), on, "{value:?}");
        }
        assert_eq!(remote(&[("TRANSFORMERS_OFFLINE", "1")]).offline, Some("TRANSFORMERS_OFFLINE"));
    }

    #[test]
    fn the_timeout_is_that_of_the_hubs_library() {
        let stall = |value: &str| with(&[("HF_HUB_DOWNLOAD_TIMEOUT", value)], Remote::from_env).map(|r| r.stall);
        assert_eq!(stall("").unwrap(), Duration::from_secs(30));
        assert_eq!(stall(" 90 ").unwrap(), Duration::from_secs(90));
        for bad in ["0", "3601", "-1", "1.5", "soon"] {
            let error = stall(bad).unwrap_err().to_string();
            assert!(error.contains("HF_HUB_DOWNLOAD_TIMEOUT is no number from 1 to 3600"), "{error}");
        }
    }

    #[test]
    fn endpoints_are_urls() {
        let endpoint = |text: &str| with(&[("HF_ENDPOINT", text)], |env| Remote::from_env(env).map(|r| r.endpoint));
        assert_eq!(endpoint("").unwrap().full(), "https://huggingface.co/");
        assert_eq!(endpoint("https://hf-mirror.com/").unwrap().with("a").full(), "https://hf-mirror.com/a");
        let error = endpoint("hf-mirror.com").unwrap_err().to_string();
        assert!(error.contains("HF_ENDPOINT") && error.contains(ENDPOINT), "{error}");
    }
}
