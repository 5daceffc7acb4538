//! The real binary against the hub: as on a fresh computer, and ever after.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{FILE, NAME, REPO, files, ranges};
use clippie_testkit::checkpoint::model::{Model, TowerSize, VitSize};
use clippie_testkit::checkpoint::{self, Layout};
use clippie_testkit::hub_server::{COMMIT, Fault, HubServer, Kind, Repo};

const BINARY: &str = env!("CARGO_BIN_EXE_clippie-rs");

/// A hub with a small model that has the real vocabulary, and a home of its own.
struct Desk {
    server: HubServer,
    folder: TempDir,
    repo: Repo,
    _source: TempDir,
}

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Desk {
    fn new() -> Desk {
        let source = tempfile::tempdir().unwrap();
        let tower = TowerSize { width: 16, layers: 1, heads: 2, mlp_ratio: 2.0 };
        let size = VitSize {
            embed_dim: 8,
            image_size: 16,
            patch_size: 8,
            image: tower.clone(),
            context_length: 77,
            vocab_size: 49408,
            causal: true,
            text: tower,
        };
        let model = Model::custom("small", size, true);
        checkpoint::write(&model, 1, Layout::OpenClip, source.path()).unwrap();
        let mut repo = Repo::of_folder(REPO, source.path());
        repo.card = serde_json::json!({ "license": "other", "license_name": "apple-amlr" });
        let server = HubServer::start(vec![repo.clone()]);
        Desk { server, folder: tempfile::tempdir().unwrap(), repo, _source: source }
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The binary with nothing of the environment but where the hub is and where models lie.
    fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(BINARY);
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        // Whatever proxies and tokens this computer has.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().to_ascii_uppercase();
            if ["CLIPPIE_", "HF_", "HUGGING", "XDG_", "TRANSFORMERS_", "SSL_"].iter().any(|p| text.starts_with(p))
                || text.ends_with("_PROXY")
            {
                command.env_remove(name);
            }
        }
        command
            .env("CLIPPIE_HOME", self.home())
            .env("HF_ENDPOINT", self.server.endpoint())
            .env("HF_HOME", self.folder.path().join("no-hf"));
        command
    }

    fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        ran(&mut self.command(args))
    }

    fn model_file(&self) -> String {
        format!("models/test--tiny-{}.clippie", &self.repo.file(FILE).sha256()[..16])
    }

    /// What lies in the home but locks.
    fn files(&self) -> Vec<String> {
        if !self.home().exists() {
            return Vec::new();
        }
        files(&self.home()).into_iter().filter(|file| !file.starts_with("locks")).collect()
    }
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let ran = Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) };
    assert!(!ran.stderr.contains("defect") && !ran.stderr.contains("hf_secret"), "{}", ran.stderr);
    ran
}

impl Ran {
    #[track_caller]
    fn code(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "{}", self.stderr);
        self
    }

    #[track_caller]
    fn says(self, parts: &[&str]) -> Ran {
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in: {}", self.stderr);
        }
        self
    }
}

#[test]
fn encode_pulls_at_the_first_use_and_never_asks_again() {
    let desk = Desk::new();
    let encode = ["encode", "-m", NAME, "--text", "a dog on a beach"];
    let first = desk.run(encode).code(0).says(&[
        "hf-hub:test/tiny: fetching ",
        &desk.server.endpoint(),
        &COMMIT[..12],
        "license of the weights: apple-amlr, for research only; what binds is the text at https://huggingface.co/test/tiny",
        "pulled hf-hub:test/tiny: ",
        &desk.model_file(),
    ]);
    let row: Value = serde_json::from_str(&first.stdout).unwrap();
    assert_eq!(row["embedding"].as_array().unwrap().len(), 8);
    assert_eq!(desk.files(), [desk.model_file()]);
    assert!(!desk.server.seen().is_empty());

    // Nothing is asked and nothing said, whatever the settings of the network.
    for (name, value) in [("HF_ENDPOINT", "http://127.0.0.1:9"), ("HF_ENDPOINT", "nonsense"), ("HF_HUB_OFFLINE", "1")] {
        let again = ran(desk.command(encode).env(name, value)).code(0);
        assert_eq!((again.stdout.as_str(), again.stderr.as_str()), (first.stdout.as_str(), ""), "{name}");
    }
    assert_eq!(desk.server.seen(), []);

    // The other commands that take a model know the name, too.
    let info = desk.run(["info", NAME]).code(0);
    assert!(info.stdout.contains(&desk.model_file()), "{}", info.stdout);
    let default = ran(desk.command(["encode", "--text", "a dog on a beach"]).env("CLIPPIE_MODEL", NAME)).code(0);
    assert_eq!(default.stdout, first.stdout);
}

