//! The layouts in which checkpoints are published, and the one function that writes any of them.
//!
//! Knows file names and locations; each layout's tensor names and containers have their own file.

mod apple;
mod entry;
mod fold;
mod huggingface;
mod multilingual;
pub mod open_clip;
mod openai;
mod perception;
mod pickle;
mod safetensors;
mod siglip;
pub(crate) mod torch_zip;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::Value;

use super::error::Error;
use super::mobileclip::{ImageTower, MobileClipSize, Offer};
use super::model::{Architecture, Model, VitSize};
use super::multilingual::{MultilingualSize, Text};
use super::perception::PerceptionSize;
use super::pieces;
use super::siglip::SiglipSize;

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
    /// Hugging Face transformers' `CLIPModel` or `SiglipModel` with its two configuration files.
    HuggingFace,
    /// [`Layout::OpenClip`] with the branches of convolutions folded, as timm's `reparameterize_model` leaves it.
    OpenClipFolded,
    /// Apple's `.pt` of a MobileCLIP with its `config.json`. Names are Apple's own, or open_clip's for the models
    /// that Apple published under those.
    Apple,
    /// [`Layout::Apple`] with the branches of convolutions folded, as Apple's `reparameterize_model` leaves it.
    AppleFolded,
    /// [`Layout::Apple`] under open_clip's names with the prefix `module.`, as distributed training leaves them.
    ApplePrefixed,
    /// Meta's `.pt` of a Perception Encoder, without configuration.
    Meta,
}

