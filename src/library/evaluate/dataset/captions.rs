//! Photos with captions: a CSV file with the columns `path` and `caption`.

use std::collections::HashMap;
use std::path::Path;

use super::{Caption, Dataset, Error, MAX_CAPTIONS, Photos, read_file};
use crate::files;

/// Reads the captions of the first `limit` photos.
pub(super) fn read(path: &Path, limit: usize) -> Result<Dataset, Error> {
    if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
        let reason = "it is no folder, and no .csv file with the columns path and caption";
        return Err(Error::dataset(path, reason));
    }
    let bytes = read_file(path)?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(bytes);
    let invalid = |error: csv::Error| Error::dataset(path, format!("it is no valid CSV: {error}"));
    let header = reader.byte_headers().map_err(invalid)?.clone();
    let column = |name: &str| header.iter().position(|field| field.trim_ascii().eq_ignore_ascii_case(name.as_bytes()));
    let (Some(paths), Some(texts)) = (column("path"), column("caption")) else {
        return Err(Error::dataset(path, "its first line does not name the columns path and caption"));
    };
    let (mut files, mut captions, mut known) = (Vec::new(), Vec::new(), HashMap::new());
    for record in reader.byte_records() {
        let record = record.map_err(invalid)?;
        let line = record.position().map_or(0, csv::Position::line);
        let field = |column: usize| record.get(column).unwrap_or_default().trim_ascii();
        let text = std::str::from_utf8(field(texts)).map_err(|_| {
            Error::dataset(path, format!("the caption on line {line} is not UTF-8; save the file as UTF-8"))
        })?;
        let file = files::path_of(field(paths)).filter(|file| !file.as_os_str().is_empty() && !text.is_empty());
        let Some(file) = file else {
            return Err(Error::dataset(path, format!("line {line} has no path or no caption")));
        };
        let photo = match known.get(&file) {
            Some(&photo) => photo,
            None if files.len() == limit => continue,
            None => {
                known.insert(file.clone(), files.len());
                files.push(Ok(files::folder(path).join(file)));
                files.len() - 1
            }
        };
        if captions.len() == MAX_CAPTIONS {
            let reason = format!("it has more than {MAX_CAPTIONS} captions; use fewer photos with a limit");
            return Err(Error::dataset(path, reason));
        }
        captions.push(Caption { photo, text: text.to_owned() });
    }
    let photos = Photos::Files(files);
    Ok(Dataset { path: path.to_owned(), kind: "captions", classes: Vec::new(), truth: Vec::new(), photos, captions })
}
