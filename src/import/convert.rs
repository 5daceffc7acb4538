//! Converts a checkpoint to a weights file: open, map, describe, fold, write.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::checkpoint::Checkpoint;
use super::describe::{self, Described};
use super::error::Error;
use super::fold;
use super::listing::Container;
use super::locate::locate;
use super::make::{Difference, Job, Scratch, jobs};
use super::options::ConvertOptions;
use super::recipes::{self, Mapped, SourceLayout};
use crate::cancel::CancelToken;
use crate::files;
use crate::models::config::ModelConfig;
use crate::preprocess::PreprocessConfig;
use crate::weights::{self, Dtype, Meta, Provenance, TensorSpec, Tower, Writer};

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
    /// The checkpoint that was read; of one in several files, the index, or the first of them.
    pub source: PathBuf,
    /// Its container.
    pub container: Container,
    /// Its naming scheme.
    pub layout: SourceLayout,
    /// Known name of the model, if one was given or recognised.
    pub model_name: Option<String>,
    /// What precedes the names of the model's tensors in the checkpoint, such as `module.`; usually nothing.
    pub prefix: String,
    /// The model. A checkpoint of one tower gives a model of one tower.
    pub config: ModelConfig,
    /// The preprocessing of photos.
    pub preprocess: PreprocessConfig,
    /// Tensors of the checkpoint that are not weights and were left out.
    pub ignored: Vec<String>,
    /// Tensors that belong to no tower of the model and were left out because the options said so.
    pub extra: Vec<String>,
    /// Tensors written.
    pub tensors: usize,
    /// Bytes of tensors written.
    pub bytes: u64,
    /// With a token table in 8 bits, what it costs: the largest length of the difference between a row of the table and that
    /// of the checkpoint, relative to the length of the row.
    pub token_table_difference: Option<f64>,
    /// With linear layers in 8 bits, what that costs: the largest length of the difference between the weights of an output and
    /// those that single precision has, relative to their length.
    pub linear_difference: Option<f64>,
}

