"""Write the Perception Encoder part of tests/goldens/models: results of open_clip in float64.

Not needed to build or test clippie-rs. To regenerate the goldens (PE-Core-bigG in float64 needs 20 GB of memory):

    pip install torch==2.15.0 open_clip_torch==3.3.0 timm==1.0.31 numpy==2.4.6
    OMP_NUM_THREADS=2 python tools/reference/goldens_perception.py [NAME...]

Files, float64 and row-major:

    NAME-image.npy         [2, embed]                     unit embeddings of the images
    NAME-text.npy          [4, embed]                     unit embeddings of the texts
    NAME-image-stages.npy  [layers + 1, 2, tokens, width]  input of the first block and output of every block, small ones

Checkpoints come from checkpoint_values.py, inputs from goldens_vit.py; tools/testkit/src/checkpoint generates the same in
Rust. timm computes the angles of the rotary positions in float32 and keeps them so, whatever the type of the model.
"""

import sys
from functools import partial

import numpy as np
import open_clip
import torch
import torch.nn as nn
import torch.nn.functional as F
from timm.models.eva import Eva

import checkpoint_values
from goldens_vit import FOLDER, IMAGES, SEED, TEXTS, ids, pixels

# Image size and patch; width, layers, heads and hidden channels of the image tower; whether it has a class token; context
# and vocabulary; width, layers, heads and hidden channels of the text tower; length of the embeddings; whether the
# projection of the image tower has a bias of its own. As in perception.rs of the testkit.
MODELS = {
    "tiny-perception": ((28, 7), (160, 3, 2, int(160 * 2.7362)), True, (16, 90), (64, 2, 1, 256), 48, False),
    "tiny-perception-giant": ((24, 8), (192, 2, 2, 1120), False, (20, 64), (72, 2, 3, 144), 24, True),
    "tiny-perception-narrow": ((20, 4), (40, 2, 2, 120), True, (12, 70), (40, 2, 2, 160), 56, False),
}
PUBLISHED = {
    "pe-core-t-16-384": "PE-Core-T-16-384",
    "pe-core-s-16-384": "PE-Core-S-16-384",
    "pe-core-b-16-224": "PE-Core-B-16",
    "pe-core-l-14-336": "PE-Core-L-14-336",
    "pe-core-g-14-448": "PE-Core-bigG-14-448",
}
# Those that the tests read. The others are for comparisons by hand.
USUAL = [*MODELS, "pe-core-t-16-384", "pe-core-b-16-224"]


class OpenClip(nn.Module):
    """Combine towers as open_clip's CustomTextCLIP does with registered ones."""

    def __init__(self, image, blocks, class_token, texts, text_blocks, embed):
        super().__init__()
        (side, patch), (width, layers, heads, hidden) = image, blocks
        (context, vocab), (text_width, text_layers, text_heads, text_hidden) = texts, text_blocks
        grid = (side // patch, side // patch)
        self.visual = nn.Module()
        self.visual.trunk = Eva(
            img_size=side,
            patch_size=patch,
            embed_dim=width,
            depth=layers,
            num_heads=heads,
            mlp_ratio=(hidden + 0.5) / width,
            num_classes=embed,
            global_pool="map",
            class_token=class_token,
            attn_type="rope",
            use_pre_transformer_norm=True,
            use_rot_pos_emb=True,
            ref_feat_shape=grid,
            rope_grid_offset=1.0 if class_token else 0.0,
            rope_grid_indexing="xy",
            attn_pool_num_heads=8,
            attn_pool_mlp_ratio=4.0,
            norm_layer=partial(nn.LayerNorm, eps=1e-5),
        )
        config = {
            "context_length": context,
            "vocab_size": vocab,
            "width": text_width,
            "heads": text_heads,
            "layers": text_layers,
            "mlp_ratio": (text_hidden + 0.5) / text_width,
        }
        self.text = open_clip.model._build_text_tower(embed, config)
        self.logit_scale = nn.Parameter(torch.zeros([]))

    def encode_image(self, images):
        return self.visual.trunk(images)

    def encode_text(self, texts):
        return self.text(texts)


def fill(model: nn.Module, has_bias: bool) -> nn.Module:
    """Set the weights of a model to the generated values, in float64, one tensor at a time."""
    model = model.eval().requires_grad_(False)
    for name, parameter in list(model.named_parameters()):
        values = checkpoint_values.values(name, tuple(parameter.shape), SEED)
        if name == "visual.trunk.head.bias" and not has_bias:
            # Meta's layout has no such tensor.
            values[:] = 0.0
        module = model
        *path, last = name.split(".")
        for part in path:
            module = getattr(module, part)
        setattr(module, last, nn.Parameter(torch.from_numpy(values).double(), requires_grad=False))
    return model.double()


def save(name: str, projected: torch.Tensor) -> None:
    unit = F.normalize(projected, dim=-1).numpy()
    assert unit.dtype == np.float64 and np.isfinite(unit).all()
    np.save(FOLDER / f"{name}.npy", np.ascontiguousarray(unit))
    cosines = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
    print(f"{name}: cosines {np.round(cosines, 3)}", flush=True)


@torch.inference_mode()
def write(name: str) -> None:
    if name in PUBLISHED:
        model, has_bias = open_clip.create_model(PUBLISHED[name]), False
        side = model.visual.trunk.patch_embed.img_size[0]
        context, vocab = model.text.context_length, model.text.vocab_size
    else:
        *sizes, has_bias = MODELS[name]
        model = OpenClip(*sizes)
        (side, _), (context, vocab) = sizes[0], sizes[3]
    fill(model, has_bias)
    images = torch.from_numpy(np.stack([pixels(index, side) for index in range(IMAGES)])).double()
    texts = torch.tensor(
        [(sequence := ids(text, context, vocab)) + [0] * (context - len(sequence)) for text in range(TEXTS)]
    )
    stages = []
    if name.startswith("tiny-"):
        trunk = model.visual.trunk
        trunk.norm_pre.register_forward_hook(lambda module, args, out: stages.append(out))
        for block in trunk.blocks:
            block.register_forward_hook(lambda module, args, out: stages.append(out))
    save(f"{name}-image", model.encode_image(images))
    if stages:
        np.save(FOLDER / f"{name}-image-stages.npy", torch.stack(stages).numpy())
    save(f"{name}-text", model.encode_text(texts))


def main(names: list[str]) -> None:
    for name in names or USUAL:
        write(name)


if __name__ == "__main__":
    main(sys.argv[1:])
