//! Models whose embeddings the library has.

use std::path::{Component, Path, PathBuf, Prefix};

use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row};

use super::super::error::Error;
use super::{Store, path_from_bytes, path_to_bytes, schema};
use crate::clip::{Family, Fingerprint};
use crate::weights::Precision;

/// A model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ModelRow {
    pub id: i64,
    /// 32 hexadecimal digits, whoever wrote the library: file names are made of them.
    pub fingerprint: String,
    pub name: String,
    pub dim: usize,
    /// Changes with every removal or replacement of an embedding.
    pub epoch: i64,
    /// For sentences.
    pub text: Option<Calibration>,
    /// For photos.
    pub photo: Option<Calibration>,
    /// `None` until the model is used by a version that notes it.
    pub form: Option<Form>,
}

/// Which model it is, whatever its precision, and that precision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub family: Family,
    pub precision: Precision,
}

/// What scores of a model are measured against: cosines of photos with queries that have nothing to do with them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Calibration {
    pub median: f64,
    /// The mean of the highest hundredth.
    pub high: f64,
}

/// The columns of a model in a library of this version.
fn columns(version: i64) -> String {
    let form = if version < 5 { "NULL, NULL" } else { "family, precision" };
    format!("id, fingerprint, name, dim, epoch, text_median, text_high, photo_median, photo_high, {form}")
}

fn model(row: &Row<'_>) -> rusqlite::Result<ModelRow> {
    Ok(ModelRow {
        id: row.get(0)?,
        fingerprint: fingerprint(row.get(1)?)?,
        name: row.get(2)?,
        dim: row.get::<_, u32>(3)? as usize,
        epoch: row.get(4)?,
        text: calibration(row.get(5)?, row.get(6)?),
        photo: calibration(row.get(7)?, row.get(8)?),
        form: form(row.get(9)?, row.get(10)?),
    })
}

/// The text of a fingerprint, if it is one.
fn fingerprint(text: String) -> rusqlite::Result<String> {
    match text.parse::<Fingerprint>() {
        Ok(_) => Ok(text),
        Err(error) => Err(rusqlite::Error::FromSqlConversionFailure(1, Type::Text, error.into())),
    }
}

/// The form of two columns; one that cannot be, or is of a later version, is none.
fn form(family: Option<String>, precision: Option<String>) -> Option<Form> {
    let (family, precision) = family.zip(precision)?;
    Some(Form { family: family.parse().ok()?, precision: Precision::named(&precision)? })
}

/// The calibration of two columns; one that cannot be is none.
fn calibration(median: Option<f64>, high: Option<f64>) -> Option<Calibration> {
    let (median, high) = median.zip(high)?;
    (median.is_finite() && high.is_finite() && high > median).then_some(Calibration { median, high })
}

/// The longest path that is taken, in bytes: Linux opens no longer one.
const MAX_FILE: usize = 4096;

/// Whether a path of a library leads to the same file from everywhere, without asking another computer on Windows.
fn may_be_opened(path: &Path) -> bool {
    let on_a_drive = |path: &Path| match path.components().next() {
        Some(Component::Prefix(prefix)) => matches!(prefix.kind(), Prefix::Disk(_) | Prefix::VerbatimDisk(_)),
        _ => false,
    };
    path.is_absolute() && path.as_os_str().len() <= MAX_FILE && (!cfg!(windows) || on_a_drive(path))
}

impl Store {
    /// All models, in the order in which they came.
    pub fn models(&self) -> Result<Vec<ModelRow>, Error> {
        self.run(|connection| {
            let columns = columns(schema::version(connection)?);
            let mut statement = connection.prepare_cached(&format!("SELECT {columns} FROM model ORDER BY id"))?;
            statement.query_map([], model)?.collect()
        })
    }

    /// The model with this fingerprint.
    pub fn model(&self, fingerprint: &str) -> Result<Option<ModelRow>, Error> {
        self.run(|connection| {
            let columns = columns(schema::version(connection)?);
            let sql = format!("SELECT {columns} FROM model WHERE fingerprint = ?1");
            connection.prepare_cached(&sql)?.query_row([fingerprint], model).optional()
        })
    }

    /// The model with this fingerprint, added if it is new; the name is the latest one.
    pub fn add_model(&self, fingerprint: &str, name: &str, dim: usize) -> Result<ModelRow, Error> {
        let row = self.run(|connection| {
            let columns = columns(schema::VERSION);
            let sql = format!(
                "INSERT INTO model (fingerprint, name, dim) VALUES (?1, ?2, ?3)
                 ON CONFLICT (fingerprint) DO UPDATE SET name = excluded.name RETURNING {columns}"
            );
            connection.prepare_cached(&sql)?.query_row((fingerprint, name, dim as i64), model)
        })?;
        if row.dim != dim {
            return Err(self.damaged("the length of a model's embeddings differs from the model's"));
        }
        Ok(row)
    }

    /// Where the weights file of a model was when it was used last. A library may come from anywhere: what can be no path
    /// that was noted is none.
    pub fn model_file(&self, model: i64) -> Result<Option<PathBuf>, Error> {
        self.run(|connection| {
            if schema::version(connection)? < 3 {
                return Ok(None);
            }
            let mut statement = connection.prepare_cached("SELECT file FROM model WHERE id = ?1")?;
            let path: Option<Vec<u8>> = statement.query_row([model], |row| row.get(0))?;
            Ok(path.as_deref().map(path_from_bytes).filter(|path| may_be_opened(path)))
        })
    }

    /// Notes where the weights file of a model is: an absolute path.
    pub fn set_model_file(&self, model: i64, path: &Path) -> Result<(), Error> {
        if self.model_file(model)?.as_deref() == Some(path) {
            return Ok(());
        }
        self.run(|connection| {
            let mut statement = connection.prepare_cached("UPDATE model SET file = ?2 WHERE id = ?1")?;
            statement.execute((model, path_to_bytes(path))).map(drop)
        })
    }

    /// Notes which form of which model it is, unless that is known. Nobody waits for it, and where it cannot be written,
    /// the next use of the model does it.
    pub fn note_form(&self, model: &ModelRow, form: &Form) -> Result<(), Error> {
        if model.form.as_ref() == Some(form) || self.is_read_only() {
            return Ok(());
        }
        let noted = self.hastily(|store| {
            store.run(|connection| {
                let mut statement =
                    connection.prepare_cached("UPDATE model SET family = ?2, precision = ?3 WHERE id = ?1")?;
                statement.execute((model.id, form.family.as_str(), form.precision.name())).map(drop)
            })
        });
        match noted {
            Err(Error::Full { .. } | Error::ReadOnly { .. } | Error::Busy { .. }) => Ok(()),
            noted => noted,
        }
    }

    /// Sets what scores of a model are measured against.
    pub fn set_calibration(
        &self,
        model: i64,
        text: Option<Calibration>,
        photo: Option<Calibration>,
    ) -> Result<(), Error> {
        let part = |of: Option<Calibration>| (of.map(|of| of.median), of.map(|of| of.high));
        let ((text_median, text_high), (photo_median, photo_high)) = (part(text), part(photo));
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "UPDATE model SET text_median = ?2, text_high = ?3, photo_median = ?4, photo_high = ?5 WHERE id = ?1",
            )?;
            statement.execute((model, text_median, text_high, photo_median, photo_high)).map(drop)
        })
    }

    /// Notes that embeddings of all models were removed or replaced.
    pub fn next_epoch(&self) -> Result<(), Error> {
        self.run(|connection| connection.execute("UPDATE model SET epoch = epoch + 1", []).map(drop))
    }
}
