//! Opens models, and opens again what a pickle names.

use std::path::PathBuf;
use std::time::Duration;

use clippie_rs::hub::Event;
use clippie_rs::weights::WeightsFile;
use clippie_rs::{CancelToken, Clip, Error, ImageEncoder, ModelLoader, Options, TextEncoder, import};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::cancel::{PyCancelToken, of_call};
use crate::clip::PyClip;
use crate::encoders::{PyImageEncoder, PyTextEncoder};
use crate::settings::Settings;
use crate::{call, errors};

/// Where a model comes from.
#[derive(Clone)]
pub enum Source {
    File(PathBuf),
    Name(String),
    Demo,
}

/// What opens the same model again, in this process or another.
#[derive(Clone)]
pub struct Opened {
    source: Source,
    pub settings: Settings,
}

/// What is opened: both towers or one.
pub trait Model: Sized + Send + 'static {
    /// The class in Python.
    const CLASS: &'static str;

    fn from_file(options: Options, path: PathBuf) -> Result<Self, Error>;
    fn from_weights(options: Options, weights: WeightsFile) -> Result<Self, Error>;
    fn from_loader(loader: ModelLoader<'_>) -> Result<Self, Error>;
    fn in_language(self, language: &str) -> Result<Self, Error>;
    fn digits(&self) -> String;
}

macro_rules! model {
    ($type:ty, $class:literal, $file:ident, $weights:ident, $loader:ident, $language:expr) => {
        impl Model for $type {
            const CLASS: &'static str = $class;

            fn from_file(options: Options, path: PathBuf) -> Result<Self, Error> {
                options.$file(path)
            }

            fn from_weights(options: Options, weights: WeightsFile) -> Result<Self, Error> {
                options.$weights(weights)
            }

            fn from_loader(loader: ModelLoader<'_>) -> Result<Self, Error> {
                loader.$loader()
            }

            fn in_language(self, language: &str) -> Result<Self, Error> {
                let in_language: fn(Self, &str) -> Result<Self, Error> = $language;
                in_language(self, language)
            }

            fn digits(&self) -> String {
                self.fingerprint().to_string()
            }
        }
    };
}

model!(Clip, "Clip", open, open_weights, open, |clip, language| clip.with_language(language));
model!(TextEncoder, "TextEncoder", open_text, open_weights_text, open_text, |text, language| text
    .with_language(language));
// Photos have no language.
model!(ImageEncoder, "ImageEncoder", open_image, open_weights_image, open_image, |image, _| Ok(image));

impl Opened {
    /// Opens a model. `cancel` and `progress` are for downloads.
    ///
    /// # Errors
    /// Any of the options, of opening or downloading; an exception of `progress` or of a signal.
    pub fn open<M: Model>(
        py: Python<'_>,
        source: Source,
        options: Option<&Bound<'_, PyDict>>,
        progress: Option<&Bound<'_, PyAny>>,
        cancel: Option<&PyCancelToken>,
    ) -> PyResult<(M, Opened)> {
        let settings = Settings::from_python(options)?;
        let cancel = of_call(cancel);
        let (from, engine, language) = (source.clone(), settings.options(py)?, settings.language().map(str::to_owned));
        let token = cancel.clone();
        let wants_events = progress.is_some();
        let work = move |tell: &dyn Fn(Told)| -> Result<M, Error> {
            let model = load::<M>(from, engine, &token, wants_events, tell)?;
            match language {
                Some(language) => model.in_language(&language),
                None => Ok(model),
            }
        };
        let report = |told: Told| match progress {
            Some(progress) => progress.call1((told.to_python(py)?,)).map(drop),
            None => Ok(()),
        };
        let model = call::run_with_events(py, &cancel, work, report)?;
        let model = model.map_err(|error| errors::exception(py, &error))?;
        let source = match source {
            // So that it names the same file in another folder.
            Source::File(path) => Source::File(std::path::absolute(&path).unwrap_or(path)),
            source => source,
        };
        Ok((model, Opened { source, settings }))
    }

    /// The call that opens this, as Python writes it.
    pub fn shown(&self, py: Python<'_>, class: &str) -> PyResult<String> {
        let options = self.settings.shown(py)?;
        Ok(match &self.source {
            Source::File(path) => format!("{class}.open({}{options})", path.as_os_str().into_pyobject(py)?.repr()?),
            Source::Name(name) => format!("{class}.from_name({}{options})", name.into_pyobject(py)?.repr()?),
            Source::Demo => format!("{class}.demo({})", options.trim_start_matches(", ")),
        })
    }

