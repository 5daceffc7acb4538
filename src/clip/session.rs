//! State that the encoders of one opened model share: weights, towers, options, scratch memory, threads.

use std::fmt;
use std::sync::Arc;

use ndarray::Array2;

use super::batch::{Failures, Sharing};
use super::fingerprint::Parts;
use super::reading::Reading;
use super::{Family, Fingerprint, Options, tokenizer};
use crate::budget;
use crate::error::Error;
use crate::kernels::{Isa, Team, Workers};
use crate::layers::Exec;
use crate::models::config::ModelConfig;
use crate::models::{self, ImageTower, TextTower};
use crate::preprocess::PreprocessConfig;
use crate::tensor::{Arena, ArenaPool, NoScratch};
use crate::threads::Pool;
use crate::tokenizer::Tokenizer;
use crate::weights::{self, Precision, Refusal, Tower, WeightsFile};

/// An opened file, its towers and everything that runs them.
pub(crate) struct Session {
    pub(super) weights: WeightsFile,
    pub(super) config: ModelConfig,
    pub(super) preprocess: PreprocessConfig,
    pub(super) fingerprint: Fingerprint,
    pub(super) family: Family,
    pub(super) image: Option<Arc<ImageTower>>,
    pub(super) text: Option<Arc<TextTower>>,
    /// The tokenizer that the file names, if any.
    pub(super) tokenizer: Option<Tokenizer>,
    pub(super) options: Options,
    pub(super) arenas: ArenaPool,
    isa: Isa,
    pool: Arc<Pool>,
    /// Passes of the towers.
    #[cfg(test)]
    pub(super) passes: std::sync::atomic::AtomicUsize,
}

/// What a file and the options say about a model, before its towers are loaded.
pub(super) struct Description {
    config: ModelConfig,
    preprocess: PreprocessConfig,
    tokenizer: Option<Tokenizer>,
}

impl Description {
    pub fn read(weights: &WeightsFile, options: &Options) -> Result<Description, Error> {
        let meta = &weights.header().meta;
        let config = ModelConfig::from_json(&meta.model).map_err(|error| Error::model(weights.path(), error))?;
        // Parsed even if the options replace it, so that unknown settings of a file are refused.
        let invalid = |error: &dyn fmt::Display| Error::model(weights.path(), models::Error::Config(error.to_string()));
        let stated: PreprocessConfig =
            serde_json::from_value(meta.preprocess.clone()).map_err(|error| invalid(&error))?;
        stated.validate().map_err(|error| invalid(&error))?;
        let preprocess = options.preprocess.clone().unwrap_or(stated);
        preprocess.validate()?;
        if let Some(image) = &config.image
            && image.image_size() != preprocess.image_size
        {
            let reason = format!(
                "the image tower takes {} pixels a side but the preprocessing gives {}",
                image.image_size(),
                preprocess.image_size
            );
            return Err(Error::model(weights.path(), models::Error::Config(reason)));
        }
        let named = tokenizer::open(weights)?;
        let tokenizer = if options.repair { named } else { named.map(|tokenizer| tokenizer.without_repair()) };
        Ok(Description { config, preprocess, tokenizer })
    }

    pub fn fingerprint(&self, weights: &WeightsFile, reading: Reading, normalize: bool) -> Fingerprint {
        self.with_parts(weights, reading, normalize, Fingerprint::new)
    }

    pub fn family(&self, weights: &WeightsFile, reading: Reading, normalize: bool) -> Family {
        self.with_parts(weights, reading, normalize, |parts| Family::new(&weights.origin_hash(), parts))
    }

    fn with_parts<T>(
        &self,
        weights: &WeightsFile,
        reading: Reading,
        normalize: bool,
        of: impl FnOnce(&Parts<'_>) -> T,
    ) -> T {
        let tokenizer = self.tokenizer.as_ref().map(Tokenizer::config);
        let (content_hash, preprocess) = (weights.content_hash(), &self.preprocess);
        of(&Parts { content_hash, tokenizer: tokenizer.as_ref(), preprocess, reading, normalize })
    }
}

impl Session {
    pub(super) fn isa(&self) -> Isa {
        self.isa
    }

