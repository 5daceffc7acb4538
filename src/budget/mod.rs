//! What one input may cost: work and memory, granted in proportion to its size, and whether the caller has cancelled.
//!
//! A file states sizes, counts and offsets that nobody has to honour: a photo of 129 bytes may declare a gigapixel, a
//! checkpoint of 17 MB may name the same tensor a hundred thousand times. Whoever reads an input asks its [`Budget`]
//! before each step whose cost does not follow from bytes that were read, and gets an error instead of a process that
//! runs for minutes or ends for lack of memory. All threads that work on an input share one budget.
//!
//! The constants are in one table, [`Budget::photo`] to [`Budget::checkpoint`]; `docs/reliability.md` explains them. What
//! callers may change of a photo's is in [`Limits`]. Knows no format.

#[cfg(feature = "decode")]
mod clock;
#[cfg(feature = "decode")]
mod limits;

use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(feature = "decode")]
use std::time::Duration;

use crate::cancel::CancelToken;
#[cfg(feature = "decode")]
use clock::Clock;
#[cfg(feature = "decode")]
pub use limits::Limits;

/// Why an input is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exhausted {
    /// It needs more work than its size justifies.
    Work,
    /// It needs more memory than its size justifies.
    Memory,
    /// It takes longer than this.
    #[cfg(feature = "decode")]
    Time(Duration),
    /// The system has no more memory.
    #[cfg_attr(not(feature = "import"), allow(dead_code))]
    System,
    /// The caller has cancelled.
    Cancelled,
}

/// The work and memory left for one input.
///
/// A unit of work takes about a nanosecond: copying a byte, visiting an eighth of a JPEG block, hashing a byte.
#[derive(Debug)]
pub(crate) struct Budget {
    work: AtomicU64,
    memory: AtomicU64,
    cancel: CancelToken,
    /// Pixels that a photo may have.
    #[cfg(feature = "decode")]
    pixels: u64,
    #[cfg(feature = "decode")]
    clock: Option<Clock>,
}

/// Units of work between two looks at the clock: about a millisecond, so that they cost nothing.
#[cfg(feature = "decode")]
const LOOK: u64 = 1 << 20;

/// The allowance of a kind of input.
struct Allowance {
    /// Units of work for any input of this kind.
    work: u64,
    /// Units of work for each byte.
    work_per_byte: u64,
    /// Bytes of memory for any input of this kind.
    memory: u64,
    /// Bytes of memory for each byte.
    memory_per_byte: u64,
}

/// Bytes of scratch memory that one pass of a tower may take, for a weights file of `file_len` bytes. A file of a few
/// megabytes can describe a tower whose activations take gigabytes; the largest published models take a twentieth of
/// their file.
pub(crate) fn pass_memory(file_len: u64) -> u64 {
    (512 << 20) + file_len.saturating_mul(8)
}

impl Budget {
    /// For a photo file of `len` bytes. Pixels that it declares are granted with [`Budget::grant`] once they are known
    /// and checked against [`Budget::most_pixels`].
    #[cfg(feature = "decode")]
    pub fn photo(len: usize, limits: &Limits, cancel: &CancelToken) -> Budget {
        const PHOTO: Allowance = Allowance { work: 1 << 30, work_per_byte: 64, memory: 64 << 20, memory_per_byte: 4 };
        let budget = Budget::new(&PHOTO, len as u64, cancel);
        budget.grant(limits.extra_work(), 0);
        Budget { pixels: limits.most_pixels(), clock: Clock::start(limits.most_time()), ..budget }
    }

    /// Pixels that a photo may have.
    #[cfg(feature = "decode")]
    pub fn most_pixels(&self) -> u64 {
        self.pixels
    }

    /// For a checkpoint of `len` bytes, without the bytes of its tensors, which are mapped.
    #[cfg(feature = "import")]
    pub fn checkpoint(len: u64, cancel: &CancelToken) -> Budget {
        const CHECKPOINT: Allowance =
            Allowance { work: 1 << 31, work_per_byte: 64, memory: 256 << 20, memory_per_byte: 8 };
        Budget::new(&CHECKPOINT, len, cancel)
    }

