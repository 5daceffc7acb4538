//! The types of the header: element types, layouts, towers, tensors, provenance.
//!
//! Nothing here touches files or memory maps.

use serde::{Deserialize, Serialize};

use super::view::Element;
use super::{quads, scaled_rows};

/// Columns of a packed panel.
///
/// 16 floats fill one AVX-512 register, two of AVX2, four of NEON or SSE, and one cache line, so one file serves
/// every instruction set.
pub const PANEL: usize = crate::tensor::PANEL;

/// The tensor of a text tower's tokenizer whose pieces come with the model: `u32`, in the layout `rows`, of one dimension.
pub const TOKENIZER: &str = "text.tokenizer";

/// The table of tokens of a text tower: the lookup table that may have any element type of numbers.
pub(super) const TOKEN_TABLE: &str = "text.token_embedding";

/// Maximum number of dimensions.
pub(super) const MAX_RANK: usize = 8;

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Dtype {
    /// IEEE 754 binary32, little-endian.
    F32,
    /// IEEE 754 binary16, little-endian: lookup tables, and matrices in a file of this precision, widened on use.
    F16,
    /// Signed integers of 8 bits: lookup tables in the layout [`Layout::ScaledRows`], and matrices in the layout
    /// [`Layout::Quads16`].
    I8,
    /// Unsigned integers of 32 bits, little-endian: data that is no number of a model, such as its tokenizer.
    U32,
}

/// Element type of the matrices and tables of a file: of nearly all of its numbers. Biases, norms, positions, depthwise
/// convolutions and first layers are `f32` in every one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// IEEE 754 binary32: what the other precisions are compared with.
    #[default]
    F32,
    /// IEEE 754 binary16: half of the size, and each number off by at most a 2048th of itself.
    F16,
    /// 8-bit integers with a scale for each output of the linear layers of blocks, and for each row of the token table; all
    /// else is as in [`Precision::F16`]. A quarter of the size. A number is off by up to a 254th of the largest magnitude of
    /// its column or row, and the inputs of these layers are rounded to 8 bits, too.
    Int8,
}

impl Precision {
    const ALL: [Precision; 3] = [Precision::F32, Precision::F16, Precision::Int8];

    /// Name in options and model names.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
            Precision::Int8 => "int8",
        }
    }

    /// The precision with this name.
    pub fn named(name: &str) -> Option<Precision> {
        Precision::ALL.into_iter().find(|precision| precision.name() == name)
    }
}

/// Storage order of the elements of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Layout {
    /// Dense, row-major.
    Rows,
    /// Panels of 16 columns. A shape `[K, N]` (`y[n] = Σ_k x[k] · w[k][n]`) is stored as `[ceil(N / 16)][K][16]`
    /// with zeros for the missing columns of the last panel; a shape `[N]` (a bias) is padded with zeros to a
    /// multiple of 16.
    Panels16,
    /// The rows of a matrix, each a scale (binary32, little-endian) and then an integer for each element, which is the
    /// integer times the scale. Bytes are counted as elements, so `[R, N]` is stored as `[R][4 + N]`.
    ScaledRows,
    /// Integers in panels of 16 columns, four inputs of a column together: `[K, N]` is stored as
    /// `[ceil(N / 16)][ceil(K / 4)][16][4]`, with zeros for missing columns and inputs. K is 65536 at most.
    Quads16,
}

/// The half of the model that a tensor belongs to. In a file the image tower comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Tower {
    /// Encodes photos.
    Image,
    /// Encodes texts.
    Text,
}

/// A tensor as a model sees it: everything but its offset and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorSpec {
    /// Unique in the file: 1 to 256 printable ASCII characters, no space.
    pub name: String,
    /// The tower it belongs to.
    pub tower: Tower,
    /// Its element type.
    pub dtype: Dtype,
    /// Its storage order.
    pub layout: Layout,
    /// 1 to 8 dimensions, slowest first, none zero, without the padding of the layout.
    pub shape: Vec<usize>,
}

impl Dtype {
    const ALL: [Dtype; 4] = [Dtype::F32, Dtype::F16, Dtype::I8, Dtype::U32];

