//! A local hub: Hugging Face's paths, headers, redirects and ranges on one port, its blob store on another, with faults
//! on demand.
//!
//! Paths and headers are those that `huggingface_hub` 1.x reads (`file_download.py`, `hf_api.py`): the list of
//! `/api/models/REPO/revision/REV`; `/REPO/resolve/REV/FILE`, which for large files redirects to another host with
//! `X-Linked-ETag` (SHA-256) and `X-Linked-Size`, and for small ones to a cache path with git's SHA-1 as ETag.
//!
//! Listens on 127.0.0.1 only and connects to nothing.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The commit of `main`.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Content of a file.
#[derive(Clone)]
pub enum Content {
    Bytes(Arc<Vec<u8>>),
    /// Read on request, so it may be large.
    Path(PathBuf),
}

/// A file of a repository.
#[derive(Clone)]
pub struct RepoFile {
    name: String,
    content: Content,
    size: u64,
    sha256: String,
    /// Whether the blob store serves it, as it does large files.
    large: bool,
}

impl RepoFile {
    /// Creates a large file.
    pub fn large(name: &str, content: Content) -> RepoFile {
        let (size, sha256) = match &content {
            Content::Bytes(bytes) => (bytes.len() as u64, hex(&Sha256::digest(&bytes[..]))),
            Content::Path(path) => {
                let mut hash = Sha256::new();
                let size = io::copy(&mut File::open(path).unwrap(), &mut IntoHash(&mut hash)).unwrap();
                (size, hex(&hash.finalize()))
            }
        };
        RepoFile { name: name.to_owned(), content, size, sha256, large: true }
    }

    /// Creates a small file.
    pub fn small(name: &str, bytes: impl Into<Vec<u8>>) -> RepoFile {
        let content = Content::Bytes(Arc::new(bytes.into()));
        RepoFile { large: false, ..RepoFile::large(name, content) }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

struct IntoHash<'a>(&'a mut Sha256);

impl Write for IntoHash<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A repository.
#[derive(Clone)]
pub struct Repo {
    pub name: String,
    pub files: Vec<RepoFile>,
    /// Metadata of the model card, as the list of files has it.
    pub card: Value,
    /// The token needed to read it, and whether a request without one gets `GatedRepo` instead of `RepoNotFound`.
    pub token: Option<(String, bool)>,
    /// Branches and tags besides `main`, all at the same commit.
    pub revisions: Vec<String>,
}

impl Repo {
    pub fn new(name: &str, files: Vec<RepoFile>) -> Repo {
        let card = json!({ "license": "mit" });
        Repo { name: name.to_owned(), files, card, token: None, revisions: Vec::new() }
    }

    /// Creates a repository from the files of a folder: JSON files are small, all others large.
    pub fn of_folder(name: &str, folder: &std::path::Path) -> Repo {
        let mut files: Vec<RepoFile> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                if name.ends_with(".json") {
                    RepoFile::small(&name, std::fs::read(&path).unwrap())
                } else {
                    RepoFile::large(&name, Content::Path(path))
                }
            })
            .collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Repo::new(name, files)
    }

    pub fn file(&self, name: &str) -> &RepoFile {
        self.files.iter().find(|file| file.name == name).unwrap()
    }

    fn has_revision(&self, revision: &str) -> bool {
        revision == "main" || revision == COMMIT || self.revisions.iter().any(|own| own == revision)
    }
}

/// Kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The list of files.
    List,
    /// The headers of a file.
    Head,
    /// A file from the endpoint.
    Get,
    /// A file from the blob store.
    Store,
}

