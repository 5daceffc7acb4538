//! Arguments of `serve`.

use std::ffi::OsString;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::MAX_BATCH;
#[cfg(feature = "library")]
use super::Precision;
use super::limits::Limits;
use super::values::{count, seconds, threads};
use crate::server::FetchHost;

/// Answer over HTTP: embeddings for programs, and Immich's machine-learning requests
///
/// Programs ask for embeddings of texts and photos as they ask OpenAI: POST /v1/embeddings. With --immich, the server
/// takes the place of Immich's machine-learning container for smart search; faces and texts in photos, which are other
/// models' work, go to the container that --upstream names, or are refused.
///
/// The first -m is the model of requests that name none. Others are opened when a request names them, if they are
/// installed; no request downloads anything.
///
/// With --library it shows a page that searches a photo library.
///
/// Listens on this computer alone unless --host says otherwise. What other computers can reach needs a token, given with
/// --token-file, except with --immich, whose server sends none. -q hides the line of each request and keeps warnings.
/// docs/serve.md is the manual.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs serve -m mobileclip2-s2
  clippie-rs serve --immich -m vit-b-32-openai --host 0.0.0.0
  clippie-rs serve -m mobileclip2-s2 --host 0.0.0.0 --token-file token.txt
  clippie-rs serve --library photos.sqlite")]
pub(in crate::cli) struct Serve {
    /// Model to open at once, as for the other commands; repeatable, the first is the default
    #[arg(short, long = "model", value_name = "MODEL", env = "CLIPPIE_MODEL", hide_env_values = true)]
    pub models: Vec<OsString>,
    /// Another name for a model, such as ViT-B-32__openai=mobileclip2-s2 to put a better one in the place of Immich's;
    /// repeatable
    #[arg(long = "alias", value_name = "NAME=MODEL", value_parser = alias)]
    pub aliases: Vec<(String, OsString)>,
    /// Answer Immich's machine-learning requests
    #[arg(long)]
    pub immich: bool,
    /// Prepare photos as Immich's container does, so that their embeddings stand beside those it made: `crop` as up to
    /// version 2.5, `config` as later ones; without this as the model's own reference does
    #[arg(long, value_enum, value_name = "WAY", num_args = 0..=1, require_equals = true, default_missing_value = "crop",
          requires = "immich")]
    pub immich_compat: Option<Compat>,
    /// Pass Immich's requests for faces and texts in photos on to its own machine-learning container at this address
    #[arg(long, value_name = "URL", requires = "immich")]
    pub upstream: Option<String>,
    /// Address to listen on [default: 127.0.0.1]
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Port to listen on; 0 takes any free one [default: 8080, with --immich 3003]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Show a page that searches this photo library, with its model: at /, with --immich at /library/
    #[cfg(feature = "library")]
    #[arg(long, value_name = "FILE")]
    pub library: Option<PathBuf>,
    /// Where the library has embeddings of the model in another precision only, compare them with those of a model in
    /// these precisions; scores differ a little, and a warning says so
    #[cfg(feature = "library")]
    #[arg(long, value_enum, value_name = "TYPE,TYPE", value_delimiter = ',', requires = "library")]
    pub allow_precision: Vec<Precision>,
    /// Refuse requests without the token in the first line of FILE
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Let web pages of this origin, as browsers state it with its scheme, read answers; repeatable
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub cors: Vec<String>,
    /// Accept requests that reach this computer under this name, such as that of a proxy; repeatable. Without a token only
    /// localhost and addresses are accepted, so that no web page can make its own name stand for this computer
    #[arg(long, value_name = "NAME", value_parser = host_name)]
    pub allow_host: Vec<String>,
    /// Fetch photos that requests to /v1/embeddings name by their addresses from this host, by https: HOST or HOST:PORT;
    /// http://HOST without encryption, localhost either way; repeatable. Other hosts are never asked, and names that stand for
    /// computers of a private network are refused, which are given by their addresses
    #[arg(long, value_name = "HOST", value_parser = FetchHost::parse)]
    pub allow_fetch: Vec<FetchHost>,
    /// Give a model's memory back after this many seconds without a request; 0 keeps it [default: 300]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub idle: Option<f64>,
    /// Maximum number of photos or texts per pass: trades memory for speed, never changes results
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=MAX_BATCH))]
    pub batch_size: u32,
    /// Number of threads of a model, by default one per core; never changes results
    #[arg(long, value_name = "N", env = "CLIPPIE_THREADS", hide_env_values = true, value_parser = threads)]
    pub threads: Option<usize>,
    /// Largest request, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = count(1, 1024))]
    pub max_body: usize,
    #[command(flatten)]
    pub limits: Limits,
    /// Most texts in one request
    #[arg(long, value_name = "N", default_value_t = 2048, value_parser = count(1, 100_000))]
    pub max_texts: usize,
    /// Most photos in one request
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = count(1, 10_000))]
    pub max_photos: usize,
    /// Most requests that are worked on at the same time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = count(1, 10_000))]
    pub max_requests: usize,
    /// Most requests that wait for that; more are refused with status 503
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = count(0, 100_000))]
    pub max_queue: usize,
    /// Time that a client may take between two parts of a request or answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = count(1, 3600))]
    pub timeout: usize,
}

