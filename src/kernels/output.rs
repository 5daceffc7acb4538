//! Buffers that kernels write: [`Out`] for one writer, [`Shared`] for the tasks of an operation.
//!
//! An [`Out`] is exclusive access to a buffer. Safe code gets one only by borrowing a `&mut [f32]`. Tasks that write
//! one buffer at the same time each take an `Out` from a [`Shared`]; that step is `unsafe`, because only its caller can
//! know that the tasks write disjoint parts. Kernels check their sizes against the length of an `Out`, so a kernel that
//! holds one is safe to run.

use std::marker::PhantomData;
use std::ops::Range;

use super::strides::Strides;
use crate::tensor::PANEL;

/// The destination of a kernel: a buffer, and how rows of channels are laid out in it.
pub(crate) struct Out<'a> {
    start: *mut f32,
    len: usize,
    strides: Strides,
    buffer: PhantomData<&'a mut [f32]>,
}

impl<'a> Out<'a> {
    /// The whole of `data`.
    #[inline(always)]
    pub(crate) fn new(data: &'a mut [f32], strides: Strides) -> Out<'a> {
        Out { start: data.as_mut_ptr(), len: data.len(), strides, buffer: PhantomData }
    }

    /// The layout of the rows.
    #[inline(always)]
    pub(super) fn strides(&self) -> Strides {
        self.strides
    }

    /// The buffer from an element on, as row 0 and channel 0. In a blocked layout the channel must be the first of a
    /// block.
    ///
    /// Panics if the element is beyond the end.
    #[inline(always)]
    pub(super) fn from(&mut self, row: usize, channel: usize) -> Out<'_> {
        let offset = self.strides.at(row, channel);
        assert!(offset <= self.len, "output too short");
        assert!(channel.is_multiple_of(PANEL) || self.strides.block() == PANEL, "a part of a block");
        Out { start: self.start.wrapping_add(offset), len: self.len - offset, ..*self }
    }

    /// Asserts that the buffer holds `rows` rows of `channels` channels and that they do not overlap.
    #[inline(always)]
    pub(super) fn check(&self, rows: usize, channels: usize) {
        assert!(self.len >= self.strides.extent(rows, channels), "output too short");
        assert!(self.strides.are_disjoint(rows, channels), "rows of the output overlap");
    }

    /// The address of an element. The element may be read and written while the `Out` lives, if [`Out::check`] passed
    /// for more rows and channels than its own.
    #[inline(always)]
    pub(super) fn at(&self, row: usize, channel: usize) -> *mut f32 {
        self.start.wrapping_add(self.strides.at(row, channel))
    }

    /// The buffer from a float on, in another layout.
    ///
    /// Panics if the float is beyond the end.
    #[inline(always)]
    pub(super) fn skip(&mut self, offset: usize, strides: Strides) -> Out<'_> {
        assert!(offset <= self.len, "output too short");
        Out { start: self.start.wrapping_add(offset), len: self.len - offset, strides, ..*self }
    }

    /// The address of a float by its offset, which must be inside of the buffer for it to be accessed.
    #[inline(always)]
    pub(super) fn offset(&self, offset: usize) -> *mut f32 {
        self.start.wrapping_add(offset)
    }

    /// Gives the buffer to the tasks of an operation.
    pub(super) fn share(self) -> Shared<'a> {
        Shared { start: self.start, len: self.len, buffer: PhantomData }
    }
}

/// A buffer that the tasks of an operation write at the same time, each its own part.
pub(super) struct Shared<'a> {
    start: *mut f32,
    len: usize,
    buffer: PhantomData<&'a mut [f32]>,
}

// SAFETY: a pointer and a length. The methods that give access are unsafe: their callers prove that threads do not
// share floats.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    /// Shares all of `data`.
    pub(super) fn new(data: &'a mut [f32]) -> Shared<'a> {
        Shared { start: data.as_mut_ptr(), len: data.len(), buffer: PhantomData }
    }

    /// The floats of `range`.
    ///
    /// Panics if `range` is not inside the buffer.
    ///
    /// # Safety
    /// While the slice lives, nothing else may access these floats.
    #[expect(clippy::mut_from_ref, reason = "callers use disjoint ranges")]
    pub(super) unsafe fn slice(&self, range: Range<usize>) -> &mut [f32] {
        assert!(range.start <= range.end && range.end <= self.len, "a range outside of the buffer");
        // SAFETY: inside the buffer (asserted), which is borrowed for 'a; exclusive, as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }

    /// The whole buffer as a destination.
    ///
    /// # Safety
    /// While the destination lives, nothing else may access the floats that are written through it.
    pub(super) unsafe fn out(&self, strides: Strides) -> Out<'_> {
        Out { start: self.start, len: self.len, strides, buffer: PhantomData }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn refused(run: impl FnOnce()) -> bool {
        catch_unwind(AssertUnwindSafe(run)).is_err()
    }

    #[test]
    fn short_or_overlapping_outputs_are_refused() {
        let mut data = vec![0.0; 40];
        Out::new(&mut data, Strides::rows(10)).check(4, 10);
        assert!(refused(|| Out::new(&mut data, Strides::rows(10)).check(5, 10)));
        assert!(refused(|| Out::new(&mut data, Strides::rows(9)).check(4, 10)));
        assert!(refused(|| Out::new(&mut data, Strides::rows(10)).from(3, 0).check(2, 10)));
        assert!(refused(|| _ = Out::new(&mut data, Strides::rows(10)).from(5, 0)));
        assert!(refused(|| _ = Out::new(&mut data, Strides::blocked(2)).from(0, 8)));
        assert!(refused(|| Out::new(&mut data, Strides::rows(usize::MAX / 2)).check(4, 1)));
    }

    #[test]
    fn ranges_outside_of_the_buffer_are_refused() {
        let mut data = vec![0.0; 8];
        let shared = Shared::new(&mut data);
        // SAFETY: no other access to the buffer.
        assert_eq!(unsafe { shared.slice(2..8) }.len(), 6);
        // SAFETY: as above; these are refused.
        assert!(refused(|| _ = unsafe { shared.slice(2..9) }));
        #[expect(clippy::reversed_empty_ranges, reason = "what the test is about")]
        // SAFETY: as above.
        let reversed = refused(|| _ = unsafe { shared.slice(5..4) });
        assert!(reversed);
    }
}
