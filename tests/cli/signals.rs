//! Ctrl-C, termination and killing: what is left behind, and what the next process makes of it.

#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::default_signals::with_default_signals;
use crate::photos::jpeg;
use crate::support::Sandbox;

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

/// Longest wait for the binary; a wait that succeeds takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends a signal to a process that was started here.
fn send(child: &Child, signal: i32) {
    let command = format!("kill -{signal} {}", child.id());
    assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(5));
    }
}

/// Waits for the end, with a limit.
fn end(mut child: Child) -> ExitStatus {
    let mut status = None;
    wait_until("the process does not end", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

/// The unfinished files in a folder and their total size.
fn unfinished(folder: &Path) -> (usize, u64) {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let parts = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(".part"));
    parts.fold((0, 0), |(count, bytes), part| (count + 1, bytes + part.metadata().map_or(0, |data| data.len())))
}

/// An `encode -o` that waits for a photo on standard input, with its output begun.
fn blocked(sandbox: &Sandbox, args: &[&str]) -> Child {
    let mut command = with_default_signals(&sandbox.encode_command([&["-"], args].concat()));
    let child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("no output is begun", || unfinished(&sandbox.path("")).0 > 0);
    child
}

#[test]
fn a_blocked_command_leaves_nothing_behind() {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let sandbox = Sandbox::new();
        sandbox.write("out.jsonl", "an earlier result");
        let child = blocked(&sandbox, &["-o", "out.jsonl"]);
        send(&child, signal);
        // A shell reports 128 + signal.
        assert_eq!(end(child).signal(), Some(signal));
        assert_eq!(sandbox.files(), ["out.jsonl"]);
        assert_eq!(fs::read(sandbox.path("out.jsonl")).unwrap(), b"an earlier result");
    }
}

#[test]
fn a_busy_command_leaves_nothing_behind() {
    let sandbox = Sandbox::new();
    sandbox.write("photo.jpg", jpeg(1));
    sandbox.write("list", "photo.jpg\n".repeat(200_000));
    for format in [&["-o", "out.jsonl"][..], &["--format", "npy", "-o", "out.npy"]] {
        let args = [&["--files-from", "list"], format].concat();
        let mut command = with_default_signals(&sandbox.encode_command(args));
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let files = if format.len() > 2 { 2 } else { 1 };
        wait_until("nothing is written", || {
            let (count, bytes) = unfinished(&sandbox.path(""));
            count == files && bytes > 10_000
        });
        send(&child, SIGINT);
        assert_eq!(end(child).signal(), Some(SIGINT));
        assert_eq!(sandbox.files(), ["list", "photo.jpg"]);
    }
}

#[test]
fn the_next_process_removes_what_a_killed_one_left() {
    let sandbox = Sandbox::new();
    sandbox.write("photo.jpg", jpeg(1));
    let child = blocked(&sandbox, &["-o", "out.jsonl"]);
    send(&child, SIGKILL);
    assert_eq!(end(child).signal(), Some(SIGKILL));
    assert_eq!(unfinished(&sandbox.path("")).0, 1);
    // Another output is none of its business.
    sandbox.encode(["photo.jpg", "-o", "other.jsonl"]).code(0);
    assert_eq!(unfinished(&sandbox.path("")).0, 1);

    // A process that is still alive keeps its file.
    let mut live = blocked(&sandbox, &["-o", "third.jsonl"]);
    sandbox.encode(["photo.jpg", "-o", "third.jsonl"]).code(0);
    sandbox.encode(["photo.jpg", "-o", "out.jsonl"]).code(0);
    assert_eq!(unfinished(&sandbox.path("")).0, 1);
    let first = fs::read(sandbox.path("third.jsonl")).unwrap();
    live.stdin.take().unwrap().write_all(&jpeg(2)).unwrap();
    assert!(end(live).success());
    assert_ne!(fs::read(sandbox.path("third.jsonl")).unwrap(), first);
    assert_eq!(sandbox.files(), ["other.jsonl", "out.jsonl", "photo.jpg", "third.jsonl"]);
}

#[test]
fn spooled_output_has_no_name() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("tmp")).unwrap();
    let mut command = sandbox.encode_command(["-", "--format", "npy"]);
    let mut child =
        command.env("TMPDIR", sandbox.path("tmp")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // The spool is begun with the output, which comes before the first row.
    child.stdin.take().unwrap().write_all(&jpeg(1)).unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!(sandbox.files(), [""; 0]);
}

/// As under `nohup`, and for the background jobs of a script.
#[cfg(target_os = "linux")]
#[test]
fn ignored_signals_stay_ignored() {
    let sandbox = Sandbox::new();
    let encode = sandbox.encode_command(["-", "-o", "out.jsonl"]);
    let mut words: Vec<_> = vec!["-c".into(), "trap '' INT HUP; exec \"$@\"".into(), "sh".into()];
    words.push(encode.get_program().to_owned());
    words.extend(encode.get_args().map(ToOwned::to_owned));
    let mut shell = Command::new("sh");
    shell.args(words).current_dir(sandbox.path("")).stdin(Stdio::piped());
    shell.envs(encode.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut child = shell.spawn().unwrap();
    wait_until("no output is begun", || unfinished(&sandbox.path("")).0 > 0);
    send(&child, SIGINT);
    send(&child, SIGHUP);
    sleep(Duration::from_millis(200));
    assert_eq!(child.try_wait().unwrap(), None);
    send(&child, SIGTERM);
    assert_eq!(end(child).signal(), Some(SIGTERM));
    assert_eq!(sandbox.files(), [""; 0]);
}
