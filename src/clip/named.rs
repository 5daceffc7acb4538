//! Models by name: opens installed ones; downloads and converts others first.

use std::fmt;
use std::ops::ControlFlow;

use super::{CancelToken, Clip, ImageEncoder, Options, TextEncoder};
use crate::error::Error;
use crate::hub::{Event, Hub, ModelName, PullOptions};
use crate::weights::WeightsFile;

/// A published model to open: see [`Options::named`].
#[must_use = "nothing is opened or fetched before one of the `open` methods is called"]
pub struct NamedModel<'a> {
    options: Options,
    name: String,
    hub: Option<Hub>,
    cancel: CancelToken,
    report: Box<dyn FnMut(Event<'_>) + 'a>,
}

impl Options {
    /// Names a published model to open with these options, such as `mobileclip2-s2` or `hf-hub:ORG/REPO`.
    ///
    /// ```no_run
    /// use clippie_rs::hub::Event;
    /// use clippie_rs::{CancelToken, Options};
    ///
    /// let cancel = CancelToken::new(); // give a clone to the button that cancels
    /// let clip = Options::new()
    ///     .threads(2)
    ///     .named("mobileclip2-s2")
    ///     .cancel(&cancel)
    ///     .progress(|event| {
    ///         if let Event::Download { done, total, .. } = event {
    ///             println!("{done} of {total} bytes");
    ///         }
    ///     })
    ///     .open()?;
    /// # Ok::<(), clippie_rs::Error>(())
    /// ```
    pub fn named<'a>(self, name: impl Into<String>) -> NamedModel<'a> {
        let cancel = CancelToken::new();
        NamedModel { options: self, name: name.into(), hub: None, cancel, report: Box::new(|_| {}) }
    }
}

impl<'a> NamedModel<'a> {
    /// Uses this hub and its model folder instead of those from the environment ([`Hub::from_env`]).
    pub fn hub(mut self, hub: &Hub) -> Self {
        self.hub = Some(hub.clone());
        self
    }

    /// Stops a download when `token` is cancelled; the next attempt resumes it.
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = token.clone();
        self
    }

    /// Calls `report` with every event of a download and conversion; never for an installed model.
    pub fn progress(mut self, report: impl FnMut(Event<'_>) + 'a) -> Self {
        self.report = Box::new(report);
        self
    }

    /// Opens both towers.
    ///
    /// # Errors
    /// See [`Clip::from_name`] and [`Clip::open`].
    pub fn open(self) -> Result<Clip, Error> {
        let (options, weights) = self.weights()?;
        options.open_weights(weights)
    }

    /// Opens only the image tower.
    ///
    /// # Errors
    /// See [`Clip::from_name`] and [`Clip::open`].
    pub fn open_image(self) -> Result<ImageEncoder, Error> {
        let (options, weights) = self.weights()?;
        options.open_weights_image(weights)
    }

    /// Opens only the text tower; the pages of the image tower stay on disk.
    ///
    /// # Errors
    /// See [`Clip::from_name`] and [`Clip::open`].
    pub fn open_text(self) -> Result<TextEncoder, Error> {
        let (options, weights) = self.weights()?;
        options.open_weights_text(weights)
    }

    /// Maps the weights file; downloads and converts the model first if it is not installed.
    fn weights(self) -> Result<(Options, WeightsFile), Error> {
        let NamedModel { options, name, hub, cancel, mut report } = self;
        #[cfg(feature = "demo")]
        if name == "demo" {
            return Ok((options, WeightsFile::demo()?));
        }
        let name: ModelName = name.parse().map_err(crate::hub::Error::from)?;
        let hub = match hub {
            Some(hub) => hub,
            None => Hub::from_env()?,
        };
        let model = hub.pull(&name, PullOptions::default(), &mut |event| {
            report(event);
            if cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok((options, WeightsFile::open(&model.path)?))
    }
}

impl fmt::Debug for NamedModel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedModel").field("name", &self.name).field("options", &self.options).finish_non_exhaustive()
    }
}
