//! Test support: a folder with photos and a library, runs of the binary, and the rows of the library.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tempfile::TempDir;

use clippie_testkit::checkpoint::model::{Model, TowerSize, VitSize};
use clippie_testkit::checkpoint::{self, Layout};

pub const BINARY: &str = env!("CARGO_BIN_EXE_clippie-rs");

/// A photo of 16 by 16 pixels, a BMP file; each seed has its own.
pub fn photo(seed: u32) -> Vec<u8> {
    let mut bytes = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x10\0\0\0\x10\0\0\0\x01\0\x18\0".to_vec();
    bytes.resize(54, 0);
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    for cell in 0..256u32 {
        if cell % 5 == 0 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        }
        bytes.extend_from_slice(&state.to_le_bytes()[1..]);
    }
    // Whatever the colours, no two seeds have the same bytes.
    bytes[54..58].copy_from_slice(&seed.to_le_bytes());
    bytes
}

/// A time long ago: files with it are not recent.
pub fn long_ago(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000 + seconds)
}

pub fn set_time(path: &Path, time: SystemTime) {
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// A file of the library: its path below the folder of the test, and what is known of it.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub struct Row {
    pub path: String,
    pub bytes: i64,
    pub modified: i64,
    /// BLAKE3 of the content in hexadecimal, or why the file is no photo.
    pub content: Result<String, String>,
    pub missing: bool,
    /// The embeddings of the content, by fingerprint.
    pub embeddings: Vec<(String, Vec<u8>)>,
}

/// A fresh folder, in which the binary is run. The library is `library.sqlite` in a folder of its own, so that roots are
/// absolute.
pub struct Sandbox {
    pub folder: TempDir,
    pub library: PathBuf,
}

impl Sandbox {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let library = folder.path().join("data/library.sqlite");
        Sandbox { folder, library }
    }

    /// With the photos of these seeds in `photos`, named by them.
    pub fn with_photos(seeds: impl IntoIterator<Item = u32>) -> Self {
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.path("photos")).unwrap();
        for seed in seeds {
            sandbox.photo(format!("photos/{seed}.bmp"), seed);
        }
        sandbox
    }

    pub fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.folder.path().join(name.as_ref())
    }

    /// Writes a file of long ago.
    pub fn write(&self, name: impl AsRef<OsStr>, bytes: impl AsRef<[u8]>, seconds: u64) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        set_time(&path, long_ago(seconds));
        path
    }

    pub fn photo(&self, name: impl AsRef<OsStr>, seed: u32) -> PathBuf {
        self.write(name, photo(seed), u64::from(seed))
    }

    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(BINARY);
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        for name in ["CLIPPIE_MODEL", "CLIPPIE_ISA", "RUST_BACKTRACE", "CLIPPIE_LIBRARY"] {
            command.env_remove(name);
        }
        command.env("CLIPPIE_THREADS", "2").env("CLIPPIE_HOME", self.path("home")).env("HF_HUB_OFFLINE", "1");
        command
            .env("HF_HOME", self.path("no-hf"))
            .env("XDG_DATA_HOME", self.path("xdg"))
            .env("HOME", self.path("home"));
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        Ran::new(self.command(args).output().unwrap())
    }

    /// [`Sandbox::run`] with a file as standard input.
    pub fn feed<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>, file: &str) -> Ran {
        let file = File::open(self.path(file)).unwrap();
        Ran::new(self.command(args).stdin(file).output().unwrap())
    }

    /// Makes the weights file of a tiny model; each seed has its own.
    pub fn tiny_model(&self, seed: u64, name: &str) {
        let tower = |layers| TowerSize { width: 32, layers, heads: 2, mlp_ratio: 2.0 };
        let size = VitSize {
            embed_dim: 24,
            image_size: 32,
            patch_size: 8,
            image: tower(2),
            context_length: 77,
            vocab_size: 49408,
            causal: true,
            text: tower(1),
        };
        let folder = format!("checkpoint-{seed}");
        checkpoint::write(&Model::custom("tiny", size, true), seed, Layout::OpenClip, &self.path(&folder)).unwrap();
        self.run(["convert", &folder, name]).code(0);
    }

    /// `index` with the library and the demo model.
    pub fn index_command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.command(["index", "-m", "demo", "--report", "report.json", "--library"]);
        command.arg(&self.library).args(args);
        command
    }

    pub fn index<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        Ran::new(self.index_command(args).output().unwrap())
    }

    /// `index photos` succeeds without warnings and gives these numbers, which are named in its report; all others, apart
    /// from those of all files, are zero.
    #[track_caller]
    pub fn indexes(&self, numbers: &[(&str, u64)]) -> Value {
        let ran = self.index(["photos"]).code(0);
        assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
        let report = self.report();
        expect(&report, numbers);
        report
    }

    pub fn report(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("report.json")).unwrap()).unwrap()
    }

    pub fn connection(&self) -> Connection {
        Connection::open_with_flags(&self.library, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
    }

    /// All files of the library, sorted by path, after a check of the database.
    pub fn rows(&self) -> Vec<Row> {
        rows(&self.connection(), self.folder.path())
    }

    /// The paths of the files that are not missing.
    pub fn found(&self) -> Vec<String> {
        self.rows().into_iter().filter(|row| !row.missing).map(|row| row.path).collect()
    }

    pub fn missing(&self) -> Vec<String> {
        self.rows().into_iter().filter(|row| row.missing).map(|row| row.path).collect()
    }

    pub fn count(&self, table: &str) -> u64 {
        let sql = format!("SELECT count(*) FROM {table}");
        self.connection().query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap() as u64
    }
}

