//! A growable `f32` buffer that starts on a cache line.

use std::ops::{Deref, DerefMut};

/// One cache line of floats, which sets the alignment of every buffer.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Line([f32; 16]);

// SAFETY: `Line` is `repr(C)` over sixteen f32 without padding (64 bytes, alignment 64); every bit pattern,
// all zeros included, is a valid value.
unsafe impl bytemuck::Zeroable for Line {}
// SAFETY: as above; `Line` is Copy, 'static and holds no padding, pointers or interior mutability.
unsafe impl bytemuck::Pod for Line {}

/// Zero-initialised floats, 64-byte aligned.
#[derive(Default)]
pub(crate) struct AlignedBuf {
    lines: Vec<Line>,
}

impl AlignedBuf {
    /// Allocates at least `len` zeros; the length is rounded up to whole cache lines. `None` if the system has no memory
    /// for them: `len` may come from a file.
    pub(crate) fn try_zeros(len: usize) -> Option<Self> {
        let mut lines = Vec::new();
        lines.try_reserve_exact(len.div_ceil(16)).ok()?;
        lines.resize(len.div_ceil(16), Line([0.0; 16]));
        Some(AlignedBuf { lines })
    }

    /// Like [`AlignedBuf::try_zeros`], for lengths that the program itself chooses. The process ends if there is no
    /// memory.
    #[cfg(any(test, feature = "internals"))]
    pub(crate) fn zeros(len: usize) -> Self {
        AlignedBuf { lines: vec![Line([0.0; 16]); len.div_ceil(16)] }
    }
}

impl Deref for AlignedBuf {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        bytemuck::cast_slice(&self.lines)
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_long_enough() {
        for len in [0, 1, 15, 16, 17, 1000] {
            let buf = AlignedBuf::zeros(len);
            assert!(buf.len() >= len && buf.len() < len + 16);
            assert_eq!(buf.as_ptr() as usize % 64, 0);
            assert!(buf.iter().all(|&v| v == 0.0));
            assert_eq!(*AlignedBuf::try_zeros(len).unwrap(), *buf);
        }
    }

    #[test]
    fn impossible_lengths_are_no_memory() {
        for len in [usize::MAX, isize::MAX as usize, usize::MAX / 4, usize::MAX / 4 - 15] {
            assert!(AlignedBuf::try_zeros(len).is_none(), "{len}");
        }
    }
}
