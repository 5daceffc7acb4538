//! The scratch of a forward pass: one allocation, cut into the buffers that the pass needs.
//!
//! A pass asks for the sizes that follow from the model and the batch. An arena that is large enough serves many
//! passes without touching the allocator. Its contents are not cleared between passes.

use std::cell::Cell;
use std::fmt;
use std::sync::{Mutex, MutexGuard, TryLockError};

use super::{AlignedBuf, PANEL};

/// Floats kept after every buffer, so that a kernel may load one whole panel past its end.
pub(crate) const SLACK: usize = PANEL;

/// Why a pass gets no scratch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoScratch {
    /// It asks for more than the limit of the arena, both in bytes.
    Limit { bytes: u64, limit: u64 },
    /// The system does not give as many bytes.
    System { bytes: u64 },
}

/// One allocation, handed out in pieces; and a smaller one that the operations of a pass use one after the other.
pub(crate) struct Arena {
    buf: AlignedBuf,
    kept: AlignedBuf,
    /// In bytes.
    limit: u64,
}

#[cfg(test)]
impl Default for Arena {
    fn default() -> Self {
        Arena::new(u64::MAX)
    }
}

impl Arena {
    /// An arena that grows to `limit` bytes at most.
    fn new(limit: u64) -> Self {
        Arena { buf: AlignedBuf::default(), kept: AlignedBuf::default(), limit }
    }

    /// Runs `work` with the arena and the buffer that is kept for the operations of a pass.
    pub(crate) fn with_kept<R>(&mut self, work: impl FnOnce(&Kept, &mut Arena) -> R) -> R {
        let kept = Kept(Cell::new(std::mem::take(&mut self.kept)));
        let result = work(&kept, self);
        self.kept = kept.take();
        result
    }

    /// Cuts the arena into buffers of the given lengths, which may come from a file. Each starts on a cache line and is
    /// followed by [`SLACK`] floats that belong to it. Grows the allocation when it is too small.
    pub(crate) fn split<const N: usize>(&mut self, lens: [usize; N]) -> Result<[&mut [f32]; N], NoScratch> {
        let padded = lens.map(|len| len.div_ceil(16).saturating_mul(16).saturating_add(SLACK));
        let total = padded.iter().fold(0usize, |total, &len| total.saturating_add(len));
        if self.buf.len() < total {
            let (bytes, limit) = ((total as u64).saturating_mul(size_of::<f32>() as u64), self.limit);
            if bytes > limit {
                return Err(NoScratch::Limit { bytes, limit });
            }
            self.buf = AlignedBuf::default(); // frees the old memory before allocating more
            self.buf = AlignedBuf::try_zeros(total).ok_or(NoScratch::System { bytes })?;
        }
        let mut rest: &mut [f32] = &mut self.buf;
        Ok(padded.map(|len| {
            let (head, tail) = std::mem::take(&mut rest).split_at_mut(len);
            rest = tail;
            head
        }))
    }
}

/// A buffer that an operation takes and puts back, so that the next finds it allocated.
pub(crate) struct Kept(Cell<AlignedBuf>);

impl Kept {
    /// The buffer, empty at first and while another operation has it.
    pub(crate) fn take(&self) -> AlignedBuf {
        self.0.take()
    }

    pub(crate) fn put(&self, buffer: AlignedBuf) {
        self.0.set(buffer);
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

/// Unused arenas; a pass takes one and returns it.
pub(crate) struct ArenaPool {
    idle: Mutex<Vec<Arena>>,
    /// Of each arena, in bytes.
    limit: u64,
}

impl ArenaPool {
    /// Arenas of up to `limit` bytes each.
    pub(crate) fn new(limit: u64) -> Self {
        ArenaPool { idle: Mutex::default(), limit }
    }

    /// Runs `work` with an arena that no other pass uses meanwhile.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Arena) -> R) -> R {
        let mut arena = self.lock().and_then(|mut idle| idle.pop()).unwrap_or_else(|| Arena::new(self.limit));
        let result = work(&mut arena);
        if let Some(mut idle) = self.lock() {
            idle.push(arena);
        }
        result
    }

    /// Frees every arena that is not in use.
    pub(crate) fn release(&self) {
        if let Some(mut idle) = self.lock() {
            idle.clear();
        }
    }

    /// Locks the list, if it is free soon: in a child process, a thread that exists in the parent only may hold it.
    fn lock(&self) -> Option<MutexGuard<'_, Vec<Arena>>> {
        /// Tries, with a yield between them; the lock is held for nanoseconds.
        const TRIES: usize = 1000;
        for _ in 0..TRIES {
            match self.idle.try_lock() {
                Ok(idle) => return Some(idle),
                // A panic while the lock is held cannot leave the list half-changed.
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_do_not_overlap_and_have_slack() {
        let mut arena = Arena::default();
        let [a, b, c] = arena.split([5, 0, 33]).unwrap();
        assert!(a.len() >= 5 + SLACK && b.len() >= SLACK && c.len() >= 33 + SLACK);
        a.fill(1.0);
        b.fill(2.0);
        c.fill(3.0);
        assert!(a.iter().all(|&v| v == 1.0) && b.iter().all(|&v| v == 2.0));
        assert_eq!((a.as_ptr() as usize % 64, c.as_ptr() as usize % 64), (0, 0));
    }

    #[test]
    fn pool_reuses_and_releases() {
        let pool = ArenaPool::new(1 << 20);
        pool.with(|arena| arena.split([100]).unwrap()[0].fill(7.0));
        pool.with(|arena| assert_eq!(arena.split([100]).unwrap()[0][0], 7.0));
        pool.release();
        pool.with(|arena| assert_eq!(arena.split([100]).unwrap()[0][0], 0.0));
    }

    #[test]
    fn an_arena_ends_at_its_limit_and_at_that_of_the_system() {
        let pool = ArenaPool::new(4096);
        pool.with(|arena| {
            assert_eq!(arena.split([1024 - SLACK]).map(|[a]| a.len()), Ok(1024));
            let refused = arena.split([1024]).unwrap_err();
            assert_eq!(refused, NoScratch::Limit { bytes: 4096 + 64, limit: 4096 });
            assert!(arena.split([usize::MAX, usize::MAX, 7]).is_err(), "lengths do not wrap");
            assert!(arena.split([1000]).is_ok(), "a refused pass costs nothing");
        });
        let system = Arena::default().split([usize::MAX / 8]).unwrap_err();
        assert!(matches!(system, NoScratch::System { bytes } if bytes > u64::MAX / 4), "{system:?}");
    }

    #[test]
    fn a_lock_that_is_never_released_costs_only_memory() {
        let pool = ArenaPool::new(1 << 20);
        pool.with(|arena| arena.split([100]).unwrap()[0].fill(7.0));
        let held = pool.idle.lock().unwrap();
        pool.with(|arena| assert_eq!(arena.split([100]).unwrap()[0][0], 0.0));
        pool.release();
        drop(held);
        pool.with(|arena| assert_eq!(arena.split([100]).unwrap()[0][0], 7.0));
    }
}
