//! What the encoders of one opened model share.

use std::sync::Arc;

use super::fingerprint::{Parts, TokenizerIdentity};
use super::groups::Sharing;
use super::{Fingerprint, Options};
use crate::error::Error;
use crate::kernels::{Crew, Isa, Team};
use crate::layers::Exec;
use crate::models::config::ModelConfig;
use crate::models::{self, ImageTower, TextTower};
use crate::preprocess::PreprocessConfig;
use crate::tensor::ArenaPool;
use crate::weights::WeightsFile;

/// An opened file, its towers and the means to run them.
pub(crate) struct Session {
    pub(super) weights: WeightsFile,
    pub(super) config: ModelConfig,
    pub(super) preprocess: PreprocessConfig,
    pub(super) fingerprint: Fingerprint,
    pub(super) image: Option<ImageTower>,
    pub(super) text: Option<TextTower>,
    pub(super) options: Options,
    pub(super) arenas: ArenaPool,
    isa: Isa,
    pool: Option<Arc<rayon::ThreadPool>>,
}

impl Session {
    pub(super) fn new(weights: WeightsFile, options: Options) -> Result<Session, Error> {
        let isa = match options.isa {
            Some(isa) => isa,
            None => Isa::detect()?,
        };
        let meta = &weights.header().meta;
        let config: ModelConfig = serde_json::from_value(meta.model.clone())
            .map_err(|error| models::Error::Config(error.to_string()))
            .and_then(|config: ModelConfig| config.validate().map(|()| config))
            .map_err(|error| Error::model(weights.path(), error))?;
        let preprocess = match &options.preprocess {
            Some(preprocess) => preprocess.clone(),
            None => serde_json::from_value(meta.preprocess.clone())
                .map_err(|error| Error::model(weights.path(), models::Error::Config(error.to_string())))?,
        };
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
        let image = config.image.as_ref().map(|image| ImageTower::load(&weights, image, config.embed_dim));
        let text = config.text.as_ref().map(|text| TextTower::load(&weights, text, config.embed_dim));
        let image = image.transpose().map_err(|error| Error::model(weights.path(), error))?;
        let text = text.transpose().map_err(|error| Error::model(weights.path(), error))?;
        let pool = match (&options.pool, options.threads) {
            (Some(pool), _) => Some(Arc::clone(pool)),
            (None, Some(threads)) => Some(Arc::new(
                rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .thread_name(|i| format!("clippie-{i}"))
                    .build()
                    .map_err(|error| Error::Threads(error.to_string()))?,
            )),
            (None, None) => None,
        };
        let fingerprint = Fingerprint::new(&Parts {
            content_hash: weights.content_hash(),
            tokenizer: TokenizerIdentity::CLIP,
            preprocess: &preprocess,
            orient: options.orient,
            normalize: options.normalize,
        });
        Ok(Session {
            weights,
            config,
            preprocess,
            fingerprint,
            image,
            text,
            options,
            arenas: ArenaPool::default(),
            isa,
            pool,
        })
    }

    /// Runs `work` on the threads that the options name.
    pub(super) fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(work),
            // A thread of the global pool; the calling one may be none.
            None => rayon::scope(|_| work()),
        }
    }

    /// Runs a pass on the calling thread, or on all of the current rayon pool.
    pub(super) fn pass<R>(&self, sharing: Sharing, work: impl FnOnce(Exec<'_>) -> R) -> R {
        match sharing {
            Sharing::Items => work(Exec::new(self.isa, Team::ALONE)),
            Sharing::Passes => work(Exec::new(self.isa, Crew::gather().team())),
        }
    }

    /// Ends a pass: refuses what is not finite, scales rows to length one if asked for.
    pub(super) fn finish(&self, what: &'static str, first: usize, rows: &mut [f32]) -> Result<(), Error> {
        for (i, row) in rows.chunks_exact_mut(self.config.embed_dim).enumerate() {
            let squares: f64 = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
            if !squares.is_finite() {
                let error = models::Error::NotFinite { what, index: first + i };
                return Err(Error::model(self.weights.path(), error));
            }
            if self.options.normalize {
                // The same guard against a zero row as the references have.
                let length = squares.sqrt().max(1e-12);
                row.iter_mut().for_each(|v| *v = (f64::from(*v) / length) as f32);
            }
        }
        Ok(())
    }

    pub(super) fn release(&self) {
        self.arenas.release();
        self.weights.release_pages();
    }
}
