"""Write the ResNet part of tests/goldens/models: open_clip's results for generated checkpoints in float64.

Not needed to build or test clippie-rs. To regenerate the goldens (RN50x64 in float64 needs 10 GB of memory):

    pip install torch==2.15.0 open_clip_torch==3.3.0 numpy==2.4.6
    OMP_NUM_THREADS=2 python tools/reference/goldens_resnet.py [NAME...]

Files, float64 and row-major:

    NAME-image.npy              [2, embed]                unit embeddings of the images
    NAME-text.npy               [4, embed]                unit embeddings of the texts
    TINY-image-STAGE.npy        [2, channels, side, side] maps after the stem and after each block, stem and 0-0, 0-1 ...
    TINY-image-projected.npy    [2, embed]                embeddings before normalisation
    TINY-image-trap-TRAP.npy    [2, embed]                unit embeddings of a mistaken tower

Checkpoints come from checkpoint_values.py, texts from goldens_vit.py; tools/testkit/src/checkpoint generates the same in
Rust.
"""

import sys

import numpy as np
import open_clip
import torch
import torch.nn as nn
import torch.nn.functional as F

import checkpoint_values
from goldens_vit import FOLDER, IMAGES, SEED, TEXTS, ids

PUBLISHED = {"rn50": "RN50", "rn101": "RN101", "rn50x4": "RN50x4", "rn50x16": "RN50x16", "rn50x64": "RN50x64"}


def pixels(image: int, side: int) -> np.ndarray:
    """Return normalised pixels in squares of one colour each, float32 [3, side, side]."""
    squares = -(-side // 8)
    values = checkpoint_values.uniform(f"pixels.{image}", SEED, 3 * squares * squares, 0.1, 2.1)
    return np.kron(values.reshape(3, squares, squares), np.ones((1, 8, 8), np.float32))[:, :side, :side]


def text(context: int, vocabulary: int) -> dict:
    return {"context_length": context, "vocab_size": vocabulary, "width": 64, "heads": 1, "layers": 2}


# As in tools/testkit/src/checkpoint/resnet.rs.
TINY = {
    "tiny-resnet": (20, {"image_size": 96, "width": 12, "layers": [1, 2, 1, 1]}, text(11, 90)),
    "tiny-resnet-odd": (33, {"image_size": 64, "width": 18, "layers": [2, 1, 1, 2]}, text(9, 64)),
}


def config(name: str) -> dict:
    if name in PUBLISHED:
        return {**open_clip.get_model_config(PUBLISHED[name]), "quick_gelu": True}
    embed, image, words = TINY[name]
    return {"embed_dim": embed, "quick_gelu": True, "vision_cfg": {**image, "patch_size": None}, "text_cfg": words}


def build(model_cfg: dict) -> open_clip.CLIP:
    """Return open_clip's model with generated values, in float64."""
    model = open_clip.model.CLIP(**model_cfg).eval()
    model.double().requires_grad_(False)
    for name, parameter in model.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            values = checkpoint_values.values(name, tuple(parameter.shape), SEED)
            parameter.copy_(torch.from_numpy(values))
    return model


def save(name: str, tensor) -> None:
    array = np.ascontiguousarray(tensor.numpy())
    assert array.dtype == np.float64 and np.isfinite(array).all()
    np.save(FOLDER / f"{name}.npy", array)


def max_pool(visual) -> None:
    visual.avgpool = nn.MaxPool2d(3, stride=2, padding=1)


def strided_convolution(visual) -> None:
    """Let the 3 x 3 convolutions have the stride, as in other ResNets."""
    for stage in (visual.layer2, visual.layer3, visual.layer4):
        stage[0].conv2.stride = (2, 2)
        stage[0].avgpool = nn.Identity()


def strided_identity(visual) -> None:
    """Let the convolution of the identity have the stride."""
    for stage in (visual.layer2, visual.layer3, visual.layer4):
        stage[0].downsample[0] = nn.Identity()
        stage[0].downsample[1].stride = (2, 2)


def pixel_query(visual) -> None:
    """Let the first pixel be the query instead of the mean."""
    pool = visual.attnpool
    attention = F.multi_head_attention_forward

    def forward(x):
        tokens = x.flatten(2).permute(2, 0, 1)
        tokens = torch.cat([tokens.mean(dim=0, keepdim=True), tokens]) + pool.positional_embedding[:, None]
        weights = [getattr(pool, f"{part}_proj") for part in "qkv"]
        out, _ = attention(
            tokens[1:2], tokens, tokens, tokens.shape[-1], pool.num_heads, None,
            torch.cat([layer.bias for layer in weights]), None, None, False, 0, pool.c_proj.weight, pool.c_proj.bias,
            use_separate_proj_weight=True, q_proj_weight=weights[0].weight, k_proj_weight=weights[1].weight,
            v_proj_weight=weights[2].weight, training=False, need_weights=False,
        )
        return out[0]

    pool.forward = forward


TRAPS = {
    "max-pool": max_pool,
    "strided-convolution": strided_convolution,
    "strided-identity": strided_identity,
    "pixel-query": pixel_query,
}


@torch.inference_mode()
def write(name: str) -> None:
    model_cfg = config(name)
    model = build(model_cfg)
    words = model_cfg["text_cfg"]
    context = words["context_length"]
    side = model_cfg["vision_cfg"]["image_size"]
    sequences = [ids(text, context, words["vocab_size"]) for text in range(TEXTS)]
    padded = torch.tensor([sequence + [0] * (context - len(sequence)) for sequence in sequences])
    images = torch.from_numpy(np.stack([pixels(image, side) for image in range(IMAGES)])).double()

    maps = {}
    keep = lambda name: lambda module, args, out: maps.__setitem__(name, out)
    model.visual.avgpool.register_forward_hook(keep("stem"))
    for stage in range(4):
        for j, block in enumerate(getattr(model.visual, f"layer{stage + 1}")):
            block.register_forward_hook(keep(f"{stage}-{j}"))
    projected = model.encode_image(images)
    if name in TINY:
        for stage, array in maps.items():
            save(f"{name}-image-{stage}", array)
        save(f"{name}-image-projected", projected)
        for trap, change in TRAPS.items():
            wrong = build(model_cfg)
            change(wrong.visual)
            unit = F.normalize(wrong.encode_image(images), dim=-1)
            save(f"{name}-image-trap-{trap}", unit)
            off = (unit - F.normalize(projected, dim=-1)).abs().max()
            print(f"{name} {trap}: {off:.1e} off", flush=True)
    spread = " ".join(f"{maps[key].std():.2f}" for key in maps)
    for what, out in (("image", projected), ("text", model.encode_text(padded))):
        unit = F.normalize(out, dim=-1)
        save(f"{name}-{what}", unit)
        cosines = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
        print(f"{name} {what}: cosines {np.round(cosines.numpy(), 4)}", flush=True)
    print(f"{name}: std of maps {spread}", flush=True)


if __name__ == "__main__":
    for model_name in sys.argv[1:] or [*TINY, *PUBLISHED]:
        write(model_name)
