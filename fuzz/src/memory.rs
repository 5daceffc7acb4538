//! Asserts how much memory a target holds.

#[path = "../../tests/common/counting.rs"]
mod counting;

/// Runs `work` and asserts that it never holds more than `limit` bytes beyond what was held before.
pub fn within<T>(limit: usize, work: impl FnOnce() -> T) -> T {
    let (peak, result) = counting::peak(work);
    assert!(peak <= limit, "held {peak} bytes; the limit is {limit}");
    result
}
