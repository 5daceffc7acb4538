//! Writes a deterministic random checkpoint in a published layout:
//! `cargo run --release --example generate-checkpoint -- --model vit-b-32-openai models/`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use clippie_testkit::checkpoint::{self, Layout, Model, model};

/// Write a deterministic random checkpoint in a published layout.
///
/// Values depend only on the seed and the tensor names, so every layout of a model holds the same numbers. They are
/// meaningless, but activations stay as large as in trained models.
#[derive(Parser)]
#[command(name = "generate-checkpoint")]
struct Arguments {
    /// Model, such as vit-b-32-openai; --list prints all names
    #[arg(short, long, required_unless_present = "list")]
    model: Option<String>,

    /// openai, open-clip, open-clip-bin, huggingface, open-clip-folded, apple, apple-folded or apple-prefixed; the
    /// default is the layout in which the model is published
    #[arg(short, long)]
    layout: Option<Layout>,

    /// Seed of the values
    #[arg(short, long, default_value_t = checkpoint::golden::SEED)]
    seed: u64,

    /// List the models with their numbers of parameters
    #[arg(long)]
    list: bool,

    /// Folder for files with the published names, or a file ending in .safetensors, .bin, .pt or .pth
    #[arg(required_unless_present = "list")]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), checkpoint::Error> {
    if arguments.list {
        for model in model::all() {
            println!("{:24} {:>11}", model.name, model.parameters());
        }
        return Ok(());
    }
    let (Some(name), Some(out)) = (&arguments.model, &arguments.out) else {
        return Ok(());
    };

    let model = Model::named(name)?;
    let layout = arguments.layout.unwrap_or_else(|| Layout::usual(&model));
    let started = Instant::now();
    let files = checkpoint::write(&model, arguments.seed, layout, out)?;

    for file in &files {
        let bytes = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
        println!("{}  {bytes} bytes", file.display());
    }
    println!(
        "{name}, {} layout, seed {}, {} parameters, {:.1} s",
        layout.name(),
        arguments.seed,
        model.parameters(),
        started.elapsed().as_secs_f64(),
    );
    Ok(())
}
