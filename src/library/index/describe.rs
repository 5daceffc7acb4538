//! What the library stores of a photo beside its embedding, and why one cannot be used.

use std::path::Path;

use super::super::store::PhotoRow;
use crate::clip::{Content, ObservedPhoto};
use crate::photo::Metadata;

/// The row of a photo that was encoded.
pub(super) fn photo(photo: &ObservedPhoto) -> PhotoRow {
    let content = photo.content().unwrap_or(Content { hash: [0; 32], len: 0 });
    match photo.observed() {
        Some(seen) => PhotoRow { picture: Some(seen.hash.to_bytes().to_vec()), ..described(&content, &seen.metadata) },
        None => PhotoRow { hash: content.hash, bytes: content.len, orientation: 1, ..PhotoRow::default() },
    }
}

/// The row of a photo of which the headers were read.
pub(super) fn described(content: &Content, seen: &Metadata) -> PhotoRow {
    let mut row = PhotoRow {
        hash: content.hash,
        bytes: content.len,
        format: Some(seen.format.name().to_ascii_lowercase()),
        width: u32::try_from(seen.width).unwrap_or(u32::MAX),
        height: u32::try_from(seen.height).unwrap_or(u32::MAX),
        orientation: seen.orientation,
        ..PhotoRow::default()
    };
    if let Some(taken) = &seen.taken {
        row.taken = Some(format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            taken.year, taken.month, taken.day, taken.hour, taken.minute, taken.second
        ));
        row.taken_offset = taken.offset_minutes.map(i32::from);
    }
    row.place = seen.place.map(|place| (place.latitude, place.longitude));
    row.camera = camera(seen.make.as_deref(), seen.model.as_deref());
    row
}

/// Maker and model in one: most models begin with their maker.
fn camera(make: Option<&str>, model: Option<&str>) -> Option<String> {
    let first = |text: &str| text.split_whitespace().next().unwrap_or_default().to_lowercase();
    match (make, model) {
        (Some(make), Some(model)) if first(make) == first(model) => Some(model.to_owned()),
        (Some(make), Some(model)) => Some(format!("{make} {model}")),
        (make, model) => model.or(make).map(str::to_owned),
    }
}

/// The reason of an error as the library keeps it: a sentence about `it`, without the path, which may change.
pub(super) fn reason(error: &crate::error::Error, path: &Path) -> String {
    let text = error.to_string();
    match text.strip_prefix(&path.display().to_string()) {
        Some(rest) if rest.starts_with(' ') => format!("it{rest}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_is_named_once() {
        for (make, model, expected) in [
            (Some("Canon"), Some("Canon EOS R6"), Some("Canon EOS R6")),
            (Some("NIKON CORPORATION"), Some("NIKON Z 6"), Some("NIKON Z 6")),
            (Some("Apple"), Some("iPhone 15"), Some("Apple iPhone 15")),
            (None, Some("X100"), Some("X100")),
            (Some("FUJIFILM"), None, Some("FUJIFILM")),
            (None, None, None),
        ] {
            assert_eq!(camera(make, model).as_deref(), expected);
        }
    }
}
