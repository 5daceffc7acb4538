"""Rows per second of a Ray Data job that embeds photos: with this package, and with open_clip and PyTorch.

    python benches/pipelines/compare.py CHECKPOINT WEIGHTS

CHECKPOINT is the model for open_clip, WEIGHTS the same one converted. README.md says how both are made and what is measured.
"""

import argparse
import json
import logging
import os
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy
import photos
import ray
import ray.data
from stages import COLUMN, Clippie, OpenClip, Setting

import clippie_rs

ENGINES = {"clippie-rs": Clippie, "open_clip": OpenClip}
# Rows of a trial of a setting: a batch for each of two actors.
TRIAL_ROWS = 2 * photos.BATCH
# Embeddings of both must be the same.
MAX_DISTANCE = 1e-5


@dataclass
class Turn:
    """One job."""

    rows_per_second: float
    # Of the stage alone, in all threads; a machine that others use changes it less than the time.
    cpu_ms_per_row: float
    # With the start of the actors and the reading of the table.
    seconds: float
    vectors: numpy.ndarray


def turn(engine: str, model: str, setting: Setting, folder: Path) -> Turn:
    """Run a job, with actors of its own."""
    files = len(list(folder.iterdir()))
    started = time.perf_counter()
    ds = ray.data.read_parquet(str(folder)).repartition(files).map_batches(
        ENGINES[engine],
        fn_constructor_args=(model, setting),
        batch_format="pyarrow",
        batch_size=photos.BATCH,
        compute=ray.data.ActorPoolStrategy(size=setting.actors),
        num_cpus=1,
    )
    tables = ray.get(ds.to_arrow_refs())
    seconds = time.perf_counter() - started
    tables = [table for table in tables if table.num_rows]
    table = one_table(tables)
    begin, end = table["begin"].to_numpy(), table["end"].to_numpy()
    _, places = numpy.unique(begin, return_index=True)
    span = end.max() - begin.min()
    vectors = numpy.stack(table[COLUMN].to_pylist()).astype(numpy.float32)
    cpu = table["cpu"].to_numpy()[places].sum()
    return Turn(table.num_rows / span, 1e3 * cpu / table.num_rows, seconds, vectors)


def one_table(tables: list):
    """The rows of all blocks, by id."""
    import pyarrow

    return pyarrow.concat_tables(tables, promote_options="permissive").sort_by("id")


def best_setting(model: str, folder: Path) -> Setting:
    """The fastest setting of the rival: actors, threads and preprocessing workers first, then the batch."""
    tried = {}

    def tried_rate(setting: Setting) -> float:
        if setting not in tried:
            tried[setting] = turn("open_clip", model, setting, folder).rows_per_second
            print(f"  trial: {tried[setting]:5.1f} rows/s with {setting}", flush=True)
        return tried[setting]

    shapes = [
        Setting(actors, threads, 32, workers)
        for actors, threads, workers in ((2, 1, 1), (2, 1, 4), (1, 2, 4), (2, 2, 4))
    ]
    shape = max(shapes, key=tried_rate)
    return max((replace(shape, batch=batch) for batch in (8, 16, 32, 64)), key=tried_rate)


def check(turns: dict[str, list[Turn]]) -> float:
    """The largest distance of the engines' embeddings of a row."""
    ours, theirs = (turns[engine][0].vectors.astype(numpy.float64) for engine in ENGINES)
    norms = numpy.linalg.norm(ours, axis=1) * numpy.linalg.norm(theirs, axis=1)
    distance = float((1 - (ours * theirs).sum(axis=1) / norms).max())
    if not distance < MAX_DISTANCE:
        raise SystemExit(f"the engines' embeddings differ: 1 - cosine is up to {distance:.2e}")
    return distance


