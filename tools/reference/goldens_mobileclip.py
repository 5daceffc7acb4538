"""Write the MobileCLIP part of tests/goldens/models: results of the published code in float64.

Not needed to build or test clippie-rs. To regenerate the goldens (MobileCLIP2-S4 in float64 needs 8 GB of memory):

    pip install torch==2.15.0 open_clip_torch==3.3.0 timm==1.0.31 numpy==2.4.6
    git clone https://github.com/apple/ml-mobileclip APPLE && git -C APPLE checkout 4144bb1
    OMP_NUM_THREADS=2 python tools/reference/goldens_mobileclip.py APPLE [NAME...]

References: open_clip's models with timm's towers, and Apple's own code where it differs from timm's (MobileCLIP-B) or
is the only one (MobileCLIP-S0). That code computes softmax and LayerNorm in float32 for any model type; both are
replaced here by float64 versions, so that goldens are exact.

Files, row-major:

    NAME-image.npy         [2, embed]  unit embeddings of the images, float64
    NAME-text.npy          [4, embed]  unit embeddings of the texts, float64
    TINY-image-stages.npy  all stages of the image tower, concatenated, float32
    TINY-text-stages.npy   all stages of the text tower, concatenated, float32

The entries `mobileclip` of index.json name the stages and their shapes, in the order of the files. Feature maps
are [batch, height, width, channels], tokens [batch, tokens, channels]: after the stem, after each downsampling,
position convolution and block, after the last convolution with its squeeze-and-excitation and GELU; `tokens` are the
input of the first block; `projected` are embeddings before normalisation.

Checkpoints come from checkpoint_values.py, inputs from goldens_vit.py. Texts are padded with zeros.
"""

import json
import re
import sys
import types
from functools import partial

import numpy as np
import open_clip
import timm
import torch
import torch.nn as nn
import torch.nn.functional as F
from timm.models.fastvit import FastVit, LayerNorm2d, RepConditionalPosEnc
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer_hybrid import ConvStem, HybridEmbed

import checkpoint_values
from goldens_vit import FOLDER, IMAGES, SEED, TEXTS, ids, pixels

# Name of the golden, of the model, and in open_clip; the models of one golden have the same tensors.
OPEN_CLIP = {
    "mobileclip-s1": "MobileCLIP-S1",
    "mobileclip-s2": "MobileCLIP-S2",
    "mobileclip-b-timm": "MobileCLIP-B",
    "mobileclip2-s0": "MobileCLIP2-S0",
    "mobileclip2-s2": "MobileCLIP2-S2",
    "mobileclip2-b": "MobileCLIP2-B",
    "mobileclip2-s3": "MobileCLIP2-S3",
    "mobileclip2-s4": "MobileCLIP2-S4",
    "mobileclip2-l-14": "MobileCLIP2-L-14",
}
APPLE = {"mobileclip-s0": "mobileclip_s0", "mobileclip-b-apple": "mobileclip_b"}
# Models that are also published in Apple's layout, where the head has no bias: here it is zero.
ZERO_HEAD_BIAS = ("mobileclip-s1", "mobileclip-s2", "mobileclip-b-timm", "tiny-mci", "tiny-stem-timm")


class Reference:
    """A model, its input sizes, and the modules of its stages."""

    def __init__(self, model, side, context, vocab, source, config=None):
        self.model, self.side, self.context, self.vocab = model.eval(), side, context, vocab
        self.source, self.config = source, config


# Models of open_clip and timm.


def full_size(name: str) -> Reference:
    config = open_clip.get_model_config(OPEN_CLIP[name])
    model = open_clip.create_model(OPEN_CLIP[name])
    text = config["text_cfg"]
    source = f"open_clip {open_clip.__version__}, timm {timm.__version__}"
    side = config["vision_cfg"]["image_size"]
    return Reference(model, side, text["context_length"], text["vocab_size"], source, config)


class TimmModel(nn.Module):
    """Combine towers as open_clip's CustomTextCLIP does with registered ones."""

    def __init__(self, trunk, embed, text_cfg):
        super().__init__()
        self.visual = nn.Module()
        self.visual.trunk = trunk
        self.text = open_clip.model._build_text_tower(embed, text_cfg)
        self.logit_scale = nn.Parameter(torch.zeros([]))

    def encode_image(self, images):
        return self.visual.trunk(images)

    def encode_text(self, texts):
        return self.text(texts)


