//! Connections that break: the transfer goes on at the byte where it was, at once or the next time.

use std::fs;

use clippie_rs::hub::Error;

use crate::support::{Bench, FILE, NAME, files, made, pull, pull_until_failure, says, stored, tiny};
use clippie_testkit::hub_server::{Fault, Kind};

/// Bytes at which a transfer breaks: the first and the last ones, and so many between, at odd places.
fn cuts(between: u64) -> Vec<u64> {
    let len = tiny().checkpoint.len() as u64;
    let step = (len / between) | 1;
    let cuts: Vec<u64> = (0..4).chain((4..len - 3).step_by(step as usize)).chain(len - 3..len).collect();
    assert!(cuts.len() as u64 >= between && cuts[0] == 0 && cuts[cuts.len() - 1] == len - 1, "{len}");
    cuts
}

fn from(cut: u64) -> Option<String> {
    (cut > 0).then(|| format!("bytes={cut}-"))
}

#[test]
fn a_cut_at_any_byte_is_gone_on_with_at_once() {
    for cut in cuts(150) {
        let bench = Bench::new();
        bench.server.fail(Kind::Store, Fault::Cut(cut));
        bench.assert_pulled(bench.pull());
        assert_eq!(bench.ranges(), [None, from(cut)], "{cut}");
    }
}

#[test]
fn a_cut_at_any_byte_is_gone_on_with_by_the_next_process() {
    for cut in cuts(50) {
        let bench = Bench::new();
        bench.server.fail(Kind::Store, Fault::Cut(cut));
        assert!(matches!(pull_until_failure(&bench.hub(), NAME), Err(Error::Cancelled)));
        // What is there looks like nothing whole.
        let incomplete = format!("downloads/test--tiny/{FILE}.{}.incomplete", &tiny().repo().file(FILE).sha256()[..16]);
        assert_eq!(bench.files(), ["downloads/test--tiny/open_clip_config.json", &incomplete], "{cut}");
        let here = fs::read(bench.folder.path().join(&incomplete)).unwrap();
        assert_eq!(here, tiny().checkpoint[..cut as usize], "{cut}");
        assert_eq!(bench.hub().find(&NAME.parse().unwrap()).unwrap(), None);

        bench.server.seen();
        bench.assert_pulled(bench.pull());
        assert_eq!(bench.ranges(), [from(cut)], "{cut}");
    }
}

#[test]
fn many_cuts_in_a_row_are_borne_as_long_as_something_comes() {
    let bench = Bench::new();
    let mut cuts = Vec::new();
    for step in [1, 999, 4000, 0, 0, 0, 5000, 1, 1, 1, 1, 1, 1, 1] {
        bench.server.fail(Kind::Store, Fault::Cut(step));
        cuts.push(step);
    }
    bench.assert_pulled(bench.pull());
    assert_eq!(bench.server.heal(), 0);
    let mut at = 0;
    let mut expected = vec![None];
    for cut in cuts {
        at += cut;
        expected.push(from(at));
    }
    assert_eq!(bench.ranges(), expected);
}

#[test]
fn nothing_at_all_ends_soon_and_leaves_what_came() {
    let bench = Bench::new();
    bench.server.fail(Kind::Store, Fault::Cut(5000)).fail_often(50, Kind::Store, &Fault::Cut(0));
    let error = says(bench.pull(), &["cannot reach", "the connection broke", "check the network"]);
    assert!(matches!(error, Error::Network { .. }));
    assert_eq!(bench.ranges().len(), 6);
    bench.server.heal();
    bench.assert_pulled(bench.pull());
    assert_eq!(bench.ranges(), [from(5000)]);
}

#[test]
fn a_store_without_ranges_starts_anew() {
    let bench = Bench::new();
    bench.server.fail(Kind::Store, Fault::Cut(5000)).fail(Kind::Store, Fault::NoRanges);
    bench.assert_pulled(bench.pull());
    assert_eq!(bench.ranges(), [None, from(5000)]);
}

#[test]
fn what_was_begun_and_is_damaged_is_begun_anew() {
    let bench = Bench::new();
    bench.server.fail(Kind::Store, Fault::Cut(5000));
    pull_until_failure(&bench.hub(), NAME).unwrap_err();
    let incomplete = files(bench.folder.path()).into_iter().find(|file| file.ends_with(".incomplete")).unwrap();
    let path = bench.folder.path().join(incomplete);
    let mut bytes = fs::read(&path).unwrap();
    bytes[17] ^= 1;
    fs::write(&path, &bytes).unwrap();
    bench.server.seen();
    bench.assert_pulled(bench.pull());
    assert_eq!(bench.ranges(), [from(5000), None]);

    // So is one that is longer than the file.
    let bench = Bench::new();
    fs::create_dir_all(path_in(&bench)).unwrap();
    let long = format!("{FILE}.{}.incomplete", &tiny().repo().file(FILE).sha256()[..16]);
    fs::write(path_in(&bench).join(long), vec![0; tiny().checkpoint.len() + 1]).unwrap();
    bench.assert_pulled(bench.pull());
    assert_eq!(bench.ranges(), [None]);
}

fn path_in(bench: &Bench) -> std::path::PathBuf {
    bench.folder.path().join("downloads/test--tiny")
}

#[test]
fn another_checkpoint_is_not_appended_to_what_was_begun() {
    let bench = Bench::new();
    bench.server.fail(Kind::Store, Fault::Cut(5000));
    pull_until_failure(&bench.hub(), NAME).unwrap_err();
    let next = made(2);
    bench.server.publish(next.repo());
    bench.server.seen();
    let model = pull(&bench.hub(), NAME).unwrap();
    assert_eq!(fs::read(model.path).unwrap(), next.weights);
    assert_eq!(bench.ranges(), [None]);
    assert_eq!(bench.files(), [stored(&next.repo())]);
}

#[test]
fn a_slow_store_is_waited_for() {
    let bench = Bench::new();
    let slow = Fault::Slow(tiny().checkpoint.len() / 8, std::time::Duration::from_millis(40));
    bench.server.fail(Kind::Store, slow);
    bench.assert_pulled(bench.pull());
    assert_eq!(bench.ranges(), [None]);
}
