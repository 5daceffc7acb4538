"""Load generated MobileCLIP checkpoints of every layout with the published code and compare with goldens.

Not needed to build or test clippie-rs. Verifies that the published code loads the generator's files in strict mode, and
that the folded layouts compute the same; all in float64.

    pip install torch==2.15.0 open_clip_torch==3.3.0 timm==1.0.31 safetensors==0.8.0 numpy==2.4.6
    git clone https://github.com/apple/ml-mobileclip APPLE && git -C APPLE checkout 4144bb1
    cargo build --release --example generate-checkpoint
    OMP_NUM_THREADS=1 python tools/reference/check_mobileclip.py target/release/examples/generate-checkpoint APPLE \
        tiny-mci tiny-mci-deep tiny-stem tiny-timm-vit tiny-hybrid mobileclip-s0
"""

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import open_clip
import timm.utils
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import goldens_mobileclip
from goldens_mobileclip import APPLE, OPEN_CLIP, TINY
from goldens_vit import FOLDER, IMAGES, TEXTS, ids, pixels

LAYOUTS = ("open-clip", "open-clip-bin", "open-clip-folded", "apple", "apple-folded", "apple-prefixed")
# The folded layouts differ only by the rounding of folded kernels to float32.
LIMITS = {"open-clip-folded": 1e-6, "apple-folded": 1e-6}
EXACT = 1e-12


def golden_name(name: str, layout: str) -> str:
    """As mobileclip_golden in tools/testkit/src/checkpoint/golden.rs."""
    name = name.removesuffix("-lt")
    if name in ("mobileclip-s3", "mobileclip-s4", "mobileclip-l-14"):
        return name.replace("mobileclip-", "mobileclip2-")
    if name in ("mobileclip-b", "tiny-stem"):
        return f"{name}-{'apple' if layout == 'apple' else 'timm'}"
    return name


def build(golden: str, own_names: bool, apple):
    """Return the reference model with the names of a layout, and its input sizes."""
    if own_names:
        if golden == "tiny-mci":
            return tiny_mci_apple()
        if golden in TINY:
            return TINY[golden](apple)
        model, _, _ = apple.create_model_and_transforms(
            APPLE.get(golden, golden.replace("-", "_")), reparameterize=False
        )
        side = 224 if golden == "mobileclip-b-apple" else 256
        return goldens_mobileclip.Reference(model, side, 77, 49408, "")
    return TINY[golden](apple) if golden in TINY else goldens_mobileclip.full_size(golden)


def tiny_mci_apple():
    """Return Apple's definition of tiny-mci."""
    from mobileclip.models.mci import FastViT, RepCPE
    from mobileclip.modules.image.image_projection import GlobalPool2D

    image = FastViT(
        [1, 2, 1, 2],
        token_mixers=("repmixer", "repmixer", "repmixer", "attention"),
        embed_dims=[20, 40, 80, 160],
        mlp_ratios=[3] * 4,
        downsamples=[True] * 4,
        se_downsamples=[False, False, True, True],
        pos_embs=[None, None, None, partial(RepCPE, spatial_shape=(7, 7))],
    )
    image.head = GlobalPool2D(320, 36)
    text = goldens_mobileclip.apple_text(64, 9, 64, 1, 36, False, "base")
    return goldens_mobileclip.Reference(goldens_mobileclip.AppleModel(image, text), 80, 9, 64, "")


def check(tool: str, apple, name: str, layout: str, folder: Path) -> None:
    command = [tool, "--model", name, "--layout", layout, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        print(f"  {layout}: {done.stderr.strip()}")
        return
    weights = next(path for path in folder.iterdir() if path.suffix != ".json")
    config_path = next(path for path in folder.iterdir() if path.suffix == ".json")
    config = json.loads(config_path.read_text())
    is_safetensors = weights.suffix == ".safetensors"
    state = load_file(weights) if is_safetensors else torch.load(weights, weights_only=True, mmap=True)
    if layout == "apple-prefixed":
        state = {key.removeprefix("module."): value for key, value in state.items()}

    golden = golden_name(name, layout)
    own_names = any(key.startswith("image_encoder.") for key in state)
    reference = build(golden, own_names, apple)
    model = reference.model
    if layout == "open-clip-folded":
        model.visual.trunk = timm.utils.reparameterize_model(model.visual.trunk)
    if layout == "apple-folded":
        from mobileclip.modules.common.mobileone import reparameterize_model

        model = reparameterize_model(model)
    if layout == "open-clip-bin":
        assert list(state) == list(model.state_dict()), "other names or order"
    model.double().requires_grad_(False).load_state_dict(state, strict=True)
    model.eval()

    context, vocab = reference.context, reference.vocab
    sequences = [ids(text, context, vocab) for text in range(TEXTS)]
    padded = torch.tensor([sequence + [0] * (context - len(sequence)) for sequence in sequences])
    images = torch.from_numpy(np.stack([pixels(image, reference.side) for image in range(IMAGES)])).double()
    worst = []
    for what, embeddings in (("image", model.encode_image(images)), ("text", model.encode_text(padded))):
        expected = np.load(FOLDER / f"{golden}-{what}.npy")
        worst.append(np.abs(F.normalize(embeddings, dim=-1).numpy() - expected).max())
    found = f"{weights.name}, {len(state)} tensors"
    print(f"  {layout}: {found}, {golden}: image {worst[0]:.1e}, text {worst[1]:.1e}", flush=True)
    assert max(worst) <= LIMITS.get(layout, EXACT), layout

    if layout.startswith("open-clip") and golden in OPEN_CLIP:
        published = open_clip.get_model_config(OPEN_CLIP[golden])
        assert config["model_cfg"] == published, (config["model_cfg"], published)
        tag = open_clip.list_pretrained_tags_by_model(OPEN_CLIP[golden])[0]
        preprocess = open_clip.get_pretrained_cfg(OPEN_CLIP[golden], tag)
        for key, value in config["preprocess_cfg"].items():
            assert np.all(np.array(preprocess[key]) == np.array(value)), (key, value, preprocess[key])


@torch.inference_mode()
def main(tool: str, path: str, names: list[str]) -> None:
    apple = goldens_mobileclip.import_apple(path)
    for name in names:
        print(name)
        for layout in LAYOUTS:
            with tempfile.TemporaryDirectory() as folder:
                check(tool, apple, name, layout, Path(folder))


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit("usage: check_mobileclip.py GENERATE-CHECKPOINT APPLE MODEL...")
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
