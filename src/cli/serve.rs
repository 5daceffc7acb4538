//! `serve`: answers over HTTP.

use std::ffi::{OsStr, OsString};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use tracing::Level;

#[cfg(feature = "library")]
use super::args;
use super::args::{Common, Compat, Photos, Serve};
#[cfg(feature = "library")]
use super::library::{self, Purpose};
use super::messages::{Failure, Messages, Outcome};
use super::{model, signals};
#[cfg(feature = "library")]
use crate::library::{Comparable, Library, LibraryModel, Precisions};
#[cfg(feature = "library")]
use crate::server::LibraryConfig;
use crate::server::{self, Config, ImmichCompat, ImmichEnvironment, Limits, Token};
use crate::weights::{Precision, WeightsFile};
use crate::{ModelSource, Options};

/// Port without `--immich`.
const PORT: u16 = 8080;
/// Port of Immich's machine-learning container.
const IMMICH_PORT: u16 = 3003;
/// Time after which idle models give their memory back, which are those of Immich's container.
const IDLE: Duration = Duration::from_secs(300);

/// What the log holds.
pub(super) fn level(common: &Common, args: &Serve) -> Level {
    match common.verbose {
        0 => {
            let set = if args.immich { std::env::var("IMMICH_LOG_LEVEL").unwrap_or_default() } else { String::new() };
            // Others are refused with the other variables.
            match set.trim().to_ascii_lowercase().as_str() {
                "debug" | "verbose" => Level::DEBUG,
                "warning" | "warn" => Level::WARN,
                "error" | "critical" | "fatal" => Level::ERROR,
                _ => Level::INFO,
            }
        }
        1 => Level::DEBUG,
        _ => Level::TRACE,
    }
}

pub(super) fn run(args: &Serve, messages: &Messages) -> Result<Outcome, Failure> {
    // `-q` hides the lines of requests, and nothing that is said once.
    let always = &Messages::new(false, false);
    let config = plan(args, messages, always)?;
    let stop = signals::stop();
    server::run(config, stop.token(), |address| always.result(&format!("listening on http://{address}")))?;
    // A server is meant to be ended by a signal: that is no failure.
    stop.finish();
    Ok(Outcome::Complete)
}

/// What the arguments and, with `--immich`, Immich's variables ask for; arguments come first. Pulls the models that they
/// name. `always` has what `-q` does not hide.
fn plan(args: &Serve, messages: &Messages, always: &Messages) -> Result<Config, Failure> {
    let environment = if args.immich { immich_environment(always)? } else { ImmichEnvironment::default() };
    let host = args.host.clone().or(environment.host).unwrap_or_else(|| "127.0.0.1".into());
    let port = args.port.or(environment.port).unwrap_or(if args.immich { IMMICH_PORT } else { PORT });
    let addresses = addresses(&host, port)?;
    let token = args.token_file.as_deref().map(Token::read).transpose()?;
    let is_local = addresses.iter().all(|address| address.ip().is_loopback());
    if token.is_none() && !is_local {
        // A library never goes without one.
        #[cfg(feature = "library")]
        let is_open = args.immich && args.library.is_none();
        #[cfg(not(feature = "library"))]
        let is_open = args.immich;
        if !is_open {
            return Err(Failure::Usage(format!(
                "--host {host} lets other computers in: give them a token with --token-file, or leave it out"
            )));
        }
        always.warning("anybody who reaches this address can use the server, as Immich's own; see docs/serve.md");
    }
    let mut options = Options::new().batch_size(args.batch_size as usize).limits(args.limits.limits());
    // Else all models share the threads of the process.
    if let Some(threads) = args.threads.filter(|&threads| threads > 0).or(environment.threads) {
        options = options.threads(threads);
    }
    let mut models = Vec::new();
    let preload = environment.preload.iter().map(OsString::from);
    let named = args.models.iter().filter(|name| !name.is_empty());
    #[cfg(feature = "library")]
    let (opened, mut meant) = (library_file(args)?, None);
    for name in named {
        #[cfg(feature = "library")]
        if let Some(library) = &opened
            && let Some(found) = of_library(args, library, name, &mut models, messages)?
        {
            meant.get_or_insert(found);
            continue;
        }
        open(name, &mut models, messages)?;
    }
    for name in preload {
        open(&name, &mut models, messages)?;
    }
    let mut aliases = Vec::new();
    for (alias, name) in &args.aliases {
        aliases.push((alias.clone(), open(name, &mut models, messages)?));
    }
    #[cfg(feature = "library")]
    let library = match opened {
        Some(opened) => library(args, opened, meant, &mut models, messages, always)?,
        None => None,
    };
    let idle = args.idle.map(Duration::from_secs_f64).or(environment.idle).unwrap_or(IDLE);
    Ok(Config {
        addresses,
        models,
        aliases,
        options,
        immich: args.immich,
        compat: args.immich_compat.map(|compat| match compat {
            Compat::Crop => ImmichCompat::Crop,
            Compat::Config => ImmichCompat::Config,
        }),
        upstream: args.upstream.clone(),
        fetch: args.allow_fetch.clone(),
        authorities: std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()).map(PathBuf::from),
        #[cfg(feature = "library")]
        library,
        cors: args.cors.clone(),
        hosts: (token.is_none() && is_local).then(|| args.allow_host.clone()),
        token,
        idle: Some(idle).filter(|idle| !idle.is_zero()),
        limits: limits(args),
    })
}

