//! Copies a weights file with another header and the same tensors:
//! `cargo run --example rewrite-header -- [--model MODEL.json] OLD.clippie NEW.clippie`.
//!
//! For files whose header has an outdated form. The tokenizer section is replaced by that of CLIP's tokenizer; with
//! `--model`, the model section by the given JSON; with `--preprocess`, the preprocessing. Tensors keep their bytes.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clippie_rs::tokenizer::TokenizerConfig;
use clippie_rs::weights::internals::Writer;
use clippie_rs::weights::{Dtype, Layout, TensorSpec, WeightsFile};

/// Copy a weights file with another header and the same tensors.
#[derive(Parser)]
#[command(name = "rewrite-header")]
struct Arguments {
    /// JSON file that replaces the model section
    #[arg(long, value_name = "JSON")]
    model: Option<PathBuf>,

    /// JSON file that replaces the preprocessing section
    #[arg(long, value_name = "JSON")]
    preprocess: Option<PathBuf>,

    /// Weights file to read
    old: PathBuf,

    /// Weights file to write
    new: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    // Opening checks the table but interprets none of the sections.
    let old = WeightsFile::open(&arguments.old)?;
    let mut meta = old.header().meta.clone();
    meta.tokenizer = serde_json::to_value(TokenizerConfig::clip())?;
    for (path, section) in [(&arguments.model, &mut meta.model), (&arguments.preprocess, &mut meta.preprocess)] {
        if let Some(path) = path {
            *section = serde_json::from_slice(&std::fs::read(path)?)?;
        }
    }

    let specs: Vec<TensorSpec> = old.header().tensors.iter().map(|entry| entry.spec.clone()).collect();
    let mut writer = Writer::create(&arguments.new, meta, specs.clone())?;
    for spec in &specs {
        writer.write(&spec.name, &values(&old, spec)?)?;
    }
    writer.finish()?;

    let new = WeightsFile::open(&arguments.new)?;
    for (old, new) in old.header().tensors.iter().zip(&new.header().tensors) {
        if (&old.spec, &old.sha256) != (&new.spec, &new.sha256) {
            return Err(format!("tensor {} changed", old.spec.name).into());
        }
    }
    println!("{}: {} tensors, content hash {}", arguments.new.display(), specs.len(), new.content_hash());
    Ok(())
}

/// The stored elements of a tensor. Halves are exact in `f32`, and the writer narrows them again.
fn values(file: &WeightsFile, spec: &TensorSpec) -> Result<Vec<f32>, Box<dyn Error>> {
    match (spec.dtype, spec.layout, spec.shape.as_slice()) {
        (Dtype::F32, layout, shape) => Ok(file.tensor(&spec.name, layout, shape)?.to_vec()),
        (Dtype::F16, Layout::Rows, &[rows, width]) => {
            let table = file.table(&spec.name, rows, width)?;
            let mut values = vec![0.0; rows * width];
            for (row, out) in values.chunks_exact_mut(width).enumerate() {
                table.read(row, out);
            }
            Ok(values)
        }
        _ => Err(format!("tensor {} has a form that this tool cannot copy", spec.name).into()),
    }
}
