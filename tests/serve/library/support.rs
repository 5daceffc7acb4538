//! A server of a library of drawings, and a client that sends what it is told, byte for byte.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_clippie-rs");

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
        let mut command = Command::new(BINARY);
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        for name in ["CLIPPIE_MODEL", "CLIPPIE_ISA", "CLIPPIE_LIBRARY", "RUST_BACKTRACE"] {
            command.env_remove(name);
        }
        command.env("CLIPPIE_THREADS", "2").env("CLIPPIE_HOME", self.path("home")).env("HF_HUB_OFFLINE", "1");
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

    pub fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    pub fn serve_with(&self, args: &[&str]) -> Server {
        let fixed = ["serve", "--port", "0", "--library", "library.sqlite"];
        let mut child = self.command(fixed.iter().chain(args)).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "the server ended: {seen}");
            if let Some((_, address)) = line.trim().split_once("listening on http://") {
                break address.parse().unwrap();
            }
            seen += &line;
        };
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Server { child, address }
    }

    /// What a server that does not start says.
    pub fn refused(&self, args: &[&str]) -> String {
        let output = self.command(["serve", "--port", "0"].iter().chain(args)).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    }
}

/// A running server; ends when it is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Answer {
    pub status: u16,
    /// In lower case.
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.trim())
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The message of an error with this status.
    #[track_caller]
    pub fn error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        let error = &self.json()["error"];
        assert!(error["kind"].is_string());
        error["message"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn hits(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()["hits"].as_array().unwrap().clone()
    }
}

impl Server {
    /// Sends a request as it is, and reads the answer to its end.
    pub fn send(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: answer.split_off(end + 4) }
    }

    /// A request without a body; `headers` are whole lines.
    pub fn request(&self, method: &str, target: &str, headers: &[&str]) -> Answer {
        let host = if headers.iter().any(|line| line.starts_with("Host:")) { "" } else { "Host: localhost\r\n" };
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        self.send(format!("{method} {target} HTTP/1.1\r\n{host}Connection: close\r\n{headers}\r\n").as_bytes())
    }

    pub fn get(&self, target: &str) -> Answer {
        self.request("GET", target, &[])
    }

    /// Posts a form with these parts.
    pub fn post(&self, target: &str, parts: &[(&str, &[u8])]) -> Answer {
        let mut body = Vec::new();
        for (name, bytes) in parts {
            body.extend_from_slice(
                format!("--xX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").as_bytes(),
            );
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--xX--\r\n");
        let length = body.len();
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\
             Content-Type: multipart/form-data; boundary=xX\r\n\r\n"
        );
        self.send(&[head.as_bytes(), &body].concat())
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
