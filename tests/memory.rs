//! The cost of opening and encoding: time to open, resident pages of the file, private memory.
//!
//! Linux reports all of it under /proc; on other systems nothing is measured.
#![cfg(all(feature = "import", target_os = "linux"))]

#[path = "common/converted.rs"]
mod converted;

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clippie_rs::import::TokenTable;
use clippie_rs::weights::{Tower, WeightsFile};
use clippie_rs::{ImageEncoder, Options, TextEncoder};
use clippie_testkit::checkpoint::{Layout, Model, golden, multilingual};
use ndarray::Array4;

/// Kilobytes in `field` of a /proc file of this process.
fn kilobytes(text: &str, field: &str) -> u64 {
    text.lines()
        .filter_map(|line| line.strip_prefix(field)?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .sum()
}

/// Resident bytes of the mappings of `path`.
fn resident(path: &Path) -> u64 {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let name = path.to_str().unwrap();
    let mut inside = false;
    let mut sum = 0;
    for line in smaps.lines() {
        if line.split_whitespace().next().is_some_and(|word| word.contains('-') && !word.ends_with(':')) {
            inside = line.ends_with(name);
        } else if inside {
            sum += kilobytes(line, "Rss:");
        }
    }
    sum * 1024
}

/// Offsets in the file of the pages of `range` that the mapping of `path` makes resident in this process.
fn resident_pages(path: &Path, range: std::ops::Range<u64>) -> Vec<u64> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.ends_with(path.to_str().unwrap())).unwrap();
    let start = u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap();
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let page =
        smaps.lines().find(|line| line.starts_with("KernelPageSize:")).map(|line| kilobytes(line, "KernelPageSize:"));
    let page = page.unwrap() * 1024;
    let file = std::fs::File::open("/proc/self/pagemap").unwrap();
    let pages = range.start / page..range.end.div_ceil(page);
    let mut entries = vec![0; (pages.end - pages.start) as usize * 8];
    file.read_exact_at(&mut entries, (start / page + pages.start) * 8).unwrap();
    let is_present = |entry: &[u8]| entry[7] & 0x80 != 0;
    let present = pages.zip(entries.chunks_exact(8)).filter(|(_, entry)| is_present(entry));
    present.map(|(at, _)| at * page).collect()
}

/// Private memory of this process: not backed by a file.
fn private() -> u64 {
    kilobytes(&std::fs::read_to_string("/proc/self/status").unwrap(), "RssAnon:") * 1024
}

/// The largest value of [`private`] while `work` runs, sampled every 0.2 milliseconds.
fn peak_private<R>(work: impl FnOnce() -> R) -> (u64, R) {
    let (peak, done) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                peak.fetch_max(private(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        let result = work();
        peak.fetch_max(private(), Ordering::Relaxed);
        done.store(true, Ordering::Relaxed);
        (peak.load(Ordering::Relaxed), result)
    })
}

