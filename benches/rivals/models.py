"""The measured towers, their inputs and their files. Knows no engine."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

SEED = 5
CONTEXT = 77
# Start and end token of a text; other ids are below these.
START, END = 49406, 49407
IMAGE, TEXT = "image", "text"


@dataclass(frozen=True)
class Case:
    """One tower and its kind of input."""

    name: str
    title: str
    # Name for `clippie-rs convert --model`, and name of the folder.
    model: str
    open_clip: str
    tower: str
    # Image size in pixels, or number of tokens including start and end; the rest of the context is padding.
    size: int
    # Whether padding cannot change the embedding: a causal tower, or one that masks padding.
    cuts: bool = False
    # Start and end of a text, and padding.
    start: int = START
    end: int = END
    pad: int = 0
    # Columns of ids.
    context: int = CONTEXT

    @property
    def feature_maps(self) -> bool:
        """Whether this is a convolutional network, whose feature maps of a single image fill the caches."""
        return self.tower == IMAGE and ("-s" in self.model or self.model.startswith("rn"))


CASES = [
    Case("mobileclip2-s0", "MobileCLIP2-S0", "mobileclip2-s0", "MobileCLIP2-S0", IMAGE, 256),
    Case("mobileclip-s2", "MobileCLIP-S2", "mobileclip-s2", "MobileCLIP-S2", IMAGE, 256),
    Case("vit-b-32", "ViT-B/32", "vit-b-32-openai", "ViT-B-32-quickgelu", IMAGE, 224),
    Case("vit-b-16", "ViT-B/16", "vit-b-16-openai", "ViT-B-16-quickgelu", IMAGE, 224),
    Case("rn50", "RN50", "rn50-openai", "RN50-quickgelu", IMAGE, 224),
    Case("siglip2-b-32", "SigLIP 2 B/32-256", "siglip2-b-32-256", "ViT-B-32-SigLIP2-256", IMAGE, 256),
    Case("siglip2-b-16", "SigLIP 2 B/16-224", "siglip2-b-16-224", "ViT-B-16-SigLIP2", IMAGE, 224),
    Case("siglip2-so400m", "SigLIP 2 SO400M/14-224", "siglip2-so400m-14-224", "ViT-SO400M-14-SigLIP2", IMAGE, 224),
    Case("mobileclip-b", "MobileCLIP-B", "mobileclip-b", "MobileCLIP-B", IMAGE, 224),
    Case("text-77", "text, 77 tokens, non-causal", "mobileclip2-s0", "MobileCLIP2-S0", TEXT, 77),
    Case("text-10", "text, causal, ten tokens", "vit-b-32-openai", "ViT-B-32-quickgelu", TEXT, 10, cuts=True),
    Case(
        "siglip2-text",
        "text, SigLIP 2 B, 64 tokens",
        "siglip2-b-32-256",
        "ViT-B-32-SigLIP2-256",
        TEXT,
        64,
        context=64,
    ),
    Case(
        "xlm-r-10",
        "text, XLM-R base, ten tokens",
        "xlm-r-base-vit-b-32",
        "xlm-roberta-base-ViT-B-32",
        TEXT,
        10,
        cuts=True,
        start=0,
        end=2,
        pad=1,
    ),
]


def inputs(case: Case, batch: int) -> np.ndarray:
    """Return pixels, float32 `[batch, 3, S, S]`, or ids, int64 `[batch, context]`, padded."""
    rng = np.random.default_rng(SEED)
    if case.tower == IMAGE:
        # Coloured squares with noise, so that items differ.
        squares = rng.random((batch, 3, 8, 8), dtype=np.float32)
        noise = rng.random((batch, 3, case.size, case.size), dtype=np.float32)
        return 0.8 * np.kron(squares, np.ones((case.size // 8,) * 2, np.float32)) + 0.2 * noise
    ids = np.full((batch, case.context), case.pad, dtype=np.int64)
    for row in ids:
        row[: case.size] = [case.start, *rng.integers(256, START, case.size - 2), case.end]
    return ids


def tokenizer_json(work: Path) -> Path:
    """Path of CLIP's tokenizer in the format of the library `tokenizers`."""
    return work / "tokenizer.json"


@dataclass(frozen=True)
class Files:
    """Paths of a case's files in the work folder."""

    work: Path
    case: Case

    @property
    def folder(self) -> Path:
        return self.work / self.case.model

    @property
    def checkpoint(self) -> Path:
        """The checkpoint as published: all towers, in training form."""
        return self.folder / "open_clip_model.safetensors"

    @property
    def clippie(self) -> Path:
        return self.folder / f"{self.case.model}.clippie"

    @property
    def module(self) -> Path:
        """The tower in inference form, pickled."""
        return self.folder / f"{self.case.tower}.pt"

    def onnx(self, batch: int) -> Path:
        return self.folder / f"{self.case.tower}-{batch}.onnx"

    def cut(self, batch: int) -> Path:
        """The text tower with a dynamic number of tokens."""
        return self.folder / f"{self.case.tower}-{batch}-cut.onnx"

    def inputs(self, batch: int) -> Path:
        """The inputs, raw and little-endian; see `inputs`."""
        return self.folder / f"{self.case.name}-{batch}.raw"

    def expected(self, batch: int) -> Path:
        """The embeddings that the model in training form computes for these inputs: raw float32 `[batch, embed]`."""
        return self.folder / f"{self.case.name}-{batch}.expected"

    def exported(self, batches: list[int]) -> list[Path]:
        """All files that export.py writes for a case."""
        each = [self.inputs, self.expected, self.onnx] + ([self.cut] if self.case.cuts else [])
        return [self.checkpoint, self.module, *(file(batch) for file in each for batch in batches)]
