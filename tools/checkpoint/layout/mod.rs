//! The layouts in which checkpoints are published, and the one function that writes any of them.
//!
//! This file knows file names and where they go; each layout's names and containers have their own file.

mod entry;
mod huggingface;
pub mod open_clip;
mod openai;
mod pickle;
mod safetensors;
mod torch_zip;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::Value;

use super::error::Error;
use super::model::Model;

pub use entry::Entry;

/// A layout in which checkpoints are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// OpenAI's TorchScript archive, partly in half precision.
    OpenAi,
    /// open_clip's safetensors with `open_clip_config.json`.
    OpenClip,
    /// open_clip's state dict as `torch.save` writes it, with `open_clip_config.json`.
    OpenClipBin,
    /// Hugging Face transformers' `CLIPModel` with its two configuration files.
    HuggingFace,
}

impl Layout {
    /// All layouts.
    pub const ALL: [Layout; 4] = [Layout::OpenAi, Layout::OpenClip, Layout::OpenClipBin, Layout::HuggingFace];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Layout::OpenAi => "openai",
            Layout::OpenClip => "open-clip",
            Layout::OpenClipBin => "open-clip-bin",
            Layout::HuggingFace => "huggingface",
        }
    }

    /// The layout in which a model's publisher offers it.
    pub fn usual(model: &Model) -> Layout {
        if model.name.ends_with("-openai") { Layout::OpenAi } else { Layout::OpenClip }
    }

    /// File name of the weights, as published.
    pub fn file_name(self, model: &Model) -> String {
        match self {
            Layout::OpenAi => format!("{}.pt", model.archive),
            Layout::OpenClip => "open_clip_model.safetensors".to_owned(),
            Layout::OpenClipBin => "open_clip_pytorch_model.bin".to_owned(),
            Layout::HuggingFace => "model.safetensors".to_owned(),
        }
    }

    /// The stored tensors under the layout's names, in the order of their data in the file.
    pub fn entries(self, model: &Model) -> Vec<Entry> {
        match self {
            Layout::OpenAi => openai::entries(model),
            Layout::OpenClip => safetensors::sorted(open_clip::entries(model)),
            Layout::OpenClipBin => open_clip::entries(model),
            Layout::HuggingFace => safetensors::sorted(huggingface::entries(model)),
        }
    }

    /// Configuration files beside the weights, by name.
    fn configs(self, model: &Model) -> Vec<(&'static str, Value)> {
        match self {
            Layout::OpenAi => vec![],
            Layout::OpenClip | Layout::OpenClipBin => {
                vec![("open_clip_config.json", open_clip::config(model))]
            }
            Layout::HuggingFace => vec![
                ("config.json", huggingface::config(model)),
                ("preprocessor_config.json", huggingface::preprocessor_config(model)),
            ],
        }
    }

    /// Refuses models that the layout cannot describe.
    pub fn supports(self, model: &Model) -> Result<(), Error> {
        let reason = match self {
            Layout::OpenAi if !model.quick_gelu => "its readers assume QuickGELU",
            Layout::OpenAi | Layout::HuggingFace if !model.size.causal => {
                "its readers assume causal attention over text"
            }
            _ => return Ok(()),
        };
        Err(Error::Unsupported { model: model.name.clone(), layout: self.name(), reason: reason.to_owned() })
    }
}

impl FromStr for Layout {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Layout::ALL.into_iter().find(|layout| layout.name() == name).ok_or_else(|| {
            let known = Layout::ALL.map(Layout::name).join(", ");
            format!("unknown layout \"{name}\"; known are {known}")
        })
    }
}

/// Writes the checkpoint of `model` and `seed` and returns the files written, the weights first.
///
/// `target` is a folder, which is created and gets the published file names, or a file ending in
/// `.safetensors`, `.bin`, `.pt` or `.pth`; configuration files go beside it. Memory holds one tensor at a
/// time.
pub fn write(model: &Model, seed: u64, layout: Layout, target: &Path) -> Result<Vec<PathBuf>, Error> {
    layout.supports(model)?;

    let is_file = target
        .extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| matches!(extension, "safetensors" | "bin" | "pt" | "pth"));
    let weights = if is_file && !target.is_dir() { target.to_path_buf() } else { target.join(layout.file_name(model)) };
    let folder = weights.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder).map_err(|source| Error::Write { path: folder.to_path_buf(), source })?;

    let entries = layout.entries(model);
    write_file(&weights, |out| match layout {
        Layout::OpenAi => openai::write(out, model, &entries, seed),
        Layout::OpenClipBin => open_clip::write_bin(out, &entries, seed, &stem(&weights)),
        Layout::OpenClip | Layout::HuggingFace => safetensors::write(out, &entries, seed),
    })?;

    let mut written = vec![weights.clone()];
    for (name, config) in layout.configs(model) {
        let path = folder.join(name);
        write_file(&path, |out| {
            serde_json::to_writer_pretty(&mut *out, &config)?;
            out.write_all(b"\n")
        })?;
        written.push(path);
    }
    Ok(written)
}

/// The name that PyTorch gives an archive's top folder.
fn stem(path: &Path) -> String {
    path.file_stem().map_or("archive".into(), |stem| stem.to_string_lossy()).into_owned()
}

/// Fills `PATH.part` and renames it, so that an interrupted run leaves nothing that looks complete.
fn write_file(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<(), Error> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);

    let result = (|| {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&part)?);
        fill(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?;
        fs::rename(&part, path)
    })();
    result.map_err(|source| {
        // Best effort: the error to report is the first one.
        let _ = fs::remove_file(&part);
        Error::Write { path: path.to_path_buf(), source }
    })
}
