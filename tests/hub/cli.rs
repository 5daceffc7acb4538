//! The real binary against the hub server, from a fresh installation on.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{FILE, NAME, REPO, files, ranges};
use clippie_testkit::checkpoint::model::{Model, TowerSize, VitSize};
use clippie_testkit::checkpoint::{self, Layout};
use clippie_testkit::hub_server::{COMMIT, Fault, HubServer, Kind, Repo};

const BINARY: &str = env!("CARGO_BIN_EXE_clippie-rs");

/// A hub server with a small model of the real vocabulary, and a home folder.
struct CliFixture {
    server: HubServer,
    folder: TempDir,
    repo: Repo,
    _source: TempDir,
}

struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl CliFixture {
    fn new() -> CliFixture {
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
        CliFixture { server, folder: tempfile::tempdir().unwrap(), repo, _source: source }
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The binary with no settings from the environment except the URL of the hub and the folder of models.
    fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(BINARY);
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        // Remove proxies, tokens and folders of the current environment.
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

    fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Run {
        run(&mut self.command(args))
    }

    fn model_file(&self) -> String {
        format!("models/test--tiny-{}.clippie", &self.repo.file(FILE).sha256()[..16])
    }

    /// Files in the home folder except locks.
    fn files(&self) -> Vec<String> {
        if !self.home().exists() {
            return Vec::new();
        }
        files(&self.home()).into_iter().filter(|file| !file.starts_with("locks")).collect()
    }
}

fn run(command: &mut Command) -> Run {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let ran = Run { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) };
    assert!(!ran.stderr.contains("defect") && !ran.stderr.contains("hf_secret"), "{}", ran.stderr);
    ran
}

impl Run {
    #[track_caller]
    fn code(self, code: i32) -> Run {
        assert_eq!(self.code, code, "{}", self.stderr);
        self
    }

    #[track_caller]
    fn assert_stderr(self, parts: &[&str]) -> Run {
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in: {}", self.stderr);
        }
        self
    }
}

/// A stack that no system has room for makes every start of a thread fail, as a limit of a container does.
#[test]
fn a_model_is_pulled_without_threads() {
    let encode = ["encode", "-m", NAME, "--text", "a dog on a beach"];
    let rows = ["", "70368744177664"].map(|stack| {
        let fixture = CliFixture::new();
        let ran = run(fixture.command(encode).env("RUST_MIN_STACK", stack)).code(0);
        assert_eq!(fixture.files(), [fixture.model_file()]);
        assert_eq!(fixture.run(["info", "--verify", NAME]).code(0).stderr, "");
        ran.stdout
    });
    assert_eq!(rows[0], rows[1]);
}

#[test]
fn encode_pulls_at_the_first_use_only() {
    let fixture = CliFixture::new();
    let encode = ["encode", "-m", NAME, "--text", "a dog on a beach"];
    let first = fixture.run(encode).code(0).assert_stderr(&[
        "hf-hub:test/tiny: fetching ",
        &fixture.server.endpoint(),
        &COMMIT[..12],
        "license of the weights: apple-amlr, for research only; the text at https://huggingface.co/test/tiny is binding",
        "pulled hf-hub:test/tiny: ",
        &fixture.model_file(),
    ]);
    let row: Value = serde_json::from_str(&first.stdout).unwrap();
    assert_eq!(row["embedding"].as_array().unwrap().len(), 8);
    assert_eq!(fixture.files(), [fixture.model_file()]);
    assert!(!fixture.server.seen().is_empty());

    // No request and no message, for any network settings.
    for (name, value) in [("HF_ENDPOINT", "http://127.0.0.1:9"), ("HF_ENDPOINT", "nonsense"), ("HF_HUB_OFFLINE", "1")] {
        let again = run(fixture.command(encode).env(name, value)).code(0);
        assert_eq!((again.stdout.as_str(), again.stderr.as_str()), (first.stdout.as_str(), ""), "{name}");
    }
    assert_eq!(fixture.server.seen(), []);

    // Other commands with a model accept the name, too.
    let info = fixture.run(["info", NAME]).code(0);
    assert!(info.stdout.contains(&fixture.model_file()), "{}", info.stdout);
    let default = run(fixture.command(["encode", "--text", "a dog on a beach"]).env("CLIPPIE_MODEL", NAME)).code(0);
    assert_eq!(default.stdout, first.stdout);
}

