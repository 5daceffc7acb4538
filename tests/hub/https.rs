//! Pulls over TLS, as from real hubs: certificates are checked, and no redirect leads to http.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

use crate::support::{Fixture, NAME, assert_error, pull};

/// TLS proxies in front of the endpoint and the store of a hub server, and their certificate.
struct TlsProxies {
    endpoint: String,
    store: String,
    certificate: PathBuf,
}

fn tls_proxies(fixture: &Fixture, certificate: &Path) -> TlsProxies {
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
    let endpoint = tls_proxy(config.clone(), plain(fixture.server.endpoint()));
    let store = tls_proxy(config, plain(fixture.server.store()));
    TlsProxies { endpoint, store, certificate: certificate.to_owned() }
}

/// Starts a TLS proxy for `inside`, one exchange per connection. Its thread runs until the tests end.
fn tls_proxy(config: Arc<ServerConfig>, inside: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (config, inside) = (config.clone(), inside.clone());
            thread::spawn(move || {
                // A client that does not trust the certificate disconnects.
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
fn the_certificate_of_a_hub_is_checked() {
    let fixture = Fixture::new();
    let other = tempfile::tempdir().unwrap();
    let TlsProxies { endpoint, store, certificate } = tls_proxies(&fixture, &other.path().join("ca.pem"));
    fixture.server.set_store(&store);
    // The certificate is not among Mozilla's roots.
    let untrusted = fixture.builder().endpoint(&endpoint).build().unwrap();
    assert_error(pull(&untrusted, NAME), &["cannot reach https://127.0.0.1", "certificate"]);
    assert_eq!(fixture.server.seen(), []);
    let trusted = fixture.builder().endpoint(&endpoint).ca_file(&certificate).build().unwrap();
    fixture.assert_pulled(pull(&trusted, NAME));
    assert!(!fixture.server.seen().is_empty());

    let empty = other.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    let wrong = fixture.builder().endpoint(&endpoint).ca_file(&empty).build().unwrap();
    assert_error(pull(&wrong, "hf-hub:test/other"), &["SSL_CERT_FILE", "empty.pem", "no certificate"]);
}

#[test]
fn https_never_redirects_to_http() {
    let fixture = Fixture::new();
    let other = tempfile::tempdir().unwrap();
    let TlsProxies { endpoint, certificate, .. } = tls_proxies(&fixture, &other.path().join("ca.pem"));
    // The store without TLS.
    let hub = fixture.builder().endpoint(&endpoint).ca_file(&certificate).build().unwrap();
    assert_error(pull(&hub, NAME), &["redirects from https to http://127.0.0.1"]);
    assert!(fixture.ranges().is_empty());
}