    /// What `pickle` keeps: a function and its arguments.
    pub fn reduce<'py>(&self, py: Python<'py>, class: &str, digits: &str) -> PyResult<Bound<'py, PyTuple>> {
        let (kind, source) = match &self.source {
            Source::File(path) => ("file", path.as_os_str().into_pyobject(py)?.into_any()),
            Source::Name(name) => ("name", name.into_pyobject(py)?.into_any()),
            Source::Demo => ("demo", py.None().into_bound(py)),
        };
        let function = py.import("clippie_rs._native")?.getattr("_reopen")?;
        let arguments = (class, kind, source, self.settings.to_python(py)?, digits);
        (function, arguments).into_pyobject(py)
    }
}

fn load<M: Model>(
    source: Source,
    options: Options,
    cancel: &CancelToken,
    wants_events: bool,
    tell: &dyn Fn(Told),
) -> Result<M, Error> {
    match source {
        Source::File(path) => M::from_file(options, path),
        Source::Demo => M::from_weights(options, WeightsFile::demo()?),
        Source::Name(name) => {
            let loader = options.named(name).cancel(cancel);
            M::from_loader(match wants_events {
                true => loader.progress(|event| Told::of(&event).into_iter().for_each(tell)),
                false => loader,
            })
        }
    }
}

/// An event of a download or conversion, owned.
enum Told {
    Waiting,
    Plan { name: String, bytes: u64, license: Option<String> },
    Download { file: String, done: u64, total: u64 },
    Retry { reason: String, wait: Duration },
    Convert { stage: &'static str, done: u64, total: u64 },
}

impl Told {
    fn of(event: &Event<'_>) -> Option<Told> {
        Some(match event {
            Event::Waiting => Told::Waiting,
            Event::Plan(plan) => {
                Told::Plan { name: plan.name.to_string(), bytes: plan.bytes, license: plan.license.map(str::to_owned) }
            }
            &Event::Download { file, done, total } => Told::Download { file: file.to_owned(), done, total },
            &Event::Retry { reason, wait } => Told::Retry { reason: reason.to_owned(), wait },
            Event::Convert(progress) => Told::Convert {
                stage: match progress.stage {
                    import::Stage::Hash => "hash",
                    _ => "convert",
                },
                done: progress.done,
                total: progress.total,
            },
            _ => return None,
        })
    }

    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let event = PyDict::new(py);
        let set = |name: &str, done: u64, total: u64| {
            event.set_item("event", name)?;
            event.set_item("done", done)?;
            event.set_item("total", total)
        };
        match self {
            Told::Waiting => event.set_item("event", "waiting")?,
            Told::Plan { name, bytes, license } => {
                event.set_item("event", "plan")?;
                event.set_item("name", name)?;
                event.set_item("total", bytes)?;
                event.set_item("license", license)?;
            }
            Told::Download { file, done, total } => {
                set("download", *done, *total)?;
                event.set_item("file", file)?;
            }
            Told::Retry { reason, wait } => {
                event.set_item("event", "retry")?;
                event.set_item("reason", reason)?;
                event.set_item("wait", wait.as_secs_f64())?;
            }
            Told::Convert { stage, done, total } => set(stage, *done, *total)?,
        }
        Ok(event)
    }
}

/// Opens what a pickle names. Fails if it is another model by now.
#[pyfunction]
#[pyo3(name = "_reopen")]
pub fn reopen<'py>(
    py: Python<'py>,
    class: &str,
    kind: &str,
    source: &Bound<'py, PyAny>,
    options: &Bound<'py, PyDict>,
    fingerprint: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let from = match kind {
        "file" => Source::File(source.extract()?),
        "name" => Source::Name(source.extract()?),
        "demo" => Source::Demo,
        _ => return Err(errors::option(py, "a pickle of another version of clippie_rs; open the model anew")),
    };
    fn checked<M: Model>(
        py: Python<'_>,
        from: Source,
        options: &Bound<'_, PyDict>,
        fingerprint: &str,
    ) -> PyResult<(M, Opened)> {
        let (model, opened) = Opened::open::<M>(py, from, Some(options), None, None)?;
        let found = model.digits();
        if found != fingerprint {
            let shown = opened.shown(py, M::CLASS)?;
            let reason = format!(
                "{shown} is another model now (fingerprint {found}) than when it was pickled ({fingerprint}); their \
                 embeddings must not be mixed"
            );
            return Err(errors::option(py, &reason));
        }
        Ok((model, opened))
    }
    match class {
        "ImageEncoder" => {
            let (model, opened) = checked(py, from, options, fingerprint)?;
            Ok(Bound::new(py, PyImageEncoder::new(model, opened))?.into_any())
        }
        "TextEncoder" => {
            let (model, opened) = checked(py, from, options, fingerprint)?;
            Ok(Bound::new(py, PyTextEncoder::new(model, opened))?.into_any())
        }
        _ => {
            let (model, opened) = checked(py, from, options, fingerprint)?;
            Ok(Bound::new(py, PyClip::new(model, opened))?.into_any())
        }
    }
}
