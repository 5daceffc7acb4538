//! Progress events of a pull, and its cancellation.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use super::error::Error;
use super::name::ModelName;
use crate::import;

/// Progress of a pull.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Another process is pulling the same model, and its result will be used. Reported once.
    Waiting,
    /// The source and size of the model are known.
    Plan(Plan<'a>),
    /// A file is downloading. Reported after every chunk.
    Download {
        /// File name in the repository.
        file: &'a str,
        /// Bytes downloaded.
        done: u64,
        /// Size of the file in bytes.
        total: u64,
    },
    /// A request failed and will be retried.
    Retry {
        /// The failure.
        reason: &'a str,
        /// Wait before the retry.
        wait: Duration,
    },
    /// The checkpoint is being converted.
    Convert(import::Progress),
    /// Nothing new. Reported a few times a second while waiting, so that the pull can be cancelled.
    Idle,
}

/// Source and size of a pull.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plan<'a> {
    /// The model.
    pub name: &'a ModelName,
    /// Source of the checkpoint.
    pub origin: Origin<'a>,
    /// Total size in bytes of the checkpoint and its configuration files.
    pub bytes: u64,
    /// License of the weights by the repository, or else by the catalogue; `None` if unknown.
    pub license: Option<&'a str>,
}

/// Source of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin<'a> {
    /// A download from the hub.
    Hub {
        /// URL of the repository's page.
        url: &'a str,
        /// Commit of the revision.
        commit: &'a str,
    },
    /// The cache of Hugging Face's own library, without network.
    HubCache(&'a Path),
}

/// Callback of a pull: receives every event and may return [`ControlFlow::Break`] to cancel.
pub type Callback<'a> = &'a mut dyn FnMut(Event<'_>) -> ControlFlow<()>;

/// Wraps the callback and turns its `Break` into an error.
pub(super) struct Reporter<'a>(pub(super) Callback<'a>);

impl Reporter<'_> {
    pub(super) fn report(&mut self, event: Event<'_>) -> Result<(), Error> {
        match (self.0)(event) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Cancelled),
        }
    }

    /// Waits, reporting [`Event::Idle`] a few times a second.
    pub(super) fn sleep(&mut self, mut left: Duration) -> Result<(), Error> {
        const SLICE: Duration = Duration::from_millis(200);
        while !left.is_zero() {
            let slice = left.min(SLICE);
            std::thread::sleep(slice);
            left -= slice;
            self.report(Event::Idle)?;
        }
        Ok(())
    }
}
