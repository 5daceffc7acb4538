//! Views of mapped tensors, typed by element.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, Range};
use std::sync::Arc;

use half::f16;

use super::format::Dtype;
use super::map::Map;
use super::scaled_rows;
use crate::tensor::Half;

/// A Rust type that stores one element of a tensor.
///
/// A further element type is one [`Dtype`] variant and one implementation.
pub trait Element: bytemuck::Pod + PartialEq + Send + Sync {
    /// The element type in files.
    const DTYPE: Dtype;
}

impl Element for f32 {
    const DTYPE: Dtype = Dtype::F32;
}

impl Element for Half {
    const DTYPE: Dtype = Dtype::F16;
}

impl Element for i8 {
    const DTYPE: Dtype = Dtype::I8;
}

impl Element for u32 {
    const DTYPE: Dtype = Dtype::U32;
}

/// The elements of a tensor in storage order, read in place.
///
/// Starts at a multiple of 64 bytes. Keeps the map alive; clones are cheap.
pub struct TensorView<T = f32> {
    map: Arc<Map>,
    /// Bytes in the map; inside it, and a multiple of the element size long.
    range: Range<usize>,
    element: PhantomData<T>,
}

impl<T: Element> TensorView<T> {
    /// Views `range`, in bytes, which the header checks have placed inside `map`.
    pub(super) fn new(map: &Arc<Map>, range: Range<usize>) -> Self {
        TensorView { map: Arc::clone(map), range, element: PhantomData }
    }

    /// A view of no elements, for layers that are listed but not loaded.
    pub fn unloaded() -> Self {
        TensorView { map: Arc::new(Map::empty()), range: 0..0, element: PhantomData }
    }
}

impl<T: Element> Deref for TensorView<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.map.elements(self.range.clone())
    }
}

impl<T: Element> AsRef<[T]> for TensorView<T> {
    fn as_ref(&self) -> &[T] {
        self
    }
}

impl<T> Clone for TensorView<T> {
    fn clone(&self) -> Self {
        TensorView { map: Arc::clone(&self.map), range: self.range.clone(), element: PhantomData }
    }
}

impl<T: Element> fmt::Debug for TensorView<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TensorView").field("dtype", &T::DTYPE).field("len", &self.len()).finish_non_exhaustive()
    }
}

/// A lookup table of rows, read in place; halves and integers are widened as they are read.
///
/// Keeps the map alive; clones are cheap.
#[derive(Clone, Debug)]
pub struct TableView {
    rows: Rows,
    width: usize,
}

/// The rows by element type.
#[derive(Clone, Debug)]
pub(super) enum Rows {
    F32(TensorView<f32>),
    F16(TensorView<Half>),
    /// Each with its scale.
    I8(TensorView<i8>),
}

impl TableView {
    pub(super) fn new(rows: Rows, width: usize) -> Self {
        TableView { rows, width }
    }

    /// A table of no rows, for layers that are listed but not loaded.
    pub fn unloaded() -> Self {
        TableView { rows: Rows::F32(TensorView::unloaded()), width: 0 }
    }

    /// Writes row `row` to `out`, which has the width of the table.
    ///
    /// # Panics
    /// If there is no such row, or `out` has another length.
    pub fn read(&self, row: usize, out: &mut [f32]) {
        let stored = |stored_width: usize| row * stored_width..(row + 1) * stored_width;
        match &self.rows {
            Rows::F32(rows) => out.copy_from_slice(&rows[stored(self.width)]),
            Rows::I8(rows) => {
                // The header checks have refused widths that do not fit.
                let stored_width = scaled_rows::stored_width(self.width).unwrap_or(usize::MAX);
                scaled_rows::widen(&rows[stored(stored_width)], out);
            }
            Rows::F16(rows) => {
                let halves = &rows[stored(self.width)];
                assert_eq!(out.len(), halves.len());
                for (value, &half) in out.iter_mut().zip(halves) {
                    *value = f16::from_bits(half.0).to_f32();
                }
            }
        }
    }
}
