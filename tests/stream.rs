//! Streams of photos and texts, and the list of a folder's photos.
#![cfg(all(feature = "demo", feature = "walk"))]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use clippie_rs::ndarray::aview1;
use clippie_rs::weights::WeightsFile;
use clippie_rs::{CancelToken, Clip, Error, ErrorKind, ImageInput, Options, walk};

const DRAWINGS: &str = "examples/drawings";

fn demo() -> Clip {
    Options::new().threads(2).open_weights(WeightsFile::demo().unwrap()).unwrap()
}

#[test]
fn a_folder_is_encoded_in_order() {
    let clip = demo();
    let paths: Vec<PathBuf> = walk::photos(DRAWINGS).map(Result::unwrap).collect();
    assert_eq!(paths.len(), 36);
    let rows = clip.encode_images(&paths).unwrap();
    for chunk in [None, Some(1), Some(5), Some(100)] {
        let mut last = None;
        let stream = clip.image().stream(walk::photos(DRAWINGS)).progress(|progress| last = Some(progress));
        let stream = match chunk {
            Some(chunk) => stream.chunk(chunk),
            None => stream,
        };
        let mut count = 0;
        for (found, row) in stream {
            assert_eq!(found.unwrap(), paths[count]);
            assert_eq!(aview1(&row.unwrap()), rows.row(count), "{count}");
            count += 1;
        }
        let last = last.unwrap();
        assert_eq!((count, last.done, last.failed, last.total), (36, 36, 0, Some(36)));
    }
}

#[test]
fn inputs_may_be_owned_and_come_from_another_thread() {
    let clip = demo();
    let paths: Vec<PathBuf> = walk::photos(DRAWINGS).map(Result::unwrap).collect();
    let rows = clip.encode_images(&paths).unwrap();
    let (send, receive) = mpsc::sync_channel::<Vec<u8>>(1);
    let reader = std::thread::spawn(move || {
        for path in paths {
            send.send(fs::read(path).unwrap()).unwrap();
        }
    });
    let mut count = 0;
    for (bytes, row) in clip.image().stream(receive) {
        assert!(bytes.starts_with(b"\x89PNG"));
        assert_eq!(aview1(&row.unwrap()), rows.row(count));
        count += 1;
    }
    reader.join().unwrap();
    assert_eq!(count, 36);
    // Names, decoded pictures, and everything else that converts to an input.
    assert_eq!(clip.image().stream(["examples/drawings/01.png", "x"]).filter(|(_, row)| row.is_ok()).count(), 1);
    let bytes = fs::read("examples/drawings/01.png").unwrap();
    let picture = clippie_rs::photo::decode(&bytes, true, "01.png").unwrap();
    let (_, row) = clip.image().stream([picture]).next().unwrap();
    assert_eq!(aview1(&row.unwrap()), rows.row(0));

    let texts = ["a red star", "", "two blue circles"];
    let expected = clip.encode_texts(texts).unwrap();
    let encoded: Vec<_> = clip.text().stream(texts.map(String::from)).collect();
    for (i, (text, row)) in encoded.iter().enumerate() {
        assert_eq!((text.as_str(), aview1(row.as_ref().unwrap())), (texts[i], expected.row(i)));
    }
    assert_eq!(clip.text().stream((0..100).map(|i| format!("{i} stars"))).chunk(7).count(), 100);
}

#[test]
fn failures_keep_their_indices_in_the_stream() {
    let clip = demo();
    let good = fs::read("examples/drawings/01.png").unwrap();
    let expected = clip.encode_image(&good).unwrap();
    let inputs: Vec<Vec<u8>> =
        (0..50).map(|i| if i % 10 == 7 { good[..50 + i].to_vec() } else { good.clone() }).collect();
    for chunk in [1, 3, 64] {
        let stream = clip.image().stream(inputs.clone()).chunk(chunk);
        for (i, (_, row)) in stream.enumerate() {
            match row {
                Ok(row) => assert_eq!(row, expected),
                Err(error) => {
                    assert_eq!((error.index(), i % 10, error.kind()), (Some(i), 7, ErrorKind::Image));
                    assert!(error.to_string().starts_with(&format!("image {i} ")), "{error}");
                }
            }
        }
    }
}

#[test]
fn cancelled_streams_keep_what_is_done_and_end() {
    let clip = demo();
    let photo = "examples/drawings/01.png";
    let expected = clip.encode_image(photo).unwrap();
    // Cancelled by a token of the stream, and by one of the encoder.
    for own in [true, false] {
        let token = CancelToken::new();
        let encoder = if own { clip.image().clone() } else { clip.image().with_cancel(&token) };
        let stream = encoder.stream(std::iter::repeat(photo)).chunk(4);
        let stream = if own { stream.cancel(&token) } else { stream };
        let (mut done, mut cancelled) = (0, 0);
        for (_, row) in stream {
            match row {
                Ok(row) => {
                    assert_eq!(row, expected);
                    done += 1;
                }
                Err(error) => {
                    assert!(matches!(error, Error::Cancelled));
                    cancelled += 1;
                }
            }
            if done == 10 {
                token.cancel();
            }
        }
        assert!(done >= 10 && done + cancelled <= 40, "{done} {cancelled}");
    }
}

