"""Write tests/goldens/models: open_clip's results for generated checkpoints in float64.

Not needed to build or test clippie-rs. To regenerate the goldens (ViT-L/14 in float64 needs 6 GB of memory):

    pip install torch==2.15.0 open_clip_torch==3.3.0 numpy==2.4.6
    OMP_NUM_THREADS=2 python tools/reference/goldens_vit.py [NAME...]

Files, all float64 and row-major:

    NAME-image.npy            [2, embed]                     unit embeddings of the images
    NAME-text.npy             [4, embed]                     unit embeddings of the texts
    TINY-image-stages.npy     [layers + 1, 2, tokens, width] tokens after ln_pre and after each block
    TINY-text-stages.npy      [layers + 1, 4, context, width] tokens after position embedding and each block
    TINY-image-projected.npy  [2, embed]                     embeddings before normalisation
    TINY-text-projected.npy   [4, embed]
    index.json                the models, the token ids and the first pixels; goldens_mobileclip.py adds its own

Checkpoints come from checkpoint_values.py and inputs from the functions below; tools/testkit/src/checkpoint generates
the same in Rust. Texts are padded with zeros to the context length; without a causal mask the padding is attended.
"""

import json
import sys
from pathlib import Path

import numpy as np
import open_clip
import torch
import torch.nn.functional as F

import checkpoint_values
from checkpoint_values import bits, uniform

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "goldens" / "models"
SEED = 1
IMAGES = 2
TEXTS = 4


def config(embed, image, text, **more) -> dict:
    return {"embed_dim": embed, **more, "vision_cfg": image, "text_cfg": text}


