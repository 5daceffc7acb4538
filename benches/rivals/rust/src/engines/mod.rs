//! The engines of this build.

#[cfg(feature = "candle")]
mod candle;
mod clippie;
#[cfg(feature = "rten")]
mod rten;
#[cfg(feature = "tract")]
mod tract;

use crate::Error;
use crate::job::Job;

/// A call from prepared inputs to embeddings, `[batch, embed]`.
pub type Run = Box<dyn FnMut() -> Result<Vec<f32>, Error>>;

pub struct Engine {
    pub name: &'static str,
    pub version: &'static str,
    pub load: fn(&Job) -> Result<Run, Error>,
}

fn all() -> Vec<Engine> {
    vec![
        Engine { name: "clippie", version: "clippie-rs", load: clippie::load },
        #[cfg(feature = "rten")]
        Engine { name: "rten", version: "rten 0.27", load: rten::load },
        #[cfg(feature = "tract")]
        Engine { name: "tract", version: "tract 0.23", load: tract::load },
        #[cfg(feature = "candle")]
        Engine { name: "candle", version: "candle 0.11", load: candle::load },
    ]
}

pub fn names() -> Vec<&'static str> {
    all().into_iter().map(|engine| engine.name).collect()
}

pub fn find(name: &str) -> Option<Engine> {
    all().into_iter().find(|engine| engine.name == name)
}