/// Converts the checkpoint `src` into the weights file `out`. `src` is a file, the index of a checkpoint in several
/// files, one of these files, or a downloaded folder.
///
/// Peak memory, besides the mapped checkpoint, is about the size of the largest tensor. `out` appears only when it is
/// complete. Calls `progress` every few MiB. [`ConvertOptions::cancel`] ends it early.
///
/// # Errors
/// A checkpoint that cannot be read or has an unknown layout; tensors that are missing, left over, wrongly shaped or
/// not finite; a configuration that is contradictory or incomplete (the message names the option that completes it),
/// or with a field that this version neither obeys nor knows to be without effect; an `out` that cannot be written; a
/// cancelled conversion.
pub fn convert(
    src: &Path,
    out: &Path,
    options: &ConvertOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Converted, Error> {
    let located = locate(src)?;
    for part in located.parts.iter().chain([&located.path]) {
        refuse_same_file(part, out)?;
    }
    Writer::look_at(out)?;
    let mut checkpoint = Checkpoint::open_located(&located, &options.cancel)?;
    let source = located.path;
    let folder = files::folder(&source);
    let Prepared { mapped, described } = prepare(&mut checkpoint, Some(folder), options)?;
    let Mapped { layout, prefix, layers, ignored, extra, .. } = mapped;
    let Described { config, preprocess, tokenizer, pieces, model_name } = described;

    let jobs = jobs(&checkpoint, &layers, &config, options)?;
    let words = pieces.as_ref().map(|words| {
        TensorSpec::new(weights::TOKENIZER, Tower::Text, Dtype::U32, weights::Layout::Rows, &[words.len()])
    });
    let specs: Vec<TensorSpec> = jobs.iter().flat_map(Job::tensors).cloned().chain(words).collect();
    let stored = |spec: &TensorSpec| (spec.stored_len().unwrap_or(0) * spec.dtype.size()) as u64;
    let (tensors, total) = (specs.len(), specs.iter().map(stored).sum());
    let (source_sha256, source_bytes) = hash(&checkpoint, &options.cancel, progress)?;
    let meta = Meta {
        model: json(&config)?,
        preprocess: json(&preprocess)?,
        tokenizer: json(&tokenizer.filter(|_| config.text.is_some()))?,
        provenance: Provenance {
            source: source.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            source_sha256,
            source_bytes,
            source_layout: layout.as_str().to_owned(),
            model_name: model_name.clone().or_else(|| options.name.clone()),
            converter: concat!("clippie-rs ", env!("CARGO_PKG_VERSION")).to_owned(),
        },
    };

    let mut writer = Writer::create(out, meta, specs)?;
    let mut done = 0;
    let mut scratch = Scratch::default();
    let (mut token_table_difference, mut linear_difference) = (None, None);
    for job in &jobs {
        not_cancelled(&options.cancel)?;
        let difference = job.run(&checkpoint, &mut scratch, &mut |spec, data| {
            writer.write_next(&spec.name, data)?;
            done += stored(spec);
            progress(Progress { stage: Stage::Write, done, total });
            Ok(())
        })?;
        match difference {
            Some(Difference::Row(difference)) => token_table_difference = Some(difference),
            Some(Difference::Column(difference)) => {
                linear_difference = Some(linear_difference.map_or(difference, |most: f64| most.max(difference)));
            }
            None => {}
        }
    }
    if let Some(words) = &pieces {
        writer.write_words(weights::TOKENIZER, words)?;
        progress(Progress { stage: Stage::Write, done: total, total });
    }
    // What was hashed, described and written must be of one content.
    checkpoint.check_unchanged()?;
    not_cancelled(&options.cancel)?;
    writer.finish()?;
    let container = checkpoint.container();
    Ok(Converted {
        source,
        container,
        layout,
        prefix,
        model_name,
        config,
        preprocess,
        ignored,
        extra,
        tensors,
        bytes: total,
        token_table_difference,
        linear_difference,
    })
}

/// A checkpoint that is mapped and described.
pub(super) struct Prepared {
    pub mapped: Mapped,
    pub described: Described,
}

/// Maps and describes a checkpoint. If it is mapped only without what wrappers around parts of a model have put in its
/// names, they are without it afterwards.
pub(super) fn prepare(
    checkpoint: &mut Checkpoint,
    folder: Option<&Path>,
    options: &ConvertOptions,
) -> Result<Prepared, Error> {
    let mapped = match recipes::map(checkpoint, options) {
        Err(_) if checkpoint.leave_out_wrappers() => recipes::map(checkpoint, options)?,
        mapped => mapped?,
    };
    let checkpoint = &*checkpoint;
    let number =
        |name: &str| Ok::<f32, Error>(fold::vector(checkpoint, name)?.first().copied().unwrap_or(f64::NAN) as f32);
    let logit_scale = match &mapped.logit_scale {
        Some(name) => number(name)?,
        // One tower alone has nothing to scale.
        None => 0.0,
    };
    let logit_bias = mapped.logit_bias.as_deref().map(number).transpose()?;
    let described = describe::describe(checkpoint, &mapped, (logit_scale, logit_bias), folder, options)?;
    Ok(Prepared { mapped, described })
}

/// Lower-case hex SHA-256 of all files of the checkpoint, one after the other, and their total length.
fn hash(
    checkpoint: &Checkpoint,
    cancel: &CancelToken,
    progress: &mut dyn FnMut(Progress),
) -> Result<(String, u64), Error> {
    let mut hash = Sha256::new();
    let mut done = 0;
    let total = checkpoint.parts().map(|part| part.len() as u64).sum();
    for chunk in checkpoint.parts().flat_map(|part| part.chunks(HASH_CHUNK)) {
        not_cancelled(cancel)?;
        hash.update(chunk);
        done += chunk.len() as u64;
        progress(Progress { stage: Stage::Hash, done, total });
    }
    Ok((hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(), total))
}

fn not_cancelled(cancel: &CancelToken) -> Result<(), Error> {
    if cancel.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
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