#[test]
fn pull_and_models_show_what_is_here() {
    let desk = Desk::new();
    let none = desk.run(["models"]).code(0);
    assert!(none.stdout.contains("None is here yet: `clippie-rs pull NAME`"), "{}", none.stdout);
    desk.run(["info", NAME]).code(1).says(&["hf-hub:test/tiny is not on this computer; `clippie-rs pull"]);
    assert_eq!(desk.server.seen(), []);

    let pulled = desk.run(["pull", NAME, "--keep-original"]).code(0).says(&["license of the weights", "pulled hf-hub"]);
    assert_eq!(pulled.stdout, "");
    assert!(!pulled.stderr.contains('\r') && !pulled.stderr.contains('\u{1b}'), "no bar: {}", pulled.stderr);
    desk.server.seen();
    desk.run(["pull", NAME]).code(0).says(&["is here already", &desk.model_file(), "--force"]);
    assert_eq!(desk.server.seen(), []);

    let shown = desk.run(["models"]).code(0).stdout;
    let folder = desk.home().join("models");
    assert!(shown.contains(&format!("Here, in {}:", folder.display())), "{shown}");
    let file = desk.home().join(desk.model_file());
    let line = shown.lines().find(|line| line.starts_with("hf-hub:test/tiny  ")).unwrap();
    assert!(line.ends_with(file.file_name().unwrap().to_str().unwrap()) && line.contains(" MB  "), "{line}");
    assert!(shown.contains("hf-hub:test/tiny: ") && shown.contains("kept as downloaded in "), "{shown}");
    let rows: Vec<Value> = serde_json::from_str(&desk.run(["models", "--json"]).code(0).stdout).unwrap();
    let row = rows.iter().find(|row| row["name"] == NAME).unwrap();
    assert_eq!((&row["source"], &row["image_size_px"], &row["embed_dim"]), (&REPO.into(), &16.into(), &8.into()));
    assert_eq!(row["path"], file.to_str().unwrap());
    assert_eq!(row["bytes"], fs::metadata(&file).unwrap().len());
    assert_eq!(row["license"], Value::Null);

    let removed = desk.run(["models", "--remove", NAME]).code(0).says(&["removed hf-hub:test/tiny: ", " MB are free"]);
    assert_eq!((removed.stdout.as_str(), desk.files()), ("", vec![]));
    desk.run(["models", "--remove", NAME]).code(1).says(&["error: hf-hub:test/tiny is not on this computer"]);
    desk.run(["models", "--remove", "../evil"]).code(1).says(&["error: no model is called `../evil`"]);
    if cfg!(feature = "demo") {
        desk.run(["models", "--remove", "demo"]).code(1).says(&["demo is compiled in"]);
        desk.run(["pull", "demo"]).code(1).says(&["demo is compiled in"]);
    }
    desk.run(["pull", "-q", NAME]).code(0);
    assert_eq!(desk.run(["pull", "-q", NAME, "--force"]).code(0).stderr, "");
}

