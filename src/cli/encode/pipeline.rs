//! Work on many items, in chunks, whose results come in the order of the items. Knows nothing of what is worked on.

use std::sync::mpsc::sync_channel;
use std::thread;

use crate::CancelToken;
use crate::cli::messages::Failure;

/// Chunks that are worked on at a time. While the last passes of one leave threads idle, those have the next.
const AT_A_TIME: usize = 2;

/// Calls `work` for every chunk of `items` and `each` for every result, which comes in order and on this thread. Holds
/// a few results at most. When `each` stops, `cancel` is set.
///
/// # Errors
/// The first of `each`; [`Failure::Panic`] if `work` panics.
pub(super) fn in_order<T: Sync, R: Send>(
    items: &[T],
    chunk: usize,
    cancel: &CancelToken,
    work: impl Fn(&[T]) -> R + Sync,
    mut each: impl FnMut(&[T], R) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let chunks: Vec<&[T]> = items.chunks(chunk.max(1)).collect();
    let workers = AT_A_TIME.min(chunks.len());
    thread::scope(|scope| {
        let (mut threads, mut results) = (Vec::new(), Vec::new());
        for first in 0..workers {
            // A worker starts its next chunk before the last one was taken.
            let (send, receive) = sync_channel(1);
            let (chunks, work) = (&chunks, &work);
            threads.push(scope.spawn(move || {
                for chunk in chunks.iter().skip(first).step_by(workers) {
                    if send.send(work(chunk)).is_err() {
                        break;
                    }
                }
            }));
            results.push(receive);
        }
        let outcome = chunks.iter().zip(results.iter().cycle()).try_for_each(|(chunk, result)| {
            // A worker that is gone has panicked.
            each(chunk, result.recv().map_err(|_| Failure::Panic)?)
        });
        if outcome.is_err() {
            cancel.cancel();
        }
        drop(results);
        for thread in threads {
            // Joined here so that a panic, which is an error by now, does not go on.
            let _ = thread.join();
        }
        outcome
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order() {
        for items in [0, 1, 2, 5, 64, 101] {
            for chunk in [0, 1, 2, 7, 1000] {
                let items: Vec<usize> = (0..items).collect();
                let mut seen = Vec::new();
                let work = |items: &[usize]| {
                    if items[0].is_multiple_of(3) {
                        thread::sleep(std::time::Duration::from_micros(300));
                    }
                    items.to_vec()
                };
                let cancel = CancelToken::new();
                in_order(&items, chunk, &cancel, work, |chunk, result| {
                    assert_eq!(chunk, result);
                    seen.extend(result);
                    Ok(())
                })
                .unwrap();
                assert_eq!(seen, items);
                assert!(!cancel.is_cancelled());
            }
        }
    }

    #[test]
    fn an_error_or_a_panic_ends_all() {
        let items: Vec<usize> = (0..1000).collect();
        let cancel = CancelToken::new();
        let each = |_: &[usize], first: usize| if first == 5 { Err(Failure::ClosedPipe) } else { Ok(()) };
        assert!(matches!(in_order(&items, 1, &cancel, |items| items[0], each), Err(Failure::ClosedPipe)));
        assert!(cancel.is_cancelled());

        let work = |items: &[usize]| assert!(items[0] != 7);
        assert!(matches!(in_order(&items, 1, &CancelToken::new(), work, |_, ()| Ok(())), Err(Failure::Panic)));
    }
}
