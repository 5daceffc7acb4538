//! Converts a checkpoint to a weights file: open, map, describe, fold, write.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::checkpoint::Checkpoint;
use super::describe::{self, Described};
use super::error::Error;
use super::fold;
use super::listing::Container;
use super::locate::locate;
use super::make::{Job, jobs};
use super::options::ConvertOptions;
use super::recipes::{self, Mapped, SourceLayout};
use crate::models::config::ModelConfig;
use crate::preprocess::PreprocessConfig;
use crate::weights::{Meta, Provenance, TensorSpec, Writer};

/// Bytes that are hashed between two reports of progress.
const HASH_CHUNK: usize = 8 << 20;

/// Progress of a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The current stage.
    pub stage: Stage,
    /// Bytes done in this stage.
    pub done: u64,
    /// Total bytes of this stage.
    pub total: u64,
}

/// Stages of a conversion, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Reads the checkpoint once for its checksum.
    Hash,
    /// Folds, packs and writes the tensors.
    Write,
}

/// Summary of a finished conversion.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Converted {
    /// The checkpoint that was read.
    pub source: PathBuf,
    /// Its container.
    pub container: Container,
    /// Its naming scheme.
    pub layout: SourceLayout,
    /// Known name of the model, if one was given or recognised.
    pub model_name: Option<String>,
    /// The model.
    pub config: ModelConfig,
    /// The preprocessing of photos.
    pub preprocess: PreprocessConfig,
    /// Tensors of the checkpoint that are not weights and were left out.
    pub ignored: Vec<String>,
    /// Tensors written.
    pub tensors: usize,
    /// Bytes of tensors written.
    pub bytes: u64,
}

/// Converts the checkpoint `src`, a file or a downloaded folder, into the weights file `out`.
///
/// Peak memory, besides the mapped checkpoint, is about the size of the largest tensor. `out` appears only when it is
/// complete. Calls `progress` every few MiB.
///
/// # Errors
/// A checkpoint that cannot be read or has an unknown layout; tensors that are missing, left over, wrongly shaped or
/// not finite; a configuration that is contradictory or incomplete (the message names the option that completes it),
/// or with a field that this version neither obeys nor knows to be without effect;
/// an `out` that cannot be written.
pub fn convert(
    src: &Path,
    out: &Path,
    options: &ConvertOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Converted, Error> {
    let source = locate(src)?;
    refuse_same_file(&source, out)?;
    let checkpoint = Checkpoint::open(&source)?;
    let folder = match source.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Prepared { mapped, described } = prepare(&checkpoint, Some(folder), options)?;
    let Mapped { layout, layers, ignored, .. } = mapped;
    let Described { config, preprocess, tokenizer, model_name } = described;

    let jobs = jobs(&checkpoint, &layers, &config)?;
    let specs: Vec<TensorSpec> = jobs.iter().flat_map(Job::tensors).cloned().collect();
    let stored = |spec: &TensorSpec| (spec.stored_len().unwrap_or(0) * spec.dtype.size()) as u64;
    let (tensors, total) = (specs.len(), specs.iter().map(stored).sum());
    let meta = Meta {
        model: json(&config)?,
        preprocess: json(&preprocess)?,
        tokenizer: json(&tokenizer)?,
        provenance: Provenance {
            source: source.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            source_sha256: hash(checkpoint.bytes(), progress),
            source_bytes: checkpoint.bytes().len() as u64,
            source_layout: layout.as_str().to_owned(),
            model_name: model_name.clone(),
            converter: concat!("clippie-rs ", env!("CARGO_PKG_VERSION")).to_owned(),
        },
    };

    let mut writer = Writer::create(out, meta, specs)?;
    let mut done = 0;
    let mut buffer = Vec::new();
    for job in &jobs {
        job.run(&checkpoint, &mut buffer, &mut |spec, data| {
            writer.write(&spec.name, data)?;
            done += stored(spec);
            progress(Progress { stage: Stage::Write, done, total });
            Ok(())
        })?;
    }
    writer.finish()?;
    let container = checkpoint.container();
    Ok(Converted { source, container, layout, model_name, config, preprocess, ignored, tensors, bytes: total })
}

/// A checkpoint that is mapped and described.
pub(super) struct Prepared {
    pub mapped: Mapped,
    pub described: Described,
}

/// Maps and describes a checkpoint.
pub(super) fn prepare(
    checkpoint: &Checkpoint,
    folder: Option<&Path>,
    options: &ConvertOptions,
) -> Result<Prepared, Error> {
    let mapped = recipes::map(checkpoint)?;
    let logit_scale = fold::vector(checkpoint, &mapped.logit_scale)?;
    let logit_scale = logit_scale.first().copied().unwrap_or(f64::NAN) as f32;
    let described = describe::describe(checkpoint, &mapped, logit_scale, folder, options)?;
    Ok(Prepared { mapped, described })
}

/// Lower-case hex SHA-256.
fn hash(bytes: &[u8], progress: &mut dyn FnMut(Progress)) -> String {
    let mut hash = Sha256::new();
    let mut done = 0;
    for chunk in bytes.chunks(HASH_CHUNK) {
        hash.update(chunk);
        done += chunk.len() as u64;
        progress(Progress { stage: Stage::Hash, done, total: bytes.len() as u64 });
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Refuses to replace the checkpoint by its own conversion.
fn refuse_same_file(source: &Path, out: &Path) -> Result<(), Error> {
    match (source.canonicalize(), out.canonicalize()) {
        (Ok(source), Ok(target)) if source == target => Err(Error::Option {
            reason: format!("{} is the checkpoint itself; give another output file", out.display()),
        }),
        _ => Ok(()),
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<serde_json::Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::Option {
        reason: format!("the model's configuration cannot be written as JSON ({error})"),
    })
}