/// A single test, so that no other test of this process is measured too.
#[test]
fn a_file_of_600_megabytes() {
    const MEGABYTE: u64 = 1_000_000;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let model = Model::named("vit-b-32-openai").unwrap();
    let path = converted::weights(&model, Layout::OpenClip, 3, folder.path());
    let path = path.canonicalize().unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    assert!(size > 600 * MEGABYTE, "{size}");

    // Opening takes less than 10 ms (median, in case the machine is busy) and reads only the header, which is not
    // mapped.
    let mut times: Vec<Duration> = (0..21)
        .map(|_| {
            let start = Instant::now();
            let text = TextEncoder::open(&path).unwrap();
            let time = start.elapsed();
            assert!(resident(&path) <= 256 * 1024, "{} bytes are resident after opening", resident(&path));
            drop(text);
            time
        })
        .collect();
    times.sort();
    println!("open: {:?}", times[10]);
    assert!(times[10] < Duration::from_millis(10), "{times:?}");

    // A sentence touches the text tower's blocks and some rows of its embedding, but no page of the image tower.
    let text = TextEncoder::open(&path).unwrap();
    text.encode(&["a photo of a dog on a beach"]).unwrap();
    let towers = WeightsFile::open(&path).unwrap().header().towers();
    let bytes = |tower| towers.iter().find(|t| t.tower == tower).map(|t| t.bytes.end - t.bytes.start).unwrap();
    let after_text = resident(&path);
    println!("resident after a sentence: {after_text} of {size}; text tower {}", bytes(Tower::Text));
    assert!(after_text > 100 * MEGABYTE, "the blocks of the text tower were used");
    assert!(after_text < bytes(Tower::Text), "no more than the text tower is resident");
    text.release();
    assert!(resident(&path) < MEGABYTE, "released pages are gone");
    drop(text);

    // An image makes the image tower resident and needs little private memory.
    let before = private();
    let (peak, _image) = peak_private(|| {
        let image = Options::new().open_image(&path).unwrap();
        let pixels = Array4::from_shape_vec((1, 3, 224, 224), golden::pixels(0, 224)).unwrap();
        image.encode_pixels(pixels.view()).unwrap();
        image
    });
    println!("private memory: {before} before, {peak} at the peak of one image");
    assert!(peak < 60 * MEGABYTE, "{peak}");
    assert!(resident(&path) <= bytes(Tower::Image) + 256 * 1024);

    // Many passes use no more memory than one.
    let image = ImageEncoder::open(&path).unwrap();
    let pixels = Array4::from_shape_vec((1, 3, 224, 224), golden::pixels(1, 224)).unwrap();
    image.encode_pixels(pixels.view()).unwrap();
    let settled = private();
    for _ in 0..20 {
        image.encode_pixels(pixels.view()).unwrap();
    }
    let after = private();
    assert!(after <= settled + 2 * MEGABYTE, "{settled} grew to {after}");
    drop(image);

    // Of a table of 250,002 tokens, opening reads no row, and a text its own. The system maps 64 KiB or more around each of
    // them, and around each of the sixteen pages of the table that are looked at once.
    let model = multilingual::tall();
    for form in [TokenTable::Exact, TokenTable::Int8] {
        let path = converted::weights_with(&model, Layout::OpenClip, 3, folder.path(), form).canonicalize().unwrap();
        let size = std::fs::metadata(&path).unwrap().len();
        let (least, most) = if form == TokenTable::Exact { (64, 75) } else { (17, 25) };
        assert!((least * MEGABYTE..most * MEGABYTE).contains(&size), "{size}");
        let before = private();
        let text = TextEncoder::open(&path).unwrap();
        assert!(resident(&path) <= 256 * 1024, "{} bytes are resident after opening", resident(&path));
        text.encode_ids([[0, 35_378, 8_999, 581, 250_001, 10, 71_234, 200_000, 5, 2]]).unwrap();
        println!(
            "resident after a text of ten tokens: {} of {size}; {} private",
            resident(&path),
            private().saturating_sub(before)
        );
        // Of the smaller table, blocks of the cache are a larger share.
        assert!(resident(&path) < size / 4 || form == TokenTable::Int8, "{} of {size}", resident(&path));

        // The next texts read their rows and nothing else of the table: what is resident lies near them, or near the ends
        // of the table, next to other tensors. The system maps whole blocks of its cache: 512 KiB were seen, 2 MiB are the most.
        const NEAR: u64 = 2 << 20;
        let header = WeightsFile::open(&path).unwrap().header().clone();
        let table = header.tensors.into_iter().find(|entry| entry.spec.name == "text.token_embedding").unwrap();
        let row_len = (table.bytes.end - table.bytes.start) / 250_002;
        for ids in [[0, 100_000, 100_001, 2], [0, 31_000, 222_222, 2], [0, 249_990, 17, 2]] {
            text.release();
            text.encode_ids([ids]).unwrap();
            let pages = resident_pages(&path, table.bytes.clone());
            let rows = ids.map(|id| table.bytes.start + u64::from(id) * row_len);
            let places: Vec<u64> = rows.into_iter().chain([table.bytes.start, table.bytes.end]).collect();
            let is_near = |page: u64| places.iter().any(|place| page.abs_diff(*place) <= NEAR);
            let (first, last) = (pages.first().copied().unwrap_or(0), pages.last().copied().unwrap_or(0));
            let far = pages.iter().filter(|&&page| !is_near(page)).count();
            println!(
                "{form:?} {ids:?}: {} pages of the table from {first} to {last}, {far} far from its rows",
                pages.len()
            );
            assert!(!pages.is_empty() && far == 0, "{form:?} {ids:?}: {pages:?}");
        }
        assert!(private() < before + 40 * MEGABYTE, "{} of {before}", private());
    }
}
