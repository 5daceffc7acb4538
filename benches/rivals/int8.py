"""Compare 8-bit weights with full precision, and with ONNX Runtime's dynamic quantisation, interleaved in one run.

    python benches/rivals/int8.py --cases vit-b-32 --threads 1,2 --batch 1,8
    python benches/rivals/int8.py --floors              exit code 1 if a performance floor is missed

ONNX Runtime quantises per channel (`quantize_dynamic`); of its ways, the fastest is taken: signed or unsigned weights,
convolutions quantised or left in full precision. The report has the largest 1 - cosine of each to the reference.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import machine
import measure
from models import CASES, Case, Files
from report import OURS, Row
from rivals import ROOT, build, prepare
from workers import Cores, Failed, Worker, python_worker

EIGHT, ORT, ORT_EIGHT = f"{OURS} int8", "onnxruntime", "onnxruntime int8"
IMAGES = ("vit-b-32", "vit-b-16", "siglip2-b-16", "mobileclip-s2", "mobileclip2-s0")


@dataclass(frozen=True)
class Floor:
    """Least speed of eight bits, relative to full precision with and without products of bytes, and to ONNX Runtime."""

    own: float
    own_without: float
    rival: float


TRANSFORMER, FASTVIT = Floor(2.3, 1.5, 1.25), Floor(1.8, 1.3, 2.5)


def arguments() -> argparse.Namespace:
    def words(value: str) -> list[str]:
        return value.split(",")

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=words, default=list(IMAGES), help=",".join(IMAGES))
    parser.add_argument("--threads", type=words, default=["1", "2"], help="default: 1,2")
    parser.add_argument("--batch", type=words, default=["1"], help="default: 1")
    parser.add_argument("--rounds", type=int, default=3, help="turns per engine; default: 3")
    parser.add_argument("--seconds", type=float, default=0.4, help="duration of a turn; default: 0.4")
    parser.add_argument("--patience", type=float, default=120, help="seconds for waiting; default: 120")
    parser.add_argument("--work", type=Path, default=ROOT / "target" / "rivals", help="folder of the exported files")
    parser.add_argument("--out", type=Path, help="JSON file for all results")
    parser.add_argument("--floors", action="store_true", help="check the performance floors")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.cases if name not in IMAGES]:
        parser.error(f"{', '.join(unknown)}: not among {', '.join(IMAGES)}")
    chosen.cases = [case for case in CASES if case.name in chosen.cases]
    chosen.threads, chosen.batch = ([int(number) for number in given] for given in (chosen.threads, chosen.batch))
    chosen.work = chosen.work.resolve()
    return chosen


def eight_bits(files: Files) -> Path:
    """The model converted to eight bits."""
    path = files.clippie.with_name(f"{files.case.model}-int8.clippie")
    if not path.exists():
        command = [ROOT / "target" / "release" / "clippie-rs", "convert", files.checkpoint, path, "--precision", "int8"]
        subprocess.run([*command, "--model", files.case.model, "--without-tokenizer"], check=True)
    return path


def quantised(files: Files, batch: int) -> list[Path]:
    """The graph quantised by ONNX Runtime, in each way."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    source = files.onnx(batch)
    prepared = source.with_name(f"{source.stem}-prepared.onnx")
    found = []
    for name, weight in (("s8", QuantType.QInt8), ("u8", QuantType.QUInt8)):
        for operators in (["MatMul", "Gemm"], ["MatMul", "Gemm", "Conv"]):
            path = source.with_name(f"{source.stem}-{name}-{len(operators)}.onnx")
            if not path.exists():
                if not prepared.exists():
                    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
                options = {"per_channel": True, "weight_type": weight, "op_types_to_quantize": operators}
                quantize_dynamic(str(prepared), str(path), **options)
            found.append(path)
    return found


