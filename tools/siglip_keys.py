"""Write tests/goldens/import/siglip.json: names and shapes of every published SigLIP in both layouts.

Not needed to build or test clippie-rs. To write the file anew:

    pip install torch==2.15.0 open_clip_torch==3.3.0 timm==1.0.31 transformers==5.24.0
    python tools/siglip_keys.py

The models are made without memory for their weights. Of the blocks of a tower, only the first is listed, under names with
`*` in place of its number, with the number of blocks in `layers`: `[image, text]`.
"""

import json
import re
from pathlib import Path

import open_clip
import torch
from transformers import Siglip2Config, Siglip2Model, SiglipConfig, SiglipModel

OUT = Path(__file__).resolve().parents[1] / "tests" / "goldens" / "import" / "siglip.json"
BLOCK = re.compile(r"(\.blocks|\.resblocks|\.layers)\.(\d+)\.")


def listing(state: dict) -> dict:
    keys, layers = {}, [0, 0]
    for name, tensor in state.items():
        found = BLOCK.search(name)
        if found:
            tower = 0 if name.startswith(("visual", "vision")) else 1
            layers[tower] = max(layers[tower], int(found[2]) + 1)
            if found[2] != "0":
                continue
            name = BLOCK.sub(r"\1.*.", name)
        keys[name] = list(tensor.shape)
    return {"layers": layers, "keys": keys}


def transformers(image, text, embed=None) -> dict:
    """Return the listing of a SiglipModel: pixels, patch, width, layers, heads, hidden; vocabulary, positions, sizes."""
    (side, patch, *vision), (vocab, positions, *words) = image, text
    tower = lambda s: dict(zip(("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"), s))
    config = SiglipConfig(
        vision_config={**tower(vision), "image_size": side, "patch_size": patch},
        text_config={
            **tower(words),
            "vocab_size": vocab,
            "max_position_embeddings": positions,
            "projection_size": embed or words[0],
        },
    )
    return listing(SiglipModel(config).state_dict())


B, L = (768, 12, 12, 3072), (1024, 24, 16, 4096)
SO, G = (1152, 27, 16, 4304), (1536, 40, 16, 6144)


def main() -> None:
    models = {}
    with torch.device("meta"):
        for name in open_clip.list_models():
            if re.search(r"-SigLIP", name):
                config = open_clip.get_model_config(name)
                config.pop("custom_text")
                models[name] = listing(open_clip.CustomTextCLIP(**config).state_dict())
        models["google/siglip-base-patch16-224"] = transformers((224, 16, *B), (32_000, 64, *B))
        models["google/siglip-so400m-patch14-384"] = transformers((384, 14, *SO), (32_000, 64, *SO))
        models["google/siglip2-base-patch32-256"] = transformers((256, 32, *B), (256_000, 64, *B))
        models["google/siglip2-large-patch16-512"] = transformers((512, 16, *L), (256_000, 64, *L))
        models["google/siglip2-so400m-patch16-384"] = transformers((384, 16, *SO), (256_000, 64, *SO))
        models["google/siglip2-giant-opt-patch16-256"] = transformers((256, 16, *G), (256_000, 64, *SO), 1536)
        models["google/siglip2-base-patch16-naflex"] = listing(Siglip2Model(Siglip2Config()).state_dict())
    OUT.write_text(json.dumps(models, separators=(",", ":")).replace('"layers"', '\n"layers"') + "\n")


if __name__ == "__main__":
    main()
