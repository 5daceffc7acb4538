"""One case in one setting: all engines are loaded, checked, and timed in turns."""

import os
import statistics
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from models import CONTEXT, IMAGE, Files
from report import CUT, DISTURBED, Row
from workers import SLOWED, Cores, Failed, Load, Worker, processors

# Largest 1 - cosine of an embedding to the reference's: no engine times another computation.
AGREES = 1e-5
# An engine that takes this many times as long as most is timed in the first round only.
SLOW = 4
# Rounds that are tried for each that is wanted.
ATTEMPTS = 3

@dataclass
class Turn:
    """Calls of one engine, between two looks at the processors."""

    # Seconds of each.
    times: list[float]
    # Share of their best that the processors lacked at the worse look.
    slowed: float


@dataclass
class Round:
    """A turn of each engine."""

    turns: dict[str, Turn] = field(default_factory=dict)
    # Share of the processors' time that other processes took.
    others: float = 0.0


@dataclass
class Plan:
    """How each case is timed."""

    rounds: int
    # Length of a turn.
    seconds: float
    cores: Cores


def measure(files: Files, threads: int, batch: int, workers: dict[str, Worker], plan: Plan) -> Row:
    """Medians of all engines' calls; an engine that cannot do the job has a reason instead."""
    row = Row(files.case.name, threads, batch)
    ready = {}
    for engine, worker in workers.items():
        if engine == CUT and not files.case.causal:
            continue
        try:
            load(row, engine, worker, files, plan)
            ready[engine] = worker
        except Failed as failed:
            row.reasons[engine] = str(failed).strip().splitlines()[0][:200]
    if ready:
        timed(row, ready, plan)
    for worker in workers.values():
        with suppress(Failed):
            worker.ask("unload")
    return row


def load(row: Row, engine: str, worker: Worker, files: Files, plan: Plan) -> None:
    told = job(files, row.threads, row.batch, engine)
    # It chooses the fastest of its ways.
    plan.cores.rest(os.sched_getaffinity(0))
    answer = worker.ask("load", **told)
    row.ways[engine], row.tried[engine] = answer["setting"], answer["tried"]
    row.differences[engine] = difference(files, row.batch, Path(told["out"]))
    if row.differences[engine] > AGREES:
        raise Failed(f"it computes something else: 1 - cosine is {row.differences[engine]:.1e}")


def job(files: Files, threads: int, batch: int, engine: str) -> dict:
    """What an engine is told; it takes the files that it can read."""
    case = files.case
    cut = engine == CUT
    return {
        "tower": case.tower,
        "model": case.model,
        "feature_maps": case.feature_maps,
        "threads": threads,
        "input": str(files.inputs(batch)),
        "shape": [batch, 3, case.size, case.size] if case.tower == IMAGE else [batch, CONTEXT],
        # Columns of ids that the graph gets.
        "tokens": case.size if cut else CONTEXT,
        "out": str(files.folder / f"{engine}.raw"),
        "onnx": str(files.cut(batch) if cut else files.onnx(batch)),
        "onnx_one": str(files.onnx(1)),
        "module": str(files.module),
        "checkpoint": str(files.checkpoint),
        "clippie": str(files.clippie),
    }


def difference(files: Files, batch: int, out: Path) -> float:
    """Largest 1 - cosine of an embedding to the reference's."""
    expected = np.fromfile(files.expected(batch), np.float32).astype(np.float64)
    found = np.fromfile(out, np.float32).astype(np.float64)
    if found.shape != expected.shape or not np.isfinite(found).all():
        raise Failed("its embeddings have another shape or are not finite")
    found, expected = (rows.reshape(batch, -1) for rows in (found, expected))
    found, expected = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (found, expected))
    return float(np.square(found - expected).sum(axis=1).max() / 2)


def timed(row: Row, workers: dict[str, Worker], plan: Plan) -> None:
    """Turns round by round, each round beginning with another engine.

    In a round all engines run on the same processors, in the next on others: with fewer threads than processors, one
    engine would else have the whole run on a core whose other hyperthread is a stranger's, and its rival on a free one.

    A round in which other processes were busy is repeated; if they never rest, the least disturbed rounds count.
    """
    fastest = {engine: min(row.tried[engine].values()) for engine in workers}
    slow = [engine for engine in workers if fastest[engine] > SLOW * statistics.median(fastest.values())]
    order = list(workers)
    found: list[Round] = []
    while len(found) < ATTEMPTS * plan.rounds and sum(one.others <= DISTURBED for one in found) < plan.rounds:
        first = len(found) % len(order)
        chosen = processors(row.threads, len(found))
        for worker in workers.values():
            worker.place(chosen)
        machine = Load([*workers.values(), plan.cores.worker])
        one = Round()
        for engine in order[first:] + order[:first]:
            if engine not in row.reasons and (not found or engine not in slow):
                try:
                    one.turns[engine] = turn(workers[engine], chosen, plan)
                except Failed as failed:
                    row.reasons[engine] = str(failed)
        one.others = machine.others()
        found.append(one)
    for worker in workers.values():
        worker.place(os.sched_getaffinity(0))
    found.sort(key=lambda one: one.others)
    row.others = max(one.others for one in found[: plan.rounds])
    for engine in (engine for engine in order if engine not in row.reasons):
        turns = [one.turns[engine] for one in found if engine in one.turns][: plan.rounds]
        kept = undisturbed(turns)
        calls = [call for turn in kept for call in turn.times]
        row.ms[engine] = statistics.median(calls) * 1e3 / row.batch
        row.calls[engine] = len(calls)
        row.slowed = max(row.slowed, *(turn.slowed for turn in kept))


def turn(worker: Worker, chosen: set[int], plan: Plan) -> Turn:
    """A turn beside which the processors do their best; if they never do, the second of two."""
    for _ in range(2):
        before = plan.cores.rest(chosen)
        times = worker.ask("time", seconds=plan.seconds)["times"]
        slowed = max(before, plan.cores.slowed(chosen))
        if slowed <= SLOWED:
            break
    return Turn(times, slowed)


def undisturbed(turns: list[Turn]) -> list[Turn]:
    """Those that no stranger disturbed, but at least half: the least disturbed."""
    turns = sorted(turns, key=lambda turn: turn.slowed)
    quiet = sum(turn.slowed <= SLOWED for turn in turns)
    return turns[: max(quiet, (len(turns) + 1) // 2)]
