//! Options of a model, as Python gives them and as pickles keep them.

use clippie_rs::{Isa, Options};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors;

/// Let models of 8 bits that are opened from now on, without ``isa``, use the processor's matrix tiles (AMX).
///
/// They make such models faster and give the same bits. If the processor has them, the first such model asks Linux for them,
/// which grants them to the whole process; from then on, it refuses alternate signal stacks of less than some 11 KiB.
/// Otherwise nothing changes. A process that is spawned has to allow it for itself.
#[pyfunction]
pub fn allow_amx() {
    Isa::allow_amx();
}

/// The options of every constructor.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    threads: Option<usize>,
    batch_size: usize,
    normalize: bool,
    orient: bool,
    refuse_long_texts: bool,
    copy_weights: bool,
    language: Option<String>,
    isa: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            threads: None,
            batch_size: 8,
            normalize: true,
            orient: true,
            refuse_long_texts: false,
            copy_weights: false,
            language: None,
            isa: None,
        }
    }
}

impl Settings {
    /// Reads keyword arguments.
    ///
    /// # Errors
    /// `TypeError`: an unknown option, or a value of another type. `OptionError`: a value that cannot be used.
    pub fn from_python(options: Option<&Bound<'_, PyDict>>) -> PyResult<Settings> {
        let mut settings = Settings::default();
        let Some(options) = options else { return Ok(settings) };
        for (name, value) in options {
            let name: String = name.extract()?;
            let read = settings.set(&name, &value);
            read.map_err(|error| errors::wrong_type(&name, None, &error.value(value.py()).to_string()))?;
        }
        let py = options.py();
        if settings.batch_size == 0 {
            return Err(errors::option(py, "batch_size is 0; give at least 1"));
        }
        if settings.threads == Some(0) {
            return Err(errors::option(py, "threads is 0; give at least 1, or None for one per core"));
        }
        settings.isa(py)?;
        Ok(settings)
    }

    fn set(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        match name {
            "threads" => self.threads = value.extract()?,
            "batch_size" => self.batch_size = value.extract()?,
            "normalize" => self.normalize = value.extract()?,
            "orient" => self.orient = value.extract()?,
            "refuse_long_texts" => self.refuse_long_texts = value.extract()?,
            "copy_weights" => self.copy_weights = value.extract()?,
            "language" => self.language = value.extract()?,
            "isa" => self.isa = value.extract()?,
            _ => {
                let known = "threads, batch_size, normalize, orient, refuse_long_texts, copy_weights, language and isa";
                return Err(PyTypeError::new_err(format!("there is no such option; there are {known}")));
            }
        }
        Ok(())
    }

    /// The keyword arguments that [`Settings::from_python`] reads.
    pub fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let options = PyDict::new(py);
        options.set_item("threads", self.threads)?;
        options.set_item("batch_size", self.batch_size)?;
        options.set_item("normalize", self.normalize)?;
        options.set_item("orient", self.orient)?;
        options.set_item("refuse_long_texts", self.refuse_long_texts)?;
        options.set_item("copy_weights", self.copy_weights)?;
        options.set_item("language", &self.language)?;
        options.set_item("isa", &self.isa)?;
        Ok(options)
    }

    /// Those that differ from the defaults, as arguments: `, threads=2, orient=False`.
    pub fn shown(&self, py: Python<'_>) -> PyResult<String> {
        let (options, usual) = (self.to_python(py)?, Settings::default().to_python(py)?);
        let mut shown = String::new();
        for (name, value) in options {
            if !value.eq(usual.get_item(&name)?)? {
                shown += &format!(", {}={}", name, value.repr()?);
            }
        }
        Ok(shown)
    }

    fn isa(&self, py: Python<'_>) -> PyResult<Option<Isa>> {
        let Some(name) = &self.isa else { return Ok(None) };
        match Isa::named(name) {
            Ok(isa) => Ok(Some(isa)),
            Err(_) => {
                let runs: Vec<&str> = Isa::available().into_iter().map(|isa| isa.name()).collect();
                let reason = format!("isa is {name:?}, which this machine cannot run; it can run {}", runs.join(", "));
                Err(errors::option(py, &reason))
            }
        }
    }

    /// The options of the engine.
    pub fn options(&self, py: Python<'_>) -> PyResult<Options> {
        let mut options = Options::new()
            .batch_size(self.batch_size)
            .normalize(self.normalize)
            .orient(self.orient)
            .refuse_long_texts(self.refuse_long_texts)
            .copy_weights(self.copy_weights);
        if let Some(threads) = self.threads {
            options = options.threads(threads);
        }
        if let Some(isa) = self.isa(py)? {
            options = options.isa(isa);
        }
        Ok(options)
    }

    pub fn language(&self) -> Option<&str> {
        self.language.as_deref()
    }

    pub fn orients(&self) -> bool {
        self.orient
    }

    pub fn refuses_long_texts(&self) -> bool {
        self.refuse_long_texts
    }

    /// Number of inputs that keep the threads of a model busy for several passes.
    pub fn chunk(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.batch_size.saturating_mul(self.threads.unwrap_or(cores)).saturating_mul(8)
    }
}
