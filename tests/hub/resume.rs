//! Broken connections: a transfer resumes at the next byte, at once or in a later pull.

use std::fs;

use clippie_rs::hub::Error;

use crate::support::{
    FILE, Fixture, NAME, assert_error, files, pull, pull_until_failure, stored, tiny, tiny_with_seed,
};
use clippie_testkit::hub_server::{Fault, Kind};

/// Offsets at which a transfer breaks: the first and last ones, and about `between` more.
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
fn a_transfer_cut_at_any_byte_resumes_at_once() {
    for cut in cuts(150) {
        let fixture = Fixture::new();
        fixture.server.fail(Kind::Store, Fault::Cut(cut));
        fixture.assert_pulled(fixture.pull());
        assert_eq!(fixture.ranges(), [None, from(cut)], "{cut}");
    }
}

#[test]
fn a_transfer_cut_at_any_byte_resumes_in_the_next_process() {
    for cut in cuts(50) {
        let fixture = Fixture::new();
        fixture.server.fail(Kind::Store, Fault::Cut(cut));
        assert!(matches!(pull_until_failure(&fixture.hub(), NAME), Err(Error::Cancelled)));
        // No file looks complete.
        let incomplete = format!("downloads/test--tiny/{FILE}.{}.incomplete", &tiny().repo().file(FILE).sha256()[..16]);
        assert_eq!(fixture.files(), ["downloads/test--tiny/open_clip_config.json", &incomplete], "{cut}");
        let received = fs::read(fixture.folder.path().join(&incomplete)).unwrap();
        assert_eq!(received, tiny().checkpoint[..cut as usize], "{cut}");
        assert_eq!(fixture.hub().find(&NAME.parse().unwrap()).unwrap(), None);

        fixture.server.seen();
        fixture.assert_pulled(fixture.pull());
        assert_eq!(fixture.ranges(), [from(cut)], "{cut}");
    }
}

#[test]
fn many_cuts_are_retried_as_long_as_bytes_arrive() {
    let fixture = Fixture::new();
    let mut cuts = Vec::new();
    for step in [1, 999, 4000, 0, 0, 0, 5000, 1, 1, 1, 1, 1, 1, 1] {
        fixture.server.fail(Kind::Store, Fault::Cut(step));
        cuts.push(step);
    }
    fixture.assert_pulled(fixture.pull());
    assert_eq!(fixture.server.heal(), 0);
    let mut at = 0;
    let mut expected = vec![None];
    for cut in cuts {
        at += cut;
        expected.push(from(at));
    }
    assert_eq!(fixture.ranges(), expected);
}

#[test]
fn a_stalled_transfer_ends_and_keeps_its_bytes() {
    let fixture = Fixture::new();
    fixture.server.fail(Kind::Store, Fault::Cut(5000)).fail_often(50, Kind::Store, &Fault::Cut(0));
    let error = assert_error(fixture.pull(), &["cannot reach", "the connection broke", "check the network"]);
    assert!(matches!(error, Error::Network { .. }));
    assert_eq!(fixture.ranges().len(), 6);
    fixture.server.heal();
    fixture.assert_pulled(fixture.pull());
    assert_eq!(fixture.ranges(), [from(5000)]);
}

#[test]
fn a_store_without_ranges_starts_again() {
    let fixture = Fixture::new();
    fixture.server.fail(Kind::Store, Fault::Cut(5000)).fail(Kind::Store, Fault::NoRanges);
    fixture.assert_pulled(fixture.pull());
    assert_eq!(fixture.ranges(), [None, from(5000)]);
}

#[test]
fn a_damaged_incomplete_file_is_downloaded_again() {
    let fixture = Fixture::new();
    fixture.server.fail(Kind::Store, Fault::Cut(5000));
    pull_until_failure(&fixture.hub(), NAME).unwrap_err();
    let incomplete = files(fixture.folder.path()).into_iter().find(|file| file.ends_with(".incomplete")).unwrap();
    let path = fixture.folder.path().join(incomplete);
    let mut bytes = fs::read(&path).unwrap();
    bytes[17] ^= 1;
    fs::write(&path, &bytes).unwrap();
    fixture.server.seen();
    fixture.assert_pulled(fixture.pull());
    assert_eq!(fixture.ranges(), [from(5000), None]);

    // So is one longer than the file.
    let fixture = Fixture::new();
    fs::create_dir_all(path_in(&fixture)).unwrap();
    let long = format!("{FILE}.{}.incomplete", &tiny().repo().file(FILE).sha256()[..16]);
    fs::write(path_in(&fixture).join(long), vec![0; tiny().checkpoint.len() + 1]).unwrap();
    fixture.assert_pulled(fixture.pull());
    assert_eq!(fixture.ranges(), [None]);
}

fn path_in(fixture: &Fixture) -> std::path::PathBuf {
    fixture.folder.path().join("downloads/test--tiny")
}

#[test]
fn another_checkpoint_does_not_resume_the_old_one() {
    let fixture = Fixture::new();
    fixture.server.fail(Kind::Store, Fault::Cut(5000));
    pull_until_failure(&fixture.hub(), NAME).unwrap_err();
    let next = tiny_with_seed(2);
    fixture.server.publish(next.repo());
    fixture.server.seen();
    let model = pull(&fixture.hub(), NAME).unwrap();
    assert_eq!(fs::read(model.path).unwrap(), next.weights);
    assert_eq!(fixture.ranges(), [None]);
    assert_eq!(fixture.files(), [stored(&next.repo())]);
}

#[test]
fn a_slow_store_is_not_a_failure() {
    let fixture = Fixture::new();
    let slow = Fault::Slow(tiny().checkpoint.len() / 8, std::time::Duration::from_millis(40));
    fixture.server.fail(Kind::Store, slow);
    fixture.assert_pulled(fixture.pull());
    assert_eq!(fixture.ranges(), [None]);
}
