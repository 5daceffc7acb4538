//! `clippie-rs convert`: converts a published checkpoint to a weights file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::args::{Convert, TokenTable};
use super::messages::{Failure, Messages, Outcome, count, size};
use crate::Error;
use crate::files::follow;
use crate::hub::ModelName;
use crate::import::{self, ConvertOptions, Stage};
use crate::weights::{Precision, Reason, WeightsFile};

pub(super) fn run(args: &Convert, messages: &Messages) -> Result<Outcome, Failure> {
    let started = Instant::now();
    // Anything but a file is left to the conversion: opening a pipe would wait.
    if args.source.is_file() && WeightsFile::open(&args.source).is_ok() {
        let source = args.source.display();
        let other = match Precision::from(args.precision) {
            Precision::F32 => String::new(),
            precision => format!(
                "; another precision is made from the checkpoint, which `clippie-rs pull NAME --precision {}` fetches",
                precision.name()
            ),
        };
        return Err(Failure::Error(format!("{source} is a weights file already; use it with `-m {source}`{other}")));
    }
    if let Some(name) = args.source.to_str().filter(|_| fs::symlink_metadata(&args.source).is_err())
        && name.parse::<ModelName>().is_ok()
    {
        return Err(Failure::Error(format!(
            "there is no file {name}, but a model of this name; `clippie-rs pull {name}` downloads and converts it"
        )));
    }
    if args.out.as_deref() == Some(Path::new("-")) {
        let reason =
            "a weights file is mapped into memory, so it cannot go to standard output; name a file instead of `-`";
        return Err(Failure::Usage(reason.to_owned()));
    }
    let token_table = TokenTable::chosen(args.token_table, args.precision.into()).map_err(Failure::Usage)?;
    let out = output_path(args)?;
    if !args.force && fs::symlink_metadata(&out).is_ok() {
        return Err(Failure::Error(format!(
            "{} exists already; give another name, or --force to replace it",
            out.display()
        )));
    }
    if is_other_file(&out) {
        return Err(Failure::Error(format!(
            "{} exists and is no weights file, so it is not replaced; give another name, or delete it first",
            out.display()
        )));
    }
    // As for other outputs, a link stays and its target is written.
    let target = follow(&out).map_err(|error| Failure::Error(format!("{}: {error}", out.display())))?;
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
        prefix: args.prefix.clone(),
        ignore_extra: args.ignore_extra,
        without_tokenizer: args.without_tokenizer,
        token_table: token_table.into(),
        precision: args.precision.into(),
        ..ConvertOptions::default()
    };

    let bar = messages.progress_bytes();
    let mut report = |at: import::Progress| {
        let label = match at.stage {
            Stage::Hash => "reading",
            _ => "converting",
        };
        bar.set(label, at.done, at.total);
    };
    let converted = import::convert(&args.source, &target, &options, &mut report).map_err(Error::from)?;
    drop(bar);

    let written = fs::metadata(&target).map_or(converted.bytes, |data| data.len());
    for name in &converted.ignored {
        tracing::info!(name, "tensor ignored: it is not a weight");
    }
    for name in &converted.extra {
        tracing::info!(name, "tensor left out: it belongs to no tower of the model");
    }
    let towers = match (&converted.config.image, &converted.config.text) {
        (Some(_), None) => ", image tower alone",
        (None, Some(_)) => ", text tower alone",
        _ => "",
    };
    let left_out = match converted.extra.len() {
        0 => String::new(),
        extra => format!(" ({} of the checkpoint left out)", count(extra, "tensor")),
    };
    let token_table = converted.token_table_difference.map_or_else(String::new, |difference| {
        format!(", its token table in 8 bits (a row is off by up to {:.2} % of its length)", difference * 100.0)
    });
    let linear = converted.linear_difference.map_or_else(String::new, |difference| {
        format!(
            ", the linear layers of its blocks in 8 bits (the weights of an output are off by up to {:.2} % of their length)",
            difference * 100.0
        )
    });
    messages.result(&format!(
        "wrote {}: {}{towers}, {}{left_out}{linear}{token_table}, {}, {:.1} s",
        out.display(),
        converted.model_name.as_deref().unwrap_or("a model without a known name"),
        count(converted.tensors, "tensor"),
        size(written),
        started.elapsed().as_secs_f64(),
    ));
    Ok(Outcome::Complete)
}

/// Whether something that is neither a weights file, damaged or not, nor empty is at `path`: a name given by mistake,
/// such as the configuration's.
fn is_other_file(path: &Path) -> bool {
    path.is_file() && WeightsFile::open(path).is_err_and(|error| matches!(error.reason(), Reason::NotWeights))
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
    match Precision::from(args.precision) {
        Precision::F32 => {}
        precision => file.push(format!("-{}", precision.name())),
    }
    file.push(".clippie");
    Ok(folder.join(file))
}

/// Returns the name of the checkpoint without its extension. An index or a part of several files has the name of the
/// whole.
fn source_name(source: &Path) -> Option<PathBuf> {
    if source.is_dir() {
        let absolute = fs::canonicalize(source).ok()?;
        return absolute.file_name().map(PathBuf::from);
    }
    let whole = source.file_name()?.to_str().and_then(|name| name.strip_suffix(".index.json"));
    let name = whole.map_or(source, Path::new).file_stem()?;
    let part = name.to_str().and_then(|name| {
        let (rest, count) = name.rsplit_once("-of-")?;
        let (stem, number) = rest.rsplit_once('-')?;
        let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
        (is_number(number) && is_number(count)).then_some(stem)
    });
    Some(part.map_or_else(|| PathBuf::from(name), PathBuf::from))
}