def where_the_time_goes(checkpoint: str, weights: str, setting: Setting, folder: Path) -> dict[str, dict[str, float]]:
    """Milliseconds of processor time a row of each step, on one thread, one step after another, without Ray: medians of three
    batches."""
    import pyarrow.parquet

    cells = pyarrow.parquet.read_table(next(iter(sorted(folder.glob("*.parquet")))))["image"].to_pylist()
    cells = cells[: setting.batch]
    data = [cell["bytes"] for cell in cells]
    rival = OpenClip(checkpoint, replace(setting, threads=1))
    encoder = clippie_rs.ImageEncoder.open(weights, threads=1)
    steps = {engine: {"decode and preprocess": [], "model": []} for engine in ENGINES}

    def timed(engine, step, call):
        started = time.process_time()
        result = call()
        steps[engine][step].append(1e3 * (time.process_time() - started) / len(data))
        return result

    for _ in range(3):
        timed("clippie-rs", "decode and preprocess", lambda: encoder.preprocess(data))
        whole = time.process_time()
        encoder.encode(data)
        whole = 1e3 * (time.process_time() - whole) / len(data)
        steps["clippie-rs"]["model"].append(whole - steps["clippie-rs"]["decode and preprocess"][-1])
        pixels = timed("open_clip", "decode and preprocess", lambda: [rival.prepare(cell) for cell in cells])
        stacked = rival.torch.stack(pixels)
        timed("open_clip", "model", lambda: rival.infer(stacked))
    return {engine: {step: statistics.median(times) for step, times in of.items()} for engine, of in steps.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", help="for open_clip, such as open_clip_model.safetensors")
    parser.add_argument("weights", help="the same model, converted: a .clippie file")
    parser.add_argument("--sizes", default="640x480,1440x1080")
    parser.add_argument("--rows", type=int, default=256, help="photos of each size")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each engine; with 0 only the trials")
    parser.add_argument("--setting", help="of open_clip, as actors,threads,batch,workers; by default the best of the trials")
    parser.add_argument("--work", type=Path, default=Path("target/pipelines"))
    parser.add_argument("--out", type=Path, help="write all figures as JSON")
    arguments = parser.parse_args()
    models = {
        "clippie-rs": str(Path(arguments.weights).resolve()),
        "open_clip": str(Path(arguments.checkpoint).resolve()),
    }
    # Otherwise Ray's workers yield to every other process of the machine.
    os.environ.setdefault("RAY_worker_niceness", "0")
    # Two for the actors, one for the tasks that read.
    ray.init(address="local", num_cpus=3, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # All actors have their model before the first batch.
    context.wait_for_min_actors_s = 300
    figures = []
    for size in arguments.sizes.split(","):
        width, height = map(int, size.split("x"))
        folder = photos.folder(arguments.work.resolve(), width, height, arguments.rows)
        print(size, flush=True)
        if arguments.setting:
            rival = Setting(*map(int, arguments.setting.split(",")))
        else:
            few = photos.folder(arguments.work.resolve(), width, height, TRIAL_ROWS)
            rival = best_setting(models["open_clip"], few)
        if arguments.rounds == 0:
            print(f"  fastest: {rival}", flush=True)
            continue
        settings = {"clippie-rs": Setting(2, 1), "open_clip": rival}
        turns: dict[str, list[Turn]] = {engine: [] for engine in ENGINES}
        for number in range(arguments.rounds):
            # Neither is always the first.
            for engine in list(ENGINES)[:: -1 if number % 2 else 1]:
                one = turn(engine, models[engine], settings[engine], folder)
                turns[engine].append(one)
                rate = f"{one.rows_per_second:.1f} rows/s, processor {one.cpu_ms_per_row:.1f} ms a row"
                print(f"  turn {number + 1}: {engine} {rate}", flush=True)
        distance = check(turns)
        rates = {engine: statistics.median(one.rows_per_second for one in of) for engine, of in turns.items()}
        steps = where_the_time_goes(models["open_clip"], models["clippie-rs"], rival, folder)
        for engine, of in turns.items():
            all_rates = ", ".join(f"{one.rows_per_second:.1f}" for one in of)
            cpu = statistics.median(one.cpu_ms_per_row for one in of)
            whole = statistics.median(one.seconds for one in of)
            print(f"  {engine} with {settings[engine]}: {rates[engine]:.1f} rows/s ({all_rates})")
            print(f"    processor {cpu:.1f} ms a row; the job, with its start, {whole:.1f} s")
            print("    on one thread: " + ", ".join(f"{step} {ms:.1f} ms a row" for step, ms in steps[engine].items()))
            figures.append(
                {
                    "size": size,
                    "engine": engine,
                    "setting": str(settings[engine]),
                    "rows_per_second": [one.rows_per_second for one in of],
                    "cpu_ms_per_row": [one.cpu_ms_per_row for one in of],
                    "seconds": [one.seconds for one in of],
                    "steps_ms": steps[engine],
                }
            )
        ratio = rates["clippie-rs"] / rates["open_clip"]
        print(f"  {ratio:.2f} times as many rows; 1 - cosine of the embeddings at most {distance:.1e}", flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
