//! The published models that have a name here: how large they are, what they cost to run, whose they are.
//!
//! Numbers are those of the published checkpoints, counted with their reference implementations: parameters in
//! the form the models were trained in, running statistics left out; compute with torch's FlopCounter
//! (convolutions, matrix products, attention) of the form they are run in, its branches folded. Repositories are
//! Hugging Face's. Knows nothing of how a checkpoint is laid out.

/// A published model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KnownModel {
    /// What `convert --model` calls it.
    pub name: &'static str,
    /// Side of the square that photos become, in pixels.
    pub image_size: u32,
    /// Length of the embeddings.
    pub embed_dim: u32,
    /// Parameters of the image tower, in the published (training) form.
    pub image_parameters: u64,
    /// Parameters of the text tower, in the published (training) form.
    pub text_parameters: u64,
    /// Multiply-adds of the image tower for one photo, in thousand millions.
    pub gmac_per_image: f64,
    /// The terms of the weights.
    pub license: License,
    /// Where the weights are published: `owner/name` on Hugging Face.
    pub repository: &'static str,
    /// The checkpoint's file in the repository. Where it is missing, the repository is looked through as any other.
    pub file: &'static str,
    /// The one revision to use, if there is a reason for one: a branch, a tag or a commit.
    pub revision: Option<&'static str>,
}

impl KnownModel {
    /// All parameters in the published (training) form: both towers and the logit scale.
    pub fn total_parameters(&self) -> u64 {
        self.image_parameters + self.text_parameters + 1
    }

    /// About how many bytes the checkpoint has: four for each parameter, as all of these are published in single
    /// precision. Running statistics, counts and names add less than a hundredth.
    pub fn download_bytes(&self) -> u64 {
        4 * self.total_parameters()
    }

    /// Compute of the image tower for one photo, in thousand million operations: a multiply-add is two.
    pub fn gflop_per_image(&self) -> f64 {
        2.0 * self.gmac_per_image
    }
}

/// The terms of a model's weights. No legal advice: the repository has the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct License {
    /// Hugging Face's identifier.
    pub id: &'static str,
    /// Whether it was read in the repository or its owner's of the same weights; if not, it is what the others of the
    /// family have.
    pub confirmed: bool,
}

/// OpenAI's code has it. Of the weights OpenAI says nothing apart (openai/CLIP, issues 203 and 241), and the copy of
/// ViT-B/32 in `timm` says `apache-2.0`.
const OPENAI: License = License { id: "mit", confirmed: false };
/// The model cards, and of the older weights open_clip's issue 177.
const MIT: License = License { id: "mit", confirmed: true };
/// Apple Machine Learning Research Model License: for research only. The first MobileCLIPs came out under
/// `apple-ascl`; their repositories have had this one since February 2025.
const APPLE: License = License { id: "apple-amlr", confirmed: true };
/// The same, for repositories that were not read.
const APPLE_PRESUMED: License = License { confirmed: false, ..APPLE };

/// Every published model that can be converted, in the order of families and sizes.
pub fn known() -> &'static [KnownModel] {
    &KNOWN
}

/// The known model whose weights `repository` has: the table's own repository, or one of Apple's that has the same
/// weights in another form. Its files say less than the name does, so the name has to be known to read them.
#[cfg(feature = "hub")]
pub(super) fn published_in(repository: &str) -> Option<&'static KnownModel> {
    let name = ALSO.iter().find(|(other, _)| *other == repository).map(|(_, name)| *name);
    KNOWN.iter().find(|model| model.repository == repository || Some(model.name) == name)
}

/// Repositories with a bare `model_cfg`, whose preprocessing stands nowhere, and the names of the same weights.
#[cfg(feature = "hub")]
const ALSO: [(&str, &str); 6] = [
    ("apple/MobileCLIP2-S0", "mobileclip2-s0"),
    ("apple/MobileCLIP2-S2", "mobileclip2-s2"),
    ("apple/MobileCLIP2-B", "mobileclip2-b"),
    ("apple/MobileCLIP2-S3", "mobileclip2-s3"),
    ("apple/MobileCLIP2-S4", "mobileclip2-s4"),
    ("apple/MobileCLIP2-L-14", "mobileclip2-l-14"),
];

