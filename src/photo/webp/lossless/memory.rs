//! Allocates what decoding a picture needs: charged to the budget of its file first, and without aborting.

use super::super::super::decode_error::DecodeError;
use crate::budget::Budget;

/// The source of memory for one picture.
#[derive(Clone, Copy)]
pub(super) struct Memory<'a> {
    pub budget: &'a Budget,
    /// Width and height of the picture, for the error.
    pub size: (usize, usize),
}

impl Memory<'_> {
    /// Returns a vector that can hold `len` values.
    pub fn reserve<T>(self, len: usize) -> Result<Vec<T>, DecodeError> {
        self.budget.memory((len * size_of::<T>()) as u64)?;
        let mut values = Vec::new();
        let (width, height) = self.size;
        values.try_reserve_exact(len).map_err(|_| DecodeError::out_of_memory(width, height))?;
        Ok(values)
    }

    /// Returns `len` zeros.
    pub fn zeros<T: Copy + Default>(self, len: usize) -> Result<Vec<T>, DecodeError> {
        let mut values = self.reserve(len)?;
        values.resize(len, T::default());
        Ok(values)
    }

    /// Returns a copy.
    pub fn copy<T: Copy>(self, values: &[T]) -> Result<Vec<T>, DecodeError> {
        let mut copy = self.reserve(values.len())?;
        copy.extend_from_slice(values);
        Ok(copy)
    }
}
