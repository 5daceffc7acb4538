//! The server: models over HTTP.
//!
//! ```text
//! connection (run) -> guard (auth, metrics) -> route -> body (limits) -> immich | openai | library
//!                                                                         -> encode -> batch -> Clip
//! ```
//! Connections live on one thread, which never computes: photos are decoded on threads of their own, and each tower of a
//! model has a thread that takes the waiting inputs together. `immich` and `openai` are two dialects over the same core,
//! `library` is the page and the interface of a photo library. Opens no path from a request, and fetches what one names from
//! hosts that the operator named alone (`fetch`).

mod auth;
mod batch;
mod body;
mod config;
mod encode;
mod error;
mod fetch;
#[cfg(fuzzing)]
pub mod fuzzing;
mod guard;
mod health;
mod immich;
#[cfg(feature = "library")]
mod library;
mod limits;
mod metrics;
mod models;
mod multipart;
mod openai;
mod origins;
mod places;
mod refusal;
mod routes;
mod run;
mod state;
mod timed;
mod upstream;
mod work;

pub use auth::Token;
pub use config::{Config, Limits};
pub use error::Error;
pub use fetch::FetchHost;
pub use immich::{Compat as ImmichCompat, Environment as ImmichEnvironment};
#[cfg(feature = "library")]
pub use library::LibraryConfig;
pub use run::run;
