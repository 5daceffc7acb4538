//! Sentences to embeddings.

use std::path::Path;
use std::sync::Arc;

use ndarray::Array2;
use rayon::prelude::*;

use super::image::shaped;
use super::session::Session;
use super::{CancelToken, Fingerprint, Options, groups};
use crate::error::Error;
use crate::models::TextTower;
use crate::tokenizer::Tokenizer;

/// The text tower of a model; the pages of the image tower stay on disk.
///
/// Clones are cheap; all methods take `&self` and may be called from any number of threads at once.
#[derive(Clone)]
pub struct TextEncoder {
    session: Arc<Session>,
    cancel: CancelToken,
}

impl TextEncoder {
    /// Opens the text tower of a `.clippie` file with the default [`Options`].
    ///
    /// # Errors
    /// See [`Clip::open`](super::Clip::open); the file needs no image tower.
    pub fn open(path: impl AsRef<Path>) -> Result<TextEncoder, Error> {
        Options::new().open_text(path)
    }

    pub(super) fn from_session(session: Arc<Session>) -> Result<Self, Error> {
        if session.text.is_none() {
            return Err(Error::no_tower(session.weights.path(), "text"));
        }
        Ok(TextEncoder { session, cancel: CancelToken::new() })
    }

    /// One row for each text: `[texts, embed_dim]`.
    ///
    /// # Errors
    /// A model with another vocabulary than CLIP's; a text longer than the context, if
    /// [`Options::refuse_long_texts`] was asked for.
    pub fn encode(&self, texts: &[impl AsRef<str> + Sync]) -> Result<Array2<f32>, Error> {
        let tower = self.tower()?;
        let tokenizer = self.tokenizer()?;
        if tower.vocab_size() != tokenizer.vocab_size() {
            return Err(Error::Vocabulary { found: tower.vocab_size() });
        }
        let ids = self.session.install(|| {
            texts
                .par_iter()
                .with_min_len(64)
                .map(|text| {
                    let overflow = self.session.options.overflow;
                    tokenizer.tokenize(text.as_ref(), tower.context_length(), overflow)
                })
                .collect::<Result<Vec<_>, _>>()
        })?;
        self.run(tower, &ids)
    }

    /// Embeddings of token ids (start to end, padded with zeros or not): `[texts, embed_dim]`.
    ///
    /// # Errors
    /// Texts without ids or with more than the context holds; ids beyond the vocabulary.
    pub fn encode_ids(&self, ids: &[impl AsRef<[u32]> + Sync]) -> Result<Array2<f32>, Error> {
        let tower = self.tower()?;
        for ids in ids {
            tower.check(ids.as_ref()).map_err(|error| Error::model(self.session.weights.path(), error))?;
        }
        self.run(tower, ids)
    }

    /// Length of the embeddings.
    pub fn embed_dim(&self) -> usize {
        self.session.config.embed_dim
    }

    /// Token positions of the model, start and end included.
    pub fn context_length(&self) -> usize {
        self.tower().map_or(0, TextTower::context_length)
    }

    /// See [`Clip::fingerprint`](super::Clip::fingerprint).
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.session.fingerprint
    }

    /// See [`Clip::release`](super::Clip::release).
    pub fn release(&self) {
        self.session.release();
    }

    /// See [`Clip::with_cancel`](super::Clip::with_cancel).
    pub fn with_cancel(&self, token: &CancelToken) -> TextEncoder {
        TextEncoder { session: Arc::clone(&self.session), cancel: token.clone() }
    }

    fn tower(&self) -> Result<&TextTower, Error> {
        self.session.text.as_ref().ok_or_else(|| Error::no_tower(self.session.weights.path(), "text"))
    }

    fn tokenizer(&self) -> Result<&'static Tokenizer, Error> {
        self.session.tokenizer.ok_or_else(|| Error::no_tower(self.session.weights.path(), "text"))
    }

    fn run(&self, tower: &TextTower, ids: &[impl AsRef<[u32]> + Sync]) -> Result<Array2<f32>, Error> {
        let session = &*self.session;
        let dim = self.embed_dim();
        let mut out = vec![0.0; ids.len() * dim];
        let rows: Vec<usize> = ids.iter().map(|ids| tower.rows(ids.as_ref())).collect();
        session.install(|| {
            groups::run(&rows, session.options.batch_size, dim, &mut out, |group, sharing, out| {
                self.cancel.check()?;
                let texts = &ids[group.clone()];
                session.pass(sharing, |exec| session.arenas.with(|arena| tower.forward(exec, texts, arena, out)));
                session.finish("text", group.start, out)
            })
        })?;
        shaped(out, ids.len(), dim)
    }
}
