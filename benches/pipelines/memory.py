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

import clippie_rs
from clippie_rs.operators import ImageClipEmbeddingRefiner

KINDS = ("Rss", "Pss", "Private_Clean", "Private_Dirty")
# Seconds between samples.
INTERVAL = 0.1
# Rows that an actor takes at a time.
BATCH = 8
COLUMN = "embedding"


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


class Refiner(ImageClipEmbeddingRefiner):
    """The stage. It leaves a file with its process's number, and in it the private memory before it opened the model."""

    def __init__(self, folder: str, actors: int, model: str):
        bare = memory(os.getpid())["Private"]
        super().__init__(model=model, feature_field_name=COLUMN)
        aside = Path(folder, f".{os.getpid()}")
        aside.write_text(str(bare))
        aside.rename(Path(folder, str(os.getpid())))
        # All work at the same time.
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


def embed(weights: str, table: Path, folder: Path, actors: int) -> pyarrow.Table:
    """Embed a table in actors of one CPU each."""
    ds = ray.data.read_parquet(str(table))
    rows = ds.count()
    ds = ds.repartition(-(-rows // BATCH)).map_batches(
        Refiner,
        fn_constructor_args=(str(folder), actors, weights),
        batch_format="pyarrow",
        batch_size=BATCH,
        concurrency=actors,
        num_cpus=1,
    )
    tables = ray.get(ds.to_arrow_refs())
    return pyarrow.concat_tables([one for one in tables if one.num_rows], promote_options="permissive").sort_by("id")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", help="a .clippie file")
    parser.add_argument("--actors", type=int, default=2)
    parser.add_argument("--rows", type=int, default=24, help="photos of 640x480")
    parser.add_argument("--work", type=Path, default=Path("target/pipelines"))
    arguments = parser.parse_args()
    weights = str(Path(arguments.weights).resolve())
    source = photos.folder(arguments.work.resolve(), 640, 480, arguments.rows)

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
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sampler = Sampler(folder, arguments.actors)
        sampler.start()
        table = embed(weights, source, folder, arguments.actors)
        sampler.stopped.set()
        sampler.join()
        bare = sum(int(path.read_text()) for path in folder.glob("[0-9]*"))
    ray.shutdown()

    images = pyarrow.parquet.read_table(source).sort_by("id")["image"].to_pylist()
    expected = clippie_rs.ImageEncoder.open(weights).encode([image["bytes"] for image in images])
    found = numpy.array(table[COLUMN].to_pylist(), numpy.float32)
    if found.tobytes() != expected.tobytes():
        raise SystemExit("the embeddings of the actors differ from those of this process")

    def megabytes(count: int) -> str:
        return f"{count / 1e6:,.0f} MB"

    print(f"{len(found)} embeddings, equal to the bit; weights {megabytes(os.path.getsize(weights))}")
    print(f"{arguments.actors} actors together, {len(sampler.samples)} samples while they worked:")
    print(f"  private {megabytes(sampler.median('Private'))} in the median")
    print(f"  written by them {megabytes(sampler.median('Private_Dirty'))} in the median, {megabytes(sampler.largest('Private_Dirty'))} at most")
    print(f"  private before they opened the model: {megabytes(bare)}")
    print(f"  PSS {megabytes(sampler.median('Pss'))} in the median, {megabytes(sampler.largest('Pss'))} at most")
    print(f"  RSS {megabytes(sampler.median('Rss'))} in the median, {megabytes(sampler.largest('Rss'))} at most")


if __name__ == "__main__":
    main()
