//! What a weights file holds: the types of its header.
//!
//! Nothing here touches files or memory maps.

use serde::{Deserialize, Serialize};

/// Columns of a packed panel.
///
/// 16 floats are one AVX-512 register, two of AVX2, four of NEON or SSE, and one cache line: the same file
/// serves every instruction set.
pub const PANEL: usize = 16;

/// Most dimensions a tensor may have.
pub(super) const MAX_RANK: usize = 8;

/// Type of the elements of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// IEEE 754 binary32, little-endian.
    F32,
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

impl TensorSpec {
    /// Elements stored in the file, padding of the layout included.
    ///
    /// `None` if the layout does not fit the shape (no dimension, a zero dimension, more than 8, or panels of
    /// more than two) or the number does not fit a `usize`.
    pub fn stored_len(&self) -> Option<usize> {
        if self.shape.is_empty() || self.shape.len() > MAX_RANK || self.shape.contains(&0) {
            return None;
        }
        match (self.layout, self.shape.as_slice()) {
            (Layout::Rows, shape) => shape.iter().try_fold(1usize, |len, &dim| len.checked_mul(dim)),
            (Layout::Panels16, &[n]) => n.checked_next_multiple_of(PANEL),
            (Layout::Panels16, &[k, n]) => n.checked_next_multiple_of(PANEL)?.checked_mul(k),
            (Layout::Panels16, _) => None,
        }
    }
}

/// Everything a file says besides its tensors.
///
/// The three descriptions are JSON objects that this module carries and never interprets.
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
    /// Naming scheme of the checkpoint: `openai`, `open_clip` or `huggingface`.
    pub source_layout: String,
    /// Known name of the model, if it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model_name: Option<String>,
    /// Program and version that converted it, such as `clippie-rs 0.1.0`.
    pub converter: String,
}
