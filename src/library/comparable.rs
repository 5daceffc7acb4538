//! Which stored embeddings the queries of a model are compared with: its own, or, where that is allowed, those of the same
//! model in another precision.

use super::encoders::Encoders;
use super::error::Error;
use super::library::Library;
use super::store::{ModelRow, Store};
use crate::clip::{Fingerprint, Options};
use crate::weights::{Precision, WeightsFile};

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
    /// The stored embeddings that queries of a model are compared with. Messages call it `name`, which is to be what `-m` of the
    /// command takes. If the library has none
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

    /// The options with which a model reads photos as for the library's embeddings of it, or, if there are none, for those
    /// of the same model in another precision. `None` if the library has neither.
    ///
    /// # Errors
    /// The file describes no model; the library cannot be read.
    pub fn read_as(&self, options: Options, weights: &WeightsFile) -> Result<Option<Options>, Error> {
        let models = self.store()?.models()?;
        let own = |fingerprint: &Fingerprint| models.iter().any(|model| model.fingerprint == fingerprint.as_str());
        if let Some(own) = options.clone().read_as(weights, own)? {
            return Ok(Some(own));
        }
        let forms = || models.iter().filter_map(|model| model.form.as_ref());
        Ok(options.read_as_family(weights, |family| forms().any(|form| form.family == *family))?)
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
            // Its name leads to it, unless another one has it too.
            known: match models.iter().filter(|other| other.name == model.name).count() {
                1 => model.name.clone(),
                _ => model.fingerprint.clone(),
            },
        }),
        None => {
            let known = models.iter().map(|model| (&*model.name, &*model.fingerprint));
            Err(Error::other_model(store.path(), name, (&identity.name, fingerprint), known))
        }
    }
}