    /// Name in files.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "f32",
            Dtype::F16 => "f16",
            Dtype::I8 => "i8",
            Dtype::U32 => "u32",
        }
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Dtype::F32 | Dtype::U32 => 4,
            Dtype::F16 => 2,
            Dtype::I8 => 1,
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Dtype> {
        Dtype::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}

impl Layout {
    const ALL: [Layout; 4] = [Layout::Rows, Layout::Panels16, Layout::ScaledRows, Layout::Quads16];

    /// Name in files.
    pub fn name(self) -> &'static str {
        match self {
            Layout::Rows => "rows",
            Layout::Panels16 => "panels16",
            Layout::ScaledRows => "scaled_rows",
            Layout::Quads16 => "quads16",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Layout> {
        Layout::ALL.into_iter().find(|layout| layout.name() == name)
    }

    /// Whether an engine exists for elements of `dtype` in this layout; no other pair is written or opened.
    pub fn supports(self, dtype: Dtype) -> bool {
        match self {
            Layout::Rows => dtype != Dtype::I8,
            Layout::Panels16 => matches!(dtype, Dtype::F32 | Dtype::F16),
            Layout::ScaledRows | Layout::Quads16 => dtype == Dtype::I8,
        }
    }
}

impl Tower {
    const ALL: [Tower; 2] = [Tower::Image, Tower::Text];

    /// Name in files.
    pub fn name(self) -> &'static str {
        match self {
            Tower::Image => "image",
            Tower::Text => "text",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Tower> {
        Tower::ALL.into_iter().find(|tower| tower.name() == name)
    }
}

impl TensorSpec {
    /// A tensor of this name, tower, element type, layout and shape. Checked when a file is written.
    #[doc(hidden)]
    pub fn new(name: impl Into<String>, tower: Tower, dtype: Dtype, layout: Layout, shape: &[usize]) -> TensorSpec {
        TensorSpec { name: name.into(), tower, dtype, layout, shape: shape.to_vec() }
    }

    /// Number of stored elements, padding and scales of the layout included.
    ///
    /// `None` if the layout cannot store the shape (no dimension, a zero dimension, more than 8, panels of more than two,
    /// scaled rows or quads of another number than two, or quads of more than 65536 rows), or if the number does not fit a
    /// `usize`.
    pub fn stored_len(&self) -> Option<usize> {
        if self.shape.is_empty() || self.shape.len() > MAX_RANK || self.shape.contains(&0) {
            return None;
        }
        match (self.layout, self.shape.as_slice()) {
            (Layout::Rows, shape) => shape.iter().try_fold(1usize, |len, &dim| len.checked_mul(dim)),
            (Layout::Panels16, &[n]) => n.checked_next_multiple_of(PANEL),
            (Layout::Panels16, &[k, n]) => n.checked_next_multiple_of(PANEL)?.checked_mul(k),
            (Layout::ScaledRows, &[rows, width]) => scaled_rows::stored_width(width)?.checked_mul(rows),
            (Layout::Quads16, &[k, n]) => quads::stored_len(k, n),
            (Layout::Panels16 | Layout::ScaledRows | Layout::Quads16, _) => None,
        }
    }

    /// Whether the padding in `data`, this tensor as stored, is zero.
    pub(super) fn has_zero_padding<T: Element>(&self, data: &[T]) -> bool {
        let columns = self.shape.last().map_or(0, |n| n % PANEL);
        if self.layout != Layout::Panels16 || columns == 0 {
            return true;
        }
        let rows = if self.shape.len() == 2 { self.shape[0] } else { 1 };
        let last_panel = data.len().saturating_sub(rows.saturating_mul(PANEL));
        data[last_panel..].chunks(PANEL).all(|row| row.iter().skip(columns).all(|&pad| pad == T::zeroed()))
    }
}

/// The header without the tensor table.
///
/// `model`, `preprocess` and `tokenizer` are JSON that this module stores and never interprets.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Meta {
    /// Configuration of the model (`models::config::ModelConfig`).
    pub model: serde_json::Value,
    /// Preprocessing of photos (`preprocess::PreprocessConfig`).
    pub preprocess: serde_json::Value,
    /// The tokenizer of the text tower (`tokenizer::TokenizerConfig`); null without one.
    pub tokenizer: serde_json::Value,
    /// Origin of the weights.
    pub provenance: Provenance,
}

/// Origin of the weights of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Provenance {
    /// File name of the checkpoint, without its folder.
    pub source: String,
    /// Lower-case hex SHA-256 of the checkpoint.
    pub source_sha256: String,
    /// Size of the checkpoint in bytes.
    pub source_bytes: u64,
    /// Tensor naming of the checkpoint: `openai`, `open_clip`, `huggingface` or `apple`.
    pub source_layout: String,
    /// Catalogue name of the model, if it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model_name: Option<String>,
    /// Program and version that wrote the file, such as `clippie-rs 0.1.0`.
    pub converter: String,
}

