//! The installed models: lists and removes them.

use std::path::Path;

use super::Row;
use crate::Error;
use crate::cli::messages::{Failure, Messages, Outcome, size};
use crate::cli::pull;
use crate::hub::{Hub, StoredDownload, StoredModel};
use crate::weights::{Precision, WeightsFile};

/// Content of the models folder.
pub(super) struct Installed {
    hub: Hub,
    models: Vec<StoredModel>,
    downloads: Vec<StoredDownload>,
}

impl Installed {
    pub(super) fn load() -> Result<Installed, Failure> {
        let hub = Hub::from_env().map_err(Error::from)?;
        let models = hub.models().map_err(Error::from)?;
        let downloads = hub.downloads().map_err(Error::from)?;
        Ok(Installed { hub, models, downloads })
    }

    /// Adds path and size to the rows of known models, and appends rows for other models.
    pub(super) fn add_to(&self, rows: &mut Vec<Row>) {
        for model in &self.models {
            let name = model.name.to_string();
            let known = model.name.known().and_then(|known| rows.iter().position(|row| row.name == known.name));
            let row = match known {
                Some(at) if model.name.precision() == Precision::F32 => rows.get_mut(at),
                // The same model in another precision.
                Some(at) => {
                    let row = rows.get(at).map(|row| Row { name, ..row.clone() });
                    rows.extend(row);
                    rows.last_mut()
                }
                // Skip a file that cannot be read; using it reports the error.
                None => WeightsFile::open(&model.path).ok().and_then(|weights| {
                    let source = model.name.repository().to_owned();
                    rows.push(Row {
                        revision: model.name.revision().map(str::to_owned),
                        license_note: Some("not known here: see the repository"),
                        ..Row::of_file(name, source, weights.header())
                    });
                    rows.last_mut()
                }),
            };
            if let Some(row) = row {
                row.path = Some(model.path.to_string_lossy().into_owned());
                row.bytes = Some(model.bytes);
            }
        }
    }

    /// Formats the installed models and kept downloads, for the end of the table.
    pub(super) fn describe(&self) -> String {
        let mut text = if self.models.is_empty() {
            "\nNo model is installed yet: `clippie-rs pull NAME` installs one, and so does its first use.\n".to_owned()
        } else {
            format!("\nInstalled in {}:\n", self.hub.models_folder().display())
        };
        let names: Vec<String> = self.models.iter().map(|model| model.name.to_string()).collect();
        let width = names.iter().map(String::len).max().unwrap_or(0);
        for (name, model) in names.iter().zip(&self.models) {
            let file = model.path.file_name().map_or(model.path.as_path(), Path::new);
            text += &format!("{name:<width$}  {:>9}  {}\n", size(model.bytes), file.display());
        }
        for download in &self.downloads {
            let (name, bytes, path) = (&download.name, size(download.bytes), download.path.display());
            text += &match download.incomplete {
                true => format!("{name}: {bytes} of it downloaded in {path}; `clippie-rs pull {name}` goes on\n"),
                false => format!("{name}: {bytes} kept as downloaded in {path}\n"),
            };
        }
        text
    }
}

/// Removes models and reports the freed space.
pub(super) fn remove(names: &[String], messages: &Messages) -> Result<Outcome, Failure> {
    let hub = Hub::from_env().map_err(Error::from)?;
    for name in names {
        let name = pull::parse(name)?;
        let bytes = hub.remove(&name).map_err(Error::from)?;
        messages.result(&format!("removed {name}: {} are free again", size(bytes)));
    }
    Ok(Outcome::Complete)
}
