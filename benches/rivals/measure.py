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
    # How the engine ran the job.
    way: str
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


@dataclass
class Measured:
    """A case in one setting, and the rounds that its row sums up."""

    row: Row
    rounds: list[Round] = field(default_factory=list)


def measure(files: Files, threads: int, batch: int, workers: dict[str, Worker], plan: Plan, so_far: Measured) -> None:
    """Adds rounds to those so far, and sums all up: medians of all engines' calls; an engine that cannot do the job has
    a reason instead."""
    row = so_far.row
    ready = {}
    for engine, worker in workers.items():
        if engine == CUT and not files.case.causal:
            continue
        try:
            load(row, engine, worker, files, plan)
            ready[engine] = worker
            # Of an earlier process, if any.
            row.reasons.pop(engine, None)
        except Failed as failed:
            row.reasons[engine] = str(failed).strip().splitlines()[0][:200]
    if ready:
        so_far.rounds += timed(row, ready, plan)
        sum_up(row, so_far.rounds, plan.rounds)
    for worker in workers.values():
        with suppress(Failed):
            worker.ask("unload")


def load(row: Row, engine: str, worker: Worker, files: Files, plan: Plan) -> None:
    told = job(files, worker.threads, row.batch, engine)
    # It chooses the fastest of its ways.
    plan.cores.rest(os.sched_getaffinity(0))
    answer = worker.ask("load", **told)
    tried = row.tried.setdefault(engine, {})
    for way, fastest in answer["tried"].items():
        tried[way] = min(fastest, tried.get(way, fastest))
    row.ways[engine] = min(tried, key=tried.get)
    worker.way = answer["setting"]
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


def timed(row: Row, workers: dict[str, Worker], plan: Plan) -> list[Round]:
    """Turns round by round, each round beginning with another engine.

    In a round all engines run on the same processors, in the next on others: with fewer threads than processors, one
    engine would else have the whole run on a core whose other hyperthread is a stranger's, and its rival on a free one.

    A round in which other processes were busy is repeated.
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
        machine = Load([*workers.values(), *plan.cores.workers.values()])
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
    return found


def turn(worker: Worker, chosen: set[int], plan: Plan) -> Turn:
    """A turn beside which the processors do their best; if they never do, the second of two."""
    for _ in range(2):
        before = plan.cores.rest(chosen)
        times = worker.ask("time", seconds=plan.seconds)["times"]
        slowed = max(before, plan.cores.slowed(chosen))
        if slowed <= SLOWED:
            break
    return Turn(times, worker.way, slowed)


def sum_up(row: Row, rounds: list[Round], wanted: int) -> None:
    """Medians of the calls that count, which their times have no part in choosing: the least disturbed rounds as far as
    other processes go, and of these the turns that no stranger disturbed. An engine's fastest way counts."""
    rounds = sorted(rounds, key=lambda one: one.others)
    rounds = rounds[: max(wanted, sum(one.others <= DISTURBED for one in rounds))]
    row.others = max(one.others for one in rounds)
    row.slowed = 0.0
    for engine in (engine for engine in row.ways if engine not in row.reasons):
        turns = [one.turns[engine] for one in rounds if engine in one.turns]
        turns = [turn for turn in turns if turn.way == row.ways[engine]] or turns
        kept = undisturbed(turns, wanted)
        calls = [call for turn in kept for call in turn.times]
        row.ms[engine] = statistics.median(calls) * 1e3 / row.batch
        row.calls[engine] = len(calls)
        row.slowed = max(row.slowed, *(turn.slowed for turn in kept))


def undisturbed(turns: list[Turn], wanted: int) -> list[Turn]:
    """Those that no stranger disturbed, but at least half of those wanted: the least disturbed."""
    turns = sorted(turns, key=lambda turn: turn.slowed)
    quiet = sum(turn.slowed <= SLOWED for turn in turns)
    return turns[: max(quiet, (wanted + 1) // 2)]
