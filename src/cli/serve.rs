//! `serve`: answers over HTTP.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use tracing::Level;

use super::args::{Common, Photos, Serve};
#[cfg(feature = "library")]
use super::library;
use super::messages::{Failure, Messages, Outcome};
use super::{model, signals};
use crate::Options;
#[cfg(feature = "library")]
use crate::server::LibraryConfig;
use crate::server::{self, Config, Limits, Token};
#[cfg(feature = "library")]
use crate::weights::WeightsFile;

/// Port without `--immich`.
const PORT: u16 = 8080;
/// Port of Immich's machine-learning container.
const IMMICH_PORT: u16 = 3003;
/// Seconds after which idle models give their memory back, which are those of Immich's container.
const IDLE: f64 = 300.0;

/// What the log holds: each request, unless `-q` is given.
pub(super) fn level(common: &Common) -> Level {
    match common.verbose {
        0 if common.quiet => Level::ERROR,
        0 => Level::INFO,
        1 => Level::DEBUG,
        _ => Level::TRACE,
    }
}

pub(super) fn run(args: &Serve, messages: &Messages) -> Result<Outcome, Failure> {
    let config = plan(args, messages)?;
    let stop = signals::stop();
    server::run(config, stop.token(), |address| messages.result(&format!("listening on http://{address}")))?;
    if stop.token().is_cancelled() {
        stop.end();
    }
    Ok(Outcome::Complete)
}

/// What the arguments ask for. Pulls the models that they name.
fn plan(args: &Serve, messages: &Messages) -> Result<Config, Failure> {
    let host = args.host.as_deref().unwrap_or("127.0.0.1");
    let port = args.port.unwrap_or(if args.immich { IMMICH_PORT } else { PORT });
    let addresses = addresses(host, port)?;
    let token = args.token_file.as_deref().map(Token::read).transpose()?;
    if token.is_none() && !addresses.iter().all(|address| address.ip().is_loopback()) {
        if !args.immich || shows_library(args) {
            return Err(Failure::Usage(format!(
                "--host {host} lets other computers in: give them a token with --token-file, or leave it out"
            )));
        }
        messages.warning("anybody who reaches this address can use the server, as Immich's own; see docs/serve.md");
    }
    let options = Options::new().threads(model::threads(args.threads)).batch_size(args.batch_size as usize);
    let mut models = Vec::new();
    for name in args.models.iter().filter(|name| !name.is_empty()) {
        let chosen = model::preprocessing(Some(name), &Photos::default(), messages)?;
        models.push((chosen.name, chosen.weights));
    }
    #[cfg(feature = "library")]
    let library = library(args, &mut models, messages)?;
    let idle = args.idle.unwrap_or(IDLE);
    Ok(Config {
        addresses,
        models,
        options,
        immich: args.immich,
        #[cfg(feature = "library")]
        library,
        token,
        idle: (idle > 0.0).then(|| Duration::from_secs_f64(idle)),
        limits: limits(args),
    })
}

/// Whether a photo library is shown, which never goes without a token where others can reach it.
fn shows_library(args: &Serve) -> bool {
    #[cfg(feature = "library")]
    return args.library.is_some();
    #[cfg(not(feature = "library"))]
    return false;
}

/// Opens the library, and its model beside those of the arguments unless it is one of them.
#[cfg(feature = "library")]
fn library(
    args: &Serve,
    models: &mut Vec<(String, WeightsFile)>,
    messages: &Messages,
) -> Result<Option<LibraryConfig>, Failure> {
    let Some(file) = &args.library else { return Ok(None) };
    let library = library::open(&super::args::Library { library: Some(file.clone()) })?;
    let known = library.models()?;
    for (name, weights) in &*models {
        let (image, _) = library::towers(Options::new(), weights.clone())?;
        if image.is_ok_and(|image| known.iter().any(|known| known.fingerprint == image.fingerprint().as_str())) {
            return Ok(Some(LibraryConfig { library, model: name.clone() }));
        }
    }
    let chosen = library::model(&super::args::Model { model: None }, args.threads, Some(&library), messages)?;
    let taken = |name: &str| models.iter().any(|(known, _)| known == name);
    let model = match chosen.name {
        // Another model of the same name.
        name if taken(&name) => format!("{name} of {}", file.display()),
        name => name,
    };
    models.push((model.clone(), chosen.weights));
    Ok(Some(LibraryConfig { library, model }))
}

fn limits(args: &Serve) -> Limits {
    let default = Limits::default();
    let patience = Duration::from_secs(args.timeout as u64);
    let body = args.max_body << 20;
    Limits {
        body,
        bodies: default.bodies.max(body),
        pixels: args.max_pixels as u64 * 1_000_000,
        texts: args.max_texts,
        photos: args.max_photos,
        requests: args.max_requests,
        queue: args.max_queue,
        patience,
        total: default.total.max(patience),
        ..default
    }
}

/// The addresses of a host, which may be an address, in brackets too, or a name.
fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let found = (bare, port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
    match found {
        Ok(addresses) if !addresses.is_empty() => Ok(addresses),
        Ok(_) => Err(Failure::Usage(format!("--host {host} has no address"))),
        Err(error) => Err(Failure::Usage(format!("--host {host} is not an address of this computer: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_addresses_or_names() {
        let one = |host: &str| addresses(host, 80).unwrap()[0].to_string();
        assert_eq!(
            (one("127.0.0.1"), one("[::]"), one("::1")),
            ("127.0.0.1:80".into(), "[::]:80".into(), "[::1]:80".into())
        );
        assert!(addresses("localhost", 80).unwrap().iter().all(|address| address.ip().is_loopback()));
        for host in ["", "[", "no such host", "1.2.3.4.5"] {
            assert!(
                matches!(addresses(host, 80), Err(Failure::Usage(message)) if message.contains("--host")),
                "{host}"
            );
        }
    }
}