    pub(super) fn new(weights: WeightsFile, options: Options) -> Result<Session, Error> {
        let weights = if options.copy_weights { weights.to_memory()? } else { weights };
        let isa = match options.isa {
            Some(isa) => isa,
            None if weights.header().precision() == Precision::Int8 => Isa::detect_for_integers()?,
            None => Isa::detect()?,
        };
        let description = Description::read(&weights, &options)?;
        let (reading, normalize) = (options.photos.reading, options.normalize);
        let fingerprint = description.fingerprint(&weights, reading, normalize);
        let family = description.family(&weights, reading, normalize);
        let Description { config, preprocess, tokenizer } = description;
        let stored = tokenizer.as_ref().and_then(|tokenizer| tokenizer.is_stored().then_some(weights::TOKENIZER));
        let (image, text) =
            models::load(&weights, &config, stored).map_err(|error| Error::model(weights.path(), error))?;
        let pool = match (&options.pool, options.threads) {
            (Some(pool), _) => Pool::given(Arc::clone(pool)),
            (None, Some(threads)) => Pool::new(threads),
            (None, None) => Pool::shared(),
        };
        let arenas = ArenaPool::new(budget::pass_memory(weights.file_len()));
        Ok(Session {
            weights,
            config,
            preprocess,
            fingerprint,
            family,
            image: image.map(Arc::new),
            text: text.map(Arc::new),
            tokenizer,
            options,
            arenas,
            isa,
            pool: Arc::new(pool),
            #[cfg(test)]
            passes: Default::default(),
        })
    }

    /// See [`Clip::probability`](super::Clip::probability).
    pub(super) fn probability(&self, cosine: f32) -> Option<f32> {
        let bias = f64::from(self.config.logit_bias?);
        let logit = f64::from(self.config.logit_scale).exp() * f64::from(cosine) + bias;
        Some((1.0 / (1.0 + (-logit).exp())) as f32)
    }

    /// Runs `work` on the thread pool of the options.
    pub(super) fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.pool.install(work)
    }

    /// Runs a pass of `tower` on the calling thread, or on all threads of the current rayon pool. `work` may be called
    /// again with the same inputs, if the file of the weights was touched meanwhile.
    pub(super) fn pass(
        &self,
        tower: Tower,
        sharing: Sharing,
        mut work: impl FnMut(Exec<'_>, &mut Arena) -> Result<(), NoScratch>,
    ) -> Result<(), NoPass> {
        #[cfg(test)]
        self.passes.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let done = self.weights.during(tower, || {
            self.arenas.with(|arena| {
                arena.with_kept(|kept, arena| match sharing {
                    Sharing::Items => work(Exec::new(self.isa, Team::SERIAL).keeping(kept), arena),
                    Sharing::Passes => work(Exec::new(self.isa, Workers::gather().team()).keeping(kept), arena),
                })
            })
        });
        done.map_err(NoPass::Weights)?.map_err(NoPass::Scratch)
    }

    /// The error of an input whose pass was not run or whose results must not be used.
    pub(super) fn no_pass(&self, what: &'static str, reason: NoPass) -> Error {
        let error = match reason {
            NoPass::Weights(refusal) => models::Error::Weights(self.weights.error(weights::Reason::from(refusal))),
            NoPass::Scratch(refused) => models::Error::no_scratch(what, refused),
        };
        Error::model(self.weights.path(), error)
    }

    /// The threads that work runs on.
    pub(super) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Refuses a slice that does not have a row for each input.
    pub(super) fn check_len(&self, inputs: usize, out: &[f32]) -> Result<(), Error> {
        let expected = inputs.saturating_mul(self.config.embed_dim);
        if out.len() != expected {
            return Err(Error::OutputLength { len: out.len(), inputs, expected });
        }
        Ok(())
    }

    /// Finishes the rows of a pass: refuses rows that are not finite or have no length, and scales the others to length
    /// one if the options say so. `index` gives the index of each row's input in the batch.
    pub(super) fn finish(
        &self,
        what: &'static str,
        index: impl Fn(usize) -> usize,
        rows: &mut [f32],
        failures: &Failures,
    ) {
        let dim = self.config.embed_dim;
        for (index, row) in rows.chunks_exact_mut(dim).enumerate().map(|(place, row)| (index(place), row)) {
            let squares: f64 = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
            if !squares.is_finite() {
                row.fill(0.0);
                let error = models::Error::NotFinite { what, index };
                failures.add(index, Error::model(self.weights.path(), error));
            } else if squares == 0.0 {
                let error = models::Error::NoLength { what, index };
                failures.add(index, Error::model(self.weights.path(), error));
            } else if self.options.normalize {
                // The same guard against a short row as in the references.
                let length = squares.sqrt().max(1e-12);
                row.iter_mut().for_each(|v| *v = (f64::from(*v) / length) as f32);
            }
        }
    }

    pub(super) fn release(&self) {
        self.arenas.release();
        self.weights.release_pages();
        // What was freed meanwhile, such as decoded photos.
        crate::tensor::trim();
    }

    /// `Debug` of the public types that share this session.
    pub(super) fn debug(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        f.debug_struct(name)
            .field("weights", &self.weights.path())
            .field("embed_dim", &self.config.embed_dim)
            .field("fingerprint", &self.fingerprint.as_str())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Why a pass gives no embeddings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoPass {
    /// The weights are not those of the opened file.
    Weights(Refusal),
    /// There is no scratch memory for it.
    Scratch(NoScratch),
}

/// All values of an array of rows in standard layout.
pub(super) fn flat(rows: &mut Array2<f32>) -> &mut [f32] {
    rows.as_slice_mut().unwrap_or_default()
}
