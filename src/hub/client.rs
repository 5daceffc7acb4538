//! The hub as a program uses it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Error;
use super::name::ModelName;
use super::progress::{Callback, Teller};
use super::pull::{Pull, PullOptions};
use super::settings::{self, Env, Remote, Token};
use super::store::{Store, StoredDownload, StoredModel};

/// A folder of models and the hub that they come from. Cheap to clone; any number of processes may share a folder.
#[derive(Clone, Debug)]
pub struct Hub {
    store: Store,
    remote: Source,
}

/// Where the settings of the network come from.
#[derive(Clone, Debug)]
enum Source {
    /// Read when they are needed: a model that is here can be used whatever they are.
    Environment,
    Given(Box<Remote>),
}

impl Hub {
    /// Set up as the environment says, like the command.
    ///
    /// Models lie in `CLIPPIE_HOME`, else in `clippie-rs` in the system's folder for caches (`XDG_CACHE_HOME`,
    /// `~/.cache`; `~/Library/Caches` on macOS, `LOCALAPPDATA` on Windows). The network is asked as
    /// `huggingface_hub` would: `HF_ENDPOINT`, `HF_TOKEN` (or the file in `HF_TOKEN_PATH`, `HF_HOME`),
    /// `HF_HUB_OFFLINE`, `HF_HUB_CACHE`, and for all programs alike `HTTPS_PROXY`, `NO_PROXY` and `SSL_CERT_FILE`.
    ///
    /// # Errors
    /// If there is no folder for models. Other settings are read when a pull needs them.
    pub fn from_env() -> Result<Hub, Error> {
        let store = Store::new(Env::process().home()?);
        Ok(Hub { store, remote: Source::Environment })
    }

    /// Set up by a program, with models in `folder`. Nothing is taken from the environment.
    pub fn builder(folder: impl Into<PathBuf>) -> HubBuilder {
        HubBuilder { folder: folder.into(), remote: Remote::new(), wrong: None }
    }

    /// The folder with the weights files.
    pub fn models_folder(&self) -> PathBuf {
        self.store.models_folder()
    }

    /// The model, if it is here. Looks at names of files and nothing else.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn find(&self, name: &ModelName) -> Result<Option<StoredModel>, Error> {
        self.store.find(name)
    }

    /// All models that are here, by name.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn models(&self) -> Result<Vec<StoredModel>, Error> {
        self.store.models()
    }

    /// What is downloaded and not converted, or was kept, by name.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn downloads(&self) -> Result<Vec<StoredDownload>, Error> {
        self.store.downloads()
    }

    /// The model, fetched and converted if it is not here.
    ///
    /// A pull that breaks off goes on where it was when it is repeated. When another process pulls the same model,
    /// this one waits for it. A network that fails is asked again a few times; the callback is told of each.
    ///
    /// # Errors
    /// Whatever [`Error`] lists; [`Error::Cancelled`] if the callback says so.
    pub fn pull(&self, name: &ModelName, options: PullOptions, callback: Callback<'_>) -> Result<StoredModel, Error> {
        if !options.force
            && let Some(model) = self.store.find(name)?
        {
            return Ok(model);
        }
        let from_env;
        let remote = match &self.remote {
            Source::Given(remote) => remote,
            Source::Environment => {
                from_env = Remote::from_env(&Env::process())?;
                &from_env
            }
        };
        Pull { store: &self.store, remote, name, options }.run(&mut Teller(callback))
    }

    /// Removes everything that is here of a model, and tells how many bytes that were.
    ///
    /// # Errors
    /// If there is nothing, if it is being pulled, or if the system refuses.
    pub fn remove(&self, name: &ModelName) -> Result<u64, Error> {
        self.store.remove(name)
    }
}

/// Sets up a [`Hub`]: see [`Hub::builder`].
#[derive(Clone, Debug)]
pub struct HubBuilder {
    folder: PathBuf,
    remote: Remote,
    /// The first setting that cannot be followed.
    wrong: Option<(&'static str, String)>,
}

impl HubBuilder {
    /// Another hub than `https://huggingface.co`, such as a mirror.
    #[must_use]
    pub fn endpoint(mut self, url: &str) -> Self {
        match settings::endpoint("the hub's endpoint", url) {
            Ok(endpoint) => self.remote.endpoint = endpoint,
            Err(Error::Setting { setting, reason }) => self.refuse(setting, reason),
            Err(_) => {}
        }
        self
    }

    /// A token of Hugging Face, for gated and private repositories. It is sent to the endpoint alone.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        match Token::new(token) {
            Ok(token) => self.remote.token = Some(token),
            Err(reason) => self.refuse("the hub's token", format!("{reason}; give it without spaces and line ends")),
        }
        self
    }

    /// Whether the network is left alone.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.remote.offline = offline.then_some("this program");
        self
    }

    /// Where Hugging Face's own library keeps its downloads, to use them as they lie.
    #[must_use]
    pub fn hub_cache(mut self, folder: impl AsRef<Path>) -> Self {
        self.remote.hub_cache = Some(folder.as_ref().to_owned());
        self
    }

    /// Whether `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` hold.
    #[must_use]
    pub fn proxy_from_env(mut self, yes: bool) -> Self {
        self.remote.proxy_from_env = yes;
        self
    }

    /// A file of certificates in PEM to trust, instead of Mozilla's, which are compiled in.
    #[must_use]
    pub fn ca_file(mut self, file: impl AsRef<Path>) -> Self {
        self.remote.ca_file = Some(file.as_ref().to_owned());
        self
    }

    /// How long to wait before the first of several tries (a second, unless set); it doubles with each.
    #[must_use]
    pub fn first_wait(mut self, wait: Duration) -> Self {
        self.remote.first_wait = wait;
        self
    }

    /// The hub.
    ///
    /// # Errors
    /// If a setting cannot be followed.
    pub fn build(self) -> Result<Hub, Error> {
        match self.wrong {
            Some((setting, reason)) => Err(Error::Setting { setting, reason }),
            None => Ok(Hub { store: Store::new(self.folder), remote: Source::Given(Box::new(self.remote)) }),
        }
    }

    fn refuse(&mut self, setting: &'static str, reason: String) {
        self.wrong.get_or_insert((setting, reason));
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
