//! The token goes to the endpoint, always, and to no other server.

use std::ops::ControlFlow;

use clippie_rs::hub::{Error, PullOptions};

use crate::support::{Fixture, NAME, assert_error, name, pull, tiny};
use clippie_testkit::hub_server::{Fault, HubServer, Kind, Repo};

const TOKEN: &str = "hf_secret";

fn private(gated: bool) -> Repo {
    Repo { token: Some((TOKEN.into(), gated)), ..tiny().repo() }
}

#[test]
fn the_endpoint_receives_the_token_and_the_store_does_not() {
    let fixture = Fixture::with(vec![private(false)]);
    let hub = fixture.builder().token(TOKEN).build().unwrap();
    fixture.assert_pulled(pull(&hub, NAME));
    let seen = fixture.server.seen();
    assert!(seen.iter().any(|seen| seen.kind == Kind::Store));
    for request in seen {
        let expected = (request.kind != Kind::Store).then(|| format!("Bearer {TOKEN}"));
        assert_eq!(request.authorization, expected, "{request:?}");
    }
}

#[test]
fn redirects_do_not_forward_the_token() {
    // Another port is another origin.
    let force = PullOptions::default().force(true);
    for kind in [Kind::List, Kind::Head, Kind::Get] {
        let fixture = Fixture::with(vec![private(false)]);
        let other = HubServer::start(vec![private(false)]);
        let hub = fixture.builder().token(TOKEN).build().unwrap();
        let to = |host: String| format!("{host}/test/tiny/resolve/main/x");
        for host in [other.endpoint(), other.store(), other.endpoint().replace("127.0.0.1", "localhost")] {
            fixture.server.fail(kind, Fault::Redirect(to(host)));
            // The result depends on the server that refuses.
            let _ = hub.pull(&name(NAME), force, &mut |_| ControlFlow::Continue(()));
        }
        let seen = other.seen();
        assert!(seen.len() >= 3, "{seen:?}");
        assert!(seen.iter().all(|seen| seen.authorization.is_none()), "{seen:?}");
    }
}

#[test]
fn closed_repositories_are_errors_with_a_remedy() {
    let fixture = Fixture::with(vec![private(true)]);
    let error =
        assert_error(fixture.pull(), &["test/tiny is gated (401)", "https://huggingface.co/test/tiny", "HF_TOKEN"]);
    assert!(matches!(error, Error::Denied { .. }));
    let wrong = fixture.builder().token("hf_wrong").build().unwrap();
    assert_error(pull(&wrong, NAME), &["the token is not accepted (401)"]);
    let right = fixture.builder().token(TOKEN).build().unwrap();
    fixture.assert_pulled(pull(&right, NAME));

    let fixture = Fixture::with(vec![private(false)]);
    assert_error(fixture.pull(), &["no public repository test/tiny (401)", "private or gated", "HF_TOKEN"]);
    let gated = vec![("X-Error-Code", "GatedRepo".to_owned())];
    fixture.server.fail(Kind::Head, Fault::Status(403, gated));
    let right = fixture.builder().token(TOKEN).build().unwrap();
    assert_error(pull(&right, NAME), &["is gated (403)", "has no access", "accept its terms"]);
    fixture.server.fail(Kind::Head, Fault::Status(403, vec![("X-Error-Message", "needs the right scope".into())]));
    assert_error(pull(&right, NAME), &["may not read test/tiny", "needs the right scope"]);
    // Permanent failures were not retried.
    assert_eq!(fixture.server.heal(), 0);
}