def tiny_timm(trunk, embed, side, context, vocab, width, layers, causal=False) -> Reference:
    text = {
        "context_length": context,
        "vocab_size": vocab,
        "width": width,
        "heads": width // 64,
        "layers": layers,
        "no_causal_mask": not causal,
    }
    source = f"open_clip {open_clip.__version__}, timm {timm.__version__}"
    return Reference(TimmModel(trunk, embed, text), side, context, vocab, source)


def fast_vit(channels, blocks, ratio, embed, small) -> FastVit:
    """Return a FastViT with the proportions of MCi0 to MCi2 (`small`) or of MCi3 and MCi4."""
    stages = len(blocks)
    position = partial(RepConditionalPosEnc, spatial_shape=(7, 7))
    return FastVit(
        layers=blocks,
        embed_dims=[channels << i for i in range(stages)],
        mlp_ratios=[ratio] * stages,
        downsamples=[i > 0 for i in range(stages)],
        se_downsamples=[small and i >= 2 for i in range(stages)],
        pos_embs=[position if i >= 3 else None for i in range(stages)],
        token_mixers=["attention" if i >= 3 else "repmixer" for i in range(stages)],
        lkc_use_act=True,
        stem_use_scale_branch=small,
        norm_layer=nn.BatchNorm2d if small else partial(LayerNorm2d, eps=1e-5),
        num_classes=embed,
    )


def tiny_mci() -> Reference:
    return tiny_timm(fast_vit(20, [1, 2, 1, 2], 3, 36, True), 36, 80, 9, 64, 64, 1)


def tiny_mci_deep() -> Reference:
    return tiny_timm(fast_vit(12, [1, 1, 2, 2, 1], 4, 40, False), 40, 96, 10, 70, 128, 1)


def tiny_stem_timm() -> Reference:
    stem = ConvStem(channels=(32, 32, 128), stride=(4, 2, 2), kernel_size=(4, 2, 2), padding=0, act_layer=nn.GELU)
    trunk = VisionTransformer(
        img_size=48,
        patch_size=1,
        embed_layer=partial(HybridEmbed, backbone=stem, proj=False),
        embed_dim=128,
        depth=2,
        num_heads=2,
        no_embed_class=True,
        num_classes=24,
    )
    return tiny_timm(trunk, 24, 48, 11, 80, 64, 2, causal=True)


def tiny_timm_vit() -> Reference:
    trunk = VisionTransformer(
        img_size=28,
        patch_size=7,
        embed_dim=64,
        depth=2,
        num_heads=1,
        pre_norm=True,
        norm_layer=partial(nn.LayerNorm, eps=1e-5),
        num_classes=28,
    )
    return tiny_timm(trunk, 28, 28, 12, 90, 64, 2)


# Apple's models.


def exact_attention(self, x_q, x_kv=None, key_padding_mask=None, attn_mask=None):
    """Apple's self-attention without its conversion to float32."""
    assert x_kv is None and key_padding_mask is None
    batch, tokens, width = x_q.shape
    split = self.qkv_proj(x_q).reshape(batch, tokens, 3, self.num_heads, self.head_dim)
    query, key, value = split.permute(2, 0, 3, 1, 4)
    scores = query @ key.transpose(-1, -2) * self.scaling
    if attn_mask is not None:
        scores = scores + attn_mask.unsqueeze(1)
    mixed = scores.softmax(-1) @ value
    return self.out_proj(mixed.transpose(1, 2).reshape(batch, tokens, width))


def import_apple(path: str, exact: bool = True) -> types.ModuleType:
    sys.path.insert(0, path)
    import mobileclip
    from mobileclip.modules.common import transformer

    if exact:
        transformer.MultiHeadAttention._forward_impl = exact_attention
        transformer.LayerNormFP32.forward = nn.LayerNorm.forward
    return mobileclip


APPLE_SOURCE = "apple/ml-mobileclip 4144bb1"


def apple_full_size(name: str, apple) -> Reference:
    model, _, _ = apple.create_model_and_transforms(APPLE[name], reparameterize=False)
    side = 256 if name == "mobileclip-s0" else 224
    return Reference(model, side, 77, 49408, APPLE_SOURCE)


