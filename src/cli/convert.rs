//! `clippie-rs convert`: converts a published checkpoint to a weights file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::args::Convert;
use super::messages::{Failure, Messages, Outcome, count, size};
use crate::Error;
use crate::import::{self, ConvertOptions, Stage};
use crate::weights::WeightsFile;

pub(super) fn run(args: &Convert, messages: &Messages) -> Result<Outcome, Failure> {
    let started = Instant::now();
    if WeightsFile::open(&args.source).is_ok() {
        let source = args.source.display();
        return Err(Failure::Error(format!("{source} is a weights file already; use it with `-m {source}`")));
    }
    let out = output_path(args)?;
    if !args.force && fs::symlink_metadata(&out).is_ok() {
        return Err(Failure::Error(format!(
            "{} exists already; give another name, or --force to replace it",
            out.display()
        )));
    }
    let options = ConvertOptions {
        model: args.model.clone(),
        config: args.config.clone(),
        activation: args.activation.map(Into::into),
        image_heads: args.image_heads.map(|heads| heads as usize),
        text_heads: args.text_heads.map(|heads| heads as usize),
        stem_padding: args.stem_padding.map(|padding| padding as usize),
        norm_eps: args.norm_eps,
        mean: args.mean,
        std: args.std,
        interpolation: args.interpolation.map(Into::into),
        resize: args.resize.map(Into::into),
    };

    let bar = messages.progress_bytes();
    let mut report = |at: import::Progress| {
        let label = match at.stage {
            Stage::Hash => "reading",
            _ => "converting",
        };
        bar.set(label, at.done, at.total);
    };
    let converted = import::convert(&args.source, &out, &options, &mut report).map_err(Error::from)?;
    drop(bar);

    let written = fs::metadata(&out).map_or(converted.bytes, |data| data.len());
    for name in &converted.ignored {
        tracing::info!(name, "tensor ignored: it is not a weight");
    }
    messages.result(&format!(
        "wrote {}: {}, {}, {}, {:.1} s",
        out.display(),
        converted.model_name.as_deref().unwrap_or("a model without a known name"),
        count(converted.tensors, "tensor"),
        size(written),
        started.elapsed().as_secs_f64(),
    ));
    Ok(Outcome::Complete)
}

/// Returns the file to write: the one given, or a file named after the model or the checkpoint in the folder given or
/// the current folder.
fn output_path(args: &Convert) -> Result<PathBuf, Failure> {
    let folder = match &args.out {
        Some(out) if !out.is_dir() => return Ok(out.clone()),
        Some(out) => out.clone(),
        None => PathBuf::new(),
    };
    let name = match &args.model {
        Some(model) => PathBuf::from(model),
        None => source_name(&args.source).ok_or_else(|| {
            Failure::Usage(format!("cannot tell a name from {}; name the file to write too", args.source.display()))
        })?,
    };
    // `with_extension` would remove the `.5` of `v1.5`.
    let mut file = name.into_os_string();
    file.push(".clippie");
    Ok(folder.join(file))
}

/// Returns the name of the checkpoint without its extension.
fn source_name(source: &Path) -> Option<PathBuf> {
    if source.is_dir() {
        let absolute = fs::canonicalize(source).ok()?;
        return absolute.file_name().map(PathBuf::from);
    }
    source.file_stem().map(PathBuf::from)
}
