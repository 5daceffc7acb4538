"""Write the multilingual part of tests/goldens/models: results of open_clip and transformers in float64.

Not needed to build or test clippie-rs. To regenerate the goldens (the published sizes take up to 20 GB of memory):

    pip install torch==2.15.0 open_clip_torch==3.3.0 timm==1.0.31 transformers==5.24.0 numpy==2.4.6
    OMP_NUM_THREADS=2 python tools/reference/goldens_multilingual.py [NAME...]

Files, float64 and row-major:

    NAME-image.npy  [2, embed]  unit embeddings of the images
    NAME-text.npy   [4, embed]  unit embeddings of the texts

XLM-RoBERTa and NLLB are open_clip's HFTextEncoder around transformers' towers. MetaCLIP 2 is open_clip's TextTransformer
with `pool_type="eos"`; transformers' MetaClip2Model gives the same, which is checked. Texts are padded to the context length
with 1, of which the towers must make nothing.

Checkpoints come from checkpoint_values.py, inputs from goldens_vit.py; tools/testkit/src/checkpoint generates the same in
Rust.
"""

import sys
from unittest import mock

import numpy as np
import open_clip
import torch
import torch.nn as nn
import torch.nn.functional as F
from open_clip import hf_model
from timm.models.vision_transformer import VisionTransformer
from transformers import M2M100Config, MetaClip2Config, MetaClip2Model, XLMRobertaConfig

import checkpoint_values
from goldens_vit import FOLDER, IMAGES, SEED, TEXTS, ids, pixels

# Kind of image tower, (side, patch, width, layers, heads, hidden); kind of text tower with its own sizes, (context,
# vocabulary, width, layers, heads, hidden); length of the embeddings. As in multilingual.rs of the testkit.
H_14 = ("vit", (224, 14, 1280, 32, 16, 5120))
B_32 = ("vit", (224, 32, 768, 12, 12, 3072))
NLLB, NLLB_LARGE = (77, 256_206, 1024, 12, 16, 4096), (77, 256_206, 1024, 24, 16, 8192)
MODELS = {
    "tiny-xlm-roberta": (("vit", (28, 7, 40, 2, 5, 160)), ("xlm", 22, 27), (20, 90, 40, 3, 5, 120), 20),
    "tiny-xlm-roberta-long": (("vit", (28, 7, 40, 2, 5, 160)), ("xlm", 100, 32), (77, 120, 48, 2, 3, 120), 20),
    "tiny-nllb-siglip": (("siglip", (28, 7, 72, 2, 3, 180)), ("nllb",), (77, 130, 40, 3, 5, 120), 72),
    "tiny-nllb": (("vit", (28, 7, 40, 2, 5, 160)), ("nllb",), (77, 100, 64, 2, 4, 128), 20),
    "tiny-worldwide": (("vit", (28, 7, 40, 2, 5, 160)), ("worldwide", 2, True), (20, 120, 40, 3, 5, 160), 20),
    "tiny-worldwide-mt5": (("vit", (28, 7, 40, 2, 5, 160)), ("worldwide", 1, False), (12, 90, 40, 3, 5, 160), 20),
    "xlm-r-base-vit-b-32": (B_32, ("xlm", 514, 640), (77, 250_002, 768, 12, 12, 3072), 512),
    "xlm-r-large-vit-h-14": (H_14, ("xlm", 514, 1024), (77, 250_002, 1024, 24, 16, 4096), 1024),
    "nllb-clip-base": (B_32, ("nllb",), NLLB, 512),
    "nllb-clip-base-siglip": (("siglip", (384, 16, 768, 12, 12, 3072)), ("nllb",), NLLB, 768),
    "nllb-clip-large-siglip": (("siglip", (384, 14, 1152, 27, 16, 4304)), ("nllb",), NLLB_LARGE, 1152),
    "metaclip2-b-32": (B_32, ("worldwide", 2, True), (77, 901_629, 512, 12, 8, 2048), 512),
    "metaclip2-mt5-s-16": (
        ("vit", (224, 16, 384, 12, 6, 1536)),
        ("worldwide", 1, False),
        (77, 250_000, 384, 12, 6, 1536),
        384,
    ),
    "metaclip2-l-14": (
        ("vit", (224, 14, 1024, 24, 16, 4096)),
        ("worldwide", 2, True),
        (77, 901_629, 768, 12, 12, 3072),
        768,
    ),
    "metaclip2-h-14": (H_14, ("worldwide", 2, True), (77, 901_629, 1024, 24, 16, 4096), 1024),
}
# Those with QuickGELU in both towers.
QUICK = ["metaclip2-h-14"]
# Those that the tests read; those of the larger ones are for comparisons by name.
USUAL = [name for name in MODELS if name.startswith("tiny-")] + ["xlm-r-base-vit-b-32"]