/// open_clip's file, which all but Apple's own repositories have.
const OPEN_CLIP: &str = "open_clip_model.safetensors";

/// What models of one architecture share.
const fn model(name: &'static str, size: &Size, license: License, repository: &'static str) -> KnownModel {
    let &Size { image_size, embed_dim, image_parameters, text_parameters, gmac_per_image } = size;
    let (file, revision) = (OPEN_CLIP, None);
    KnownModel {
        name,
        image_size,
        embed_dim,
        image_parameters,
        text_parameters,
        gmac_per_image,
        license,
        repository,
        file,
        revision,
    }
}

/// A model that only Apple publishes, as its own `.pt`.
const fn apple(
    name: &'static str,
    size: &Size,
    license: License,
    repository: &'static str,
    file: &'static str,
) -> KnownModel {
    KnownModel { file, ..model(name, size, license, repository) }
}

struct Size {
    image_size: u32,
    embed_dim: u32,
    image_parameters: u64,
    text_parameters: u64,
    gmac_per_image: f64,
}

/// Text towers of width 512 and 768, with 12 layers.
const TEXT_512: u64 = 63_428_096;
const TEXT_768: u64 = 123_650_304;

const fn size(image_size: u32, embed_dim: u32, image_parameters: u64, gmac_per_image: f64) -> Size {
    let text_parameters = if embed_dim == 512 { TEXT_512 } else { TEXT_768 };
    Size { image_size, embed_dim, image_parameters, text_parameters, gmac_per_image }
}

const B_32: Size = size(224, 512, 87_849_216, 4.409);
const B_16: Size = size(224, 512, 86_192_640, 17.563);
const L_14: Size = size(224, 768, 303_966_208, 81.013);
const L_14_336: Size = size(336, 768, 304_293_888, 190.960);
/// As Apple publishes it, with the hybrid text tower.
const MCI_0_HYBRID: Size = Size { text_parameters: 42_441_216, ..size(256, 512, 11_406_464, 2.385) };
// As open_clip has them: timm's towers, whose heads have a bias.
const MCI_0: Size = size(256, 512, 11_406_976, 2.385);
const MCI_1: Size = size(256, 512, 21_541_632, 4.658);
const MCI_2: Size = size(256, 512, 35_815_232, 7.834);
const MCI_B: Size = size(224, 512, 86_349_056, 17.708);
const MCI_3: Size = size(256, 768, 125_235_648, 14.812);
const MCI_4: Size = size(256, 768, 321_784_832, 27.758);
const MCI_L: Size = size(224, 768, 303_966_976, 81.013);

