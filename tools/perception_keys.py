"""Write tests/goldens/import/perception.json: names and shapes of every published Perception Encoder in both layouts.

Not needed to build or test clippie-rs. To write the file anew:

    pip install torch==2.15.0 open_clip_torch==3.3.0 timm==1.0.31 einops==0.8.2
    git clone https://github.com/facebookresearch/perception_models && git -C perception_models checkout 3e352cc
    python tools/perception_keys.py perception_models

The models are made without memory for their weights. Of the blocks of a tower, only the first is listed, under names with
`*` in place of its number, with the number of blocks in `layers`: `[image, text]`.

It also compares Meta's image tower with timm's, in float64 with equal random weights.
"""

import json
import re
import sys
from pathlib import Path

import open_clip
import timm
import torch
from timm.models.eva import checkpoint_filter_fn

OUT = Path(__file__).resolve().parents[1] / "tests" / "goldens" / "import" / "perception.json"
BLOCK = re.compile(r"(blocks)\.(\d+)\.")


def listing(state: dict) -> dict:
    keys, layers = {}, [0, 0]
    for name, tensor in state.items():
        found = BLOCK.search(name)
        if found:
            tower = 0 if name.startswith("visual") else 1
            layers[tower] = max(layers[tower], int(found[2]) + 1)
            if found[2] != "0":
                continue
            name = BLOCK.sub(r"\1.*.", name)
        keys[name] = list(tensor.shape)
    return {"layers": layers, "keys": keys}


@torch.inference_mode()
def compare(vision: type) -> None:
    torch.manual_seed(1)
    theirs = vision.from_config("PE-Core-T16-384").eval().double()
    ours = timm.create_model("vit_pe_core_tiny_patch16_384").eval().double()
    ours.load_state_dict(checkpoint_filter_fn(theirs.state_dict(), ours))
    pixels = torch.randn(1, 3, 384, 384, dtype=torch.float64)
    unit = [torch.nn.functional.normalize(tower(pixels), dim=-1) for tower in (theirs, ours)]
    off = (unit[0] - unit[1]).abs().max().item()
    print(f"Meta's tower and timm's differ by {off:.1e}")
    assert off < 1e-6


def main(meta: str) -> None:
    sys.path.insert(0, meta)
    from core.vision_encoder import pe

    compare(pe.VisionTransformer)
    models = {}
    with torch.device("meta"):
        for name in open_clip.list_models():
            if name.startswith("PE-Core"):
                config = open_clip.get_model_config(name)
                config.pop("custom_text")
                models[f"timm/{name}"] = listing(open_clip.CustomTextCLIP(**config).state_dict())
        for name in pe.CLIP.available_configs():
            if name.startswith("PE-Core"):
                models[f"facebook/{name}"] = listing(pe.CLIP.from_config(name).state_dict())
    OUT.write_text(json.dumps(models, separators=(",", ":")).replace('"layers"', '\n"layers"') + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
