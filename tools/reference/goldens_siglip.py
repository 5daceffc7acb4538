"""Write the SigLIP part of tests/goldens/models: results of open_clip and transformers in float64.

Not needed to build or test clippie-rs. To regenerate the goldens (SigLIP SO400M/14 in float64 needs 12 GB of memory):

    pip install torch==2.15.0 open_clip_torch==3.3.0 timm==1.0.31 transformers==5.24.0 numpy==2.4.6
    OMP_NUM_THREADS=2 python tools/reference/goldens_siglip.py [NAME...]

Files, float64 and row-major:

    NAME-LAYOUT-image.npy  [2, embed]  unit embeddings of the images
    NAME-LAYOUT-text.npy   [4, embed]  unit embeddings of the texts

LAYOUT is `open-clip` (open_clip with an image tower of timm) or `huggingface` (transformers' SiglipModel): the two compute
the same but for GELU, which transformers computes by tanh everywhere, and timm and open_clip in some towers.

Checkpoints come from checkpoint_values.py, inputs from goldens_vit.py; tools/testkit/src/checkpoint generates the same in
Rust. Texts are padded to the context length, with 0 for Gemma's vocabulary (256,000 rows) and with 1 otherwise.
"""

import sys

import numpy as np
import open_clip
import torch
import torch.nn as nn
import torch.nn.functional as F
from timm.layers.activations import GELUTanh
from timm.models.vision_transformer import VisionTransformer
from transformers import SiglipConfig, SiglipModel

import checkpoint_values
from goldens_vit import FOLDER, IMAGES, SEED, TEXTS, ids, pixels

# Image size and patch; width, layers, heads and hidden channels of the image tower; context and vocabulary; the same of
# the text tower; whether it has a projection; GELU by tanh in timm's and open_clip's tower. As in siglip.rs of the testkit.
SO400M = (1152, 27, 16, 4304)
MODELS = {
    "tiny-siglip": ((30, 7), (144, 3, 2, int(144 * 2.7362)), (16, 90), (72, 3, 1, int(72 * 3.7362)), True, (False, True)),
    "tiny-siglip-giant": ((24, 8), (192, 2, 2, 768), (20, 64), (72, 2, 3, 144), True, (False, False)),
    "tiny-siglip-bare": ((20, 4), (40, 2, 2, 160), (12, 70), (40, 2, 2, 120), False, (False, False)),
    "siglip-b-16-224": ((224, 16), (768, 12, 12, 3072), (64, 32_000), (768, 12, 12, 3072), True, (False, False)),
    "siglip-so400m-14-224": ((224, 14), SO400M, (16, 32_000), SO400M, True, (False, False)),
    "siglip2-b-32-256": ((256, 32), (768, 12, 12, 3072), (64, 256_000), (768, 12, 12, 3072), True, (True, True)),
    "siglip-b-i18n-256": ((256, 16), (768, 12, 12, 3072), (64, 250_000), (768, 12, 12, 3072), True, None),
    "siglip-so400m-14-384": ((384, 14), SO400M, (64, 32_000), SO400M, True, None),
    "siglip-so400m-i18n-256": ((256, 16), SO400M, (64, 250_000), SO400M, False, None),
    "siglip2-l-16-256": ((256, 16), (1024, 24, 16, 4096), (64, 256_000), (1024, 24, 16, 4096), True, None),
    "siglip2-so400m-16-256": ((256, 16), SO400M, (64, 256_000), SO400M, True, None),
    "siglip2-gopt-16-256": ((256, 16), (1536, 40, 16, 6144), (64, 256_000), SO400M, True, None),
}
# open_clip's own definitions are used, so that the table above is checked, too; they say how GELU is computed.
PUBLISHED = {
    "siglip-b-16-224": "ViT-B-16-SigLIP",
    "siglip-so400m-14-224": "ViT-SO400M-14-SigLIP",
    "siglip2-b-32-256": "ViT-B-32-SigLIP2-256",
    "siglip-b-i18n-256": "ViT-B-16-SigLIP-i18n-256",
    "siglip-so400m-14-384": "ViT-SO400M-14-SigLIP-384",
    "siglip-so400m-i18n-256": "ViT-SO400M-16-SigLIP-i18n-256",
    "siglip2-l-16-256": "ViT-L-16-SigLIP2-256",
    "siglip2-so400m-16-256": "ViT-SO400M-16-SigLIP2-256",
    "siglip2-gopt-16-256": "ViT-gopt-16-SigLIP2-256",
}
# Those that the tests read. The others are for comparisons by hand, as large ones of goldens_vit.py.
USUAL = [name for name in MODELS if name.startswith("tiny-")]
USUAL += ["siglip-b-16-224", "siglip-so400m-14-224", "siglip2-b-32-256"]