def image_tower(kind: str, size: tuple, embed: int, quick: bool) -> nn.Module:
    side, patch, width, layers, heads, hidden = size
    if kind == "siglip":
        tower = nn.Module()
        tower.trunk = VisionTransformer(
            img_size=side,
            patch_size=patch,
            embed_dim=width,
            depth=layers,
            num_heads=heads,
            mlp_ratio=(hidden + 0.5) / width,
            class_token=False,
            global_pool="map",
            num_classes=0,
        )
        return tower
    config = {"image_size": side, "patch_size": patch, "width": width, "layers": layers, "head_width": width // heads}
    return open_clip.model._build_vision_tower(embed, {**config, "mlp_ratio": (hidden + 0.5) / width}, quick)


def text_tower(kind: tuple, size: tuple, embed: int, quick: bool) -> nn.Module:
    context, vocab, width, layers, heads, hidden = size
    if kind[0] == "worldwide":
        config = {"context_length": context, "vocab_size": vocab, "width": width, "heads": heads, "layers": layers}
        config |= {"mlp_ratio": (hidden + 0.5) / width, "pool_type": "eos", "eos_id": kind[1]}
        return open_clip.model._build_text_tower(embed, config, quick)
    if kind[0] == "xlm":
        config = XLMRobertaConfig(
            vocab_size=vocab,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=hidden,
            max_position_embeddings=kind[1],
            type_vocab_size=1,
            layer_norm_eps=1e-5,
        )
        projection = {"proj_type": "mlp", "pooler_type": "mean_pooler"}
    else:
        # The decoder is not used.
        config = M2M100Config(
            vocab_size=vocab,
            d_model=width,
            encoder_layers=layers,
            decoder_layers=1,
            encoder_attention_heads=heads,
            decoder_attention_heads=heads,
            encoder_ffn_dim=hidden,
            decoder_ffn_dim=8,
            max_position_embeddings=1024,
            scale_embedding=True,
        )
        projection = {"proj_type": "linear", "pooler_type": "cls_pooler"}
    with mock.patch.object(hf_model.AutoConfig, "from_pretrained", return_value=config):
        tower = hf_model.HFTextEncoder("the configuration above", embed, pretrained=False, **projection)
    if kind[0] == "xlm" and kind[2] != tower.proj[0].out_features:
        tower.proj[0], tower.proj[2] = nn.Linear(width, kind[2], bias=False), nn.Linear(kind[2], embed, bias=False)
    return tower


def fill(tower: nn.Module, prefix: str) -> nn.Module:
    """Set the weights of a tower to the generated values, in float64."""
    tower = tower.eval().requires_grad_(False)
    for name, parameter in list(tower.named_parameters()):
        values = torch.from_numpy(checkpoint_values.values(prefix + name, tuple(parameter.shape), SEED)).double()
        module = tower
        *path, last = name.split(".")
        for part in path:
            module = getattr(module, part)
        setattr(module, last, nn.Parameter(values, requires_grad=False))
    return tower.double()


def multilingual_ids(text: int, kind: tuple, context: int, vocab: int) -> list[int]:
    """Return the token ids of text `text`, as in golden.rs of the testkit."""
    length = len(ids(text, context, vocab))
    first, end = {"xlm": ([0], 2), "nllb": ([vocab - 5], 2)}.get(kind[0]) or ([0] if kind[2] else [], kind[1])
    count = length - 1 - len(first)
    high = checkpoint_values.bits(f"ids.{text}", SEED, 0, count) >> np.uint64(32)
    middle = [3 + (int(bits) * (vocab - 3) >> 32) for bits in high]
    sequence = [*first, *middle, end]
    if text == 2 and kind[0] != "worldwide":
        sequence[3:5] = [1, 1]
    return sequence


@torch.inference_mode()
def write(name: str) -> None:
    (image_kind, image), kind, size, embed = MODELS[name]
    context, vocab = size[:2]
    texts = torch.tensor(
        [
            (sequence := multilingual_ids(text, kind, context, vocab)) + [1] * (context - len(sequence))
            for text in range(TEXTS)
        ]
    )
    tower = fill(text_tower(kind, size, embed, name in QUICK), "" if kind[0] == "worldwide" else "text.")
    encoded = tower(texts)
    if kind[0] == "worldwide" and name.startswith("tiny-"):
        other = of_transformers(tower, kind, size, embed)(texts)
        assert torch.allclose(encoded, other, rtol=0, atol=1e-12), "transformers differs"
    save(f"{name}-text", encoded)
    del tower
    images = torch.from_numpy(np.stack([pixels(index, image[0]) for index in range(IMAGES)])).double()
    tower = fill(image_tower(image_kind, image, embed, name in QUICK), "visual.")
    save(f"{name}-image", tower.trunk(images) if image_kind == "siglip" else tower(images))


def of_transformers(tower: nn.Module, kind: tuple, size: tuple, embed: int):
    """Return the text tower of MetaClip2Model with the weights of open_clip's."""
    context, vocab, width, layers, heads, hidden = size
    text = {
        "vocab_size": vocab,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": hidden,
        "max_position_embeddings": context,
        "hidden_act": "gelu",
        "eos_token_id": kind[1],
    }
    vision = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8, "image_size": 32}
    model = MetaClip2Model(MetaClip2Config(text_config=text, vision_config=vision, projection_dim=embed))
    model = model.eval().double().requires_grad_(False)
    theirs, ours = model.text_model, tower.state_dict()
    theirs.embeddings.token_embedding.weight.copy_(ours["token_embedding.weight"])
    theirs.embeddings.position_embedding.weight.copy_(ours["positional_embedding"])
    theirs.final_layer_norm.weight.copy_(ours["ln_final.weight"])
    theirs.final_layer_norm.bias.copy_(ours["ln_final.bias"])
    model.text_projection.weight.copy_(ours["text_projection"].T)
    for i, layer in enumerate(theirs.encoder.layers):
        block = f"transformer.resblocks.{i}."
        for part in ("weight", "bias"):
            thirds = ours[f"{block}attn.in_proj_{part}"].chunk(3)
            for to, third in zip((layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj), thirds):
                getattr(to, part).copy_(third)
            for to, name in (
                (layer.self_attn.out_proj, "attn.out_proj"),
                (layer.layer_norm1, "ln_1"),
                (layer.layer_norm2, "ln_2"),
                (layer.mlp.fc1, "mlp.c_fc"),
                (layer.mlp.fc2, "mlp.c_proj"),
            ):
                getattr(to, part).copy_(ours[f"{block}{name}.{part}"])
    pooled = lambda out: getattr(out, "pooler_output", out)
    return lambda texts: pooled(model.get_text_features(input_ids=texts))


def save(name: str, projected: torch.Tensor) -> None:
    unit = F.normalize(projected, dim=-1).numpy()
    assert unit.dtype == np.float64 and np.isfinite(unit).all()
    np.save(FOLDER / f"{name}.npy", np.ascontiguousarray(unit))
    cosines = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
    print(f"{name}: cosines {np.round(cosines, 3)}", flush=True)


def main(names: list[str]) -> None:
    for name in names or USUAL:
        write(name)


if __name__ == "__main__":
    main(sys.argv[1:])