/// How Immich's container prepares photos.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Compat {
    /// Scale the shorter side bicubically and crop the centre, whatever the model's configuration says
    Crop,
    /// As the model's configuration says
    Config,
}

/// Parses an origin, to the form in which browsers state it: in lower case, without the port that its scheme means.
fn origin(text: &str) -> Result<String, String> {
    let refused = || "not an origin such as https://photos.example".to_owned();
    let text = text.trim().to_ascii_lowercase();
    let (scheme, rest) = text.strip_suffix('/').unwrap_or(&text).split_once("://").ok_or_else(refused)?;
    let (name, port) = split_port(rest);
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !is_scheme || !is_host(name) || port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err(refused());
    }
    Ok(match (scheme, port) {
        (_, None) | ("https", Some("443")) | ("http", Some("80")) => format!("{scheme}://{name}"),
        (_, Some(port)) => format!("{scheme}://{name}:{port}"),
    })
}

/// Parses a name under which this computer is reached. A port behind it means nothing, since a request under the name is
/// accepted with any.
fn host_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    let (name, _) = split_port(text.strip_suffix('/').unwrap_or(text));
    if is_host(name) { Ok(name.to_owned()) } else { Err("not a name such as nas.local".into()) }
}

/// Splits a port off.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => {
            (name, Some(port))
        }
        _ => (text, None),
    }
}

/// Whether requests can state this: a name, or an address, of version 6 in brackets.
fn is_host(name: &str) -> bool {
    let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    match inner {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        // Browsers state other letters in ASCII too (Punycode).
        None => !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)),
    }
}

/// Parses another name of a model.
fn alias(text: &str) -> Result<(String, OsString), String> {
    match text.split_once('=') {
        Some((name, model)) if !name.is_empty() && !model.is_empty() => Ok((name.to_owned(), model.into())),
        _ => Err("not a name and a model, such as ViT-B-32__openai=mobileclip2-s2".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_and_names_that_requests_can_state() {
        for (text, expected) in [
            ("https://photos.example", "https://photos.example"),
            ("https://Photos.example/", "https://photos.example"),
            ("https://photos.example:443", "https://photos.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:80", "http://[::1]"),
            ("moz-extension://1b2c", "moz-extension://1b2c"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "*",
            "foo",
            "photos.example",
            "https://",
            "https://*.example",
            "https://a/b",
            "https://a:b",
            "http://ä",
        ] {
            assert!(origin(text).is_err(), "{text}");
        }
        for (text, expected) in
            [("nas", "nas"), ("nas.local/", "nas.local"), ("nas.local:8080", "nas.local"), ("[::1]:80", "[::1]")]
        {
            assert_eq!(host_name(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["", "*", "/", "a/b", "https://nas.local", "a b", ":80"] {
            assert!(host_name(text).is_err(), "{text}");
        }
    }
}
