//! A checkpoint to a weights file: open, map, describe, fold, write.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::checkpoint::{Checkpoint, Container};
use super::describe::{self, Described};
use super::error::Error;
use super::fold::{self, Fold};
use super::locate::locate;
use super::names::parts::{Block, Linear, Norm, Parts};
use super::names::{self, Mapped, SourceLayout};
use super::options::ConvertOptions;
use crate::models::config::{ImageConfig, ModelConfig, TextConfig, TransformerConfig};
use crate::preprocess::PreprocessConfig;
use crate::weights::{Dtype, Layout, Meta, Provenance, TensorSpec, Tower, Writer};

/// Bytes that are hashed between two reports of progress.
const HASH_CHUNK: usize = 8 << 20;

/// How far a conversion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Bytes done in this stage.
    pub done: u64,
    /// Bytes to do in this stage.
    pub total: u64,
}

/// What a conversion does, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Reads the checkpoint once for its checksum.
    Hash,
    /// Folds, packs and writes the tensors.
    Write,
}

/// What a conversion did.
#[derive(Clone, Debug, PartialEq)]
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
    /// How photos become pixels.
    pub preprocess: PreprocessConfig,
    /// Tensors of the checkpoint that are no weights and were left out.
    pub ignored: Vec<String>,
    /// Tensors written.
    pub tensors: usize,
    /// Bytes of tensors written.
    pub bytes: u64,
}

/// Converts the checkpoint `src`, a file or a downloaded folder, into the weights file `out`.
///
/// Peak memory, besides the mapped checkpoint, is about that of the largest tensor. `out` appears only when it is
/// complete. `progress` is called after every few MiB.
///
/// # Errors
/// If the checkpoint cannot be read or is of an unknown form, if tensors are missing, left over, wrongly shaped
/// or not finite, if the configuration is contradictory or leaves something open (the message names the option
/// that settles it), or if `out` cannot be written.
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
    let Mapped { layout, parts, ignored, .. } = mapped;
    let Described { config, preprocess, model_name } = described;

    let jobs = jobs(&parts, &config);
    let specs: Vec<TensorSpec> = jobs.iter().flat_map(Job::specs).cloned().collect();
    let stored = |spec: &TensorSpec| spec.stored_len().unwrap_or(0) as u64 * size_of::<f32>() as u64;
    let (tensors, total) = (specs.len(), specs.iter().map(stored).sum());
    let meta = Meta {
        model: json(&config)?,
        preprocess: json(&preprocess)?,
        tokenizer: serde_json::json!({ "kind": "clip" }),
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

/// A checkpoint that was understood.
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
    let mapped = names::map(checkpoint)?;
    let logit_scale = fold::vector(checkpoint, &mapped.parts.logit_scale)?;
    let logit_scale = logit_scale.first().copied().unwrap_or(f64::NAN) as f32;
    let described = describe::describe(checkpoint, &mapped, logit_scale, folder, options)?;
    Ok(Prepared { mapped, described })
}

/// One or two canonical tensors that are made together.
pub(super) struct Job<'a> {
    weight: TensorSpec,
    /// The bias that comes out with the weight.
    bias: Option<TensorSpec>,
    make: Make<'a>,
}

/// How the tensors of a [`Job`] are made.
#[derive(Clone, Copy)]
enum Make<'a> {
    Linear(&'a Linear, Fold<'a>),
    Rows(&'a str),
    ImagePositions { class: &'a str, position: &'a str },
}

/// Takes a finished tensor.
pub(super) type Sink<'s> = dyn FnMut(&TensorSpec, &[f32]) -> Result<(), Error> + 's;

impl Job<'_> {
    fn specs(&self) -> impl Iterator<Item = &TensorSpec> {
        std::iter::once(&self.weight).chain(&self.bias)
    }

    /// Makes the tensors and hands them to `sink` in the order of the file; `buffer` is scratch.
    pub(super) fn run(&self, checkpoint: &Checkpoint, buffer: &mut Vec<f32>, sink: &mut Sink<'_>) -> Result<(), Error> {
        let bias = match self.make {
            Make::Linear(linear, fold) => fold::linear(checkpoint, linear, fold, buffer)?,
            Make::Rows(name) => {
                fold::rows(checkpoint, name, buffer)?;
                Vec::new()
            }
            Make::ImagePositions { class, position } => {
                fold::image_positions(checkpoint, class, position, buffer)?;
                Vec::new()
            }
        };
        sink(&self.weight, buffer)?;
        match &self.bias {
            Some(spec) => sink(spec, &bias),
            None => Ok(()),
        }
    }
}