/// How a request fails.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Close the connection without a response.
    HangUp,
    /// Respond with this status and these headers.
    Status(u16, Vec<(&'static str, String)>),
    /// Send all headers and this many bytes of the body, then close the connection.
    Cut(u64),
    /// Claim that the file ends after this many bytes.
    Short(u64),
    /// Send one byte more than the file has.
    Long,
    /// Flip one bit of the byte at this offset.
    Flip(u64),
    /// Ignore `Range`.
    NoRanges,
    /// Send another range than requested.
    OtherRange,
    /// Send pieces of this many bytes and wait before each.
    Slow(usize, Duration),
    /// Wait for [`HubServer::open_gate`].
    Gate,
    /// Redirect to this URL.
    Redirect(String),
    /// Respond with this text instead of the list.
    Text(String),
    /// Replace these headers.
    Headers(Vec<(&'static str, String)>),
}

/// A request received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub kind: Kind,
    pub path: String,
    pub authorization: Option<String>,
    pub range: Option<String>,
    pub user_agent: Option<String>,
}

struct State {
    repos: Mutex<Vec<Repo>>,
    /// Pending faults in order; each applies once.
    faults: Mutex<Vec<(Kind, Fault)>>,
    seen: Mutex<Vec<Seen>>,
    gate: (Mutex<bool>, Condvar),
    stop: AtomicBool,
    /// Prefix of the endpoint's paths, as on mirrors.
    prefix: String,
    store: SocketAddr,
    /// Base URL of redirects to the blob store.
    store_url: Mutex<String>,
}

/// A running hub; dropping it stops it.
pub struct HubServer {
    state: Arc<State>,
    endpoint: SocketAddr,
    threads: Vec<thread::JoinHandle<()>>,
}

impl HubServer {
    /// Starts a hub.
    pub fn start(repos: Vec<Repo>) -> HubServer {
        HubServer::under("", repos)
    }

    /// Starts a mirror whose paths begin with `prefix`.
    pub fn under(prefix: &str, repos: Vec<Repo>) -> HubServer {
        let [hub, store] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let endpoint = hub.local_addr().unwrap();
        let store_url = format!("http://{}", store.local_addr().unwrap());
        let state = Arc::new(State {
            repos: Mutex::new(repos),
            faults: Mutex::default(),
            seen: Mutex::default(),
            gate: Default::default(),
            stop: AtomicBool::new(false),
            prefix: prefix.to_owned(),
            store: store.local_addr().unwrap(),
            store_url: Mutex::new(store_url),
        });
        let threads = [(hub, true), (store, false)].map(|(listener, is_hub)| {
            let state = state.clone();
            thread::spawn(move || serve(&listener, &state, is_hub))
        });
        HubServer { state, endpoint, threads: threads.into() }
    }

    /// Value for `HF_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}{}", self.endpoint, self.state.prefix)
    }

    /// Base URL of the blob store.
    pub fn store(&self) -> String {
        format!("http://{}", self.state.store)
    }

    /// Redirects blob requests to a proxy at `url`.
    pub fn set_store(&self, url: &str) {
        *lock(&self.state.store_url) = url.to_owned();
    }

    /// Makes the next request of this kind fail.
    pub fn fail(&self, kind: Kind, fault: Fault) -> &Self {
        lock(&self.state.faults).push((kind, fault));
        self
    }

    /// Makes the next `times` requests of this kind fail.
    pub fn fail_often(&self, times: usize, kind: Kind, fault: &Fault) -> &Self {
        for _ in 0..times {
            self.fail(kind, fault.clone());
        }
        self
    }

    /// Removes pending faults and returns their number.
    pub fn heal(&self) -> usize {
        lock(&self.state.faults).drain(..).count()
    }

    /// Returns all requests since the last call.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.state.seen).drain(..).collect()
    }

    /// Releases requests that wait at a gate, now and later.
    pub fn open_gate(&self) {
        *lock(&self.state.gate.0) = true;
        self.state.gate.1.notify_all();
    }

    /// Changes what is published.
    pub fn publish(&self, repo: Repo) {
        let mut repos = lock(&self.state.repos);
        repos.retain(|own| own.name != repo.name);
        repos.push(repo);
    }
}

impl Drop for HubServer {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        self.open_gate();
        for address in [self.endpoint, self.state.store] {
            // Wake the listener.
            let _ = TcpStream::connect(address);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn serve(listener: &TcpListener, state: &Arc<State>, is_hub: bool) {
    for stream in listener.incoming() {
        if state.stop.load(Ordering::SeqCst) {
            return;
        }
        let (Ok(stream), state) = (stream, state.clone()) else { continue };
        thread::spawn(move || {
            // The client may close the connection.
            let _ = answer(stream, &state, is_hub);
        });
    }
}

/// One request of a connection.
struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    fn read(stream: &TcpStream) -> io::Result<Request> {
        let mut lines = BufReader::new(stream).lines();
        let mut line = || lines.next().unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()));
        let first = line()?;
        let mut parts = first.split(' ').map(str::to_owned);
        let (method, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let mut headers = Vec::new();
        loop {
            match line()?.split_once(':') {
                Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
                None => return Ok(Request { method, path, headers }),
            }
        }
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone())
    }

    /// First byte of `Range: bytes=N-`.
    fn range(&self) -> Option<u64> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