#[test]
fn pull_and_models_show_installed_models() {
    let fixture = CliFixture::new();
    let none = fixture.run(["models"]).code(0);
    assert!(none.stdout.contains("No model is installed yet: `clippie-rs pull NAME`"), "{}", none.stdout);
    fixture.run(["info", NAME]).code(1).assert_stderr(&["hf-hub:test/tiny is not on this computer; `clippie-rs pull"]);
    assert_eq!(fixture.server.seen(), []);

    let pulled = fixture
        .run(["pull", NAME, "--keep-original"])
        .code(0)
        .assert_stderr(&["license of the weights", "pulled hf-hub"]);
    assert_eq!(pulled.stdout, "");
    assert!(!pulled.stderr.contains('\r') && !pulled.stderr.contains('\u{1b}'), "no bar: {}", pulled.stderr);
    fixture.server.seen();
    fixture.run(["pull", NAME]).code(0).assert_stderr(&["is already installed", &fixture.model_file(), "--force"]);
    let int8 = ["pull", NAME, "--token-table", "int8"];
    fixture.run(int8).code(1).assert_stderr(&["installed with another token table", &fixture.model_file(), "--force"]);
    assert_eq!(fixture.server.seen(), []);
    fixture.run(int8.iter().chain(&["--force", "--keep-original"])).code(0).assert_stderr(&["pulled hf-hub"]);
    assert!(fixture.run(["info", NAME]).code(0).stdout.contains("i8, a scale for each row"));
    fixture.run(int8).code(0).assert_stderr(&["is already installed"]);
    fixture.server.seen();

    // Another precision is installed beside it.
    let half = format!("{NAME}:f16");
    fixture.run(["pull", NAME, "--precision", "f16"]).code(0).assert_stderr(&["pulled hf-hub:test/tiny:f16"]);
    fixture.run(["pull", &half]).code(0).assert_stderr(&["hf-hub:test/tiny:f16 is already installed", "@@f16-"]);
    let (halves, floats) = (fixture.run(["info", &half]).code(0), fixture.run(["info", NAME]).code(0));
    assert!(halves.stdout.contains("precision          f16") && floats.stdout.contains("precision          f32"));
    // Its name is the one that it was pulled by, not that of its file.
    let encoded = fixture.run(["encode", "-m", &half, "--text", "a dog", "--format", "json"]).code(0).stdout;
    assert!(encoded.contains(&format!("\"{half}\"")) && !encoded.contains("@@"), "{encoded}");
    assert!(halves.stdout.contains(NAME) && floats.stdout.contains(NAME), "{}", halves.stdout);
    let exact = ["--token-table", "exact", "--precision", "int8"];
    fixture.run(["pull", NAME].iter().chain(&exact)).code(2).assert_stderr(&["--token-table exact cannot be obeyed"]);
    fixture.run(["pull", &half, "--precision", "f32"]).code(2).assert_stderr(&["names f16, and --precision f32"]);
    assert!(fixture.run(["models"]).code(0).stdout.contains(&half));
    let small = format!("{NAME}:int8");
    fixture.run(["pull", &small]).code(0).assert_stderr(&["pulled hf-hub:test/tiny:int8"]);
    fixture.run(["pull", NAME, "--precision", "int8", "--token-table", "int8"]).code(0).assert_stderr(&["@@int8-"]);
    assert!(fixture.run(["info", &small]).code(0).stdout.contains("precision          int8"));
    assert!(fixture.run(["models"]).code(0).stdout.contains(&small));
    for name in [&half, &small] {
        fixture.run(["models", "--remove", name]).code(0);
    }
    fixture.server.seen();

    let shown = fixture.run(["models"]).code(0).stdout;
    let folder = fixture.home().join("models");
    assert!(shown.contains(&format!("Installed in {}:", folder.display())), "{shown}");
    let file = fixture.home().join(fixture.model_file());
    let line = shown.lines().find(|line| line.starts_with("hf-hub:test/tiny  ")).unwrap();
    assert!(line.ends_with(file.file_name().unwrap().to_str().unwrap()) && line.contains(" MB  "), "{line}");
    assert!(shown.contains("hf-hub:test/tiny: ") && shown.contains("kept as downloaded in "), "{shown}");
    let rows: Vec<Value> = serde_json::from_str(&fixture.run(["models", "--json"]).code(0).stdout).unwrap();
    let row = rows.iter().find(|row| row["name"] == NAME).unwrap();
    assert_eq!((&row["source"], &row["image_size_px"], &row["embed_dim"]), (&REPO.into(), &16.into(), &8.into()));
    assert_eq!(row["path"], file.to_str().unwrap());
    assert_eq!(row["bytes"], fs::metadata(&file).unwrap().len());
    assert_eq!(row["license"], Value::Null);

    let removed = fixture
        .run(["models", "--remove", NAME])
        .code(0)
        .assert_stderr(&["removed hf-hub:test/tiny: ", " MB are free"]);
    assert_eq!((removed.stdout.as_str(), fixture.files()), ("", vec![]));
    fixture
        .run(["models", "--remove", NAME])
        .code(1)
        .assert_stderr(&["error: hf-hub:test/tiny is not on this computer"]);
    fixture.run(["models", "--remove", "../evil"]).code(1).assert_stderr(&["error: no model is called `../evil`"]);
    if cfg!(feature = "demo") {
        fixture.run(["models", "--remove", "demo"]).code(1).assert_stderr(&["demo is compiled in"]);
        fixture.run(["pull", "demo"]).code(1).assert_stderr(&["demo is compiled in"]);
    }
    fixture.run(["pull", "-q", NAME]).code(0);
    assert_eq!(fixture.run(["pull", "-q", NAME, "--force"]).code(0).stderr, "");
}

