//! A server of a library of drawings, and a client that sends what it is told, byte for byte.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{self, Answer, Server};

/// A fresh folder with photos in `photos`, and a library of them.
pub struct Shelf {
    folder: TempDir,
}

impl Shelf {
    /// The drawings of the repository, half of them in `photos/more`.
    pub fn new() -> Shelf {
        let shelf = Shelf { folder: TempDir::new().unwrap() };
        fs::create_dir_all(shelf.path("photos/more")).unwrap();
        let drawings = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/drawings");
        for entry in fs::read_dir(drawings).unwrap() {
            let path = entry.unwrap().path();
            let Some(number) = path.file_stem().and_then(OsStr::to_str).and_then(|stem| stem.parse::<u32>().ok())
            else {
                continue;
            };
            let folder = if number % 2 == 0 { "photos/more" } else { "photos" };
            fs::copy(&path, shelf.path(folder).join(path.file_name().unwrap())).unwrap();
        }
        shelf.index();
        shelf
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = support::command(&self.path("home"));
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("CLIPPIE_THREADS", "2").env("HF_HUB_OFFLINE", "1").env_remove("CLIPPIE_LIBRARY");
        command.env("HF_HOME", self.path("no-hf")).env("HOME", self.path("home"));
        command
    }

    pub fn index(&self) {
        let done =
            self.command(["index", "-q", "-m", "demo", "--library", "library.sqlite", "photos"]).status().unwrap();
        assert!(done.success());
    }

    /// The hits of a command on the library.
    pub fn hits(&self, command: &str, args: &[&str]) -> Vec<Value> {
        let fixed = [command, "--library", "library.sqlite", "--format", "jsonl"];
        let output = self.command(fixed.iter().chain(args)).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn serve(&self) -> Client {
        self.serve_with(&[])
    }

    pub fn serve_with(&self, args: &[&str]) -> Client {
        let library: &[&str] = if args.contains(&"--library") { &[] } else { &["--library", "library.sqlite"] };
        let args = ["serve", "--port", "0"].iter().chain(library).chain(args);
        let server = Server::spawn(self.command(args), TempDir::new().unwrap());
        Client { server }
    }

    /// What a server that does not start says.
    pub fn refused(&self, args: &[&str]) -> String {
        let output = self.command(["serve", "--port", "0"].iter().chain(args)).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    }
}

/// A running server, and requests to it.
pub struct Client {
    server: Server,
}

pub struct Reply(Answer);

impl std::ops::Deref for Reply {
    type Target = Answer;

    fn deref(&self) -> &Answer {
        &self.0
    }
}

impl Reply {
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        self.0.json()
    }

    /// The message of an error with this status.
    #[track_caller]
    pub fn error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert!(self.json()["error"]["kind"].is_string());
        self.0.error()
    }

    #[track_caller]
    pub fn hits(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()["hits"].as_array().unwrap().clone()
    }
}

impl Client {
    /// What the server said by now.
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Waits until the server has said these words.
    pub fn says(&self, words: &str) {
        self.server.says(words);
    }

    /// A request without a body; `headers` are whole lines.
    pub fn request(&self, method: &str, target: &str, headers: &[&str]) -> Reply {
        let host = if headers.iter().any(|line| line.starts_with("Host:")) { "" } else { "Host: localhost\r\n" };
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        Reply(self.server.send(&format!("{method} {target} HTTP/1.1\r\n{host}Connection: close\r\n{headers}\r\n"), b""))
    }

    pub fn connect(&self) -> TcpStream {
        self.server.connect()
    }

    pub fn get(&self, target: &str) -> Reply {
        self.request("GET", target, &[])
    }

    /// All that is answered to a request for the head of an answer, in lower case.
    pub fn head(&self, target: &str) -> String {
        let mut stream = self.server.connect();
        let request = format!("HEAD {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.to_ascii_lowercase()
    }

    /// Posts a form with these parts.
    pub fn post(&self, target: &str, parts: &[(&str, &[u8])]) -> Reply {
        let mut body = Vec::new();
        for (name, bytes) in parts {
            body.extend_from_slice(
                format!("--xX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").as_bytes(),
            );
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--xX--\r\n");
        Reply(self.server.post(target, "multipart/form-data; boundary=xX", &body))
    }

    /// The id of a drawing.
    pub fn id(&self, name: &str) -> i64 {
        let all = self.get("/api/search?q=a+star&all=true&n=1000").hits();
        let hit = all.iter().find(|hit| hit["name"] == name).unwrap_or_else(|| panic!("{name} is not in the library"));
        hit["id"].as_i64().unwrap()
    }
}

/// Texts in an address.
pub fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
