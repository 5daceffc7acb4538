"""Memory of actors of Ray that embed photos with one model: what is their own, and their share (PSS).

    python benches/pipelines/memory.py target/pipelines/vit-l-14.clippie

Samples /proc/PID/smaps_rollup while the actors work, and compares their embeddings with those of this process, to the bit.
README.md says what the figures are. Needs Linux.
"""

import argparse
import logging
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

import numpy
import photos
import pyarrow
import pyarrow.parquet
import ray
import ray.data
from stages import COLUMN, OpenClip, Setting

import clippie_rs
from clippie_rs.operators import ImageClipEmbeddingRefiner

KINDS = ("Rss", "Pss", "Private_Clean", "Private_Dirty")
# Seconds between samples.
INTERVAL = 0.1
# Rows that an actor takes at a time.
BATCH = 8


def memory(pid: int) -> dict[str, int]:
    """Bytes of a process by their kind, and ``Private``: those that no other process has.

    A page of the weights is private until a second process reads it, and then is not; ``Private_Dirty`` has none of these.
    """
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in KINDS:
            found[name] = int(value.split()[0]) << 10
    found["Private"] = found["Private_Clean"] + found["Private_Dirty"]
    return found


class Clippie(ImageClipEmbeddingRefiner):
    """The stage of this package."""

    def __init__(self, folder: str, actors: int, weights: str):
        bare = memory(os.getpid())["Private"]
        super().__init__(model=weights, feature_field_name=COLUMN)
        announce(folder, actors, bare)


class Rival(OpenClip):
    """That with open_clip and PyTorch."""

    def __init__(self, folder: str, actors: int, checkpoint: str):
        bare = memory(os.getpid())["Private"]
        super().__init__(checkpoint, Setting(actors, 1, BATCH, 1), "ViT-L-14-quickgelu")
        announce(folder, actors, bare)

    def __call__(self, batch: pyarrow.Table) -> pyarrow.Table:
        return self.embed(batch)


def announce(folder: str, actors: int, bare: int) -> None:
    """Leave a file with this process's number, and in it the private memory before it had the model; wait for the others,
    so that all work at the same time."""
    aside = Path(folder, f".{os.getpid()}")
    aside.write_text(str(bare))
    aside.rename(Path(folder, str(os.getpid())))
    while len(list(Path(folder).glob("[0-9]*"))) < actors:
        time.sleep(0.05)


class Sampler(threading.Thread):
    """Samples all actors until it is stopped."""

    def __init__(self, folder: Path, actors: int):
        super().__init__(daemon=True)
        self.folder = folder
        self.actors = actors
        self.stopped = threading.Event()
        # Of each actor at each time when all were there.
        self.samples: list[list[dict[str, int]]] = []

    def run(self) -> None:
        while not self.stopped.wait(INTERVAL):
            pids = [int(path.name) for path in self.folder.glob("[0-9]*")]
            try:
                found = [memory(pid) for pid in pids]
            except (FileNotFoundError, ProcessLookupError):
                # An actor has ended.
                continue
            if len(found) == self.actors:
                self.samples.append(found)

    def largest(self, kind: str) -> int:
        """The largest sum of all actors at one time."""
        return max(sum(one[kind] for one in found) for found in self.samples)

    def median(self, kind: str) -> int:
        """The median of the sums of all actors."""
        return int(statistics.median(sum(one[kind] for one in found) for found in self.samples))


def embed(stage: type, model: str, table: Path, folder: Path, actors: int) -> pyarrow.Table:
    """Embed a table in actors of one CPU each."""
    ds = ray.data.read_parquet(str(table))
    rows = ds.count()
    ds = ds.repartition(-(-rows // BATCH)).map_batches(
        stage,
        fn_constructor_args=(str(folder), actors, model),
        batch_format="pyarrow",
        batch_size=BATCH,
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=1,
    )
    tables = ray.get(ds.to_arrow_refs())
    return pyarrow.concat_tables([one for one in tables if one.num_rows], promote_options="permissive").sort_by("id")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", help="a .clippie file")
    parser.add_argument("--open-clip", help="its checkpoint (ViT-L/14), to measure open_clip and PyTorch too")
    parser.add_argument("--actors", type=int, default=2)
    parser.add_argument("--rows", type=int, default=24, help="photos of 640x480")
    parser.add_argument("--work", type=Path, default=Path("target/pipelines"))
    arguments = parser.parse_args()
    weights = str(Path(arguments.weights).resolve())
    source = photos.folder(arguments.work.resolve(), 640, 480, arguments.rows)
    images = pyarrow.parquet.read_table(source).sort_by("id")["image"].to_pylist()
    expected = clippie_rs.ImageEncoder.open(weights).encode([image["bytes"] for image in images])

    ray.init(
        address="local",
        num_cpus=arguments.actors + 1,
        include_dashboard=False,
        logging_level=logging.ERROR,
        log_to_driver=False,
    )
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.wait_for_min_actors_s = 300
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    found = measure(Clippie, weights, source, arguments.actors)
    if found.tobytes() != expected.tobytes():
        raise SystemExit("the embeddings of the actors differ from those of this process")
    print(f"  {len(found)} embeddings, equal to the bit; weights {megabytes(os.path.getsize(weights))}")
    if arguments.open_clip:
        found = measure(Rival, str(Path(arguments.open_clip).resolve()), source, arguments.actors)
        print(f"  1 - cosine of the embeddings at most {(1 - (found * expected).sum(axis=1)).max():.1e}")


def measure(stage: type, model: str, table: Path, actors: int) -> numpy.ndarray:
    """Run a job, print its memory and return the embeddings."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sampler = Sampler(folder, actors)
        sampler.start()
        rows = embed(stage, model, table, folder, actors)
        sampler.stopped.set()
        sampler.join()
        bare = sum(int(path.read_text()) for path in folder.glob("[0-9]*"))
    print(f"{stage.__name__}: {actors} actors together, {len(sampler.samples)} samples while they worked")
    print(f"  private before they opened the model: {megabytes(bare)}")
    for title, kind in (("private", "Private"), ("written by them", "Private_Dirty"), ("PSS", "Pss"), ("RSS", "Rss")):
        print(f"  {title} {megabytes(sampler.median(kind))} in the median, {megabytes(sampler.largest(kind))} at most")
    return numpy.array(rows[COLUMN].to_pylist(), numpy.float32)


def megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"


if __name__ == "__main__":
    main()