    fn new(allowance: &Allowance, len: u64, cancel: &CancelToken) -> Budget {
        let total = |fixed: u64, each: u64| AtomicU64::new(fixed.saturating_add(each.saturating_mul(len)));
        Budget {
            work: total(allowance.work, allowance.work_per_byte),
            memory: total(allowance.memory, allowance.memory_per_byte),
            cancel: cancel.clone(),
            #[cfg(feature = "decode")]
            pixels: 0,
            #[cfg(feature = "decode")]
            clock: None,
        }
    }

    /// Adds work and memory, for content that the input has declared and that was checked against a limit.
    pub fn grant(&self, work: u64, memory: u64) {
        add(&self.work, work);
        add(&self.memory, memory);
    }

    /// Grants what a photo of `count` pixels may cost, once that count is checked.
    ///
    /// Work: unpacking and converting four samples of 16 bits. Memory: four samples of 32 bits and the pixels
    /// themselves, turned.
    #[cfg(feature = "decode")]
    pub fn grant_pixels(&self, count: u64) {
        const WORK: u64 = 40;
        const MEMORY: u64 = 24;
        self.grant(count.saturating_mul(WORK), count.saturating_mul(MEMORY));
    }

    /// Takes `units` of work. Call it for each row, block row, item or chunk, not for each byte: it costs an atomic
    /// operation.
    ///
    /// # Errors
    /// The work or the time is used up, or the caller has cancelled.
    #[inline]
    pub fn work(&self, units: u64) -> Result<(), Exhausted> {
        if self.cancel.is_cancelled() {
            return Err(Exhausted::Cancelled);
        }
        let left = take(&self.work, units).ok_or(Exhausted::Work)?;
        self.time(left, units)
    }

    /// Looks at the clock now and then, where there is one: `units` of work were taken of `left`.
    #[cfg(feature = "decode")]
    #[inline]
    fn time(&self, left: u64, units: u64) -> Result<(), Exhausted> {
        let Some(clock) = &self.clock else { return Ok(()) };
        if left / LOOK != (left - units) / LOOK {
            clock.look();
        }
        if clock.is_over() { Err(Exhausted::Time(clock.limit())) } else { Ok(()) }
    }

    /// Without photos nothing has a limit of time.
    #[cfg(not(feature = "decode"))]
    #[inline]
    fn time(&self, _: u64, _: u64) -> Result<(), Exhausted> {
        Ok(())
    }

    /// Takes `bytes` of memory, before they are allocated.
    ///
    /// # Errors
    /// The memory is used up.
    pub fn memory(&self, bytes: u64) -> Result<(), Exhausted> {
        take(&self.memory, bytes).map(drop).ok_or(Exhausted::Memory)
    }

    /// Makes room for `more` values and takes what that allocates. A block that grows may be copied, so the old one
    /// counts until the new one holds its values. Blocks at least double, as they do without a budget.
    ///
    /// # Errors
    /// The memory is used up, or the system has no more.
    #[cfg(feature = "import")]
    pub fn reserve<T>(&self, values: &mut Vec<T>, more: usize) -> Result<(), Exhausted> {
        if values.capacity() - values.len() >= more {
            return Ok(());
        }
        let doubled = values.capacity().saturating_mul(2).saturating_sub(values.len());
        self.reserve_exact(values, more.max(doubled))
    }

    /// Makes room for exactly `more` values, otherwise as [`Budget::reserve`].
    ///
    /// # Errors
    /// See [`Budget::reserve`].
    #[cfg(feature = "import")]
    pub fn reserve_exact<T>(&self, values: &mut Vec<T>, more: usize) -> Result<(), Exhausted> {
        let size = size_of::<T>() as u64;
        let old = values.capacity();
        if old - values.len() >= more {
            return Ok(());
        }
        let new = values.len().saturating_add(more);
        self.memory(size.saturating_mul(new as u64))?;
        values.try_reserve_exact(more).map_err(|_| Exhausted::System)?;
        self.give_back(size.saturating_mul(old as u64));
        Ok(())
    }

    /// Gives the memory of `values` back, and drops them.
    #[cfg(feature = "import")]
    pub fn free<T>(&self, values: Vec<T>) {
        self.give_back((size_of::<T>() as u64).saturating_mul(values.capacity() as u64));
    }

