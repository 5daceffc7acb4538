"""Measure the speedup of two threads over one, in turns of both."""

import sys
from dataclasses import dataclass
from pathlib import Path

from measure import Measured, Plan, measure
from models import CASES, Files
from report import OURS, Row, disturbances, milliseconds
from workers import Worker

# Cases with a performance floor, by batch size: a transformer with many weights, and a convolutional network.
SCALED = [case for case in CASES if case.name in ("vit-b-32", "mobileclip-s2")]
FLOORS = {1: 1.8, 8: 1.9}
# Both settings are treated as engines.
ONE, TWO = f"{OURS} on one thread", f"{OURS} on two"


def scale(work: Path, batches: list[int], binary: Path, plan: Plan) -> "Scaling":
    """Time both in turns on the same cores. Disturbed rows get more rounds within the patience."""
    rows = []
    for case in SCALED:
        for batch in batches:
            found = Measured(Row(case.name, 2, batch))
            workers = {way: Worker([str(binary), OURS], threads) for way, threads in ((ONE, 1), (TWO, 2))}
            try:
                measure(Files(work, case), 2, batch, workers, plan, found)
                while found.row.disturbed > 1 and plan.cores.patience > 0:
                    with plan.cores.spending():
                        measure(Files(work, case), 2, batch, workers, plan, found)
            finally:
                for worker in workers.values():
                    worker.close()
            if found.row.reasons:
                sys.exit(f"scaling: {found.row.reasons}")
            rows.append(found.row)
    return Scaling(rows)


@dataclass
class Scaling:
    rows: list[Row]

    def table(self) -> str:
        titles = {case.name: case.title for case in SCALED}
        lines = ["| clippie-rs | batch | one thread | two threads | times as fast |", "|---|---|---|---|---|"]
        for row in self.rows:
            times = [milliseconds(row.ms[way]) for way in (ONE, TWO)]
            cells = [titles[row.case], str(row.batch), *times, f"{gain(row):.2f}"]
            lines.append("| " + " | ".join(cells) + " |")
        disturbed = disturbances(self.rows)
        return "\n".join([*lines, "", *disturbed] if disturbed else lines)

    def misses(self) -> list[str]:
        return [
            f"{row.case}, batch {row.batch}: two threads {gain(row):.2f} times as fast as one, floor {FLOORS[row.batch]}"
            for row in self.rows
            if gain(row) < FLOORS.get(row.batch, 0)
        ]


def gain(row: Row) -> float:
    return row.ms[ONE] / row.ms[TWO]
