//! What a weights file holds: the types of its header.
//!
//! Nothing here touches files or memory maps.

use serde::{Deserialize, Serialize};

/// Columns of a packed panel.
///
/// 16 floats are one AVX-512 register, two of AVX2, four of NEON or SSE, and one cache line: the same file
/// serves every instruction set.
pub const PANEL: usize = crate::tensor::PANEL;

/// Most dimensions a tensor may have.
pub(super) const MAX_RANK: usize = 8;

/// Type of the elements of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// IEEE 754 binary32, little-endian.
    F32,
    /// IEEE 754 binary16, little-endian: lookup tables that lose nothing by it, widened row by row on use.
    F16,
}

/// How the elements of a tensor lie in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Dense, row-major.
    Rows,
    /// Panels of [`PANEL`] columns. A shape `[K, N]` (`y[n] = Σ_k x[k] · w[k][n]`) is stored as
    /// `[ceil(N / 16)][K][16]`, the missing columns of the last panel zero; a shape `[N]` (a bias) is stored
    /// with zeros up to a multiple of 16.
    Panels16,
}

/// The half of the model that a tensor belongs to; in a file the image tower comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tower {
    /// Photos to embeddings.
    Image,
    /// Sentences to embeddings.
    Text,
}

/// A tensor as a model sees it: everything but where it lies and what its bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Unique in the file: 1 to 256 printable ASCII characters, no space.
    pub name: String,
    /// The tower it belongs to.
    pub tower: Tower,
    /// Type of its elements.
    pub dtype: Dtype,
    /// How they lie in the file.
    pub layout: Layout,
    /// Dimensions, slowest first, without padding: 1 to 8 of them, none zero.
    pub shape: Vec<usize>,
}

impl Dtype {
    const ALL: [Dtype; 2] = [Dtype::F32, Dtype::F16];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "f32",
            Dtype::F16 => "f16",
        }
    }

    /// Bytes of an element.
    pub fn size(self) -> usize {
        match self {
            Dtype::F32 => 4,
            Dtype::F16 => 2,
        }
    }

    pub(super) fn of(name: &str) -> Option<Dtype> {
        Dtype::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}

impl Layout {
    const ALL: [Layout; 2] = [Layout::Rows, Layout::Panels16];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Layout::Rows => "rows",
            Layout::Panels16 => "panels16",
        }
    }

    pub(super) fn of(name: &str) -> Option<Layout> {
        Layout::ALL.into_iter().find(|layout| layout.name() == name)
    }
}

impl Tower {
    const ALL: [Tower; 2] = [Tower::Image, Tower::Text];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Tower::Image => "image",
            Tower::Text => "text",
        }
    }

    pub(super) fn of(name: &str) -> Option<Tower> {
        Tower::ALL.into_iter().find(|tower| tower.name() == name)
    }
}

impl TensorSpec {
    /// Elements stored in the file, padding of the layout included.
    ///
    /// `None` if the layout does not fit the shape (no dimension, a zero dimension, more than 8, or panels of
    /// more than two) or the element type (panels are `f32`), or the number does not fit a `usize`.
    pub fn stored_len(&self) -> Option<usize> {
        if self.shape.is_empty() || self.shape.len() > MAX_RANK || self.shape.contains(&0) {
            return None;
        }
        match (self.layout, self.shape.as_slice()) {
            (Layout::Panels16, _) if self.dtype != Dtype::F32 => None,
            (Layout::Rows, shape) => shape.iter().try_fold(1usize, |len, &dim| len.checked_mul(dim)),
            (Layout::Panels16, &[n]) => n.checked_next_multiple_of(PANEL),
            (Layout::Panels16, &[k, n]) => n.checked_next_multiple_of(PANEL)?.checked_mul(k),
            (Layout::Panels16, _) => None,
        }
    }

    /// Whether the places of `data`, stored as this tensor, that belong to no element are zero.
    pub(super) fn has_zero_padding(&self, data: &[f32]) -> bool {
        let columns = self.shape.last().map_or(0, |n| n % PANEL);
        if self.layout != Layout::Panels16 || columns == 0 {
            return true;
        }
        let rows = if self.shape.len() == 2 { self.shape[0] } else { 1 };
        let last_panel = data.len().saturating_sub(rows.saturating_mul(PANEL));
        data[last_panel..].chunks(PANEL).all(|row| row.iter().skip(columns).all(|&pad| pad == 0.0))
    }
}

