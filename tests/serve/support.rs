//! Test support: a server process, a client, forms and photos.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::{Duration, Instant};

use clippie_rs::Clip;
use serde_json::Value;
use tempfile::TempDir;

/// Longest wait for anything; a wait that succeeds takes milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The model of the tests, as a program has it.
pub fn demo() -> &'static Clip {
    static DEMO: OnceLock<Clip> = OnceLock::new();
    DEMO.get_or_init(|| Clip::demo().unwrap())
}

/// The command in an environment without models and settings.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clippie-rs"));
    let settings = std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.to_string_lossy();
        ["IMMICH_", "MACHINE_LEARNING_", "CLIPPIE_MODEL"].iter().any(|start| name.starts_with(start))
    });
    for name in settings {
        command.env_remove(name);
    }
    command.env("CLIPPIE_HOME", folder).env("NO_COLOR", "1");
    command
}

/// A server, ended when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub child: Child,
    log: Arc<Mutex<String>>,
    _folder: TempDir,
}

impl Server {
    /// Starts a server with the demo model and these arguments.
    pub fn start(args: &[&str]) -> Server {
        let folder = TempDir::new().unwrap();
        let mut command = command(folder.path());
        command.args(["serve", "-m", "demo", "--port", "0"]).args(args);
        Server::spawn(command, folder)
    }

    pub fn spawn(command: Command, folder: TempDir) -> Server {
        #[cfg(unix)]
        let mut command = crate::default_signals::with_default_signals(&command);
        #[cfg(not(unix))]
        let mut command = command;
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (found, address) = mpsc::channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("listening on http://") {
                    let _ = found.send(address.parse().unwrap());
                }
                *kept.lock().unwrap() += &format!("{line}\n");
            }
        });
        let address = address.recv_timeout(PATIENCE);
        let address = address.unwrap_or_else(|_| panic!("the server does not listen: {}", log.lock().unwrap()));
        Server { address, child, log, _folder: folder }
    }

    /// Waits until the log has these words: it is read by a thread of its own.
    pub fn says(&self, words: &str) {
        wait_until(words, || self.log().contains(words));
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The log, of which no line is read while it is locked.
    pub fn shared_log(&self) -> Arc<Mutex<String>> {
        Arc::clone(&self.log)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), b"")
    }

    pub fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Answer {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {content_type}\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        self.send(&head, body)
    }

    pub fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.post(path, "application/json", body.to_string().as_bytes())
    }

    /// Sends a head and a body on a connection of their own.
    pub fn send(&self, head: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect();
        // A server that refuses a body may answer before it has all of it.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        read_answer(&mut stream)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The value of a line of `/metrics`.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (header, value) = line.split_once(':')?;
            header.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The message of OpenAI's error object.
    pub fn error(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap_or_else(|| panic!("{}", self.text())).to_owned()
    }
}

/// Reads an answer up to the end of the connection.
pub fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // A connection that is closed while something is still sent ends with an error.
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("not an answer: {:?}", String::from_utf8_lossy(&bytes)));
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer { status, head, body: bytes[end + 4..].to_vec() };
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = joined(&answer.body);
    } else if let Some(length) = answer.header("content-length") {
        assert_eq!(length, answer.body.len().to_string(), "{}", answer.head);
    }
    answer
}

/// A body without the lengths of its chunks.
fn joined(mut chunked: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = chunked.windows(2).position(|window| window == b"\r\n").expect("the last chunk is missing");
        let length = usize::from_str_radix(std::str::from_utf8(&chunked[..line]).unwrap(), 16).unwrap();
        if length == 0 {
            return body;
        }
        body.extend(&chunked[line + 2..line + 2 + length]);
        chunked = &chunked[line + 2 + length + 2..];
    }
}

/// A form as Node's `FormData` writes it: texts without headers of their own, blobs with a file name and a type.
pub fn form(fields: &[(&str, &str)], image: Option<&[u8]>) -> (String, Vec<u8>) {
    let boundary = "----formdata-undici-056279345829";
    let mut body = Vec::new();
    for (name, text) in fields {
        let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend([head.as_bytes(), text.as_bytes(), b"\r\n"].concat());
    }
    if let Some(image) = image {
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"image\"; filename=\"blob\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        body.extend([head.as_bytes(), image, b"\r\n"].concat());
    }
    body.extend(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

/// A photo whose content depends on `seed`.
pub fn photo(seed: usize, width: usize, height: usize) -> Vec<u8> {
    let row_len = (width * 3).next_multiple_of(4);
    let mut bytes = b"BM".to_vec();
    let len = 54 + row_len * height;
    for value in [len as u32, 0, 54, 40, width as u32, height as u32] {
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([1, 0, 24, 0]);
    bytes.resize(54, 0);
    for y in 0..height {
        let row = (0..width).flat_map(|x| [x * (seed + 1), y * 3 + seed * 40, (x + y) * (seed % 5)]);
        let start = bytes.len();
        bytes.extend(row.map(|value| value as u8));
        bytes.resize(start + row_len, 0);
    }
    bytes
}

/// A photo of the tests of decoding.
pub fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/preprocess/files");
    std::fs::read(folder.join(name)).unwrap()
}

pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A row as Immich's service writes it.
pub fn literal(row: &[f32]) -> String {
    format!("[{}]", row.iter().map(|value| serde_json::to_string(value).unwrap()).collect::<Vec<_>>().join(","))
}