impl Layout {
    /// All layouts.
    pub const ALL: [Layout; 9] = [
        Layout::OpenAi,
        Layout::OpenClip,
        Layout::OpenClipBin,
        Layout::HuggingFace,
        Layout::OpenClipFolded,
        Layout::Apple,
        Layout::AppleFolded,
        Layout::ApplePrefixed,
        Layout::Meta,
    ];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Layout::OpenAi => "openai",
            Layout::OpenClip => "open-clip",
            Layout::OpenClipBin => "open-clip-bin",
            Layout::HuggingFace => "huggingface",
            Layout::OpenClipFolded => "open-clip-folded",
            Layout::Apple => "apple",
            Layout::AppleFolded => "apple-folded",
            Layout::ApplePrefixed => "apple-prefixed",
            Layout::Meta => "meta",
        }
    }

    /// The layout in which a model is published.
    pub fn usual(model: &Model) -> Layout {
        if model.name.ends_with("-openai") {
            Layout::OpenAi
        } else if Layout::OpenClip.supports(model).is_err() {
            Layout::Apple
        } else {
            Layout::OpenClip
        }
    }

    /// File name of the weights, as published.
    pub fn file_name(self, model: &Model) -> String {
        match self {
            Layout::OpenAi | Layout::Apple | Layout::AppleFolded | Layout::ApplePrefixed | Layout::Meta => {
                format!("{}.pt", model.archive)
            }
            Layout::OpenClip | Layout::OpenClipFolded => "open_clip_model.safetensors".to_owned(),
            Layout::OpenClipBin => "open_clip_pytorch_model.bin".to_owned(),
            Layout::HuggingFace => "model.safetensors".to_owned(),
        }
    }

    /// The stored tensors under the layout's names, in the order of their data in the file. The layout has to
    /// support the model.
    pub fn entries(self, model: &Model) -> Vec<Entry> {
        match self {
            Layout::OpenAi => openai::entries(model),
            Layout::OpenClip => safetensors::sorted(with_counts(open_clip::entries(model))),
            Layout::OpenClipBin => multilingual::with_position_ids(model, with_counts(open_clip::entries(model))),
            Layout::HuggingFace if model.siglip().is_some() => safetensors::sorted(siglip::hugging_face(model)),
            Layout::HuggingFace => safetensors::sorted(huggingface::entries(model)),
            Layout::OpenClipFolded => {
                safetensors::sorted(with_counts(fold::fold(open_clip::entries(model), &fold::TIMM)))
            }
            Layout::Meta => perception::meta(model),
            Layout::Apple => with_counts(apple_entries(model)),
            Layout::AppleFolded => with_counts(fold::fold(apple_entries(model), &fold::APPLE)),
            Layout::ApplePrefixed => {
                let entries = with_counts(open_clip::entries(model));
                let prefixed = |entry: Entry| {
                    let name = format!("module.{}", entry.name);
                    entry.renamed(name)
                };
                entries.into_iter().map(prefixed).collect()
            }
        }
    }

    /// Configuration files that accompany the weights, by name.
    pub fn configs(self, model: &Model) -> Vec<(&'static str, Value)> {
        match self {
            Layout::OpenAi | Layout::Meta => vec![],
            Layout::OpenClip | Layout::OpenClipBin | Layout::OpenClipFolded => {
                vec![("open_clip_config.json", open_clip::config(model))]
            }
            Layout::HuggingFace if model.siglip().is_some() => {
                let both = |size| {
                    let preprocessor = siglip::preprocessor_config(model, size);
                    vec![("config.json", siglip::config(size)), ("preprocessor_config.json", preprocessor)]
                };
                model.siglip().map(both).unwrap_or_default()
            }
            Layout::HuggingFace if model.multilingual().is_some() => {
                let both = |size: &MultilingualSize| {
                    let (Some(vit), Text::Worldwide { end, .. }) = (size.vit(), size.text) else { return vec![] };
                    vec![
                        ("config.json", multilingual::config(model, vit, end)),
                        ("preprocessor_config.json", multilingual::preprocessor_config(model, size)),
                    ]
                };
                model.multilingual().map(both).unwrap_or_default()
            }
            Layout::HuggingFace => vec![
                ("config.json", huggingface::config(model)),
                ("preprocessor_config.json", huggingface::preprocessor_config(model)),
            ],
            Layout::Apple | Layout::AppleFolded | Layout::ApplePrefixed => {
                let config = match apple_named(model) {
                    Some(size) => apple::config(model, size),
                    None => open_clip::model_config(model),
                };
                vec![("config.json", config)]
            }
        }
    }

    /// The layouts that support a model.
    pub fn supported(model: &Model) -> Vec<Layout> {
        Layout::ALL.into_iter().filter(|layout| layout.supports(model).is_ok()).collect()
    }

    /// Refuses models that the layout cannot represent or that are not published in it.
    pub fn supports(self, model: &Model) -> Result<(), Error> {
        let reason = match &model.architecture {
            Architecture::Vit(size) => self.lacks_vit(size, model.quick_gelu),
            Architecture::MobileClip(size) => self.lacks_mobileclip(size),
            Architecture::Siglip(size) => self.lacks_siglip(size),
            Architecture::Perception(size) => self.lacks_perception(size),
            Architecture::Resnet(_) => self.lacks_resnet(),
            Architecture::Multilingual(size) => self.lacks_multilingual(size),
        };
        match reason {
            None => Ok(()),
            Some(reason) => {
                Err(Error::Unsupported { model: model.name.clone(), layout: self.name(), reason: reason.to_owned() })
            }
        }
    }

    fn lacks_vit(self, size: &VitSize, quick_gelu: bool) -> Option<&'static str> {
        match self {
            Layout::OpenAi if !quick_gelu => Some("its readers assume QuickGELU"),
            Layout::OpenAi | Layout::HuggingFace if !size.causal => {
                Some("its readers assume causal attention over text")
            }
            Layout::OpenClipFolded => Some("the model has no branches to fold"),
            Layout::Apple | Layout::AppleFolded | Layout::ApplePrefixed => Some("Apple publishes MobileCLIP alone"),
            Layout::Meta => Some(META_ALONE),
            Layout::OpenAi | Layout::OpenClip | Layout::OpenClipBin | Layout::HuggingFace => None,
        }
    }

    fn lacks_perception(self, size: &PerceptionSize) -> Option<&'static str> {
        match self {
            Layout::OpenClip | Layout::OpenClipBin => None,
            Layout::Meta if size.has_bias => Some("its image tower has no bias in its projection"),
            Layout::Meta => None,
            Layout::OpenClipFolded => Some("the model has no branches to fold"),
            _ => Some("Perception Encoder is published in open_clip's and Meta's layouts"),
        }
    }

    fn lacks_resnet(self) -> Option<&'static str> {
        match self {
            Layout::OpenAi | Layout::OpenClip | Layout::OpenClipBin => None,
            Layout::OpenClipFolded => Some("the model has no branches to fold"),
            Layout::HuggingFace | Layout::Apple | Layout::AppleFolded | Layout::ApplePrefixed | Layout::Meta => {
                Some("ResNets are published in OpenAI's and open_clip's layouts")
            }
        }
    }

    fn lacks_siglip(self, size: &SiglipSize) -> Option<&'static str> {
        match self {
            Layout::OpenClip | Layout::OpenClipBin => None,
            Layout::HuggingFace if size.projection => None,
            Layout::HuggingFace => Some("its text tower always has a projection"),
            Layout::OpenClipFolded => Some("the model has no branches to fold"),
            Layout::OpenAi | Layout::Apple | Layout::AppleFolded | Layout::ApplePrefixed | Layout::Meta => {
                Some("SigLIP is published in open_clip's and transformers' layouts")
            }
        }
    }

    fn lacks_multilingual(self, size: &MultilingualSize) -> Option<&'static str> {
        match self {
            Layout::OpenClip | Layout::OpenClipBin => None,
            Layout::HuggingFace if size.is_worldwide() => None,
            Layout::HuggingFace => Some("transformers has no class for both towers"),
            Layout::OpenClipFolded => Some("the model has no branches to fold"),
            Layout::OpenAi | Layout::Apple | Layout::AppleFolded | Layout::ApplePrefixed | Layout::Meta => {
                Some("multilingual models are published in open_clip's and transformers' layouts")
            }
        }
    }

    fn lacks_mobileclip(self, size: &MobileClipSize) -> Option<&'static str> {
        let folds = matches!(size.image, ImageTower::Mci(_));
        match self {
            Layout::OpenAi | Layout::HuggingFace => Some("MobileCLIP has other towers"),
            Layout::Meta => Some(META_ALONE),
            Layout::OpenClipFolded | Layout::AppleFolded if !folds => Some("the model has no branches to fold"),
            Layout::OpenClip | Layout::OpenClipBin | Layout::OpenClipFolded => match size.offer {
                Offer::Both | Offer::OpenClip => None,
                Offer::Apple => Some("open_clip does not know the hybrid text tower"),
                Offer::OpenClipNames => Some("Apple alone publishes the model"),
            },
            Layout::Apple => None,
            Layout::AppleFolded if size.offer.has_apple_names() => None,
            Layout::AppleFolded => Some("the model's names are open_clip's; folded, it is open-clip-folded"),
            Layout::ApplePrefixed if size.offer.has_apple_names() => Some("the model's names are Apple's own"),
            Layout::ApplePrefixed => None,
        }
    }
}

