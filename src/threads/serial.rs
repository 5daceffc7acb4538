//! Loops that run in parallel where there are threads, and one step after the other where there are none.

use rayon::iter::plumbing::{Producer, ProducerCallback};
use rayon::prelude::*;

use super::{is_on_a_pool, on_shared_threads};

/// Calls `work` for each item.
pub(crate) fn for_each<I: IndexedParallelIterator>(items: I, work: impl Fn(I::Item) + Sync + Send) {
    on_shared_threads(|| match is_on_a_pool() {
        true => items.for_each(work),
        false => serially(items, |items| items.for_each(work)),
    });
}

/// Calls `work` for each item until it fails. Only conversions have loops that may fail.
///
/// # Errors
/// One of the errors of `work`.
#[cfg(feature = "import")]
pub(crate) fn try_for_each<I: IndexedParallelIterator, E: Send>(
    items: I,
    work: impl Fn(I::Item) -> Result<(), E> + Sync + Send,
) -> Result<(), E> {
    on_shared_threads(|| match is_on_a_pool() {
        true => items.try_for_each(work),
        false => serially(items, |mut items| Iterator::try_for_each(&mut items, work)),
    })
}

/// Calls `work` for each item; the results are in the order of the items.
pub(crate) fn map<I: IndexedParallelIterator, R: Send>(items: I, work: impl Fn(I::Item) -> R + Sync + Send) -> Vec<R> {
    on_shared_threads(|| match is_on_a_pool() {
        true => items.map(work).collect(),
        false => serially(items, |items| items.map(work).collect()),
    })
}

/// Runs both.
pub(crate) fn join<A: Send, B: Send>(first: impl FnOnce() -> A + Send, second: impl FnOnce() -> B + Send) -> (A, B) {
    on_shared_threads(|| match is_on_a_pool() {
        true => rayon::join(first, second),
        false => (first(), second()),
    })
}

/// Runs a function on the items of a parallel iterator without any use of a pool, not even a look at its size.
fn serially<I: IndexedParallelIterator, R>(items: I, work: impl FnOnce(&mut dyn Iterator<Item = I::Item>) -> R) -> R {
    items.with_producer(Serial(work))
}

struct Serial<F>(F);

impl<T, R, F: FnOnce(&mut dyn Iterator<Item = T>) -> R> ProducerCallback<T> for Serial<F> {
    type Output = R;

    fn callback<P: Producer<Item = T>>(self, producer: P) -> R {
        (self.0)(&mut producer.into_iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_items_of_any_loop_come_in_order() {
        let (mut values, factors) = (vec![1; 100], vec![3; 10]);
        let chunks = values.par_chunks_mut(13).zip(factors.par_iter()).enumerate();
        serially(chunks, |items| items.for_each(|(i, (chunk, factor))| chunk.iter_mut().for_each(|v| *v = i * factor)));
        assert_eq!(values, Vec::from_iter((0..100).map(|place| place / 13 * 3)));
        let numbers = (0..50usize).into_par_iter().with_min_len(8).with_max_len(9);
        assert_eq!(serially(numbers, |items| items.collect::<Vec<_>>()), Vec::from_iter(0..50));
        let found = serially(vec![1, 2, 3].into_par_iter(), |mut items| {
            Iterator::try_for_each(&mut items, |i| if i < 2 { Ok(()) } else { Err(i) })
        });
        assert_eq!(found, Err(2));
    }
}
