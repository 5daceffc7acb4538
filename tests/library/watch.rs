//! `--watch`: what changes is indexed soon, without another run.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use crate::default_signals::with_default_signals;
use crate::support::{Sandbox, photo};

/// Longest wait for a line; it comes about a second after a change.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run that watches, and the lines of its messages.
struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn start(sandbox: &Sandbox) -> Watching {
        let mut command = sandbox.command(["index", "-m", "demo", "--watch", "photos", "--library"]);
        command.arg(&sandbox.library);
        let mut child = with_default_signals(&command)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, lines) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Watching { child, lines }
    }

    /// Waits for lines until one ends like this.
    fn says(&self, end: &str) {
        let mut said = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.ends_with(end) => return,
                Ok(line) => said.push(line),
                Err(_) => panic!("{end:?} is not in {said:?}"),
            }
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn changes_are_indexed() {
    use std::os::unix::process::ExitStatusExt;
    let mut sandbox = Sandbox::with_photos(0..3);
    // Beside the photos: what is written to it is no change.
    sandbox.library = sandbox.path("photos/library.sqlite");
    let mut watching = Watching::start(&sandbox);
    watching.says(": 3 new");
    fs::write(sandbox.path("photos/new.bmp"), photo(10)).unwrap();
    watching.says(": 1 new, 3 unchanged");
    sandbox.photo("photos/folder/x.bmp", 11);
    watching.says(": 1 new, 4 unchanged");
    sandbox.photo("photos/folder/y.bmp", 12);
    watching.says(": 1 new, 5 unchanged");
    fs::rename(sandbox.path("photos/folder"), sandbox.path("photos/renamed")).unwrap();
    watching.says(": 2 moved, 4 unchanged");
    fs::remove_dir_all(sandbox.path("photos/renamed")).unwrap();
    watching.says(": 4 unchanged, 2 missing");
    assert!(watching.lines.recv_timeout(Duration::from_secs(3)).is_err(), "nothing has changed");
    let kill = Command::new("sh").args(["-c", &format!("kill -INT {}", watching.child.id())]).status().unwrap();
    assert!(kill.success());
    assert_eq!(watching.child.wait().unwrap().signal(), Some(2));
    assert_eq!(sandbox.count("file WHERE missing = 0"), 4);
}

/// As any command: by the signal itself, and without an error.
#[test]
fn a_signal_ends_it() {
    use std::os::unix::process::ExitStatusExt;
    let sandbox = Sandbox::with_photos(0..3);
    for (name, number, said) in [("TERM", 15, ": 3 new"), ("HUP", 1, ": 3 unchanged"), ("INT", 2, ": 3 unchanged")] {
        let mut watching = Watching::start(&sandbox);
        watching.says(said);
        let kill = Command::new("kill").args([&format!("-{name}"), &watching.child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        assert_eq!(watching.child.wait().unwrap().signal(), Some(number), "{name}");
        assert_eq!(watching.lines.iter().collect::<Vec<_>>(), [""; 0], "{name}");
    }
}
