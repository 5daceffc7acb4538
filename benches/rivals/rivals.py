"""Compare the speed of clippie-rs with other engines, interleaved in one run.

    python benches/rivals/rivals.py                      all cases, engines and settings; README.md has the details
    python benches/rivals/rivals.py --cases vit-b-32 --threads 1 --batch 1 --engines clippie,openvino
    python benches/rivals/rivals.py --floors             exit code 1 if a performance floor is missed
"""

import argparse
import json
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import machine
import report
import scaling
import startup
from measure import Measured, Plan, measure
from models import CASES, Case, Files, tokenizer_json
from report import CUT, OURS
from workers import HERE, Cores, Worker, python_worker

ROOT = HERE.parent.parent
PYTHON = ("onnxruntime", "openvino", "pytorch")
RUST = ("rten", "tract", "candle")


def arguments() -> argparse.Namespace:
    def words(value: str) -> list[str]:
        return value.split(",")

    def numbers(value: str) -> list[int]:
        return [int(part) for part in words(value)]

    cases, engines = [case.name for case in CASES], [OURS, *PYTHON, *RUST]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=words, default=cases, help=",".join(cases))
    parser.add_argument("--threads", type=numbers, default=[1, 2], help="default: 1,2")
    parser.add_argument("--batch", type=numbers, default=[1, 8], help="default: 1,8")
    parser.add_argument("--engines", type=words, default=engines, help=",".join(engines))
    parser.add_argument("--rounds", type=int, default=3, help="turns per engine; default: 3")
    parser.add_argument("--seconds", type=float, default=0.4, help="duration of a turn; default: 0.4")
    parser.add_argument("--best", type=float, default=0, help="GFLOP/s of an undisturbed core; default: the maximum seen")
    parser.add_argument("--patience", type=float, default=300, help="seconds for waiting and repetitions; default: 300")
    parser.add_argument("--work", type=Path, default=ROOT / "target" / "rivals", help="folder of the exported files")
    parser.add_argument("--out", type=Path, help="JSON file for all results")
    parser.add_argument("--startup", action="store_true", help="also measure startup time and memory")
    parser.add_argument("--scaling", action="store_true", help="also compare two threads with one, with the same patience")
    parser.add_argument("--floors", action="store_true", help="check the performance floors; implies --startup and --scaling")
    chosen = parser.parse_args()
    for given, known in ((chosen.cases, cases), (chosen.engines, engines)):
        if unknown := [name for name in given if name not in known]:
            parser.error(f"{', '.join(unknown)}: not among {', '.join(known)}")
    chosen.cases = [case for case in CASES if case.name in chosen.cases]
    chosen.startup |= chosen.floors
    chosen.scaling |= chosen.floors
    chosen.work = chosen.work.resolve()
    return chosen


def build(engines: list[str]) -> Path:
    """Build the command, and the worker of the Rust engines. Return the worker's path."""
    target = ROOT / "target" / "rivals-worker"
    manifest = HERE / "rust" / "Cargo.toml"
    features = ",".join(engine for engine in RUST if engine in engines)
    command = ["cargo", "build", "--release", "--locked", "--manifest-path", manifest, "--target-dir", target]
    subprocess.run([*command, "--features", features], check=True)
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
    return target / "release" / "rivals-worker"


def prepare(cases: list[Case], batches: list[int], work: Path, converted: bool) -> None:
    """Create missing files. Graphs are exported in a separate process, which frees its memory."""
    # Calls with one item are a setting for any batch.
    batches = sorted({1, *batches})
    missing = [case.name for case in cases if not all(path.exists() for path in Files(work, case).exported(batches))]
    if missing or not tokenizer_json(work).exists():
        counts = ",".join(str(batch) for batch in batches)
        subprocess.run([sys.executable, HERE / "export.py", work, counts, *missing], check=True)
    for files in (Files(work, case) for case in cases):
        if converted and not files.clippie.exists():
            command = [ROOT / "target" / "release" / "clippie-rs", "convert", files.checkpoint, files.clippie]
            # Ids are given, so no model needs its tokenizer.
            subprocess.run([*command, "--model", files.case.model, "--without-tokenizer"], check=True)


def start(engines: list[str], threads: int, binary: Path) -> dict[str, Worker]:
    """Start one process per engine."""
    workers = {}
    for engine in engines:
        if engine in PYTHON:
            workers[engine] = python_worker(engine, threads)
        else:
            workers[engine] = Worker([str(binary), engine], threads)
    if "onnxruntime" in engines:
        workers[CUT] = python_worker("onnxruntime", threads)
    return workers


def measure_all(chosen: argparse.Namespace, binary: Path, plan: Plan) -> tuple[list[report.Row], dict[str, str]]:
    """Return all rows, and the engines' versions. Disturbed rows get more rounds within the patience."""
    settings = [(case, threads, batch) for case in chosen.cases for threads in chosen.threads for batch in chosen.batch]
    found = {one: Measured(report.Row(one[0].name, *one[1:])) for one in settings}
    versions, todo, again = {}, settings, False
    while todo:
        for threads in chosen.threads:
            # Some engines read the number of threads from the environment once.
            workers = start(chosen.engines, threads, binary)
            versions |= {engine: worker.version for engine, worker in workers.items()}
            try:
                for one in (one for one in todo if one[1] == threads):
                    if again and plan.cores.patience == 0:
                        break
                    with plan.cores.spending() if again else nullcontext():
                        measure(Files(chosen.work, one[0]), *one[1:], workers, plan, found[one])
                    print(report.line(found[one].row), file=sys.stderr, flush=True)
            finally:
                for worker in workers.values():
                    worker.close()
        again = True
        todo = [one for one in todo if found[one].row.disturbed > 1 and plan.cores.patience > 0]
    return [found[one].row for one in settings], versions


def main() -> int:
    chosen = arguments()
    binary = build(chosen.engines)
    prepare(chosen.cases, chosen.batch, chosen.work, OURS in chosen.engines)
    if chosen.startup:
        prepare(startup.CASES, [1], chosen.work, True)
    if chosen.scaling:
        prepare(scaling.SCALED, chosen.batch, chosen.work, True)
    plan = Plan(chosen.rounds, chosen.seconds, Cores(binary, chosen.best, chosen.patience))
    rows, versions = measure_all(chosen, binary, plan)
    processor = machine.processor()
    print(report.table(rows), report.notes(rows, versions, processor), sep="\n\n")
    found = {"processor": asdict(processor), "versions": versions, "core_gflops": plan.cores.best}
    found["rows"] = [asdict(row) | {"ratio": row.ratio} for row in rows]
    missed = report.misses(rows, processor)
    if chosen.scaling:
        plan.cores.patience = chosen.patience
        scaled = scaling.scale(chosen.work, chosen.batch, binary, plan)
        print("", scaled.table(), sep="\n")
        missed += scaled.misses()
        found["scaling"] = [asdict(row) | {"gain": scaling.gain(row)} for row in scaled.rows]
    plan.cores.close()
    if chosen.startup:
        started = startup.measure(chosen.work)
        print("", started.table(), sep="\n")
        missed += started.misses()
        found["startup"] = asdict(started)
    if chosen.out:
        chosen.out.write_text(json.dumps(found, indent=1) + "\n")
    if not chosen.floors:
        return 0
    print("", "Floors missed:" if missed else "All floors are reached.", *(f"- {miss}" for miss in missed), sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
