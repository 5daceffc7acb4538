//! Threads that cannot be started. A stack that no system has room for makes every start fail, without privileges and
//! on any machine, as a limit of the processes of a user or of a container does.

use std::fmt;
use std::sync::{Arc, Mutex};

use clippie_rs::{ErrorKind, Options};
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata, span};

use crate::alone::{self, alone};
use crate::{PHOTO, embeddings, open};

/// Bytes of a stack, 64 TiB, for which no thread starts.
const NO_THREADS: (&str, &str) = ("RUST_MIN_STACK", "70368744177664");

/// Collects warnings.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN && metadata.target().starts_with("clippie_rs")
    }

    fn event(&self, event: &tracing::Event<'_>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

impl Warnings {
    /// Installs it for the whole process.
    fn collect() -> Warnings {
        let warnings = Warnings::default();
        tracing::subscriber::set_global_default(warnings.clone()).unwrap();
        warnings
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Prints bits of embeddings, for comparison between processes.
#[test]
fn some_embeddings() {
    if alone::is_child("threads::some_embeddings") {
        let bits: Vec<u32> = embeddings(&open(Options::new())).iter().map(|value| value.to_bits()).collect();
        let sum = bits.iter().fold(0u64, |sum, &bits| sum.wrapping_mul(31).wrapping_add(bits.into()));
        println!("sum {sum:x}");
    } else {
        let sum = |settings: &[(&str, &str)]| {
            let out = alone::finish(alone::start("threads::some_embeddings", settings), 100);
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            let text = String::from_utf8(out.stdout).unwrap();
            text.lines().find_map(|line| line.split_once("sum ").map(|(_, sum)| sum.to_owned())).unwrap()
        };
        assert_eq!(sum(&[]), sum(&[NO_THREADS]));
    }
}

#[test]
fn work_runs_on_the_calling_thread() {
    alone("threads::work_runs_on_the_calling_thread", &[NO_THREADS], 100, || {
        let warnings = Warnings::collect();
        let shared = open(Options::new());
        let expected = embeddings(&shared);
        let said = warnings.take();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("cannot start ") && said[0].ends_with("working on the calling thread alone"));
        for options in [Options::new(), Options::new().threads(1), Options::new().threads(5)] {
            let clip = open(options);
            assert_eq!(embeddings(&clip), expected);
            assert!(clip.image().stream([PHOTO; 30]).all(|(_, row)| row.is_ok()));
            assert_eq!(clip.text().stream(["a", "b"].map(String::from)).count(), 2);
            assert!(clip.image().preprocess_image(PHOTO).is_ok());
            assert_eq!(clip.image().encode_each(["nowhere.png"]).errors[0].1.kind(), ErrorKind::Io);
            assert!(clip.weights().verify().unwrap().is_intact());
        }
        let said = warnings.take();
        assert!(said.iter().all(|text| text.starts_with("cannot start ")), "{said:?}");
    });
}

#[test]
fn an_absurd_number_of_threads_is_capped() {
    alone("threads::an_absurd_number_of_threads_is_capped", &[], 100, || {
        let warnings = Warnings::collect();
        let clip = open(Options::new().threads(100_000));
        let said = warnings.take();
        assert!(said.len() == 1 && said[0].starts_with("100000 threads are more than"), "{said:?}");
        assert_eq!(embeddings(&clip), embeddings(&open(Options::new().threads(1))));
        #[cfg(target_os = "linux")]
        assert!(std::fs::read_dir("/proc/self/task").unwrap().count() <= 8 + 64.max(4 * cores()));
        assert_eq!(warnings.take(), [""; 0]);
    });
}

#[cfg(target_os = "linux")]
fn cores() -> usize {
    std::thread::available_parallelism().unwrap().into()
}

#[test]
fn the_command_works_without_threads() {
    let folder = tempfile::tempdir().unwrap();
    let photo = std::path::absolute(PHOTO).unwrap();
    let run = |threads: &str, settings: &[(&str, &str)], arguments: &[&str]| {
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_clippie-rs"))
            .args(arguments)
            .args(["--threads", threads])
            .envs(settings.iter().copied())
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        out.stdout
    };
    let encode = ["encode", "-m", "demo", photo.to_str().unwrap(), "--text", "a red circle"];
    assert_eq!(run("2", &[NO_THREADS], &encode), run("2", &[], &encode));
}
