//! The commands about published models.

use clap::Args;

/// The published models that are known by name, and the ones that are here
///
/// For each: the side of its photos in pixels, the length of its embeddings, millions of parameters of the image and
/// the text tower as published (before branches of the training are folded), what a photo costs in GFLOP (two for
/// each multiply-add), the license of the weights, and the repository on Hugging Face. Below, what was pulled, how
/// large it is and where it lies. Asks no network.
///
/// A license marked * was not confirmed: see the repository. What binds is the text there.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs models
  clippie-rs models --json
  clippie-rs models --remove mobileclip2-s2")]
pub(in crate::cli) struct Models {
    /// Write a JSON array with an object for each model
    #[arg(long)]
    pub json: bool,
    /// Remove a model that was pulled, and what is left of its download; can be given many times
    #[cfg(feature = "hub")]
    #[arg(long, value_name = "MODEL", conflicts_with = "json")]
    pub remove: Vec<String>,
}

/// A published model, fetched and converted, to be used by its name ever after
///
/// `-m NAME` does the same at its first use. The checkpoint is downloaded from Hugging Face, checked against the size
/// and the checksum given there, converted, and dropped; a download that breaks off goes on where it was the next
/// time. A checkpoint that other tools have in Hugging Face's own cache is used as it lies. Once a model is here, no
/// command touches the network for it.
///
/// MODEL is one of `clippie-rs models`, or hf-hub:ORG/REPO (with @REVISION, if not main) for any repository with a
/// checkpoint that `clippie-rs convert` reads.
///
/// Models lie in CLIPPIE_HOME (without it, in clippie-rs in XDG_CACHE_HOME or the system's folder for caches). Of the
/// settings of other tools, HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE, HTTPS_PROXY, NO_PROXY and
/// SSL_CERT_FILE hold. The token goes to HF_ENDPOINT's own host and to nobody else.
#[cfg(feature = "hub")]
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs pull mobileclip2-s2
  clippie-rs pull hf-hub:laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K
  clippie-rs pull vit-b-32-laion2b --keep-original")]
pub(in crate::cli) struct Pull {
    /// Known name, or hf-hub:ORG/REPO[@REVISION]
    #[arg(value_name = "MODEL")]
    pub model: String,
    /// Keep the checkpoint, too, as it was downloaded
    #[arg(long)]
    pub keep_original: bool,
    /// Fetch and convert it anew, even if it is here
    #[arg(long)]
    pub force: bool,
}
