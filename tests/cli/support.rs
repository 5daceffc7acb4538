//! Test support: a working folder, a model, and the result of a run.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, Weak};

use serde_json::Value;
use tempfile::TempDir;

use clippie_testkit::checkpoint::model::{Model, TowerSize, VitSize};
use clippie_testkit::checkpoint::{self, Layout};

pub const BINARY: &str = env!("CARGO_BIN_EXE_clippie-rs");
/// Length of the embeddings of [`tiny`].
pub const EMBED_DIM: usize = 24;
/// Side of the photos of [`tiny`].
pub const IMAGE_SIZE: usize = 32;

/// A model small enough for many processes, with CLIP's vocabulary.
pub fn tiny() -> Model {
    let tower = |layers| TowerSize { width: 32, layers, heads: 2, mlp_ratio: 2.0 };
    let size = VitSize {
        embed_dim: EMBED_DIM,
        image_size: IMAGE_SIZE,
        patch_size: 8,
        image: tower(2),
        context_length: 77,
        vocab_size: 49408,
        causal: true,
        text: tower(1),
    };
    Model::custom("tiny-cli", size, true)
}

/// The weights file of [`tiny`], created once for all tests that run at the same time.
fn weights() -> Arc<TempDir> {
    static MADE: Mutex<Weak<TempDir>> = Mutex::new(Weak::new());
    let mut made = MADE.lock().unwrap();
    if let Some(folder) = made.upgrade() {
        return folder;
    }
    let folder = Arc::new(TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
    let checkpoint = folder.path().join("checkpoint");
    checkpoint::write(&tiny(), 1, Layout::OpenClip, &checkpoint).unwrap();
    let out = Command::new(BINARY)
        .args(["convert", "checkpoint", "tiny.clippie"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    *made = Arc::downgrade(&folder);
    folder
}

/// A fresh folder in which the binary is run.
pub struct Sandbox {
    folder: TempDir,
    model: Arc<TempDir>,
}

impl Sandbox {
    pub fn new() -> Self {
        Sandbox { folder: TempDir::new().unwrap(), model: weights() }
    }

    /// The weights file shared by all tests; read-only.
    pub fn model(&self) -> PathBuf {
        self.model.path().join("tiny.clippie")
    }

    /// Its checkpoint: a folder in open_clip's layout.
    pub fn checkpoint(&self) -> PathBuf {
        self.model.path().join("checkpoint")
    }

    /// A copy of the weights file that may be damaged.
    pub fn own_model(&self) -> PathBuf {
        let own = self.path("own.clippie");
        std::fs::copy(self.model(), &own).unwrap();
        own
    }

    pub fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.folder.path().join(name.as_ref())
    }

    pub fn write(&self, name: impl AsRef<OsStr>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// All files in the folder, recursively, sorted.
    pub fn files(&self) -> Vec<String> {
        fn walk(folder: &Path, base: &Path, names: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, base, names);
                } else {
                    names.push(path.strip_prefix(base).unwrap().to_string_lossy().into_owned());
                }
            }
        }
        let mut names = Vec::new();
        walk(self.folder.path(), self.folder.path(), &mut names);
        names.sort();
        names
    }

    /// The binary with this working folder and a clean environment.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(BINARY);
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        for name in ["CLIPPIE_MODEL", "CLIPPIE_THREADS", "CLIPPIE_ISA", "RUST_BACKTRACE"] {
            command.env_remove(name);
        }
        // No model is installed and none can be downloaded; `tests/hub` tests downloads.
        command.env("CLIPPIE_HOME", self.model.path().join("home")).env("HF_HUB_OFFLINE", "1");
        command.env("HF_HOME", self.model.path().join("no-hf"));
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        Ran::new(self.command(args).output().unwrap())
    }

    /// `encode` with the shared model.
    pub fn encode<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        Ran::new(self.encode_command(args).output().unwrap())
    }

    pub fn encode_command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut all: Vec<OsString> = vec!["encode".into(), "-m".into(), self.model().into()];
        all.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self.command(all)
    }
}

/// Runs `command` with `input` on standard input.
pub fn feed(mut command: Command, input: &[u8]) -> Ran {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || {
        // The command may close standard input early.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    Ran::new(output)
}

/// Result of a run.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ran {
    fn new(output: Output) -> Self {
        let ran = Ran {
            code: output.status.code().expect("no signal ends the binary"),
            stdout: output.stdout,
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

    /// Asserts success without messages.
    #[track_caller]
    pub fn ok(self) -> Self {
        let ran = self.code(0);
        assert_eq!(ran.stderr, "");
        ran
    }

    /// Asserts an exit code, an empty standard output, and messages that contain all of `parts` and no Rust internals.
    #[track_caller]
    pub fn fails(self, code: i32, parts: &[&str]) -> Self {
        let ran = self.code(code);
        assert_eq!(String::from_utf8_lossy(&ran.stdout), "");
        ran.says(parts)
    }

    /// Asserts that the messages contain all of `parts`.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in: {}", self.stderr);
        }
        self
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// The lines of standard output as JSON.
    pub fn rows(&self) -> Vec<Value> {
        rows(self.text())
    }

    pub fn error_lines(&self) -> Vec<&str> {
        self.stderr.lines().filter(|line| line.starts_with("error: ")).collect()
    }
}

pub fn rows(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The embedding of a row.
#[track_caller]
pub fn embedding(row: &Value) -> Vec<f32> {
    let values = row["embedding"].as_array().unwrap_or_else(|| panic!("{row}"));
    values.iter().map(|value| value.as_f64().unwrap() as f32).collect()
}

/// Shape and values of a NumPy array.
pub fn read_npy(bytes: &[u8]) -> (Vec<u64>, Vec<f32>) {
    let npy = npyz::NpyFile::new(bytes).unwrap();
    assert_eq!(npy.order(), npyz::Order::C);
    (npy.shape().to_vec(), npy.into_vec().unwrap())
}