impl Meta {
    /// The sections of a header.
    #[doc(hidden)]
    pub fn new(
        model: serde_json::Value,
        preprocess: serde_json::Value,
        tokenizer: serde_json::Value,
        provenance: Provenance,
    ) -> Meta {
        Meta { model, preprocess, tokenizer, provenance }
    }
}

impl Provenance {
    /// The checkpoint file `source` in the naming `source_layout`, written by `converter`. The model has no name yet.
    #[doc(hidden)]
    pub fn new(
        source: impl Into<String>,
        source_sha256: impl Into<String>,
        source_bytes: u64,
        source_layout: impl Into<String>,
        converter: impl Into<String>,
    ) -> Provenance {
        Provenance {
            source: source.into(),
            source_sha256: source_sha256.into(),
            source_bytes,
            source_layout: source_layout.into(),
            model_name: None,
            converter: converter.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(layout: Layout, shape: &[usize]) -> Option<usize> {
        TensorSpec::new("t", Tower::Image, Dtype::F32, layout, shape).stored_len()
    }

    #[test]
    fn stored_length_counts_the_padding_of_the_layout() {
        assert_eq!(stored(Layout::Rows, &[3, 5]), Some(15));
        assert_eq!(stored(Layout::Rows, &[1; MAX_RANK]), Some(1));
        assert_eq!(stored(Layout::Panels16, &[1]), Some(16));
        assert_eq!(stored(Layout::Panels16, &[16]), Some(16));
        assert_eq!(stored(Layout::Panels16, &[3, 17]), Some(3 * 32));
        assert_eq!(stored(Layout::ScaledRows, &[3, 17]), Some(3 * (4 + 17)));
        assert_eq!(stored(Layout::Quads16, &[3, 17]), Some(2 * 16 * 4));
        assert_eq!(stored(Layout::Quads16, &[65_536, 1]), Some(16 * 65_536));
    }

    #[test]
    fn padding_must_be_zero() {
        let spec = |layout, shape: &[usize]| TensorSpec::new("t", Tower::Image, Dtype::F32, layout, shape);
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
        assert_eq!(stored(Layout::ScaledRows, &[4]), None);
        assert_eq!(stored(Layout::ScaledRows, &[2, 3, 4]), None);
        assert_eq!(stored(Layout::ScaledRows, &[1, usize::MAX]), None);
        assert_eq!(stored(Layout::ScaledRows, &[usize::MAX, 1]), None);
        for shape in [&[4][..], &[2, 3, 4], &[65_537, 1], &[usize::MAX, 1], &[1, usize::MAX], &[4, usize::MAX / 4]] {
            assert_eq!(stored(Layout::Quads16, shape), None, "{shape:?}");
        }
    }

    #[test]
    fn names_match_serde() {
        for dtype in Dtype::ALL {
            assert_eq!(serde_json::to_value(dtype).unwrap(), dtype.name());
            assert_eq!(Dtype::from_name(dtype.name()), Some(dtype));
        }
        for layout in Layout::ALL {
            assert_eq!(serde_json::to_value(layout).unwrap(), layout.name());
            assert_eq!(Layout::from_name(layout.name()), Some(layout));
        }
        for tower in Tower::ALL {
            assert_eq!(serde_json::to_value(tower).unwrap(), tower.name());
            assert_eq!(Tower::from_name(tower.name()), Some(tower));
        }
    }
}
