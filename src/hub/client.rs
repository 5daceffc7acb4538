//! The public entry point: [`Hub`] and its builder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Error;
use super::name::ModelName;
use super::progress::{Callback, Reporter};
use super::pull::{Pull, PullOptions};
use super::settings::{self, Env, Remote, Token};
use super::store::{Store, StoredDownload, StoredModel};

/// A folder of installed models and the hub they come from. Cheap to clone; any number of processes may share a folder.
#[derive(Clone, Debug)]
pub struct Hub {
    store: Store,
    remote: Source,
}

/// Source of the network settings.
#[derive(Clone, Debug)]
enum Source {
    /// Read on demand, so installed models work with any settings.
    Environment,
    /// Set by the program.
    Program(Box<Remote>),
}

impl Hub {
    /// Configures a hub from environment variables, like the command.
    ///
    /// Models are stored in `CLIPPIE_HOME`, or else in `clippie-rs` in the cache folder of the system
    /// (`XDG_CACHE_HOME`, `~/.cache`; `~/Library/Caches` on macOS, `LOCALAPPDATA` on Windows). The network settings are
    /// those of `huggingface_hub`: `HF_ENDPOINT`, `HF_TOKEN` (or the file in `HF_TOKEN_PATH`, `HF_HOME`),
    /// `HF_HUB_OFFLINE`, `HF_HUB_CACHE`, `HF_HUB_DOWNLOAD_TIMEOUT`; and the common `HTTPS_PROXY`, `NO_PROXY` and `SSL_CERT_FILE`.
    ///
    /// # Errors
    /// If there is no folder for models. Other settings are read when a pull needs them.
    pub fn from_env() -> Result<Hub, Error> {
        let store = Store::new(Env::process().home()?);
        Ok(Hub { store, remote: Source::Environment })
    }

    /// Configures a hub with models in `folder`. Reads nothing from the environment.
    pub fn builder(folder: impl Into<PathBuf>) -> HubBuilder {
        HubBuilder { folder: folder.into(), remote: Remote::new(), invalid: None }
    }

    /// The folder of the weights files.
    pub fn models_folder(&self) -> PathBuf {
        self.store.models_folder()
    }

    /// Finds an installed model. Reads file names only.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn find(&self, name: &ModelName) -> Result<Option<StoredModel>, Error> {
        self.store.find(name)
    }

    /// Lists the installed models, sorted by name.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn models(&self) -> Result<Vec<StoredModel>, Error> {
        self.store.models()
    }

    /// Lists incomplete and kept downloads, sorted by name.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn downloads(&self) -> Result<Vec<StoredDownload>, Error> {
        self.store.downloads()
    }

    /// Returns the installed model, or downloads, converts and installs it.
    ///
    /// A repeated pull resumes an interrupted one. If another process pulls the same model, this call waits for it.
    /// Network failures are retried a few times; the callback receives an event for each.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Cancelled`] if the callback returns `Break`.
    pub fn pull(&self, name: &ModelName, options: PullOptions, callback: Callback<'_>) -> Result<StoredModel, Error> {
        if !options.force
            && let Some(model) = self.store.find(name)?
        {
            return Ok(model);
        }
        let from_env;
        let remote = match &self.remote {
            Source::Program(remote) => remote,
            Source::Environment => {
                from_env = Remote::from_env(&Env::process())?;
                &from_env
            }
        };
        Pull { store: &self.store, remote, name, options }.run(&mut Reporter(callback))
    }

    /// Removes a model and its downloads. Returns the number of bytes removed.
    ///
    /// # Errors
    /// If the model is not installed, if it is being pulled, or if the system cannot remove a file.
    pub fn remove(&self, name: &ModelName) -> Result<u64, Error> {
        self.store.remove(name)
    }
}

/// Configures a [`Hub`]; see [`Hub::builder`].
#[derive(Clone, Debug)]
pub struct HubBuilder {
    folder: PathBuf,
    remote: Remote,
    /// The first invalid setting.
    invalid: Option<(&'static str, String)>,
}

impl HubBuilder {
    /// Sets another hub than `https://huggingface.co`, such as a mirror.
    #[must_use]
    pub fn endpoint(mut self, url: &str) -> Self {
        match settings::endpoint("the hub's endpoint", url) {
            Ok(endpoint) => self.remote.endpoint = endpoint,
            Err(Error::Setting { setting, reason }) => self.refuse(setting, reason),
            Err(_) => {}
        }
        self
    }

    /// Sets a Hugging Face token, for gated and private repositories. It is sent to the endpoint only, and only
    /// encrypted or within this computer.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        match Token::new(token) {
            Ok(token) => self.remote.token = Some(token),
            Err(reason) => self.refuse("the hub's token", format!("{reason}; give it without spaces and line ends")),
        }
        self
    }

    /// Disables the network.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.remote.offline = offline.then_some("this program");
        self
    }

    /// Sets the cache folder of Hugging Face's own library, to use its downloads in place.
    #[must_use]
    pub fn hub_cache(mut self, folder: impl AsRef<Path>) -> Self {
        self.remote.hub_cache = Some(folder.as_ref().to_owned());
        self
    }

    /// Enables `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.
    #[must_use]
    pub fn proxy_from_env(mut self, yes: bool) -> Self {
        self.remote.proxy_from_env = yes;
        self
    }

    /// Sets a PEM file of certificates to trust instead of Mozilla's, which are compiled in.
    #[must_use]
    pub fn ca_file(mut self, file: impl AsRef<Path>) -> Self {
        self.remote.ca_file = Some(file.as_ref().to_owned());
        self
    }

    /// Sets the wait before the first retry (default one second); it doubles with each retry.
    #[must_use]
    pub fn first_wait(mut self, wait: Duration) -> Self {
        self.remote.first_wait = wait;
        self
    }

    /// Sets how long a server may be silent, or send less than 1 kB a second on average, before a request is given up
    /// (default 30 seconds).
    #[must_use]
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.remote.stall = timeout;
        self
    }

    /// Builds the hub.
    ///
    /// # Errors
    /// If a setting is invalid.
    pub fn build(self) -> Result<Hub, Error> {
        match self.invalid {
            Some((setting, reason)) => Err(Error::Setting { setting, reason }),
            None => Ok(Hub { store: Store::new(self.folder), remote: Source::Program(Box::new(self.remote)) }),
        }
    }

    fn refuse(&mut self, setting: &'static str, reason: String) {
        self.invalid.get_or_insert((setting, reason));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_when_the_hub_is_built() {
        assert!(Hub::builder("x").endpoint("https://mirror.test/hf").token("hf_x").build().is_ok());
        let error = Hub::builder("x").endpoint("mirror").token("ok").build().unwrap_err().to_string();
        assert!(error.starts_with("the hub's endpoint does not start with https://"), "{error}");
        let hub = Hub::builder("x").token("hf_se cret");
        assert!(!format!("{hub:?}").contains("cret"));
        assert!(!hub.build().unwrap_err().to_string().contains("cret"));
    }
}
