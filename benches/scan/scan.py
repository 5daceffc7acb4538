"""Compare exact searches in stored vectors: clippie-rs, faiss, usearch, sqlite-vec and NumPy, in turns in one run.

    python benches/scan/scan.py                          100,000 unit vectors of 512, one and two threads
    python benches/scan/scan.py --rows 1000000           needs 12 GB of memory
    python benches/scan/scan.py --floor 3                exit code 1 if clippie-rs is not three times as fast

Each engine is a process that holds the vectors and is stopped (SIGSTOP) between its turns; in a round each has a turn,
on the same processors, and the next round starts with another engine on others. A figure is the median of all calls,
and beside it the smallest: on a busy machine the median of one engine can be disturbed more than that of another. All
engines must find the same ten rows for every query, but for rows whose scores differ by less than float32 can tell;
clippie-rs must find those of the float64 ranking.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = "clippie-rs"
BEST, BATCH = 10, 32
# Scores that float32 sums cannot tell apart.
NEAR = 1e-5


def numpy_engine(vectors, _threads):
    def one(queries):
        scores = queries @ vectors.T if len(queries) > 1 else (vectors @ queries[0])[None]
        best = np.argpartition(scores, -BEST, axis=1)[:, -BEST:]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        return np.take_along_axis(best, order, axis=1)

    return one


def faiss_engine(vectors, threads):
    import faiss

    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return lambda queries: index.search(queries, BEST)[1]


def usearch_engine(vectors, threads):
    from usearch.index import MetricKind, search

    def one(queries):
        keys = search(vectors, queries, BEST, MetricKind.IP, exact=True, threads=threads).keys
        return keys.reshape(len(queries), -1)

    return one


def sqlite_engine(vectors, _threads):
    # Not `sqlite3`: many Python builds cannot load extensions with it.
    import apsw
    import sqlite_vec

    database = apsw.Connection(":memory:")
    database.enable_load_extension(True)
    sqlite_vec.load(database)
    database.execute(f"create virtual table v using vec0(e float[{vectors.shape[1]}] distance_metric=cosine)")
    rows = ((row, vector.tobytes()) for row, vector in enumerate(vectors))
    with database:
        database.executemany("insert into v(rowid, e) values (?, ?)", rows)
    text = "select rowid from v where e match ? and k = ? order by distance"
    return lambda queries: [[row for (row,) in database.execute(text, (q.tobytes(), BEST))] for q in queries]


ENGINES = {"faiss": faiss_engine, "usearch": usearch_engine, "sqlite-vec": sqlite_engine, "numpy": numpy_engine}
PACKAGES = {"faiss": "faiss-cpu", "usearch": "usearch", "sqlite-vec": "sqlite-vec", "numpy": "numpy"}


def call_times(run, seconds):
    """Return the times of calls made for `seconds`, at least three."""
    times, start = [], perf_counter()
    while len(times) < 3 or perf_counter() - start < seconds:
        before = perf_counter()
        run()
        times.append((perf_counter() - before) * 1e3)
    return times


def worker(engine, folder, threads):
    """Answer lines on standard input: a number of seconds. The first answer has the rows that were found."""
    vectors, queries = (np.load(Path(folder) / name, mmap_mode="r") for name in ("vectors.npy", "queries.npy"))
    queries = np.ascontiguousarray(queries)
    run = ENGINES[engine](vectors, threads)
    top = [np.asarray(run(query[None]))[0].tolist() for query in queries]
    print(json.dumps({"top": top}), flush=True)
    for line in sys.stdin:
        turn = iter(range(10**9))
        one = call_times(lambda: run(queries[next(turn) % len(queries)][None]), float(line))
        batch = [time / BATCH for time in call_times(lambda: run(queries[:BATCH]), float(line))]
        print(json.dumps({"one": one, "batch": batch}), flush=True)


class Rival:
    """The process of another engine."""

    def __init__(self, engine, folder, threads):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = os.environ | {name: str(threads) for name in names}
        command = [sys.executable, __file__, "--worker", engine, str(folder), "--threads", str(threads)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env=environment, **pipes)
        self.top = self.answer()["top"]
        self.process.send_signal(signal.SIGSTOP)

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"an engine ended with exit code {self.process.wait()}")
        return json.loads(line)

    def turn(self, seconds, processors):
        self.process.send_signal(signal.SIGCONT)
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            os.sched_setaffinity(int(thread), processors)
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        answer = self.answer()
        self.process.send_signal(signal.SIGSTOP)
        return answer["one"], answer["batch"]

    def close(self):
        self.process.kill()
        self.process.wait()


class Ours:
    """The command, started for each turn: it prints a median, which counts as one call."""

    def __init__(self, binary, folder, threads):
        files = ["--scan", folder / "vectors.npy", "--queries", folder / "queries.npy"]
        self.command = [binary, "bench", *files, "--threads", str(threads), "--json", "--seconds"]
        self.top, self.report = None, None

    def turn(self, seconds, processors):
        place = lambda: os.sched_setaffinity(0, processors)
        out = subprocess.run([*self.command, str(seconds)], preexec_fn=place, check=True, capture_output=True)
        self.report = json.loads(out.stdout)
        self.top = self.report["top"]
        return [self.report["scan_ms"]], [self.report["batch_ms"]]

    def close(self):
        pass


def prepare(folder, rows, dim):
    """Write unit vectors, and queries that are a mixture of a vector and noise."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "queries.npy").exists():
        return
    random = np.random.default_rng(1)
    vectors = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.float32, (rows, dim))
    for start in range(0, rows, 10_000):
        part = random.standard_normal((min(10_000, rows - start), dim), dtype=np.float32)
        vectors[start : start + 10_000] = part / np.linalg.norm(part, axis=1, keepdims=True)
    noise = random.standard_normal((BATCH, dim), dtype=np.float32) / np.sqrt(dim)
    queries = 0.3 * vectors[random.choice(rows, BATCH)] + noise
    vectors.flush()
    np.save(folder / "queries.npy", (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32))