def apple_text(width, context, vocab, layers, embed, causal, variant):
    from mobileclip.text_encoder import TextTransformer

    config = {
        "context_length": context,
        "vocab_size": vocab,
        "dim": width,
        "ffn_multiplier_per_layer": 4.0,
        "n_heads_per_layer": width // 64,
        "n_transformer_layers": layers,
        "norm_layer": "layer_norm_fp32",
        "causal_masking": causal,
        "model_name": variant,
    }
    return TextTransformer(config, embed)


class AppleModel(nn.Module):
    """Combine towers as Apple's CLIP does."""

    def __init__(self, image, text):
        super().__init__()
        self.image_encoder = nn.Module()
        self.image_encoder.model = image
        self.text_encoder = text
        self.logit_scale = nn.Parameter(torch.zeros([]))

    def encode_image(self, images):
        return self.image_encoder.model(images)

    def encode_text(self, texts):
        return self.text_encoder(texts)


def tiny_stem_apple(apple) -> Reference:
    from mobileclip.models.vit import VisionTransformer as AppleVit
    from mobileclip.modules.common.transformer import PositionalEmbedding

    config = {"norm_layer": "layer_norm_fp32", "embed_dim": 128, "n_transformer_layers": 2, "n_attn_heads": 2}
    image = AppleVit(config, projection_dim=24)
    image.pos_embed = PositionalEmbedding(num_embeddings=9, embedding_dim=128)
    return Reference(AppleModel(image, apple_text(64, 11, 80, 2, 24, True, "base")), 48, 11, 80, APPLE_SOURCE)


def tiny_hybrid(apple) -> Reference:
    from mobileclip.models.mci import FastViT, RepCPE
    from mobileclip.modules.image.image_projection import GlobalPool2D

    image = FastViT(
        [1, 1, 1, 1],
        token_mixers=("repmixer", "repmixer", "repmixer", "attention"),
        embed_dims=[4, 8, 16, 32],
        mlp_ratios=[3] * 4,
        downsamples=[True] * 4,
        se_downsamples=[False, False, True, True],
        pos_embs=[None, None, None, partial(RepCPE, spatial_shape=(7, 7))],
    )
    image.head = GlobalPool2D(64, 20)
    return Reference(AppleModel(image, apple_text(128, 14, 100, 2, 20, False, "mct")), 64, 14, 100, APPLE_SOURCE)


TINY = {
    "tiny-mci": lambda apple: tiny_mci(),
    "tiny-mci-deep": lambda apple: tiny_mci_deep(),
    "tiny-stem-timm": lambda apple: tiny_stem_timm(),
    "tiny-stem-apple": tiny_stem_apple,
    "tiny-timm-vit": lambda apple: tiny_timm_vit(),
    "tiny-hybrid": tiny_hybrid,
}

# Values.

# Modules of Apple's FastViT with four stages and positions in the last.
NETWORK = ("stages.0.blocks", "stages.1.downsample", "stages.1.blocks", "stages.2.downsample", "stages.2.blocks",
           "stages.3.downsample", "stages.3.pos_emb", "stages.3.blocks")  # fmt: skip
BLOCK = {
    "pre_norm_mha.0.": ("norm1.", "ln_1."),
    "pre_norm_mha.1.qkv_proj.": ("attn.qkv.", "attn.in_proj_"),
    "pre_norm_mha.1.out_proj.": ("attn.proj.", "attn.out_proj."),
    "pre_norm_ffn.0.": ("norm2.", "ln_2."),
    "pre_norm_ffn.1.": ("mlp.fc1.", "mlp.c_fc."),
    "pre_norm_ffn.4.": ("mlp.fc2.", "mlp.c_proj."),
}


