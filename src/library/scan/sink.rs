//! The best rows that are known so far, by bounds of their scores.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::kernels::scan::Chosen;

/// Candidates that are kept before they are compared with the threshold again.
const PRUNE: usize = 4096;

/// A number that orders like `f64::total_cmp`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ordered(pub(super) f64);

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// A row that can be among the best.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) row: u32,
    pub(super) upper: f64,
}

/// The candidates of one query.
#[derive(Debug)]
pub(super) struct Sink {
    k: usize,
    min_score: f64,
    /// The `k` largest lower bounds.
    lowers: BinaryHeap<Reverse<Ordered>>,
    candidates: Vec<Candidate>,
    prune_at: usize,
}

impl Sink {
    pub(super) fn new(k: usize, min_score: f64) -> Sink {
        Sink { k, min_score, lowers: BinaryHeap::new(), candidates: Vec::new(), prune_at: PRUNE }
    }

    /// Rows with an upper bound below this are not among the best.
    pub(super) fn threshold(&self) -> f64 {
        match self.lowers.peek() {
            Some(Reverse(Ordered(lower))) if self.lowers.len() >= self.k => lower.max(self.min_score),
            _ => self.min_score,
        }
    }

    /// Takes the rows of a block that [`select`](crate::kernels::scan::select) has chosen.
    pub(super) fn take(&mut self, chosen: &[Chosen], rows: &[u32]) {
        for chosen in chosen {
            let upper = if chosen.upper.is_nan() { f64::INFINITY } else { chosen.upper };
            if upper < self.threshold() || self.k == 0 {
                continue;
            }
            let lower = if chosen.lower.is_nan() { f64::NEG_INFINITY } else { chosen.lower };
            self.raise(lower);
            self.candidates.push(Candidate { row: rows[chosen.place], upper });
        }
        // Without this, rows in ascending order of scores would all be kept.
        if self.candidates.len() >= self.prune_at {
            self.prune();
            self.prune_at = PRUNE.max(2 * self.candidates.len());
        }
    }

    /// The candidates that are left, those with the largest upper bounds first.
    pub(super) fn into_candidates(mut self) -> Vec<Candidate> {
        self.prune();
        // The row makes the order the same for any number of threads.
        self.candidates.sort_unstable_by(|a, b| b.upper.total_cmp(&a.upper).then(a.row.cmp(&b.row)));
        self.candidates
    }

    /// Joins the findings of two parts of the rows.
    pub(super) fn join(mut self, other: Sink) -> Sink {
        for Reverse(Ordered(lower)) in other.lowers {
            self.raise(lower);
        }
        self.candidates.extend(other.candidates);
        self
    }

    fn raise(&mut self, lower: f64) {
        if self.lowers.len() < self.k {
            self.lowers.push(Reverse(Ordered(lower)));
        } else if let Some(mut least) = self.lowers.peek_mut()
            && lower > least.0.0
        {
            *least = Reverse(Ordered(lower));
        }
    }

    fn prune(&mut self) {
        let threshold = self.threshold();
        self.candidates.retain(|candidate| candidate.upper >= threshold);
    }
}
