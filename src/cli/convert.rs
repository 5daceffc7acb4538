//! `clippie-rs convert`: a published checkpoint to a weights file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::args::Convert;
use super::messages::{Done, Messages, Stop, count, size};
use crate::Error;
use crate::import::{self, ConvertOptions, Stage};

pub(super) fn run(args: &Convert, messages: &Messages) -> Result<Done, Stop> {
    let started = Instant::now();
    let out = target(args)?;
    if !args.force && fs::symlink_metadata(&out).is_ok() {
        return Err(Stop::Failed(format!(
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
        let doing = match at.stage {
            Stage::Hash => "reading",
            _ => "converting",
        };
        bar.set(doing, at.done, at.total);
    };
    let converted = import::convert(&args.source, &out, &options, &mut report).map_err(Error::from)?;
    drop(bar);

    let written = fs::metadata(&out).map_or(converted.bytes, |data| data.len());
    for name in &converted.ignored {
        tracing::info!(name, "left out, as it is no weight");
    }
    messages.result(&format!(
        "wrote {}: {}, {}, {}, {:.1} s",
        out.display(),
        converted.model_name.as_deref().unwrap_or("a model without a known name"),
        count(converted.tensors, "tensor"),
        size(written),
        started.elapsed().as_secs_f64(),
    ));
    Ok(Done::All)
}

/// The file to write: the one given, or one in the folder given or the current one that is called as the model or the
/// checkpoint is.
fn target(args: &Convert) -> Result<PathBuf, Stop> {
    let folder = match &args.out {
        Some(out) if !out.is_dir() => return Ok(out.clone()),
        Some(out) => out.clone(),
        None => PathBuf::new(),
    };
    let name = match &args.model {
        Some(model) => PathBuf::from(model),
        None => source_name(&args.source).ok_or_else(|| {
            Stop::Usage(format!("cannot tell a name from {}; name the file to write too", args.source.display()))
        })?,
    };
    // Not `with_extension`, which would take a part of a name such as `v1.5` away.
    let mut file = name.into_os_string();
    file.push(".clippie");
    Ok(folder.join(file))
}

/// What the checkpoint is called, without its ending.
fn source_name(source: &Path) -> Option<PathBuf> {
    if source.is_dir() {
        let whole = fs::canonicalize(source).ok()?;
        return whole.file_name().map(PathBuf::from);
    }
    source.file_stem().map(PathBuf::from)
}