def canonical(name: str, hybrid: bool) -> str:
    """Return open_clip's name for one of Apple's tensors; the hybrid tower's blocks have only Apple's names."""
    if name.startswith("text_encoder.transformer."):
        if hybrid:
            return name
        block, inner = name.removeprefix("text_encoder.transformer.").split(".", 1)
        own = next(own for own in BLOCK if inner.startswith(own))
        return f"text.transformer.resblocks.{block}.{inner.replace(own, BLOCK[own][1])}"
    fixed = {
        "text_encoder.projection_layer": "text.text_projection",
        "text_encoder.embedding_layer.weight": "text.token_embedding.weight",
        "text_encoder.positional_embedding.pos_embed.pos_embed": "text.positional_embedding",
        "text_encoder.final_layer_norm.weight": "text.ln_final.weight",
        "text_encoder.final_layer_norm.bias": "text.ln_final.bias",
        "image_encoder.model.head.proj": "visual.trunk.head.fc.weight",
        "image_encoder.model.classifier.proj": "visual.trunk.head.weight",
        "image_encoder.model.pos_embed.pos_embed.pos_embed": "visual.trunk.pos_embed",
    }
    if name in fixed:
        return fixed[name]
    if not name.startswith("image_encoder.model."):
        return name
    inner = name.removeprefix("image_encoder.model.")
    if inner.startswith("transformer."):
        block, inner = inner.removeprefix("transformer.").split(".", 1)
        own = next(own for own in BLOCK if inner.startswith(own))
        inner = f"blocks.{block}.{inner.replace(own, BLOCK[own][0])}"
    inner = re.sub(r"^network\.(\d+)", lambda match: NETWORK[int(match[1])], inner)
    inner = re.sub(r"(layer_scale(_[12])?)$", r"\1.gamma", inner)
    for theirs, ours in {
        "patch_embed.": "stem.",
        "rbr_conv": "conv_kxk",
        "rbr_scale": "conv_scale",
        "rbr_skip": "identity",
        "lkb_origin": "large_conv",
        "convffn": "mlp",
        "conv_exp": "final_conv",
        "se.reduce": "se.fc1",
        "se.expand": "se.fc2",
        "pos_emb.pe.": "pos_emb.pos_enc.",
        "post_transformer_norm": "norm",
    }.items():
        inner = inner.replace(theirs, ours)
    inner = re.sub(r"^patch_emb\.(\d)\.block\.", r"patch_embed.backbone.\1.", inner)
    if inner.startswith("patch_embed.backbone."):
        inner = inner.replace(".norm.", ".bn.")
    return f"visual.trunk.{inner}"


def fill(name: str, reference: Reference) -> None:
    """Set the model's weights to the generated values, in float64."""
    model = reference.model.double().requires_grad_(False)
    state = model.state_dict()
    hybrid = any(key.startswith("text_encoder.transformer.0.token_mixer") for key in state)
    for key, parameter in state.items():
        if key.endswith("num_batches_tracked"):
            continue
        own = canonical(key, hybrid)
        shape = tuple(parameter.shape)
        if name in ZERO_HEAD_BIAS and re.fullmatch(r"visual\.trunk\.head\.(fc\.)?bias", own):
            values = np.zeros(shape, dtype=np.float32)
        elif key.endswith((".head.proj", ".classifier.proj")):
            values = checkpoint_values.values(own, shape[::-1], SEED).T
        else:
            # Apple's positions have leading dimensions of size 1.
            dimensions = {"text.positional_embedding": 2, "visual.trunk.pos_embed": 3}.get(own, len(shape))
            kept = shape[len(shape) - dimensions :]
            values = checkpoint_values.values(own, kept, SEED).reshape(shape)
        parameter.copy_(torch.from_numpy(values.copy()))


# Stages.


