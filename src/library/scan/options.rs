//! Who works on a scan, which rows it looks at, and what stops it.

use std::sync::Arc;

use super::Error;
use crate::cancel::CancelToken;
use crate::threads::Pool;

/// The threads of scans; clones share them. The default is the pool of the calling thread, or rayon's global one.
#[derive(Clone, Debug, Default)]
pub struct Threads(Kind);

#[derive(Clone, Debug, Default)]
enum Kind {
    #[default]
    Shared,
    Caller,
    Pool(Arc<Pool>),
}

impl Threads {
    /// `threads` threads of their own, which live as long as this and its clones; zero means one per core. One means
    /// the calling thread.
    #[must_use]
    pub fn new(threads: usize) -> Threads {
        Threads(match threads {
            1 => Kind::Caller,
            threads => Kind::Pool(Arc::new(Pool::new(threads))),
        })
    }

    /// The threads of a pool.
    #[must_use]
    pub fn of(pool: Arc<rayon::ThreadPool>) -> Threads {
        Threads(Kind::Pool(Arc::new(Pool::given(pool))))
    }

    /// Runs `work` where its loops use these threads, and tells it how many there are.
    pub(super) fn run<R: Send>(&self, work: impl FnOnce(usize) -> R + Send) -> R {
        let shared;
        let pool = match &self.0 {
            Kind::Caller => return work(1),
            Kind::Shared => {
                shared = Pool::shared();
                &shared
            }
            Kind::Pool(pool) => pool,
        };
        let threads = pool.threads();
        pool.install(|| work(threads))
    }
}

/// Options of a scan.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    pub(super) threads: Threads,
    cancel: CancelToken,
    allowed: Allowed<'a>,
    pub(super) min_score: f64,
}

/// The rows that a scan looks at.
#[derive(Clone, Debug)]
enum Allowed<'a> {
    All,
    List(&'a [u32]),
    Mask(&'a [u64]),
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options::new()
    }
}

impl<'a> Options<'a> {
    /// All rows, every score, shared threads.
    #[must_use]
    pub fn new() -> Self {
        Options {
            threads: Threads::default(),
            cancel: CancelToken::new(),
            allowed: Allowed::All,
            min_score: f64::NEG_INFINITY,
        }
    }

    /// Works on these threads.
    #[must_use]
    pub fn threads(mut self, threads: &Threads) -> Self {
        self.threads = threads.clone();
        self
    }

    /// Stops with [`Error::Cancelled`] soon after this flag is set.
    #[must_use]
    pub fn cancel(mut self, cancel: &CancelToken) -> Self {
        self.cancel = cancel.clone();
        self
    }

    /// Looks at these rows only, which are in ascending order. The others cost nothing.
    #[must_use]
    pub fn only(mut self, rows: &'a [u32]) -> Self {
        self.allowed = Allowed::List(rows);
        self
    }

    /// Looks at the rows whose bit is set only: bit `row % 64` of word `row / 64`. Bits beyond the last row mean
    /// nothing.
    #[must_use]
    pub fn mask(mut self, words: &'a [u64]) -> Self {
        self.allowed = Allowed::Mask(words);
        self
    }

    /// Leaves out hits with a smaller score.
    #[must_use]
    pub fn min_score(mut self, score: f64) -> Self {
        self.min_score = score;
        self
    }

    pub(super) fn check_cancelled(&self) -> Result<(), Error> {
        if self.cancel.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// The rows to look at, of so many; `None` for all.
    pub(super) fn allowed(&self, rows: usize) -> Result<Option<std::borrow::Cow<'a, [u32]>>, Error> {
        match self.allowed {
            Allowed::All => Ok(None),
            Allowed::List(list) => {
                let mut next = 0;
                for &row in list {
                    let row = row as usize;
                    if row < next || row >= rows {
                        return Err(Error::Allowed { row, rows });
                    }
                    next = row + 1;
                }
                Ok(Some(list.into()))
            }
            Allowed::Mask(words) if words.len() != rows.div_ceil(64) => Err(Error::Mask { words: words.len(), rows }),
            Allowed::Mask(words) => {
                let count: usize = words.iter().map(|word| word.count_ones() as usize).sum();
                let mut list = Vec::with_capacity(count);
                for (i, &word) in words.iter().enumerate() {
                    let mut left = word;
                    while left != 0 {
                        let row = 64 * i + left.trailing_zeros() as usize;
                        left &= left - 1;
                        if row < rows {
                            list.push(row as u32);
                        }
                    }
                }
                Ok(Some(list.into()))
            }
        }
    }
}
