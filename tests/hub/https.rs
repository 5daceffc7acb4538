//! The same over TLS, which is how hubs are really asked: certificates are checked, and nothing leads back to http.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

use crate::support::{Bench, NAME, pull, says};

/// Two doors with TLS in front of a hub's endpoint and its store, and the certificate to trust.
struct Doors {
    endpoint: String,
    store: String,
    certificate: PathBuf,
}

fn doors(bench: &Bench, certificate: &Path) -> Doors {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(certificate, cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let plain = |url: String| url.trim_start_matches("http://").to_owned();
    let endpoint = door(config.clone(), plain(bench.server.endpoint()));
    let store = door(config, plain(bench.server.store()));
    Doors { endpoint, store, certificate: certificate.to_owned() }
}

/// Passes what comes over TLS on to `inside`, one exchange for each connection. Its thread lives as long as the tests.
fn door(config: Arc<ServerConfig>, inside: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (config, inside) = (config.clone(), inside.clone());
            thread::spawn(move || {
                // A client that does not trust us hangs up.
                let _ = pass(stream, config, &inside);
            });
        }
    });
    format!("https://{address}")
}

fn pass(mut outside: TcpStream, config: Arc<ServerConfig>, inside: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut tls = ServerConnection::new(config)?;
    let mut stream = Stream::new(&mut tls, &mut outside);
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let mut hub = TcpStream::connect(inside)?;
    hub.write_all(&request)?;
    std::io::copy(&mut hub, &mut stream)?;
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok(())
}

#[test]
fn a_hub_is_trusted_by_its_certificate() {
    let bench = Bench::new();
    let other = tempfile::tempdir().unwrap();
    let Doors { endpoint, store, certificate } = doors(&bench, &other.path().join("ca.pem"));
    bench.server.set_store(&store);
    // Mozilla does not know it.
    let strange = bench.builder().endpoint(&endpoint).build().unwrap();
    says(pull(&strange, NAME), &["cannot reach https://127.0.0.1", "certificate"]);
    assert_eq!(bench.server.seen(), []);
    let trusted = bench.builder().endpoint(&endpoint).ca_file(&certificate).build().unwrap();
    bench.assert_pulled(pull(&trusted, NAME));
    assert!(!bench.server.seen().is_empty());

    let empty = other.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    let wrong = bench.builder().endpoint(&endpoint).ca_file(&empty).build().unwrap();
    says(pull(&wrong, "hf-hub:test/other"), &["SSL_CERT_FILE", "empty.pem", "no certificate"]);
}

#[test]
fn https_never_leads_to_http() {
    let bench = Bench::new();
    let other = tempfile::tempdir().unwrap();
    let Doors { endpoint, certificate, .. } = doors(&bench, &other.path().join("ca.pem"));
    // The store without TLS.
    let hub = bench.builder().endpoint(&endpoint).ca_file(&certificate).build().unwrap();
    says(pull(&hub, NAME), &["redirects from https to http://127.0.0.1"]);
    assert!(bench.ranges().is_empty());
}
