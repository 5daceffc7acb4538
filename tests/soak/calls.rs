//! A soak: mixed calls from eight threads, in rounds, with flat memory, handles and threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clippie_rs::{CancelToken, Clip, Error, ErrorKind, ImageInput, Options, RgbBuffer, RgbView};

use crate::alone::alone;
use crate::{PHOTO, open};

const THREADS: usize = 8;
const ROUNDS: usize = 20;
/// Rounds after which everything has been allocated that is kept.
const WARM_UP: usize = 4;
/// Calls of a run without `CLIPPIE_SOAK`.
const SHORT: usize = 40_000;
/// Growth that counts as flat, per cent.
const GROWTH: u64 = 2;

/// A small generator of numbers, so that runs repeat.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }
}

/// What the calls use and the embeddings that they must have.
struct World {
    shared: Clip,
    own: Clip,
    host: Clip,
    pool: Arc<rayon::ThreadPool>,
    file: Vec<u8>,
    picture: RgbBuffer,
    of_file: Vec<f32>,
    of_picture: Vec<f32>,
    of_text: Vec<f32>,
}

const TEXT: &str = "three blue squares";

impl World {
    fn new() -> World {
        let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap());
        let shared = open(Options::new());
        let file = std::fs::read(PHOTO).unwrap();
        let picture = RgbBuffer::new(90, 70, (0..90 * 70 * 3).map(|i| (i * 7 % 251) as u8).collect()).unwrap();
        World {
            of_file: shared.encode_image(&file).unwrap(),
            of_picture: shared.encode_image(&picture).unwrap(),
            of_text: shared.encode_text(TEXT).unwrap(),
            own: open(Options::new().threads(2)),
            host: open(Options::new().pool(Arc::clone(&pool))),
            shared,
            pool,
            file,
            picture,
        }
    }

    fn clip(&self, random: &mut Random) -> &Clip {
        [&self.shared, &self.own, &self.host][random.below(3)]
    }

    /// One call of a random kind.
    fn call(&self, random: &mut Random) {
        let clip = self.clip(random);
        match random.below(100) {
            0..40 => assert_eq!(clip.encode_text(TEXT).unwrap(), self.of_text),
            40..52 => assert_eq!(clip.encode_image(&self.picture).unwrap(), self.of_picture),
            52..58 => assert_eq!(clip.encode_image(&self.file).unwrap(), self.of_file),
            58..60 => assert_eq!(clip.encode_image(PHOTO).unwrap(), self.of_file),
            60..66 => self.failures(clip, random),
            66..72 => self.cancelled(clip, random),
            72..76 => self.stream(clip, random),
            76..80 => self.panic(clip),
            80..84 => self.pool.install(|| assert_eq!(clip.encode_text(TEXT).unwrap(), self.of_text)),
            84..86 => clip.release(),
            86 => self.reopen(random),
            87..90 => drop(clip.clone()),
            _ => assert_eq!(clip.encode_texts([TEXT, "a"]).unwrap().row(0).to_vec(), self.of_text),
        }
    }

    /// Photos that cannot be read, next to one that can.
    fn failures(&self, clip: &Clip, random: &mut Random) {
        let cut = &self.file[..random.below(self.file.len() / 2)];
        let inputs = [ImageInput::from("/there is no such photo"), ImageInput::from(&self.picture), cut.into()];
        let encoded = clip.image().encode_each(&inputs);
        assert_eq!(encoded.get(1).unwrap().unwrap().to_vec(), self.of_picture);
        assert_eq!(encoded.get(0).unwrap().unwrap_err().kind(), ErrorKind::Io);
        assert_eq!(encoded.get(2).unwrap().unwrap_err().kind(), ErrorKind::Image);
        assert!(RgbView::new(3, 3, &self.file[..26]).is_err());
        assert!(clip.encode_texts_into([TEXT], &mut [0.0; 3]).is_err());
    }

    /// A call that is cancelled before, during or after its work.
    fn cancelled(&self, clip: &Clip, random: &mut Random) {
        let token = CancelToken::new();
        let pause = Duration::from_micros(random.below(400) as u64);
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(pause);
                token.cancel();
            });
            for row in clip.with_cancel(&token).image().encode_each([&self.picture; 3]).iter() {
                match row {
                    Ok(row) => assert_eq!(row.to_vec(), self.of_picture),
                    Err(error) => assert!(matches!(error, Error::Cancelled)),
                }
            }
        });
    }

    /// A stream that is dropped before its end, or not.
    fn stream(&self, clip: &Clip, random: &mut Random) {
        for (_, row) in clip.text().stream(vec![TEXT; 12]).chunk(2).take(random.below(14)) {
            assert_eq!(row.unwrap(), self.of_text);
        }
    }

    /// A caller that panics. The payload is raised without the message of a panic.
    fn panic(&self, clip: &Clip) {
        let inputs = (0..6).map(|i| if i < 4 { TEXT } else { std::panic::resume_unwind(Box::new("part of a test")) });
        let result = catch_unwind(AssertUnwindSafe(|| clip.text().stream(inputs).chunk(2).count()));
        assert!(result.is_err());
        assert_eq!(clip.encode_text(TEXT).unwrap(), self.of_text);
    }

    /// A model that is opened with threads of its own, used and dropped.
    fn reopen(&self, random: &mut Random) {
        let clip = open(Options::new().threads(1 + random.below(3)));
        assert_eq!(clip.encode_text(TEXT).unwrap(), self.of_text);
    }
}

