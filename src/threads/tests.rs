//! Tests of the loops and pools.

use rayon::prelude::*;

use super::*;

#[test]
fn loops_do_each_item_once_on_any_threads() {
    let check = || {
        let mut values = vec![0; 1000];
        for_each(values.par_chunks_mut(7).enumerate(), |(i, chunk)| chunk.fill(i));
        assert!(values.iter().enumerate().all(|(place, &value)| value == place / 7));
        assert_eq!(
            map(values.par_iter(), |value| value + 1).iter().sum::<usize>(),
            values.iter().sum::<usize>() + 1000
        );
        assert_eq!(map((0..100usize).into_par_iter(), |i| i * i), Vec::from_iter((0..100).map(|i| i * i)));
        #[cfg(feature = "import")]
        fallible();
        assert_eq!(join(|| 1, || "b"), (1, "b"));
    };
    check();
    Pool::new(3).install(check);
    Pool::shared().install(check);
}

#[test]
fn one_thread_is_the_calling_one() {
    let check = || {
        let caller = std::thread::current().id();
        let pool = Pool::new(1);
        assert!(pool.is_caller() && !pool.is_current() && pool.threads() == 1);
        pool.install(|| {
            assert_eq!(here(), 1);
            let threads = map((0..100usize).into_par_iter(), |_| std::thread::current().id());
            assert!(threads.iter().all(|thread| *thread == caller));
            // What has no threads of its own uses no more than what it is part of.
            assert_eq!(Pool::shared().threads(), 1);
            Pool::shared().install(|| assert_eq!(std::thread::current().id(), caller));
            // A pool that was asked for is used.
            Pool::new(2).install(|| assert!(here() == 2 && std::thread::current().id() != caller));
        });
        let panics = std::panic::AssertUnwindSafe(|| pool.install(|| panic!("on purpose")));
        assert!(std::panic::catch_unwind(panics).is_err());
        assert!(!IS_ALONE.get());
    };
    check();
    // Also where the calling thread is one of a pool.
    Pool::new(3).install(check);
    assert!(!Pool::new(2).is_caller() && !Pool::shared().is_caller());
}

#[cfg(feature = "import")]
fn fallible() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let count = AtomicUsize::new(0);
    let found = try_for_each((0..100usize).into_par_iter(), |i| {
        count.fetch_add(1, Ordering::Relaxed);
        if i == 70 { Err(i) } else { Ok(()) }
    });
    assert_eq!(found, Err(70));
    assert!((1..=100).contains(&count.into_inner()));
    assert_eq!(try_for_each((0..10usize).into_par_iter(), |_| Ok::<(), ()>(())), Ok(()));
}