#[cfg(feature = "demo")]
#[test]
fn bench_measures_all_models_that_are_here() {
    let desk = Desk::new();
    let bench = ["bench", "--threads", "1", "--batch", "1", "--text-tokens", "5", "--seconds", "0"];
    let models = |ran: Ran| -> Vec<String> {
        ran.stdout.lines().skip(4).filter(|line| !line.starts_with(' ')).map(str::to_owned).collect()
    };
    assert_eq!(models(desk.run(bench).code(0)), ["demo"]);
    desk.run(["pull", NAME]).code(0);
    assert!(!desk.server.seen().is_empty());
    let found = models(desk.run(bench).code(0));
    assert_eq!((found.len(), found[0].as_str()), (2, "demo"), "{found:?}");
    // One object is of one model.
    assert!(desk.run([&bench[..], &["--json"]].concat()).code(0).stdout.contains("\"model\":\"demo\""));
    assert!(desk.server.seen().is_empty(), "nothing is fetched");
}

#[test]
fn what_fails_is_one_sentence_with_the_remedy() {
    let desk = Desk::new();
    for (args, parts) in [
        (vec!["pull", "mobileclip2-s7"], vec!["error: no model is called `mobileclip2-s7`", "clippie-rs models"]),
        (vec!["pull", "MobileCLIP2-S2"], vec!["one is called `mobileclip2-s2`"]),
        (vec!["pull", "rn50-openai"], vec!["error: model `rn50-openai` is not supported yet"]),
        (vec!["pull", "hf-hub:x"], vec!["hf-hub:ORG/REPO"]),
        (vec!["encode", "--text", "a", "-m", "mobileclip2-s7"], vec!["there is no file mobileclip2-s7, and no model"]),
        (vec!["encode", "--text", "a", "-m", "rn50-openai"], vec!["`rn50-openai` is not supported yet"]),
        (vec!["encode", "--text", "a", "-m", "hf-hub:test/none"], vec!["no public repository test/none (401)"]),
        (vec!["pull", "vit-b-32-openai"], vec!["no public repository timm/vit_base_patch32_clip_224.openai (401)"]),
    ] {
        let ran = desk.run(&args).code(1).says(&parts);
        assert_eq!((ran.stdout.as_str(), ran.stderr.lines().count()), ("", 1), "{args:?}: {}", ran.stderr);
    }
    desk.run(["pull"]).code(2).says(&["MODEL"]);
    desk.run(["models", "--json", "--remove", NAME]).code(2);
    let wrong = ran(desk.command(["pull", NAME]).env("HF_ENDPOINT", "nonsense")).code(1);
    wrong.says(&["error: HF_ENDPOINT does not start with https:// or http://"]);
    let offline = ran(desk.command(["encode", "--text", "a", "-m", NAME]).env("HF_HUB_OFFLINE", "1")).code(1);
    offline.says(&[
        "is not on this computer and HF_HUB_OFFLINE forbids the network",
        "`clippie-rs pull hf-hub:test/tiny`",
    ]);
    assert_eq!(desk.files(), [""; 0]);
    // A broken connection is told and gone on with.
    desk.server.fail(Kind::Store, Fault::Cut(1000));
    desk.run(["pull", NAME]).code(0).says(&["warning: cannot reach ", "the connection broke", "trying again in 1 s"]);
    assert_eq!(ranges(&desk.server.seen()), [None, Some("bytes=1000-".to_owned())]);
}