fn answer(mut stream: TcpStream, state: &State, is_hub: bool) -> io::Result<()> {
    let request = Request::read(&stream)?;
    let prefix = if is_hub { state.prefix.as_str() } else { "" };
    let path = request.path.strip_prefix(prefix).unwrap_or_default().to_owned();
    let kind = match (is_hub, request.method.as_str()) {
        (false, _) => Kind::Store,
        _ if path.starts_with("/api/models/") => Kind::List,
        (_, "HEAD") => Kind::Head,
        _ => Kind::Get,
    };
    // A redirect of the endpoint to itself continues the same request.
    if !path.starts_with("/api/resolve-cache/") {
        lock(&state.seen).push(Seen {
            kind,
            path: request.path.clone(),
            authorization: request.header("authorization"),
            range: request.header("range"),
            user_agent: request.header("user-agent"),
        });
    }
    let fault = if path.starts_with("/api/resolve-cache/") { None } else { take_fault(state, kind) };
    let mut reply = match (&fault, kind) {
        (Some(Fault::HangUp), _) => return Ok(()),
        (Some(Fault::Status(status, headers)), _) => {
            let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            Reply { status: *status, headers, body: Body::text("no") }
        }
        (Some(Fault::Redirect(to)), _) => Reply::redirect(302, to.clone()),
        (Some(Fault::Text(text)), _) => Reply::text(200, text),
        (_, Kind::Store) => stored(state, &path),
        (_, Kind::List) => list(state, &path, &request),
        (_, Kind::Head | Kind::Get) => resolve(state, &path, &request),
    };
    if let Some(Fault::Gate) = fault {
        let mut open = lock(&state.gate.0);
        while !*open {
            open = state.gate.1.wait(open).unwrap();
        }
    }
    if let Some(Fault::Headers(headers)) = &fault {
        for (name, value) in headers {
            reply.headers.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
            reply.headers.push(((*name).to_owned(), value.clone()));
        }
    }
    reply.send(&mut stream, &request, fault.as_ref())
}

fn take_fault(state: &State, kind: Kind) -> Option<Fault> {
    let mut faults = lock(&state.faults);
    let at = faults.iter().position(|(own, _)| *own == kind)?;
    Some(faults.remove(at).1)
}

/// `/api/models/ORG/REPO/revision/REV`.
fn list(state: &State, path: &str, request: &Request) -> Reply {
    let Some((name, revision)) = path.strip_prefix("/api/models/").and_then(|rest| rest.split_once("/revision/"))
    else {
        return Reply::text(404, "no such path");
    };
    let revision = revision.replace("%2F", "/");
    with_repo(state, name, &revision, request, |repo| {
        let siblings: Vec<Value> = repo.files.iter().map(|file| json!({ "rfilename": file.name })).collect();
        let list = json!({
            "id": repo.name, "sha": COMMIT, "private": false, "gated": false, "cardData": repo.card,
            "siblings": siblings,
        });
        Reply::text(200, &list.to_string()).with("Content-Type", "application/json")
    })
}

/// `/ORG/REPO/resolve/REV/FILE`, and the cache path that it redirects to for small files.
fn resolve(state: &State, path: &str, request: &Request) -> Reply {
    let (path, is_cache) = match path.strip_prefix("/api/resolve-cache/models") {
        Some(rest) => (rest, true),
        None => (path, false),
    };
    let mut parts = path.trim_start_matches('/').splitn(if is_cache { 4 } else { 5 }, '/');
    let mut part = || parts.next().unwrap_or_default().to_owned();
    let name = format!("{}/{}", part(), part());
    if !is_cache && part() != "resolve" {
        return Reply::text(404, "no such path");
    }
    let (revision, file) = (part().replace("%2F", "/"), part());
    with_repo(state, &name, &revision, request, |repo| {
        let Some(file) = repo.files.iter().find(|own| own.name == file) else {
            return Reply::text(404, "no such file").with("X-Error-Code", "EntryNotFound");
        };
        if file.large {
            // The signature must not appear in messages.
            let to = format!("{}/blobs/{}?X-Signature=s3cr3t", lock(&state.store_url), file.sha256);
            return Reply::redirect(302, to)
                .with("X-Repo-Commit", COMMIT)
                .with("X-Linked-Size", file.size)
                .with("X-Linked-ETag", format!("\"{}\"", file.sha256));
        }
        if !is_cache {
            let to = format!("{}/api/resolve-cache/models/{}/{COMMIT}/{}", state.prefix, repo.name, file.name);
            return Reply::redirect(307, to).with("X-Repo-Commit", COMMIT);
        }
        let Content::Bytes(bytes) = &file.content else { unreachable!("small files are bytes") };
        let mut git = Sha1::new();
        git.update(format!("blob {}\0", bytes.len()));
        git.update(&bytes[..]);
        let etag = format!("\"{}\"", hex(&git.finalize()));
        Reply { status: 200, headers: Vec::new(), body: Body::of(&file.content) }
            .with("X-Repo-Commit", COMMIT)
            .with("ETag", etag)
    })
}

