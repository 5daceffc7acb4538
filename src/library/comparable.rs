//! Which stored embeddings the queries of a model are compared with: its own, or, where that is allowed, those of the same
//! model in another precision.

use super::encoders::Encoders;
use super::error::Error;
use super::library::Library;
use super::store::{ModelRow, Store};
use crate::weights::Precision;

/// The stored embeddings that queries of a model are compared with: see [`Library::comparable`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Comparable {
    /// The [fingerprint](crate::Fingerprint) of the stored embeddings.
    pub fingerprint: String,
    /// The precisions of the queries and of the stored embeddings, if they differ.
    pub precisions: Option<Precisions>,
}

/// Two precisions of one model, which differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Precisions {
    /// Of the model that makes queries.
    pub query: Precision,
    /// Of the model that made the stored embeddings.
    pub stored: Precision,
}

impl Library {
    /// The stored embeddings that queries of a model, called `name` in messages, are compared with. If the library has none
    /// of the model, those of the same model in another precision are taken, provided that the model's precision is
    /// among the `allowed` ones; of several, those in the highest precision.
    ///
    /// # Errors
    /// The library has no embeddings of this model, or only in another precision and the model's own is not among the
    /// `allowed` ones ([`Error::OtherPrecision`]); the library cannot be read.
    pub fn comparable(
        &self,
        encoders: impl Into<Encoders>,
        name: &str,
        allowed: &[Precision],
    ) -> Result<Comparable, Error> {
        let (model, precisions) = find(&*self.store()?, &encoders.into(), name, allowed)?;
        Ok(Comparable { fingerprint: model.fingerprint, precisions })
    }
}

/// See [`Library::comparable`]. Notes which form of which model the library has, where it did not know.
pub(super) fn find(
    store: &Store,
    encoders: &Encoders,
    name: &str,
    allowed: &[Precision],
) -> Result<(ModelRow, Option<Precisions>), Error> {
    let Some(identity) = encoders.identity() else {
        return Err(Error::Query("the model has no tower; use one with an image or a text tower".into()));
    };
    let fingerprint = identity.fingerprint.as_str();
    if let Some(model) = store.model(fingerprint)? {
        store.note_form(&model, &identity.form)?;
        return Ok((model, None));
    }
    let models = store.models()?;
    let query = identity.form.precision;
    let other = |model: &ModelRow| {
        let form = model.form.as_ref()?;
        let is_same = form.family == identity.form.family && model.dim == identity.embed_dim;
        (is_same && form.precision != query).then_some(form.precision)
    };
    let nearest = models.iter().filter_map(|model| Some((other(model)?, model))).min_by_key(|(stored, _)| *stored);
    match nearest {
        Some((stored, model)) if allowed.contains(&query) => Ok((model.clone(), Some(Precisions { query, stored }))),
        Some((stored, model)) => Err(Error::OtherPrecision {
            path: store.path().to_owned(),
            name: name.to_owned(),
            precisions: Precisions { query, stored },
            known: model.name.clone(),
        }),
        None => {
            let known = models.iter().map(|model| (&*model.name, &*model.fingerprint));
            Err(Error::other_model(store.path(), (name, fingerprint), known))
        }
    }
}