#[test]
fn tokens_come_from_the_environment_and_stay_at_the_endpoint() {
    let desk = Desk::new();
    desk.server.publish(Repo { token: Some(("hf_secret".into(), true)), ..desk.repo.clone() });
    desk.run(["pull", NAME]).code(1).says(&["test/tiny is gated (401)", "set HF_TOKEN"]);
    desk.server.seen();
    ran(desk.command(["pull", "-vv", NAME]).env("HF_TOKEN", "hf_secret")).code(0);
    for seen in desk.server.seen() {
        assert_eq!(seen.authorization.is_some(), seen.kind != Kind::Store, "{seen:?}");
    }
    // As `hf auth login` leaves it.
    desk.run(["models", "--remove", NAME]).code(0);
    let home = desk.folder.path().join("hf-home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("token"), "hf_secret").unwrap();
    ran(desk.command(["pull", NAME]).env("HF_HOME", &home)).code(0);
}

#[test]
fn two_processes_fetch_once() {
    let desk = Desk::new();
    desk.server.fail(Kind::Store, Fault::Gate);
    let start = |args: &[&str]| desk.command(args).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = start(&["pull", NAME]);
    let mut lines = BufReader::new(first.stderr.take().unwrap()).lines().map(Result::unwrap);
    // The first holds the lock when it says what it fetches.
    assert!(lines.next().unwrap().contains("fetching"));
    let mut second = start(&["encode", "-m", NAME, "--text", "a"]);
    let mut second_lines = BufReader::new(second.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(second_lines.next().unwrap(), "another process is pulling hf-hub:test/tiny; waiting for it");
    let busy = desk.run(["models", "--remove", NAME]).code(1);
    busy.says(&["hf-hub:test/tiny is being pulled by another process"]);
    desk.server.open_gate();
    assert!(first.wait().unwrap().success());
    assert!(lines.last().unwrap().starts_with("pulled hf-hub:test/tiny: "));
    let second = second.wait_with_output().unwrap();
    assert!(second.status.success());
    assert_eq!(second_lines.next(), None);
    assert!(serde_json::from_slice::<Value>(&second.stdout).unwrap()["embedding"].is_array());
    // Each file once.
    let seen = desk.server.seen();
    assert_eq!(ranges(&seen), [None]);
    assert_eq!(seen.iter().filter(|seen| seen.kind == Kind::List).count(), 1);
    assert_eq!(desk.files(), [desk.model_file()]);
}

#[test]
fn a_process_that_is_killed_leaves_nothing_that_looks_whole() {
    let desk = Desk::new();
    let cut = 100_000;
    desk.server.fail(Kind::Store, Fault::Cut(cut)).fail(Kind::Store, Fault::Gate);
    let mut pull = desk.command(["pull", NAME]).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(pull.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("trying again")));
    pull.kill().unwrap();
    pull.wait().unwrap();
    desk.server.open_gate();
    let left = desk.files();
    assert!(left.iter().all(|file| file.starts_with("downloads/test--tiny/")), "{left:?}");
    assert!(left.iter().any(|file| file.ends_with(".incomplete")), "{left:?}");
    let shown = desk.run(["models"]).code(0).stdout;
    assert!(shown.contains("None is here yet") && shown.contains("goes on"), "{shown}");
    // The lock died with its holder.
    desk.server.heal();
    desk.server.seen();
    desk.run(["pull", NAME]).code(0);
    assert_eq!(ranges(&desk.server.seen()), [Some(format!("bytes={cut}-"))]);
    assert_eq!(desk.files(), [desk.model_file()]);
}

#[test]
fn a_cache_of_another_tool_needs_no_network() {
    let desk = Desk::new();
    let snapshot = desk.folder.path().join("hf/hub/models--test--tiny/snapshots").join(COMMIT);
    let refs = desk.folder.path().join("hf/hub/models--test--tiny/refs");
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(&refs).unwrap();
    fs::write(refs.join("main"), COMMIT).unwrap();
    for file in files(desk._source.path()) {
        fs::copy(desk._source.path().join(&file), snapshot.join(&file)).unwrap();
    }
    let mut command = desk.command(["encode", "-m", NAME, "--text", "a"]);
    command.env("HF_HOME", desk.folder.path().join("hf")).env("HF_HUB_OFFLINE", "1");
    let ran = ran(&mut command).code(0).says(&["that another tool downloaded", "license of the weights", "pulled"]);
    assert!(ran.stdout.contains("embedding"));
    assert_eq!(desk.server.seen(), []);
}

/// Proxies of the environment hold, and those that `NO_PROXY` excepts do not.
#[test]
fn proxies_are_honoured() {
    let desk = Desk::new();
    let proxied = |no_proxy: &str| {
        let mut command = desk.command(["pull", NAME]);
        // Nobody listens there, so nothing comes back.
        command.env("HTTP_PROXY", "http://127.0.0.1:9").env("NO_PROXY", no_proxy);
        command
    };
    let through = ran(&mut proxied("")).code(1);
    through.says(&["cannot reach", "HTTPS_PROXY"]);
    assert_eq!(desk.server.seen(), []);
    ran(&mut proxied("127.0.0.1")).code(0);
}
