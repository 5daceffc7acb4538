//! Runs a test in a process of its own: other tests have no threads in it, and it can be given settings and a deadline.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Child, Command, Output};
use std::thread;
use std::time::{Duration, Instant};

const VARIABLE: &str = "CLIPPIE_TEST_ALONE";

/// Runs `body` in a new process, in which only the test `name` (with its module) runs, with these environment
/// variables. Fails unless it passes within `seconds`.
pub fn alone(name: &str, settings: &[(&str, &str)], seconds: u64, body: impl FnOnce()) {
    if is_child(name) {
        return body();
    }
    let out = finish(start(name, settings), seconds);
    print!("{}", String::from_utf8_lossy(&out.stdout));
    eprint!("{}", String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{name}: {}", out.status);
    assert!(String::from_utf8_lossy(&out.stdout).contains(" 1 passed"), "there is no test {name}");
}

/// Whether this is the process of the test `name`.
pub fn is_child(name: &str) -> bool {
    std::env::var(VARIABLE).is_ok_and(|alone| alone == name)
}

/// A process and the files that it prints to; a pipe that nobody reads would stop it when full.
pub struct Alone {
    pub child: Child,
    printed: [File; 2],
}

pub fn start(name: &str, settings: &[(&str, &str)]) -> Alone {
    let printed = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
    let [stdout, stderr] = printed.each_ref().map(|file| file.try_clone().unwrap());
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(VARIABLE, name)
        .envs(settings.iter().copied())
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .unwrap();
    Alone { child, printed }
}

/// Waits for a process; ends it and fails after `seconds`.
pub fn finish(mut alone: Alone, seconds: u64) -> Output {
    let begin = Instant::now();
    let mut in_time = true;
    let status = loop {
        if let Some(status) = alone.child.try_wait().unwrap() {
            break status;
        }
        if in_time && begin.elapsed() > Duration::from_secs(seconds) {
            in_time = false;
            alone.child.kill().unwrap();
        }
        thread::sleep(Duration::from_millis(5));
    };
    let [stdout, stderr] = alone.printed.map(|mut file| {
        let mut text = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut text).unwrap();
        text
    });
    assert!(in_time, "not done after {seconds} s: {}", String::from_utf8_lossy(&stderr));
    Output { status, stdout, stderr }
}
