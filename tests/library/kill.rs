//! Kills at any time, several runs at once, and Ctrl-C: no committed row is lost, and the next run ends in the same state
//! as an undisturbed one.
//!
//! `CLIPPIE_KILLS` sets the number of kills, `CLIPPIE_SEED` the moments.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{Row, Sandbox, photo};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

/// Numbers that look random.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

fn by_path(rows: Vec<Row>) -> BTreeMap<String, Row> {
    rows.into_iter().map(|row| (row.path.clone(), row)).collect()
}

#[test]
fn a_kill_loses_no_committed_row() {
    let kills = number("CLIPPIE_KILLS", 10);
    let mut dice = Dice(number("CLIPPIE_SEED", 1));
    let sandbox = Sandbox::with_photos([]);
    let mut seed = 0;
    let mut add = |dice: &mut Dice, sandbox: &Sandbox| {
        for _ in 0..60 {
            seed += 1;
            sandbox.photo(format!("photos/{}/{seed}.bmp", dice.below(7)), seed);
        }
        sandbox.write(format!("photos/broken {seed}.bmp"), format!("no photo {seed}"), 1);
        // A copy, a change, and a file that goes.
        sandbox.photo(format!("photos/copies/{seed}.bmp"), seed / 2 + 1);
        sandbox.write("photos/changing.bmp", photo(1_000_000 + seed), u64::from(seed));
        let _ = fs::remove_file(sandbox.path(format!("photos/copies/{}.bmp", seed - 60)));
    };
    let mut killed = 0;
    let mut committed: BTreeMap<String, Row> = BTreeMap::new();
    // The time of a whole run, so that kills are spread over one.
    add(&mut dice, &sandbox);
    let started = Instant::now();
    sandbox.index(["photos"]).code(3);
    let mut whole = started.elapsed();
    let mut pending = 0;
    for round in 0..kills {
        if pending == 0 {
            add(&mut dice, &sandbox);
            pending = 4;
        }
        pending -= 1;
        let args = if round % 5 == 4 { &["photos", "--prune"][..] } else { &["photos"] };
        let mut child = sandbox.index_command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_micros(dice.below(whole.as_micros() as u64)));
        let running = child.try_wait().unwrap().is_none();
        killed += u64::from(running);
        // How long a run takes depends on what else the machine does.
        whole = if running { whole * 17 / 16 } else { whole * 3 / 4 };
        child.kill().unwrap();
        child.wait().unwrap();
        // Reading checks the database, and that each file has its content and embedding.
        let now = by_path(sandbox.rows());
        for (path, row) in &committed {
            let changing = path == "photos/changing.bmp";
            let lost = now.get(path).is_none_or(|now| now.content != row.content && !changing);
            // Missing files may be pruned.
            let pruned = !sandbox.path(path).exists();
            assert!(!lost || pruned, "round {round}: {path}: {row:?} became {:?}", now.get(path));
        }
        committed = now;
    }
    println!("{killed} of {kills} kills hit a running process");
    assert!(killed >= kills / 5, "{killed}");
    sandbox.index(["photos", "--prune"]);
    let disturbed = sandbox.rows();
    fs::remove_dir_all(sandbox.library.parent().unwrap()).unwrap();
    sandbox.index(["photos"]).code(3);
    assert_eq!(disturbed, sandbox.rows());
    assert!(disturbed.len() > 60);
}

#[test]
fn several_runs_at_once() {
    let sandbox = Sandbox::with_photos(0..150);
    for seed in 0..50 {
        sandbox.photo(format!("photos/inner/{seed}.bmp"), 100 + seed);
    }
    // Two of the same folder, and one of a part that becomes its part meanwhile.
    let mut inner = sandbox.index_command(["photos/inner"]);
    inner.stdout(Stdio::null()).stderr(Stdio::piped());
    let inner = inner.spawn().unwrap();
    let both: Vec<_> = (0..2)
        .map(|_| sandbox.index_command(["photos"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    for child in both.into_iter().chain([inner]) {
        crate::support::Ran::new(child.wait_with_output().unwrap()).code(0);
    }
    let rows = sandbox.rows();
    assert_eq!(
        (rows.len(), sandbox.count("root"), sandbox.count("photo"), sandbox.count("embedding")),
        (200, 1, 150, 150)
    );
    sandbox.indexes(&[("unchanged", 200)]);
    fs::remove_dir_all(sandbox.library.parent().unwrap()).unwrap();
    sandbox.index(["photos"]).code(0);
    assert_eq!(sandbox.rows(), rows);
}

/// Ctrl-C keeps what is done, says so, and ends the process as a shell expects.
#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_is_done() {
    use std::os::unix::process::ExitStatusExt;
    let sandbox = Sandbox::with_photos(0..1500);
    let mut command = crate::default_signals::with_default_signals(&sandbox.index_command(["photos"]));
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while !sandbox.library.exists() || sandbox.count("sqlite_schema") == 0 || sandbox.count("embedding") == 0 {
        assert!(started.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(10));
    }
    let kill = std::process::Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status();
    assert!(kill.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("interrupted after 1500 photos in "), "{said}");
    assert_eq!(sandbox.report()["cancelled"], true);
    let done = sandbox.rows();
    assert!(!done.is_empty() && done.len() < 1500, "{}", done.len());
    let encoded = 1500 - done.len() as u64;
    sandbox.indexes(&[("unchanged", done.len() as u64), ("new", encoded), ("opened", encoded), ("encoded", encoded)]);
    assert_eq!(sandbox.found().len(), 1500);
}
