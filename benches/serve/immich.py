"""Immich's machine-learning service with the models of `benches/rivals`: exports them in its layout, and starts it.

Its source is not part of this repository: SERVICE is the folder `machine-learning` of a checkout of Immich, PYTHON an
interpreter with the packages that its pyproject.toml lists.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

RIVALS = Path(__file__).resolve().parents[1] / "rivals"


@dataclass(frozen=True)
class Served:
    """A model of both services."""

    # Case of benches/rivals, and name of its weights file.
    case: str
    weights: str
    # A name that Immich's service accepts, of the same length: it knows no MobileCLIP.
    name: str
    size: int


MODELS = [
    Served("mobileclip2-s0", "mobileclip2-s0", "ViT-B-16__openai", 256),
    Served("vit-b-32", "vit-b-32-openai", "ViT-B-32__openai", 224),
]

# Workers and threads of a model; the first is the service's default.
SETTINGS = [(1, 2), (1, 1), (2, 1)]


def export(work: Path, cache: Path) -> None:
    """Write CACHE/clip/NAME as the repositories of immich-app hold it: both towers end with normalised embeddings."""
    sys.path.insert(0, str(RIVALS))
    import export as rivals
    import torch
    from models import CASES, Files
    from torch import nn

    class Unit(nn.Module):
        def __init__(self, tower: nn.Module):
            super().__init__()
            self.tower = tower

        def forward(self, x):
            return nn.functional.normalize(self.tower(x), dim=-1)

    rivals.quiet()
    torch.backends.mha.set_fastpath_enabled(False)
    for served in MODELS:
        folder = cache / "clip" / served.name
        if (folder / "textual" / "tokenizer_config.json").exists():
            continue
        files = Files(work, next(case for case in CASES if case.name == served.case))
        rivals.checkpoint(files)
        for tower in ("visual", "textual"):
            (folder / tower).mkdir(parents=True, exist_ok=True)
        config = json.loads((files.folder / "open_clip_config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config["model_cfg"]))
        preprocess = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}
        preprocess |= {"size": served.size, "interpolation": "bicubic"} | config.get("preprocess_cfg", {})
        (folder / "visual" / "preprocess_cfg.json").write_text(json.dumps(preprocess))

        model = rivals.inference_form(rivals.published(files))
        pixels = torch.zeros(1, 3, served.size, served.size)
        write(folder / "visual" / "model.onnx", Unit(model.visual), pixels, "image")
        text = model.text if hasattr(model, "text") else rivals.TextTower(model)
        ids = torch.zeros(1, 77, dtype=torch.int32)
        ids[0, 0], ids[0, 1] = 49406, 49407
        write(folder / "textual" / "model.onnx", Unit(text), ids, "text")
        rivals.tokenizer(folder / "textual" / "tokenizer.json")
        (folder / "textual" / "tokenizer_config.json").write_text(json.dumps({"pad_token": "<|endoftext|>"}))


def write(path: Path, module, x, name: str) -> None:
    import torch

    program = torch.onnx.export(
        module.eval(), (x,), dynamo=True, input_names=[name], output_names=["unit"], verbose=False
    )
    program.save(path)


def start(python: Path, service: Path, cache: Path, port: int, setting: tuple[int, int]) -> subprocess.Popen:
    """Start the service as its container does."""
    workers, threads = setting
    environment = os.environ | {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "IMMICH_HOST": "127.0.0.1",
        "IMMICH_PORT": str(port),
        "MACHINE_LEARNING_CACHE_FOLDER": str(cache),
        "MACHINE_LEARNING_WORKERS": str(workers),
        "MACHINE_LEARNING_MODEL_INTRA_OP_THREADS": str(threads),
        "MACHINE_LEARNING_MODEL_INTER_OP_THREADS": "1",
        # No end of the process during the run.
        "MACHINE_LEARNING_MODEL_TTL": "0",
        "HF_HUB_OFFLINE": "1",
    }
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [python, "-m", "immich_ml"]
    return subprocess.Popen(command, cwd=service, env=environment, start_new_session=True, **quiet)


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(sys.argv[2]))
