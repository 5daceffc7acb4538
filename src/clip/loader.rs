//! Models by path or name: opens files, the compiled-in model and installed models; downloads and converts others first.

use std::fmt;
#[cfg(feature = "hub")]
use std::ops::ControlFlow;
use std::path::Path;

use super::options::open_file;
use super::{CancelToken, Clip, ImageEncoder, ModelSource, Options, TextEncoder};
use crate::error::Error;
#[cfg(feature = "hub")]
use crate::hub::{self, Event, Hub, PullOptions};
use crate::weights::WeightsFile;

/// A model to open: see [`Options::model`] and `Options::named` (feature `hub`).
#[must_use = "nothing is opened or fetched before one of the `open` methods is called"]
pub struct ModelLoader<'a> {
    options: Options,
    source: Result<ModelSource, Error>,
    cancel: CancelToken,
    #[cfg(feature = "hub")]
    hub: Option<Hub>,
    #[cfg(feature = "hub")]
    report: Box<dyn FnMut(Event<'_>) + 'a>,
    #[cfg(not(feature = "hub"))]
    report: std::marker::PhantomData<&'a ()>,
}

impl Options {
    /// Gives the model to open with these options as users of `clippie-rs -m` do: the path of a `.clippie` file, the
    /// name of a published model such as `mobileclip2-s2`, `hf-hub:ORG/REPO`, or `demo` (feature `demo`). Names take
    /// precedence; see [`ModelSource`].
    ///
    /// A published model is downloaded and converted on first use, which needs the feature `hub`.
    ///
    /// ```no_run
    /// use clippie_rs::{CancelToken, Options};
    ///
    /// let cancel = CancelToken::new(); // give a clone to the button that cancels
    /// let model = std::env::args().nth(1).unwrap_or("mobileclip2-s2".into());
    /// let clip = Options::new().threads(2).model(&model).cancel(&cancel).open()?;
    /// # Ok::<(), clippie_rs::Error>(())
    /// ```
    pub fn model<'a>(self, model: impl AsRef<Path>) -> ModelLoader<'a> {
        ModelLoader::new(self, ModelSource::parse(model))
    }

    /// Names a published model to open with these options, such as `mobileclip2-s2` or `hf-hub:ORG/REPO`. Unlike
    /// [`Options::model`], this never opens a path.
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
    #[cfg(feature = "hub")]
    pub fn named<'a>(self, name: impl Into<String>) -> ModelLoader<'a> {
        let source = ModelSource::parse_name(&name.into()).map_err(|error| hub::Error::from(error).into());
        ModelLoader::new(self, source)
    }
}

impl<'a> ModelLoader<'a> {
    fn new(options: Options, source: Result<ModelSource, Error>) -> Self {
        ModelLoader {
            options,
            source,
            cancel: CancelToken::new(),
            #[cfg(feature = "hub")]
            hub: None,
            #[cfg(feature = "hub")]
            report: Box::new(|_| {}),
            #[cfg(not(feature = "hub"))]
            report: std::marker::PhantomData,
        }
    }

    /// Uses this hub and its model folder instead of those from the environment ([`Hub::from_env`]).
    #[cfg(feature = "hub")]
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
    #[cfg(feature = "hub")]
    pub fn progress(mut self, report: impl FnMut(Event<'_>) + 'a) -> Self {
        self.report = Box::new(report);
        self
    }

    /// Opens both towers.
    ///
    /// # Errors
    /// See [`Clip::load`] and [`Clip::open`].
    pub fn open(self) -> Result<Clip, Error> {
        let (options, weights) = self.weights()?;
        options.open_weights(weights)
    }

    /// Opens only the image tower.
    ///
    /// # Errors
    /// See [`Clip::load`] and [`Clip::open`].
    pub fn open_image(self) -> Result<ImageEncoder, Error> {
        let (options, weights) = self.weights()?;
        options.open_weights_image(weights)
    }

    /// Opens only the text tower; the pages of the image tower stay on disk.
    ///
    /// # Errors
    /// See [`Clip::load`] and [`Clip::open`].
    pub fn open_text(self) -> Result<TextEncoder, Error> {
        let (options, weights) = self.weights()?;
        options.open_weights_text(weights)
    }

    /// Maps the weights file; downloads and converts the model first if it is not installed.
    fn weights(self) -> Result<(Options, WeightsFile), Error> {
        let name = match self.source? {
            #[cfg(feature = "demo")]
            ModelSource::Demo => return Ok((self.options, WeightsFile::demo()?)),
            ModelSource::File(path) => return Ok((self.options, open_file(&path)?)),
            ModelSource::Name(name) => name,
        };
        #[cfg(not(feature = "hub"))]
        return Err(Error::ModelName { name: name.to_string() });
        #[cfg(feature = "hub")]
        {
            let ModelLoader { options, hub, cancel, mut report, .. } = self;
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
}

impl fmt::Debug for ModelLoader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ModelLoader");
        debug.field("source", &self.source).field("options", &self.options).finish_non_exhaustive()
    }
}