/// The library, if there is one.
#[cfg(feature = "library")]
fn library_file(serve: &Serve) -> Result<Option<Library>, Failure> {
    let open = |file: &PathBuf| library::open(&args::Library { library: Some(file.clone()) });
    serve.library.as_ref().map(open).transpose()
}

/// The name of a model of the server, and the fingerprint of the embeddings that it searches.
#[cfg(feature = "library")]
type Meant = (String, String);

/// Adds the model of a library that `-m` names as the other commands take it, by its name or the start of its fingerprint;
/// `None` if the library has none that is called so.
#[cfg(feature = "library")]
fn of_library(
    serve: &Serve,
    library: &Library,
    named: &OsStr,
    models: &mut Vec<(String, WeightsFile)>,
    messages: &Messages,
) -> Result<Option<Meant>, Failure> {
    let known = library.models()?;
    if !known.iter().any(|known| library::is_called(known, named)) {
        return Ok(None);
    }
    let model = args::Model { model: Some(named.to_owned()) };
    let chosen = library::model(&model, serve.threads, Some(library), Purpose::Queries, messages)?;
    let reading = chosen.options.reading();
    let gives = |known: &&LibraryModel| {
        library::way_of_reading(known, &chosen.weights).is_ok_and(|way| way.is_some_and(|way| way.reading() == reading))
    };
    // Else one of another precision, or of no model of the library.
    let Some(known) = known.iter().find(gives) else { return Ok(None) };
    let own = name(&chosen.weights);
    let mut add = |name: &str| {
        if !models.iter().any(|(known, _)| known == name) {
            models.push((name.to_owned(), chosen.weights.clone()));
        }
    };
    add(&own);
    let beside = format!("{own} of the library");
    let name = if reading == Options::new().reading() { own } else { beside };
    add(&name);
    Ok(Some((name, known.fingerprint.clone())))
}

/// The library and its model, which comes beside those of the arguments unless it is one of them. Models that `-m` names are
/// meant for the library, so one of them has to be its; with `--immich`, they may be for Immich alone.
#[cfg(feature = "library")]
fn library(
    serve: &Serve,
    library: Library,
    meant: Option<Meant>,
    models: &mut Vec<(String, WeightsFile)>,
    messages: &Messages,
    always: &Messages,
) -> Result<Option<LibraryConfig>, Failure> {
    let allowed = args::precisions(&serve.allow_precision);
    let shown = |model: &str| -> Result<(), Failure> {
        let photos = library.status()?.photos;
        let plural = if photos == 1 { "" } else { "s" };
        always.result(&format!("library {}: {photos} photo{plural}, model {model}", library.path().display()));
        Ok(())
    };
    let comparable = |weights: &WeightsFile, options: Options| -> Result<Comparable, Failure> {
        let (image, _) = library::towers(options, weights.clone())?;
        Ok(library.comparable(&image?, &model::argument(weights), &allowed)?)
    };
    let config_of = |model: String, fingerprint: Option<String>| {
        shown(&model)?;
        Ok(Some(LibraryConfig { library: library.clone(), model, allowed: allowed.clone(), fingerprint }))
    };
    if let Some((model, fingerprint)) = meant {
        return config_of(model, Some(fingerprint));
    }
    let config = |model: String| config_of(model, None);
    let mut refused: Option<Failure> = None;
    let mut differing: Option<(String, Option<WeightsFile>, Option<Precisions>)> = None;
    for at in 0..models.len() {
        let (name, weights) = models[at].clone();
        // The library's photos may have been read in another way than those of other requests are.
        let (model, found) = match comparable(&weights, Options::new()) {
            Err(failure) => match library.read_as(Options::new(), &weights)? {
                Some(options) => (
                    format!("{name} of the library"),
                    comparable(&weights, options).map(|found| (found, Some(weights))),
                ),
                None => (name, Err(failure)),
            },
            found => (name, found.map(|found| (found, None))),
        };
        match found {
            Ok((Comparable { precisions: None, .. }, another)) => {
                models.extend(another.map(|weights| (model.clone(), weights)));
                return config(model);
            }
            Ok((Comparable { precisions, .. }, another)) => {
                differing.get_or_insert((model, another, precisions));
            }
            Err(failure) => drop(refused.get_or_insert(failure)),
        }
    }
    if let Some((model, another, precisions)) = differing {
        library::report_precisions(precisions, &library, &model, always);
        models.extend(another.map(|weights| (model.clone(), weights)));
        return config(model);
    }
    let is_named = serve.models.iter().any(|name| !name.is_empty());
    if let Some(refused) = refused.filter(|_| is_named && !serve.immich) {
        return Err(refused);
    }
    let chosen =
        library::model(&args::Model { model: None }, serve.threads, Some(&library), Purpose::Queries, messages)?;
    let taken = |name: &str| models.iter().any(|(known, _)| known == name);
    let model = match name(&chosen.weights) {
        // Another model of the same name.
        name if taken(&name) => format!("{name} of the library"),
        name => name,
    };
    models.push((model.clone(), chosen.weights));
    config(model)
}

