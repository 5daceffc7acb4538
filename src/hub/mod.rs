//! Models by name: where they are published and, with the feature `hub`, how to download and convert them.
//!
//! ```text
//! name --> store: installed? --> Hugging Face's cache: downloaded? --> hub: download --> import --> store
//! ```
//! An installed model is found by its file name, without running network code. Nothing from a server is trusted: file
//! names, sizes, URLs and checksums are checked before use.
//!
//! ```no_run
//! # #[cfg(feature = "hub")] {
//! use std::ops::ControlFlow;
//!
//! use clippie_rs::Clip;
//! use clippie_rs::hub::{Event, Hub, PullOptions};
//!
//! let hub = Hub::from_env()?;
//! let model = hub.pull(&"mobileclip2-s2".parse()?, PullOptions::default(), &mut |event| {
//!     if let Event::Download { done, total, .. } = event {
//!         println!("{done} of {total} bytes");
//!     }
//!     ControlFlow::Continue(())
//! })?;
//! let clip = Clip::open(&model.path)?;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod name;

pub use name::{ModelName, NameError};

#[cfg(feature = "hub")]
mod api;
#[cfg(feature = "hub")]
mod checksum;
#[cfg(feature = "hub")]
mod client;
#[cfg(feature = "hub")]
mod download;
#[cfg(feature = "hub")]
mod error;
#[cfg(all(feature = "hub", fuzzing))]
pub mod fuzzing;
#[cfg(feature = "hub")]
mod hf_cache;
#[cfg(feature = "hub")]
mod http;
#[cfg(feature = "hub")]
mod layout;
#[cfg(feature = "hub")]
mod progress;
#[cfg(feature = "hub")]
mod pull;
#[cfg(feature = "hub")]
mod settings;
#[cfg(feature = "hub")]
mod status;
#[cfg(feature = "hub")]
mod store;
#[cfg(feature = "hub")]
mod url;
#[cfg(feature = "hub")]
mod wire;

#[cfg(feature = "hub")]
pub use client::{Hub, HubBuilder};
#[cfg(feature = "hub")]
pub use error::Error;
#[cfg(feature = "serve")]
pub(crate) use http::tls;
#[cfg(feature = "hub")]
pub use progress::{Callback, Event, Origin, Plan};
#[cfg(feature = "hub")]
pub use pull::PullOptions;
#[cfg(feature = "hub")]
pub use store::{StoredDownload, StoredModel};
#[cfg(feature = "serve")]
pub(crate) use url::Url;
