//! Immich's names of CLIP models, the lengths of their embeddings, and the same models here.
//!
//! The names and lengths are those of Immich's server (`constants.ts` in 2.5.6), which refuses other names and sizes its
//! table of vectors by them.

/// Immich's name, the length of its embeddings, and the name of the same model here, if there is one.
#[rustfmt::skip]
const NAMES: [(&str, usize, Option<&str>); 58] = [
    ("LABSE-Vit-L-14", 768, None),
    ("RN101__openai", 512, Some("rn101-openai")),
    ("RN101__yfcc15m", 512, Some("rn101-yfcc15m")),
    ("RN50__cc12m", 1024, Some("rn50-cc12m")),
    ("RN50__openai", 1024, Some("rn50-openai")),
    ("RN50__yfcc15m", 1024, Some("rn50-yfcc15m")),
    ("RN50x16__openai", 768, Some("rn50x16-openai")),
    ("RN50x4__openai", 640, Some("rn50x4-openai")),
    ("RN50x64__openai", 1024, Some("rn50x64-openai")),
    ("ViT-B-16-SigLIP-256__webli", 768, Some("siglip-b-16-256")),
    ("ViT-B-16-SigLIP-384__webli", 768, Some("siglip-b-16-384")),
    ("ViT-B-16-SigLIP-512__webli", 768, Some("siglip-b-16-512")),
    ("ViT-B-16-SigLIP-i18n-256__webli", 768, Some("siglip-b-i18n-256")),
    ("ViT-B-16-SigLIP2__webli", 768, Some("siglip2-b-16-224")),
    ("ViT-B-16-SigLIP__webli", 768, Some("siglip-b-16-224")),
    ("ViT-B-16-plus-240__laion400m_e31", 640, Some("vit-b-16-plus-240-laion400m-e31")),
    ("ViT-B-16-plus-240__laion400m_e32", 640, Some("vit-b-16-plus-240-laion400m-e32")),
    ("ViT-B-16__laion400m_e31", 512, Some("vit-b-16-laion400m-e31")),
    ("ViT-B-16__laion400m_e32", 512, Some("vit-b-16-laion400m-e32")),
    ("ViT-B-16__openai", 512, Some("vit-b-16-openai")),
    ("ViT-B-32-SigLIP2-256__webli", 768, Some("siglip2-b-32-256")),
    ("ViT-B-32__laion2b-s34b-b79k", 512, Some("vit-b-32-laion2b")),
    ("ViT-B-32__laion2b_e16", 512, None),
    ("ViT-B-32__laion400m_e31", 512, Some("vit-b-32-laion400m-e31")),
    ("ViT-B-32__laion400m_e32", 512, Some("vit-b-32-laion400m-e32")),
    ("ViT-B-32__openai", 512, Some("vit-b-32-openai")),
    ("ViT-H-14-378-quickgelu__dfn5b", 1024, Some("vit-h-14-378-dfn5b")),
    ("ViT-H-14-quickgelu__dfn5b", 1024, Some("vit-h-14-dfn5b")),
    ("ViT-H-14__laion2b-s32b-b79k", 1024, Some("vit-h-14-laion2b")),
    ("ViT-L-14-336__openai", 768, Some("vit-l-14-336-openai")),
    ("ViT-L-14-quickgelu__dfn2b", 768, Some("vit-l-14-dfn2b")),
    ("ViT-L-14__laion2b-s32b-b82k", 768, Some("vit-l-14-laion2b")),
    ("ViT-L-14__laion400m_e31", 768, Some("vit-l-14-laion400m-e31")),
    ("ViT-L-14__laion400m_e32", 768, Some("vit-l-14-laion400m-e32")),
    ("ViT-L-14__openai", 768, Some("vit-l-14-openai")),
    ("ViT-L-16-SigLIP-256__webli", 1024, Some("siglip-l-16-256")),
    ("ViT-L-16-SigLIP-384__webli", 1024, Some("siglip-l-16-384")),
    ("ViT-L-16-SigLIP2-256__webli", 1024, Some("siglip2-l-16-256")),
    ("ViT-L-16-SigLIP2-384__webli", 1024, Some("siglip2-l-16-384")),
    ("ViT-L-16-SigLIP2-512__webli", 1024, Some("siglip2-l-16-512")),
    ("ViT-SO400M-14-SigLIP-384__webli", 1152, Some("siglip-so400m-14-384")),
    ("ViT-SO400M-14-SigLIP2-378__webli", 1152, Some("siglip2-so400m-14-378")),
    ("ViT-SO400M-14-SigLIP2__webli", 1152, Some("siglip2-so400m-14-224")),
    ("ViT-SO400M-16-SigLIP2-256__webli", 1152, Some("siglip2-so400m-16-256")),
    ("ViT-SO400M-16-SigLIP2-384__webli", 1152, Some("siglip2-so400m-16-384")),
    ("ViT-SO400M-16-SigLIP2-512__webli", 1152, Some("siglip2-so400m-16-512")),
    ("ViT-g-14__laion2b-s12b-b42k", 1024, Some("vit-g-14-laion2b-s12b")),
    ("ViT-gopt-16-SigLIP2-256__webli", 1536, Some("siglip2-gopt-16-256")),
    ("ViT-gopt-16-SigLIP2-384__webli", 1536, Some("siglip2-gopt-16-384")),
    ("XLM-Roberta-Base-ViT-B-32__laion5b_s13b_b90k", 512, Some("xlm-r-base-vit-b-32")),
    ("XLM-Roberta-Large-ViT-H-14__frozen_laion5b_s13b_b90k", 1024, Some("xlm-r-large-vit-h-14")),
    ("XLM-Roberta-Large-Vit-B-16Plus", 640, None),
    ("XLM-Roberta-Large-Vit-B-32", 512, None),
    ("XLM-Roberta-Large-Vit-L-14", 768, None),
    ("nllb-clip-base-siglip__mrl", 768, Some("nllb-siglip-mrl-base")),
    ("nllb-clip-base-siglip__v1", 768, Some("nllb-clip-base-siglip")),
    ("nllb-clip-large-siglip__mrl", 1152, Some("nllb-siglip-mrl-large")),
    ("nllb-clip-large-siglip__v1", 1152, Some("nllb-clip-large-siglip")),
];