class OpenClip(nn.Module):
    """Combine towers as open_clip's CustomTextCLIP does with registered ones."""

    def __init__(self, image, text, size):
        super().__init__()
        (side, patch), (width, layers, heads, hidden) = image, text[0]
        (context, vocab), (text_width, text_layers, text_heads, text_hidden), projection, (image_tanh, text_tanh) = size
        self.visual = nn.Module()
        self.visual.trunk = VisionTransformer(
            img_size=side,
            patch_size=patch,
            embed_dim=width,
            depth=layers,
            num_heads=heads,
            mlp_ratio=hidden / width,
            class_token=False,
            global_pool="map",
            num_classes=0,
            act_layer=GELUTanh if image_tanh else None,
        )
        config = {
            "context_length": context,
            "vocab_size": vocab,
            "width": text_width,
            "heads": text_heads,
            "layers": text_layers,
            "mlp_ratio": (text_hidden + 0.5) / text_width,
            "no_causal_mask": True,
            "pool_type": "last",
            "norm_kwargs": {"eps": 1e-6},
            **({"proj_bias": True} if projection else {"proj_type": "none"}),
            **({"act_kwargs": {"approximate": "tanh"}} if text_tanh else {}),
        }
        self.text = open_clip.model._build_text_tower(width, config)
        self.logit_scale = nn.Parameter(torch.zeros([]))
        self.logit_bias = nn.Parameter(torch.zeros([]))

    def encode_image(self, images):
        return self.visual.trunk(images)

    def encode_text(self, texts):
        return self.text(texts)


def of_open_clip(name: str) -> nn.Module:
    image, blocks, *rest = MODELS[name]
    if name in PUBLISHED:
        return open_clip.create_model(PUBLISHED[name])
    return OpenClip(image, [blocks], rest)


def fill(model: nn.Module) -> nn.Module:
    """Set the weights of open_clip's model to the generated values, in float64."""
    model = model.eval().double().requires_grad_(False)
    for name, parameter in model.state_dict().items():
        values = checkpoint_values.values(name, tuple(parameter.shape), SEED)
        parameter.copy_(torch.from_numpy(values))
    return model


def of_transformers(name: str) -> SiglipModel:
    """Return transformers' model with the same values, in float64."""
    (side, patch), image, (context, vocab), text, _, _ = MODELS[name]

    def tower(size):
        width, layers, heads, hidden = size
        return {
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "intermediate_size": hidden,
        }

    vision = {**tower(image), "image_size": side, "patch_size": patch}
    words = {**tower(text), "vocab_size": vocab, "max_position_embeddings": context, "projection_size": image[0]}
    model = SiglipModel(SiglipConfig(text_config=words, vision_config=vision)).eval().double().requires_grad_(False)
    for key, parameter in model.state_dict().items():
        if not key.endswith("position_ids"):
            parameter.copy_(torch.from_numpy(of_key(key, tuple(parameter.shape))))
    return model