#[cfg(feature = "demo")]
#[test]
fn bench_measures_all_installed_models() {
    let fixture = CliFixture::new();
    let bench = ["bench", "--threads", "1", "--batch", "1", "--text-tokens", "5", "--seconds", "0"];
    let models = |ran: Run| -> Vec<String> {
        ran.stdout.lines().skip(4).filter(|line| !line.starts_with(' ')).map(str::to_owned).collect()
    };
    assert_eq!(models(fixture.run(bench).code(0)), ["demo"]);
    fixture.run(["pull", NAME]).code(0);
    assert!(!fixture.server.seen().is_empty());
    let found = models(fixture.run(bench).code(0));
    assert_eq!((found.len(), found[0].as_str()), (2, "demo"), "{found:?}");
    // A JSON object describes one model.
    assert!(fixture.run([&bench[..], &["--json"]].concat()).code(0).stdout.contains("\"model\":\"demo\""));
    assert!(fixture.server.seen().is_empty(), "nothing is downloaded");
    // One that is damaged is left out; its remedy needs no checkpoint.
    let file = fixture.home().join(fixture.model_file());
    std::fs::write(&file, "x").unwrap();
    assert_eq!(models(fixture.run(bench).code(0).assert_stderr(&["warning: left out: ", "weights file"])), ["demo"]);
    fixture
        .run(["encode", "--text", "a", "-m", NAME])
        .code(1)
        .assert_stderr(&["; or fetch it again with `clippie-rs pull --force hf-hub:test/tiny`"]);
    fixture.run(["pull", "-q", "--force", NAME]).code(0);
    fixture.run(["encode", "--text", "a", "-m", NAME]).code(0);
}

#[test]
fn failures_are_one_sentence_with_a_remedy() {
    let fixture = CliFixture::new();
    for (args, parts) in [
        (vec!["pull", "mobileclip2-s7"], vec!["error: no model is called `mobileclip2-s7`", "clippie-rs models"]),
        (vec!["pull", "MobileCLIP2-S2"], vec!["one is called `mobileclip2-s2`"]),
        (vec!["pull", "hf-hub:x"], vec!["hf-hub:ORG/REPO"]),
        (vec!["encode", "--text", "a", "-m", "mobileclip2-s7"], vec!["there is no file mobileclip2-s7, and no model"]),
        (vec!["encode", "--text", "a", "-m", "hf-hub:test/none"], vec!["no public repository test/none (401)"]),
        (vec!["pull", "vit-b-32-openai"], vec!["no public repository timm/vit_base_patch32_clip_224.openai (401)"]),
    ] {
        let ran = fixture.run(&args).code(1).assert_stderr(&parts);
        assert_eq!((ran.stdout.as_str(), ran.stderr.lines().count()), ("", 1), "{args:?}: {}", ran.stderr);
    }
    fixture.run(["pull"]).code(2).assert_stderr(&["MODEL"]);
    fixture.run(["models", "--json", "--remove", NAME]).code(2);
    let wrong = run(fixture.command(["pull", NAME]).env("HF_ENDPOINT", "nonsense")).code(1);
    wrong.assert_stderr(&["error: HF_ENDPOINT does not start with https:// or http://"]);
    let offline = run(fixture.command(["encode", "--text", "a", "-m", NAME]).env("HF_HUB_OFFLINE", "1")).code(1);
    offline.assert_stderr(&[
        "is not on this computer and HF_HUB_OFFLINE forbids the network",
        "`clippie-rs pull hf-hub:test/tiny`",
    ]);
    assert_eq!(fixture.files(), [""; 0]);
    // A broken connection is reported and resumed.
    fixture.server.fail(Kind::Store, Fault::Cut(1000));
    fixture.run(["pull", NAME]).code(0).assert_stderr(&[
        "warning: cannot reach ",
        "the connection broke",
        "trying again in 1 s",
    ]);
    assert_eq!(ranges(&fixture.server.seen()), [None, Some("bytes=1000-".to_owned())]);
}