/// See [`Sandbox::indexes`].
#[track_caller]
pub fn expect(report: &Value, numbers: &[(&str, u64)]) {
    for name in [
        "unchanged",
        "new",
        "changed",
        "moved",
        "copied",
        "found_again",
        "failed",
        "failed_before",
        "missing",
        "pruned_files",
        "opened",
        "encoded",
    ] {
        let expected = numbers.iter().find(|(known, _)| *known == name).map_or(0, |(_, number)| *number);
        assert_eq!(report[name], expected, "{name} of {report:#}");
    }
}

/// All files of a library, sorted by path. Panics if the database is damaged, or a file's content or embedding is not
/// there.
pub fn rows(connection: &Connection, base: &Path) -> Vec<Row> {
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let broken = connection.prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap();
    assert!(!broken, "foreign keys");
    let mut statement = connection
        .prepare(
            "SELECT root.path, root.relative, file.path, file.bytes, modified, photo, error, missing, hash FROM file
             JOIN root ON root.id = file.root LEFT JOIN photo ON photo.id = file.photo",
        )
        .unwrap();
    let base = fs::canonicalize(base).unwrap();
    let mut embeddings = connection
        .prepare(
            "SELECT fingerprint, vector FROM embedding JOIN model ON model.id = embedding.model WHERE photo = ?1
             ORDER BY fingerprint",
        )
        .unwrap();
    let rows = statement
        .query_map([], |row| {
            let text = |at| Ok::<_, rusqlite::Error>(String::from_utf8_lossy(row.get_ref(at)?.as_blob()?).into_owned());
            let path = Path::new(&text(0)?).join(text(2)?);
            let path = path.strip_prefix(&base).map_or_else(|_| path.clone(), Path::to_owned);
            let photo: Option<i64> = row.get(5)?;
            let error: Option<String> = row.get(6)?;
            let content = match (photo, error) {
                (Some(_), None) => Ok(row.get::<_, Vec<u8>>(8)?.iter().map(|byte| format!("{byte:02x}")).collect()),
                (None, Some(error)) => Err(error),
                other => panic!("{}: {other:?}", path.display()),
            };
            let vectors = embeddings.query_map([photo], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let embeddings: Vec<(String, Vec<u8>)> = vectors.collect::<Result<_, _>>()?;
            assert_eq!(embeddings.is_empty(), content.is_err(), "{}", path.display());
            let path = path.to_string_lossy().into_owned();
            Ok(Row { path, bytes: row.get(3)?, modified: row.get(4)?, content, missing: row.get(7)?, embeddings })
        })
        .unwrap();
    let mut rows: Vec<Row> = rows.map(Result::unwrap).collect();
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    rows
}

/// Result of a run.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn new(output: Output) -> Self {
        let ran = Ran {
            code: output.status.code().expect("no signal ends the binary"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!ran.stderr.contains("defect in clippie-rs"), "{}", ran.stderr);
        ran
    }

    /// Asserts the exit code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.stderr);
        self
    }

    /// Asserts that the messages contain all of `parts`.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in: {}", self.stderr);
        }
        self
    }
}