/// Why other models are not in Meta's layout.
const META_ALONE: &str = "it is Perception Encoder's alone";

/// The sizes of a model that Apple publishes under its own names.
fn apple_named(model: &Model) -> Option<&MobileClipSize> {
    model.mobileclip().filter(|size| size.offer.has_apple_names())
}

/// The trained form in Apple's files.
fn apple_entries(model: &Model) -> Vec<Entry> {
    match apple_named(model) {
        Some(size) => apple::entries(size, &model.tensors()),
        None => open_clip::entries(model),
    }
}

/// Adds the batch counter that PyTorch stores with the running statistics of every norm.
fn with_counts(entries: Vec<Entry>) -> Vec<Entry> {
    let mut all = Vec::with_capacity(entries.len());
    for entry in entries {
        let count = entry.name.strip_suffix(".running_var").map(|norm| format!("{norm}.num_batches_tracked"));
        all.push(entry);
        all.extend(count.map(|name| Entry::integer(&name, 230_000)));
    }
    all
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
/// `target` is a folder, which is created and gets the published file names, or a file ending in `.safetensors`,
/// `.bin`, `.pt` or `.pth`; configuration files go to the same folder. Memory holds one tensor at a time.
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
        Layout::OpenClipBin | Layout::Apple | Layout::AppleFolded | Layout::ApplePrefixed | Layout::Meta => {
            open_clip::write_bin(out, &entries, seed, &stem(&weights))
        }
        Layout::OpenClip | Layout::OpenClipFolded | Layout::HuggingFace => safetensors::write(out, &entries, seed),
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
    if let Some((name, bytes)) = pieces::file(model) {
        let path = folder.join(name);
        write_file(&path, |out| out.write_all(&bytes))?;
        written.push(path);
    }
    Ok(written)
}

/// PyTorch's name for the top folder of an archive.
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
