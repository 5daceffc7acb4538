//! Cancellation of long calls from another thread. Knows no call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that stops encoders, streams and downloads; clones share it.
///
/// [`Clip::with_cancel`](crate::Clip::with_cancel) and the same method of the encoders watch it in every call;
/// [`Stream::cancel`](crate::Stream::cancel) and [`ModelLoader::cancel`](crate::ModelLoader::cancel) watch it in one. Encoders check it between groups
/// of inputs, so a call ends within about the time of one group.
///
/// ```no_run
/// use clippie_rs::{CancelToken, Clip};
///
/// let cancel = CancelToken::new(); // give a clone to the button that cancels
/// let clip = Clip::open("mobileclip2-s2.clippie")?.with_cancel(&cancel);
/// # Ok::<(), clippie_rs::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<Flag>);

#[derive(Debug, Default)]
struct Flag {
    set: AtomicBool,
    parents: Vec<CancelToken>,
}

/// Tokens are equal if they share their flag.
impl PartialEq for CancelToken {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for CancelToken {}

impl CancelToken {
    /// Creates a flag that is not set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a flag that is also set whenever this one is, but not the other way round.
    #[must_use]
    pub fn child(&self) -> Self {
        Self::linked([self])
    }

    /// Creates a flag that is also set whenever one of `parents` is.
    pub(crate) fn linked<'a>(parents: impl IntoIterator<Item = &'a CancelToken>) -> Self {
        CancelToken(Arc::new(Flag { set: AtomicBool::new(false), parents: parents.into_iter().cloned().collect() }))
    }

    /// Sets the flag: stops every call that watches it, now and later.
    pub fn cancel(&self) {
        self.0.set.store(true, Ordering::Relaxed);
    }

    /// Whether the flag is set.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.set.load(Ordering::Relaxed) || self.0.parents.iter().any(CancelToken::is_cancelled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_follows_only_its_parents() {
        let (a, b) = (CancelToken::new(), CancelToken::new());
        let (child, both) = (a.child(), CancelToken::linked([&a, &b]));
        both.cancel();
        assert!(both.is_cancelled() && !a.is_cancelled() && !b.is_cancelled() && !child.is_cancelled());
        a.clone().cancel();
        assert!(child.is_cancelled() && child.child().is_cancelled() && !b.is_cancelled());
    }
}
