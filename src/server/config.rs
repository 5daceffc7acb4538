//! What a server does: addresses, models and limits, as the command has read them. Opens nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[cfg(feature = "library")]
use super::library::LibraryConfig;
use super::{FetchHost, ImmichCompat, Token};
use crate::clip::Options;
use crate::photo;
use crate::weights::WeightsFile;

/// What a server does.
#[derive(Debug)]
pub struct Config {
    /// Addresses to listen on: the first that can be had is used.
    pub addresses: Vec<SocketAddr>,
    /// Models to open at once, with the names that requests give them. The first is used where a request names none.
    pub models: Vec<(String, WeightsFile)>,
    /// Further names of these models: the name, then the model's.
    pub aliases: Vec<(String, String)>,
    /// How models are opened, also those that requests name.
    pub options: Options,
    /// Whether Immich's machine-learning requests are answered.
    pub immich: bool,
    /// Whether photos are prepared as Immich's container does it, for every model and client; the reference's way
    /// otherwise.
    pub compat: Option<ImmichCompat>,
    /// The server that Immich's requests for other tasks than CLIP go to.
    pub upstream: Option<String>,
    /// Hosts that photos are fetched from where a request to OpenAI's interface names them by their addresses.
    pub fetch: Vec<FetchHost>,
    /// Authorities that sign the certificates of these hosts, in PEM; those of Mozilla's list, if it is `None`.
    pub authorities: Option<PathBuf>,
    /// The photo library to search in.
    #[cfg(feature = "library")]
    pub library: Option<LibraryConfig>,
    /// What requests must carry; nothing, if it is `None`.
    pub token: Option<Token>,
    /// Origins of web pages that may read answers, such as `https://photos.example`.
    pub cors: Vec<String>,
    /// Names besides those of this computer that requests may state; any, if it is `None`.
    pub hosts: Option<Vec<String>>,
    /// After how much time without a request the memory of a model is given back; never, if it is `None`.
    pub idle: Option<Duration>,
    /// What requests may cost.
    pub limits: Limits,
}

/// What requests may cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body: usize,
    /// Bytes of all bodies that are held at the same time.
    pub bodies: usize,
    /// Bytes of all large answers that clients have not taken yet.
    pub answers: usize,
    /// What reading a photo may cost: refused with a status of its own where it is its size. [`Config::options`] has the
    /// same for decoding.
    pub photo: photo::Limits,
    /// Texts in one request.
    pub texts: usize,
    /// Photos in one request.
    pub photos: usize,
    /// Requests that are worked on at the same time.
    pub requests: usize,
    /// Requests that wait for that; more are refused.
    pub queue: usize,
    /// Connections that are open at the same time; for more, idle ones are closed.
    pub connections: usize,
    /// Time for the head of a request, for the next part of its body, and for the next part of an answer to be taken.
    pub patience: Duration,
    /// Time for a whole body, and time for which a request waits to be worked on.
    pub total: Duration,
    /// Time that requests have to finish once the server is told to end.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            body: 64 << 20,
            bodies: 256 << 20,
            answers: 256 << 20,
            photo: photo::Limits::new(),
            texts: 2048,
            photos: 64,
            requests: 64,
            queue: 256,
            connections: 512,
            patience: Duration::from_secs(15),
            total: Duration::from_secs(60),
            grace: Duration::from_secs(20),
        }
    }
}