def published() -> dict[str, dict]:
    """Return the full-size models, with both activations."""
    text = {"context_length": 77, "vocab_size": 49408, "layers": 12}
    base = {**text, "width": 512, "heads": 8}
    large = {**text, "width": 768, "heads": 12}
    sizes = {
        "vit-b-32": (512, {"image_size": 224, "patch_size": 32, "width": 768, "layers": 12}, base),
        "vit-b-16": (512, {"image_size": 224, "patch_size": 16, "width": 768, "layers": 12}, base),
        "vit-l-14": (768, {"image_size": 224, "patch_size": 14, "width": 1024, "layers": 24}, large),
        "vit-l-14-336": (768, {"image_size": 336, "patch_size": 14, "width": 1024, "layers": 24}, large),
    }
    models = {}
    for name, size in sizes.items():
        models[f"{name}-quick_gelu"] = config(*size, quick_gelu=True)
        models[f"{name}-gelu"] = config(*size)
    plus = {"image_size": 240, "patch_size": 16, "width": 896, "layers": 12}
    models["vit-b-32-256-datacomp"] = config(512, {**sizes["vit-b-32"][1], "image_size": 256}, base)
    models["vit-b-16-plus-240-laion400m-e32"] = config(640, plus, {**text, "width": 640, "heads": 10})
    for name, patch, image, text_size in (
        ("tinyclip-vit-8m-16", 16, (256, 10), (256, 3)),
        ("tinyclip-vit-39m-16", 16, (512, 12), (512, 6)),
        ("tinyclip-vit-40m-32", 32, (512, 12), (512, 6)),
        ("tinyclip-vit-61m-32", 32, (640, 12), (512, 9)),
    ):
        width, layers = text_size
        models[name] = config(
            512,
            {"image_size": 224, "patch_size": patch, "width": image[0], "layers": image[1]},
            {**text, "width": width, "heads": width // 64, "layers": layers},
        )
    return models


def large() -> dict[str, dict]:
    """Return models that are too large for the tests: NAME writes goldens to compare by hand."""

    def text(width, layers):
        return {"context_length": 77, "vocab_size": 49408, "width": width, "heads": width // 64, "layers": layers}

    huge = {"image_size": 224, "patch_size": 14, "width": 1280, "head_width": 80, "layers": 32}
    giant = {**huge, "width": 1408, "head_width": 88, "layers": 40, "mlp_ratio": 4.3637}
    gigantic = {**huge, "width": 1664, "head_width": 104, "layers": 48, "mlp_ratio": 4.9231}
    return {
        "vit-h-14-laion2b": config(1024, huge, text(1024, 24)),
        "vit-h-14-378-dfn5b": config(1024, {**huge, "image_size": 378}, text(1024, 24), quick_gelu=True),
        "vit-g-14-laion2b-s34b": config(1024, giant, text(1024, 24)),
        "vit-bigg-14-laion2b": config(1280, gigantic, text(1280, 32)),
    }


def tiny() -> dict[str, dict]:
    """Return the tiny models of tools/testkit/src/checkpoint/model.rs."""
    return {
        "tiny-openai": config(
            32,
            {"image_size": 24, "patch_size": 8, "width": 128, "layers": 2},
            {"context_length": 11, "vocab_size": 90, "width": 64, "heads": 1, "layers": 2},
            quick_gelu=True,
        ),
        "tiny-quick": config(
            20,
            {"image_size": 28, "patch_size": 7, "width": 40, "layers": 3, "head_width": 8},
            {"context_length": 9, "vocab_size": 64, "width": 40, "heads": 5, "layers": 3},
            quick_gelu=True,
        ),
        "tiny-floor": config(
            20,
            {"image_size": 30, "patch_size": 7, "width": 72, "layers": 3, "head_width": 24, "mlp_ratio": 2.5},
            {"context_length": 12, "vocab_size": 100, "width": 48, "heads": 2, "layers": 2, "mlp_ratio": 3.0},
        ),
        **{
            name: config(
                24,
                {"image_size": 28, "patch_size": 7, "width": 2 * head, "layers": 2, "head_width": head, **ratio},
                {"context_length": 10, "vocab_size": 70, "width": 64, "heads": 1, "layers": 2},
            )
            for name, head, ratio in (
                ("tiny-huge", 80, {}),
                ("tiny-giant", 88, {"mlp_ratio": 4.3637}),
                ("tiny-gigantic", 104, {"mlp_ratio": 4.9231}),
            )
        },
        "tiny-bidirectional": config(
            33,
            {"image_size": 20, "patch_size": 4, "width": 24, "layers": 2, "head_width": 24},
            {
                "context_length": 20,
                "vocab_size": 128,
                "width": 72,
                "heads": 9,
                "layers": 3,
                "mlp_ratio": 2.0,
                "no_causal_mask": True,
            },
        ),
    }


def pixels(image: int, side: int) -> np.ndarray:
    """Return normalised pixels, float32 [3, side, side]."""
    return uniform(f"pixels.{image}", SEED, 3 * side * side, 0.1, 2.1).reshape(3, side, side)


def ids(text: int, context_length: int, vocab_size: int) -> list[int]:
    """Return start token, random tokens, end token."""
    length = (3, context_length // 8 + 1, context_length // 2 + 2, context_length)[text]
    start = vocab_size - 2
    high = bits(f"ids.{text}", SEED, 0, length - 2) >> np.uint64(32)
    middle = (high * np.uint64(start)) >> np.uint64(32)
    return [start, *(int(i) for i in middle), start + 1]


def build(model_cfg: dict) -> open_clip.CLIP:
    """Return open_clip's model with generated values, in float64."""
    model = open_clip.model.CLIP(**model_cfg).eval()
    model.double().requires_grad_(False)
    for name, parameter in model.state_dict().items():
        values = checkpoint_values.values(name, tuple(parameter.shape), SEED)
        parameter.copy_(torch.from_numpy(values))
    return model


def stages(transformer: torch.nn.Module, run) -> tuple[np.ndarray, torch.Tensor]:
    """Run `run` and record the tokens before the blocks and after each."""
    recorded = []
    blocks = transformer.resblocks
    hooks = [blocks[0].register_forward_pre_hook(lambda _, args: recorded.append(args[0]))]
    hooks += [block.register_forward_hook(lambda _, args, out: recorded.append(out)) for block in blocks]
    result = run()
    for hook in hooks:
        hook.remove()
    return np.stack([tokens.numpy() for tokens in recorded]), result


def save(name: str, array) -> None:
    array = np.ascontiguousarray(np.asarray(array))
    assert array.dtype == np.float64 and np.isfinite(array).all()
    np.save(FOLDER / f"{name}.npy", array)


@torch.inference_mode()
def write(name: str, model_cfg: dict) -> None:
    """Write the goldens of both towers."""
    model = build(model_cfg)
    write_towers(name, model_cfg, model, model)


@torch.inference_mode()
def write_large(name: str, model_cfg: dict) -> None:
    """Write the goldens of one tower after the other, beside a small one in the place of the other: ViT-bigG/14 takes
    15 GB."""
    blocks = {"width": 64, "layers": 1}
    text = {**blocks, "heads": 1, "context_length": 2, "vocab_size": 2}
    image = {**blocks, "head_width": 64, "patch_size": 14, "image_size": 14}
    torch.set_default_dtype(torch.float64)
    write_towers(name, model_cfg, build({**model_cfg, "text_cfg": text}), None)
    write_towers(name, model_cfg, None, build({**model_cfg, "vision_cfg": image}))


def write_towers(name: str, model_cfg: dict, of_images: open_clip.CLIP | None, of_texts: open_clip.CLIP | None) -> None:
    side = model_cfg["vision_cfg"]["image_size"]
    context = model_cfg["text_cfg"]["context_length"]
    sequences = [ids(text, context, model_cfg["text_cfg"]["vocab_size"]) for text in range(TEXTS)]
    padded = torch.tensor([sequence + [0] * (context - len(sequence)) for sequence in sequences])
    images = torch.from_numpy(np.stack([pixels(image, side) for image in range(IMAGES)])).double()

    for what, tower, run in (
        ("image", of_images and of_images.visual.transformer, lambda: of_images.encode_image(images)),
        ("text", of_texts and of_texts.transformer, lambda: of_texts.encode_text(padded)),
    ):
        if tower is None:
            continue
        tokens, projected = stages(tower, run)
        unit = F.normalize(projected, dim=-1)
        save(f"{name}-{what}", unit)
        if name.startswith("tiny-"):
            save(f"{name}-{what}-stages", tokens)
            save(f"{name}-{what}-projected", projected)
        spread = " ".join(f"{tokens_after.std():.2f}" for tokens_after in tokens)
        cosines = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
        print(f"{name} {what}: tokens' std {spread}; cosines {np.round(cosines.numpy(), 3)}", flush=True)


def main(names: list[str]) -> None:
    models = {**tiny(), **published()}
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names or models:
        if name in models:
            write(name, models[name])
        else:
            write_large(name, large()[name])

    def described(name: str) -> dict:
        text = models[name]["text_cfg"]
        sequences = [ids(i, text["context_length"], text["vocab_size"]) for i in range(TEXTS)]
        return {"name": name, "model_cfg": models[name], "ids": sequences}

    # goldens_mobileclip.py writes its own part of the index.
    path = FOLDER / "index.json"
    index = {
        **(json.loads(path.read_text()) if path.exists() else {}),
        "about": "written by tools/reference/goldens_vit.py, which says what the files hold",
        "reference": f"open_clip {open_clip.__version__}, torch {torch.__version__.split('+')[0]}, float64",
        "seed": SEED,
        "first_pixels": [[float(value) for value in pixels(i, 2).ravel()[:4]] for i in range(IMAGES)],
        "models": [described(name) for name in models],
    }
    path.write_text(json.dumps(index, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