/// The canonical tensors in the order of the file.
pub(super) fn jobs<'a>(parts: &'a Parts, config: &ModelConfig) -> Vec<Job<'a>> {
    let mut jobs = Jobs { tower: Tower::Image, prefix: "image", jobs: Vec::new() };
    if let Some(ImageConfig::Vit(vit)) = &config.image {
        let image = &parts.image;
        let width = vit.blocks.width;
        jobs.push_linear("patch", &image.patch, Fold::default(), false);
        let position = Make::ImagePositions { class: &image.class_embedding, position: &image.position };
        jobs.push("position", Layout::Rows, vec![vit.tokens(), width], position);
        jobs.push("ln_pre.weight", Layout::Rows, vec![width], Make::Rows(&image.ln_pre.weight));
        jobs.push("ln_pre.bias", Layout::Rows, vec![width], Make::Rows(&image.ln_pre.bias));
        jobs.push_blocks(&image.blocks, &vit.blocks);
        jobs.push_linear("proj", &image.proj, norm(&image.ln_post), true);
    }
    jobs.tower = Tower::Text;
    jobs.prefix = "text";
    if let Some(TextConfig::Transformer(config)) = &config.text {
        let text = &parts.text;
        let width = config.blocks.width;
        let embedding = Make::Rows(&text.token_embedding);
        jobs.push("token_embedding", Layout::Rows, vec![config.vocab_size, width], embedding);
        jobs.push("position", Layout::Rows, vec![config.context_length, width], Make::Rows(&text.position));
        jobs.push_blocks(&text.blocks, &config.blocks);
        jobs.push_linear("proj", &text.proj, norm(&text.ln_final), true);
    }
    jobs.jobs
}

fn norm(norm: &Norm) -> Fold<'_> {
    Fold { norm: Some(norm), scale: None }
}

struct Jobs<'a> {
    tower: Tower,
    prefix: &'static str,
    jobs: Vec<Job<'a>>,
}

impl<'a> Jobs<'a> {
    fn spec(&self, name: &str, layout: Layout, shape: Vec<usize>) -> TensorSpec {
        let name = format!("{}.{name}", self.prefix);
        TensorSpec { name, tower: self.tower, dtype: Dtype::F32, layout, shape }
    }

    fn push(&mut self, name: &str, layout: Layout, shape: Vec<usize>, make: Make<'a>) {
        self.jobs.push(Job { weight: self.spec(name, layout, shape), bias: None, make });
    }

    fn push_linear(&mut self, name: &str, linear: &'a Linear, fold: Fold<'a>, bias: bool) {
        let weight = self.spec(&format!("{name}.weight"), Layout::Panels16, vec![linear.k, linear.n]);
        let bias = bias.then(|| self.spec(&format!("{name}.bias"), Layout::Panels16, vec![linear.n]));
        self.jobs.push(Job { weight, bias, make: Make::Linear(linear, fold) });
    }

    fn push_blocks(&mut self, blocks: &'a [Block], config: &TransformerConfig) {
        let head_width = config.width as f64 / config.heads as f64;
        let scale = (config.width, head_width.sqrt().recip());
        for (i, block) in blocks.iter().enumerate() {
            let at = |part: &str| format!("blocks.{i}.{part}");
            let qkv = Fold { norm: Some(&block.ln_1), scale: Some(scale) };
            self.push_linear(&at("qkv"), &block.qkv, qkv, true);
            self.push_linear(&at("out"), &block.out, Fold::default(), true);
            self.push_linear(&at("fc1"), &block.fc1, norm(&block.ln_2), true);
            self.push_linear(&at("fc2"), &block.fc2, Fold::default(), true);
        }
    }
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

/// Writing replaces what is at `out`, which must not be the checkpoint.
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