STEMS = {
    "vision_model.embeddings.patch_embedding": "visual.trunk.patch_embed.proj",
    "vision_model.post_layernorm": "visual.trunk.norm",
    "vision_model.head.attention.out_proj": "visual.trunk.attn_pool.proj",
    "vision_model.head.layernorm": "visual.trunk.attn_pool.norm",
    "vision_model.head.mlp": "visual.trunk.attn_pool.mlp",
    "text_model.embeddings.token_embedding": "text.token_embedding",
    "text_model.final_layer_norm": "text.ln_final",
    "text_model.head": "text.text_projection",
}
TIMM = {"layer_norm1": "norm1", "layer_norm2": "norm2", "self_attn.out_proj": "attn.proj", "mlp.fc": "mlp.fc"}
NATIVE = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}


def of_key(key: str, shape: tuple) -> np.ndarray:
    """Return the values of one of transformers' tensors, by open_clip's names."""
    own = lambda name, shape: checkpoint_values.values(name, shape, SEED)
    if key in ("logit_scale", "logit_bias"):
        return own(key, ()).reshape(shape)
    if key == "vision_model.embeddings.position_embedding.weight":
        return own("visual.trunk.pos_embed", (1, *shape))[0]
    if key == "text_model.embeddings.position_embedding.weight":
        return own("text.positional_embedding", shape)
    if key == "vision_model.head.probe":
        return own("visual.trunk.attn_pool.latent", shape)
    if key.startswith("vision_model.head.attention.in_proj_"):
        kind, width = key.rsplit("_", 1)[1], shape[0] // 3
        query = own(f"visual.trunk.attn_pool.q.{kind}", (width, *shape[1:]))
        return np.concatenate([query, own(f"visual.trunk.attn_pool.kv.{kind}", (2 * width, *shape[1:]))])
    for theirs, ours in STEMS.items():
        if key.startswith(f"{theirs}."):
            return own(key.replace(theirs, ours, 1), shape)
    tower, _, _, index, inner = key.split(".", 4)
    image = tower == "vision_model"
    block = f"visual.trunk.blocks.{index}." if image else f"text.transformer.resblocks.{index}."
    if inner[:11] in ("self_attn.q", "self_attn.k", "self_attn.v") and "_proj." in inner:
        kind = inner.rsplit(".", 1)[1]
        joint = f"{block}attn.qkv.{kind}" if image else f"{block}attn.in_proj_{kind}"
        part = "qkv".index(inner[10])
        return own(joint, (3 * shape[0], *shape[1:]))[part * shape[0] : (part + 1) * shape[0]]
    for theirs, ours in (TIMM if image else NATIVE).items():
        if inner.startswith(theirs):
            return own(block + inner.replace(theirs, ours, 1), shape)
    raise ValueError(key)


@torch.inference_mode()
def write(name: str, layout: str) -> None:
    (side, _), _, (context, vocab), *_ = MODELS[name]
    pad = 0 if vocab == 256_000 else 1
    sequences = [ids(text, context, vocab) for text in range(TEXTS)]
    texts = torch.tensor([sequence + [pad] * (context - len(sequence)) for sequence in sequences])
    images = torch.from_numpy(np.stack([pixels(image, side) for image in range(IMAGES)])).double()
    if layout == "open-clip":
        model = fill(of_open_clip(name))
        results = model.encode_image(images), model.encode_text(texts)
    else:
        model = of_transformers(name)
        pooled = lambda out: getattr(out, "pooler_output", out)
        results = (
            pooled(model.get_image_features(pixel_values=images)),
            pooled(model.get_text_features(input_ids=texts)),
        )
    for what, projected in zip(("image", "text"), results):
        unit = F.normalize(projected, dim=-1).numpy()
        assert unit.dtype == np.float64 and np.isfinite(unit).all()
        np.save(FOLDER / f"{name}-{layout}-{what}.npy", np.ascontiguousarray(unit))
        cosines = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
        print(f"{name} {layout} {what}: cosines {np.round(cosines, 3)}", flush=True)


def main(names: list[str]) -> None:
    for name in names or USUAL:
        has_projection = MODELS[name][4]
        for layout in ("open-clip", "huggingface") if has_projection else ("open-clip",):
            write(name, layout)


if __name__ == "__main__":
    main(sys.argv[1:])
