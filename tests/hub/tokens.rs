//! Who sees the token: the endpoint, always and alone.

use std::ops::ControlFlow;

use clippie_rs::hub::{Error, PullOptions};

use crate::support::{Bench, NAME, name, pull, says, tiny};
use clippie_testkit::hub_server::{Fault, HubServer, Kind, Repo};

const TOKEN: &str = "hf_secret";

fn private(gated: bool) -> Repo {
    Repo { token: Some((TOKEN.into(), gated)), ..tiny().repo() }
}

#[test]
fn the_endpoint_sees_it_and_the_store_does_not() {
    let bench = Bench::with(vec![private(false)]);
    let hub = bench.builder().token(TOKEN).build().unwrap();
    bench.assert_pulled(pull(&hub, NAME));
    let seen = bench.server.seen();
    assert!(seen.iter().any(|seen| seen.kind == Kind::Store));
    for request in seen {
        let expected = (request.kind != Kind::Store).then(|| format!("Bearer {TOKEN}"));
        assert_eq!(request.authorization, expected, "{request:?}");
    }
}

#[test]
fn no_redirect_leads_it_elsewhere() {
    // Another port of the same computer is another host.
    let force = PullOptions { force: true, ..Default::default() };
    for kind in [Kind::List, Kind::Head, Kind::Get] {
        let bench = Bench::with(vec![private(false)]);
        let elsewhere = HubServer::start(vec![private(false)]);
        let hub = bench.builder().token(TOKEN).build().unwrap();
        let to = |host: String| format!("{host}/test/tiny/resolve/main/x");
        for host in [elsewhere.endpoint(), elsewhere.store(), elsewhere.endpoint().replace("127.0.0.1", "localhost")] {
            bench.server.fail(kind, Fault::Redirect(to(host)));
            // Whether it is tried again, and ends well, depends on who says no.
            let _ = hub.pull(&name(NAME), force, &mut |_| ControlFlow::Continue(()));
        }
        let seen = elsewhere.seen();
        assert!(seen.len() >= 3, "{seen:?}");
        assert!(seen.iter().all(|seen| seen.authorization.is_none()), "{seen:?}");
    }
}

#[test]
fn what_is_closed_says_how_to_get_in() {
    let bench = Bench::with(vec![private(true)]);
    let error = says(bench.pull(), &["test/tiny is gated (401)", "https://huggingface.co/test/tiny", "HF_TOKEN"]);
    assert!(matches!(error, Error::Denied { .. }));
    let wrong = bench.builder().token("hf_wrong").build().unwrap();
    says(pull(&wrong, NAME), &["the token is not accepted (401)"]);
    let right = bench.builder().token(TOKEN).build().unwrap();
    bench.assert_pulled(pull(&right, NAME));

    let bench = Bench::with(vec![private(false)]);
    says(bench.pull(), &["no public repository test/tiny (401)", "private or gated", "HF_TOKEN"]);
    let gated = vec![("X-Error-Code", "GatedRepo".to_owned())];
    bench.server.fail(Kind::Head, Fault::Status(403, gated));
    let right = bench.builder().token(TOKEN).build().unwrap();
    says(pull(&right, NAME), &["is gated (403)", "has no access", "accept its terms"]);
    bench.server.fail(Kind::Head, Fault::Status(403, vec![("X-Error-Message", "needs the right scope".into())]));
    says(pull(&right, NAME), &["may not read test/tiny", "needs the right scope"]);
    // Nobody was asked twice for what will not change.
    assert_eq!(bench.server.heal(), 0);
}
