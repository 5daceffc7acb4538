"""Names of open_clip for models that have a name here: an architecture and a tag, as ``open_clip.create_model`` takes them.

The table joins the repositories of open_clip 3.3.0's ``pretrained.py`` with those of ``clippie-rs models --json``. A test
compares its names with the command's list.
"""

from __future__ import annotations

from clippie_rs.errors import OptionError

# open_clip's alternative configurations with the activation that a model was trained with, which is what is run here.
QUICK_GELU = "-quickgelu"

# Architecture, tag, name here.
NAMES: dict[str, dict[str, str]] = {
    "RN50": {"openai": "rn50-openai", "yfcc15m": "rn50-yfcc15m", "cc12m": "rn50-cc12m"},
    "RN101": {"openai": "rn101-openai", "yfcc15m": "rn101-yfcc15m"},
    "RN50x4": {"openai": "rn50x4-openai"},
    "RN50x16": {"openai": "rn50x16-openai"},
    "RN50x64": {"openai": "rn50x64-openai"},
    "ViT-B-32": {
        "openai": "vit-b-32-openai",
        "laion400m_e31": "vit-b-32-laion400m-e31",
        "laion400m_e32": "vit-b-32-laion400m-e32",
        "laion2b_s34b_b79k": "vit-b-32-laion2b",
        "datacomp_xl_s13b_b90k": "vit-b-32-datacomp-xl",
        "metaclip_400m": "vit-b-32-metaclip-400m",
        "metaclip_fullcc": "vit-b-32-metaclip-fullcc",
    },
    "ViT-B-32-256": {"datacomp_s34b_b86k": "vit-b-32-256-datacomp"},
    "ViT-B-16": {
        "openai": "vit-b-16-openai",
        "laion400m_e31": "vit-b-16-laion400m-e31",
        "laion400m_e32": "vit-b-16-laion400m-e32",
        "laion2b_s34b_b88k": "vit-b-16-laion2b",
        "datacomp_xl_s13b_b90k": "vit-b-16-datacomp-xl",
        "dfn2b": "vit-b-16-dfn2b",
        "metaclip_400m": "vit-b-16-metaclip-400m",
        "metaclip_fullcc": "vit-b-16-metaclip-fullcc",
    },
    "ViT-B-16-plus-240": {
        "laion400m_e31": "vit-b-16-plus-240-laion400m-e31",
        "laion400m_e32": "vit-b-16-plus-240-laion400m-e32",
    },
    "ViT-L-14": {
        "openai": "vit-l-14-openai",
        "laion400m_e31": "vit-l-14-laion400m-e31",
        "laion400m_e32": "vit-l-14-laion400m-e32",
        "laion2b_s32b_b82k": "vit-l-14-laion2b",
        "datacomp_xl_s13b_b90k": "vit-l-14-datacomp-xl",
        "metaclip_400m": "vit-l-14-metaclip-400m",
        "metaclip_fullcc": "vit-l-14-metaclip-fullcc",
        "dfn2b": "vit-l-14-dfn2b",
        "dfn2b_s39b": "vit-l-14-dfn2b-39b",
    },
    "ViT-L-14-336": {"openai": "vit-l-14-336-openai"},
    "ViT-H-14": {
        "laion2b_s32b_b79k": "vit-h-14-laion2b",
        "metaclip_fullcc": "vit-h-14-metaclip-fullcc",
        "metaclip_altogether": "vit-h-14-metaclip-altogether",
        "dfn5b": "vit-h-14-dfn5b",
    },
    "ViT-H-14-378": {"dfn5b": "vit-h-14-378-dfn5b"},
    "ViT-g-14": {"laion2b_s12b_b42k": "vit-g-14-laion2b-s12b", "laion2b_s34b_b88k": "vit-g-14-laion2b-s34b"},
    "ViT-bigG-14": {"laion2b_s39b_b160k": "vit-bigg-14-laion2b", "metaclip_fullcc": "vit-bigg-14-metaclip-fullcc"},
    "xlm-roberta-base-ViT-B-32": {"laion5b_s13b_b90k": "xlm-r-base-vit-b-32"},
    "xlm-roberta-large-ViT-H-14": {"frozen_laion5b_s13b_b90k": "xlm-r-large-vit-h-14"},
    "ViT-B-16-SigLIP": {"webli": "siglip-b-16-224"},
    "ViT-B-16-SigLIP-256": {"webli": "siglip-b-16-256"},
    "ViT-B-16-SigLIP-i18n-256": {"webli": "siglip-b-i18n-256"},
    "ViT-B-16-SigLIP-384": {"webli": "siglip-b-16-384"},
    "ViT-B-16-SigLIP-512": {"webli": "siglip-b-16-512"},
    "ViT-L-16-SigLIP-256": {"webli": "siglip-l-16-256"},
    "ViT-L-16-SigLIP-384": {"webli": "siglip-l-16-384"},
    "ViT-SO400M-14-SigLIP": {"webli": "siglip-so400m-14-224"},
    "ViT-SO400M-16-SigLIP-i18n-256": {"webli": "siglip-so400m-i18n-256"},
    "ViT-SO400M-14-SigLIP-378": {"webli": "siglip-so400m-14-384"},
    "ViT-SO400M-14-SigLIP-384": {"webli": "siglip-so400m-14-384"},
    "ViT-B-32-SigLIP2-256": {"webli": "siglip2-b-32-256"},
    "ViT-B-16-SigLIP2": {"webli": "siglip2-b-16-224"},
    "ViT-B-16-SigLIP2-256": {"webli": "siglip2-b-16-256"},
    "ViT-B-16-SigLIP2-384": {"webli": "siglip2-b-16-384"},
    "ViT-B-16-SigLIP2-512": {"webli": "siglip2-b-16-512"},
    "ViT-L-16-SigLIP2-256": {"webli": "siglip2-l-16-256"},
    "ViT-L-16-SigLIP2-384": {"webli": "siglip2-l-16-384"},
    "ViT-L-16-SigLIP2-512": {"webli": "siglip2-l-16-512"},
    "ViT-SO400M-14-SigLIP2": {"webli": "siglip2-so400m-14-224"},
    "ViT-SO400M-14-SigLIP2-378": {"webli": "siglip2-so400m-14-378"},
    "ViT-SO400M-16-SigLIP2-256": {"webli": "siglip2-so400m-16-256"},
    "ViT-SO400M-16-SigLIP2-384": {"webli": "siglip2-so400m-16-384"},
    "ViT-SO400M-16-SigLIP2-512": {"webli": "siglip2-so400m-16-512"},
    "ViT-gopt-16-SigLIP2-256": {"webli": "siglip2-gopt-16-256"},
    "ViT-gopt-16-SigLIP2-384": {"webli": "siglip2-gopt-16-384"},
    "PE-Core-T-16-384": {"meta": "pe-core-t-16-384"},
    "PE-Core-S-16-384": {"meta": "pe-core-s-16-384"},
    "PE-Core-B-16": {"meta": "pe-core-b-16-224"},
    "PE-Core-L-14-336": {"meta": "pe-core-l-14-336"},
    "PE-Core-bigG-14-448": {"meta": "pe-core-g-14-448"},
    "nllb-clip-base": {"v1": "nllb-clip-base"},
    "nllb-clip-large": {"v1": "nllb-clip-large"},
    "nllb-clip-base-siglip": {"v1": "nllb-clip-base-siglip", "mrl": "nllb-siglip-mrl-base"},
    "nllb-clip-large-siglip": {"v1": "nllb-clip-large-siglip", "mrl": "nllb-siglip-mrl-large"},
    "MobileCLIP-S1": {"datacompdr": "mobileclip-s1"},
    "MobileCLIP-S2": {"datacompdr": "mobileclip-s2"},
    "MobileCLIP-B": {"datacompdr": "mobileclip-b", "datacompdr_lt": "mobileclip-b-lt"},
    "MobileCLIP2-B": {"dfndr2b": "mobileclip2-b"},
    "MobileCLIP2-S0": {"dfndr2b": "mobileclip2-s0"},
    "MobileCLIP2-S2": {"dfndr2b": "mobileclip2-s2"},
    "MobileCLIP2-S3": {"dfndr2b": "mobileclip2-s3"},
    "MobileCLIP2-S4": {"dfndr2b": "mobileclip2-s4"},
    "MobileCLIP2-L-14": {"dfndr2b": "mobileclip2-l-14"},
    "ViT-H-14-worldwide": {"metaclip2_worldwide": "metaclip2-h-14"},
    "ViT-H-14-worldwide-378": {"metaclip2_worldwide": "metaclip2-h-14-378"},
    "ViT-bigG-14-worldwide": {"metaclip2_worldwide": "metaclip2-bigg-14"},
    "ViT-bigG-14-worldwide-378": {"metaclip2_worldwide": "metaclip2-bigg-14-378"},
}


def model_called(model_name: str, pretrained: str) -> str:
    """The name here of a model of open_clip: ``vit-l-14-openai`` for ``ViT-L-14`` and ``openai``.

    Raises ``OptionError`` for a model that has no name here.
    """
    tags = NAMES.get(model_name.replace("/", "-").removesuffix(QUICK_GELU))
    if tags is None:
        raise OptionError(
            f"model_name={model_name!r} is no architecture of open_clip that can be run; `clippie-rs models` lists the "
            "models with a name, and `model` takes such a name or the path of a .clippie file"
        )
    if pretrained not in tags:
        raise OptionError(
            f"pretrained={pretrained!r} is not known for model_name={model_name!r}; known are {', '.join(tags)}; `model` "
            "takes the path of a .clippie file"
        )
    return tags[pretrained]