fn with_repo(
    state: &State,
    name: &str,
    revision: &str,
    request: &Request,
    reply: impl FnOnce(&Repo) -> Reply,
) -> Reply {
    let repos = lock(&state.repos);
    let Some(repo) = repos.iter().find(|repo| repo.name == name) else {
        // As on the real hub, an anonymous request does not learn whether a repository exists.
        return match request.header("authorization") {
            Some(_) => Reply::text(404, "no such repository").with("X-Error-Code", "RepoNotFound"),
            None => Reply::text(401, "who are you").with("X-Error-Code", "RepoNotFound"),
        };
    };
    if let Some((token, gated)) = &repo.token {
        match request.header("authorization") {
            Some(given) if given == format!("Bearer {token}") => {}
            Some(_) => {
                return Reply::text(401, "no").with("X-Error-Message", "Invalid credentials in Authorization header");
            }
            None if *gated => return Reply::text(401, "no").with("X-Error-Code", "GatedRepo"),
            None => return Reply::text(401, "no").with("X-Error-Code", "RepoNotFound"),
        }
    }
    if !repo.has_revision(revision) {
        return Reply::text(404, "no such revision").with("X-Error-Code", "RevisionNotFound");
    }
    reply(repo)
}

/// `/blobs/SHA`; the store's own ETag is unrelated to the file's checksum.
fn stored(state: &State, path: &str) -> Reply {
    let sha256 = path.trim_start_matches("/blobs/").split('?').next().unwrap_or_default();
    let repos = lock(&state.repos);
    match repos.iter().flat_map(|repo| &repo.files).find(|file| file.large && file.sha256 == sha256) {
        None => Reply::text(404, "no such blob"),
        Some(file) => Reply { status: 200, headers: Vec::new(), body: Body::of(&file.content) }
            .with("ETag", format!("\"{}\"", "f".repeat(64))),
    }
}

struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
}

struct Body {
    reader: Box<dyn ReadSeek>,
    size: u64,
}

trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

impl Body {
    fn of(content: &Content) -> Body {
        match content {
            Content::Bytes(bytes) => Body::bytes(bytes.to_vec()),
            Content::Path(path) => {
                let file = File::open(path).unwrap();
                let size = file.metadata().unwrap().len();
                Body { reader: Box::new(file), size }
            }
        }
    }

    fn text(text: &str) -> Body {
        Body::bytes(text.as_bytes().to_vec())
    }

    fn bytes(bytes: Vec<u8>) -> Body {
        Body { size: bytes.len() as u64, reader: Box::new(Cursor::new(bytes)) }
    }
}

impl Reply {
    fn text(status: u16, text: &str) -> Reply {
        Reply { status, headers: Vec::new(), body: Body::text(text) }
    }

    fn redirect(status: u16, to: String) -> Reply {
        Reply::text(status, "elsewhere").with("Location", to)
    }

    fn with(mut self, name: &str, value: impl ToString) -> Reply {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    fn send(mut self, stream: &mut TcpStream, request: &Request, fault: Option<&Fault>) -> io::Result<()> {
        let whole = match fault {
            Some(Fault::Long) => self.body.size + 1,
            Some(Fault::Short(len)) => *len,
            _ => self.body.size,
        };
        let mut first = 0;
        let ranges = self.status == 200 && !matches!(fault, Some(Fault::NoRanges));
        if let Some(from) = request.range().filter(|_| ranges) {
            if from >= whole {
                let head = format!("HTTP/1.1 416 No\r\nContent-Range: bytes */{whole}\r\n");
                return write!(stream, "{head}Content-Length: 0\r\nConnection: close\r\n\r\n");
            }
            let shown = if matches!(fault, Some(Fault::OtherRange)) { from + 1 } else { from };
            self.status = 206;
            self.headers.push(("Content-Range".into(), format!("bytes {shown}-{}/{whole}", whole - 1)));
            self.body.reader.seek(SeekFrom::Start(from))?;
            first = from;
        }
        let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", self.status);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
            head += &format!("Content-Length: {}\r\n", whole - first);
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        if request.method == "HEAD" {
            return Ok(());
        }
        self.send_body(stream, whole - first, fault)
    }

    fn send_body(mut self, stream: &mut TcpStream, mut left: u64, fault: Option<&Fault>) -> io::Result<()> {
        let mut flip = None;
        let mut piece = 1 << 20;
        let mut pause = None;
        match fault {
            Some(Fault::Cut(len)) => left = left.min(*len),
            Some(Fault::Flip(at)) => flip = Some(*at),
            Some(Fault::Slow(bytes, wait)) => (piece, pause) = (*bytes, Some(*wait)),
            _ => {}
        }
        let mut sent = 0;
        let mut buffer = vec![0; piece];
        while left > 0 {
            let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = match self.body.reader.read(&mut buffer[..want])? {
                // More bytes were announced than the file has.
                0 => {
                    buffer[0] = b'!';
                    1
                }
                read => read,
            };
            if let Some(at) = flip.filter(|at| (sent..sent + read as u64).contains(at)) {
                buffer[(at - sent) as usize] ^= 1;
            }
            if let Some(pause) = pause {
                thread::sleep(pause);
            }
            stream.write_all(&buffer[..read])?;
            sent += read as u64;
            left -= read as u64;
        }
        stream.flush()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