/// Immich's variables. Those that mean nothing here are named once.
fn immich_environment(messages: &Messages) -> Result<ImmichEnvironment, Failure> {
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let environment = ImmichEnvironment::read(variables).map_err(Failure::Usage)?;
    if !environment.unused.is_empty() {
        messages.warning(&format!("these variables mean nothing here: {}", environment.unused.join(", ")));
    }
    Ok(environment)
}

/// Adds a model, unless it is among the others; returns its name.
fn open(model: &OsStr, models: &mut Vec<(String, WeightsFile)>, messages: &Messages) -> Result<String, Failure> {
    let weights = model::preprocessing(Some(model), &Photos::default(), messages)?.weights;
    let name = match ModelSource::parse(model) {
        Ok(ModelSource::Name(name)) => name.to_string(),
        _ => name(&weights),
    };
    match models.iter().find(|(known, _)| *known == name) {
        // Another place of the same file is the same model.
        Some((_, known)) if known.header() == weights.header() => {}
        Some((_, known)) => {
            let (first, second) = (known.path().display(), weights.path().display());
            return Err(Failure::Usage(format!(
                "{first} and {second} are different models, and both are called {name}; leave one of them out"
            )));
        }
        None => models.push((name.clone(), weights)),
    }
    Ok(name)
}

/// The name of a weights file, in which its precision counts: files of two precisions are two models.
fn name(weights: &WeightsFile) -> String {
    with_precision(weights.model_name(), weights.header().precision())
}

/// Adds the precision of a model to its name, unless that ends with it as a word: `x` and `x-int8` are `x:int8` and `x-int8`.
fn with_precision(name: String, precision: Precision) -> String {
    let is_word = |rest: &str| !rest.ends_with(|last: char| last.is_alphanumeric());
    match precision {
        Precision::F32 => name,
        _ if name.strip_suffix(precision.name()).is_some_and(is_word) => name,
        _ => format!("{name}:{}", precision.name()),
    }
}

fn limits(args: &Serve) -> Limits {
    let default = Limits::default();
    let patience = Duration::from_secs(args.timeout as u64);
    let body = args.max_body << 20;
    Limits {
        body,
        bodies: default.bodies.max(body),
        photo: args.limits.limits(),
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
    if let Some((name, port)) = with_port(host) {
        return Err(Failure::Usage(format!(
            "--host {host} has a port, which is given apart: --host {name} --port {port}"
        )));
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let found = (bare, port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
    match found {
        Ok(addresses) if !addresses.is_empty() => Ok(addresses),
        Ok(_) => Err(Failure::Usage(format!("--host {host} has no address"))),
        Err(error) => Err(Failure::Usage(format!("--host {host} is not an address of this computer: {error}"))),
    }
}

/// Splits a host with a port.
fn with_port(host: &str) -> Option<(&str, u16)> {
    let (name, port) = host.rsplit_once(':')?;
    // An address of version 6 has colons of its own.
    let is_name = !name.is_empty() && (!name.contains(':') || (name.starts_with('[') && name.ends_with(']')));
    port.parse().ok().filter(|_| is_name).map(|port| (name, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_their_precision_once() {
        for (name, precision, expected) in [
            ("x", Precision::F32, "x"),
            ("x", Precision::Int8, "x:int8"),
            ("x:int8", Precision::Int8, "x:int8"),
            ("x-int8", Precision::Int8, "x-int8"),
            ("x_f16", Precision::F16, "x_f16"),
            ("int8", Precision::Int8, "int8"),
            ("xint8", Precision::Int8, "xint8:int8"),
            ("x-int8", Precision::F16, "x-int8:f16"),
            ("x-int8", Precision::F32, "x-int8"),
        ] {
            assert_eq!(with_precision(name.to_owned(), precision), expected);
        }
    }

    #[test]
    fn hosts_are_addresses_or_names() {
        let one = |host: &str| addresses(host, 80).unwrap()[0].to_string();
        assert_eq!(
            (one("127.0.0.1"), one("[::]"), one("::1")),
            ("127.0.0.1:80".into(), "[::]:80".into(), "[::1]:80".into())
        );
        assert!(addresses("localhost", 80).unwrap().iter().all(|address| address.ip().is_loopback()));
        for host in ["127.0.0.1:9000", "localhost:9000", "[::1]:9000"] {
            assert!(
                matches!(addresses(host, 80), Err(Failure::Usage(message)) if message.ends_with(" --port 9000")),
                "{host}"
            );
        }
        for host in ["", "[", "no such host", "1.2.3.4.5"] {
            assert!(
                matches!(addresses(host, 80), Err(Failure::Usage(message)) if message.contains("--host")),
                "{host}"
            );
        }
    }
}
