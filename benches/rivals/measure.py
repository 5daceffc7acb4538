"""Measure one case in one setting: load and check all engines, then time them in turns."""

import os
import statistics
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from models import IMAGE, Files
from report import CUT, DISTURBED, Row
from workers import SLOWED, Cores, Failed, Load, Worker, processors

# Maximum 1 - cosine of an embedding to the reference, so that all engines compute the same.
AGREES = 1e-5
# An engine slower than the median by this factor is timed in the first round only.
SLOW = 4
# Attempted rounds per wanted round.
ATTEMPTS = 3


@dataclass
class Turn:
    """Calls of one engine, between two speed checks of the processors."""

    # Seconds per call.
    times: list[float]
    # The engine's setting.
    way: str
    # Slowdown of the processors relative to their best speed, at the worse of both checks.
    slowed: float


@dataclass
class Round:
    """One turn of each engine."""

    turns: dict[str, Turn] = field(default_factory=dict)
    # Share of processor time that other processes used.
    others: float = 0.0


@dataclass
class Plan:
    """Parameters of the timing."""

    rounds: int
    # Duration of a turn.
    seconds: float
    cores: Cores


@dataclass
class Measured:
    """The result of a case in one setting, and the rounds it is based on."""

    row: Row
    rounds: list[Round] = field(default_factory=list)


def measure(files: Files, threads: int, batch: int, workers: dict[str, Worker], plan: Plan, so_far: Measured) -> None:
    """Measure more rounds and update the row: the median of each engine's calls, or the reason why it has none."""
    row = so_far.row
    ready = {}
    for engine, worker in workers.items():
        if engine == CUT and not files.case.cuts:
            continue
        try:
            load(row, engine, worker, files, plan)
            ready[engine] = worker
            # Remove a reason from an earlier process.
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
    request = job(files, worker.threads, row.batch, engine)
    # The engine chooses its fastest setting.
    plan.cores.rest(os.sched_getaffinity(0))
    answer = worker.ask("load", **request)
    tried = row.tried.setdefault(engine, {})
    for way, fastest in answer["tried"].items():
        tried[way] = min(fastest, tried.get(way, fastest))
    row.ways[engine] = min(tried, key=tried.get)
    worker.way = answer["setting"]
    row.differences[engine] = difference(files, row.batch, Path(request["out"]))
    if row.differences[engine] > AGREES:
        raise Failed(f"it computes something else: 1 - cosine is {row.differences[engine]:.1e}")


def job(files: Files, threads: int, batch: int, engine: str) -> dict:
    """Return the job for an engine, which uses the files that it can read."""
    case = files.case
    cut = engine == CUT
    return {
        "tower": case.tower,
        "model": case.model,
        "feature_maps": case.feature_maps,
        "threads": threads,
        "input": str(files.inputs(batch)),
        "shape": [batch, 3, case.size, case.size] if case.tower == IMAGE else [batch, case.context],
        # Number of token columns in the graph's input.
        "tokens": case.size if cut else case.context,
        "out": str(files.folder / f"{engine}.raw"),
        "onnx": str(files.cut(batch) if cut else files.onnx(batch)),
        "onnx_one": str(files.onnx(1)),
        "module": str(files.module),
        "checkpoint": str(files.checkpoint),
        "clippie": str(files.clippie),
    }


def difference(files: Files, batch: int, out: Path) -> float:
    """Return the maximum 1 - cosine of the embeddings to the reference."""
    expected = np.fromfile(files.expected(batch), np.float32).astype(np.float64)
    found = np.fromfile(out, np.float32).astype(np.float64)
    if found.shape != expected.shape or not np.isfinite(found).all():
        raise Failed("its embeddings have another shape or are not finite")
    found, expected = (rows.reshape(batch, -1) for rows in (found, expected))
    found, expected = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (found, expected))
    return float(np.square(found - expected).sum(axis=1).max() / 2)


def timed(row: Row, workers: dict[str, Worker], plan: Plan) -> list[Round]:
    """Time rounds of turns; each round starts with another engine.

    All engines of a round run on the same processors, the next round on others. Otherwise, with fewer threads than
    processors, one engine could always share a core's hyperthreads with another virtual machine, and its rival never.

    Rounds in which other processes were busy are repeated.
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
    """Time a turn, at most twice, until the processors run at full speed."""
    for _ in range(2):
        before = plan.cores.rest(chosen)
        times = worker.ask("time", seconds=plan.seconds)["times"]
        slowed = max(before, plan.cores.slowed(chosen))
        if slowed <= SLOWED:
            break
    return Turn(times, worker.way, slowed)


def sum_up(row: Row, rounds: list[Round], wanted: int) -> None:
    """Compute medians. The calls are selected by disturbance, never by their times: rounds with the least load of other
    processes, and of these the turns at full processor speed. Each engine's fastest setting counts."""
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
    """Return the turns at full processor speed, but at least half of those wanted: the least slowed."""
    turns = sorted(turns, key=lambda turn: turn.slowed)
    quiet = sum(turn.slowed <= SLOWED for turn in turns)
    return turns[: max(quiet, (wanted + 1) // 2)]
