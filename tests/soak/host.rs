//! What hosts do: call from tasks of their own pools, panic in the middle of a call, stop the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clippie_rs::{ImageInput, Options};
use rayon::prelude::*;

use crate::alone::{self, alone};
use crate::{PHOTO, embeddings, open};

#[test]
fn tasks_of_any_pool_may_call() {
    alone("host::tasks_of_any_pool_may_call", &[], 300, || {
        let pool = |threads| Arc::new(rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
        let (one, two) = (pool(1), pool(2));
        let clips: Vec<_> = [Options::new(), Options::new().threads(2), Options::new().pool(one.clone())]
            .into_iter()
            .chain([Options::new().pool(two.clone())])
            .map(open)
            .collect();
        let expected = embeddings(&clips[0]);
        // Also from one pool through another back into the first.
        for outer in [&one, &two] {
            outer.install(|| {
                (0..8usize).into_par_iter().for_each(|i| {
                    assert_eq!(embeddings(&clips[i % 4]), expected);
                    two.install(|| assert_eq!(embeddings(&clips[(i + 1) % 4]), expected));
                });
            });
        }
    });
}

/// An input whose conversion panics.
struct Broken;

impl<'a> From<&'a Broken> for ImageInput<'a> {
    fn from(_: &'a Broken) -> Self {
        panic!("part of a test")
    }
}

impl AsRef<str> for Broken {
    fn as_ref(&self) -> &str {
        panic!("part of a test")
    }
}

#[test]
fn panics_of_the_caller_leave_the_model_usable() {
    alone("host::panics_of_the_caller_leave_the_model_usable", &[], 100, || {
        for clip in [open(Options::new()), open(Options::new().threads(2))] {
            let expected = embeddings(&clip);
            let panics = |call: &dyn Fn()| {
                let payload = catch_unwind(AssertUnwindSafe(call)).unwrap_err();
                assert_eq!(payload.downcast_ref::<&str>(), Some(&"part of a test"));
                assert_eq!(embeddings(&clip), expected);
            };
            panics(&|| _ = clip.encode_images(&[Broken, Broken]));
            panics(&|| _ = clip.encode_texts([Broken, Broken]));
            panics(&|| _ = clip.encode_images((0..9).map(|i| if i < 5 { PHOTO } else { panic!("part of a test") })));
            panics(&|| _ = clip.image().stream([Broken, Broken]).count());
            panics(&|| _ = clip.text().stream([Broken, Broken]).count());
            panics(&|| _ = clip.image().stream([PHOTO; 20]).progress(|_| panic!("part of a test")).count());
        }
    });
}

#[test]
fn a_stopped_process_goes_on() {
    const NAME: &str = "host::a_stopped_process_goes_on";
    if alone::is_child(NAME) {
        let clip = open(Options::new().threads(2));
        let expected = embeddings(&clip);
        let begin = std::time::Instant::now();
        while begin.elapsed() < Duration::from_secs(3) {
            assert_eq!(embeddings(&clip), expected);
            assert!(clip.image().stream([PHOTO; 40]).all(|(_, row)| row.is_ok()));
        }
        return;
    }
    let process = alone::start(NAME, &[]);
    let id = process.child.id().to_string();
    for _ in 0..5 {
        for signal in ["-STOP", "-CONT"] {
            thread::sleep(Duration::from_millis(200));
            // The process may have come to its end.
            let _ = Command::new("kill").args([signal, id.as_str()]).output();
        }
    }
    let out = alone::finish(process, 100);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}