#[rustfmt::skip]
const KNOWN: [KnownModel; 25] = [
    model("vit-b-32-openai", &B_32, OPENAI, "timm/vit_base_patch32_clip_224.openai"),
    model("vit-b-16-openai", &B_16, OPENAI, "timm/vit_base_patch16_clip_224.openai"),
    model("vit-l-14-openai", &L_14, OPENAI, "timm/vit_large_patch14_clip_224.openai"),
    model("vit-l-14-336-openai", &L_14_336, OPENAI, "timm/vit_large_patch14_clip_336.openai"),
    model("vit-b-32-laion400m-e32", &B_32, MIT, "timm/vit_base_patch32_clip_224.laion400m_e32"),
    model("vit-b-32-laion2b", &B_32, MIT, "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
    model("vit-b-16-laion2b", &B_16, MIT, "laion/CLIP-ViT-B-16-laion2B-s34B-b88K"),
    model("vit-l-14-laion2b", &L_14, MIT, "laion/CLIP-ViT-L-14-laion2B-s32B-b82K"),
    model("vit-b-32-datacomp-xl", &B_32, MIT, "laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K"),
    model("vit-b-16-datacomp-xl", &B_16, MIT, "laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K"),
    model("vit-l-14-datacomp-xl", &L_14, MIT, "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K"),
    apple("mobileclip-s0", &MCI_0_HYBRID, APPLE, "apple/MobileCLIP-S0", "mobileclip_s0.pt"),
    model("mobileclip-s1", &MCI_1, APPLE, "apple/MobileCLIP-S1-OpenCLIP"),
    model("mobileclip-s2", &MCI_2, APPLE, "apple/MobileCLIP-S2-OpenCLIP"),
    model("mobileclip-b", &MCI_B, APPLE_PRESUMED, "apple/MobileCLIP-B-OpenCLIP"),
    model("mobileclip-b-lt", &MCI_B, APPLE_PRESUMED, "apple/MobileCLIP-B-LT-OpenCLIP"),
    apple("mobileclip-s3", &MCI_3, APPLE, "apple/MobileCLIP-S3", "mobileclip_s3.pt"),
    apple("mobileclip-s4", &MCI_4, APPLE_PRESUMED, "apple/MobileCLIP-S4", "mobileclip_s4.pt"),
    apple("mobileclip-l-14", &MCI_L, APPLE, "apple/MobileCLIP-L-14", "mobileclip_l14.pt"),
    model("mobileclip2-s0", &MCI_0, APPLE, "timm/MobileCLIP2-S0-OpenCLIP"),
    model("mobileclip2-s2", &MCI_2, APPLE_PRESUMED, "timm/MobileCLIP2-S2-OpenCLIP"),
    model("mobileclip2-b", &MCI_B, APPLE_PRESUMED, "timm/MobileCLIP2-B-OpenCLIP"),
    model("mobileclip2-s3", &MCI_3, APPLE, "timm/MobileCLIP2-S3-OpenCLIP"),
    model("mobileclip2-s4", &MCI_4, APPLE_PRESUMED, "timm/MobileCLIP2-S4-OpenCLIP"),
    model("mobileclip2-l-14", &MCI_L, APPLE, "timm/MobileCLIP2-L-14-OpenCLIP"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::known_models;

    #[test]
    fn names_are_those_that_can_be_converted() {
        let names: Vec<&str> = known().iter().map(|model| model.name).collect();
        let convertible: Vec<&str> = known_models().collect();
        assert_eq!(names, convertible);
    }

    #[test]
    fn every_row_is_filled() {
        for model in known() {
            let name = model.name;
            assert!(model.image_size > 0 && model.embed_dim > 0, "{name}");
            assert!(model.image_parameters > 0 && model.text_parameters > 0, "{name}");
            assert!(model.gflop_per_image() > 0.0, "{name}");
            assert!(!model.license.id.is_empty() && !model.file.is_empty(), "{name}");
            assert!(model.repository.split('/').filter(|part| !part.is_empty()).count() == 2, "{name}");
            assert_eq!(known().iter().filter(|other| other.repository == model.repository).count(), 1, "{name}");
        }
    }

    /// Totals as published, against the sums of what the table has.
    #[test]
    fn towers_add_up_to_the_published_totals() {
        for (name, total) in [
            ("vit-b-32-openai", 151_277_313),
            ("vit-b-16-laion2b", 149_620_737),
            ("vit-l-14-datacomp-xl", 427_616_513),
            ("vit-l-14-336-openai", 427_944_193),
            ("mobileclip-s0", 53_847_681),
            ("mobileclip2-s0", 74_835_073),
            ("mobileclip-s1", 84_969_729),
            ("mobileclip2-s2", 99_243_329),
            ("mobileclip-b", 149_777_153),
            ("mobileclip-s3", 248_885_953),
            ("mobileclip2-s4", 445_435_137),
            ("mobileclip2-l-14", 427_617_281),
        ] {
            let model = known().iter().find(|model| model.name == name).unwrap();
            assert_eq!(model.total_parameters(), total, "{name}");
        }
    }
}
