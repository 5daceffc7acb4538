//! Weights in use: files that were never written, change or vanish, and files whose descriptions ask for much memory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(unix)]
use std::time::{Duration, SystemTime};

use clippie_rs::weights::internals::Writer;
use clippie_rs::weights::{Dtype, Reason, WeightsFile};
use clippie_rs::{Clip, Error, ErrorKind, Options};
use clippie_testkit::checkpoint::model::{Model, TowerSize, VitSize};
use clippie_testkit::checkpoint::{Layout, golden};
use ndarray::Array4;
use tempfile::TempDir;

use crate::{absurd, converted, put};

const SIDE: usize = 8;
const CONTEXT: usize = 6;
const VOCABULARY: usize = 12;

/// A converted model whose image tower has this width and number of layers.
fn model(width: usize, layers: usize) -> (TempDir, PathBuf) {
    let tower = |width, layers, mlp_ratio| TowerSize { width, layers, heads: 2, mlp_ratio };
    let size = VitSize {
        embed_dim: 8,
        image_size: SIDE,
        patch_size: 4,
        image: tower(width, layers, 4.0),
        context_length: CONTEXT,
        vocab_size: VOCABULARY,
        causal: true,
        text: tower(16, 1, 2.0),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = converted::weights(&Model::custom("tiny-in-use", size, false), Layout::OpenClip, 1, folder.path());
    (folder, path)
}

fn image(clip: &Clip) -> Result<Vec<u32>, Error> {
    let pixels = Array4::from_shape_vec((1, 3, SIDE, SIDE), golden::pixels(0, SIDE)).unwrap();
    clip.image().encode_pixels(pixels.view()).map(|rows| rows.iter().map(|value| value.to_bits()).collect())
}

fn text(clip: &Clip) -> Result<Vec<u32>, Error> {
    let ids = golden::ids(0, CONTEXT, VOCABULARY);
    clip.text().encode_ids([ids]).map(|rows| rows.iter().map(|value| value.to_bits()).collect())
}

/// The bits of an image's and a text's embedding.
fn both(clip: &Clip) -> Result<Vec<u32>, Error> {
    Ok([image(clip)?, text(clip)?].concat())
}

fn opened(path: &Path) -> Result<Vec<u32>, Error> {
    both(&Clip::open(path)?)
}

fn reason(error: Error) -> Reason {
    assert_eq!(error.kind(), ErrorKind::Weights, "{error}");
    match error {
        Error::Weights(error) => error.into_reason(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_flipped_bit_anywhere_is_an_error_or_changes_nothing() {
    let (_folder, path) = model(16, 1);
    let bytes = fs::read(&path).unwrap();
    let right = opened(&path).unwrap();
    let header = WeightsFile::open(&path).unwrap().header().clone();
    let head = 64 + u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let in_tensor = |at: usize| header.tensors.iter().any(|entry| entry.bytes.contains(&(at as u64)));
    // Every byte of header and tensors in a release build; a sample of the padding, of which there is ten times more.
    let step = if cfg!(debug_assertions) { 11 } else { 1 };
    let (content, padding): (Vec<usize>, Vec<usize>) = (0..bytes.len()).partition(|&at| at < head || in_tensor(at));
    let padding = padding.into_iter().step_by(101 * step);
    for at in content.into_iter().step_by(step).chain(padding) {
        put(&path, at, &[bytes[at] ^ 1 << (at % 8)]);
        match opened(&path) {
            Ok(numbers) => {
                // Towers of up to a megabyte are hashed as a whole.
                assert!(at >= head && !in_tensor(at), "the changed byte {at} went unnoticed");
                assert_eq!(numbers, right, "byte {at}");
            }
            Err(error) if in_tensor(at) => assert!(matches!(reason(error), Reason::Damaged(_)), "byte {at}"),
            Err(error) => assert!(at < head, "byte {at}: {error}"),
        }
        put(&path, at, &[bytes[at]]);
    }
    assert_eq!(opened(&path).unwrap(), right);
}

#[test]
fn every_truncation_of_a_model_is_an_error() {
    let (_folder, path) = model(16, 1);
    let file = File::options().write(true).open(&path).unwrap();
    let len = file.metadata().unwrap().len();
    for len in (0..len).rev().step_by(if cfg!(debug_assertions) { 7 } else { 1 }) {
        file.set_len(len).unwrap();
        assert_eq!(Clip::open(&path).unwrap_err().kind(), ErrorKind::Weights, "{len}");
    }
}

#[test]
fn tensors_that_were_never_written_are_refused_by_name() {
    // Larger than what first use hashes.
    let (_folder, path) = model(256, 3);
    let bytes = fs::read(&path).unwrap();
    let right = opened(&path).unwrap();
    let header = WeightsFile::open(&path).unwrap().header().clone();
    let towers = header.towers();
    assert!(towers[0].bytes.end - towers[0].bytes.start > 8 << 20);
    let entry = header.tensors.iter().find(|entry| entry.spec.name == "image.blocks.1.fc1.weight").unwrap();
    let damaged = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        edit(&mut bytes);
        fs::write(&path, bytes).unwrap();
        Clip::open(&path).unwrap()
    };
    let named = |result: Result<Vec<u32>, Error>| match reason(result.unwrap_err()) {
        Reason::Damaged(name) => name,
        other => panic!("{other}"),
    };

    // Any four pages of it in a row.
    let pages = (entry.bytes.start.next_multiple_of(4096)..entry.bytes.end - 5 * 4096).step_by(4096 * 37);
    for page in pages.map(|page| page as usize) {
        let clip = damaged(&|bytes| bytes[page..page + 4 * 4096].fill(0));
        assert_eq!(named(image(&clip)), "image.blocks.1.fc1.weight", "page at {page}");
        // Again, and the other tower is sound.
        assert_eq!(named(image(&clip)), "image.blocks.1.fc1.weight");
        assert_eq!(text(&clip).unwrap(), right[8..]);
        assert_eq!(clip.weights().verify().unwrap().damaged, ["image.blocks.1.fc1.weight"]);
    }
    // Everything, everything after the start of this tensor, and a file that was made longer without being written.
    let data = towers[0].bytes.start as usize;
    assert_eq!(named(both(&damaged(&|bytes| bytes[data..].fill(0)))), header.tensors[0].spec.name);
    let middle = entry.bytes.start as usize;
    let clip = damaged(&|bytes| bytes[middle..].fill(0));
    assert_eq!(named(image(&clip)), "image.blocks.1.fc1.weight");
    assert!(named(text(&clip)).starts_with("text."));
    // The end of the text tower is enough to refuse the file, whichever tower is used.
    let tail = header.tensors.iter().rev().nth(3).unwrap().bytes.start as usize;
    let clip = damaged(&|bytes| bytes[tail..].fill(0));
    assert!(named(image(&clip)).starts_with("text."));
    fs::write(&path, &bytes[..middle]).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(bytes.len() as u64).unwrap();
    assert_eq!(named(opened(&path)), "image.blocks.1.fc1.weight");
    // Other numbers in a range that holds a whole small tensor.
    let clip = damaged(&|bytes| bytes[middle..entry.bytes.end as usize + 4096].fill(0x3f));
    assert_eq!(named(image(&clip)), "image.blocks.1.fc1.bias");
    // The message has a remedy.
    let message = image(&clip).unwrap_err().to_string();
    assert!(message.contains("was never written; copy it again") && message.contains("pull --force"), "{message}");

    fs::write(&path, &bytes).unwrap();
    assert_eq!(opened(&path).unwrap(), right);
}

#[test]
fn an_embedding_without_length_is_an_error_even_if_the_file_is_sound() {
    let (folder, path) = model(16, 1);
    let file = WeightsFile::open(&path).unwrap();
    let specs: Vec<_> = file.header().tensors.iter().map(|entry| entry.spec.clone()).collect();
    let zero = folder.path().join("zero.clippie");
    let mut writer = Writer::create(&zero, file.header().meta.clone(), specs.clone()).unwrap();
    for spec in &specs {
        assert!(matches!(spec.dtype, Dtype::F32 | Dtype::F16));
        writer.write(&spec.name, &vec![0.0; spec.stored_len().unwrap()]).unwrap();
    }
    writer.finish().unwrap();
    for clip in [Clip::open(&zero).unwrap(), Options::new().normalize(false).open(&zero).unwrap()] {
        let errors = [("image", image(&clip).unwrap_err()), ("text", text(&clip).unwrap_err())];
        for (what, error) in errors {
            assert_eq!((error.kind(), error.index()), (ErrorKind::Weights, Some(0)));
            assert!(error.to_string().contains(&format!("the embedding of {what} 0 is zero")), "{error}");
        }
        // Zeros with the right checksum are sound weights of a useless model.
        assert!(clip.weights().verify().unwrap().is_intact());
    }
}

/// Waits until the clock of the file system has moved on, so that the next change has another time.
#[cfg(unix)]
fn tick() {
    std::thread::sleep(Duration::from_millis(30));
}

#[cfg(unix)]
#[test]
fn a_file_that_changes_while_it_is_open_gives_the_right_numbers_or_an_error() {
    let (folder, path) = model(16, 1);
    let bytes = fs::read(&path).unwrap();
    tick();
    let clip = Clip::open(&path).unwrap();
    let right = both(&clip).unwrap();
    let (image_at, text_at) = {
        let towers = clip.weights().header().towers();
        (towers[0].bytes.start as usize, towers[1].bytes.start as usize)
    };
    let refused = |expected: &str| {
        for error in [image(&clip).unwrap_err(), image(&clip).unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Weights);
            assert!(error.to_string().contains(expected), "{error}");
        }
    };
    tick();

    // Bytes of a tower: its results are refused until the right bytes are back.
    put(&path, image_at, &[7; 100]);
    refused("was changed by another program while it was in use");
    assert_eq!(text(&clip).unwrap(), right[8..]);
    put(&path, image_at, &bytes[image_at..image_at + 100]);
    assert_eq!(both(&clip).unwrap(), right);
    // Another program restores the time of the last change.
    tick();
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    put(&path, image_at, &[7; 100]);
    File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    refused("was changed by another program while it was in use");
    put(&path, image_at, &bytes[image_at..image_at + 100]);
    assert_eq!(both(&clip).unwrap(), right);

    // The length. Nothing touches a missing page, which would end this process.
    tick();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(1000).unwrap();
    refused("changed from");
    assert!(text(&clip).is_err());
    fs::write(&path, &bytes).unwrap();
    assert_eq!(both(&clip).unwrap(), right);
    tick();
    file.set_len(bytes.len() as u64 + 1).unwrap();
    refused("changed from");
    file.set_len(bytes.len() as u64).unwrap();
    assert_eq!(both(&clip).unwrap(), right);

    // Times, names, rights: nothing happens.
    tick();
    file.set_modified(SystemTime::now()).unwrap();
    assert_eq!(both(&clip).unwrap(), right);
    tick();
    fs::hard_link(&path, folder.path().join("link")).unwrap();
    fs::remove_file(folder.path().join("link")).unwrap();
    assert_eq!(both(&clip).unwrap(), right);
    tick();
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    assert_eq!(both(&clip).unwrap(), right);
    tick();
    let mut other = bytes.clone();
    other[text_at..].fill(0);
    fs::write(&path, other).unwrap();
    fs::rename(&path, &elsewhere).unwrap();
    assert_eq!(both(&clip).unwrap(), right, "the file that was replaced stays in use");
    assert!(opened(&elsewhere).is_err());
    tick();
    fs::remove_file(&elsewhere).unwrap();
    assert_eq!(both(&clip).unwrap(), right);
}

#[cfg(unix)]
#[test]
fn no_pass_returns_other_numbers_while_a_program_writes() {
    let (_folder, path) = model(16, 1);
    let bytes = fs::read(&path).unwrap();
    tick();
    let clip = Clip::open(&path).unwrap();
    let right = both(&clip).unwrap();
    let start = clip.weights().header().towers()[0].bytes.start as usize;
    tick();
    let (done, mut wrong) = (AtomicBool::new(false), None);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Damages and repairs the file all the time.
            while !done.load(Ordering::Relaxed) {
                put(&path, start, &[7; 64]);
                std::thread::sleep(Duration::from_millis(2));
                put(&path, start, &bytes[start..start + 64]);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        // The writer may get no processor for a while.
        let (mut passes, mut refused) = (0, 0);
        while wrong.is_none() && (passes < 8 || refused == 0) {
            match both(&clip) {
                Ok(numbers) => wrong = Some(numbers).filter(|numbers| *numbers != right),
                Err(_) => refused += 1,
            }
            passes += 1;
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(wrong, None);
    assert_eq!(both(&clip).unwrap(), right, "the file is sound again");
}

#[cfg(unix)]
#[test]
fn a_copy_in_memory_does_not_depend_on_its_file() {
    let (_folder, path) = model(16, 1);
    let bytes = fs::read(&path).unwrap();
    let right = opened(&path).unwrap();
    let copied = || Options::new().copy_weights(true).open(&path);
    let clip = copied().unwrap();
    File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    assert_eq!(both(&clip).unwrap(), right);
    assert_eq!((clip.weights().path(), clip.weights().file_len()), (&*path, bytes.len() as u64));
    clip.release();
    assert_eq!(both(&clip).unwrap(), right);

    // It is verified as a whole: also what first use would not look at, and the tower that is not used.
    let last = bytes.len() - 1;
    let damaged = [&bytes[..last], &[bytes[last] ^ 1]].concat();
    fs::write(&path, &damaged).unwrap();
    let error = Options::new().copy_weights(true).open_image(&path).unwrap_err();
    assert!(matches!(reason(error), Reason::Damaged(name) if name.starts_with("text.")));
    // A file that changed since it was mapped.
    fs::write(&path, &bytes).unwrap();
    let mapped = WeightsFile::open(&path).unwrap();
    put(&path, 70, &[bytes[70] ^ 1]);
    assert!(mapped.to_memory().is_err());
    fs::write(&path, &bytes[..1000]).unwrap();
    let error = mapped.to_memory().unwrap_err();
    assert!(matches!(error.reason(), Reason::Changed { found: 1000, .. }), "{error}");
    // Bytes in memory are not copied again.
    let owned = WeightsFile::from_bytes(bytes, "bytes").unwrap();
    assert_eq!(both(&Options::new().copy_weights(true).open_weights(owned).unwrap()).unwrap(), right);
}

#[test]
fn descriptions_that_ask_for_more_memory_than_their_file_justifies_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = absurd::text(folder.path(), 65_536, 131_072);
    assert!(fs::metadata(&path).unwrap().len() < 32 << 20);
    let text = Options::new().open_text(&path).unwrap();
    for ids in [vec![vec![1u32, 2]], vec![vec![1, 2]; 3]] {
        let error = text.encode_ids(&ids).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Weights);
        assert!(error.to_string().contains("one text would take 3"), "{error}");
        assert!(error.to_string().contains("MB suit a file of its size"), "{error}");
    }

    let path = absurd::image(folder.path(), 2040, 8, 131_072);
    let image = Options::new().open_image(&path).unwrap();
    let error = image.encode_pixels(Array4::zeros((1, 3, 2040, 2040)).view()).unwrap_err();
    assert!(error.to_string().contains("one image would take 3"), "{error}");
}

/// What the handler of SIGBUS does, and what it leaves alone.
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod guarded {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, ExitStatus, Stdio};

    use clippie_rs::weights::guard_mapped_files;

    use super::*;

    #[test]
    fn pages_that_are_gone_are_an_error() {
        guard_mapped_files().unwrap();
        guard_mapped_files().unwrap();
        let (_folder, path) = model(16, 1);
        let bytes = fs::read(&path).unwrap();
        let file = WeightsFile::open(&path).unwrap();
        let clip = Options::new().open_weights(file.clone()).unwrap();
        let right = both(&clip).unwrap();
        let entry = file.header().tensors[0].clone();
        let view = file.tensor(&entry.spec.name, entry.spec.layout, &entry.spec.shape).unwrap();
        assert!(view.iter().any(|&value| value != 0.0));

        File::options().write(true).open(&path).unwrap().set_len(4096).unwrap();
        assert!(view.iter().all(|&value| value == 0.0), "missing pages read as zeros");
        assert!(matches!(reason(both(&clip).unwrap_err()), Reason::Changed { found: 4096, .. }));
        // Even if the file is whole again, this map is not.
        fs::write(&path, &bytes).unwrap();
        for error in [image(&clip).unwrap_err(), text(&clip).unwrap_err()] {
            assert!(error.to_string().contains("was cut short or could not be read"), "{error}");
        }
        assert!(matches!(file.verify().unwrap_err().reason(), Reason::Lost));
        assert_eq!(opened(&path).unwrap(), right);
        // Another map at these addresses is a new one.
        drop((file, clip, view));
        assert_eq!(opened(&path).unwrap(), right);
    }

    /// Runs `case` of [`other_faults_end_the_process`] in a process of its own.
    fn run(case: &str) -> ExitStatus {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "in_use::guarded::other_faults_end_the_process"]).env("WEIGHTS_FAULT", case);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap()
    }

    #[test]
    #[allow(unsafe_code)]
    fn other_faults_end_the_process() {
        let Ok(case) = std::env::var("WEIGHTS_FAULT") else {
            for case in ["foreign map", "sent"] {
                assert_eq!(run(case).signal(), Some(libc::SIGBUS), "{case}");
            }
            assert_eq!(run("handler").code(), Some(42));
            return;
        };
        extern "C" fn leave(_signal: libc::c_int) {
            // SAFETY: `_exit` may be called in a handler.
            unsafe { libc::_exit(42) }
        }
        if case == "handler" {
            let action = leave as extern "C" fn(libc::c_int);
            // SAFETY: the handler has the signature of a plain one and calls `_exit` alone.
            unsafe { libc::signal(libc::SIGBUS, action as *const () as usize) };
        }
        guard_mapped_files().unwrap();
        // Maps of weights files do not matter to other faults.
        let (folder, path) = model(16, 1);
        let _open = WeightsFile::open(&path).unwrap();
        if case == "sent" {
            // The first one removes the handler of Rust's runtime, which was there before, as it would without the guard.
            assert!(
                Command::new("sh")
                    .args(["-c", "kill -BUS $PPID; sleep 0.3; kill -BUS $PPID"])
                    .status()
                    .unwrap()
                    .success()
            );
            std::thread::sleep(Duration::from_secs(5));
            return;
        }
        let path = folder.path().join("foreign");
        fs::write(&path, [1; 4 * 65_536]).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        // SAFETY: the file is this test's alone; it is cut below to fault on purpose.
        let map = unsafe { memmap2::Mmap::map(&file).unwrap() };
        file.set_len(1).unwrap();
        std::hint::black_box(map[3 * 65_536]);
    }
}