def load(row: Row, files: Files, workers: dict[str, Worker], plan: measure.Plan) -> dict[str, Worker]:
    """Load every engine with the file that it is measured with, and note how far its embeddings are off."""
    ready = {}
    for engine, worker in workers.items():
        ways = [None]
        if engine == ORT_EIGHT:
            ways = quantised(files, row.batch)
        elif engine == EIGHT:
            ways = [eight_bits(files)]
        best = None
        for way in ways:
            request = measure.job(files, worker.threads, row.batch, ORT if engine.startswith(ORT) else OURS)
            request["out"] = str(files.folder / f"{engine.replace(' ', '-')}.raw")
            if way is not None:
                request["clippie" if engine == EIGHT else "onnx"] = str(way)
                # An item a call would use the graph in full precision.
                request["feature_maps"] = False
            plan.cores.rest(set(range(row.threads)))
            try:
                answer = worker.ask("load", **request)
            except Failed as failed:
                row.reasons.setdefault(engine, str(failed))
                continue
            fastest = min(answer["tried"].values())
            if best is None or fastest < best[0]:
                off = measure.difference(files, row.batch, Path(request["out"]))
                best = (fastest, request, way, off)
            worker.ask("unload")
        if best is None:
            continue
        row.reasons.pop(engine, None)
        fastest, request, way, row.differences[engine] = best
        worker.way = worker.ask("load", **request)["setting"]
        row.ways[engine] = worker.way
        row.tried[engine] = {worker.way: fastest}
        print(f"  {engine}: {way.name if way else request['onnx' if engine == ORT else 'clippie']}", file=sys.stderr)
        ready[engine] = worker
    return ready


def measured(case: Case, threads: int, batch: int, chosen: argparse.Namespace, binary: Path, cores: Cores) -> Row:
    """Measure a case in one setting."""
    plan, row = measure.Plan(chosen.rounds, chosen.seconds, cores), Row(case.name, threads, batch)
    workers = {OURS: Worker([str(binary), OURS], threads), EIGHT: Worker([str(binary), OURS], threads)}
    workers |= {ORT: python_worker(ORT, threads), ORT_EIGHT: python_worker(ORT, threads)}
    try:
        ready = load(row, Files(chosen.work, case), workers, plan)
        measure.sum_up(row, measure.timed(row, ready, plan), plan.rounds)
    finally:
        for worker in workers.values():
            worker.close()
    return row


def line(row: Row) -> str:
    """A row of the report."""
    ms, off = row.ms, row.differences
    eight = ms.get(EIGHT, float("nan"))
    cells = [f"{row.case} | {row.threads}, {row.batch}", *(f"{ms.get(engine, float('nan')):.2f}" for engine in ms)]
    ratios = [ms.get(engine, float("nan")) / eight for engine in (OURS, ORT_EIGHT)]
    bad = [f"{off.get(engine, float('nan')):.1e}" for engine in (EIGHT, ORT_EIGHT)]
    return "| " + " | ".join([*cells, *(f"{ratio:.2f}" for ratio in ratios), *bad]) + " |"


def misses(row: Row, has_dot: bool) -> list[str]:
    """The floors that a row misses."""
    floor = FASTVIT if "mobileclip" in row.case else TRANSFORMER
    own, rival = row.ms[OURS] / row.ms[EIGHT], row.ms[ORT_EIGHT] / row.ms[EIGHT]
    wanted = floor.own if has_dot else floor.own_without
    found = []
    if own < wanted:
        found.append(f"{row.case}, {row.threads} threads, batch {row.batch}: {own:.2f} of full precision, not {wanted}")
    if rival < floor.rival:
        found.append(f"{row.case}, {row.threads} threads, batch {row.batch}: {rival:.2f} of ONNX Runtime, not {floor.rival}")
    return found


def main() -> int:
    chosen = arguments()
    binary = build([OURS])
    prepare(chosen.cases, chosen.batch, chosen.work, True)
    cores = Cores(binary, 0, chosen.patience)
    rows = []
    print(f"| case | threads, batch | {OURS} ms | {EIGHT} | {ORT} | {ORT_EIGHT} | of own f32 | of {ORT_EIGHT} |"
          f" 1 - cosine | {ORT_EIGHT} |", file=sys.stderr)
    for case in chosen.cases:
        for threads in chosen.threads:
            for batch in chosen.batch:
                rows.append(measured(case, threads, batch, chosen, binary, cores))
                print(line(rows[-1]), flush=True)
    cores.close()
    processor = machine.processor()
    print(processor)
    if chosen.out:
        found = [{"case": row.case, "threads": row.threads, "batch": row.batch, "ms": row.ms, "off": row.differences}
                 for row in rows]
        chosen.out.write_text(json.dumps(found, indent=1) + "\n")
    missed = [miss for row in rows for miss in misses(row, "vnni" in Path("/proc/cpuinfo").read_text())]
    if chosen.floors:
        print("Floors missed:" if missed else "All floors are reached.", *(f"- {miss}" for miss in missed), sep="\n")
    return 1 if chosen.floors and missed else 0


if __name__ == "__main__":
    sys.exit(main())