#[test]
fn tokens_come_from_the_environment_and_go_to_the_endpoint_only() {
    let fixture = CliFixture::new();
    fixture.server.publish(Repo { token: Some(("hf_secret".into(), true)), ..fixture.repo.clone() });
    fixture.run(["pull", NAME]).code(1).assert_stderr(&["test/tiny is gated (401)", "set HF_TOKEN"]);
    fixture.server.seen();
    run(fixture.command(["pull", "-vv", NAME]).env("HF_TOKEN", "hf_secret")).code(0);
    for seen in fixture.server.seen() {
        assert_eq!(seen.authorization.is_some(), seen.kind != Kind::Store, "{seen:?}");
    }
    // In the form that `hf auth login` writes.
    fixture.run(["models", "--remove", NAME]).code(0);
    let home = fixture.folder.path().join("hf-home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("token"), "hf_secret").unwrap();
    run(fixture.command(["pull", NAME]).env("HF_HOME", &home)).code(0);
}

#[test]
fn two_processes_download_once() {
    let fixture = CliFixture::new();
    fixture.server.fail(Kind::Store, Fault::Gate);
    let start = |args: &[&str]| fixture.command(args).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = start(&["pull", NAME]);
    let mut lines = BufReader::new(first.stderr.take().unwrap()).lines().map(Result::unwrap);
    // The first process holds the lock once it reports its download.
    assert!(lines.next().unwrap().contains("fetching"));
    let mut second = start(&["encode", "-m", NAME, "--text", "a"]);
    let mut second_lines = BufReader::new(second.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(second_lines.next().unwrap(), "another process is pulling hf-hub:test/tiny; waiting for it");
    let busy = fixture.run(["models", "--remove", NAME]).code(1);
    busy.assert_stderr(&["hf-hub:test/tiny is being pulled by another process"]);
    fixture.server.open_gate();
    assert!(first.wait().unwrap().success());
    assert!(lines.last().unwrap().starts_with("pulled hf-hub:test/tiny: "));
    let second = second.wait_with_output().unwrap();
    assert!(second.status.success());
    assert_eq!(second_lines.next(), None);
    assert!(serde_json::from_slice::<Value>(&second.stdout).unwrap()["embedding"].is_array());
    // Each file was requested once.
    let seen = fixture.server.seen();
    assert_eq!(ranges(&seen), [None]);
    assert_eq!(seen.iter().filter(|seen| seen.kind == Kind::List).count(), 1);
    assert_eq!(fixture.files(), [fixture.model_file()]);
}

#[test]
fn a_killed_process_leaves_no_complete_file() {
    let fixture = CliFixture::new();
    let cut = 100_000;
    fixture.server.fail(Kind::Store, Fault::Cut(cut)).fail(Kind::Store, Fault::Gate);
    let mut pull = fixture.command(["pull", NAME]).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(pull.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("trying again")));
    pull.kill().unwrap();
    pull.wait().unwrap();
    fixture.server.open_gate();
    let left = fixture.files();
    assert!(left.iter().all(|file| file.starts_with("downloads/test--tiny/")), "{left:?}");
    assert!(left.iter().any(|file| file.ends_with(".incomplete")), "{left:?}");
    let shown = fixture.run(["models"]).code(0).stdout;
    assert!(shown.contains("No model is installed yet") && shown.contains("goes on"), "{shown}");
    // The system released the lock with its process.
    fixture.server.heal();
    fixture.server.seen();
    fixture.run(["pull", NAME]).code(0);
    assert_eq!(ranges(&fixture.server.seen()), [Some(format!("bytes={cut}-"))]);
    assert_eq!(fixture.files(), [fixture.model_file()]);
}

#[test]
fn a_cache_of_another_tool_needs_no_network() {
    let fixture = CliFixture::new();
    let snapshot = fixture.folder.path().join("hf/hub/models--test--tiny/snapshots").join(COMMIT);
    let refs = fixture.folder.path().join("hf/hub/models--test--tiny/refs");
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(&refs).unwrap();
    fs::write(refs.join("main"), COMMIT).unwrap();
    for file in files(fixture._source.path()) {
        fs::copy(fixture._source.path().join(&file), snapshot.join(&file)).unwrap();
    }
    let mut command = fixture.command(["encode", "-m", NAME, "--text", "a"]);
    command.env("HF_HOME", fixture.folder.path().join("hf")).env("HF_HUB_OFFLINE", "1");
    let ran =
        run(&mut command).code(0).assert_stderr(&["that another tool downloaded", "license of the weights", "pulled"]);
    assert!(ran.stdout.contains("embedding"));
    assert_eq!(fixture.server.seen(), []);
}

/// Proxy variables apply, except for hosts in `NO_PROXY`.
#[test]
fn proxies_are_honoured() {
    let fixture = CliFixture::new();
    let proxied = |no_proxy: &str| {
        let mut command = fixture.command(["pull", NAME]);
        // A proxy without listener.
        command.env("HTTP_PROXY", "http://127.0.0.1:9").env("NO_PROXY", no_proxy);
        command
    };
    let through = run(&mut proxied("")).code(1);
    through.assert_stderr(&["cannot reach", "HTTPS_PROXY"]);
    assert_eq!(fixture.server.seen(), []);
    run(&mut proxied("127.0.0.1")).code(0);
}

/// A proxy that passes nothing on: answers 401 to every request and returns all it was sent.
fn recording_proxy() -> (String, std::sync::Arc<std::sync::Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let recorded = seen.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = String::new();
            let mut byte = [0];
            while matches!(stream.read(&mut byte), Ok(1)) {
                head.push(char::from(byte[0]));
                if !head.ends_with("\r\n\r\n") {
                    continue;
                }
                let answer = match head.starts_with("CONNECT") {
                    true => "HTTP/1.1 200 OK\r\n\r\n",
                    false => "HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                };
                recorded.lock().unwrap().push_str(&std::mem::take(&mut head));
                let _ = stream.write_all(answer.as_bytes());
            }
        }
    });
    (url, seen)
}