def check(engines, folder):
    """Compare what all engines have found with the float64 ranking."""
    vectors, queries = (np.load(folder / name, mmap_mode="r") for name in ("vectors.npy", "queries.npy"))
    scores = np.empty((len(queries), len(vectors)))
    for start in range(0, len(vectors), 50_000):
        scores[:, start : start + 50_000] = queries.astype(float) @ vectors[start : start + 50_000].astype(float).T
    for q, row in enumerate(scores):
        best = np.argsort(-row, kind="stable")[:BEST]
        for name, engine in engines.items():
            found = engine.top[q]
            if name == OURS and found != best.tolist():
                sys.exit(f"{name} found {found} for query {q}, not {best.tolist()}")
            if len(set(found)) != BEST or np.abs(np.sort(row[found])[::-1] - row[best]).max() > NEAR:
                sys.exit(f"{name} found {found} for query {q}, not {best.tolist()}")


def measure(options, threads, folder):
    engines = {OURS: Ours(options.binary, folder, threads)}
    engines |= {name: Rival(name, folder, threads) for name in options.engines}
    times = {name: ([], []) for name in engines}
    every = sorted(os.sched_getaffinity(0))
    for turn in range(options.rounds):
        processors = {every[(turn * threads + i) % len(every)] for i in range(threads)}
        names = list(engines)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            one, batch = engines[name].turn(options.seconds, processors)
            times[name][0].extend(one)
            times[name][1].extend(batch)
    check(engines, folder)
    for engine in engines.values():
        engine.close()
    return times, engines[OURS].report


def table(times, threads):
    others = [name for name in times if name != OURS]
    best = [min(median(times[name][i]) for name in others) for i in (0, 1)]
    fastest = [min(min(times[name][i]) for name in others) for i in (0, 1)]
    lines = [
        f"{threads} thread{'s' if threads > 1 else ''}: milliseconds a query, median (smallest)",
        f"| {'engine':<12} | {'one query':>20} | {'batch of ' + str(BATCH):>20} |",
        f"|{'-' * 14}|{'-' * 22}|{'-' * 22}|",
    ]
    for name, kinds in times.items():
        cells = [f"{median(kind):.2f} ({min(kind):.2f})" for kind in kinds]
        lines.append(f"| {name:<12} | {cells[0]:>20} | {cells[1]:>20} |")
    ours = times[OURS]
    factors = [best[i] / median(ours[i]) for i in (0, 1)]
    smallest = [fastest[i] / min(ours[i]) for i in (0, 1)]
    cells = [f"{factors[i]:.1f} ({smallest[i]:.1f})" for i in (0, 1)]
    lines.append(f"| {'times faster':<12} | {cells[0]:>20} | {cells[1]:>20} |")
    return "\n".join(lines), factors[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--threads", default="1,2", help="default: 1,2")
    parser.add_argument("--engines", default=",".join(ENGINES), help=",".join(ENGINES))
    parser.add_argument("--rounds", type=int, default=6, help="turns of each engine; default: 6")
    parser.add_argument("--seconds", type=float, default=0.5, help="of a turn for each figure; default: 0.5")
    parser.add_argument("--binary", type=Path, default=ROOT / "target" / "release" / "clippie-rs")
    parser.add_argument("--work", type=Path, default=ROOT / "target" / "scan", help="folder of the vectors")
    parser.add_argument("--floor", type=float, help="exit code 1 if the factor for one query is smaller")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(*options.worker, int(options.threads))
        return 0
    options.engines = options.engines.split(",")
    folder = options.work / f"{options.rows}x{options.dim}"
    prepare(folder, options.rows, options.dim)
    versions = ", ".join(f"{PACKAGES[name]} {importlib.metadata.version(PACKAGES[name])}" for name in options.engines)
    print(f"{options.rows} unit vectors of {options.dim}, {BATCH} queries, {BEST} best; {versions}; {platform.machine()}")
    smallest = float("inf")
    for threads in map(int, options.threads.split(",")):
        times, report = measure(options, threads, folder)
        text, factor = table(times, threads)
        print("", text, f"prepared in {report['build_ms']:.0f} ms, {report['rescored']:.0f} rows rescored", sep="\n")
        smallest = min(smallest, factor)
    return int(options.floor is not None and smallest < options.floor)


if __name__ == "__main__":
    sys.exit(main())
