//! What a pull tells while it goes on, and how it is broken off.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use super::error::Error;
use super::name::ModelName;
use crate::import;

/// What a pull is doing.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Another process is pulling the same model; its result will be used. Told once.
    Waiting,
    /// What will be done, once it is known.
    Plan(Plan<'a>),
    /// A file is being fetched; after every chunk.
    Download {
        /// Its name in the repository.
        file: &'a str,
        /// Bytes of it that are here.
        done: u64,
        /// Bytes that it has.
        total: u64,
    },
    /// A request failed and will be repeated.
    Retry {
        /// What happened.
        reason: &'a str,
        /// How long is waited before.
        wait: Duration,
    },
    /// The checkpoint is being converted.
    Convert(import::Progress),
    /// Nothing new; told a few times a second while something is waited for, so that it can be broken off.
    Idle,
}

/// What a pull will do.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plan<'a> {
    /// The model.
    pub name: &'a ModelName,
    /// Where its checkpoint comes from.
    pub origin: Origin<'a>,
    /// Bytes of the checkpoint and the files beside it.
    pub bytes: u64,
    /// The terms of the weights as the repository gives them (or the table, for a known model); `None` if unknown.
    pub license: Option<&'a str>,
}

/// Where a checkpoint comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin<'a> {
    /// From the hub.
    Hub {
        /// The repository's address, as people open it.
        url: &'a str,
        /// The commit that the revision stands for.
        commit: &'a str,
    },
    /// From the cache of Hugging Face's own library, without network.
    HubCache(&'a Path),
}

/// The callback of a pull: it is told everything and may answer [`ControlFlow::Break`].
pub type Callback<'a> = &'a mut dyn FnMut(Event<'_>) -> ControlFlow<()>;

/// The callback, whose `Break` is an error.
pub(super) struct Teller<'a>(pub(super) Callback<'a>);

impl Teller<'_> {
    pub(super) fn tell(&mut self, event: Event<'_>) -> Result<(), Error> {
        match (self.0)(event) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Cancelled),
        }
    }

    /// Waits, while the callback is told now and then.
    pub(super) fn sleep(&mut self, mut left: Duration) -> Result<(), Error> {
        const SLICE: Duration = Duration::from_millis(200);
        while !left.is_zero() {
            let slice = left.min(SLICE);
            std::thread::sleep(slice);
            left -= slice;
            self.tell(Event::Idle)?;
        }
        Ok(())
    }
}