/// The name as Immich's container understands it: what follows the last `/`, with `_` for `:` and `\`, without dots.
pub(super) fn clean(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    last.chars().filter(|&c| c != '.').map(|c| if matches!(c, ':' | '\\') { '_' } else { c }).collect()
}

/// What Immich knows by a name.
pub(super) struct Known {
    /// Length of its embeddings.
    pub embed_dim: usize,
    /// The name of the model here.
    pub ours: Option<&'static str>,
}

/// Looks a cleaned name up.
pub(super) fn find(cleaned: &str) -> Option<Known> {
    let at = NAMES.binary_search_by(|(name, ..)| (*name).cmp(cleaned)).ok()?;
    let (_, embed_dim, ours) = NAMES[at];
    Some(Known { embed_dim, ours })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    #[test]
    fn names_are_those_of_the_catalogue() {
        assert!(NAMES.is_sorted_by(|(a, ..), (b, ..)| a < b));
        for (name, embed_dim, ours) in NAMES {
            assert_eq!(clean(name), name);
            if let Some(ours) = ours {
                let model = catalog::find(ours).unwrap_or_else(|| panic!("{name}: {ours}"));
                assert_eq!(model.embed_dim(), embed_dim, "{name}");
            }
        }
        let here: Vec<&str> = NAMES.iter().filter_map(|(.., ours)| *ours).collect();
        assert_eq!(here.len(), 53);
        assert_eq!(here.iter().collect::<std::collections::BTreeSet<_>>().len(), 53, "two names of one model");
    }

    #[test]
    fn names_are_cleaned_as_the_container_cleans_them() {
        for name in ["ViT-B-32__openai", "ViT-B-32::openai", "immich-app/ViT-B-32__openai", "a/b/ViT-B-32:_openai"] {
            assert_eq!(clean(name), "ViT-B-32__openai", "{name}");
        }
        assert_eq!(clean("a.b\\c"), "ab_c");
        assert_eq!(find("ViT-B-32__openai").unwrap().ours, Some("vit-b-32-openai"));
        assert!(find("vit-b-32-openai").is_none() && find("").is_none());
    }
}