    /// Gives `bytes` of memory back that were taken and are free again.
    pub fn give_back(&self, bytes: u64) {
        add(&self.memory, bytes);
    }
}

fn add(left: &AtomicU64, amount: u64) {
    // The closure always returns a value, so this cannot fail.
    let _ = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_add(amount)));
}

/// Returns what was left before.
fn take(left: &AtomicU64, amount: u64) -> Option<u64> {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(amount)).ok()
}

#[cfg(all(test, feature = "decode", feature = "import"))]
mod tests {
    use super::*;

    #[test]
    fn work_and_memory_run_out_and_threads_share_them() {
        let budget = Budget::photo(0, &Limits::new(), &CancelToken::new());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1 << 10).try_for_each(|_| budget.work(1 << 18)).unwrap());
            }
        });
        assert_eq!(budget.work(1), Err(Exhausted::Work));
        budget.grant(5, 0);
        assert_eq!((budget.work(6), budget.work(5)), (Err(Exhausted::Work), Ok(())));

        assert_eq!(budget.memory(64 << 20), Ok(()));
        assert_eq!(budget.memory(1), Err(Exhausted::Memory));
        budget.give_back(1);
        assert_eq!((budget.memory(2), budget.memory(1)), (Err(Exhausted::Memory), Ok(())));
    }

    #[test]
    fn larger_inputs_may_cost_more_without_overflow() {
        let budget = Budget::checkpoint(u64::MAX, &CancelToken::new());
        assert_eq!((budget.work(u64::MAX), budget.memory(u64::MAX)), (Ok(()), Ok(())));
        assert_eq!(budget.work(1), Err(Exhausted::Work));
        budget.grant(u64::MAX, u64::MAX);
        budget.grant(u64::MAX, u64::MAX);
        assert_eq!(budget.work(u64::MAX), Ok(()));
    }

    #[test]
    fn a_block_that_grows_counts_with_the_block_before_it() {
        let budget = Budget::checkpoint(0, &CancelToken::new());
        let mut values: Vec<u64> = Vec::new();
        let mut pushed = 0u64;
        let end = loop {
            match budget.reserve(&mut values, 1) {
                Ok(()) => values.push(pushed),
                Err(end) => break end,
            }
            pushed += 1;
        };
        // 128 MiB are held, so there is no room for twice as much beside them.
        assert_eq!((end, pushed), (Exhausted::Memory, (128 << 20) / 8));
        assert_eq!(budget.memory(128 << 20), Ok(()));
        budget.free(values);
        assert_eq!(budget.memory(128 << 20), Ok(()));
        assert_eq!(budget.memory(1), Err(Exhausted::Memory));
    }

    #[test]
    fn memory_that_the_system_lacks_is_no_panic() {
        let budget = Budget::checkpoint(u64::MAX, &CancelToken::new());
        let mut values: Vec<u64> = Vec::new();
        assert_eq!(budget.reserve_exact(&mut values, usize::MAX >> 4), Err(Exhausted::System));
    }

    #[test]
    fn time_runs_out_too() {
        let none = Limits::new().time(Duration::ZERO);
        let budget = Budget::photo(0, &none, &CancelToken::new());
        let end = (0..1 << 10).find_map(|_| budget.work(1 << 16).err());
        // Of no work, too: whoever asks learns why the work has ended.
        assert_eq!((end, budget.work(0).err()), (Some(Exhausted::Time(Duration::ZERO)), end));

        // Who allows more time allows as much work.
        let more = Limits::new().time(Duration::from_secs(121));
        let budget = Budget::photo(0, &more, &CancelToken::new());
        assert_eq!(budget.work(121_000_000_000), Ok(()));
        assert_eq!((budget.memory(64 << 20), budget.memory(1)), (Ok(()), Err(Exhausted::Memory)));
    }

    #[test]
    fn cancelling_ends_the_work() {
        let cancel = CancelToken::new();
        let budget = Budget::photo(0, &Limits::new(), &cancel);
        assert_eq!(budget.work(1), Ok(()));
        cancel.cancel();
        assert_eq!(budget.work(0), Err(Exhausted::Cancelled));
    }
}