/// Without encryption, everyone between here and the hub could read the token.
#[test]
fn the_token_does_not_travel_in_the_clear() {
    let fixture = CliFixture::new();
    let (proxy, seen) = recording_proxy();
    let pull = |endpoint: &str| {
        let mut command = fixture.command(["pull", "-v", NAME]);
        command.env("HTTP_PROXY", &proxy).env("HF_ENDPOINT", endpoint).env("HF_TOKEN", "hf_secret");
        command
    };
    run(&mut pull("http://mirror.test")).code(1).assert_stderr(&[
        "the token is not sent to http://mirror.test/, because anyone on the way could read it",
        "test/tiny may need the token (401), which is not sent without encryption",
        "set HF_ENDPOINT to an https:// address",
    ]);
    let seen = seen.lock().unwrap().clone();
    assert!(seen.contains("/api/models/test/tiny/revision/main") && !seen.contains("hf_secret"), "{seen}");
    // Within this computer it is sent, as other tests show; so it is with encryption (`https.rs`).
}

#[cfg(unix)]
#[test]
fn an_interrupted_pull_leaves_only_what_it_resumes() {
    use std::os::unix::process::ExitStatusExt;
    let fixture = CliFixture::new();
    for (signal, number) in [("INT", 2), ("TERM", 15)] {
        fixture.server.fail(Kind::Store, Fault::Cut(100_000)).fail(Kind::Store, Fault::Gate);
        let mut pull = crate::signals::with_default_signals(&fixture.command(["pull", NAME]));
        let mut pull = pull.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(pull.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains("trying again")));
        let kill = format!("kill -{signal} {}", pull.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert_eq!(pull.wait().unwrap().signal(), Some(number));
        let left = fixture.files();
        assert!(!left.is_empty() && left.iter().all(|file| file.starts_with("downloads/test--tiny/")), "{left:?}");
        fixture.server.heal();
        assert!(fixture.run(["models"]).code(0).stdout.contains("goes on"));
    }
    fixture.run(["models", "--remove", NAME]).code(0);
    assert_eq!(fixture.files(), [""; 0]);
}

#[test]
fn removing_a_model_frees_what_a_killed_conversion_left() {
    let fixture = CliFixture::new();
    let models = fixture.home().join("models");
    let left = |model: &str| models.join(format!(".{model}-0123456789abcdef.clippie.999999-0.part"));
    fs::create_dir_all(&models).unwrap();
    fs::write(left("test--tiny"), vec![0; 5000]).unwrap();
    fixture.run(["models", "--remove", NAME]).code(0).assert_stderr(&["removed hf-hub:test/tiny: 5.0 kB are free"]);
    assert_eq!(fixture.files(), [""; 0]);
    // So does the next use of any model.
    fs::write(left("test--other"), vec![0; 5000]).unwrap();
    fixture.run(["pull", NAME]).code(0);
    assert_eq!(fixture.files(), [fixture.model_file()]);
}