/// What a process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// Bytes of memory.
    memory: u64,
    handles: usize,
    threads: usize,
}

impl Held {
    fn now() -> Held {
        let count = |folder: &str| std::fs::read_dir(folder).map_or(0, |entries| entries.count());
        let memory = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
        let memory = memory.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap_or("0");
        let memory: u64 = memory.trim().trim_end_matches(" kB").parse().unwrap();
        Held { memory: memory << 10, handles: count("/proc/self/fd"), threads: count("/proc/self/task") }
    }

    /// What is held once threads that were told to end have ended.
    fn settled(threads: usize) -> Held {
        let begin = Instant::now();
        loop {
            let held = Held::now();
            if held.threads <= threads || begin.elapsed() > Duration::from_secs(20) {
                return held;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// What is held after most of these rounds. Single rounds differ by pages of stacks that happened to be touched.
    fn median(rounds: &[Held]) -> Held {
        fn middle<T: Ord + Copy>(values: impl Iterator<Item = T>) -> T {
            let mut values = Vec::from_iter(values);
            values.sort();
            values[values.len() / 2]
        }
        Held {
            memory: middle(rounds.iter().map(|held| held.memory)),
            handles: middle(rounds.iter().map(|held| held.handles)),
            threads: middle(rounds.iter().map(|held| held.threads)),
        }
    }
}

#[test]
fn calls_of_all_kinds_leave_nothing_behind() {
    let calls = std::env::var("CLIPPIE_SOAK").map_or(SHORT, |calls| calls.parse().expect("CLIPPIE_SOAK: a number"));
    // What the allocator of glibc keeps of free memory and of stacks of ended threads depends on chance, and its caches
    // of small blocks, up to a quarter of a megabyte for each thread, are not full after half a million calls.
    let allocator = "glibc.malloc.arena_max=1:glibc.malloc.tcache_count=0:glibc.malloc.mmap_threshold=32768:\
                     glibc.malloc.trim_threshold=32768:glibc.malloc.top_pad=0:glibc.pthread.stack_cache_size=0";
    let settings = [("GLIBC_TUNABLES", allocator), ("RAYON_NUM_THREADS", "2")];
    alone("calls::calls_of_all_kinds_leave_nothing_behind", &settings, 200 + calls as u64 / 20, || {
        let world = World::new();
        let threads = Held::now().threads;
        let mut rounds = Vec::with_capacity(ROUNDS);
        for round in 0..ROUNDS {
            thread::scope(|scope| {
                for thread in 0..THREADS {
                    let world = &world;
                    scope.spawn(move || {
                        let mut random = Random((round * THREADS + thread) as u64);
                        (0..calls / ROUNDS / THREADS).for_each(|_| world.call(&mut random));
                    });
                }
            });
            [&world.shared, &world.own, &world.host].into_iter().for_each(Clip::release);
            rounds.push(Held::settled(threads));
        }
        let memory = Vec::from_iter(rounds.iter().map(|held| held.memory >> 10));
        println!("{calls} calls; kB after each round: {memory:?}; at the end {:?}", rounds[ROUNDS - 1]);
        let (before, after) = rounds[WARM_UP..].split_at((ROUNDS - WARM_UP) / 2);
        let (before, after) = (Held::median(before), Held::median(after));
        if cfg!(target_os = "linux") {
            assert!(before.memory > 1 << 20, "the memory was measured");
            assert_eq!((after.handles, after.threads), (before.handles, before.threads), "{rounds:?}");
            assert!(after.memory * 100 <= before.memory * (100 + GROWTH), "{rounds:?}");
        }
    });
}
