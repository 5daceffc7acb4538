//! Sentences to embeddings.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use ndarray::Array2;
use rayon::prelude::*;

use super::batch::{self, Failures, Pass, spread};
use super::session::{NoPass, Session, flat};
use super::{CancelToken, Encoded, Family, Fingerprint, Options, Stream, memory};
use crate::error::Error;
use crate::kernels::Isa;
use crate::models::TextTower;
use crate::threads;
use crate::tokenizer::{Overflow, Tokenizer};
use crate::weights::{Tower, WeightsFile};

/// The text tower of a model; the pages of the image tower stay on disk.
///
/// Clones are cheap; all methods take `&self` and may be called from any number of threads at once.
#[derive(Clone)]
pub struct TextEncoder {
    session: Arc<Session>,
    tower: Arc<TextTower>,
    /// That of the file, if the tower takes its ids, for texts of `language`.
    tokenizer: Option<Tokenizer>,
    /// Another language than the one of the file.
    language: Option<Arc<str>>,
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
        let tower = session.text.clone().ok_or_else(|| Error::no_tower(session.weights.path(), "text"))?;
        let encoder = TextEncoder { session, tower, tokenizer: None, language: None, cancel: CancelToken::new() };
        Ok(encoder.without_language())
    }

    /// The encoder for texts of the language of the file.
    pub(crate) fn without_language(&self) -> TextEncoder {
        let tokenizer = self.session.tokenizer.clone().filter(|tokenizer| tokenizer.serves(self.tower.vocab_size()));
        TextEncoder { tokenizer, language: None, ..self.clone() }
    }

    /// Encodes texts, one row for each: `[texts, embed_dim]`.
    ///
    /// # Errors
    /// A model without tokenizer; a text longer than the context, if
    /// [`Options::refuse_long_texts`] is set.
    pub fn encode(&self, texts: impl IntoIterator<Item: AsRef<str> + Sync>) -> Result<Array2<f32>, Error> {
        let texts: Vec<_> = texts.into_iter().collect();
        let mut rows = memory::zeros(texts.len(), self.embed_dim(), "the embeddings")?;
        self.encode_all(&texts, flat(&mut rows))?;
        Ok(rows)
    }

    /// Encodes texts independently: one that fails does not affect the others.
    ///
    /// After a cancellation, finished rows are kept; all others fail with [`Error::Cancelled`].
    pub fn encode_each(&self, texts: impl IntoIterator<Item: AsRef<str> + Sync>) -> Encoded {
        let texts: Vec<_> = texts.into_iter().collect();
        let mut rows = Array2::zeros((texts.len(), self.embed_dim()));
        let errors = self.run_each(&texts, flat(&mut rows));
        Encoded { rows, errors }
    }

    /// Encodes texts independently, as [`TextEncoder::encode_each`] does, into a slice of `texts · embed_dim` values, row
    /// after row; rows of texts that failed are zeros. Returns the texts that failed, as [`Encoded::errors`].
    ///
    /// # Errors
    /// A slice of another length.
    pub fn encode_each_into(
        &self,
        texts: impl IntoIterator<Item: AsRef<str> + Sync>,
        out: &mut [f32],
    ) -> Result<Vec<(usize, Error)>, Error> {
        let texts: Vec<_> = texts.into_iter().collect();
        self.session.check_len(texts.len(), out)?;
        out.fill(0.0);
        Ok(self.run_each(&texts, out))
    }

    /// Encodes one text.
    ///
    /// # Errors
    /// See [`TextEncoder::encode`].
    pub fn encode_one(&self, text: impl AsRef<str>) -> Result<Vec<f32>, Error> {
        let mut row = vec![0.0; self.embed_dim()];
        self.encode_all(&[text.as_ref()], &mut row).map_err(Error::without_index)?;
        Ok(row)
    }

    /// Encodes texts into a slice of `texts · embed_dim` values, row after row.
    ///
    /// # Errors
    /// A slice of another length, and those of [`TextEncoder::encode`], after which the content of the slice is
    /// unspecified.
    pub fn encode_into(&self, texts: impl IntoIterator<Item: AsRef<str> + Sync>, out: &mut [f32]) -> Result<(), Error> {
        let texts: Vec<_> = texts.into_iter().collect();
        self.session.check_len(texts.len(), out)?;
        self.encode_all(&texts, out)
    }

    /// Encodes token ids (start to end, padded as the model pads or not): `[texts, embed_dim]`.
    ///
    /// # Errors
    /// Texts without ids or with more than the context holds; ids beyond the vocabulary.
    pub fn encode_ids(&self, ids: impl IntoIterator<Item: AsRef<[u32]> + Sync>) -> Result<Array2<f32>, Error> {
        let ids: Vec<_> = ids.into_iter().collect();
        for (index, ids) in ids.iter().enumerate() {
            self.check_ids(ids.as_ref(), index)?;
        }
        let mut rows = memory::zeros(ids.len(), self.embed_dim(), "the embeddings")?;
        self.run(&ids, flat(&mut rows), Failures::fail_fast()).into_result()?;
        Ok(rows)
    }

    /// Encodes any number of texts, in order and with bounded memory: see [`Stream`].
    pub fn stream<'a, I>(&self, texts: I) -> Stream<'a, I::IntoIter>
    where
        I: IntoIterator,
        I::Item: AsRef<str> + Send + Sync + 'static,
    {
        let encoder = self.clone();
        let work = move |texts: &[I::Item], _: &[_], token: &CancelToken| encoder.with_cancel(token).encode_each(texts);
        Stream::new(texts.into_iter(), &self.session, &self.cancel, work)
    }

    /// Length of the embeddings.
    #[must_use]
    pub fn embed_dim(&self) -> usize {
        self.session.config.embed_dim
    }

    /// See [`Clip::logit_scale`](super::Clip::logit_scale).
    #[must_use]
    pub fn logit_scale(&self) -> f32 {
        self.session.config.logit_scale.exp()
    }

    /// See [`Clip::logit_bias`](super::Clip::logit_bias).
    #[must_use]
    pub fn logit_bias(&self) -> Option<f32> {
        self.session.config.logit_bias
    }

    /// See [`Clip::probability`](super::Clip::probability).
    #[must_use]
    pub fn probability(&self, cosine: f32) -> Option<f32> {
        self.session.probability(cosine)
    }

    /// Token positions of the model, start and end included.
    #[must_use]
    pub fn context_length(&self) -> usize {
        self.tower.context_length()
    }

    /// The tokenizer that texts are read with; `None` for a model that takes ids alone: its file holds no tokenizer, or
    /// one of another vocabulary than its text tower.
    #[must_use]
    pub fn tokenizer(&self) -> Option<&Tokenizer> {
        self.tokenizer.as_ref()
    }

    /// Clones the encoder for texts of a language, for a model whose texts have one: NLLB. Without this, they are English.
    ///
    /// `language` is its name in FLORES-200, such as `deu_Latn`, or its code of ISO 639-1, such as `de`. Embeddings of all
    /// languages may be compared: the fingerprint stays.
    ///
    /// # Errors
    /// A model that has no languages, or not this one.
    pub fn with_language(&self, language: &str) -> Result<TextEncoder, Error> {
        let Some(tokenizer) = &self.tokenizer else { return Err(Error::Vocabulary { found: self.tower.vocab_size() }) };
        let tokenizer = Some(tokenizer.with_language(language)?);
        Ok(TextEncoder { tokenizer, language: Some(language.into()), ..self.clone() })
    }

    /// The language of [`TextEncoder::with_language`].
    #[must_use]
    pub fn language(&self) -> Option<&str> {
        self.language.as_deref()
    }

    /// What caches know a text by: the text, and before it the language if it is not the one of the file.
    pub(crate) fn cached_as<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &self.language {
            None => Cow::Borrowed(text),
            Some(language) => Cow::Owned(format!("{language}\u{1f}{text}")),
        }
    }

    /// See [`Clip::fingerprint`](super::Clip::fingerprint).
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.session.fingerprint
    }

    /// See [`Clip::family`](super::Clip::family).
    #[must_use]
    pub fn family(&self) -> &Family {
        &self.session.family
    }

    /// See [`Clip::isa`](super::Clip::isa).
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.session.isa()
    }

    /// See [`Clip::weights`](super::Clip::weights).
    #[must_use]
    pub fn weights(&self) -> &WeightsFile {
        &self.session.weights
    }

    /// See [`Clip::release`](super::Clip::release).
    pub fn release(&self) {
        self.session.release();
    }

    /// See [`Clip::with_cancel`](super::Clip::with_cancel).
    #[must_use]
    pub fn with_cancel(&self, token: &CancelToken) -> TextEncoder {
        TextEncoder { cancel: token.clone(), ..self.clone() }
    }

    /// Refuses texts that [`TextEncoder::encode`] would refuse for their length.
    pub(super) fn refuse_long(&self, texts: &[impl AsRef<str> + Sync]) -> Result<(), Error> {
        match self.session.options.overflow {
            Overflow::Refuse => self.tokenize(texts).into_iter().try_for_each(|ids| ids.map(|_| ())),
            Overflow::Truncate => Ok(()),
        }
    }

    /// Refuses ids that the tower does not take; `index` is that of their text in the batch.
    fn check_ids(&self, ids: &[u32], index: usize) -> Result<(), Error> {
        let refused = |error| Error::model(self.session.weights.path(), error).of_item("text", Some(index), None);
        self.tower.check(ids).map_err(refused)
    }

    /// Token ids of each text.
    fn tokenize(&self, texts: &[impl AsRef<str> + Sync]) -> Vec<Result<Vec<u32>, Error>> {
        let context_length = self.tower.context_length();
        let overflow = self.session.options.overflow;
        let one = |index: usize, text: &str| {
            let Some(tokenizer) = self.tokenizer() else {
                return Err(Error::Vocabulary { found: self.tower.vocab_size() });
            };
            let ids = tokenizer.tokenize(text, context_length, overflow);
            let ids = ids.map_err(|error| Error::from(error).of_item("text", Some(index), None))?;
            // A file of pieces may have more of them than the embedding has rows.
            self.check_ids(&ids, index)?;
            Ok(ids)
        };
        self.session.install(|| {
            let texts = texts.par_iter().with_min_len(64).enumerate();
            threads::map(texts, |(index, text)| one(index, text.as_ref()))
        })
    }

    /// Encodes texts to `out [texts, embed_dim]`; stops at the first error.
    fn encode_all(&self, texts: &[impl AsRef<str> + Sync], out: &mut [f32]) -> Result<(), Error> {
        let ids = self.tokenize(texts).into_iter().collect::<Result<Vec<_>, _>>()?;
        self.run(&ids, out, Failures::fail_fast()).into_result()
    }

    /// Encodes texts independently to `out [texts, embed_dim]`, which holds zeros.
    fn run_each(&self, texts: &[impl AsRef<str> + Sync], out: &mut [f32]) -> Vec<(usize, Error)> {
        let dim = self.embed_dim();
        let (mut ids, mut places, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for (place, result) in self.tokenize(texts).into_iter().enumerate() {
            match result {
                Ok(tokens) => {
                    ids.push(tokens);
                    places.push(place);
                }
                Err(error) => errors.push((place, error)),
            }
        }
        let failures = self.run(&ids, &mut out[..ids.len() * dim], Failures::per_item());
        spread(out, dim, &places);
        errors.extend(failures.into_errors().into_iter().map(|(from, error)| {
            let place = places[from];
            (place, error.shifted(place - from))
        }));
        errors.sort_by_key(|(place, _)| *place);
        errors
    }

    /// Encodes checked ids to `out [texts, embed_dim]`.
    fn run(&self, ids: &[impl AsRef<[u32]> + Sync], out: &mut [f32], failures: Failures) -> Failures {
        let session = &*self.session;
        let rows: Vec<usize> = ids.iter().map(|ids| self.tower.rows(ids.as_ref())).collect();
        session.install(|| {
            batch::run(&rows, session.options.batch_size, session.config.embed_dim, out, |pass| {
                self.pass(pass, ids, &failures);
            });
        });
        failures
    }

    /// Encodes one pass: tower, unit rows.
    fn pass(&self, pass: Pass<'_>, ids: &[impl AsRef<[u32]> + Sync], failures: &Failures) {
        let Pass { items, sharing, out } = pass;
        if failures.stopped() {
            return;
        }
        if self.cancel.is_cancelled() {
            return items.for_each(|index| failures.add(index, Error::Cancelled));
        }
        let (session, texts) = (&*self.session, &ids[items.clone()]);
        let done = session.pass(Tower::Text, sharing, |exec, arena| self.tower.forward(exec, texts, arena, out));
        match done {
            Ok(()) => session.finish("text", |place| items.start + place, out, failures),
            Err(NoPass::Scratch(_)) if items.len() > 1 => {
                // Half of them take half of the memory.
                let (first, second) = out.split_at_mut(items.len() / 2 * session.config.embed_dim);
                let middle = items.start + items.len() / 2;
                self.pass(Pass { items: items.start..middle, sharing, out: first }, ids, failures);
                self.pass(Pass { items: middle..items.end, sharing, out: second }, ids, failures);
            }
            Err(reason) => {
                out.fill(0.0);
                items.for_each(|index| failures.add(index, session.no_pass("text", reason.clone())));
            }
        }
    }
}

impl fmt::Debug for TextEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.debug(f, "TextEncoder")
    }
}
