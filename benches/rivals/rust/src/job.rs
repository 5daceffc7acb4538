//! Requests of the driver.

use std::path::PathBuf;

use serde::Deserialize;

use crate::Error;

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Request {
    Load(Job),
    Time {
        seconds: f64,
    },
    /// Measures the core that the worker runs on.
    Look,
    Unload,
}

/// A tower, its inputs and its number of threads. Each engine picks the file that it can read.
#[derive(Deserialize)]
#[allow(dead_code, reason = "engines that read the other files may not be in this build")]
pub struct Job {
    pub tower: Tower,
    pub threads: usize,
    /// Raw and little-endian: pixels float32 `[batch, 3, S, S]`, or ids int64 `[batch, context]`, padded.
    pub input: PathBuf,
    pub shape: Vec<usize>,
    /// File for the embeddings, raw float32 `[batch, embed]`.
    pub out: PathBuf,
    pub clippie: PathBuf,
    /// The graph for this batch, with its dimensions fixed.
    pub onnx: PathBuf,
    /// open_clip's safetensors, in the trained form.
    pub checkpoint: PathBuf,
    /// Name of the model, as in `clippie-rs models`.
    pub model: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tower {
    Image,
    Text,
}

impl Job {
    pub fn pixels(&self) -> Result<Vec<f32>, Error> {
        let bytes = std::fs::read(&self.input)?;
        Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    /// All ids, row after row.
    pub fn ids(&self) -> Result<Vec<u32>, Error> {
        let bytes = std::fs::read(&self.input)?;
        Ok(bytes.chunks_exact(8).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }
}
