//! Servers that send too little, or nothing: given up within a stated time, and never in the way of cancelling.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use clippie_rs::hub::{Error, Event, Hub, PullOptions};

use crate::support::{CONFIG, FILE, Fixture, NAME, assert_error, name, pull};
use clippie_testkit::hub_server::{Fault, Kind};

/// Far longer than anything here takes, on a busy machine too.
const LONG: Duration = Duration::from_secs(60);

/// Gives a server up that sends less than 1 kB a second for this long.
const STALL: Duration = Duration::from_millis(400);

fn impatient(fixture: &Fixture) -> Hub {
    fixture.builder().stall_timeout(STALL).build().unwrap()
}

/// 50 bytes a second.
fn drip() -> Fault {
    Fault::Slow(1, Duration::from_millis(20))
}

#[test]
fn a_dripping_server_is_given_up_and_the_pull_goes_on_later() {
    for kind in [Kind::List, Kind::Store] {
        let fixture = Fixture::new();
        fixture.server.fail_often(9, kind, &drip());
        let started = Instant::now();
        let error = assert_error(
            pull(&impatient(&fixture), NAME),
            &["less than 1 kB a second arrives", "pull again later", "HF_HUB_DOWNLOAD_TIMEOUT"],
        );
        assert!(matches!(error, Error::TooSlow { .. }) && started.elapsed() < LONG, "{error}");
        // Another connection may be faster, so a few are tried.
        assert_eq!(fixture.server.heal(), 6);
        fixture.server.seen();
        // The advice works: nothing holds the lock, and what has come is kept.
        fixture.assert_pulled(pull(&impatient(&fixture), NAME));
        let ranges = fixture.ranges();
        let resumed = ranges[0].as_ref().and_then(|range| range.strip_prefix("bytes="));
        assert_eq!((ranges.len(), resumed.is_some()), (1, kind == Kind::Store), "{ranges:?}");
    }
}

#[test]
fn one_slow_connection_is_no_failure() {
    let fixture = Fixture::new();
    fixture.server.fail_often(2, Kind::Store, &drip());
    let mut reasons = Vec::new();
    let pulled = impatient(&fixture).pull(&name(NAME), PullOptions::default(), &mut |event| {
        if let Event::Retry { reason, .. } = event {
            reasons.push(reason.to_owned());
        }
        ControlFlow::Continue(())
    });
    fixture.assert_pulled(pulled);
    assert!(reasons.len() == 2 && reasons[0].contains("less than 1 kB a second"), "{reasons:?}");
}

#[test]
fn a_pull_is_cancelled_while_the_server_is_silent() {
    let silent = Fault::Slow(1, LONG);
    for (kind, fault) in [
        (Kind::List, Fault::Gate),
        (Kind::Head, Fault::Gate),
        (Kind::Get, Fault::Gate),
        (Kind::Store, Fault::Gate),
        (Kind::List, silent.clone()),
        (Kind::Store, silent),
    ] {
        let fixture = Fixture::new();
        fixture.server.fail(kind, fault.clone());
        let started = Instant::now();
        let mut idle = 0;
        let error = fixture.hub().pull(&name(NAME), PullOptions::default(), &mut |event| {
            idle += u32::from(matches!(event, Event::Idle));
            // A few earlier ones may come from a busy machine.
            if idle > 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(error, Err(Error::Cancelled)), "{error:?}");
        assert!(started.elapsed() < LONG / 2, "{kind:?} {fault:?}");
        // The lock is free at once.
        fixture.server.heal();
        fixture.server.open_gate();
        fixture.assert_pulled(fixture.pull());
    }
}

#[test]
fn files_of_absurd_size_are_refused() {
    let fixture = Fixture::new();
    // The configuration is asked for first.
    fixture.server.fail(Kind::Head, Fault::Headers(vec![("X-Linked-Size", "150000000000".into())]));
    let error = assert_error(fixture.pull(), &[CONFIG, "150000000000 bytes, which no configuration has"]);
    assert!(matches!(error, Error::Protocol { .. }));
    assert_eq!(fixture.files(), [""; 0]);
    assert!(fixture.server.seen().iter().all(|seen| !seen.path.ends_with(FILE)));
    let large = Fault::Headers(vec![("X-Linked-Size", "200000000001".into())]);
    fixture.server.fail(Kind::Head, Fault::Headers(vec![])).fail(Kind::Head, large);
    assert_error(fixture.pull(), &[FILE, "200000000001 bytes, which no checkpoint has"]);
    fixture.assert_pulled(fixture.pull());
}

#[test]
fn endless_headers_are_refused() {
    let fixture = Fixture::new();
    let long = vec![("X-Padding", "x".repeat(1 << 20))];
    fixture.server.fail_often(9, Kind::List, &Fault::Headers(long));
    let error = assert_error(fixture.pull(), &["/api/models/test/tiny"]);
    assert!(matches!(error, Error::Network { .. } | Error::Protocol { .. }), "{error}");
    fixture.server.heal();
    fixture.assert_pulled(fixture.pull());
}
