"""The two stages that are compared: callable classes for ``map_batches(batch_format="pyarrow")``.

Each appends the column ``embedding`` and, for each batch, when it began and ended and the processor time that it took.
"""

import io
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy
import pyarrow

from clippie_rs.operators import ImageClipEmbeddingRefiner

COLUMN = "embedding"
OPEN_CLIP = "ViT-B-32-quickgelu"


@dataclass(frozen=True)
class Setting:
    """How a stage is run."""

    actors: int
    threads: int
    # Of the rival alone; the engine's own are its defaults.
    batch: int | None = None
    preprocess_workers: int | None = None

    def __str__(self) -> str:
        text = f"{self.actors} x {self.threads} threads"
        if self.batch is None:
            return text
        return f"{text}, batches of {self.batch}, {self.preprocess_workers} preprocessing workers"


class Timed:
    """A stage that keeps the times of its batches. ``embed`` returns the batch with ``COLUMN`` appended."""

    def __call__(self, batch: pyarrow.Table) -> pyarrow.Table:
        begin, cpu = time.time(), time.process_time()
        table = self.embed(batch).select(["id", COLUMN])
        times = {"begin": begin, "end": time.time(), "cpu": time.process_time() - cpu}
        for name, value in times.items():
            table = table.append_column(name, pyarrow.array([value] * table.num_rows, pyarrow.float64()))
        return table


class Clippie(Timed):
    """The stage of ``clippie_rs.ray``, as it is; AMX is allowed in it, since it runs in an actor."""

    def __init__(self, weights: str, setting: Setting):
        self.embed = ImageClipEmbeddingRefiner(
            model=weights, feature_field_name=COLUMN, threads=setting.threads
        )


class OpenClip(Timed):
    """The stage as it is written with open_clip and PyTorch: photos are decoded and preprocessed in a pool of threads
    while the model runs, and the model runs on several at a time."""

    def __init__(self, checkpoint: str, setting: Setting, name: str = OPEN_CLIP):
        import open_clip
        import torch

        torch.set_num_threads(setting.threads)
        self.torch = torch
        self.model, _, self.preprocess = open_clip.create_model_and_transforms(name, pretrained=checkpoint)
        self.model.eval()
        self.batch = setting.batch
        self.pool = ThreadPoolExecutor(setting.preprocess_workers)

    def prepare(self, cell: dict):
        """The pixels of a photo: ``[3, 224, 224]``."""
        from PIL import Image

        return self.preprocess(Image.open(io.BytesIO(cell["bytes"])).convert("RGB"))

    def infer(self, pixels) -> numpy.ndarray:
        """Unit embeddings of ``[N, 3, 224, 224]``."""
        with self.torch.inference_mode():
            rows = self.model.encode_image(pixels)
            return (rows / rows.norm(dim=-1, keepdim=True)).numpy()

    def embed(self, batch: pyarrow.Table) -> pyarrow.Table:
        cells = batch["image"].to_pylist()
        waiting = self.pool.map(self.prepare, cells)
        rows = []
        for first in range(0, len(cells), self.batch):
            pixels = [next(waiting) for _ in cells[first : first + self.batch]]
            rows.append(self.infer(self.torch.stack(pixels)))
        values = numpy.concatenate(rows)
        offsets = numpy.arange(0, values.size + 1, values.shape[1], numpy.int32)
        return batch.append_column(COLUMN, pyarrow.ListArray.from_arrays(offsets, values.ravel()))