/// Everything a file says besides its tensors.
///
/// The three descriptions are JSON that this module carries and never interprets.
#[derive(Clone, Debug, PartialEq)]
pub struct Meta {
    /// The model's configuration (`models::config::ModelConfig`).
    pub model: serde_json::Value,
    /// How photos become pixels (`preprocess::PreprocessConfig`).
    pub preprocess: serde_json::Value,
    /// Which tokenizer made the model's ids.
    pub tokenizer: serde_json::Value,
    /// Where the weights come from.
    pub provenance: Provenance,
}

/// Where the weights of a file come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Name of the checkpoint's file, without its folder.
    pub source: String,
    /// Lower-case hex SHA-256 of the checkpoint.
    pub source_sha256: String,
    /// Size of the checkpoint in bytes.
    pub source_bytes: u64,
    /// Naming scheme of the checkpoint: `openai`, `open_clip`, `huggingface` or `apple`.
    pub source_layout: String,
    /// Known name of the model, if it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model_name: Option<String>,
    /// Program and version that converted it, such as `clippie-rs 0.1.0`.
    pub converter: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(layout: Layout, shape: &[usize]) -> Option<usize> {
        let (name, shape) = ("t".into(), shape.to_vec());
        TensorSpec { name, tower: Tower::Image, dtype: Dtype::F32, layout, shape }.stored_len()
    }

    #[test]
    fn stored_length_counts_the_padding_of_the_layout() {
        assert_eq!(stored(Layout::Rows, &[3, 5]), Some(15));
        assert_eq!(stored(Layout::Rows, &[1; MAX_RANK]), Some(1));
        assert_eq!(stored(Layout::Panels16, &[1]), Some(16));
        assert_eq!(stored(Layout::Panels16, &[16]), Some(16));
        assert_eq!(stored(Layout::Panels16, &[3, 17]), Some(3 * 32));
    }

    #[test]
    fn padding_is_what_no_element_takes() {
        let spec = |layout, shape: &[usize]| {
            let shape = shape.to_vec();
            TensorSpec { name: "t".into(), tower: Tower::Image, dtype: Dtype::F32, layout, shape }
        };
        let ones = [1.0; 96];
        assert!(spec(Layout::Rows, &[5]).has_zero_padding(&ones[..5]));
        assert!(spec(Layout::Panels16, &[16]).has_zero_padding(&ones[..16]));
        assert!(spec(Layout::Panels16, &[3, 32]).has_zero_padding(&ones));
        assert!(!spec(Layout::Panels16, &[5]).has_zero_padding(&ones[..16]));

        let matrix = spec(Layout::Panels16, &[3, 31]);
        let mut data = ones;
        for row in 0..3 {
            assert!(!matrix.has_zero_padding(&data), "{row}");
            data[48 + row * 16 + 15] = 0.0;
        }
        assert!(matrix.has_zero_padding(&data));
    }

    #[test]
    fn impossible_shapes_have_no_length() {
        assert_eq!(stored(Layout::Rows, &[]), None);
        assert_eq!(stored(Layout::Rows, &[3, 0]), None);
        assert_eq!(stored(Layout::Rows, &[1; MAX_RANK + 1]), None);
        assert_eq!(stored(Layout::Rows, &[usize::MAX, 2]), None);
        assert_eq!(stored(Layout::Panels16, &[usize::MAX]), None);
        assert_eq!(stored(Layout::Panels16, &[usize::MAX, 1]), None);
        assert_eq!(stored(Layout::Panels16, &[2, 3, 4]), None);
    }

    #[test]
    fn names_are_the_same_in_tables_and_in_serde() {
        for dtype in Dtype::ALL {
            assert_eq!(serde_json::to_value(dtype).unwrap(), dtype.name());
            assert_eq!(Dtype::of(dtype.name()), Some(dtype));
        }
        for layout in Layout::ALL {
            assert_eq!(serde_json::to_value(layout).unwrap(), layout.name());
            assert_eq!(Layout::of(layout.name()), Some(layout));
        }
        for tower in Tower::ALL {
            assert_eq!(serde_json::to_value(tower).unwrap(), tower.name());
            assert_eq!(Tower::of(tower.name()), Some(tower));
        }
    }
}