#[test]
fn a_dropped_stream_leaves_nothing_behind() {
    let clip = demo();
    let token = CancelToken::new();
    for taken in [0, 1, 9, 100] {
        let stream = clip.image().stream(std::iter::repeat("examples/drawings/01.png")).cancel(&token);
        assert_eq!(stream.take(taken).filter(|(_, row)| row.is_ok()).count(), taken);
    }
    assert!(!token.is_cancelled());
    #[cfg(target_os = "linux")]
    for thread in fs::read_dir("/proc/self/task").unwrap() {
        // Threads of other tests may be among them, but end.
        let name = thread.unwrap().path().join("comm");
        let gone = (0..500).any(|_| {
            let running = fs::read_to_string(&name).is_ok_and(|name| name.trim() == "clippie-stream");
            std::thread::sleep(std::time::Duration::from_millis(if running { 20 } else { 0 }));
            !running
        });
        assert!(gone);
    }
}

#[test]
fn a_panic_of_the_inputs_reaches_the_caller() {
    let clip = demo();
    let inputs = (0..100).map(|i| if i == 42 { panic!("part of a test") } else { "examples/drawings/01.png" });
    let stream = clip.image().stream(inputs).chunk(3);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stream.count()));
    assert_eq!(result.unwrap_err().downcast_ref::<&str>(), Some(&"part of a test"));
    assert!(clip.encode_image("examples/drawings/01.png").is_ok());

    /// A picture whose conversion to an input panics.
    struct Broken;
    impl<'a> From<&'a Broken> for ImageInput<'a> {
        fn from(_: &'a Broken) -> Self {
            panic!("part of a test, too")
        }
    }
    let stream = clip.image().stream([Broken, Broken]);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stream.count()));
    assert_eq!(result.unwrap_err().downcast_ref::<&str>(), Some(&"part of a test, too"));
}

#[test]
fn a_stream_may_run_on_the_pool_that_it_uses() {
    for threads in [1, 2] {
        let pool = std::sync::Arc::new(rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
        let clip = Options::new().pool(pool.clone()).open_weights(WeightsFile::demo().unwrap()).unwrap();
        let counts = pool.install(|| {
            let all = clip.image().stream(walk::photos(DRAWINGS)).chunk(3).filter(|(_, row)| row.is_ok()).count();
            let some = clip.image().stream(walk::photos(DRAWINGS)).chunk(3).take(4).count();
            (all, some)
        });
        assert_eq!(counts, (36, 4));
    }
}

/// Tasks of a pool that consume streams must not run inside each other without end.
#[test]
fn streams_in_tasks_of_a_pool_do_not_nest() {
    let new_pool = || std::sync::Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap());
    let (own, other) = (new_pool(), new_pool());
    let clip = Options::new().pool(own.clone()).open_weights(WeightsFile::demo().unwrap()).unwrap();
    for pool in [own, other] {
        let (depth, deepest, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        pool.scope(|scope| {
            for _ in 0..500 {
                scope.spawn(|_| {
                    deepest.fetch_max(depth.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let texts = (0..6).map(|i| i.to_string());
                    done.fetch_add(clip.text().stream(texts).chunk(2).count(), Ordering::SeqCst);
                    depth.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(done.into_inner(), 3000);
        assert!(deepest.into_inner() <= 8);
    }
}

fn names(folder: &Path) -> Vec<String> {
    let name = |path: &Path| path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
    walk::photos(folder).map(|found| found.map_or_else(|error| name(error.path()) + "!", |path| name(&path))).collect()
}

#[test]
fn folders_are_listed_in_the_order_of_bytes_without_hidden_files() {
    let folder = tempfile::tempdir().unwrap();
    let photos = ["b.jpg", "B.JPG", "a/z.jpeg", "a.jpg", "a/b/c.webp", "a-.tif", ".x.jpg", "c/.hidden/x.jpg"];
    for name in photos.iter().chain(&["notes.txt", "jpg", "a/x.jpg.part"]) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    assert_eq!(names(folder.path()), ["B.JPG", "a-.tif", "a.jpg", "a/b/c.webp", "a/z.jpeg", "b.jpg"]);
    assert_eq!(names(&folder.path().join("c/.hidden")), ["x.jpg"]);
    assert_eq!(walk::photos(folder.path()).len(), 6);
    assert_eq!(names(&folder.path().join("missing")), ["!"]);
    assert!(walk::is_photo("x.JPEG") && !walk::is_photo("x.txt") && !walk::is_photo("jpg"));
}

#[cfg(unix)]
#[test]
fn folders_that_cannot_be_read_are_errors_in_their_place() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.jpg", "locked/x.jpg", "z.jpg"] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy("examples/drawings/01.png", path).unwrap();
    }
    symlink("nowhere.jpg", folder.path().join("broken.jpg")).unwrap();
    symlink("nowhere", folder.path().join("other")).unwrap();
    symlink(".", folder.path().join("circle")).unwrap();
    symlink("locked", folder.path().join("again")).unwrap();
    let locked = folder.path().join("again");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    let open = fs::read_dir(&locked).is_ok(); // readable as root
    let expected = ["a.jpg", if open { "again/x.jpg" } else { "again!" }, "broken.jpg!", "z.jpg"];
    assert_eq!(names(folder.path()), expected);
    let clip = demo();
    let rows: Vec<_> = clip.image().stream(walk::photos(folder.path())).collect();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(rows.iter().map(|(_, row)| row.is_ok()).collect::<Vec<_>>(), [true, open, false, true]);
    let (found, row) = &rows[2];
    let (listed, error) = (found.as_ref().unwrap_err(), row.as_ref().unwrap_err());
    assert_eq!(error.to_string(), listed.to_string());
    assert!(error.to_string().starts_with(&format!("cannot read {}: ", listed.path().display())));
    assert_eq!((error.kind(), error.index(), error.path()), (ErrorKind::Io, Some(2), Some(listed.path())));
    assert_eq!(listed.reason().kind(), std::io::ErrorKind::NotFound);
}