def modules(model: nn.Module) -> tuple[list, list]:
    """Return the stages of both towers: a name and a module, whose output is recorded, or with `>` its input."""
    if hasattr(model, "visual"):
        trunk = model.visual.trunk
        text = model.text.transformer.resblocks
        if isinstance(trunk, FastVit):
            image = [("stem", trunk.stem)]
            for i, stage in enumerate(trunk.stages):
                image += [(f"stages.{i}.downsample", stage.downsample)] if i else []
                if hasattr(stage.pos_emb, "pos_enc"):
                    image.append((f"stages.{i}.position", stage.pos_emb))
                image += [(f"stages.{i}.blocks.{j}", block) for j, block in enumerate(stage.blocks)]
            image.append(("final", trunk.final_conv))
        else:
            backbone = getattr(trunk.patch_embed, "backbone", ())
            image = [(f"stem.{i}", layer) for i, layer in enumerate(backbone)]
            image.append((">tokens", trunk.blocks[0]))
            image += [(f"blocks.{i}", block) for i, block in enumerate(trunk.blocks)]
    else:
        tower = model.image_encoder.model
        text = model.text_encoder.transformer
        if hasattr(tower, "network"):
            image = [("stem", tower.patch_embed)]
            for place, module in zip(NETWORK, tower.network):
                if place.endswith("blocks"):
                    image += [(f"{place}.{j}", block) for j, block in enumerate(module)]
                else:
                    image.append((place.replace("pos_emb", "position"), module))
            image.append(("final", tower.conv_exp))
        else:
            image = [(f"stem.{i}", layer) for i, layer in enumerate(tower.patch_emb)]
            image.append((">tokens", tower.transformer[0]))
            image += [(f"blocks.{i}", block) for i, block in enumerate(tower.transformer)]
    return image, [(">tokens", text[0])] + [(f"blocks.{i}", block) for i, block in enumerate(text)]


def record(stages: list, run) -> tuple[list, torch.Tensor]:
    """Run `run`. Return its stages, feature maps with channels last, and its result."""
    recorded, hooks = [], []

    def keep(name, value):
        value = value.permute(0, 2, 3, 1) if value.dim() == 4 else value
        recorded.append((name, value.numpy().copy()))

    for name, module in stages:
        if name.startswith(">"):
            before = lambda _, args, name=name: keep(name[1:], args[0])
            hooks.append(module.register_forward_pre_hook(before))
        else:
            hooks.append(module.register_forward_hook(lambda _, args, out, name=name: keep(name, out)))
    projected = run()
    for hook in hooks:
        hook.remove()
    return [*recorded, ("projected", projected.numpy())], projected


def write(name: str, reference: Reference) -> dict:
    """Write the goldens of a model and return its entry of the index."""
    fill(name, reference)
    context, vocab = reference.context, reference.vocab
    sequences = [ids(text, context, vocab) for text in range(TEXTS)]
    padded = torch.tensor([sequence + [0] * (context - len(sequence)) for sequence in sequences])
    images = torch.from_numpy(np.stack([pixels(image, reference.side) for image in range(IMAGES)])).double()

    entry = {"name": name, "reference": reference.source, "image_size": reference.side}
    if reference.config:
        entry["model_cfg"] = reference.config
    entry["ids"] = sequences
    model = reference.model
    runs = ("image", lambda: model.encode_image(images)), ("text", lambda: model.encode_text(padded))
    for (what, run), stages in zip(runs, modules(model)):
        recorded, projected = record(stages, run)
        unit = F.normalize(projected, dim=-1).numpy()
        assert unit.dtype == np.float64 and np.isfinite(unit).all()
        np.save(FOLDER / f"{name}-{what}.npy", np.ascontiguousarray(unit))
        if name.startswith("tiny"):
            flat = np.concatenate([array.ravel() for _, array in recorded]).astype(np.float32)
            np.save(FOLDER / f"{name}-{what}-stages.npy", flat)
            entry[f"{what}_stages"] = [[stage, list(array.shape)] for stage, array in recorded]
        spread = " ".join(f"{array.std():.2f}" for _, array in recorded)
        cosines = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
        print(f"{name} {what}: std {spread}; cosines {np.round(cosines, 3)}", flush=True)
    return entry


@torch.inference_mode()
def main(path: str, names: list[str]) -> None:
    apple = import_apple(path)
    index = json.loads((FOLDER / "index.json").read_text())
    entries = {entry["name"]: entry for entry in index.get("mobileclip", [])}
    order = [*TINY, *APPLE, *OPEN_CLIP]
    for name in names or order:
        if name in TINY:
            reference = TINY[name](apple)
        elif name in APPLE:
            reference = apple_full_size(name, apple)
        else:
            reference = full_size(name)
        entries[name] = write(name, reference)
    index["mobileclip"] = [entries[name] for name in order if name in entries]
    text = json.dumps(index, separators=(",", ":")).replace('{"name"', '\n{"name"')
    (FOLDER / "index.json").write_text(text + "\n")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: goldens_mobileclip.py APPLE [NAME...]")
    main(sys.argv[1], sys.argv[2:])
