"""Rows per second of a Ray Data job that embeds photos: with this package, and with open_clip and PyTorch.

    python benches/pipelines/compare.py CHECKPOINT WEIGHTS [WEIGHTS...]

CHECKPOINT is the model for open_clip, WEIGHTS the same one converted, in one precision or several. README.md says how they are
made and what is measured.
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

RIVAL = "open_clip"
# Rows of a trial of a setting: a batch for each of two actors.
TRIAL_ROWS = 2 * photos.BATCH
# 1 - cosine of an embedding and the rival's: the same, or what docs/models.md states of a precision.
MAX_DISTANCE = {"f32": 1e-5, "f16": 1e-5, "int8": 5e-4}


@dataclass
class Turn:
    """One job."""

    rows_per_second: float
    # Of the stage alone, in all threads; a machine that others use changes it less than the time.
    cpu_ms_per_row: float
    # With the start of the actors and the reading of the table.
    seconds: float
    vectors: numpy.ndarray


def stage(engine: str) -> type:
    """The class of the stage of an engine: the rival, or this package with one of the files."""
    return OpenClip if engine == RIVAL else Clippie


def precision(weights: str) -> str:
    """The precision of a file of weights."""
    _, colon, ending = clippie_rs.ImageEncoder.open(weights).name.rpartition(":")
    return ending if colon and ending in MAX_DISTANCE else "f32"


def turn(engine: str, model: str, setting: Setting, folder: Path) -> Turn:
    """Run a job, with actors of its own."""
    files = len(list(folder.iterdir()))
    started = time.perf_counter()
    ds = ray.data.read_parquet(str(folder)).repartition(files).map_batches(
        stage(engine),
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
            tried[setting] = turn(RIVAL, model, setting, folder).rows_per_second
            print(f"  trial: {tried[setting]:5.1f} rows/s with {setting}", flush=True)
        return tried[setting]

    shapes = [
        Setting(actors, threads, 32, workers)
        for actors, threads, workers in ((2, 1, 1), (2, 1, 4), (1, 2, 4), (2, 2, 4))
    ]
    shape = max(shapes, key=tried_rate)
    return max((replace(shape, batch=batch) for batch in (8, 16, 32, 64)), key=tried_rate)


def check(turns: dict[str, list[Turn]], engine: str) -> float:
    """The largest distance of an engine's embeddings of a row from the rival's."""
    ours, theirs = (turns[which][0].vectors.astype(numpy.float64) for which in (engine, RIVAL))
    norms = numpy.linalg.norm(ours, axis=1) * numpy.linalg.norm(theirs, axis=1)
    distance = float((1 - (ours * theirs).sum(axis=1) / norms).max())
    if not distance < MAX_DISTANCE[engine]:
        raise SystemExit(f"the embeddings of {engine} differ from the rival's: 1 - cosine is up to {distance:.2e}")
    return distance


def where_the_time_goes(models: dict[str, str], setting: Setting, folder: Path) -> dict[str, dict[str, float]]:
    """Milliseconds of processor time a row of each step, on one thread, one step after another, without Ray: medians of three
    batches."""
    import pyarrow.parquet

    # As the stage does in its actors.
    clippie_rs.allow_amx()
    cells = pyarrow.parquet.read_table(next(iter(sorted(folder.glob("*.parquet")))))["image"].to_pylist()
    cells = cells[: setting.batch]
    data = [cell["bytes"] for cell in cells]
    rival = OpenClip(models[RIVAL], replace(setting, threads=1))
    encoders = {engine: clippie_rs.ImageEncoder.open(path, threads=1) for engine, path in models.items() if engine != RIVAL}
    steps = {engine: {"decode and preprocess": [], "model": []} for engine in models}

    def timed(engine, step, call):
        started = time.process_time()
        result = call()
        steps[engine][step].append(1e3 * (time.process_time() - started) / len(data))
        return result

    for _ in range(3):
        for engine, encoder in encoders.items():
            timed(engine, "decode and preprocess", lambda: encoder.preprocess(data))
            whole = time.process_time()
            encoder.encode(data)
            whole = 1e3 * (time.process_time() - whole) / len(data)
            steps[engine]["model"].append(whole - steps[engine]["decode and preprocess"][-1])
        pixels = timed(RIVAL, "decode and preprocess", lambda: [rival.prepare(cell) for cell in cells])
        stacked = rival.torch.stack(pixels)
        timed(RIVAL, "model", lambda: rival.infer(stacked))
    return {engine: {step: statistics.median(times) for step, times in of.items()} for engine, of in steps.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", help="for open_clip, such as open_clip_model.safetensors")
    parser.add_argument("weights", nargs="+", help="the same model, converted: .clippie files, one of each precision")
    parser.add_argument("--sizes", default="640x480,1440x1080")
    parser.add_argument("--rows", type=int, default=256, help="photos of each size")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each engine; with 0 only the trials")
    parser.add_argument("--setting", help="of open_clip, as actors,threads,batch,workers; by default the best of the trials")
    parser.add_argument("--work", type=Path, default=Path("target/pipelines"))
    parser.add_argument("--out", type=Path, help="write all figures as JSON")
    arguments = parser.parse_args()
    paths = [str(Path(path).resolve()) for path in arguments.weights]
    models = {precision(path): path for path in paths} | {RIVAL: str(Path(arguments.checkpoint).resolve())}
    if len(models) <= len(paths):
        raise SystemExit("two files of weights have the same precision")
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
            rival = best_setting(models[RIVAL], few)
        if arguments.rounds == 0:
            print(f"  fastest: {rival}", flush=True)
            continue
        settings = {engine: rival if engine == RIVAL else Setting(2, 1) for engine in models}
        turns: dict[str, list[Turn]] = {engine: [] for engine in models}
        for number in range(arguments.rounds):
            # Neither is always the first.
            for engine in list(models)[:: -1 if number % 2 else 1]:
                one = turn(engine, models[engine], settings[engine], folder)
                turns[engine].append(one)
                rate = f"{one.rows_per_second:.1f} rows/s, processor {one.cpu_ms_per_row:.1f} ms a row"
                print(f"  turn {number + 1}: {engine} {rate}", flush=True)
        rates = {engine: statistics.median(one.rows_per_second for one in of) for engine, of in turns.items()}
        steps = where_the_time_goes(models, rival, folder)
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
        for engine in models:
            if engine == RIVAL:
                continue
            ratio, distance = rates[engine] / rates[RIVAL], check(turns, engine)
            print(f"  {engine}: {ratio:.2f} times as many rows; 1 - cosine at most {distance:.1e}", flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
