//! What all requests share.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;

#[cfg(feature = "library")]
use super::LibraryConfig;
use super::config::{Config, Limits};
use super::fetch::Fetcher;
use super::limits::Admission;
use super::metrics::{Gauges, Metrics};
use super::models::Models;
use super::origins::Origins;
use super::{Error, Token};
use crate::clip::TextCache;

/// Texts that are remembered: those of searches, which people repeat while they look through results.
const CACHED_TEXTS: usize = 10_000;
/// Memory of the texts that are remembered, in bytes.
const CACHED_BYTES: usize = 32 << 20;

/// What all requests share.
#[derive(Debug)]
pub(super) struct Server {
    pub models: Models,
    pub cache: Arc<TextCache>,
    pub admission: Admission,
    pub limits: Limits,
    pub metrics: Arc<Metrics>,
    pub token: Option<Token>,
    pub origins: Origins,
    /// Fetches photos, if there are hosts to fetch from.
    pub fetcher: Option<Arc<Fetcher>>,
    #[cfg(feature = "library")]
    pub library: Option<LibraryConfig>,
    pub started: Instant,
    /// One for each photo that is decoded at the same time.
    pub decoders: Arc<Semaphore>,
}

impl Server {
    /// Opens the models.
    pub fn new(config: Config) -> Result<Server, Error> {
        let metrics = Arc::<Metrics>::default();
        let cache = Arc::new(TextCache::new(CACHED_TEXTS, CACHED_BYTES));
        let mut models = Models::new(config.options.clone(), config.compat, Arc::clone(&cache), Arc::clone(&metrics));
        for (name, weights) in config.models {
            let options = config.options.clone();
            #[cfg(feature = "library")]
            let options = match &config.library {
                Some(library) if library.model == name => library.options(options, &weights),
                _ => options,
            };
            models.add(options, name, weights)?;
        }
        for (alias, model) in config.aliases {
            models.alias(alias, model)?;
        }
        let fetcher = match config.fetch.is_empty() {
            true => None,
            false => Some(Fetcher::new(config.fetch, config.authorities.as_deref(), &config.limits)),
        };
        let fetcher = fetcher.transpose().map_err(Error::Fetch)?.map(Arc::new);
        Ok(Server {
            models,
            cache,
            admission: Admission::new(&config.limits),
            limits: config.limits,
            metrics,
            token: config.token,
            origins: Origins::new(config.cors, config.hosts),
            fetcher,
            #[cfg(feature = "library")]
            library: config.library,
            started: Instant::now(),
            decoders: Arc::new(Semaphore::new(cores())),
        })
    }

    /// What others count than [`Metrics`].
    pub fn gauges(&self) -> Gauges {
        Gauges {
            waiting: self.admission.waiting(),
            models: self.models.open().len(),
            cached_texts: self.cache.len(),
            cached_bytes: self.cache.bytes(),
        }
    }
}

/// Number of photos that are decoded at the same time: one per core.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}
